"""Bookings in the database; what was booked, when and for how much is sealed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bridge.bookings.model import BOOKED, Booking, CalendarEntry, Followed, News, Payment, Status
from bridge.bookings.sealed import (
    agreed_in,
    as_bytes,
    entry_in,
    money_in,
    sealed_agreed,
    sealed_entry,
    sealed_money,
    sealed_terms,
    terms_in,
)
from bridge.conversations.change_store import LINK_BOOKING
from bridge.conversations.member_store import IS_IN
from bridge.conversations.model import Conversation
from bridge.core.clock import Clock
from bridge.core.ids import (
    BookingId,
    ConversationId,
    MessageId,
    ParticipantId,
    PartyId,
    PaymentId,
    TenantId,
    VendorId,
)
from bridge.storage.arguments import Arguments
from bridge.storage.database import Reader, Row, Transaction
from bridge.storage.sealing import Sealer

PUT = """
INSERT INTO bookings (tenant_id, booking_id, conversation_id, status, details, party_id, card_id, created_at,
    updated_at, booked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9)
ON CONFLICT (tenant_id, booking_id) DO UPDATE SET conversation_id = excluded.conversation_id,
    status = excluded.status, details = excluded.details, party_id = COALESCE(excluded.party_id, bookings.party_id),
    card_id = excluded.card_id, updated_at = excluded.updated_at,
    booked_at = CASE WHEN excluded.booked_at IS NULL THEN NULL ELSE COALESCE(bookings.booked_at, excluded.booked_at) END
