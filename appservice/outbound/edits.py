"""Edits that were made on our side, into the room: by who said the message there, encrypted, exactly once."""

import dataclasses
import json
from typing import Any

import structlog

from appservice.encryption.outbound_sessions import Encryptor
from appservice.names import Names
from appservice.outbound.decisions import decided
from appservice.outbound.former_rooms import FormerRooms
from appservice.outbound.rooms import Rooms
from appservice.outbound.timeline import PREVIEW, Timeline
from appservice.room_map import room_of
from bridge.core.ids import MessageId
from bridge.delivery.outbox import Outbox
from bridge.delivery.queue import Item
from bridge.messages.changes import MessageChanges
from bridge.messages.edit_store import EditStore
from bridge.messages.model import Message
from bridge.messages.store import MessageStore
from bridge.storage.database import Database

log = structlog.get_logger(__name__)


class Edits:
    def __init__(
        self,
        *,
        database: Database,
        names: Names,
        timeline: Timeline,
        rooms: Rooms,
        encryptor: Encryptor,
        changes: MessageChanges,
        message_store: MessageStore,
        edit_store: EditStore,
        former_rooms: FormerRooms,
        outbox: Outbox,
    ) -> None:
        self._database = database
        self._names = names
        self._timeline = timeline
        self._rooms = rooms
        self._encryptor = encryptor
        self._changes = changes
        self._message_store = message_store
        self._edit_store = edit_store
        self._former_rooms = former_rooms
        self._outbox = outbox

    async def edited(self, item: Item) -> None:
        """Deliver a `MessageEdited`. The message itself has gone before: it was recorded in the same lane."""
        told = json.loads(item.body)
        if told["edit_id"] is None:
            return await self._nothing_to_tell(item)
        message = await self._message_store.get(self._database, MessageId(told["message_id"]))
        edit = await self._edit_store.get(self._database, told["edit_id"])
        assert message is not None, "the message, the edit and this item were committed together"
        assert edit is not None, "edits of our own are not taken back"
        room = await room_of(self._database, message.conversation_id)
        text, original = edit.text, message.origin_id
        if room is None or original is None or (text is None and item.prepared is None):
            # It never came into the room, or has been deleted since.
            return await self._nothing_to_tell(item)
        if item.prepared is None:
            async with decided():
                is_here = await self._former_rooms.is_in(room, original)
            if not is_here:
                return await self._nothing_to_tell(item)
        said_now = dataclasses.replace(message, text=text or "", html=edit.html, mentions=edit.mentions)
        now, prefix = await self._timeline.voice(message)
        # An edit by anybody else is none, and the person may have got an account since.
        speaker = message.origin_sender or now
        prefix = prefix if speaker == self._names.bot else ""
        returns = speaker not in (now, self._names.bot)
        async with decided(), self._former_rooms.watching(room.room_id):
            if returns:  # their ghost has left, and comes back for this
                await self._rooms.seat(room.room_id, speaker)
            event_id = await self._timeline.send(
                item, room.room_id, speaker, lambda: self._content(speaker, said_now, prefix, original)
            )
            if returns:
                await self._rooms.put_out(room.room_id, speaker)
        async with self._database.transaction() as tx:
            await self._changes.edit_sent(tx, edit.edit_id, origin_id=event_id)
            await self._outbox.finish(tx, item)
        log.info("edit_sent", message=message.message_id, event_id=event_id)
        return None

    async def _content(self, speaker: str, message: Message, prefix: str, original: str) -> dict[str, Any]:
        """Spec: client-server API, "Event replacements". For clients that know no edits there is `body`."""
        new_content = await self._timeline.content(speaker, message, prefix)
        new_content["m.mentions"] = await self._timeline.mentions(message, message.mentions)
        body = prefix + message.text
        return {
            "msgtype": "m.notice" if new_content["msgtype"] == "m.notice" else "m.text",
            "body": f"* {body}" if len(body) <= PREVIEW else f"* {body[:PREVIEW]} …",
            "m.mentions": {},  # nobody is told anew
            "m.new_content": new_content,
            "m.relates_to": {"rel_type": "m.replace", "event_id": original},
        }

    async def _nothing_to_tell(self, item: Item) -> None:
        async with self._database.transaction() as tx:
            await self._outbox.finish(tx, item)
