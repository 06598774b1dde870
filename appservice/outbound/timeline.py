"""Messages into the room: in the right voice, encrypted, exactly once."""

import html
import json
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from typing import Any, NoReturn

import structlog

from appservice.encryption.attachment import encrypt_attachment
from appservice.encryption.outbound_sessions import Encryptor
from appservice.encryption.own_devices import OwnDevices
from appservice.homeserver import Homeserver, HomeserverRefused
from appservice.names import Names
from appservice.outbound.decisions import decided
from appservice.outbound.former_rooms import OUT_OF_REACH, FormerRooms
from appservice.outbound.sent_before import SentBefore
from appservice.places import place_content
from appservice.polls import START, start_of
from appservice.room_map import Room, room_of
from bridge.core.clock import Clock
from bridge.core.ids import ConversationId, MessageId, ParticipantId
from bridge.delivery.dispatcher import Fail, Retry
from bridge.delivery.outbox import Outbox
from bridge.delivery.queue import Item
from bridge.messages.held import Document, Location, Poll
from bridge.messages.model import Message
from bridge.messages.service import Messages
from bridge.messages.store import MessageStore
from bridge.participants.store import ParticipantStore
from bridge.storage.database import Database, Transaction

LARGEST_PLAINTEXT = 32_000
"""Bytes of content. Encryption grows it by a third, and an event holds 65,536; longer text goes as a file."""
PREVIEW = 500
"""Characters of a text that goes as a file."""
REMEMBERED_FOR = timedelta(hours=23)
"""The homeserver forgets transaction ids after 24 h: later, look whether the event is there before sending again."""

MESSAGE = "m.room.message"

Content = dict[str, Any]
Also = Callable[[Transaction, Content], Awaitable[None]]

log = structlog.get_logger(__name__)


