"""A conversation of two hosts and a vendor about quotes, wired as in the bridge, without Matrix."""

import json
from collections.abc import Sequence
from typing import Any

from bridge.conversations.model import Action, Conversation, Side
from bridge.core.ids import MessageId, ParticipantId, QuoteId
from bridge.delivery.queue import Item
from bridge.messages.events import MessageReceived, SaidToFestimo
from bridge.messages.held import Poll
from bridge.messages.model import Message
from bridge.messages.polls.events import PollVoted
from bridge.messages.reactions.events import ReactionAdded
from bridge.quotes.answering import Answering
from bridge.quotes.asking import AskByPoll, AskByReactions, Asking
from bridge.quotes.desk import QuoteDesk
from bridge.quotes.due import DueQuotes
from bridge.quotes.events import QuoteAccepted, QuoteDeclined, QuoteExpired, QuoteSent, QuoteWithdrawn
from bridge.quotes.listeners import QuoteListener, may_be_a_vote_for_one, may_be_an_answer
from bridge.quotes.model import Line, Offer, Quote, State
from bridge.quotes.rules import state_at
from bridge.quotes.service import Quotes
from bridge.storage.database import Database
from tests.bridge.conversations.features import Features, person

ANNA, BEN, CHEF = ParticipantId("anna"), ParticipantId("ben"), ParticipantId("chef")
STRANGER = "@mallory:people.test"
DAY = 24 * 60 * 60 * 1000
EVENTS = (QuoteSent, QuoteAccepted, QuoteDeclined, QuoteExpired, QuoteWithdrawn)


