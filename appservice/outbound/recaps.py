"""Recaps into rooms: encrypted for the person who missed something, exactly once, and edited with what they repeat."""

import json
from typing import Any
from urllib.parse import quote

import structlog

from appservice.encryption.key_sharing import SHARED
from appservice.encryption.outbound_sessions import Encryptor
from appservice.names import Names
from appservice.outbound.decisions import decided
from appservice.outbound.former_rooms import FormerRooms
from appservice.outbound.private_rooms import PrivateRooms
from appservice.outbound.timeline import Timeline
from appservice.readers import Readers
from appservice.room_map import room_of
from bridge.core.ids import ConversationId
from bridge.delivery.dispatcher import Fail, Retry
from bridge.delivery.outbox import Outbox
from bridge.delivery.queue import Item
from bridge.recap.drafts import Drafts
from bridge.recap.model import Draft, Recap, Wording
from bridge.recap.service import Recaps
from bridge.storage.database import Database, Reader, Transaction

HAS_KEY = f"""
SELECT 1 FROM session_shares s JOIN devices d ON d.user_id = s.user_id AND d.device_id = s.device_id
    AND d.identity_key = s.identity_key
WHERE s.session_id = $1 AND s.user_id = $2 AND s.outcome = '{SHARED}' AND d.removed = 0 LIMIT 1
"""

HELD_FOR = 60_000
"""Milliseconds."""

log = structlog.get_logger(__name__)


class ConversationRoom:
    """The recaps' port."""

    def __init__(self, names: Names, outbox: Outbox) -> None:
        self._names = names
        self._outbox = outbox

    async def is_sending(self, reader: Reader, conversation_id: ConversationId) -> bool:
        return await self._outbox.is_sending(reader, "matrix", conversation_id)

    async def link(self, reader: Reader, conversation_id: ConversationId, origin_id: str) -> str | None:
        """Spec: appendices, "matrix.to navigation"."""
        room = await room_of(reader, conversation_id)
        if room is None:
            return None
        path = f"{quote(room.room_id, safe='!')}/{quote(origin_id, safe='$')}"
        return f"https://matrix.to/#/{path}?via={self._names.server_name}"


class NoKey(Exception):
    """No device of the person has got the key: nothing was encrypted."""


