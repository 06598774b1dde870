"""In whose name a caller acts: pure."""

from bridge.core.caller import Caller
from bridge.core.ids import ParticipantId
from bridge.participants.errors import NobodyNamed, NotYourself


def acting(caller: Caller, named: str | None, *, field: str) -> ParticipantId | None:
    """As whom. A person acts as themselves only, named or not; programs and staff as whom they name, or nobody.

    `field`: where in the request the name stands.
    """
    if not caller.is_person:
        return None if named is None else ParticipantId(named)
    if caller.participant_id is None or named not in (None, caller.participant_id):
        raise NotYourself(
            f"A person's token acts for that person only. Nothing was changed. Leave `{field}` out, or name yourself.",
            field=field,
        )
    return caller.participant_id


def acting_as_somebody(caller: Caller, named: str | None, *, field: str) -> ParticipantId:
    """As `acting`, of what nobody but a participant can do."""
    somebody = acting(caller, named, field=field)
    if somebody is None:
        raise NobodyNamed(
            f"Programs and staff say for whom they act. Nothing was changed. Name a participant in `{field}`.",
            field=field,
        )
    return somebody
