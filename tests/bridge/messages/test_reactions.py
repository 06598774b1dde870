"""Reactions in the tables: from our side, and as they were made in a client."""

import asyncio
from typing import Any

import pytest

from bridge.core.errors import Refusal
from bridge.core.ids import MessageId, ParticipantId
from bridge.messages.errors import MessageIsDeleted, NotAParticipant, NotTheSender
from bridge.messages.reactions import rules
from bridge.messages.reactions.errors import NotAReaction, TooManyReactions
from bridge.messages.reactions.model import tallies
from bridge.messages.reactions.rules import LONGEST_EMOJI, MOST_OF_ONE
from bridge.storage.database import Database
from tests.bridge.conversations.features import Features, person
from tests.bridge.messages.test_changes import ANNA, Talk

MALLORY = "@mallory:example.org"
FAMILY = "👨‍👩‍👧‍👦"


class Reacting(Talk):
    async def add(self, message_id: MessageId, emoji: str = "👍", *, by: str = "anna") -> bool:
        message = await self.message(message_id)
        async with self.features.database.transaction() as tx:
            return await self.features.reactions.add(tx, message, by=ParticipantId(by), emoji=emoji)

    async def remove(self, message_id: MessageId, emoji: str = "👍", *, by: str = "anna") -> None:
        message = await self.message(message_id)
        async with self.features.database.transaction() as tx:
            await self.features.reactions.remove(tx, message, by=ParticipantId(by), emoji=emoji)

    async def came(
        self,
        emoji: str = "👍",
        *,
        of: str = "$1",
        by: str = ANNA,
        origin_id: str = "$r",
        at: int | None = None,
    ) -> bool:
        """In a client: Anna's, or that of somebody who takes no part."""
        async with self.features.database.transaction() as tx:
            return await self.features.reactions.receive(
                tx,
                self.conversation,
                of=of,
                by=by,
                participant_id=ParticipantId("anna") if by == ANNA else None,
                emoji=emoji,
                origin_id=origin_id,
                claimed_at=self.clock.now() if at is None else at,
                received_at=self.clock.now(),
            )

    async def went(self, of: str = "$r", *, by: str = ANNA, is_staff: bool = False) -> bool:
        async with self.features.database.transaction() as tx:
            return await self.features.reactions.receive_removal(
                tx, self.conversation, of=of, by=by, is_staff=is_staff
            )

    async def shown(self, message_id: MessageId) -> list[tuple[str, int, tuple[str, ...]]]:
        found = await self.features.reaction_store.of(self.features.database, message_id)
        return [(one.emoji, one.count, one.participants) for one in tallies(found)]


@pytest.fixture
async def talk(database: Database) -> Reacting:
    features = Features(database)
    return Reacting(features, await features.open())


async def test_a_reaction_is_counted_with_who_made_it(talk: Reacting) -> None:
    message_id = await talk.post()
    for emoji, by in (("👍", "chef"), (FAMILY, "anna"), ("👍", "anna")):
        talk.clock.advance(1)
        assert await talk.add(message_id, emoji, by=by)
    assert await talk.shown(message_id) == [("👍", 2, ("chef", "anna")), (FAMILY, 1, ("anna",))]
    name, fields = (await talk.features.told())[-1]
    assert (name, fields["message_id"], fields["in_client"]) == ("ReactionAdded", message_id, False)


async def test_there_is_one_per_message_person_and_emoji(talk: Reacting) -> None:
    message_id = await talk.post()
    await asyncio.gather(*(talk.add(message_id) for _ in range(4)))
    before = await talk.features.everything()
    assert not await talk.add(message_id)
    assert await talk.features.everything() == before
    assert await talk.shown(message_id) == [("👍", 1, ("anna",))]


async def test_what_is_taken_back_is_gone_and_may_be_made_again(talk: Reacting) -> None:
    message_id = await talk.post()
    await talk.add(message_id)
    await talk.remove(message_id)
    assert await talk.shown(message_id) == []
    assert (await talk.told())[-2:] == ["ReactionAdded", "ReactionRemoved"]
    before = await talk.features.everything()
    await talk.remove(message_id)
    await talk.remove(message_id, "🎂")
    assert await talk.features.everything() == before
    assert await talk.add(message_id)
    assert await talk.shown(message_id) == [("👍", 1, ("anna",))]


