"""A space per party: its hosts find the rooms of its open conversations in it.

Vendors are not invited: each could see who else was asked. Nobody but the bot can write in a space, so that nothing is
said where nothing is encrypted. Made like rooms are: found again by its alias, adopted only if it is whole. One that
was replaced (`m.room.tombstone`) is followed like a room: to where its alias leads by then.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

import structlog

from appservice.homeserver import Homeserver, HomeserverRefused
from appservice.members import IN_ROOM
from appservice.names import Names
from appservice.outbound.decisions import decided
from appservice.outbound.rooms import HISTORY, POWER_LEVELS, ROOM_VERSION, STAFF, TOMBSTONE, Rooms, State
from appservice.room_map import rooms_of
from appservice.space_map import remember_space, space_of
from bridge.conversations.model import Conversation
from bridge.conversations.party_lists import PartyList, hosts_of, list_of
from bridge.conversations.rules import GONE, is_kept_out
from bridge.conversations.store import ConversationStore
from bridge.core.clock import Clock
from bridge.core.ids import ConversationId, ParticipantId, PartyId
from bridge.delivery.dispatcher import Fail
from bridge.delivery.outbox import Outbox
from bridge.delivery.queue import Item
from bridge.storage.database import Database

TOPIC = "The conversations of this party"
CHILD, PARENT = "m.space.child", "m.space.parent"

log = structlog.get_logger(__name__)


class Spaces:
    def __init__(
        self,
        *,
        database: Database,
        homeserver: Homeserver,
        names: Names,
        rooms: Rooms,
        conversations: ConversationStore,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._database = database
        self._homeserver = homeserver
        self._names = names
        self._rooms = rooms
        self._conversations = conversations
        self._outbox = outbox
        self._clock = clock

    async def changed(self, item: Item) -> None:
        """Deliver a `PartyListChanged`: the space becomes what the list is now."""
        party_id = PartyId(json.loads(item.body)["party_id"])
        party = await list_of(self._database, item.tenant_id, party_id)
        assert party is not None, "the list and this item are one commit"
        conversations = await self._conversations.of_party(self._database, item.tenant_id, party_id)
        rooms = await rooms_of(self._database, [one.conversation_id for one in conversations])
        listed = {
            rooms[one.conversation_id]
            for one in conversations
            if one.is_listed and one.conversation_id in rooms
        }
        space = known = await space_of(self._database, party.list_id)
        if listed or known is not None:
            named = await hosts_of(self._database, item.tenant_id, party_id)
            hosts = await self._hosts(named, conversations)
            async with decided():
                space, state = await self._space(party, known)
                await self._list(space, state, listed, known=known)
                await self._see_to_guests(item, space, state, hosts)
        async with self._database.transaction() as tx:
            if space is not None and space != known:
                # Not before all have been told of it: who takes this up again must tell them.
                await remember_space(tx, party.list_id, space, self._clock)
                log.info("space_made", list=party.list_id, room=space)
            await self._outbox.finish(tx, item)

    async def _space(self, party: PartyList, known: str | None) -> tuple[str, State]:
        """The party's space, and its state."""
        if known is not None:
            state = await self._state(known)
            if TOMBSTONE not in state:
                return known, state
        space = await self._rooms.make(ConversationId(party.list_id), self.creation(party))
        return space, await self._state(space)

    async def _state(self, space: str) -> State:
        events = await self._homeserver.state(self._names.bot, space)
        return {(event["type"], event["state_key"]): event for event in events}

    def creation(self, party: PartyList) -> dict[str, Any]:
        """The body of `POST /createRoom`. Spec: client-server API, "Spaces"."""
        return {
            "room_version": ROOM_VERSION,
            "visibility": "private",
            "preset": "private_chat",
            "creation_content": {"type": "m.space"},
            "room_alias_name": self._names.alias_localpart(ConversationId(party.list_id)),
            "name": party.title,
            "topic": TOPIC,
            "power_level_content_override": POWER_LEVELS | {"events_default": STAFF, "users": {}},
            "initial_state": [
                {"type": "m.room.history_visibility", "state_key": "", "content": HISTORY},
                {"type": "m.room.guest_access", "state_key": "", "content": {"guest_access": "forbidden"}},
            ],
        }

    async def _hosts(
        self, named: Collection[ParticipantId], conversations: Collection[Conversation]
    ) -> set[str]:
        """The accounts of those who plan the party. `named`: with it; in a conversation of several parties only they
        count, as others may plan the others."""
        members = await self._conversations.members_of(
            self._database, [one.conversation_id for one in conversations]
        )
        return {
            member.participant.mxid
            for one in conversations
            for member in members.get(one.conversation_id, ())
            if member.role == "host"
            and (len(one.party_ids) == 1 or member.participant.participant_id in named)
            and member.participant.mxid is not None
            and not self._names.is_ours(member.participant.mxid)
            and member.away not in GONE
            and not is_kept_out(one, member.role)
        }

    async def _list(self, space: str, state: State, listed: Collection[str], *, known: str | None) -> None:
        """The room is told first: whoever is a child of a space that we know has been told of its parent.

        `known`: the space that we know. Another may have its children from that one: of it, nobody has been told.
        """
        via = {"via": [self._names.server_name]}
        children = {
            key for (kind, key), event in state.items() if kind == CHILD and event["content"].get("via")
        }
        told = children if space == known else set[str]()
        for room_id in sorted(set(listed) - told):
            if known is not None and known != space:
                await self._tell(room_id, known, {})
            if await self._tell(room_id, space, via | {"canonical": True}):
                await self._homeserver.set_state(self._names.bot, space, CHILD, via, state_key=room_id)
        for room_id in sorted(children - set(listed)):
            await self._tell(room_id, space, {})
            await self._homeserver.set_state(self._names.bot, space, CHILD, {}, state_key=room_id)

    async def _tell(self, room_id: str, space: str, content: Mapping[str, Any]) -> bool:
        """Return False where the room is not ours any more."""
        try:
            await self._homeserver.set_state(self._names.bot, room_id, PARENT, content, state_key=space)
        except HomeserverRefused as refusal:
            if refusal.status not in (403, 404):
                raise
            log.info("room_gone", room=room_id, errcode=refusal.errcode)
            return False
        return True

    async def _see_to_guests(self, item: Item, space: str, state: State, wanted: Collection[str]) -> None:
        """Nobody who has declined or left is pressed."""
        members = {key: event for (kind, key), event in state.items() if kind == "m.room.member"}
        for user_id in sorted(wanted):
            event = members.get(user_id)
            put_out_by_us = event is not None and event.get("sender") == self._names.bot
            if event is not None and (event["content"]["membership"] in IN_ROOM or not put_out_by_us):
                continue
            try:
                await self._rooms.invites.account(item, space, user_id)
            except Fail as reason:
                log.warning("not_invited_to_space", room=space, reason=str(reason))
        for user_id, event in sorted(members.items()):
            is_there = event["content"].get("membership") in IN_ROOM
            if is_there and user_id not in wanted and not self._names.is_ours(user_id):
                await self._rooms.put_out(space, user_id)
