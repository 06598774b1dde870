"""Polls in the tables: votes and ends as they were made in a client."""

import pytest

from bridge.messages.errors import MessageIsDeleted, NotText, NotTheSender
from bridge.messages.held import Poll
from bridge.messages.polls import rules
from bridge.messages.polls.errors import PollHasVotes
from bridge.storage.database import Database
from tests.bridge.messages.polling import Polling, polling
from tests.bridge.messages.test_changes import ANNA, CHEF

MALLORY = "@mallory:example.org"


@pytest.fixture
async def talk(database: Database) -> Polling:
    return await polling(database)


async def test_a_clients_votes_count_by_the_outsides_ids(talk: Polling) -> None:
    poll = await talk.asked()
    assert await talk.voted("b", at=talk.clock.now() - 1)
    assert await talk.counts(poll) == (0, 1)
    await talk.voted("a", origin_id="$v2")
    assert await talk.counts(poll) == (1, 0)
    await talk.voted("b", by=MALLORY, origin_id="$v3")
    assert await talk.counts(poll) == (1, 1)
    before = await talk.features.everything()
    await talk.voted("b", by=MALLORY, origin_id="$v3")
    assert await talk.features.everything() == before
    # By whichever way a person votes, they have one vote.
    talk.clock.advance(1)
    await talk.vote(poll, "2", by="anna")
    assert await talk.counts(poll) == (0, 2)
    assert not await talk.voted("a", of="$other", origin_id="$v4")


async def test_a_redacted_vote_lets_the_one_before_count_again(talk: Polling) -> None:
    poll = await talk.asked()
    await talk.voted("a", at=talk.clock.now() - 1)
    await talk.voted("b", origin_id="$v2")
    with pytest.raises(NotTheSender):
        await talk.withdrawn("$v2", by=CHEF)
    assert await talk.counts(poll) == (0, 1)
    assert await talk.withdrawn("$v2")
    assert await talk.counts(poll) == (1, 0)
    assert await talk.withdrawn("$v", by=CHEF, is_staff=True)
    assert await talk.counts(poll) == (0, 0)
    assert not await talk.withdrawn("$v")


async def test_only_who_asked_ends_a_poll_in_a_client(talk: Polling) -> None:
    poll = await talk.asked()
    with pytest.raises(NotTheSender):
        await talk.ended(by=CHEF)
    assert await talk.features.poll_store.end(talk.features.database, poll) is None
    assert await talk.ended()
    assert (await talk.told())[-1] == "PollEnded"
    assert not await talk.ended(of="$other")


async def test_until_when_votes_count_is_the_rooms_time(talk: Polling) -> None:
    """Between our closing and the room's, people in clients can vote; Element counts that, so do we."""
    poll = await talk.asked()
    await talk.close(poll, by="anna")
    closed = talk.clock.now()
    talk.clock.advance(1000)
    await talk.voted("a", at=closed + 500)
    assert await talk.counts(poll) == (0, 0)
    told = len(await talk.told())
    async with talk.features.database.transaction() as tx:
        await talk.features.polls.end_sent(tx, await talk.message(poll), origin_id="$end", at=closed + 500)
    assert await talk.counts(poll) == (1, 0)
    assert (await talk.told())[told:] == ["PollVoted"]  # it is ended already, and counts otherwise
    await talk.voted("b", origin_id="$v2", at=closed + 501)
    assert await talk.counts(poll) == (1, 0)
    before = await talk.features.everything()
    await talk.ended(origin_id="$end2", at=closed + 800)
    assert await talk.features.everything() == before


async def test_a_poll_is_deleted_with_its_votes(talk: Polling) -> None:
    poll = await talk.asked()
    await talk.voted("a")
    await talk.redacted("$p")
    message = await talk.message(poll)
    assert (message.text, message.held, message.is_deleted) == ("", None, True)
    with pytest.raises(MessageIsDeleted):
        await talk.voted("b", origin_id="$v2")
    assert await talk.features.database.fetch("SELECT 1 FROM poll_votes") == []
    assert b"Vegan" not in repr(await talk.features.everything()).encode()


async def _edited(talk: Polling, kind: str = "poll", of: str = "$p") -> None:
    poll = rules.poll_from_outside("Which cake?", [("c", "Nut")], kind="disclosed", max_selections=1)
    assert poll is not None
    async with talk.features.database.transaction() as tx:
        await talk.features.changes.receive_edit(
            tx,
            talk.conversation,
            of=of,
            by=ANNA,
            text=rules.text_of(poll),
            kind="poll" if kind == "poll" else "text",
            held=poll if kind == "poll" else None,
            origin_id="$e",
            claimed_at=talk.clock.now(),
            received_at=talk.clock.now(),
        )


async def test_a_poll_can_be_edited_until_somebody_votes(talk: Polling) -> None:
    poll = await talk.asked()
    with pytest.raises(NotText):
        await _edited(talk, "text")
    await _edited(talk)
    changed = await talk.message(poll)
    assert isinstance(changed.held, Poll)
    assert changed.held.question == "Which cake?"
    await talk.voted("c")
    assert await talk.counts(poll) == (1,)
    with pytest.raises(PollHasVotes):
        await _edited(talk)
