"""Reactions into the room: by the person's ghost, or by Festimo for account holders; and out of it again.

What stands in the room for a reaction is kept by its event id. Festimo reacts once for however many account holders did
so through us: a homeserver takes no second one. Who reacts in their own client needs nobody to do it for them.
Reactions are not encrypted, as no client does that.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import structlog

from appservice.encryption.own_devices import OwnDevices
from appservice.homeserver import Homeserver, HomeserverRefused
from appservice.names import Names
from appservice.outbound.decisions import decided
from appservice.outbound.former_rooms import FormerRooms
from appservice.outbound.sent_before import SentBefore
from appservice.room_map import Room, room_of
from bridge.core.ids import ParticipantId
from bridge.delivery.dispatcher import Fail
from bridge.delivery.outbox import Outbox
from bridge.delivery.queue import Item
from bridge.messages.reactions.model import Origin, Reaction
from bridge.messages.reactions.store import ReactionStore
from bridge.messages.store import MessageStore
from bridge.participants.store import ParticipantStore
from bridge.storage.database import Database

DUPLICATE = "M_DUPLICATE_ANNOTATION"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an item has to do in the room. Fixed before it is begun, so that whoever goes on does the same.

    `speaker`: who is to react, or None; `redact`: events to take away, with their senders; `inherit`: event -> the
    reaction for which it stands from now on.
    """

    speaker: str | None = None
    redact: Sequence[tuple[str, str]] = ()
    inherit: Sequence[tuple[str, str]] = ()

    @property
    def is_empty(self) -> bool:
        return self.speaker is None and not self.redact and not self.inherit


