"""The features on a database, without Matrix: what a conversation, its people and its messages become in the tables."""

import json
from collections.abc import Sequence
from typing import Any

from bridge.conversations.events import (
    AccountUnlinked,
    ConversationChanged,
    ConversationDeleted,
    ConversationOpened,
    ConversationStatusChanged,
    ParticipantAdded,
    ParticipantCame,
    ParticipantDeclined,
    ParticipantLeft,
    ParticipantRemoved,
    PartyListChanged,
)
from bridge.conversations.model import Conversation, Scope
from bridge.core.ids import MessageId, ParticipantId, PartyId, TenantId
from bridge.messages.events import MessageDeleted, MessageEdited, MessagePosted, MessageReceived
from bridge.messages.model import Message
from bridge.messages.pins.events import PinsChanged
from bridge.messages.polls.events import PollEnded, PollVoted
from bridge.messages.reactions.events import ReactionAdded, ReactionRemoved
from bridge.participants.model import Participant
from bridge.storage.database import Database
from tests.bridge.services import Services

TENANT = TenantId("festipin")
MASTER_KEY = bytes(range(32))
MAX_TEXT_LENGTH = 50
TABLES = (
    "participants",
    "conversations",
    "conversation_members",
    "absences",
    "conversation_parties",
    "party_hosts",
    "response_times",
    "messages",
    "message_edits",
    "reactions",
    "reaction_origins",
    "pins",
    "poll_votes",
    "poll_ends",
    "bookmarks",
    "quotes",
    "quote_revisions",
    "quote_questions",
    "bookings",
    "vendors",
    "vendor_ratings",
    "leads",
    "platform_told",
    "erasures",
    "booking_news",
    "booking_payments",
    "outbox",
)


class Features(Services):
    """With a listener that hears every event, which stands for the rest."""

    def __init__(self, database: Database, *, scope: Scope = "party_vendor") -> None:
        super().__init__(database, master_key=MASTER_KEY, max_text_length=MAX_TEXT_LENGTH, scope=scope)
        heard = (ConversationOpened, ParticipantAdded, MessagePosted, MessageReceived)
        self.outbox.subscribe("listener", *heard, MessageEdited, MessageDeleted)
        self.outbox.subscribe("listener", ReactionAdded, ReactionRemoved, PinsChanged, PollVoted, PollEnded)

    def listen_to_changes(self) -> None:
        """Hear what becomes of conversations, too."""
        self.outbox.subscribe("listener", ConversationStatusChanged, ConversationChanged, ConversationDeleted)
        self.outbox.subscribe("listener", ParticipantCame, ParticipantDeclined)
        self.outbox.subscribe("listener", ParticipantLeft, ParticipantRemoved)
        self.outbox.subscribe("listener", AccountUnlinked, PartyListChanged)

    async def open(
        self,
        *,
        party: str = "p1",
        title: str = "Anna & Ben",
        hosts: Sequence[Participant] = (),
        vendor: Participant | None = None,
        tenant: TenantId = TENANT,
    ) -> Conversation:
        async with self.database.transaction() as tx:
            return await self.conversations.open(
                tx,
                tenant_id=tenant,
                party_id=PartyId(party),
                party_title=title,
                hosts=hosts or [person("anna", "Anna", tenant=tenant)],
                vendor=vendor or person("chef", "Sweet Bites", tenant=tenant),
            )

    async def post(self, conversation: Conversation, *, text: str, sender: str = "anna") -> MessageId:
        async with self.database.transaction() as tx:
            return await self.messages.post(tx, conversation, sender_id=ParticipantId(sender), text=text)

    async def history(self, conversation: Conversation) -> list[Message]:
        return await self.message_store.history(self.database, conversation.conversation_id, limit=1000)

    async def told(self) -> list[tuple[str, dict[str, Any]]]:
        """Name and fields of every event recorded, in order."""
        told: list[tuple[str, dict[str, Any]]] = []
        for row in await self.database.fetch("SELECT id, topic, body FROM outbox ORDER BY seq"):
            body = await self.sealer.open(self.database, row["body"], place=f"outbox.body:{row['id']}")
            told.append((row["topic"].removeprefix("listener."), json.loads(body)))
        return told

    async def everything(self) -> dict[str, list[tuple[object, ...]]]:
        """All rows of all tables: equal before and after means that nothing was changed."""
        found = {}
        for table in TABLES:
            rows: Any = await self.database.fetch(f"SELECT * FROM {table}")
            found[table] = sorted((tuple(row) for row in rows), key=repr)
        return found


def person(
    participant_id: str,
    name: str,
    *,
    mxid: str | None = None,
    avatar_url: str | None = None,
    tenant: TenantId = TENANT,
) -> Participant:
    return Participant(
        tenant_id=tenant,
        participant_id=ParticipantId(participant_id),
        name=name,
        mxid=mxid,
        avatar_url=avatar_url,
    )