EMOJIS: list[tuple[str, type[Refusal] | None]] = [
    ("👍", None),
    ("❤️", None),
    (FAMILY, None),
    ("🏴󠁧󠁢󠁳󠁣󠁴󠁿", None),  # Scotland's flag, spelt in invisible letters
    ("yes", None),
    ("x" * LONGEST_EMOJI, None),
    ("x" * (LONGEST_EMOJI + 1), NotAReaction),
    ("", NotAReaction),
    (" \u2003", NotAReaction),
    ("a\nb", NotAReaction),
    ("a\0", NotAReaction),
    ("a\u2028b", NotAReaction),
    ("\ud83d", NotAReaction),  # half of one
]


@pytest.mark.parametrize(("emoji", "refusal"), EMOJIS)
def test_what_a_reaction_may_be(emoji: str, refusal: type[Refusal] | None) -> None:
    if refusal is None:
        rules.check_emoji(emoji)
    else:
        with pytest.raises(refusal):
            rules.check_emoji(emoji)


@pytest.mark.parametrize("in_client", [False, True])
@pytest.mark.parametrize("case", ["nobody", "of another party", "deleted", "over-long", "too many"])
async def test_a_refused_reaction_changes_nothing(talk: Reacting, case: str, *, in_client: bool) -> None:
    await talk.features.open(party="p2", hosts=[person("zoe", "Zoe")])
    message_id = await talk.said()
    asked: dict[str, Any] = {}
    refusal: type[Refusal] = NotAParticipant
    match case:
        case "nobody" | "of another party" if in_client:
            return  # whoever is in the room may react there
        case "nobody":
            asked = {"by": "mallory"}
        case "of another party":
            asked = {"by": "zoe"}
        case "deleted":
            refusal = MessageIsDeleted
            await talk.delete(message_id)
        case "over-long":
            refusal, asked = NotAReaction, {"emoji": "x" * (LONGEST_EMOJI + 1)}
        case "too many":
            refusal = TooManyReactions
            for number in range(MOST_OF_ONE):
                await talk.add(message_id, f"{number}")
    before = await talk.features.everything()
    with pytest.raises(refusal):
        await (talk.came(**asked) if in_client else talk.add(message_id, **asked))
    assert await talk.features.everything() == before


async def test_a_clients_reaction_is_taken_in_and_taken_back(talk: Reacting) -> None:
    message_id = await talk.said()
    assert await talk.came(at=talk.clock.now() - 500)
    assert await talk.shown(message_id) == [("👍", 1, ("anna",))]
    (reaction,) = await talk.features.reaction_store.of(talk.features.database, message_id)
    assert reaction.created_at == talk.clock.now() - 500
    assert (await talk.features.told())[-1][1]["in_client"] is True
    assert await talk.went()
    assert await talk.shown(message_id) == []
    assert (await talk.features.told())[-1][1]["in_client"] is True
    assert not await talk.went()


async def test_somebody_who_takes_no_part_is_counted_too(talk: Reacting) -> None:
    message_id = await talk.said()
    await talk.came(by=MALLORY)
    await talk.came(origin_id="$r2")
    assert await talk.shown(message_id) == [("👍", 2, ("anna",))]


async def test_a_reaction_to_nothing_known_waits(talk: Reacting) -> None:
    before = await talk.features.everything()
    assert not await talk.came(of="$later")
    assert await talk.features.everything() == before


async def test_of_another_conversation_nothing_is_known(talk: Reacting) -> None:
    other = Reacting(talk.features, await talk.features.open(party="p2"))
    await other.said("$other")
    await other.came(of="$other", origin_id="$r")
    assert not await talk.came(of="$other", origin_id="$r2")
    assert not await talk.went("$r")


async def test_nobody_takes_back_what_another_made_but_the_staff(talk: Reacting) -> None:
    message_id = await talk.said()
    await talk.came()
    before = await talk.features.everything()
    with pytest.raises(NotTheSender):
        await talk.went(by=MALLORY)
    assert await talk.features.everything() == before
    assert await talk.went(by=MALLORY, is_staff=True)
    assert await talk.shown(message_id) == []


async def test_made_both_ways_it_is_counted_once_and_taken_back_at_once(talk: Reacting) -> None:
    message_id = await talk.said()
    await talk.add(message_id)
    await talk.came()
    assert await talk.shown(message_id) == [("👍", 1, ("anna",))]
    before = await talk.features.everything()
    assert not await talk.add(message_id)
    assert await talk.features.everything() == before
    await talk.remove(message_id)
    assert await talk.shown(message_id) == []


async def test_the_emoji_is_sealed(talk: Reacting) -> None:
    message_id = await talk.post()
    await talk.add(message_id, "marzipan")
    assert b"marzipan" not in repr(await talk.features.everything()).encode()
