"""`!festimo status`: who is here, and what is booked. `!festimo status away`: of a vendor, whether they are there."""

from collections.abc import Mapping

from bridge.bookings.model import Booking
from bridge.bookings.wording import money, time
from bridge.core.ids import VendorId
from bridge.festimo.model import Command, Scene, SetStatus
from bridge.vendors.model import Status

SAID: Mapping[str, Status | None] = {
    "online": "online",
    "away": "away",
    "busy": "busy",
    "offline": "offline",
    "auto": None,
}


def deed(scene: Scene, rest: str) -> SetStatus | None:
    word, asker = rest.lower(), scene.asker
    if word not in SAID or asker is None or asker.role != "vendor":
        return None
    return SetStatus(VendorId(asker.participant.participant_id), SAID[word])


def answer(scene: Scene, rest: str) -> str:
    if rest.lower() in SAID:
        return _of_asker(scene, rest)
    people = ", ".join(f"{member.participant.name} ({member.role})" for member in scene.members)
    lines = [scene.conversation.title, f"People: {people}"]
    if scene.bookings:
        lines += ["Bookings:", *(f"- {_booking(booking)}" for booking in scene.bookings)]
    else:
        lines.append("Nothing is booked so far.")
    return "\n".join(lines)


def _of_asker(scene: Scene, rest: str) -> str:
    done = deed(scene, rest)
    if done is None:
        return "Only a vendor is shown as there or away. Nothing was changed."
    if done.status is None:
        return "From now on you are shown as your app sees you."
    return f"You are shown as {done.status}, until you say otherwise: !festimo status auto leaves it to your app."


def _booking(booking: Booking) -> str:
    terms = booking.terms
    parts = [f"{terms.service}: {booking.status}", time(terms.starts_at)]
    if terms.total is not None:
        parts.append(money(terms.total))
    if booking.paid is not None:
        parts.append(f"{money(booking.paid)} paid")
    return ", ".join(parts)


STATUS = Command(
    name="status",
    summary="who is in this conversation and what is booked; vendors say: status online, away, busy, offline or auto",
    words=frozenset(
        {"status", "booking", "bookings", "booked", "confirmed", "when", "who", "price", "total", "cost"}
    ),
    answer=answer,
    deed=deed,
)
