"""Room keys we hold, and decrypting with them."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import structlog
from vodozemac import (
    ExportedSessionKey,
    InboundGroupSession,
    MegolmMessage,
    PickleException,
    SessionKey,
)

from appservice.encryption.olm import OlmPayload
from appservice.encryption.own_devices import MEGOLM
from bridge.core.clock import Clock
from bridge.storage.database import Database, Reader, Row, Transaction

SELECT = """
SELECT room_id, session_id, sender_key, pickle FROM inbound_sessions
WHERE room_id = $1 AND session_id = $2 AND sender_key = $3 FOR UPDATE
"""
SELECT_OF_SENDER = """
SELECT room_id, session_id, sender_key, signing_key, pickle FROM inbound_sessions
WHERE room_id = $1 AND session_id = $2 AND sender = $3 ORDER BY first_index
"""
FORGET = "DELETE FROM inbound_sessions WHERE room_id = $1 AND session_id = $2 AND sender_key = $3"
PUT = """
INSERT INTO inbound_sessions (room_id, session_id, sender_key, sender, signing_key, pickle, first_index, received_at,
    backed_up, restored) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
ON CONFLICT (room_id, session_id, sender_key) DO UPDATE SET pickle = excluded.pickle,
    first_index = excluded.first_index, backed_up = excluded.backed_up, restored = excluded.restored
"""
SELECT_TO_BACK_UP = """
SELECT room_id, session_id, sender_key, sender, signing_key, pickle FROM inbound_sessions WHERE backed_up = 0
ORDER BY received_at LIMIT $1
"""
# Not one that has meanwhile been replaced by a better key.
SET_BACKED_UP = """
UPDATE inbound_sessions SET backed_up = 1
WHERE room_id = $1 AND session_id = $2 AND sender_key = $3 AND first_index = $4
"""
SET_NONE_BACKED_UP = "UPDATE inbound_sessions SET backed_up = 0 WHERE backed_up = 1"
COUNT_BACKED_UP = """
SELECT COUNT(*) FROM (SELECT DISTINCT room_id, session_id FROM inbound_sessions WHERE backed_up = 1) AS backed_up
"""
SELECT_SESSIONS_OF_ROOM = "SELECT DISTINCT session_id FROM inbound_sessions WHERE room_id = $1"
NOTE_INDEX = """
INSERT INTO message_indexes (session_id, message_index, event_id) VALUES ($1, $2, $3)
ON CONFLICT (session_id, message_index) DO NOTHING
"""
SELECT_INDEX = "SELECT event_id FROM message_indexes WHERE session_id = $1 AND message_index = $2"

_SESSION_ID = re.compile(r"[A-Za-z0-9+/]{43}")
"""An unpadded base64 Ed25519 key."""

log = structlog.get_logger(__name__)


class KeyMissing(Exception):
    """The key of this message has not come (yet), or was `damaged` in the database and forgotten: it may be had
    elsewhere at once. `session_id` says which one.
    """

    def __init__(self, session_id: str, *, damaged: bool = False) -> None:
        super().__init__("the room key is missing")
        self.session_id = session_id
        self.damaged = damaged


class NotAuthentic(Exception):
    """The message will never be accepted: malformed, forged, replayed or from another room."""


@dataclass(frozen=True, slots=True)
class Decrypted:
    """What the ciphertext says. Nothing of the cleartext around it, relations included, is in here.

    The keys are those of the device that gave us the room key, as it says itself: whose they are is not checked here.
    """

    type: str
    content: Mapping[str, Any]
    identity_key: str
    signing_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomKey:
    """A session as it travels to the backup and back: `session_key` in the format of key exports, from its first
    known index. The three senders' fields are what was authenticated when it came."""

    room_id: str
    session_id: str
    sender: str
    sender_key: str
    signing_key: str
    session_key: str = field(repr=False)
    first_index: int