class Timeline:
    def __init__(
        self,
        *,
        database: Database,
        homeserver: Homeserver,
        names: Names,
        own_devices: OwnDevices,
        encryptor: Encryptor,
        messages: Messages,
        message_store: MessageStore,
        participants: ParticipantStore,
        outbox: Outbox,
        former_rooms: FormerRooms,
        sent_before: SentBefore,
        clock: Clock,
    ) -> None:
        self._database = database
        self._homeserver = homeserver
        self._names = names
        self._own_devices = own_devices
        self._encryptor = encryptor
        self._messages = messages
        self._message_store = message_store
        self._participants = participants
        self._outbox = outbox
        self._former_rooms = former_rooms
        self._sent_before = sent_before
        self._clock = clock

    async def posted(self, item: Item) -> None:
        """Deliver a `MessagePosted`."""
        message = await self._message_store.get(self._database, _message_id(item))
        assert message is not None, "the message and this item are one commit"
        room = await room_of(self._database, message.conversation_id)
        if room is None:
            raise Fail("the conversation has no room")
        if message.is_deleted and item.prepared is None:
            async with self._database.transaction() as tx:
                await self._messages.failed(tx, message.message_id, reason="deleted before it was sent")
                await self._outbox.finish(tx, item)
            return
        speaker, prefix = await self.voice(message)
        async with decided(), self._former_rooms.watching(room.room_id):
            event_id = await self.send(
                item,
                room.room_id,
                speaker,
                lambda: self._related_content(speaker, message, prefix, room),
                event_type=START if isinstance(message.held, Poll) else MESSAGE,
            )
        async with self._database.transaction() as tx:
            tx.may_be_lost = True  # the homeserver knows the transaction id, or it is found by its ciphertext
            await self._messages.sent(tx, message.message_id, origin_id=event_id, origin_sender=speaker)
            await self._outbox.finish(tx, item)
        log.info(
            "message_sent",
            conversation=message.conversation_id,
            message=message.message_id,
            event_id=event_id,
        )

    async def given_up(self, tx: Transaction, item: Item, reason: str) -> None:
        await self._messages.failed(tx, _message_id(item), reason=reason)

    async def voice(self, message: Message) -> tuple[str, str]:
        """Who says it in the room, and what stands before it: account holders are spoken for by Festimo."""
        if message.sender_id is None:
            return self._names.bot, ""
        person = await self._participants.get(self._database, message.tenant_id, message.sender_id)
        assert person is not None, "participants are not deleted"
        if person.mxid is not None:
            return self._names.bot, f"{person.name}: "
        return self._names.ghost(person.tenant_id, person.participant_id), ""

    async def send(
        self,
        item: Item,
        room_id: str,
        speaker: str,
        make: Callable[[], Awaitable[Content]],
        *,
        event_type: str = MESSAGE,
        also: Also | None = None,
    ) -> str:
        """Return the event id. `make` gives the content; it is called only if no attempt before has fixed it.

        `also(tx, encrypted)` is called in the transaction that fixes it; what it raises undoes that.

        A relation stands beside the ciphertext, too, for homeservers and clients to see. Spec: client-server API,
        "Forming relationships between events".
        """
        event_id = self._sent_before.event_id(item.id)
        if event_id is not None:
            return event_id
        async with self._own_devices.doubting(speaker, self._names.bot):
            return await self._send(item, room_id, speaker, make, event_type, also)

    async def _send(
        self,
        item: Item,
        room_id: str,
        speaker: str,
        make: Callable[[], Awaitable[Content]],
        event_type: str,
        also: Also | None,
    ) -> str:
        if item.prepared is not None:
            encrypted = json.loads(item.prepared)
            former = await self._former_rooms.of_session(_conversation_id(item), encrypted["session_id"])
            if former not in (None, room_id):
                event_id = await self.said_before(item, room_id)
                return event_id or await self._anew(item, "it was encrypted for the former room")
            device = await self._own_devices.ensure(speaker)
            replaced = encrypted["device_id"] != device
            if replaced or self._may_be_forgotten(item):
                event_id = await self._find(room_id, encrypted, since=item.prepared_at or 0)
                if event_id is not None:
                    return event_id
            if replaced:
                # Under another device the homeserver would not know the transaction id, nor readers the session.
                return await self._anew(item, "the device that had encrypted it was replaced")
            if not await self._encryptor.share_in_flight(room_id, speaker, encrypted["session_id"]):
                event_id = await self._find(room_id, encrypted, since=item.prepared_at or 0)
                # Who came since could not be given its key. Should it be on its way, it is the same transaction.
                return event_id or await self._anew(item, "its session is gone")
        else:
            content = await make()
            relation = {key: content[key] for key in ("m.relates_to",) if key in content}

            async def keep(tx: Transaction, encrypted: Content) -> None:
                encrypted.update(relation)
                await self._outbox.prepare(tx, item, json.dumps(encrypted, separators=(",", ":")).encode())
                if also is not None:
                    await also(tx, encrypted)

            encrypted = await self._encryptor.encrypt(room_id, speaker, event_type, content, keep)
            device = encrypted["device_id"]
        return await self._homeserver.send_encrypted(speaker, device, room_id, item.id, encrypted)

    async def _anew(self, item: Item, reason: str) -> NoReturn:
        """Its ciphertext has not come into the room: the next attempt makes another."""
        await self._outbox.discard_prepared(item)
        raise Retry(f"{reason}: it is encrypted anew")

    async def _related_content(self, speaker: str, message: Message, prefix: str, room: Room) -> Content:
        match message.held:
            case Poll() as poll:
                content = start_of(poll, text=message.text, prefix=prefix)
            case Location() as place:
                content = place_content(place, text=message.text, prefix=prefix, at=message.created_at)
            case Document() as file:
                content = await self._file(speaker, file.text, name=file.name, mimetype=file.mimetype)
            case _:
                content = await self.content(speaker, message, prefix)
        content["m.mentions"] = await self.mentions(message, message.mentions)
        relation = await self._relation(message, room)
        return content | ({"m.relates_to": relation} if relation else {})

    async def content(self, speaker: str, message: Message, prefix: str) -> Content:
        """What the message says. What is too long for an event goes unformatted, or else as a file."""
        text = prefix + message.text
        # A notice is never answered by another program, nor pushed to phones; a quote is there to be answered.
        is_pushed = message.sender_type in ("user", "vendor") or message.kind == "quote"
        msgtype = "m.text" if is_pushed else "m.notice"
        plain: Content = {"msgtype": msgtype, "body": text, "m.mentions": {}}
        formatted = {} if message.html is None else formatted_body(prefix, message.html)
        for content in (plain | formatted, plain):
            if _is_small(content) or _size(content) <= LARGEST_PLAINTEXT:
                return content
        content = await self._file(speaker, text, name="message.txt", mimetype="text/plain")
        return content | {"body": text[:PREVIEW] + " …"}

    async def _file(self, speaker: str, text: str, *, name: str, mimetype: str) -> Content:
        """The homeserver keeps ciphertext, and is not told of what."""
        data = text.encode()
        ciphertext, file = encrypt_attachment(data)
        file["url"] = await self._homeserver.upload(speaker, ciphertext, "application/octet-stream")
        return {
            "msgtype": "m.file",
            "body": name,
            "filename": name,
            "file": file,
            "info": {"mimetype": mimetype, "size": len(data)},
            "m.mentions": {},
        }

    async def mentions(self, message: Message, participants: Iterable[ParticipantId]) -> Content:
        """Spec: client-server API, "User and room mentions": by their account, or by the ghost that stands for them."""
        users = []
        for participant_id in participants:
            person = await self._participants.get(self._database, message.tenant_id, participant_id)
            if person is not None:
                users.append(person.mxid or self._names.ghost(person.tenant_id, person.participant_id))
        return {"user_ids": users} if users else {}

    async def _relation(self, message: Message, room: Room) -> Content:
        """Spec: client-server API, "Rich replies" (without a fallback text) and "Threading".

        What is answered went before, in the same lane; where it did not come into the room, there is nothing to show.
        """
        reply = await self._origin_of(message.reply_to, room)
        root = await self._origin_of(message.thread_id, room)
        if message.thread_id is not None and root is not None:
            first = await self._message_store.get(self._database, message.thread_id)
            assert first is not None, "messages are not removed"
            last = reply or await self._message_store.last_of_thread(self._database, first)
            return {
                "rel_type": "m.thread",
                "event_id": root,
                "is_falling_back": reply is None,
                "m.in_reply_to": {"event_id": last or root},
            }
        return {} if reply is None else {"m.in_reply_to": {"event_id": reply}}

    async def _origin_of(self, message_id: MessageId | None, room: Room) -> str | None:
        """None where it does not stand in this room."""
        message = None if message_id is None else await self._message_store.get(self._database, message_id)
        if message is None or message.origin_id is None:
            return None
        return message.origin_id if await self._former_rooms.is_in(room, message.origin_id) else None

    def _may_be_forgotten(self, item: Item) -> bool:
        age = timedelta(milliseconds=self._clock.now() - (item.prepared_at or 0))
        return age >= REMEMBERED_FOR

    async def said_before(self, item: Item, room_id: str | None) -> str | None:
        """The event that an earlier attempt has become, in the room for which it was encrypted. `room_id`: of now."""
        if item.prepared is None:
            return None
        encrypted = json.loads(item.prepared)
        former = await self._former_rooms.of_session(_conversation_id(item), encrypted["session_id"])
        place = former or room_id
        if place is None:
            return None
        try:
            return await self._find(place, encrypted, since=item.prepared_at or 0)
        except HomeserverRefused as refusal:
            if former is None or refusal.status not in OUT_OF_REACH:
                raise
            return None

    async def _find(self, room_id: str, encrypted: dict[str, Any], *, since: int) -> str | None:
        """Look for our ciphertext in the room's timeline, back to when it was made: no two are ever alike."""
        before: str | None = None
        while True:
            page = await self._homeserver.messages(self._names.bot, room_id, before=before)
            for event in page["chunk"]:
                content = event.get("content", {})
                if content.get("ciphertext") == encrypted["ciphertext"]:
                    return str(event["event_id"])
            before = page.get("end")
            oldest = page["chunk"][-1]["origin_server_ts"] if page["chunk"] else 0
            # An hour of grace: the homeserver's clock is not ours.
            if before is None or oldest < since - 3_600_000:
                return None


def formatted_body(prefix: str, formatted: str) -> Content:
    """Beside a `body`. `prefix`: plain; `formatted`: cleaned HTML."""
    return {
        "format": "org.matrix.custom.html",
        "formatted_body": html.escape(prefix, quote=False) + formatted,
    }


def _is_small(content: Content) -> bool:
    """Whether nobody has to look how large it is: a character takes six bytes at most, as `\\u0000`."""
    texts = (content["body"], content.get("formatted_body", ""))
    return 6 * sum(map(len, texts)) + 1_000 <= LARGEST_PLAINTEXT


def _size(content: Content) -> int:
    return len(json.dumps(content, ensure_ascii=False).encode())


def _conversation_id(item: Item) -> ConversationId:
    return ConversationId(json.loads(item.body)["conversation_id"])


def _message_id(item: Item) -> MessageId:
    return MessageId(json.loads(item.body)["message_id"])
