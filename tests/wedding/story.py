"""A whole wedding: one party, six vendors, and what everybody sees and the platform hears in the end.

It is told on a stage, which is a bridge with a homeserver, people's clients and a platform. After each step all clients
of a conversation must come to show what is written here, whatever goes wrong meanwhile.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Protocol

Json = dict[str, Any]
CANARY = "canary"
"""Stands in all that is booked and offered: found in the clear anywhere, something leaks."""
FESTIMO = "festimo"
ANNA = "anna"
PARTY = "wedding"
NAMES = {
    "bites": "Sweet Bites",
    "band": "The Band",
    "flowers": "Flowers",
    "photos": "Photos",
    "venue": "Old Barn",
    "late": "Late Bloom",
}
WITH_CLIENTS = ("bites", "band")
"""For the others ghosts speak."""
LATE = "late"
"""Is asked only when the florist is lost."""
GREETING = (
    "Hello! I am Festimo. I bring bookings and news from Festipin into this conversation, which is end-to-end "
    "encrypted.\nWrite !festimo help to see what I can do."
)
HOW_TO_ANSWER = (
    "To answer, a host reacts with ✅ (accept) or ❌ (decline), or replies “accept” or “decline”."
    " Before an acceptance counts I repeat the total."
)
UNTIL = "Valid until Friday 1 October 2027, 23:59 UTC"
ROUND = 1.0
"""Seconds between two looks."""


@dataclass(frozen=True)
class Line:
    voice: str
    text: str


@dataclass(frozen=True)
class Shown:
    """A message as a client shows it: its latest words, and who reacted with what."""

    event_id: str
    voice: str
    text: str
    reactions: frozenset[tuple[str, str]] = frozenset()

    @property
    def line(self) -> Line:
        return Line(self.voice, self.text)


class Stage(Protocol):
    patience: float
    """Seconds for one step, all that goes wrong included."""

    def account(self, person: str) -> str: ...

    async def tell(self, event: Json) -> None:
        """The platform does, until it is accepted; by whichever way, and perhaps twice."""

    async def api(self, method: str, path: str, body: Json | None, *, key: str) -> Json:
        """The platform asks, until it is answered."""

    async def conversation_of(self, vendor: str) -> str | None: ...

    async def shown(self, reader: str, vendor: str) -> list[Shown] | None:
        """None before they are there."""

    async def pinned(self, vendor: str) -> list[str]: ...

    async def calendars(self, reader: str, vendor: str) -> list[tuple[str, int]]:
        """Method and sequence of each file, opened by the reader."""

    async def speak(self, who: str, vendor: str, text: str, *, reply_to: str | None = None) -> None: ...

    async def react(self, who: str, vendor: str, event_id: str, emoji: str) -> None: ...

    async def heard(self, vendor: str) -> list[Json]:
        """What the platform's webhook took of this conversation: verified, each id once, as it came first."""


async def until(stage: Stage, look: Callable[[], Awaitable[bool]], what: Callable[[], object]) -> None:
    deadline = asyncio.get_running_loop().time() + stage.patience
    while not await look():
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not within {stage.patience:g} s: {what()}")
        await asyncio.sleep(ROUND)


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
        assert types == expected, f"{self.vendor}: {types - expected} too many, {expected - types} missing"

    def _last_person(self, place: int) -> str | None:
        voices = [line.voice for line in self.lines[:place] if line.voice != FESTIMO]
        return voices[-1] if voices else None


def party(stage: Stage) -> Json:
    anna = {"id": ANNA, "name": "Anna", "mxid": stage.account(ANNA)}
    return {"id": PARTY, "title": "Anna & Ben", "hosts": [anna]}


def person(stage: Stage, vendor: str) -> Json:
    account = {"mxid": stage.account(vendor)} if vendor in WITH_CLIENTS else {}
    return {"id": vendor, "name": NAMES[vendor]} | account


def booking(booking_id: str, service: str, *, day: int = 12, total: int | None = None) -> Json:
    """`total` in cents."""
    money = {} if total is None else {"total": {"amount": total, "currency": "EUR"}}
    starts_at = f"2027-06-{day:02}T14:00:00+02:00"
    return {"id": booking_id, "service": f"{service} {CANARY}", "starts_at": starts_at} | money


