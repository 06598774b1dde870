"""`!festimo status`: who is here, and what is booked."""

from bridge.bookings.model import Booking
from bridge.bookings.rules import money, time
from bridge.festimo.model import Command, Scene


def answer(scene: Scene, rest: str) -> str:
    people = ", ".join(f"{member.participant.name} ({member.role})" for member in scene.members)
    lines = [scene.conversation.title, f"People: {people}"]
    if scene.bookings:
        lines += ["Bookings:", *(f"- {_booking(booking)}" for booking in scene.bookings)]
    else:
        lines.append("Nothing is booked so far.")
    return "\n".join(lines)


def _booking(booking: Booking) -> str:
    parts = [f"{booking.service}: {booking.status}", time(booking.starts_at)]
    if booking.total is not None:
        parts.append(money(booking.total))
    return ", ".join(parts)


STATUS = Command(
    name="status",
    summary="who is in this conversation and what is booked",
    words=frozenset(
        {"status", "booking", "bookings", "booked", "confirmed", "when", "who", "price", "total", "cost"}
    ),
    answer=answer,
)