class InboundSessions:
    def __init__(self, clock: Clock, *, pickle_key: bytes) -> None:
        self._clock = clock
        self._pickle_key = pickle_key

    async def receive(self, tx: Transaction, payload: OlmPayload) -> str | None:
        """Keep the key of an `m.room_key` payload; return its session id, or None where it is not usable."""
        content = payload.content
        room_id, key = content.get("room_id"), content.get("session_key")
        if content.get("algorithm") != MEGOLM or not _is_room_id(room_id) or not isinstance(key, str):
            return None
        try:
            session = InboundGroupSession(SessionKey(key))
        except ValueError:
            return None
        if session.session_id != content.get("session_id"):
            return None
        await self._keep(tx, room_id, session, payload.sender, payload.sender_key, payload.signing_key)
        return session.session_id

    async def import_own(
        self,
        tx: Transaction,
        *,
        room_id: str,
        key: SessionKey,
        sender: str,
        sender_key: str,
        signing_key: str,
    ) -> None:
        """Keep the key of a session of our own (the bot's or a ghost's): it does not travel."""
        await self._keep(tx, room_id, InboundGroupSession(key), sender, sender_key, signing_key)

    async def to_back_up(self, database: Database, most: int) -> list[RoomKey]:
        """Keys that the backup lacks, the oldest first. Damaged ones are forgotten: they would be in the way."""
        while rows := await database.fetch(SELECT_TO_BACK_UP, most):
            opened = [(row, self._open(row)) for row in rows]
            damaged = [row for row, session in opened if session is None]
            if damaged:
                async with database.transaction() as tx:
                    for row in damaged:
                        await self._forget(tx, row)
            if len(damaged) < len(rows):
                return [self._room_key(row, session) for row, session in opened if session is not None]
        return []

    async def backed_up(self, tx: Transaction, keys: Sequence[RoomKey]) -> None:
        for key in keys:
            await tx.execute(SET_BACKED_UP, key.room_id, key.session_id, key.sender_key, key.first_index)

    async def none_backed_up(self, tx: Transaction) -> None:
        """There is a new backup, with nothing in it."""
        await tx.execute(SET_NONE_BACKED_UP)

    async def count_backed_up(self, reader: Reader) -> int:
        """As a homeserver counts them: per room and session."""
        return int(await reader.fetch_value(COUNT_BACKED_UP))

    async def sessions_of(self, reader: Reader, room_id: str) -> set[str]:
        return {row["session_id"] for row in await reader.fetch(SELECT_SESSIONS_OF_ROOM, room_id)}

    async def restore(self, tx: Transaction, key: RoomKey) -> bool:
        """Keep a key from the backup; return False where it is not the session that it says it is."""
        try:
            session = InboundGroupSession.import_session(ExportedSessionKey(key.session_key))
        except ValueError:
            return False
        if session.session_id != key.session_id:
            return False
        await self._keep(tx, key.room_id, session, key.sender, key.sender_key, key.signing_key, restored=True)
        return True

    async def decrypt(self, tx: Transaction, event: Mapping[str, Any]) -> Decrypted:
        """Decrypt an `m.room.encrypted` timeline event. Raise `KeyMissing` or `NotAuthentic`."""
        room_id, sender, event_id = event["room_id"], event["sender"], event["event_id"]
        content = event.get("content")
        if not isinstance(content, dict) or content.get("algorithm") != MEGOLM:
            raise NotAuthentic("an algorithm that is not Megolm v1")
        session_id = content.get("session_id")
        if not is_session_id(session_id):
            raise NotAuthentic("no session id")
        try:
            message = MegolmMessage.from_base64(str(content.get("ciphertext")))
        except (ValueError, TypeError) as error:
            raise NotAuthentic(f"not a Megolm message ({type(error).__name__})") from None
        row, session = await self._of_sender(tx, room_id, session_id, sender)
        if message.message_index() < session.first_known_index:
            raise KeyMissing(session_id)
        try:
            decrypted = session.decrypt(message)
        except ValueError as error:
            raise NotAuthentic(f"does not decrypt ({type(error).__name__})") from None
        await self._refuse_replay(tx, f"{session_id} {sender}", decrypted.message_index, event_id)
        event_type, inner = _read(decrypted.plaintext, room_id)
        return Decrypted(event_type, inner, row["sender_key"], row["signing_key"])

    async def _of_sender(
        self, tx: Transaction, room_id: str, session_id: str, sender: str
    ) -> tuple[Row, InboundGroupSession]:
        """The one that opens most. Raise `KeyMissing`; then those that are damaged are forgotten in `tx`.

        Somebody else may have sent this key in their own name: the sender's still counts.
        """
        damaged = False
        for row in await tx.fetch(SELECT_OF_SENDER, room_id, session_id, sender):
            session = self._open(row)
            if session is not None:
                return row, session
            damaged = True
            await self._forget(tx, row)
        raise KeyMissing(session_id, damaged=damaged)

    def _open(self, row: Row) -> InboundGroupSession | None:
        """None where the row is damaged: at start it was made sure that the pickle key is the right one."""
        try:
            return InboundGroupSession.from_pickle(row["pickle"], self._pickle_key)
        except PickleException:
            log.error("room_key_damaged", room=row["room_id"], session=row["session_id"])
            return None

    @staticmethod
    async def _forget(tx: Transaction, row: Row) -> None:
        await tx.execute(FORGET, row["room_id"], row["session_id"], row["sender_key"])

    async def _keep(
        self,
        tx: Transaction,
        room_id: str,
        session: InboundGroupSession,
        sender: str,
        sender_key: str,
        signing_key: str,
        *,
        restored: bool = False,
    ) -> None:
        row = await tx.fetch_one(SELECT, room_id, session.session_id, sender_key)
        known = None if row is None else self._open(row)
        if known is not None:
            if session.first_known_index >= known.first_known_index:
                return  # what we hold opens at least as much
            if not _same_ratchet(session, known):
                log.warning("room_key_mismatch", room=room_id, session=session.session_id)
                return
        await tx.execute(
            PUT,
            room_id,
            session.session_id,
            sender_key,
            sender,
            signing_key,
            session.pickle(self._pickle_key),
            session.first_known_index,
            self._clock.now(),
            int(restored),
        )

    @staticmethod
    def _room_key(row: Row, session: InboundGroupSession) -> RoomKey:
        exported = session.export_at(session.first_known_index)
        assert exported is not None, "a session has the ratchet of its first known index"
        return RoomKey(
            room_id=row["room_id"],
            session_id=row["session_id"],
            sender=row["sender"],
            sender_key=row["sender_key"],
            signing_key=row["signing_key"],
            session_key=exported.to_base64(),
            first_index=session.first_known_index,
        )

    async def _refuse_replay(self, tx: Transaction, session: str, index: int, event_id: str) -> None:
        """`session`: its id and the event's sender, else a copy in somebody else's name would be the original."""
        if await tx.execute(NOTE_INDEX, session, index, event_id):
            return
        if await tx.fetch_value(SELECT_INDEX, session, index) != event_id:
            raise NotAuthentic("a replay of another event")


def is_session_id(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and _SESSION_ID.fullmatch(value) is not None


def _is_room_id(value: Any) -> TypeGuard[str]:
    """Not more than that databases can store it: no NUL, no half characters."""
    return isinstance(value, str) and value.startswith("!") and value.isprintable() and len(value) <= 255


def _same_ratchet(earlier: InboundGroupSession, later: InboundGroupSession) -> bool:
    ours, theirs = (session.export_at(later.first_known_index) for session in (later, earlier))
    return ours is not None and theirs is not None and ours.to_base64() == theirs.to_base64()


def _read(plaintext: bytes, room_id: str) -> tuple[str, Mapping[str, Any]]:
    try:
        payload = json.loads(plaintext)
        if payload["room_id"] != room_id:
            raise NotAuthentic("written for another room")
        event_type, content = payload["type"], payload["content"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise NotAuthentic(f"malformed payload ({type(error).__name__})") from None
    if not isinstance(event_type, str) or not isinstance(content, dict):
        raise NotAuthentic("malformed payload")
    return event_type, content