# The tales


async def of_the_caterer(tale: Tale) -> None:
    """A quote that is revised while the host says yes to it; all that becomes of a booking."""
    await tale.opens()
    first = f"Quote 1: Catering {CANARY}"
    written = f"!festimo quote Catering {CANARY}\n80 x Menu at 45.00\nDelivery: 120.00\nEUR\nuntil 2027-10-01"
    offered = "\n".join(
        (
            *(first, "Offered by Sweet Bites", "- 80 × Menu at EUR 45.00: EUR 3,600.00"),
            *("- Delivery: EUR 120.00", "Total: EUR 3,720.00", UNTIL, HOW_TO_ANSWER),
        )
    )
    await tale.says("bites", written, offered, told=["quote.sent"])
    await tale.taps(first, "✅", question("Catering", 1, "3,720.00"))
    second = f"Quote 1, revision 2: Catering {CANARY}"
    revised = "!festimo quote revise 1\n80 x Menu at 42.00\nEUR\nuntil 2027-10-01"
    offered = "\n".join(
        (
            *(second, "Offered by Sweet Bites", "- 80 × Menu at EUR 42.00: EUR 3,360.00"),
            *("Total: EUR 3,360.00", UNTIL, "This replaces revision 1.", HOW_TO_ANSWER),
        )
    )
    await tale.says("bites", revised, offered, told=["quote.sent"])
    await tale.taps("Anna, you want to accept quote 1, revision 1", "✅", REPLACED)
    await tale.taps(second, "✅", question("Catering", 2, "3,360.00"))
    await tale.taps("Anna, you want to accept quote 1, revision 2", "✅", ACCEPTED, told=["quote.accepted"])
    await tale.says(ANNA, "Until June!")

    menu, when = f"Catering {CANARY}", "Saturday 12 June 2027, 14:00 GMT+02:00"
    later, now = "Sunday 13 June 2027, 14:00 GMT+02:00", booking("b-bites", "Catering", total=336_000)
    facts = f"Starts: {when}\nTotal: EUR 3,360.00"
    agreed = "Quote 1, revision 2, accepted: EUR 3,360.00"
    await tale.books("requested", 1, now, f"Booking requested: {menu}\n{facts}\n{agreed}")
    confirmed = f"Booking confirmed: {menu}"
    await tale.books("confirmed", 2, now, f"{confirmed}\n{facts}\n{agreed}", confirmed, files=["PUBLISH"])
    await tale.pays(
        "b-bites",
        100_000,
        f"{confirmed}\n{facts}\nPaid: EUR 1,000.00 of EUR 3,360.00\n{agreed}",
        f"Payment received: {menu}\nPaid: – → EUR 1,000.00 of EUR 3,360.00",
    )
    now = booking("b-bites", "Catering", day=13, total=336_000)
    facts = f"Starts: {later}\nTotal: EUR 3,360.00"
    await tale.books(
        "changed",
        4,
        now,
        f"{confirmed}\n{facts}\nPaid: EUR 1,000.00 of EUR 3,360.00\n{agreed}",
        f"Booking changed: {menu}\nStarts: {when} → {later}",
        files=["PUBLISH"],
    )
    # This one happened before, and comes late: it changes nothing.
    await tale.books(
        "changed",
        3,
        booking("b-bites", "Catering", day=20),
        f"{confirmed}\n{facts}\nPaid: EUR 1,000.00 of EUR 3,360.00\n{agreed}",
    )
    await tale.pays(
        "b-bites",
        236_000,
        f"{confirmed}\n{facts}\nPaid: EUR 3,360.00, in full\n{agreed}",
        f"Payment received: {menu}\nPaid: EUR 1,000.00 of EUR 3,360.00 → EUR 3,360.00, in full",
    )
    completed = f"Booking completed: {menu}"
    await tale.books(
        "completed", 9, now, f"{completed}\n{facts}\nPaid: EUR 3,360.00, in full\n{agreed}", completed
    )


