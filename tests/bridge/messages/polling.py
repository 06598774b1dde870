"""A conversation in which polls are asked, voted in and closed, from our side and in clients."""

from bridge.core.ids import MessageId, ParticipantId
from bridge.messages.held import Poll, PollKind
from bridge.messages.polls import rules
from bridge.messages.polls.model import Result
from bridge.storage.database import Database
from tests.bridge.conversations.features import Features, person
from tests.bridge.messages.test_changes import ANNA, Talk


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


async def polling(database: Database) -> Polling:
    features = Features(database)
    return Polling(features, await features.open(hosts=[person("anna", "Anna", mxid=ANNA)]))