class RecapDelivery:
    def __init__(
        self,
        *,
        database: Database,
        names: Names,
        recaps: Recaps,
        drafts: Drafts,
        readers: Readers,
        private_rooms: PrivateRooms,
        timeline: Timeline,
        encryptor: Encryptor,
        former_rooms: FormerRooms,
        outbox: Outbox,
    ) -> None:
        self._database = database
        self._names = names
        self._recaps = recaps
        self._drafts = drafts
        self._readers = readers
        self._private_rooms = private_rooms
        self._timeline = timeline
        self._encryptor = encryptor
        self._former_rooms = former_rooms
        self._outbox = outbox

    async def due(self, item: Item) -> None:
        """Deliver a `RecapDue`. Once it is encrypted it is sent, whatever becomes of the person's devices."""
        recap = await self._recaps.get(self._database, _recap_id(item))
        if recap is None or recap.state != "due":
            return await self._finish(item)  # they have left
        draft = None
        if item.prepared is None:
            draft = await self._drafts.of_due(self._database, recap)
            if draft is None:
                return await self._drop(item, recap)
            if not await self._readers.can_read(self._database, recap.address):
                return await self._put_off(item, recap)
        try:
            await self._tell(item, recap, draft)
        except NoKey:
            log.info("recap_held", recap=recap.recap_id, conversation=recap.conversation_id)
            async with self._database.transaction() as tx:
                await self._recaps.hold(tx, recap)
                await self._outbox.finish(tx, item)

    async def held(self, item: Item) -> None:
        """Deliver a `RecapHeld`, which has a lane of its own: nothing else waits with it."""
        if not item.attempts:
            raise Retry("no key could be given to the person's device", delay=HELD_FOR)
        recap = await self._recaps.get(self._database, _recap_id(item))
        async with self._database.transaction() as tx:
            if recap is not None:
                await self._readers.look_again(tx, recap.address)
            await self._outbox.finish(tx, item)

    async def changed(self, item: Item) -> None:
        """Deliver a `RecapChanged`. The recap itself has gone before, in the same lane."""
        recap = await self._recaps.get(self._database, _recap_id(item))
        async with self._database.transaction() as tx:  # what changes after this is another edit
            await self._recaps.edit_settled(tx, _recap_id(item))
        if recap is None or recap.origin_id is None:
            return await self._finish(item)
        words = await self._drafts.wording(self._database, await self._drafts.of_told(self._database, recap))
        # After an attempt it may be that what the edit says was fixed with a ciphertext that could not be sent.
        is_new = item.prepared is None and not item.attempts
        if is_new and await self._drafts.already_says(self._database, recap.recap_id, words):
            return await self._finish(item)
        if item.prepared is None and not await self._is_here(recap, recap.origin_id):
            return await self._finish(item)
        return await self._edit(item, recap, words)

    async def not_changed(self, tx: Transaction, item: Item, reason: str) -> None:
        """The next change of a source tries again."""
        await self._recaps.edit_settled(tx, _recap_id(item))

    async def _tell(self, item: Item, recap: Recap, draft: Draft | None) -> None:
        words = None if draft is None else await self._drafts.wording(self._database, draft)

        async def make() -> dict[str, Any]:
            assert words is not None, "whoever comes here without a draft has it encrypted"
            return _content(words)

        async def fix(tx: Transaction, encrypted: dict[str, Any]) -> None:
            if await tx.fetch_value(HAS_KEY, encrypted["session_id"], recap.address) is None:
                raise NoKey
            assert draft is not None
            assert words is not None
            await self._drafts.fix(tx, draft)
            await self._drafts.says(tx, recap.recap_id, words)

        async with decided():
            if item.prepared is None and draft is not None and draft.private:
                room_id = await self._private_rooms.ensure(item, recap, draft.title)
            else:
                room_id = await self._room_of(recap)
            event_id = await self._timeline.send(item, room_id, self._names.bot, make, also=fix)
        async with self._database.transaction() as tx:
            if draft is not None:
                await self._drafts.fix(tx, draft)  # it may have been sent before without our knowing
            await self._recaps.told(tx, recap.recap_id, origin_id=event_id)
            await self._outbox.finish(tx, item)
        log.info("recap_sent", recap=recap.recap_id, conversation=recap.conversation_id, event_id=event_id)

    async def _edit(self, item: Item, recap: Recap, words: Wording) -> None:
        """Spec: client-server API, "Event replacements"."""

        async def make() -> dict[str, Any]:
            return {
                "msgtype": "m.notice",
                "body": "* (a changed recap)",
                "m.mentions": {},
                "m.new_content": _content(words),
                "m.relates_to": {"rel_type": "m.replace", "event_id": recap.origin_id},
            }

        async def says(tx: Transaction, encrypted: dict[str, Any]) -> None:
            await self._drafts.says(tx, recap.recap_id, words)

        room_id = await self._room_of(recap)
        async with decided():
            await self._timeline.send(item, room_id, self._names.bot, make, also=says)
        async with self._database.transaction() as tx:
            await self._outbox.finish(tx, item)
        log.info("recap_edited", recap=recap.recap_id)

    async def _is_here(self, recap: Recap, origin_id: str) -> bool:
        """Whether an edit of it can be seen: the conversation may have gone on in another room since."""
        room = await room_of(self._database, recap.conversation_id)
        if recap.private or room is None:
            return recap.private
        async with decided():
            return await self._former_rooms.is_in(room, origin_id)

    async def _room_of(self, recap: Recap) -> str:
        place = ConversationId(recap.recap_id) if recap.private else recap.conversation_id
        room = await room_of(self._database, place)
        if room is None:
            raise Fail("the conversation has no room")
        return room.room_id

    async def _put_off(self, item: Item, recap: Recap) -> None:
        log.info("recap_put_off", recap=recap.recap_id, conversation=recap.conversation_id)
        async with self._database.transaction() as tx:
            await self._recaps.put_off(tx, recap)
            await self._readers.look_again(tx, recap.address)  # there may be one since we looked
            await self._outbox.finish(tx, item)

    async def _drop(self, item: Item, recap: Recap) -> None:
        async with self._database.transaction() as tx:
            await self._recaps.dropped(tx, recap)
            await self._outbox.finish(tx, item)

    async def _finish(self, item: Item) -> None:
        async with self._database.transaction() as tx:
            await self._outbox.finish(tx, item)


def _recap_id(item: Item) -> str:
    recap_id: str = json.loads(item.body)["recap_id"]
    return recap_id


def _content(words: Wording) -> dict[str, Any]:
    return {
        "msgtype": "m.notice",
        "body": words.plain,
        "format": "org.matrix.custom.html",
        "formatted_body": words.html,
        "m.mentions": {},
    }