"""
_COLUMNS = """b.tenant_id, b.booking_id, b.conversation_id, b.status, b.details, b.party_id, b.card_id, b.created_at,
    b.updated_at, c.vendor_id"""
_BOOKINGS = f"SELECT {_COLUMNS} FROM bookings b JOIN conversations c ON c.conversation_id = b.conversation_id"
SELECT = f"{_BOOKINGS} WHERE b.tenant_id = $1 AND b.booking_id = $2"
SELECT_OF_CONVERSATION = f"{_BOOKINGS} WHERE b.conversation_id = $1 ORDER BY b.booking_id"
_OF_MEMBER = f"""b.conversation_id IN (
    SELECT conversation_id FROM conversation_members
    WHERE tenant_id = $1 AND participant_id = {{person}} AND {IS_IN})"""
ADD_NEWS = """
INSERT INTO booking_news (news_id, tenant_id, booking_id, kind, happened_at, details, accepted)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (news_id) DO NOTHING
"""
SELECT_NEWS = """
SELECT news_id, kind, happened_at, details, accepted FROM booking_news WHERE tenant_id = $1 AND booking_id = $2
ORDER BY position
"""
ADD_PAYMENT = """
INSERT INTO booking_payments (tenant_id, payment_id, booking_id, details) VALUES ($1, $2, $3, $4)
"""
SELECT_PAYMENT = """
SELECT payment_id, booking_id, details FROM booking_payments WHERE tenant_id = $1 AND payment_id = $2
"""
SELECT_PAYMENTS = """
SELECT payment_id, booking_id, details FROM booking_payments WHERE tenant_id = $1 AND booking_id = $2 ORDER BY position
"""
PAYMENTS = "booking-payments"
"""What their content keys are for: a payment may come before there is a conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which bookings of a tenant; None lets all through. `member`: of conversations in which they take part."""

    conversation_id: ConversationId | None = None
    party_id: PartyId | None = None
    vendor_id: VendorId | None = None
    status: Status | None = None
    member: ParticipantId | None = None

    def identity(self) -> Sequence[str | None]:
        return [self.conversation_id, self.party_id, self.vendor_id, self.status, self.member]


class BookingStore:
    def __init__(self, sealer: Sealer, clock: Clock) -> None:
        self._sealer = sealer
        self._clock = clock

    async def lock(self, tx: Transaction, tenant_id: TenantId, booking_id: BookingId) -> None:
        """Nobody else follows this booking until the transaction ends."""
        await tx.lock(f"booking:{tenant_id}:{booking_id}")

    # Bookings as they are

    async def put(
        self,
        tx: Transaction,
        conversation: Conversation,
        booking: Booking,
        *,
        party_id: PartyId | None,
        card_id: MessageId,
        entry: CalendarEntry | None,
    ) -> None:
        """Instead of what was known of it; it is this conversation's. `party_id`: None leaves it as it was."""
        details = sealed_terms(booking.terms) | {
            "paid": sealed_money(booking.paid),
            "agreed": sealed_agreed(booking.agreed),
            "entry": sealed_entry(entry),
        }
        tenant_id, here = conversation.tenant_id, conversation.conversation_id
        sealed = await self._seal(tx, tenant_id, here, details, place=_place(tenant_id, booking.booking_id))
        now = self._clock.now()
        await tx.execute(
            PUT,
            tenant_id,
            booking.booking_id,
            here,
            booking.status,
            sealed,
            party_id,
            card_id,
            now,
            now if booking.status in BOOKED else None,
        )
        await tx.execute(LINK_BOOKING, tenant_id, here, booking.booking_id)

    async def find(self, reader: Reader, tenant_id: TenantId, booking_id: BookingId) -> Followed | None:
        row = await reader.fetch_one(SELECT, tenant_id, booking_id)
        return None if row is None else await self._followed(reader, row)

    async def of_conversation(self, reader: Reader, conversation: Conversation) -> list[Booking]:
        rows = await reader.fetch(SELECT_OF_CONVERSATION, conversation.conversation_id)
        return [(await self._followed(reader, row)).booking for row in rows]

    async def newest(
        self,
        reader: Reader,
        tenant_id: TenantId,
        wanted: Filter,
        *,
        before: tuple[int, str] | None,
        limit: int,
    ) -> list[Followed]:
        """`before`: when the last one seen came to be known, and its id. Not those of deleted conversations."""
        args = Arguments(tenant_id, limit)
        conditions = ["b.tenant_id = $1", "c.deleted_at IS NULL"]
        columns = {
            "b.conversation_id": wanted.conversation_id,
            "b.party_id": wanted.party_id,
            "c.vendor_id": wanted.vendor_id,
            "b.status": wanted.status,
        }
        conditions += [
            f"{column} = {args.place(value)}" for column, value in columns.items() if value is not None
        ]
        if wanted.member is not None:
            conditions.append(_OF_MEMBER.format(person=args.place(wanted.member)))
        if before is not None:
            conditions.append(f"(b.created_at, b.booking_id) < ({args.place(*before)})")
        rows = await reader.fetch(
            f"{_BOOKINGS} WHERE {' AND '.join(conditions)} ORDER BY b.created_at DESC, b.booking_id DESC LIMIT $2",
            *args.values,
        )
        return [await self._followed(reader, row) for row in rows]

    # What is told of them

    async def add_news(
        self,
        tx: Transaction,
        tenant_id: TenantId,
        conversation_id: ConversationId,
        booking_id: BookingId,
        news: News,
    ) -> None:
        """What came before stays as it was."""
        place = _news_place(news.news_id)
        sealed = await self._seal(tx, tenant_id, conversation_id, sealed_terms(news.terms), place=place)
        await tx.execute(
            ADD_NEWS,
            news.news_id,
            tenant_id,
            booking_id,
            news.kind,
            news.happened_at,
            sealed,
            news.accepted,
        )

    async def news_of(self, reader: Reader, tenant_id: TenantId, booking_id: BookingId) -> list[News]:
        """In the order in which it came."""
        return [
            News(
                news_id=row["news_id"],
                kind=row["kind"],
                happened_at=row["happened_at"],
                terms=terms_in(await self._opened(reader, row, _news_place(row["news_id"]))),
                accepted=row["accepted"],
            )
            for row in await reader.fetch(SELECT_NEWS, tenant_id, booking_id)
        ]

    # What is paid for them

    async def add_payment(self, tx: Transaction, tenant_id: TenantId, payment: Payment) -> None:
        sealed = await self._sealer.seal(
            tx,
            tenant_id,
            PAYMENTS,
            as_bytes({"money": sealed_money(payment.money)}),
            place=_payment_place(tenant_id, payment.payment_id),
        )
        await tx.execute(ADD_PAYMENT, tenant_id, payment.payment_id, payment.booking_id, sealed)

    async def payment(self, reader: Reader, tenant_id: TenantId, payment_id: PaymentId) -> Payment | None:
        row = await reader.fetch_one(SELECT_PAYMENT, tenant_id, payment_id)
        return None if row is None else await self._payment(reader, tenant_id, row)

    async def payments_of(self, reader: Reader, tenant_id: TenantId, booking_id: BookingId) -> list[Payment]:
        """In the order in which they came."""
        rows = await reader.fetch(SELECT_PAYMENTS, tenant_id, booking_id)
        return [await self._payment(reader, tenant_id, row) for row in rows]

    async def _seal(
        self,
        tx: Transaction,
        tenant_id: TenantId,
        conversation_id: ConversationId,
        details: dict[str, Any],
        *,
        place: str,
    ) -> bytes:
        scope = f"conversation:{conversation_id}"
        return await self._sealer.seal(tx, tenant_id, scope, as_bytes(details), place=place)

    async def _payment(self, reader: Reader, tenant_id: TenantId, row: Row) -> Payment:
        payment_id = PaymentId(row["payment_id"])
        details = await self._opened(reader, row, _payment_place(tenant_id, payment_id))
        money = money_in(details["money"])
        assert money is not None, "a payment is of some money"
        return Payment(payment_id=payment_id, booking_id=BookingId(row["booking_id"]), money=money)

    async def _followed(self, reader: Reader, row: Row) -> Followed:
        booking_id = BookingId(row["booking_id"])
        details = await self._opened(reader, row, _place(TenantId(row["tenant_id"]), booking_id))
        party_id, vendor_id, card_id = row["party_id"], row["vendor_id"], row["card_id"]
        return Followed(
            booking=Booking(
                booking_id=booking_id,
                status=row["status"],
                terms=terms_in(details),
                paid=money_in(details.get("paid")),
                agreed=agreed_in(details.get("agreed")),
            ),
            conversation_id=ConversationId(row["conversation_id"]),
            party_id=None if party_id is None else PartyId(party_id),
            vendor_id=None if vendor_id is None else VendorId(vendor_id),
            card_id=None if card_id is None else MessageId(card_id),
            entry=entry_in(details.get("entry")),
            created_at=row["created_at"],
            updated_at=row["updated_at"],
        )

    async def _opened(self, reader: Reader, row: Row, place: str) -> dict[str, Any]:
        details: dict[str, Any] = json.loads(await self._sealer.open(reader, row["details"], place=place))
        return details


def _place(tenant_id: TenantId, booking_id: BookingId) -> str:
    return f"bookings.details:{tenant_id}:{booking_id}"


def _news_place(news_id: str) -> str:
    return f"booking_news.details:{news_id}"


def _payment_place(tenant_id: TenantId, payment_id: PaymentId) -> str:
    return f"booking_payments.details:{tenant_id}:{payment_id}"
