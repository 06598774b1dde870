"""A decrypted `m.room.message`: who said it, and what."""

from collections.abc import Mapping
from typing import Any

from appservice.names import Names
from appservice.room_map import Room
from bridge.conversations.store import ConversationStore
from bridge.delivery.dispatcher import Fail
from bridge.messages.service import Messages
from bridge.storage.database import Transaction

TEXT_TYPES = ("m.text", "m.notice", "m.emote")


class InboundMessages:
    def __init__(
        self,
        *,
        names: Names,
        messages: Messages,
        conversations: ConversationStore,
    ) -> None:
        self._names = names
        self._messages = messages
        self._conversations = conversations

    async def receive(
        self, tx: Transaction, room: Room, event: Mapping[str, Any], content: Mapping[str, Any]
    ) -> None:
        if self._names.is_ours(event["sender"]):
            return
        msgtype, body = content.get("msgtype"), content.get("body")
        if msgtype not in TEXT_TYPES or not isinstance(body, str):
            raise Fail("a message of a kind that is not taken in")
        if _replaces(content):
            raise Fail("an edit, which is not taken in")
        conversation = await self._conversations.get(tx, room.conversation_id)
        assert conversation is not None, "conversations are not deleted"
        people = await self._conversations.members(tx, room.conversation_id)
        sent_at = event.get("origin_server_ts")
        await self._messages.receive(
            tx,
            conversation,
            sender=next((person for person in people if person.participant.mxid == event["sender"]), None),
            text=body,
            origin_id=event["event_id"],
            mentions_festimo=_mentions(content, self._names.bot),
            automated=msgtype == "m.notice",
            sent_at=sent_at if isinstance(sent_at, int) and 0 <= sent_at < 2**53 else 0,
        )


def _mentions(content: Mapping[str, Any], user_id: str) -> bool:
    """Spec: client-server API, "User and room mentions"."""
    mentions = content.get("m.mentions")
    users = mentions.get("user_ids") if isinstance(mentions, dict) else None
    return isinstance(users, list) and user_id in users


def _replaces(content: Mapping[str, Any]) -> bool:
    """By the relation inside the ciphertext: the one beside it anybody could have written."""
    relation = content.get("m.relates_to")
    return isinstance(relation, dict) and relation.get("rel_type") == "m.replace"
