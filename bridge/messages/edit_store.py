"""Edits and deletions in the database; what an edit says is sealed like what was said first."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bridge.core.ids import ConversationId, MessageId, ParticipantId
from bridge.messages.held import Held, held_in
from bridge.messages.labels.store import forget_labels
from bridge.messages.model import Message
from bridge.messages.ports import Index, NoIndex
from bridge.messages.store import content_of, content_place, edited_place
from bridge.storage.database import Reader, Row, Transaction
from bridge.storage.sealing import Sealer

INSERT = """
INSERT INTO message_edits (edit_id, message_id, content, origin_id, edited_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING
"""
_EDIT = "e.edit_id, e.message_id, e.content, e.origin_id, e.edited_at"
SELECT = f"SELECT {_EDIT} FROM message_edits e WHERE e.edit_id = $1"
SELECT_BY_ORIGIN = f"""
SELECT {_EDIT} FROM message_edits e JOIN messages m ON m.message_id = e.message_id
WHERE e.origin_id = $1 AND m.conversation_id = $2
"""
# Spec: client-server API, "Event replacements": the latest counts, of two at once the one with the greater event id.
SELECT_LATEST = f"""
SELECT {_EDIT} FROM message_edits e WHERE e.message_id = $1 AND e.content IS NOT NULL
ORDER BY e.edited_at DESC, e.edit_id DESC LIMIT 1
"""
SELECT_ORIGINS = """
SELECT origin_id FROM message_edits WHERE message_id = $1 AND origin_id IS NOT NULL ORDER BY edited_at, edit_id
"""
SELECT_FIRST = "SELECT content FROM messages WHERE message_id = $1"
SET_ORIGIN = "UPDATE message_edits SET origin_id = $2 WHERE edit_id = $1"
REMOVE = "DELETE FROM message_edits WHERE edit_id = $1"
SHOW = "UPDATE messages SET edited_content = $2, edited_at = $3 WHERE message_id = $1"
DELETE = "UPDATE messages SET content = $2, edited_content = NULL, deleted_at = $3 WHERE message_id = $1"
FORGET_VOTES = "DELETE FROM poll_votes WHERE message_id = $1"
CLEAR_EDITS = "UPDATE message_edits SET content = NULL WHERE message_id = $1"


@dataclass(frozen=True, slots=True)
class Edit:
    """`text` is None once the message has been deleted."""

    edit_id: str
    message_id: MessageId
    text: str | None
    edited_at: int
    html: str | None = None
    held: Held | None = None
    mentions: tuple[ParticipantId, ...] = ()


class EditStore:
    def __init__(self, sealer: Sealer, index: Index | None = None) -> None:
        self._sealer = sealer
        self._index = index or NoIndex()

    async def insert(
        self,
        tx: Transaction,
        message: Message,
        *,
        edit_id: str,
        text: str,
        origin_id: str | None,
        edited_at: int,
        html: str | None = None,
        held: Held | None = None,
        mentions: Sequence[ParticipantId] = (),
    ) -> bool:
        """Return False, changing nothing, where this edit is stored already."""
        content = content_of(text, html=html, mentions=mentions, held=held)
        sealed = await self._seal(tx, message, content, place=_place(edit_id))
        return bool(await tx.execute(INSERT, edit_id, message.message_id, sealed, origin_id, edited_at))

    async def get(self, reader: Reader, edit_id: str) -> Edit | None:
        return await self._edit(reader, await reader.fetch_one(SELECT, edit_id))

    async def of_origin(self, reader: Reader, conversation_id: ConversationId, origin_id: str) -> Edit | None:
        return await self._edit(reader, await reader.fetch_one(SELECT_BY_ORIGIN, origin_id, conversation_id))

    async def origin_ids(self, reader: Reader, message_id: MessageId) -> list[str]:
        """Of the edits that the outside has, oldest first."""
        return [row["origin_id"] for row in await reader.fetch(SELECT_ORIGINS, message_id)]

    async def set_origin(self, tx: Transaction, edit_id: str, origin_id: str) -> None:
        await tx.execute(SET_ORIGIN, edit_id, origin_id)

    async def remove(self, tx: Transaction, edit_id: str) -> None:
        await tx.execute(REMOVE, edit_id)

    async def show_latest(self, tx: Transaction, message: Message) -> None:
        """The message says what its latest edit says; without one, what it said first."""
        edit = await self._edit(tx, await tx.fetch_one(SELECT_LATEST, message.message_id))
        if edit is None or edit.text is None:
            await tx.execute(SHOW, message.message_id, None, None)
            await self._says(tx, message, await self._first(tx, message))
            return
        content = content_of(edit.text, html=edit.html, mentions=edit.mentions, held=edit.held)
        sealed = await self._seal(tx, message, content, place=edited_place(message.message_id))
        await tx.execute(SHOW, message.message_id, sealed, edit.edited_at)
        await self._says(tx, message, edit.text)

    async def delete(self, tx: Transaction, message: Message, *, at: int) -> None:
        """Forget all that the message ever said, and who voted for what. That it was said stays."""
        nothing = await self._seal(tx, message, content_of(""), place=content_place(message.message_id))
        await tx.execute(DELETE, message.message_id, nothing, at)
        await tx.execute(CLEAR_EDITS, message.message_id)
        await tx.execute(FORGET_VOTES, message.message_id)
        await forget_labels(tx, message.message_id)
        await self._says(tx, message, "")

    async def _says(self, tx: Transaction, message: Message, text: str) -> None:
        await self._index.put(
            tx,
            tenant_id=message.tenant_id,
            conversation_id=message.conversation_id,
            position=message.position,
            text=text,
            is_new=False,
        )

    async def _first(self, reader: Reader, message: Message) -> str:
        """What was said before any edit."""
        sealed = await reader.fetch_value(SELECT_FIRST, message.message_id)
        opened = await self._sealer.open(reader, sealed, place=content_place(message.message_id))
        text: str = json.loads(opened)["text"]
        return text

    async def _seal(self, tx: Transaction, message: Message, content: bytes, *, place: str) -> bytes:
        scope = f"conversation:{message.conversation_id}"
        return await self._sealer.seal(tx, message.tenant_id, scope, content, place=place)

    async def _edit(self, reader: Reader, row: Row | None) -> Edit | None:
        if row is None:
            return None
        content: dict[str, Any] = {"text": None}
        if row["content"] is not None:
            content = json.loads(
                await self._sealer.open(reader, row["content"], place=_place(row["edit_id"]))
            )
        return Edit(
            row["edit_id"],
            MessageId(row["message_id"]),
            content["text"],
            row["edited_at"],
            html=content.get("html"),
            held=held_in(content),
            mentions=tuple(ParticipantId(one) for one in content.get("mentions", ())),
        )


def _place(edit_id: str) -> str:
    return f"message_edits.content:{edit_id}"
