"""A decrypted message, or start of a poll, that replaces another. Spec: client-server API, "Event replacements".

The original is one of ours to change only if it is a message of the same room and sender: whatever else is replaced
(another edit, a state event, something in clear) is no message in the store.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from appservice.inbound.late import LateNotices
from appservice.inbound.message import said_as, sent_at
from appservice.inbound.relations import html_of, mentioned, participants_of
from appservice.inbound.waiting import is_event_id, wait_for
from appservice.names import Names
from appservice.room_map import Room
from bridge.conversations.store import ConversationStore
from bridge.core.errors import Refusal
from bridge.delivery.dispatcher import Fail
from bridge.delivery.inbox import Inbox
from bridge.delivery.queue import Item
from bridge.messages.changes import MessageChanges
from bridge.messages.errors import EditWindowClosed, NotTheSender, TextBlank, TextTooLong
from bridge.messages.polls.errors import PollHasVotes
from bridge.storage.database import Transaction

log = structlog.get_logger(__name__)


def replaces(content: Mapping[str, Any]) -> bool:
    """By the relation inside the ciphertext: the one beside it anybody could have written."""
    relation = content.get("m.relates_to")
    return isinstance(relation, dict) and relation.get("rel_type") == "m.replace"


class InboundEdits:
    def __init__(
        self,
        *,
        names: Names,
        inbox: Inbox,
        changes: MessageChanges,
        conversations: ConversationStore,
        late: LateNotices,
    ) -> None:
        self._names = names
        self._inbox = inbox
        self._changes = changes
        self._conversations = conversations
        self._late = late

    async def receive(
        self,
        tx: Transaction,
        room: Room,
        event: Mapping[str, Any],
        content: Mapping[str, Any],
        item: Item,
        *,
        event_type: str,
    ) -> bool:
        """`event_type`, `content`: of the ciphertext. Return False where the item is set aside: the original has yet to
        come.
        """
        if self._names.is_ours(event["sender"]):
            return True
        original = content["m.relates_to"].get("event_id")
        if not is_event_id(original):
            raise Fail("an edit of nothing")
        new_content = content.get("m.new_content")
        if not isinstance(new_content, dict):
            new_content = {}
        said = said_as(event_type, new_content)
        if said is None:
            log.info("edit_to_nothing", room=room.room_id, event_id=event["event_id"], of=original)
            return True
        conversation = await self._conversations.get(tx, room.conversation_id)
        assert conversation is not None, "conversations are not deleted"
        people = await self._conversations.members(tx, room.conversation_id)
        try:
            known = await self._changes.receive_edit(
                tx,
                conversation,
                of=original,
                by=event["sender"],
                text=said.text,
                kind=said.kind,
                held=said.held,
                html=html_of(new_content),
                mentions=participants_of(mentioned(new_content), people, self._names),
                origin_id=event["event_id"],
                claimed_at=sent_at(event),
                received_at=item.created_at,
            )
        except EditWindowClosed:
            log.info("edit_too_late", room=room.room_id, event_id=event["event_id"], of=original)
            await self._late.edit(tx, conversation)
            return True
        except (TextBlank, TextTooLong) as refusal:
            log.info("edit_no_text", room=room.room_id, event_id=event["event_id"], reason=refusal.code)
            await self._late.no_text(tx, conversation, reason=refusal.detail)
            return True
        except NotTheSender:
            log.info("edit_of_anothers", room=room.room_id, event_id=event["event_id"], of=original)
            await self._late.not_yours(tx, conversation)
            return True
        except PollHasVotes:
            log.info("poll_edited_too_late", room=room.room_id, event_id=event["event_id"], of=original)
            await self._late.poll_edit(tx, conversation)
            return True
        except Refusal as refusal:
            log.info("edit_refused", room=room.room_id, event_id=event["event_id"], reason=refusal.code)
            return True
        return known or await wait_for(self._inbox, tx, item, original)