def offer(total: int = 384_000, *, title: str = "Catering", currency: str = "EUR") -> Offer:
    """80 menus, and the rest as tax."""
    menus = Line(description="Menu", quantity=80, unit_price=total // 100)
    return Offer(title=title, lines=(menus,), tax=total - menus.amount, currency=currency)


class Stall:
    def __init__(self, database: Database, *, by_poll: bool = False) -> None:
        self.database = database
        self.features = features = Features(database)
        self.clock = features.clock
        outbox = features.outbox
        outbox.subscribe("listener", *EVENTS)
        outbox.subscribe("quotes", ReactionAdded)
        outbox.subscribe("quotes", MessageReceived, only=may_be_an_answer)
        outbox.subscribe("quotes", SaidToFestimo, only=may_be_an_answer)
        outbox.subscribe("quotes", PollVoted, only=may_be_a_vote_for_one)
        self.store = store = features.quote_store
        outcomes = features.outcomes
        asking: Asking = AskByReactions(features.messages, features.reactions)
        if by_poll:
            asking = AskByPoll(features.messages)
        self.quotes = Quotes(store, outcomes, asking, features.conversation_store, outbox, self.clock)
        self.answering = Answering(store, outcomes, asking, self.clock)
        self.desk = QuoteDesk(self.quotes, store, self.clock)
        self.conversation: Conversation
        self._said = 0

    async def opened(self) -> "Stall":
        hosts = [person("anna", "Anna"), person("ben", "Ben")]
        self.conversation = await self.features.open(hosts=hosts)
        return self

    def listener(self, database: Database | None = None) -> QuoteListener:
        return QuoteListener(
            database=database or self.database,
            store=self.store,
            answering=self.answering,
            messages=self.features.message_store,
            reactions=self.features.reaction_store,
            polls=self.features.polls,
            outbox=self.features.outbox,
        )

    def due(self, database: Database | None = None) -> DueQuotes:
        return DueQuotes(database or self.database, self.store, self.quotes, self.clock)

    # What is done

    async def send(self, total: int = 384_000, *, days: int = 14, by: ParticipantId = CHEF) -> Quote:
        until = self.clock.now() + days * DAY
        async with self.database.transaction() as tx:
            quote = await self.quotes.send(
                tx, self.conversation, by=by, offer=offer(total), valid_until=until
            )
        await self.shown()
        return quote

    async def revise(self, quote: Quote, total: int, *, days: int = 14, by: ParticipantId = CHEF) -> Quote:
        until = self.clock.now() + days * DAY
        async with self.database.transaction() as tx:
            quote = await self.quotes.revise(tx, quote, by=by, offer=offer(total), valid_until=until)
        await self.shown()
        return quote

    async def withdraw(self, quote: Quote, *, by: ParticipantId = CHEF) -> None:
        async with self.database.transaction() as tx:
            await self.quotes.withdraw(tx, quote, by=by)

    async def accept(
        self, quote: Quote, revision: int, total: int, *, by: ParticipantId = ANNA, currency: str = "EUR"
    ) -> None:
        async with self.database.transaction() as tx:
            await self.quotes.accept(tx, quote, by=by, revision=revision, total=total, currency=currency)

    async def decline(self, quote: Quote, revision: int, *, by: ParticipantId = ANNA) -> None:
        async with self.database.transaction() as tx:
            await self.quotes.decline(tx, quote, by=by, revision=revision)

    async def react(self, message_id: MessageId, emoji: str, *, by: ParticipantId | None = ANNA) -> None:
        """In a client. `by`: None is somebody who is no participant."""
        async with self.database.transaction() as tx:
            await self.features.reactions.receive(
                tx, self.conversation, emoji=emoji, **self._in_client(message_id, by)
            )
        await self.work()

    async def vote(
        self,
        message_id: MessageId,
        *answers: str,
        by: ParticipantId | None = ANNA,
        came_late: bool = False,
        seen: bool = True,
    ) -> None:
        """In a client. `came_late`: made no later than what was done last; `seen`: the bridge goes on to work."""
        if not came_late:
            self.clock.advance(1)
        async with self.database.transaction() as tx:
            await self.features.polls.receive_vote(
                tx, self.conversation, selections=answers, **self._in_client(message_id, by)
            )
        if seen:
            await self.work()

    async def damage(self, quote: Quote) -> None:
        """What it offers can be opened no more."""
        async with self.database.transaction() as tx:
            await tx.execute(
                "UPDATE quote_revisions SET content = $1 WHERE quote_id = $2",
                b"\x01" + b"x" * 60,
                quote.quote_id,
            )

    def _in_client(self, message_id: MessageId, by: ParticipantId | None) -> dict[str, Any]:
        """What comes with everything that somebody does to a message there."""
        self._said += 1
        return {
            "of": f"${message_id}",
            "by": STRANGER if by is None else f"@{by}:people.test",
            "participant_id": by,
            "origin_id": f"$done-{self._said}",
            "claimed_at": self.clock.now(),
            "received_at": self.clock.now(),
        }

    async def vote_by_api(self, message_id: MessageId, *answers: str, by: ParticipantId = ANNA) -> None:
        message = await self.features.message_store.get(self.database, message_id)
        assert message is not None
        async with self.database.transaction() as tx:
            await self.features.polls.vote(tx, message, by=by, answers=answers)
        await self.work()

    async def reply(self, message_id: MessageId, text: str, *, by: ParticipantId | None = ANNA) -> None:
        """In a client."""
        self._said += 1
        people = await self.features.conversation_store.members(
            self.database, self.conversation.conversation_id
        )
        async with self.database.transaction() as tx:
            await self.features.messages.receive(
                tx,
                self.conversation,
                sender=next((one for one in people if one.participant.participant_id == by), None),
                text=text,
                origin_id=f"$reply-{self._said}",
                sent_at=self.clock.now(),
                reply_origin=f"${message_id}",
            )
        await self.work()

    async def reply_by_api(
        self, message_id: MessageId, text: str, *, by: ParticipantId = ANNA, **more: Any
    ) -> MessageId:
        async with self.database.transaction() as tx:
            said = await self.features.messages.post(
                tx, self.conversation, sender_id=by, text=text, reply_to=message_id, **more
            )
        await self.work()
        return said

    async def write(self, rest: str, *, by: ParticipantId = CHEF) -> str | None:
        """`!festimo quote ...`"""
        async with self.database.transaction() as tx:
            answer = await self.desk.write(tx, self.conversation, by=by, rest=rest)
        await self.shown()
        return answer

    async def leave(self, who: ParticipantId) -> None:
        async with self.database.transaction() as tx:
            await self.features.conversation_changes.leave(tx, self.conversation, who=who)

    async def erase(self, who: ParticipantId) -> None:
        """They asked for it."""
        async with self.database.transaction() as tx:
            await self.features.erasures.begin(tx, self.conversation.tenant_id, who)
        await self.shown()

    async def block(self, side: Side | None) -> None:
        """None: nobody any more."""
        action: Action = "reopen" if side is None else "block"
        async with self.database.transaction() as tx:
            await self.features.conversation_changes.act(
                tx, self.conversation, action, asking=None, side=side
            )

    async def later(self, milliseconds: int) -> None:
        self.clock.advance(milliseconds)
        await self.due().do_due()

    # What the bridge does of it

    async def work(self) -> None:
        while (item := await self.head()) is not None:
            await self.handle(item)
        await self.shown()

    async def head(self) -> Item | None:
        return await self.features.outbox.head(f"quotes:{self.conversation.conversation_id}")

    async def handle(self, item: Item, database: Database | None = None) -> None:
        listener = self.listener(database)
        handlers = {
            "quotes.ReactionAdded": listener.reacted,
            "quotes.MessageReceived": listener.replied,
            "quotes.SaidToFestimo": listener.replied,
            "quotes.PollVoted": listener.voted,
        }
        await handlers[item.topic](item)

    async def shown(self) -> None:
        """The room has all that Festimo said."""
        sql = "SELECT message_id FROM messages WHERE status = 'pending'"
        if pending := await self.database.fetch(sql):
            async with self.database.transaction() as tx:
                for row in pending:
                    message_id = MessageId(row["message_id"])
                    await self.features.messages.sent(tx, message_id, origin_id=f"${message_id}")

    # What came of it

    async def get(self, quote_id: QuoteId) -> Quote:
        quote = await self.store.get(self.database, quote_id)
        assert quote is not None
        return quote

    async def state(self, quote: Quote, revision: int | None = None) -> State:
        now = await self.get(quote.quote_id)
        one = now.latest if revision is None else now.of(revision)
        return state_at(one, now=self.clock.now())

    async def events(self) -> list[str]:
        """Names, in order, without "Quote"."""
        return [name for name, _ in await self.told()]

    async def told(self) -> list[tuple[str, int]]:
        """What was recorded of quotes, in order: the event's name, without "Quote", and the revision."""
        found: list[tuple[str, int]] = []
        sql = "SELECT id, topic, body FROM outbox WHERE topic LIKE 'listener.Quote%' ORDER BY seq"
        for row in await self.database.fetch(sql):
            place = f"outbox.body:{row['id']}"
            body = json.loads(await self.features.sealer.open(self.database, row["body"], place=place))
            found.append((row["topic"].removeprefix("listener.Quote"), body["revision"]))
        return found

    async def festimo(self) -> Sequence[Message]:
        return [one for one in await self.features.history(self.conversation) if one.sender_id is None]

    async def open_polls(self) -> list[MessageId]:
        """In the order in which they were asked."""
        asked = [one.message_id for one in await self.festimo() if isinstance(one.held, Poll)]
        ended = await self.features.poll_store.ends(self.database, asked)
        return [one for one in asked if one not in ended]

    async def last(self) -> Message:
        return (await self.festimo())[-1]

    async def question(self) -> Message:
        """The last one."""
        return [one for one in await self.festimo() if is_question(one)][-1]


def is_question(message: Message) -> bool:
    return "it counts only then" in message.text


def is_refusal(message: Message) -> bool:
    return "Nothing was changed." in message.text
