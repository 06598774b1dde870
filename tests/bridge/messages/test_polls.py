"""Polls in the tables: votes and ends from our side, and as they were made in a client."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from bridge.conversations.errors import ConversationClosed
from bridge.core.errors import Refusal
from bridge.core.ids import MessageId, ParticipantId
from bridge.messages.errors import MessageIsDeleted, NotAParticipant, NotText, NotTheSender
from bridge.messages.held import Media, Poll, PollKind
from bridge.messages.model import Message
from bridge.messages.polls import rules
from bridge.messages.polls.errors import (
    NotAPoll,
    PollClosed,
    PollHasVotes,
    PollInvalid,
    TooManyAnswers,
    UnknownAnswer,
)
from bridge.messages.polls.model import Result
from bridge.storage.database import Database
from tests.bridge.conversations.features import Features, person
from tests.bridge.messages.test_changes import ANNA, CHEF, MINUTE, Talk

MALLORY = "@mallory:example.org"


class Polling(Talk):
    """Anna has an account, the vendor has none."""

    async def ask(
        self,
        *,
        sender: str = "chef",
        kind: PollKind = "disclosed",
        most: int = 1,
        answers: str = "Vegan Meat",
    ) -> MessageId:
        poll = rules.poll_of("Which menu?", answers.split(), kind=kind, max_selections=most)
        async with self.features.database.transaction() as tx:
            return await self.features.messages.post(
                tx,
                self.conversation,
                sender_id=ParticipantId(sender),
                text=rules.text_of(poll),
                kind="poll",
                held=poll,
            )

    async def asked(self, origin_id: str = "$p", *, most: int = 1) -> MessageId:
        """By Anna, in her client, whose ids of answers are "a", "b"."""
        answers = [("a", "Vegan"), ("b", "Meat")]
        poll = rules.poll_from_outside("Which menu?", answers, kind="disclosed", max_selections=most)
        assert poll is not None
        people = await self.features.conversation_store.members(
            self.features.database, self.conversation.conversation_id
        )
        async with self.features.database.transaction() as tx:
            await self.features.messages.receive(
                tx,
                self.conversation,
                sender=next(one for one in people if one.participant.participant_id == "anna"),
                text=rules.text_of(poll),
                kind="poll",
                held=poll,
                origin_id=origin_id,
                origin_sender=ANNA,
                sent_at=self.clock.now(),
            )
        return (await self.features.history(self.conversation))[-1].message_id

    async def vote(self, message_id: MessageId, *answers: str, by: str = "chef") -> None:
        message = await self.message(message_id)
        async with self.features.database.transaction() as tx:
            await self.features.polls.vote(tx, message, by=ParticipantId(by), answers=answers)

    async def close(self, message_id: MessageId, *, by: str | None = "chef") -> None:
        message = await self.message(message_id)
        async with self.features.database.transaction() as tx:
            await self.features.polls.close(tx, message, by=None if by is None else ParticipantId(by))

    async def voted(
        self,
        *selections: object,
        by: str = ANNA,
        origin_id: str = "$v",
        of: str = "$p",
        at: int | None = None,
    ) -> bool:
        async with self.features.database.transaction() as tx:
            return await self.features.polls.receive_vote(
                tx,
                self.conversation,
                of=of,
                by=by,
                participant_id=ParticipantId("anna") if by == ANNA else None,
                selections=selections,
                origin_id=origin_id,
                claimed_at=self.clock.now() if at is None else at,
                received_at=self.clock.now(),
            )

    async def ended(
        self,
        *,
        by: str = ANNA,
        of: str = "$p",
        origin_id: str = "$end",
        at: int | None = None,
    ) -> bool:
        async with self.features.database.transaction() as tx:
            return await self.features.polls.receive_end(
                tx,
                self.conversation,
                of=of,
                by=by,
                is_staff=False,
                origin_id=origin_id,
                claimed_at=self.clock.now() if at is None else at,
                received_at=self.clock.now(),
            )

    async def withdrawn(self, of: str = "$v", *, by: str = ANNA, is_staff: bool = False) -> bool:
        async with self.features.database.transaction() as tx:
            return await self.features.polls.receive_withdrawal(
                tx, self.conversation, of=of, by=by, is_staff=is_staff
            )

    async def result(self, message_id: MessageId) -> Result:
        database, store = self.features.database, self.features.poll_store
        poll = (await self.message(message_id)).held
        assert isinstance(poll, Poll)
        return rules.result(poll, await store.of(database, message_id), await store.end(database, message_id))

    async def counts(self, message_id: MessageId) -> tuple[int, ...]:
        return tuple((await self.result(message_id)).counts.values())


@pytest.fixture
async def talk(database: Database) -> Polling:
    features = Features(database)
    return Polling(features, await features.open(hosts=[person("anna", "Anna", mxid=ANNA)]))


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


# In a client


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


def _file(of: Message) -> Media:
    assert isinstance(of.held, Media)
    return of.held


async def test_a_file_is_sealed_and_keeps_its_id(talk: Polling) -> None:
    media = Media(
        attachment_id="att-1",
        name="cake.jpg",
        source={"file": {"url": "mxc://people.test/cake", "key": {"k": "very-secret"}}},
        mimetype="image/jpeg",
        size=5,
    )
    async with talk.features.database.transaction() as tx:
        await talk.features.messages.receive(
            tx,
            talk.conversation,
            sender=None,
            text="The cake",
            kind="image",
            held=media,
            origin_id="$f",
            origin_sender=ANNA,
            sent_at=talk.clock.now(),
        )
    (message,) = await talk.features.history(talk.conversation)
    assert (message.kind, _file(message)) == ("image", media)
    assert "very-secret" not in repr(message)
    stored = repr(await talk.features.everything())
    assert "cake" not in stored
    talk.clock.advance(MINUTE)
    async with talk.features.database.transaction() as tx:
        await talk.features.changes.receive_edit(
            tx,
            talk.conversation,
            of="$f",
            by=ANNA,
            text="Our cake",
            kind="image",
            held=replace(media, attachment_id="att-2"),
            origin_id="$e",
            claimed_at=talk.clock.now(),
            received_at=talk.clock.now(),
        )
    (message,) = await talk.features.history(talk.conversation)
    assert (message.text, _file(message)) == ("Our cake", media)
    with pytest.raises(NotText):
        async with talk.features.database.transaction() as tx:
            await talk.features.messages.forward(
                tx, message, to=talk.conversation, sender_id=ParticipantId("chef")
            )


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