async def of_the_band(tale: Tale) -> None:
    """A no, another revision, and a yes in words."""
    await tale.opens()
    await tale.says(ANNA, "Do you know the old songs?")
    await tale.says("band", "All of them.")
    first, second = f"Quote 1: Music {CANARY}", f"Quote 1, revision 2: Music {CANARY}"
    written = f"!festimo quote Music {CANARY}\nMusic all night: 2000\nEUR\nuntil 2027-10-01"
    offered = "\n".join(
        (
            *(first, "Offered by The Band", "- Music all night: EUR 2,000.00"),
            *("Total: EUR 2,000.00", UNTIL, HOW_TO_ANSWER),
        )
    )
    await tale.says("band", written, offered, told=["quote.sent"])
    declined = f"Anna has declined quote 1 (“Music {CANARY}”). The vendor can send another revision."
    await tale.says(ANNA, "decline", declined, to=first, told=["quote.declined"])
    revised = "!festimo quote revise 1\nMusic all night: 1500\ntax 19%\nEUR\nuntil 2027-10-01"
    offered = "\n".join(
        (
            *(second, "Offered by The Band", "- Music all night: EUR 1,500.00", "Net: EUR 1,500.00"),
            *(
                "Tax (19%): EUR 285.00",
                "Total: EUR 1,785.00",
                UNTIL,
                "This replaces revision 1.",
                HOW_TO_ANSWER,
            ),
        )
    )
    await tale.says("band", revised, offered, told=["quote.sent"])
    await tale.says(ANNA, "accept", question("Music", 2, "1,785.00"), to=second)
    accepted = f"Anna has accepted quote 1, revision 2 (“Music {CANARY}”), at a total of EUR 1,785.00."
    await tale.says(ANNA, "confirm", accepted, to="Anna, you want to accept", told=["quote.accepted"])
    facts = "Starts: Saturday 12 June 2027, 14:00 GMT+02:00\nTotal: EUR 1,785.00"
    facts += "\nQuote 1, revision 2, accepted: EUR 1,785.00"
    confirmed = f"Booking confirmed: Music {CANARY}"
    # The first that is told of it: its card says it all.
    await tale.books(
        "confirmed",
        1,
        booking("b-band", "Music", total=178_500),
        f"{confirmed}\n{facts}",
        files=["PUBLISH"],
    )
    await tale.says("band", "See you in June!")


async def of_the_florist(tale: Tale, is_lost: asyncio.Event) -> None:
    """A cancellation."""
    await tale.opens()
    await tale.ghost_says("Roses?")
    await tale.says(ANNA, "Roses!")
    roses, facts = f"Roses {CANARY}", "Starts: Saturday 12 June 2027, 14:00 GMT+02:00\nTotal: EUR 500.00"
    now = booking("b-flowers", "Roses", total=50_000)
    await tale.books("requested", 1, now, f"Booking requested: {roses}\n{facts}")
    confirmed, cancelled = f"Booking confirmed: {roses}", f"Booking cancelled: {roses}"
    await tale.books("confirmed", 2, now, f"{confirmed}\n{facts}", confirmed, files=["PUBLISH"])
    await tale.books("cancelled", 3, now, f"{cancelled}\n{facts}", cancelled, files=["CANCEL"])
    await tale.ghost_says("We are so sorry.")
    is_lost.set()


async def of_the_late_one(tale: Tale, is_wanted: asyncio.Event) -> None:
    """Comes when the florist is lost."""
    await is_wanted.wait()
    data = {"party": party(tale.stage), "vendor": person(tale.stage, tale.vendor)}
    await tale.tell("vendor.selected", data)
    await tale.opens()
    await tale.says(ANNA, "Can you still help us?")
    await tale.ghost_says("Of course.")
    tulips = f"Tulips {CANARY}"
    await tale.books(
        "confirmed",
        1,
        booking("b-late", "Tulips", total=45_000),
        f"Booking confirmed: {tulips}\nStarts: Saturday 12 June 2027, 14:00 GMT+02:00\nTotal: EUR 450.00",
        files=["PUBLISH"],
    )


