"""Votes and ends of polls into the room: by the person's ghost, encrypted, exactly once.

An account holder's vote nobody can make for them: what Festimo says of it is a message like any other.
"""

import json

import structlog

from appservice.homeserver import Homeserver
from appservice.names import Names
from appservice.outbound.decisions import decided
from appservice.outbound.former_rooms import FormerRooms
from appservice.outbound.timeline import Content, Timeline
from appservice.polls import END, RESPONSE, end_of, response_of
from appservice.room_map import Room, room_of
from bridge.conversations.store import ConversationStore
from bridge.core.ids import MessageId
from bridge.delivery.outbox import Outbox
from bridge.delivery.queue import Item
from bridge.messages.held import Poll
from bridge.messages.model import Message
from bridge.messages.polls.model import Vote
from bridge.messages.polls.service import Polls
from bridge.messages.polls.store import PollStore
from bridge.messages.store import MessageStore
from bridge.storage.database import Database

log = structlog.get_logger(__name__)


class PollsInRoom:
    def __init__(
        self,
        *,
        database: Database,
        homeserver: Homeserver,
        names: Names,
        timeline: Timeline,
        polls: Polls,
        store: PollStore,
        message_store: MessageStore,
        conversations: ConversationStore,
        former_rooms: FormerRooms,
        outbox: Outbox,
    ) -> None:
        self._database = database
        self._homeserver = homeserver
        self._names = names
        self._timeline = timeline
        self._polls = polls
        self._store = store
        self._message_store = message_store
        self._conversations = conversations
        self._former_rooms = former_rooms
        self._outbox = outbox

    async def voted(self, item: Item) -> None:
        """Deliver a `PollVoted`. The poll has gone before: it was recorded in the same lane."""
        message = await self._message(item)
        vote = await self._store.get(self._database, json.loads(item.body)["vote_id"])
        room = await room_of(self._database, message.conversation_id)
        speaker = None if vote is None else await self._ghost_of(message, vote)
        poll, original = message.held, message.origin_id
        if room is None or vote is None or speaker is None or original is None or not isinstance(poll, Poll):
            return await self._finish(item)  # the poll never came into the room, or is deleted
        if item.prepared is None and not await self._is_in(room, original):
            return await self._finish(item)

        async def make() -> Content:
            return response_of(poll, vote.answers, of=original)

        async with decided(), self._former_rooms.watching(room.room_id):
            event_id = await self._timeline.send(item, room.room_id, speaker, make, event_type=RESPONSE)
        async with self._database.transaction() as tx:
            await self._polls.sent(tx, vote.vote_id, origin_id=event_id, origin_sender=speaker)
            await self._outbox.finish(tx, item)
        log.info("vote_sent", message=message.message_id, event_id=event_id)
        return None

    async def ended(self, item: Item) -> None:
        """Deliver a `PollEnded`, after all votes of ours."""
        message = await self._message(item)
        room = await room_of(self._database, message.conversation_id)
        original = message.origin_id
        if room is None or original is None or not isinstance(message.held, Poll):
            return await self._finish(item)
        if item.prepared is None and not await self._is_in(room, original):
            return await self._finish(item)
        speaker = await self._closer(item, message)

        async def make() -> Content:
            return end_of(await self._polls.outcome(self._database, message), of=original)

        async with decided(), self._former_rooms.watching(room.room_id):
            event_id = await self._timeline.send(item, room.room_id, speaker, make, event_type=END)
            place = await self._former_rooms.home_of(room.conversation_id, event_id)
            # When exactly the room saw it, only the homeserver knows, and that decides which votes count.
            at = await self._homeserver.said_at(self._names.bot, place or room.room_id, event_id)
        async with self._database.transaction() as tx:
            await self._polls.end_sent(tx, message, origin_id=event_id, at=at)
            await self._outbox.finish(tx, item)
        log.info("poll_closed", message=message.message_id, event_id=event_id)
        return None

    async def _is_in(self, room: Room, event_id: str) -> bool:
        async with decided():
            return await self._former_rooms.is_in(room, event_id)

    async def _closer(self, item: Item, message: Message) -> str:
        """Who asked, by their ghost; Festimo, who may close everybody's, where that is nobody's any more."""
        asked = message.origin_sender
        if asked is None or not self._names.is_ours(asked) or json.loads(item.body)["by_staff"]:
            return self._names.bot
        conversation = await self._conversations.get(self._database, message.conversation_id)
        assert conversation is not None, "the rows of conversations stay"
        if message.sender_id is None or conversation.is_read_only:
            return self._names.bot
        person = await self._conversations.member(self._database, message.conversation_id, message.sender_id)
        is_there = person is not None and person.away is None and person.participant.mxid is None
        return asked if is_there else self._names.bot

    async def _ghost_of(self, message: Message, vote: Vote) -> str | None:
        """None where they have no ghost in the room any more."""
        if vote.participant_id is None:
            return None
        person = await self._conversations.member(
            self._database, message.conversation_id, vote.participant_id
        )
        if person is None or person.away is not None or person.participant.mxid is not None:
            return None
        return self._names.ghost(message.tenant_id, vote.participant_id)

    async def _message(self, item: Item) -> Message:
        message = await self._message_store.get(
            self._database, MessageId(json.loads(item.body)["message_id"])
        )
        assert message is not None, "messages are not removed"
        return message

    async def _finish(self, item: Item) -> None:
        async with self._database.transaction() as tx:
            await self._outbox.finish(tx, item)
