"""Events of a booking, as the platform sends them, into the room of a conversation."""

import json
from typing import Any

from nio.crypto.attachments import decrypt_attachment

from bridge.delivery.inbox import Accepted
from bridge.platform.intake import TOPIC, item_id_of
from tests.appservice.changes.room import Conversation
from tests.appservice.encryption.engine import BOT, TENANT
from tests.appservice.encryption.party import Party
from tests.appservice.encryption.reader import ANNA, TALK
from tests.bridge.bookings.examples import read_calendar
from tests.bridge.platform.sender import event
from tests.fakes.homeserver import Json

LANE = f"party:{TENANT}:p1"
PARTY = {"id": "p1", "title": "Anna & Ben", "hosts": [{"id": "anna", "name": "Anna", "mxid": ANNA}]}
CHEF = {"id": "chef", "name": "Sweet Bites"}


def told(kind: str, minute: int, **changed: object) -> Json:
    """`minute`: of its hour, when it happened."""
    booking = {
        "id": "b1",
        "service": "Catering",
        "starts_at": "2027-06-12T18:00:00+02:00",
        "time_zone": "Europe/Berlin",
        "total": {"amount": 125_000, "currency": "EUR"},
    }
    data = {"booking": booking | changed, "party": PARTY, "vendor": CHEF}
    return event(f"booking.{kind}", data, id=f"{kind}-{minute}", time=f"2027-01-01T10:{minute:02}:00Z")


def paid(amount: int, payment_id: str = "pay-1") -> Json:
    payment = {"id": payment_id, "amount": amount, "currency": "EUR"}
    data = {"party_id": "p1", "booking_id": "b1", "payment": payment}
    return event("payment.received", data, id=payment_id)


async def accept(talk: Conversation, sent: Json) -> Accepted:
    product = talk.parts.product
    async with talk.engine.database.transaction() as tx:
        return await product.inbox.add(
            tx,
            item_id=item_id_of(TENANT, sent["source"], sent["id"]),
            tenant_id=TENANT,
            lane=LANE,
            topic=TOPIC,
            body=json.dumps(sent).encode(),
        )


async def apply(talk: Conversation) -> None:
    """All that waits."""
    product = talk.parts.product
    while item := await product.inbox.head(LANE):
        await product.platform.apply(item)


async def happens(talk: Conversation, *events: Json) -> None:
    """It is told, applied, and shown in the room."""
    for sent in events:
        assert await accept(talk, sent) is Accepted.NEW
    await apply(talk)
    await talk.go_out()


async def seen(talk: Conversation, party: Party) -> list[Json]:
    """What this device reads in the room: id, sender and content of each event."""
    await party.sync()
    return [
        {
            "event_id": one["event_id"],
            "sender": one["sender"],
            "content": party.read(one)["content"],
            "outside": one["content"],
        }
        for one in talk.in_room()
    ]


def is_edit(entry: Json) -> bool:
    return "m.new_content" in entry["content"]


async def pinned(talk: Conversation) -> list[str]:
    return await talk.homeserver.pinned(BOT, TALK)


def calendar_in(talk: Conversation, entry: Json) -> Any:
    """Opened by what came with it, and read."""
    file = entry["content"]["file"]
    ciphertext = talk.homeserver.media[file["url"]]
    opened = decrypt_attachment(ciphertext, file["key"]["k"], file["hashes"]["sha256"], file["iv"])
    return read_calendar(bytes(opened))
