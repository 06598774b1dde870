"""A conversation whose host has a client and whose vendor has none; what is wired in the bridge works both ways."""

from collections.abc import Mapping
from typing import Any

from appservice.room_map import Room, remember_room
from bridge.core.ids import MessageId, ParticipantId
from bridge.delivery.dispatcher import Fail
from bridge.delivery.outbox import Outbox
from bridge.delivery.queue import Item
from bridge.messages.events import MessageDeleted, MessageEdited, MessagePosted
from bridge.messages.model import Message
from bridge.messages.pins.events import PinsChanged
from bridge.messages.reactions.events import ReactionAdded, ReactionRemoved
from bridge.messages.reactions.model import tallies
from tests.appservice.encryption.engine import BOT, NAMES, TENANT, Engine
from tests.appservice.encryption.party import Party, text_message
from tests.appservice.encryption.reader import ANNA, TALK, Reader
from tests.bridge.conversations.features import person
from tests.fakes.homeserver import FakeHomeserver, Json

GHOST = NAMES.ghost(TENANT, ParticipantId("chef"))
MINUTE = 60_000
HOUR = 60 * MINUTE


class Conversation(Reader):
    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.clock = engine.clock
        outgoing = self.parts.outbox_dispatcher
        assert isinstance(outgoing._queue, Outbox)
        self._outbox, self._handlers, self._given_up = outgoing._queue, outgoing._handlers, outgoing._on_dead
        self.features.outbox.subscribe("matrix", MessagePosted, MessageEdited, MessageDeleted)
        self.features.outbox.subscribe("matrix", ReactionAdded, ReactionRemoved, PinsChanged)

    async def opened(self) -> "Conversation":
        self.conversation = await self.features.open(
            hosts=[person("anna", "Anna", mxid=ANNA, tenant=TENANT)],
            vendor=person("chef", "Sweet Bites", tenant=TENANT),
            tenant=TENANT,
        )
        self.homeserver.add_room(TALK, {BOT: "join", GHOST: "join"})
        async with self.engine.database.transaction() as tx:
            room = Room(TALK, TENANT, self.conversation.conversation_id)
            await remember_room(tx, room, self.engine.clock)
        return self

    @property
    def homeserver(self) -> FakeHomeserver:
        assert isinstance(self.engine.homeserver, FakeHomeserver)
        return self.engine.homeserver

    # On our side

    async def post(self, text: str, *, sender: str = "chef", **more: Any) -> MessageId:
        async with self.engine.database.transaction() as tx:
            return await self.features.messages.post(
                tx, self.conversation, sender_id=ParticipantId(sender), text=text, **more
            )

    async def edit(self, message_id: MessageId, text: str, *, sender: str = "chef", **more: Any) -> None:
        message = await self.message(message_id)
        async with self.engine.database.transaction() as tx:
            sender_id = ParticipantId(sender)
            await self.features.changes.edit(tx, message, sender_id=sender_id, text=text, **more)

    async def react(self, message_id: MessageId, emoji: str = "👍", *, sender: str = "chef") -> None:
        message = await self.message(message_id)
        async with self.engine.database.transaction() as tx:
            await self.features.reactions.add(tx, message, by=ParticipantId(sender), emoji=emoji)

    async def take_back(self, message_id: MessageId, emoji: str = "👍", *, sender: str = "chef") -> None:
        message = await self.message(message_id)
        async with self.engine.database.transaction() as tx:
            await self.features.reactions.remove(tx, message, by=ParticipantId(sender), emoji=emoji)

    async def reactions(self, message_id: MessageId) -> list[tuple[str, tuple[str, ...]]]:
        found = await self.features.reaction_store.of(self.engine.database, message_id)
        return [(one.emoji, one.participants) for one in tallies(found)]

    async def delete(self, message_id: MessageId, *, sender: str | None = "chef") -> None:
        message = await self.message(message_id)
        by = None if sender is None else ParticipantId(sender)
        async with self.engine.database.transaction() as tx:
            await self.features.changes.delete(tx, message, sender_id=by)

    async def message(self, message_id: MessageId) -> Message:
        message = await self.features.message_store.get(self.engine.database, message_id)
        assert message is not None
        return message

    async def go_out(self) -> None:
        """Everything that waits is delivered. Raises the `Retry` at which that ends."""
        while item := await self.next_out():
            try:
                await self._handlers[item.topic](item)
            except Fail as reason:
                async with self.engine.database.transaction() as tx:
                    if item.topic in self._given_up:
                        await self._given_up[item.topic](tx, item, str(reason))
                    await self._outbox.bury(tx, item, failure=str(reason))

    async def next_out(self) -> Item | None:
        return await self._outbox.head(f"matrix:{self.conversation.conversation_id}")

    def in_room(self) -> list[Json]:
        return self.homeserver.timeline(TALK)

    # In the host's client

    def edited(
        self,
        party: Party,
        event_id: str,
        text: str,
        *,
        of: Any,
        sender: str | None = None,
        inside: Mapping[str, Any] | None = None,
    ) -> Json:
        """`inside` overrides parts of the ciphertext's content."""
        relation = {"rel_type": "m.replace", "event_id": of}
        content = text_message(f"* {text}") | {"m.new_content": text_message(text), "m.relates_to": relation}
        encrypted = party.encrypt(TALK, "", inside={"content": content | dict(inside or {})})
        event = party.event(TALK, event_id, encrypted | {"m.relates_to": relation}, sender=sender)
        return event | {"origin_server_ts": self.clock.now()}

    def said(
        self,
        party: Party,
        event_id: str,
        text: str,
        *,
        beside: Mapping[str, Any] | None = None,
        **inside: Any,
    ) -> Json:
        """A message with more `inside` its ciphertext, and with more `beside` it."""
        encrypted = party.encrypt(TALK, "", inside={"content": text_message(text) | inside})
        event = party.event(TALK, event_id, encrypted | dict(beside or {}))
        return event | {"origin_server_ts": self.clock.now()}

    def reaction(self, event_id: str, of: Any, emoji: Any = "👍", *, sender: str = ANNA) -> Json:
        relation = {"rel_type": "m.annotation", "event_id": of, "key": emoji}
        return {
            "type": "m.reaction",
            "room_id": TALK,
            "event_id": event_id,
            "sender": sender,
            "origin_server_ts": self.clock.now(),
            "content": {"m.relates_to": relation},
        }

    def pinning(
        self, event_id: str, pinned: Any, *, before: list[str] | None = None, sender: str = ANNA
    ) -> Json:
        unsigned = {} if before is None else {"unsigned": {"prev_content": {"pinned": before}}}
        return {
            "type": "m.room.pinned_events",
            "state_key": "",
            "room_id": TALK,
            "event_id": event_id,
            "sender": sender,
            "origin_server_ts": self.clock.now(),
            "content": {"pinned": pinned},
        } | unsigned

    def redaction(self, event_id: str, of: Any, *, sender: str = ANNA, **more: Any) -> Json:
        return {
            "type": "m.room.redaction",
            "room_id": TALK,
            "event_id": event_id,
            "sender": sender,
            "origin_server_ts": self.clock.now(),
            "content": {"redacts": of},
        } | more

    async def state_of(self, event_id: str) -> str:
        """Of its inbox item."""
        return str(
            await self.engine.database.fetch_value(
                "SELECT state FROM inbox WHERE id = $1", f"matrix:{event_id}"
            )
        )

    async def dead(self) -> list[str]:
        rows = await self.engine.database.fetch("SELECT id FROM inbox WHERE state = 'dead'")
        return [row["id"] for row in rows]
