"""As whom a caller acts: a person as themselves only, a program as whoever it names."""

from bridge.core.caller import Caller
from bridge.core.ids import ParticipantId
from bridge.messages.errors import NotYourself, SenderMissing


def acting(caller: Caller, named: str | None, *, field: str = "sender_id") -> ParticipantId:
    """`named`: the participant that the request names, if it does, in `field`."""
    if caller.is_person:
        if caller.participant_id is None or named not in (None, caller.participant_id):
            raise NotYourself(
                "You can act as yourself only. Leave this out, or give your own id.", field=field
            )
        return caller.participant_id
    if named is None:
        raise SenderMissing(
            "Say who does it: a program acts for one of the conversation's people.", field=field
        )
    return ParticipantId(named)