class ReactionsInRoom:
    def __init__(
        self,
        *,
        database: Database,
        homeserver: Homeserver,
        names: Names,
        own_devices: OwnDevices,
        participants: ParticipantStore,
        message_store: MessageStore,
        store: ReactionStore,
        outbox: Outbox,
        former_rooms: FormerRooms,
        sent_before: SentBefore,
    ) -> None:
        self._database = database
        self._homeserver = homeserver
        self._names = names
        self._own_devices = own_devices
        self._participants = participants
        self._message_store = message_store
        self._store = store
        self._outbox = outbox
        self._former_rooms = former_rooms
        self._sent_before = sent_before

    async def changed(self, item: Item) -> None:
        """Deliver a `ReactionAdded` or `ReactionRemoved`. The message has gone before: it stands in the same lane."""
        reaction = await self._store.get(self._database, json.loads(item.body)["reaction_id"])
        if reaction is None:
            return await self._finish(item, None, Plan(), None)  # taken back, and all of it is gone
        message = await self._message_store.get(self._database, reaction.message_id)
        assert message is not None, "messages are not removed"
        room = await room_of(self._database, reaction.conversation_id)
        if room is None or message.origin_id is None:
            return await self._finish(item, reaction, Plan(), None)  # nobody has seen the message
        async with decided():
            is_here = await self._former_rooms.is_in(room, message.origin_id)
        if not is_here:
            return await self._finish(item, reaction, Plan(), None)
        if item.prepared is not None:
            plan = Plan(**json.loads(item.prepared))
        else:
            plan = await self._plan(reaction)
            if not plan.is_empty:
                async with self._database.transaction() as tx:
                    await self._outbox.prepare(tx, item, json.dumps(asdict(plan)).encode())
        origin = None
        async with decided(), self._former_rooms.watching(room.room_id):
            if plan.speaker is not None:
                event_id = await self._react(item, room, plan.speaker, message.origin_id, reaction.emoji)
                origin = Origin(event_id, reaction.reaction_id, plan.speaker)
            await self._redact(item, room, plan)
        await self._finish(item, reaction, plan, origin)
        log.info("reaction_told", message=reaction.message_id, redacted=len(plan.redact))
        return None

    async def _plan(self, reaction: Reaction) -> Plan:
        everyone = [
            one
            for one in await self._store.all_of(self._database, reaction.message_id)
            if one.emoji == reaction.emoji
        ]
        ids = {one.reaction_id for one in everyone}
        origins = [
            one
            for one in await self._store.origins_of(self._database, reaction.message_id)
            if one.reaction_id in ids
        ]
        by_themselves = {one.reaction_id for one in origins if not self._names.is_ours(one.sender)}
        spoken_for = {
            one.reaction_id: await self._speaker(one)
            for one in everyone
            if one.removed_at is None and one.reaction_id not in by_themselves
        }
        speaker = spoken_for.get(reaction.reaction_id)
        if speaker is not None and any(origin.sender == speaker for origin in origins):
            speaker = None  # who speaks for them does so for another already
        redact, inherit = [], []
        for origin in origins:
            if origin.reaction_id != reaction.reaction_id:
                continue
            if reaction.removed_at is None and not (
                self._names.is_ours(origin.sender) and reaction.reaction_id in by_themselves
            ):
                continue  # it says what is so
            heir = next((one for one, voice in spoken_for.items() if voice == origin.sender), None)
            if heir is None:
                redact.append((origin.origin_id, origin.sender))
            else:
                inherit.append((origin.origin_id, heir))
        return Plan(speaker=speaker, redact=redact, inherit=inherit)

    async def _speaker(self, reaction: Reaction) -> str | None:
        if reaction.participant_id is None:
            return self._names.bot if reaction.outsider is None else None
        person = await self._participants.get(
            self._database, reaction.tenant_id, ParticipantId(reaction.participant_id)
        )
        assert person is not None, "participants are not deleted"
        if person.mxid is not None:
            return self._names.bot
        return self._names.ghost(person.tenant_id, person.participant_id)

    async def _react(self, item: Item, room: Room, speaker: str, event_id: str, emoji: str) -> str:
        known = self._sent_before.event_id(item.id)
        if known is not None:
            return known
        device = await self._own_devices.ensure(speaker)
        try:
            return await self._homeserver.react(speaker, device, room.room_id, event_id, emoji, item.id)
        except HomeserverRefused as refusal:
            if refusal.errcode != DUPLICATE:
                raise
        # It is there, and the transaction forgotten: after a day, or in an older copy of the database.
        return await self._find(room, speaker, event_id, emoji)

    async def _find(self, room: Room, speaker: str, event_id: str, emoji: str) -> str:
        after: str | None = None
        while True:
            page = await self._homeserver.reactions(self._names.bot, room.room_id, event_id, after=after)
            for event in page["chunk"]:
                relation = event.get("content", {}).get("m.relates_to", {})
                if (event.get("sender"), relation.get("key")) == (speaker, emoji):
                    return str(event["event_id"])
            after = page.get("next_batch")
            if after is None or not page["chunk"]:
                raise Fail("the homeserver says that the reaction is there already, and does not show it")

    async def _redact(self, item: Item, room: Room, plan: Plan) -> None:
        """Redacting twice does what redacting once does."""
        for number, (event_id, sender) in enumerate(plan.redact):
            # In place of a person for whom we cannot speak, the bot does it: it may redact everything.
            speaker = sender if self._names.is_ours(sender) else self._names.bot
            device = await self._own_devices.ensure(speaker)
            txn_id = f"{item.id}.{number}" if number else item.id
            await self._homeserver.redact(speaker, device, room.room_id, event_id, txn_id)

    async def _finish(self, item: Item, reaction: Reaction | None, plan: Plan, origin: Origin | None) -> None:
        async with self._database.transaction() as tx:
            if origin is not None:
                await self._store.put_origin(tx, origin)
            for event_id, _ in plan.redact:
                await self._store.delete_origin(tx, event_id)
            for event_id, heir in plan.inherit:
                await self._store.hand_over(tx, event_id, to=heir)
            if reaction is not None:
                await self._store.forget(tx, reaction.reaction_id)
            await self._outbox.finish(tx, item)
