"""Lists of conversations, newest first: which ones, by whom they are asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.conversations.member_store import IS_IN
from bridge.conversations.model import Status, Type
from bridge.conversations.store import COLUMNS, Stored, stored_of
from bridge.conversations.unread import READERS, SOMETHING_UNREAD
from bridge.core.ids import BookingId, ParticipantId, PartyId, TenantId, VendorId
from bridge.storage.arguments import Arguments
from bridge.storage.database import Reader

_OF_MEMBER = f"""conversation_id IN (
    SELECT m.conversation_id FROM {READERS}
    WHERE m.tenant_id = $1 AND m.participant_id = {{person}} AND m.{IS_IN}{{more}})"""
_MORE = {None: "", True: f" AND {SOMETHING_UNREAD}", False: f" AND NOT {SOMETHING_UNREAD}"}
"""By whether they are to have something unread there."""
_OF_PARTY = """conversation_id IN (
    SELECT conversation_id FROM conversation_parties WHERE tenant_id = $1 AND party_id = {party})"""
_OF_BOOKING = """conversation_id IN (
    SELECT conversation_id FROM conversation_bookings WHERE tenant_id = $1 AND booking_id = {booking})"""
_AS_PERSON_HAS_SET = """EXISTS (SELECT 1 FROM conversation_members m WHERE
    m.conversation_id = conversations.conversation_id AND m.participant_id = {person} AND m.{column} = {value})"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which conversations of a tenant; None lets all through, but nothing from the archive without `archive`.

    `member`: those in which they take part; only then `has_unread`, `is_pinned` and `is_muted`, which are theirs.
    """

    type: Type | None = None
    status: Status | None = None
    party_id: PartyId | None = None
    vendor_id: VendorId | None = None
    event_id: str | None = None
    booking_id: BookingId | None = None
    member: ParticipantId | None = None
    has_unread: bool | None = None
    is_pinned: bool | None = None
    is_muted: bool | None = None
    archive: bool = False

    def identity(self) -> Sequence[str | None]:
        """All of it, as text."""
        of_person = (self.has_unread, self.is_pinned, self.is_muted)
        flags = [None if flag is None else str(flag) for flag in of_person]
        plain = [self.type, self.status, self.party_id, self.vendor_id, self.event_id, self.booking_id]
        return [*plain, self.member, *flags]


async def newest(
    reader: Reader,
    tenant_id: TenantId,
    wanted: Filter,
    *,
    before: tuple[int, str] | None,
    limit: int,
) -> list[Stored]:
    """`before`: when the last one seen was made, and its id: neither ever changes, whatever is written meanwhile."""
    args = Arguments(tenant_id, limit)
    conditions = ["tenant_id = $1", "deleted_at IS NULL"]
    if wanted.party_id is not None:
        conditions.append(_OF_PARTY.format(party=args.place(wanted.party_id)))
    for column in ("type", "status", "vendor_id", "event_id"):
        value = getattr(wanted, column)
        if value is not None:
            conditions.append(f"{column} = {args.place(value)}")
    if wanted.status is None and not wanted.archive:
        conditions.append("status <> 'archived'")
    if wanted.booking_id is not None:
        conditions.append(_OF_BOOKING.format(booking=args.place(wanted.booking_id)))
    if wanted.member is not None:
        person = args.place(wanted.member)
        conditions.append(_OF_MEMBER.format(person=person, more=_MORE[wanted.has_unread]))
        for column, flag in (("pinned", wanted.is_pinned), ("muted", wanted.is_muted)):
            if flag is not None:
                conditions.append(
                    _AS_PERSON_HAS_SET.format(person=person, column=column, value=args.place(int(flag)))
                )
    if before is not None:
        conditions.append(f"(created_at, conversation_id) < ({args.place(*before)})")
    sql = (
        f"SELECT {COLUMNS}, updated_at FROM conversations WHERE {' AND '.join(conditions)}"
        " ORDER BY created_at DESC, conversation_id DESC LIMIT $2"
    )
    return [stored_of(row) for row in await reader.fetch(sql, *args.values)]
