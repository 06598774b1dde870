"""A decrypted message, or the start of a poll: who said it, and what."""

from collections.abc import Mapping
from typing import Any, Protocol

import structlog

from appservice.inbound.late import LateNotices
from appservice.inbound.people import with_account
from appservice.inbound.relations import (
    html_of,
    mentioned,
    participants_of,
    relations_of,
    without_fallback,
)
from appservice.inbound.said import Said, said_in, sticker_in, words_in
from appservice.names import Names
from appservice.polls import STARTS, poll_in
from appservice.room_map import Room
from bridge.conversations.store import ConversationStore
from bridge.delivery.dispatcher import Fail
from bridge.messages.polls.rules import text_of as text_of_poll
from bridge.messages.service import Messages
from bridge.storage.database import Transaction

STICKER = "m.sticker"

log = structlog.get_logger(__name__)


class ForFestimo(Protocol):
    def __call__(self, text: str, *, mentioned: bool) -> bool: ...


class InboundMessages:
    def __init__(
        self,
        *,
        names: Names,
        messages: Messages,
        conversations: ConversationStore,
        is_for_festimo: ForFestimo,
        late: LateNotices,
    ) -> None:
        self._names = names
        self._late = late
        self._is_for_festimo = is_for_festimo
        self._messages = messages
        self._conversations = conversations

    async def receive(
        self,
        tx: Transaction,
        room: Room,
        event: Mapping[str, Any],
        content: Mapping[str, Any],
        *,
        event_type: str,
    ) -> None:
        """`event_type`, `content`: of the ciphertext."""
        if self._names.is_ours(event["sender"]):
            return
        said = said_as(event_type, content) or words_in(content)
        if said is None:
            if event_type in STARTS:
                raise Fail("a poll that cannot be read")
            log.info("nothing_said", room=room.room_id, event_id=event["event_id"])
            return
        conversation = await self._conversations.get(tx, room.conversation_id)
        assert conversation is not None, "conversations are not deleted"
        people = await self._conversations.members(tx, room.conversation_id)
        relations, users = relations_of(content), mentioned(content)
        text = without_fallback(said.text, relations) if said.kind == "text" else said.text
        automated = content.get("msgtype") == "m.notice"
        refusal = await self._messages.receive(
            tx,
            conversation,
            sender=with_account(people, event["sender"]),
            text=text,
            kind=said.kind,
            held=said.held,
            origin_id=event["event_id"],
            origin_sender=event["sender"],
            for_festimo=said.kind == "text"
            and self._is_for_festimo(text, mentioned=self._names.bot in users),
            automated=automated,
            sent_at=sent_at(event),
            html=html_of(content),
            mentions=participants_of(users, people, self._names),
            reply_origin=relations.reply,
            thread_origin=relations.thread,
        )
        if refusal is not None and not automated:  # two programs could go on answering each other
            await self._late.unfit(tx, conversation, reason=refusal.detail)


def said_as(event_type: str, content: Mapping[str, Any]) -> Said | None:
    """What it says; None where it is not as its kind should be, or says nothing."""
    if event_type == STICKER:
        return sticker_in(content)
    if event_type not in STARTS:
        return said_in(content)
    poll = poll_in(content)
    return None if poll is None else Said(kind="poll", text=text_of_poll(poll), held=poll)


def sent_at(event: Mapping[str, Any]) -> int:
    """In epoch ms, as the sender's homeserver says; 0 where it says nothing of the kind."""
    at = event.get("origin_server_ts")
    return at if isinstance(at, int) and 0 <= at < 2**53 else 0