async def of_the_photographer(tale: Tale) -> None:
    """Two bookings, and one that was told in another order than it happened."""
    await tale.opens()
    couple, day = f"Couple {CANARY}", f"Photos {CANARY}"
    for_couple = "Starts: Friday 11 June 2027, 14:00 GMT+02:00"
    for_day = "Starts: Saturday 12 June 2027, 14:00 GMT+02:00"
    confirmed = f"Booking confirmed: {couple}\n{for_couple}"
    now = booking("b-couple", "Couple", day=11)
    await tale.books("confirmed", 2, now, confirmed, files=["PUBLISH"])
    await tale.books("requested", 1, booking("b-couple", "Couple", day=10), confirmed)
    await tale.books("requested", 3, booking("b-photos", "Photos"), f"Booking requested: {day}\n{for_day}")
    await tale.pays(
        "b-photos",
        20_000,
        f"Booking requested: {day}\n{for_day}\nPaid: EUR 200.00 so far",
        f"Payment received: {day}\nPaid: – → EUR 200.00 so far",
    )
    await tale.says(ANNA, "Thank you")
    await tale.ghost_says("Smile!")


async def of_the_venue(tale: Tale) -> None:
    """Sends a quote by the API, takes it back, and sends another one, which the host declines."""
    await tale.opens()
    conversation = await tale.stage.conversation_of("venue")
    path = f"conversations/{conversation}/quotes"
    for number, price in ((1, 900_000), (2, 800_000)):
        offer: Json = {
            "sender_id": "venue",
            "title": f"Barn {CANARY}",
            "items": [{"description": "Barn", "unit_price": price}],
            "currency": "EUR",
            "valid_until": "2027-10-01T00:00:00Z",
        }
        answer = await tale.stage.api("POST", path, offer, key=f"quote-{number}")
        tale.told["quote.sent"] += 1
        shown = f"EUR {price // 100:,}.00"
        until_then = "Valid until Friday 1 October 2027, 00:00 UTC"
        lines = (f"- Barn: {shown}", f"Total: {shown}", until_then, HOW_TO_ANSWER)
        head = (f"Quote {number}: Barn {CANARY}", "Offered by Old Barn")
        await tale.becomes(Line(FESTIMO, "\n".join((*head, *lines))))
        if number == 1:
            await tale.stage.api(
                "POST", f"quotes/{answer['quote_id']}/withdraw", {"sender_id": "venue"}, key="withdraw"
            )
            tale.told["quote.withdrawn"] += 1
            await tale.becomes(Line(FESTIMO, f"Old Barn has withdrawn quote 1 (“Barn {CANARY}”)."))
    declined = f"Anna has declined quote 2 (“Barn {CANARY}”). The vendor can send another revision."
    await tale.taps("Quote 2", "❌", declined, told=["quote.declined"])


def question(title: str, revision: int, total: str) -> str:
    return (
        f"Anna, you want to accept quote 1, revision {revision} (“{title} {CANARY}”), at a total of EUR {total}."
        " If that is right, react with ✅ to this message or reply “confirm”: it counts only then. ↩️ or “cancel”"
        " leaves the quote open."
    )


REPLACED = (
    "Anna: Revision 1 of quote 1 was replaced by revision 2, which can be answered in its place. "
    "Nothing was changed."
)
ACCEPTED = f"Anna has accepted quote 1, revision 2 (“Catering {CANARY}”), at a total of EUR 3,360.00."


class Wedding:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.tales = {vendor: Tale(stage, vendor) for vendor in NAMES}

    async def tell(self) -> None:
        """Return when all that is to be seen is seen."""
        vendors = [person(self._stage, vendor) for vendor in NAMES if vendor != LATE]
        plan = {
            "specversion": "1.0",
            "id": "plan",
            "source": "/festipin",
            "type": "party.plan.completed",
            "data": {"party": party(self._stage), "vendors": vendors},
        }
        await self._stage.tell(plan)
        florist_is_lost = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(of_the_caterer(self.tales["bites"]))
            tasks.create_task(of_the_band(self.tales["band"]))
            tasks.create_task(of_the_florist(self.tales["flowers"], florist_is_lost))
            tasks.create_task(of_the_late_one(self.tales["late"], florist_is_lost))
            tasks.create_task(of_the_photographer(self.tales["photos"]))
            tasks.create_task(of_the_venue(self.tales["venue"]))

    async def check(self) -> None:
        """Once nothing is under way any more."""
        for tale in self.tales.values():
            await tale.check()
