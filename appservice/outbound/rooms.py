"""Rooms for conversations, and people into them. Every step can be repeated after a kill at any moment.

The alias is the conversation's random id, so a room that was made but not noted is found again. Synapse stores the
alias before the state: a room found that way is adopted only if it is whole, and nobody is invited before that.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog

from appservice.ghosts import Ghosts
from appservice.homeserver import Homeserver, HomeserverRefused
from appservice.members import IN_ROOM, Members
from appservice.names import Names
from appservice.outbound.decisions import decided
from appservice.outbound.invites import Invites, Unanswered
from appservice.readers import Readers
from appservice.room_map import Room, former_rooms_of, remember_room, room_of
from bridge.conversations.events import ParticipantHeld
from bridge.conversations.model import Conversation, Member
from bridge.conversations.rules import GONE, is_kept_out
from bridge.conversations.service import Conversations
from bridge.conversations.store import ConversationStore
from bridge.core.clock import Clock
from bridge.core.ids import ConversationId, ParticipantId
from bridge.delivery.dispatcher import Fail, Retry
from bridge.delivery.outbox import Outbox
from bridge.delivery.queue import Item
from bridge.participants.model import Participant
from bridge.participants.store import ParticipantStore
from bridge.storage.database import Database, Transaction

ROOM_VERSION = "12"
"""Ids without a domain; the creator stands above all power levels and must not be listed in them."""
TOPIC = "Encrypted conversation, brought to you by Festimo"
ENCRYPTION = {
    "algorithm": "m.megolm.v1.aes-sha2",
    "rotation_period_msgs": 100,
    "rotation_period_ms": 7 * 24 * 3600 * 1000,
}
HISTORY = {"history_visibility": "invited"}
OWNER, STAFF = 50, 100
POWER_LEVELS = {
    "users_default": 0,
    "events_default": 0,
    "state_default": STAFF,
    "invite": STAFF,
    "kick": STAFF,
    "ban": STAFF,
    "redact": STAFF,
    "events": {"m.room.pinned_events": OWNER},
    "notifications": {"room": OWNER},
}
NOBODY_WRITES = 75
"""Above everybody but the bot, which stands above all levels."""
HELD_FOR, HELD_AT_MOST = 60_000, 24 * 3_600_000
"""Milliseconds between the later tries of an invite to a server that does not answer, and until it is given up."""
MOST_ATTEMPTS = 3
"""Half-made rooms put aside in one go before something else must be wrong."""
WHOLE_LOOKS, WHOLE_PAUSE = 12, 0.25
"""How often, and how many seconds apart, to look whether a room is whole: when we were killed in mid-`createRoom`, the
homeserver is still making it."""

TOMBSTONE = ("m.room.tombstone", "")
State = Mapping[tuple[str, str], Mapping[str, Any]]
"""(type, state key) -> event."""

log = structlog.get_logger(__name__)


def room_body(
    *,
    alias: str,
    name: str,
    topic: str,
    power_levels: Mapping[str, Any],
    avatar_url: str | None = None,
    former: str | None = None,
) -> dict[str, Any]:
    """The body of `POST /createRoom` of every room of ours. `alias`: its localpart; `former`: which room it replaces.

    Clients lead from one to the other, and homeservers take a user's tags and push rules along.
    """
    avatar = {"type": "m.room.avatar", "state_key": "", "content": {"url": avatar_url}}
    return {
        "room_version": ROOM_VERSION,
        "visibility": "private",
        "preset": "private_chat",
        "room_alias_name": alias,
        "name": name,
        "topic": topic,
        "power_level_content_override": power_levels,
        **({"creation_content": {"predecessor": {"room_id": former}}} if former is not None else {}),
        "initial_state": [
            {"type": "m.room.encryption", "state_key": "", "content": ENCRYPTION},
            {"type": "m.room.history_visibility", "state_key": "", "content": HISTORY},
            {"type": "m.room.guest_access", "state_key": "", "content": {"guest_access": "forbidden"}},
            *([avatar] if avatar_url is not None else ()),
        ],
    }


def levels_of(
    conversation: Conversation, people: Sequence[Member], address: Callable[[Participant], str]
) -> dict[str, Any]:
    """The room's power levels: who closed a conversation has made its room read-only; into groups owners invite."""
    owners = [
        one.participant
        for one in people
        if one.standing != "member" and one.away is None and not is_kept_out(conversation, one.role)
    ]
    users = {"users": {address(owner): OWNER for owner in owners}}
    levels = POWER_LEVELS | {"invite": OWNER if conversation.type == "group" else STAFF}
    if conversation.is_read_only:
        # Nobody pins either: what stands there for a kind of event would count more than the default.
        return levels | {"events_default": NOBODY_WRITES, "events": {}} | users
    return levels | users


