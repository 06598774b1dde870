"""Who asks to be erased is erased once and for good, wherever the bridge is killed meanwhile.

First somebody is erased undisturbed, to learn how many commits that takes. Then, for each of them, somebody else: the
bridge dies just before that commit, and its next life just after the first one of its own.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from appservice.names import Names
from bridge.core.ids import ParticipantId, TenantId
from bridge.demo.stand import TENANT
from bridge.participants.erasures import REASON
from tests.faults.doom import Fault
from tests.faults.lives import Lives
from tests.faults.story import Ground, eventually, ground

pytestmark = pytest.mark.timeout(400)

SEATS = 19
"""Guests of a party beside Anna."""
VENDORS = [{"id": "gina", "name": "Gina"}, {"id": "tom", "name": "Tom"}]
ROOMS = """
SELECT r.room_id FROM rooms r JOIN conversations c ON c.conversation_id = r.conversation_id WHERE c.party_id = $1
"""
AWAY = """
SELECT m.away FROM conversation_members m JOIN conversations c ON c.conversation_id = m.conversation_id
WHERE c.party_id = $1 AND m.participant_id = $2
"""
ERASED = "SELECT asked_at FROM erasures WHERE participant_id = $1"
LEFT = "SELECT about FROM feed WHERE event = 'participant.left'"
WITHOUT_EFFECT = "SELECT failure FROM inbox WHERE state = 'done' AND failure IS NOT NULL"
SPOKEN = "SELECT COUNT(*) FROM messages WHERE sender_id = $1"


@dataclass(slots=True)
class Guest:
    """A host without an account, in two conversations of a party."""

    party: str
    name: str


class Hall:
    """Parties whose guests are ghosts."""

    def __init__(self, where: Ground, lives: Lives) -> None:
        self.where = where
        self.lives = lives
        config = where.stand.config
        ours = config.appservice
        self._names = Names(config.homeserver.server_name, ours.bot_localpart, ours.ghost_prefix)

    def ghost(self, guest: Guest) -> str:
        return self._names.ghost(TenantId(TENANT), ParticipantId(guest.name))

    async def told(self, guests: list[Guest]) -> None:
        """The platform tells of a party with them."""
        party = guests[0].party
        anna = {"id": "anna", "name": "Anna", "mxid": self.where.host.user_id}
        hosts = [anna, *({"id": guest.name, "name": guest.name} for guest in guests)]
        data = {"party": {"id": party, "title": party, "hosts": hosts}, "vendors": VENDORS}
        await self.where.send("party.plan.completed", data)

    async def guests(self) -> AsyncIterator[Guest]:
        """One after the other; they have come in when they are given out."""
        number = 0
        while True:
            number += 1
            party = f"party-{number}"
            seated = [Guest(party, f"guest-{number}-{seat}") for seat in range(SEATS)]
            await self.told(seated)
            for guest in seated:
                await self.are(guest, "join")
            for guest in seated:
                yield guest

    async def are(self, guest: Guest, membership: str) -> None:
        """Nothing waits any more, and their ghost is so in both rooms, as the homeserver has it."""

        async def so() -> bool | None:
            if await self.where.left_over("waiting"):
                return None
            rooms = [row["room_id"] for row in await self.where.database.fetch(ROOMS, guest.party)]
            return True if len(rooms) == len(VENDORS) and await self._are(guest, rooms, membership) else None

        await eventually(so, f"{guest.name}: {membership}")

    async def _are(self, guest: Guest, rooms: list[str], membership: str) -> bool:
        states = [await self.where.admin.state(room) for room in rooms]
        found = [state.get(("m.room.member", self.ghost(guest)), {}) for state in states]
        return [one.get("membership") for one in found] == [membership] * len(rooms)

    async def erased(self, guest: Guest) -> None:
        await self.where.send("user.deleted", {"user_id": guest.name})
        await self.are(guest, "leave")
        database = self.where.database
        assert len(await database.fetch(ERASED, guest.name)) == 1
        away = [row["away"] for row in await database.fetch(AWAY, guest.party, guest.name)]
        assert away == ["left"] * len(VENDORS)


@pytest.fixture
async def hall(tmp_path: Path) -> AsyncIterator[Hall]:
    async with AsyncExitStack() as stack:
        where = await stack.enter_async_context(ground(tmp_path))
        lives = await stack.enter_async_context(Lives(where.stand.config_path).running())
        yield Hall(where, lives)


def one_by_one(*faults: Fault) -> Callable[[], Fault | None]:
    left = iter(faults)
    return lambda: next(left, None)


@pytest.mark.slow
async def test_who_asks_to_be_erased_is_erased_at_whichever_commit_the_bridge_dies(
    hall: Hall, report: Callable[[str], None]
) -> None:
    lives, where = hall.lives, hall.where
    await lives.ready()
    guests, gone, deaths = hall.guests(), list[Guest](), 0

    async def next_erased(*faults: Fault) -> None:
        guest = await anext(guests)
        await lives.again(one_by_one(*faults))
        await lives.ready()
        await hall.erased(guest)
        gone.append(guest)

    await next_erased()
    commits = sum(one.kind == "commit" for one in (await lives.ready()).passed)
    for number in range(1, commits + 1):
        await next_erased(Fault("commit", number, before=True), Fault("commit", 1, before=False))
        deaths += sum(life.died_at is not None for life in lives.ended)
    report(f"an erasure has {commits} commits; killed {deaths} times around them")
    assert deaths >= commits

    # Whatever is told of them from now on.
    await lives.again()
    await lives.ready()
    for first in range(0, len(gone), SEATS):
        await hall.told(gone[first : first + SEATS])
    for guest in gone:
        said = {"party_id": guest.party, "vendor_id": "gina", "sender_id": guest.name, "text": "I am here"}
        await where.send("message.send", said)
    for guest in gone:
        await hall.are(guest, "leave")
        assert await where.database.fetch_value(SPOKEN, guest.name) == 0
    remarks = Counter(row["failure"] for row in await where.database.fetch(WITHOUT_EFFECT))
    assert remarks == {f"{guest.name} {REASON}": 1 for guest in gone}
    left = Counter(json.loads(row["about"])["participant_id"] for row in await where.database.fetch(LEFT))
    assert left == {guest.name: len(VENDORS) for guest in gone}
    assert await where.left_over("dead") == []
