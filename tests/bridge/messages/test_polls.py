"""Polls in the tables: asked, voted in and closed from our side."""

from collections.abc import Awaitable, Callable

import pytest

from bridge.conversations.errors import ConversationClosed
from bridge.core.errors import Refusal
from bridge.core.ids import MessageId, ParticipantId
from bridge.messages.errors import MessageIsDeleted, NotAParticipant, NotText, NotTheSender
from bridge.messages.polls.errors import NotAPoll, PollClosed, PollInvalid, TooManyAnswers, UnknownAnswer
from bridge.storage.database import Database
from tests.bridge.messages.polling import Polling, polling


@pytest.fixture
async def talk(database: Database) -> Polling:
    return await polling(database)


async def test_a_vote_counts_and_can_be_changed_and_taken_back(talk: Polling) -> None:
    poll = await talk.ask(most=2, answers="Vegan Meat Both")
    await talk.vote(poll, "3", "1")
    assert await talk.counts(poll) == (1, 0, 1)
    before = await talk.features.everything()
    await talk.vote(poll, "1", "3")
    assert await talk.features.everything() == before  # the same again
    await talk.vote(poll, "2")
    assert await talk.counts(poll) == (0, 1, 0)
    await talk.vote(poll)
    assert await talk.counts(poll) == (0, 0, 0)
    before = await talk.features.everything()
    await talk.vote(poll)
    assert await talk.features.everything() == before
    told = [(name, fields["vote_id"]) for name, fields in await talk.features.told() if name == "PollVoted"]
    assert len(told) == 3
    assert all(vote_id is not None for _, vote_id in told)


async def test_an_account_holders_vote_counts_and_festimo_tells_of_it(talk: Polling) -> None:
    poll = await talk.ask()
    await talk.vote(poll, "1", by="anna")
    assert await talk.counts(poll) == (1, 0)
    name, fields = (await talk.features.told())[-2]
    assert (name, fields["vote_id"]) == ("PollVoted", None)  # there is nothing that the room could be given
    said = (await talk.features.history(talk.conversation))[-1]
    assert (said.sender_type, said.reply_to) == ("festimo", poll)
    assert said.text.startswith("On behalf of Anna: voted for “Vegan” in the poll “Which menu?”.")
    # What the room cannot count is told at the end.
    await talk.vote(poll, "1")
    await talk.close(poll)
    outcome = (await talk.features.history(talk.conversation))[-1]
    assert outcome.text == "The poll “Which menu?” is closed. Votes:\n- Vegan: 2\n- Meat: 0"


async def test_what_the_room_counts_by_itself_nobody_repeats(talk: Polling) -> None:
    poll = await talk.ask()
    await talk.vote(poll, "1")
    await talk.close(poll)
    assert len(await talk.features.history(talk.conversation)) == 1
    name, fields = (await talk.features.told())[-1]
    assert (name, fields["in_client"], fields["by_staff"]) == ("PollEnded", False, False)
    before = await talk.features.everything()
    await talk.close(poll)
    await talk.close(poll, by=None)
    assert await talk.features.everything() == before


async def test_staff_closes_every_poll(talk: Polling) -> None:
    await talk.asked()
    (poll,) = await talk.features.history(talk.conversation)
    await talk.close(poll.message_id, by=None)
    name, fields = (await talk.features.told())[-1]
    assert (name, fields["by_staff"]) == ("PollEnded", True)


Act = Callable[[Polling, MessageId], Awaitable[None]]


async def _closed(talk: Polling, poll: MessageId) -> None:
    await talk.close(poll)
    await talk.vote(poll, "1")


async def _deleted(talk: Polling, poll: MessageId) -> None:
    await talk.delete(poll, sender=None)
    await talk.vote(poll, "1")


async def _text(talk: Polling, _: MessageId) -> None:
    await talk.vote(await talk.post(), "1")


async def _text_closed(talk: Polling, _: MessageId) -> None:
    await talk.close(await talk.post(), by=None)


async def _read_only(talk: Polling, poll: MessageId) -> None:
    async with talk.features.database.transaction() as tx:
        await tx.execute("UPDATE conversations SET closed_at = 1, status = 'closed'")
    await talk.vote(poll, "1")


async def _asked_nothing(talk: Polling, _: MessageId) -> None:
    await talk.ask(answers="")


REFUSED: dict[str, tuple[Act, type[Refusal]]] = {
    "in a closed poll": (_closed, PollClosed),
    "in a deleted poll": (_deleted, MessageIsDeleted),
    "in a text": (_text, NotAPoll),
    "closing a text": (_text_closed, NotAPoll),
    "in a closed conversation": (_read_only, ConversationClosed),
    "for nothing": (lambda talk, poll: talk.vote(poll, "3"), UnknownAnswer),
    "for too much": (lambda talk, poll: talk.vote(poll, "1", "2"), TooManyAnswers),
    "by a stranger": (lambda talk, poll: talk.vote(poll, "1", by="mallory"), NotAParticipant),
    "closing another's": (lambda talk, poll: talk.close(poll, by="anna"), NotTheSender),
    "editing it": (lambda talk, poll: talk.edit(poll, "Which?", sender="chef"), NotText),
    "asking nothing": (_asked_nothing, PollInvalid),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_refusal_counts_nothing(talk: Polling, case: str) -> None:
    act, refusal = REFUSED[case]
    poll = await talk.ask()
    with pytest.raises(refusal):
        await act(talk, poll)
    assert await talk.features.database.fetch("SELECT 1 FROM poll_votes") == []


async def test_a_forwarded_poll_is_a_text(talk: Polling) -> None:
    poll = await talk.message(await talk.ask())
    async with talk.features.database.transaction() as tx:
        await talk.features.messages.forward(tx, poll, to=talk.conversation, sender_id=ParticipantId("anna"))
    forwarded = (await talk.features.history(talk.conversation))[-1]
    assert (forwarded.kind, forwarded.held, forwarded.text) == (
        "text",
        None,
        "Which menu?\n1. Vegan\n2. Meat",
    )