def is_to_be_there(conversation: Conversation, member: Member) -> bool:
    return member.away not in GONE and not is_kept_out(conversation, member.role)


class Rooms:
    def __init__(
        self,
        *,
        database: Database,
        homeserver: Homeserver,
        names: Names,
        ghosts: Ghosts,
        members: Members,
        readers: Readers,
        service: Conversations,
        conversations: ConversationStore,
        participants: ParticipantStore,
        outbox: Outbox,
        clock: Clock,
        avatar_url: str | None = None,
    ) -> None:
        """`avatar_url`: the picture of new rooms."""
        self._avatar_url = avatar_url
        self._database = database
        self._homeserver = homeserver
        self._names = names
        self._ghosts = ghosts
        self.invites = Invites(homeserver, names)
        self._members = members
        self._readers = readers
        self._service = service
        self._conversations = conversations
        self._participants = participants
        self._outbox = outbox
        self._clock = clock

    async def opened(self, item: Item) -> None:
        """Deliver a `ConversationOpened`: make the room, or find the one that an earlier attempt made."""
        conversation = await self._conversation(item)
        async with decided():
            former = await former_rooms_of(self._database, conversation.conversation_id)
            room_id = await self.ensure(conversation, former)
        async with self._database.transaction() as tx:
            await remember_room(
                tx, Room(room_id, conversation.tenant_id, conversation.conversation_id), self._clock
            )
            await self._service.ready(tx, conversation)
            await self._outbox.finish(tx, item)
        log.info("room_made", conversation=conversation.conversation_id, room=room_id)

    async def added(self, item: Item) -> None:
        """Deliver a `ParticipantAdded`: invite the person, or bring their ghost in."""
        try:
            await self._bring_in(item)
        except Unanswered as silence:
            await self._hold(item, f"{silence} yet. It is tried again for a day")

    async def held(self, item: Item) -> None:
        """Deliver a `ParticipantHeld`, which has a lane of its own: nothing else waits with it."""
        if not item.attempts:
            raise Retry("their server has just not answered", delay=HELD_FOR)
        try:
            await self._bring_in(item)
        except (Unanswered, Retry) as trouble:
            if self._clock.now() - item.created_at >= HELD_AT_MOST:
                raise Fail(str(trouble)) from trouble
            raise Retry(str(trouble), delay=HELD_FOR) from trouble

    async def _bring_in(self, item: Item) -> None:
        event, conversation = json.loads(item.body), await self._conversation(item)
        here, participant_id = conversation.conversation_id, ParticipantId(event["participant_id"])
        asked_at = event.get("asked_at", item.created_at)
        person = await self._participants.get(self._database, item.tenant_id, participant_id)
        room = await room_of(self._database, here)
        if person is None or room is None:
            raise Fail("the conversation has no room")
        member = await self._conversations.member(self._database, here, participant_id)
        if member is None or not is_to_be_there(conversation, member):
            return await self._stays_out(item, room, person)
        if person.mxid is not None and self._names.is_ours(person.mxid):
            raise Fail(
                f"{person.mxid} is one of the bridge's own users; give the person's own Matrix id, or none"
            )
        async with decided():
            if person.mxid is not None:
                # Before the invite, so that nothing comes between it and what is noted of it.
                async with self._database.transaction() as tx:
                    await self._readers.to_be_invited(tx, conversation, person, asked_at=asked_at)
                await self.invites.account(item, room.room_id, person.mxid)
            else:
                await self.bring_ghost(room.room_id, person)
        async with self._database.transaction() as tx:
            now = await self._conversations.get(tx, here)
            member = await self._conversations.member(tx, here, participant_id)
            if now is not None and member is not None and is_to_be_there(now, member):
                await self._service.added_again(tx, here, participant_id)
                await self._members.mark_stale(tx, room.room_id)
                return await self._outbox.finish(tx, item)
        return await self._stays_out(item, room, person)

    async def _stays_out(self, item: Item, room: Room, person: Participant) -> None:
        """They have left, or were put out, while they were to be brought in: from another lane, maybe before."""
        async with decided():
            await self.put_person_out(room.room_id, person)
        async with self._database.transaction() as tx:
            await self._members.mark_stale(tx, room.room_id)
            await self._readers.gone(tx, room.conversation_id, person.participant_id)
            await self._outbox.finish(tx, item)

    async def _hold(self, item: Item, reason: str) -> None:
        """The rest of the conversation goes on."""
        event = json.loads(item.body)
        here, participant_id = (
            ConversationId(event["conversation_id"]),
            ParticipantId(event["participant_id"]),
        )
        held = ParticipantHeld(
            tenant_id=item.tenant_id,
            conversation_id=here,
            participant_id=participant_id,
            asked_at=item.created_at,
        )
        async with self._database.transaction() as tx:
            await self._service.not_added(tx, here, participant_id, reason=reason)
            await self._outbox.record(tx, held)
            await self._outbox.finish(tx, item)

    async def not_opened(self, tx: Transaction, item: Item, reason: str) -> None:
        conversation_id = ConversationId(json.loads(item.body)["conversation_id"])
        await self._service.not_opened(tx, conversation_id, reason=reason)

    async def not_added(self, tx: Transaction, item: Item, reason: str) -> None:
        event = json.loads(item.body)
        conversation_id = ConversationId(event["conversation_id"])
        participant_id = ParticipantId(event["participant_id"])
        await self._service.not_added(tx, conversation_id, participant_id, reason=reason)
        await self._readers.gone(tx, conversation_id, participant_id)

    async def _conversation(self, item: Item) -> Conversation:
        conversation_id = ConversationId(json.loads(item.body)["conversation_id"])
        conversation = await self._conversations.get(self._database, conversation_id)
        assert conversation is not None, "conversations are not deleted"
        return conversation

    async def ensure(self, conversation: Conversation, former: Sequence[str]) -> str:
        """Return the conversation's room, which is none of the `former` ones (the last of them first)."""
        people = await self._conversations.members(self._database, conversation.conversation_id)
        body = self.creation(conversation, people, former=former[0] if former else None)
        return await self.make(conversation.conversation_id, body, former=former)

    async def make(
        self, conversation_id: ConversationId, body: Mapping[str, Any], *, former: Collection[str] = ()
    ) -> str:
        """Return the room with this id's alias; made from `body` if there is none that is whole, or a `former` one."""
        alias = self._names.alias(conversation_id)
        for _ in range(MOST_ATTEMPTS):
            found = await self._homeserver.resolve_alias(self._names.bot, alias)
            if found is None:
                try:
                    found = await self._homeserver.create_room(self._names.bot, body)
                except HomeserverRefused as refusal:
                    if refusal.errcode != "M_ROOM_IN_USE":
                        raise
                    continue
            if found not in former:
                if await self._becomes_whole(found, body):
                    return found
                log.warning("room_half_made", conversation=conversation_id, room=found)
            await self._homeserver.delete_alias(self._names.bot, alias)
        raise Fail("the homeserver makes rooms without the state that was asked for")

    def creation(
        self, conversation: Conversation, people: list[Member], *, former: str | None = None
    ) -> dict[str, Any]:
        """The body of `POST /createRoom`. Names and topic are readable by servers: people only, no details."""
        return room_body(
            alias=self._names.alias_localpart(conversation.conversation_id),
            name=conversation.title,
            topic=TOPIC,
            power_levels=levels_of(conversation, people, self.address),
            avatar_url=self._avatar_url,
            former=former,
        )

    def address(self, person: Participant) -> str:
        return person.mxid or self._names.ghost(person.tenant_id, person.participant_id)

    async def _becomes_whole(self, room_id: str, body: Mapping[str, Any]) -> bool:
        for look in range(WHOLE_LOOKS):
            if look:
                await asyncio.sleep(WHOLE_PAUSE)
            state = await self._state(room_id)
            if TOMBSTONE in state:
                return False  # it is at its end
            if self._is_whole(state, body):
                return True
        return False

    async def _state(self, room_id: str) -> State:
        try:
            events = await self._homeserver.state(self._names.bot, room_id)
        except HomeserverRefused:
            return {}  # not even the bot is in it
        return {(event["type"], event["state_key"]): event for event in events}

    def _is_whole(self, state: State, body: Mapping[str, Any]) -> bool:

        def content(event_type: str, state_key: str = "") -> dict[str, Any]:
            found: dict[str, Any] = state.get((event_type, state_key), {}).get("content", {})
            return found

        levels = content("m.room.power_levels")
        is_space = "type" in body.get("creation_content", {})
        return (
            state.get(("m.room.create", ""), {}).get("sender") == self._names.bot
            and content("m.room.create").get("type") == body.get("creation_content", {}).get("type")
            and content("m.room.member", self._names.bot).get("membership") == "join"
            and (is_space or content("m.room.encryption").get("algorithm") == ENCRYPTION["algorithm"])
            and content("m.room.history_visibility") == HISTORY
            and content("m.room.join_rules").get("join_rule") == "invite"
            and all(levels.get(key) == POWER_LEVELS[key] for key in ("state_default", "kick", "ban"))
            # Rooms of groups that were made before their owners could invite get there with the next change.
            and levels.get("invite") in (STAFF, body["power_level_content_override"]["invite"])
        )

    async def bring_ghost(self, room_id: str, person: Participant) -> None:
        await self.seat(room_id, await self._ghosts.ensure(person))

    async def seat(self, room_id: str, ghost: str) -> None:
        await self.invites.invite(room_id, ghost)
        await self._homeserver.join(ghost, room_id)

    async def put_person_out(self, room_id: str, person: Participant) -> None:
        """Their account and their ghost, whichever is there."""
        there = await self._homeserver.members(self._names.bot, room_id)
        for user_id in (person.mxid, self._names.ghost(person.tenant_id, person.participant_id)):
            if user_id is not None and there.get(user_id) in IN_ROOM:
                await self.put_out(room_id, user_id)

    async def put_out(self, room_id: str, user_id: str) -> None:
        """Whoever is not there is what we want."""
        if not self._names.is_ours(user_id):
            return await self.kick(room_id, user_id)
        async with self._not_there(room_id, user_id):
            await self._homeserver.leave(user_id, room_id)
        return None

    async def kick(self, room_id: str, user_id: str) -> None:
        """The same of whoever cannot leave by themselves, as a ghost that there has never been."""
        async with self._not_there(room_id, user_id):
            await self._homeserver.kick(self._names.bot, room_id, user_id)

    @asynccontextmanager
    async def _not_there(self, room_id: str, user_id: str) -> AsyncIterator[None]:
        """Refusals to put out somebody who is not there are what we want, too."""
        try:
            yield
        except HomeserverRefused as refusal:
            if refusal.status not in (403, 404):
                raise
            if user_id in await self._homeserver.members(self._names.bot, room_id):
                raise
