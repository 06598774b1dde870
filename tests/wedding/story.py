"""A whole wedding: one party, six vendors, and what everybody sees and the platform hears in the end.

After each step all clients of a conversation must come to show what is written here, whatever goes wrong meanwhile.
"""

import asyncio

from tests.wedding.stage import ANNA, CANARY, FESTIMO, NAMES, Json, Line, Stage
from tests.wedding.tale import Tale, booking, party, person

LATE = "late"
"""Is asked only when the florist is lost."""
HOW_TO_ANSWER = (
    "To answer, a host reacts with ✅ (accept) or ❌ (decline), or replies “accept” or “decline”."
    " Before an acceptance counts I repeat the total."
)


async def of_the_caterer(tale: Tale) -> None:
    """A quote that is revised while the host says yes to it; all that becomes of a booking."""
    last_day = tale.stage.valid_until
    await tale.opens()
    first = f"Quote 1: Catering {CANARY}"
    written = f"!festimo quote Catering {CANARY}\n80 x Menu at 45.00\nDelivery: 120.00\nEUR\nuntil {last_day}"
    offered = "\n".join(
        (
            *(first, "Offered by Sweet Bites", "- 80 × Menu at EUR 45.00: EUR 3,600.00"),
            *("- Delivery: EUR 120.00", "Total: EUR 3,720.00", valid(tale), HOW_TO_ANSWER),
        )
    )
    await tale.says("bites", written, offered, told=["quote.sent"])
    await tale.taps(first, "✅", question("Catering", 1, "3,720.00"))
    second = f"Quote 1, revision 2: Catering {CANARY}"
    revised = f"!festimo quote revise 1\n80 x Menu at 42.00\nEUR\nuntil {last_day}"
    offered = "\n".join(
        (
            *(second, "Offered by Sweet Bites", "- 80 × Menu at EUR 42.00: EUR 3,360.00"),
            *("Total: EUR 3,360.00", valid(tale), "This replaces revision 1.", HOW_TO_ANSWER),
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
    last_day = tale.stage.valid_until
    await tale.opens()
    await tale.says(ANNA, "Do you know the old songs?")
    await tale.says("band", "All of them.")
    first, second = f"Quote 1: Music {CANARY}", f"Quote 1, revision 2: Music {CANARY}"
    written = f"!festimo quote Music {CANARY}\nMusic all night: 2000\nEUR\nuntil {last_day}"
    offered = "\n".join(
        (
            *(first, "Offered by The Band", "- Music all night: EUR 2,000.00"),
            *("Total: EUR 2,000.00", valid(tale), HOW_TO_ANSWER),
        )
    )
    await tale.says("band", written, offered, told=["quote.sent"])
    declined = f"Anna has declined quote 1 (“Music {CANARY}”). The vendor can send another revision."
    await tale.says(ANNA, "decline", declined, to=first, told=["quote.declined"])
    revised = f"!festimo quote revise 1\nMusic all night: 1500\ntax 19%\nEUR\nuntil {last_day}"
    offered = "\n".join(
        (
            *(second, "Offered by The Band", "- Music all night: EUR 1,500.00", "Net: EUR 1,500.00"),
            *(
                "Tax (19%): EUR 285.00",
                "Total: EUR 1,785.00",
                valid(tale),
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
            "valid_until": f"{tale.stage.valid_until}T00:00:00Z",
        }
        answer = await tale.stage.api("POST", path, offer, key=f"quote-{number}")
        tale.told["quote.sent"] += 1
        shown = f"EUR {price // 100:,}.00"
        lines = (f"- Barn: {shown}", f"Total: {shown}", valid(tale, at="00:00"), HOW_TO_ANSWER)
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


def valid(tale: Tale, *, at: str = "23:59") -> str:
    day = tale.stage.valid_until
    return f"Valid until {day:%A} {day.day} {day:%B %Y}, {at} UTC"


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
