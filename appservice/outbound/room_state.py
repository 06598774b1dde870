"""A room follows its conversation: its name, who may write in it, who is in it. Each step looks at what the room is and
what the conversation is now, so it can be repeated after a kill at any moment, and overtakes what came before it."""

import json
from collections.abc import AsyncIterator, Mapping

import structlog

from appservice.homeserver import Homeserver, HomeserverRefused
from appservice.members import IN_ROOM, Members
from appservice.names import Names
from appservice.outbound.decisions import decided
from appservice.outbound.former_rooms import OUT_OF_REACH
from appservice.outbound.rooms import Rooms, is_to_be_there, levels_of
from appservice.readers import Readers
from appservice.room_map import Room, former_rooms_of, room_of
from bridge.conversations.model import Conversation, Member
from bridge.conversations.rules import GONE, is_kept_out
from bridge.conversations.store import ConversationStore
from bridge.core.ids import ConversationId, ParticipantId
from bridge.delivery.outbox import Outbox
from bridge.delivery.queue import Item
from bridge.storage.database import Database

log = structlog.get_logger(__name__)


class RoomState:
    def __init__(
        self,
        *,
        database: Database,
        homeserver: Homeserver,
        names: Names,
        rooms: Rooms,
        members: Members,
        readers: Readers,
        conversations: ConversationStore,
        outbox: Outbox,
    ) -> None:
        self._database = database
        self._homeserver = homeserver
        self._names = names
        self._rooms = rooms
        self._members = members
        self._readers = readers
        self._conversations = conversations
        self._outbox = outbox

    async def changed(self, item: Item) -> None:
        """Deliver a `ConversationStatusChanged` or a `ConversationChanged`."""
        conversation, room = await self._place(item)
        if room is None:
            return await self._finish(item, None)  # it will be made as the conversation is then
        people = await self._conversations.members(self._database, conversation.conversation_id)
        async with decided():
            await self._set_state(conversation, people, room.room_id)
            for person in people:
                if is_kept_out(conversation, person.role):
                    await self._put_out(conversation, room, person)
        log.info("room_follows", conversation=conversation.conversation_id, status=conversation.status)
        return await self._finish(item, room)

    async def left(self, item: Item) -> None:
        """Deliver a `ParticipantLeft` or a `ParticipantRemoved`: of account and ghost, whichever is there."""
        conversation, room = await self._place(item)
        member = await self._member(item, conversation)
        if room is not None and member is not None and member.away is not None:
            async with decided():
                await self._put_out(conversation, room, member)
        return await self._finish(item, room, gone=member)

    async def came(self, item: Item) -> None:
        """Deliver a `ParticipantCame`: their ghost leaves once they are there themselves."""
        conversation, room = await self._place(item)
        member = await self._member(item, conversation)
        if room is not None and member is not None and member.participant.mxid is not None:
            person = member.participant
            ghost = self._names.ghost(person.tenant_id, person.participant_id)
            async with decided():
                there = await self._homeserver.members(self._names.bot, room.room_id)
                if there.get(member.participant.mxid) == "join" and ghost in there:
                    await self._rooms.put_out(room.room_id, ghost)
                    log.info("ghost_left", room=room.room_id, ghost=ghost)
        return await self._finish(item, room)

    async def unlinked(self, item: Item) -> None:
        """Deliver an `AccountUnlinked`: the account goes, and where they have no other their ghost comes back."""
        conversation, room = await self._place(item)
        address, member = json.loads(item.body)["address"], await self._member(item, conversation)
        if room is None or member is None or member.participant.mxid == address:
            return await self._finish(item, room)
        person = member.participant
        is_in = member.away not in GONE and not is_kept_out(conversation, member.role)
        async with decided():
            if person.mxid is None and is_in:
                await self._rooms.bring_ghost(room.room_id, person)
            await self._rooms.put_out(room.room_id, address)
        return await self._finish(item, room, gone=member)

    async def invite_refused(self, item: Item) -> None:
        """Deliver an `InviteRefused`: they are put out, unless they may be there by now."""
        conversation, room = await self._place(item)
        if room is None:
            return await self._finish(item, None)
        address = json.loads(item.body)["address"]
        people = await self._conversations.members(self._database, conversation.conversation_id)
        wanted = [self._rooms.address(one.participant) for one in people if is_to_be_there(conversation, one)]
        if address not in wanted:
            async with decided():
                await self._rooms.kick(room.room_id, address)
            log.info("invite_taken_back", room=room.room_id, user=address)
        return await self._finish(item, room)

    async def deleted(self, item: Item) -> None:
        """Deliver a `ConversationDeleted`: only the bot stays, so that the room can be told from one nobody knows."""
        conversation, room = await self._place(item)
        async with decided():
            async for room_id, there in self._all_rooms(conversation, room):
                for user_id in there:
                    if user_id != self._names.bot:
                        await self._rooms.put_out(room_id, user_id)
        return await self._finish(item, room)

    async def _set_state(self, conversation: Conversation, people: list[Member], room_id: str) -> None:
        state = {
            (event["type"], event["state_key"]): event["content"]
            for event in await self._homeserver.state(self._names.bot, room_id)
        }
        levels = state.get(("m.room.power_levels", ""), {})
        wanted = levels | levels_of(conversation, people, self._rooms.address)
        if wanted != levels:
            await self._homeserver.set_state(self._names.bot, room_id, "m.room.power_levels", wanted)
        name = {"name": conversation.title}
        if state.get(("m.room.name", "")) != name:
            await self._homeserver.set_state(self._names.bot, room_id, "m.room.name", name)

    async def _put_out(self, conversation: Conversation, room: Room, member: Member) -> None:
        person = member.participant
        async for room_id, there in self._all_rooms(conversation, room):
            for user_id in (person.mxid, self._names.ghost(person.tenant_id, person.participant_id)):
                if user_id is not None and there.get(user_id) in IN_ROOM:
                    await self._rooms.put_out(room_id, user_id)

    async def _all_rooms(
        self, conversation: Conversation, room: Room | None
    ) -> AsyncIterator[tuple[str, Mapping[str, str]]]:
        """Its room, and those in which it was held before, as they show what was said: each with who is there."""
        if room is not None:
            yield room.room_id, await self._homeserver.members(self._names.bot, room.room_id)
        for room_id in await former_rooms_of(self._database, conversation.conversation_id):
            try:
                there = await self._homeserver.members(self._names.bot, room_id)
            except HomeserverRefused as refusal:
                if refusal.status not in OUT_OF_REACH:
                    raise
                log.info("former_room_gone", room=room_id, errcode=refusal.errcode)
            else:
                yield room_id, there

    async def _place(self, item: Item) -> tuple[Conversation, Room | None]:
        conversation_id = ConversationId(json.loads(item.body)["conversation_id"])
        conversation = await self._conversations.get(self._database, conversation_id)
        assert conversation is not None, "the rows of conversations stay"
        return conversation, await room_of(self._database, conversation_id)

    async def _member(self, item: Item, conversation: Conversation) -> Member | None:
        participant_id = ParticipantId(json.loads(item.body)["participant_id"])
        return await self._conversations.member(self._database, conversation.conversation_id, participant_id)

    async def _finish(self, item: Item, room: Room | None, *, gone: Member | None = None) -> None:
        async with self._database.transaction() as tx:
            if room is not None:
                await self._members.mark_stale(tx, room.room_id)
            if gone is not None and room is not None:
                await self._readers.gone(tx, room.conversation_id, gone.participant.participant_id)
            await self._outbox.finish(tx, item)
