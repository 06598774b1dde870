"""One vendor's part of a wedding: what happens in their conversation, and what must have come of it."""

from collections import Counter
from collections.abc import Sequence
from itertools import takewhile

from tests.wedding.stage import (
    ANNA,
    CANARY,
    FESTIMO,
    NAMES,
    PARTY,
    TITLE,
    WITH_CLIENTS,
    Json,
    Line,
    Shown,
    Stage,
    until,
)

GREETING = (
    "Hello! I am Festimo. I bring bookings and news from the platform into this conversation, which is end-to-end "
    "encrypted.\nWrite !festimo help to see what I can do."
)


class Tale:
    """Of one vendor: what happens in the conversation, and what must have come of it."""

    def __init__(self, stage: Stage, vendor: str) -> None:
        self.stage = stage
        self.vendor = vendor
        self.lines: list[Line] = []
        self.cards: dict[str, int] = {}
        """Booking id -> which of the lines."""
        self.told: Counter[str] = Counter()
        """Types of what the platform hears besides the messages."""
        self.calendars: list[tuple[str, int]] = []
        self._number = 0
        self._seen: dict[str, list[Shown] | None] = {}

    @property
    def readers(self) -> tuple[str, ...]:
        return (ANNA, self.vendor) if self.vendor in WITH_CLIENTS else (ANNA,)

    # What happens

    async def opens(self) -> None:
        self.told["conversation.created"] += 1
        await self.becomes(Line(FESTIMO, GREETING))

    async def ghost_says(self, text: str) -> None:
        said = {"party_id": PARTY, "vendor_id": self.vendor, "sender_id": self.vendor, "text": text}
        await self.tell("message.send", said)
        await self.becomes(Line(self.vendor, text))

    async def says(
        self, who: str, text: str, *festimo: str, to: str | None = None, told: Sequence[str] = ()
    ) -> None:
        """`festimo`: what is said to it; `to`: how the message begins that this is a reply to."""
        reply_to = None if to is None else self.find(to).event_id
        await self.stage.speak(who, self.vendor, text, reply_to=reply_to)
        self.told.update(told)
        await self.becomes(Line(who, text), *(Line(FESTIMO, line) for line in festimo))

    async def taps(self, start: str, emoji: str, *festimo: str, told: Sequence[str] = ()) -> None:
        """Anna does, on a reaction that Festimo has put there."""

        async def is_there() -> bool:
            await self._looks()
            return (FESTIMO, emoji) in self.find(start).reactions

        await until(self.stage, is_there, lambda: f"{emoji} under {start}")
        await self.stage.react(ANNA, self.vendor, self.find(start).event_id, emoji)
        self.told.update(told)
        await self.becomes(*(Line(FESTIMO, line) for line in festimo))

    async def books(
        self, kind: str, minute: int, booking: Json, card: str, *festimo: str, files: Sequence[str] = ()
    ) -> None:
        """`card`: what it becomes; `files`: methods of the calendar files that come after the notice."""
        data = {"party": party(self.stage), "vendor": person(self.stage, self.vendor), "booking": booking}
        await self.tell(f"booking.{kind}", data, minute=minute)
        await self._booked(booking["id"], card, festimo, files)

    async def pays(self, booking_id: str, amount: int, card: str, *festimo: str) -> None:
        self._number += 1
        payment = {"id": f"{self.vendor}-pay-{self._number}", "amount": amount, "currency": "EUR"}
        data = {"party_id": PARTY, "booking_id": booking_id, "payment": payment}
        await self.tell("payment.received", data)
        await self._booked(booking_id, card, festimo, ())

    async def _booked(self, booking_id: str, card: str, festimo: Sequence[str], files: Sequence[str]) -> None:
        new = [Line(FESTIMO, line) for line in festimo]
        for method in files:
            name = (
                f"booking-{booking_id}-cancelled.ics" if method == "CANCEL" else f"booking-{booking_id}.ics"
            )
            self.calendars.append((method, len(self.calendars)))
            new.append(Line(FESTIMO, name))
        if booking_id not in self.cards:
            self.cards[booking_id] = len(self.lines)
            new.insert(0, Line(FESTIMO, card))
            self.told.update(["conversation.pins_changed", "booking.updated"])
        elif self.lines[self.cards[booking_id]].text != card:
            self.lines[self.cards[booking_id]] = Line(FESTIMO, card)
            self.told.update(["message.edited", "booking.updated"])
        await self.becomes(*new)

    async def tell(self, event_type: str, data: Json, *, minute: int | None = None) -> None:
        self._number += 1
        time = {} if minute is None else {"time": f"2026-10-01T10:{minute:02}:00Z"}
        await self.stage.tell(
            {
                "specversion": "1.0",
                "id": f"{self.vendor}-{self._number}",
                "source": "/festipin",
                "type": event_type,
                "data": data,
                **time,
            }
        )

    # What comes of it

    async def becomes(self, *new: Line) -> None:
        """In all clients of the conversation, with these at its end; and the platform has heard of each."""
        self.lines += new

        async def is_so() -> bool:
            if not await self._is_so():
                return False
            heard = await self.stage.heard(self.vendor)
            return [one["type"] for one in heard].count("message.sent") == len(self.lines)

        await until(self.stage, is_so, self._differences)

    def find(self, start: str) -> Shown:
        seen = self._seen[ANNA]
        assert seen is not None
        return next(one for one in seen if one.text.startswith(start))

    async def _looks(self) -> None:
        for reader in self.readers:
            self._seen[reader] = await self.stage.shown(reader, self.vendor)

    async def _is_so(self) -> bool:
        await self._looks()
        return all(
            seen is not None and [one.line for one in seen] == self.lines for seen in self._seen.values()
        )

    def _differences(self) -> str:
        for reader, seen in self._seen.items():
            lines = None if seen is None else [one.line for one in seen]
            if lines is None:
                return f"{self.vendor}: {reader} is not there"
            if lines != self.lines:
                same = sum(
                    1
                    for _ in takewhile(lambda pair: pair[0] == pair[1], zip(lines, self.lines, strict=False))
                )
                return f"{self.vendor}: {reader} sees {lines[same:]} instead of {self.lines[same:]}"
        return f"{self.vendor}: all as expected"

    async def check(self) -> None:
        """Once nothing is under way any more."""
        assert await self._is_so(), self._differences()
        seen = self._seen[ANNA]
        assert seen is not None
        cards = [seen[place].event_id for place in self.cards.values()]
        assert await self.stage.pinned(self.vendor) == cards
        for reader in self.readers:
            assert await self.stage.calendars(reader, self.vendor) == self.calendars
        await self._check_heard()

    async def _check_heard(self) -> None:
        conversation = await self.stage.conversation_of(self.vendor)
        heard = await self.stage.heard(self.vendor)
        assert {one["data"]["conversation_id"] for one in heard} == {conversation}
        assert [one["sequence"] for one in heard] == list(range(1, len(heard) + 1)), (
            f"{self.vendor}: out of order, or not all: {[(one['sequence'], one['type']) for one in heard]}"
        )
        said = [one["data"]["message_id"] for one in heard if one["type"] == "message.sent"]
        texts = [(await self.stage.api("GET", f"messages/{one}", None, key=one))["content"] for one in said]
        other = [
            pair
            for pair in zip(texts, [line.text for line in self.lines], strict=False)
            if pair[0] != pair[1]
        ]
        assert (other, len(texts)) == ([], len(self.lines)), f"{self.vendor}: the platform heard of {other}"
        ours = [one for one, line in zip(said, self.lines, strict=True) if line.voice not in self.readers]
        delivered = [one["data"]["message_id"] for one in heard if one["type"] == "message.delivered"]
        assert delivered == ours, (
            f"{self.vendor}: what stands in the room of our side, each once, in this order"
        )
        types = Counter(one["type"] for one in heard)
        replies = sum(
            line.voice == self.vendor and self._last_person(place) == ANNA
            for place, line in enumerate(self.lines)
        )
        expected = self.told + Counter(
            {"message.sent": len(said), "message.delivered": len(ours), "vendor.replied": replies}
        )
        seen = self._seen[ANNA] or []
        expected["reaction.added"] = sum(len(one.reactions) for one in seen)
        expected["participant.added"] = 2
        expected["participant.came"] = len(self.readers)
        assert types == expected, f"{self.vendor}: {types - expected} too many, {expected - types} missing"

    def _last_person(self, place: int) -> str | None:
        voices = [line.voice for line in self.lines[:place] if line.voice != FESTIMO]
        return voices[-1] if voices else None


def party(stage: Stage) -> Json:
    anna = {"id": ANNA, "name": "Anna", "mxid": stage.account(ANNA)}
    return {"id": PARTY, "title": TITLE, "hosts": [anna]}


def person(stage: Stage, vendor: str) -> Json:
    account = {"mxid": stage.account(vendor)} if vendor in WITH_CLIENTS else {}
    return {"id": vendor, "name": NAMES[vendor]} | account


def booking(booking_id: str, service: str, *, day: int = 12, total: int | None = None) -> Json:
    """`total` in cents."""
    money = {} if total is None else {"total": {"amount": total, "currency": "EUR"}}
    starts_at = f"2027-06-{day:02}T14:00:00+02:00"
    return {"id": booking_id, "service": f"{service} {CANARY}", "starts_at": starts_at} | money
