"""How a message looks to the API."""

from collections.abc import Collection, Sequence

from pydantic import BaseModel, Field

from bridge.conversations.model import MetadataValue, Priority, Role
from bridge.core.caller import Caller
from bridge.core.ids import MessageId, ParticipantId
from bridge.messages.attachment_views import AttachmentView, attachments_of
from bridge.messages.bookmarks.store import BookmarkStore
from bridge.messages.held import Location, Poll
from bridge.messages.labels.model import NONE, Labels
from bridge.messages.listing import replies_of
from bridge.messages.model import Delivery, Direction, Kind, Message, RecipientStatus, SenderType
from bridge.messages.pins.store import PinStore
from bridge.messages.polls.model import End, Vote
from bridge.messages.polls.store import PollStore
from bridge.messages.polls.views import PollView
from bridge.messages.polls.views import view_of as poll_view_of
from bridge.messages.ports import Deliveries
from bridge.messages.reactions.model import Reaction
from bridge.messages.reactions.store import ReactionStore
from bridge.messages.reactions.views import ReactionView, views_of
from bridge.messages.store import MessageStore
from bridge.storage.database import Reader, Transaction
from bridge.web.fields import Time, rfc3339


class RecipientView(BaseModel):
    participant_id: str
    status: RecipientStatus = Field(
        description="sent: the room has it, they could not be brought in; delivered: both are there; read: by a public"
        " receipt or by this API"
    )
    read_at: Time | None


class LocationView(BaseModel):
    latitude: float
    longitude: float
    description: str | None
    uri: str = Field(description="as RFC 5870 writes it, such as geo:52.52,13.405")


class SentimentView(BaseModel):
    score: float = Field(ge=-1, le=1, description="from -1 (bad) to 1 (good)")
    emotions: list[str]


class MessageView(BaseModel):
    message_id: str
    conversation_id: str
    channel_id: str = Field(description="the same, as older clients call it")
    sender_id: str | None = Field(description="the participant; null for Festimo and the platform")
    sender_type: SenderType
    sender_role: Role | None = Field(description="as what they take part; null for Festimo and the platform")
    direction: Direction = Field(
        description="inbound: said in a Matrix client; outbound: said here, and brought into the room"
    )
    message_type: Kind
    content: str = Field(
        description="what it says now, or in words what it holds: a file's name, a poll with its answers; empty once"
        " it is deleted"
    )
    status: RecipientStatus = Field(
        description="as far as it has come for everybody. pending: on its way to the room; sent: the room has it, and"
        " somebody could not be brought in; delivered: all have it; read: all have read it"
    )
    html: str | None = Field(
        description="the same, formatted, and safe to show; null where it is not formatted"
    )
    attachments: list[AttachmentView]
    location: LocationView | None
    poll: PollView | None
    mentions: list[str] = Field(description="the participants to whom it speaks")
    reply_to: str | None = Field(description="the message that it answers")
    thread_id: str | None = Field(description="the message that began the thread it is in")
    reply_count: int = Field(description="messages in the thread that it began")
    reactions: list[ReactionView] = Field(description="in the order in which each emoji came up")
    is_pinned: bool
    is_bookmarked: bool = Field(description="by the one who asks, or for whom a program asks")
    is_forwarded: bool = Field(description="it repeats what was said elsewhere")
    priority: Priority = Field(description="as its sender sees it")
    tags: list[str]
    booking_id: str | None = Field(description="of the booking that it is about")
    metadata: dict[str, MetadataValue]
    sentiment: SentimentView | None = Field(description="null where it is not known, which is always so far")
    intent: str | None = Field(description="what its sender wants by it; null as `sentiment` is")
    failure_reason: str | None
    event_id: str | None = Field(description="of the Matrix event; null until it is sent")
    lead_id: str | None = Field(description="of the lead that it belongs to")
    sent_at: Time
    read_at: Time | None = Field(description="when the last of its recipients read it; null before that")
    recipients: list[RecipientView] = Field(description="who was there when it was said, and did not say it")
    is_edited: bool
    edited_at: Time | None = Field(description="the last time")
    is_deleted: bool = Field(description="for everyone; what it said is gone")
    created_at: Time
    updated_at: Time = Field(description="when it was said, edited or deleted, whichever was last")


class MessagePage(BaseModel):
    messages: list[MessageView] = Field(description="oldest first")
    before: str | None = Field(
        description="for `before`, to get what was said earlier; null at the beginning"
    )
    after: str = Field(description="for `after`, to get what is said later, now or when you ask again")


class MessageViews:
    """With all that others add to a message."""

    def __init__(
        self,
        store: MessageStore,
        reactions: ReactionStore,
        pins: PinStore,
        bookmarks: BookmarkStore,
        deliveries: Deliveries,
    ) -> None:
        self._store = store
        self._reactions = reactions
        self._pins = pins
        self._bookmarks = bookmarks
        self._deliveries = deliveries
        self._polls = PollStore()

    async def of(
        self,
        reader: Reader,
        caller: Caller,
        messages: Sequence[Message],
        *,
        me: ParticipantId | None = None,
    ) -> list[MessageView]:
        """`me`: for whom a program asks; else it is the caller."""
        me = me or caller.participant_id
        if not messages:
            return []
        ids = [one.message_id for one in messages]
        reactions = await self._reactions.of_messages(reader, ids)
        pinned: set[MessageId] = set()
        for conversation_id in {one.conversation_id for one in messages}:
            pinned.update(await self._pins.of(reader, conversation_id))
        marked: Collection[MessageId] = ()
        if me is not None:
            marked = await self._bookmarks.among(reader, caller.tenant_id, me, ids)
        deliveries = await self._deliveries.of(reader, messages)
        replies = await replies_of(reader, ids, seen_by=me)
        roles = await self._store.sender_roles(reader, ids)
        labels = await self._store.labels.of_messages(reader, ids)
        polls = [one.message_id for one in messages if isinstance(one.held, Poll)]
        votes, ends = await self._polls.of_messages(reader, polls), await self._polls.ends(reader, polls)
        return [
            view_of(
                message,
                deliveries[message.message_id],
                role=roles.get(message.message_id),
                labels=labels.get(message.message_id, NONE),
                reply_count=replies[message.message_id],
                reactions=reactions.get(message.message_id, ()),
                pinned=pinned,
                marked=marked,
                votes=votes.get(message.message_id, ()),
                end=ends.get(message.message_id),
                me=me,
            )
            for message in messages
        ]

    async def one(
        self, reader: Reader, caller: Caller, message: Message, *, me: ParticipantId | None = None
    ) -> MessageView:
        (view,) = await self.of(reader, caller, [message], me=me)
        return view

    async def made(self, tx: Transaction, message: Message) -> MessageView:
        """Of one that this transaction has made: nobody has answered, marked, pinned it or reacted to it."""
        message_id = message.message_id
        deliveries = await self._deliveries.of(tx, [message])
        roles = await self._store.sender_roles(tx, [message_id])
        labels = await self._store.labels.of_messages(tx, [message_id])
        return view_of(
            message,
            deliveries[message_id],
            role=roles.get(message_id),
            labels=labels.get(message_id, NONE),
        )


def view_of(
    message: Message,
    delivery: Delivery,
    *,
    role: Role | None = None,
    labels: Labels = NONE,
    reply_count: int = 0,
    reactions: Sequence[Reaction] = (),
    pinned: Collection[MessageId] = (),
    marked: Collection[MessageId] = (),
    votes: Sequence[Vote] = (),
    end: End | None = None,
    me: ParticipantId | None = None,
) -> MessageView:
    """`reactions`: to it, oldest first; `pinned`: what is, in its conversation; `marked`: by `me`, who looks.

    `role`: its sender's; `votes`, `end`: of the poll that it is.
    """
    held = message.held
    return MessageView(
        message_id=message.message_id,
        conversation_id=message.conversation_id,
        channel_id=message.conversation_id,
        sender_id=message.sender_id,
        sender_type=message.sender_type,
        sender_role=role,
        direction="inbound" if message.from_client else "outbound",
        message_type=message.kind,
        content=message.text,
        html=message.html,
        attachments=attachments_of(message),
        location=place_view_of(held) if isinstance(held, Location) else None,
        poll=poll_view_of(held, votes, end, me=me) if isinstance(held, Poll) else None,
        mentions=list(message.mentions),
        reply_to=message.reply_to,
        thread_id=message.thread_id,
        reply_count=reply_count,
        reactions=[] if message.is_deleted else views_of(reactions, me=me),
        is_pinned=message.message_id in pinned and not message.is_deleted,
        is_bookmarked=message.message_id in marked and not message.is_deleted,
        is_forwarded=message.forwarded,
        status=delivery.status,
        priority=labels.priority,
        tags=list(labels.tags),
        booking_id=labels.booking_id,
        metadata=dict(labels.metadata),
        sentiment=None,
        intent=None,
        failure_reason=message.failure_reason,
        event_id=message.origin_id,
        lead_id=message.lead_id,
        sent_at=rfc3339(message.created_at),
        read_at=None if delivery.read_at is None else rfc3339(delivery.read_at),
        recipients=[
            RecipientView(
                participant_id=one.participant_id,
                status=one.status,
                read_at=None if one.read_at is None else rfc3339(one.read_at),
            )
            for one in delivery.recipients
        ],
        is_edited=message.edited_at is not None,
        edited_at=None if message.edited_at is None else rfc3339(message.edited_at),
        is_deleted=message.is_deleted,
        created_at=rfc3339(message.created_at),
        updated_at=rfc3339(max(message.created_at, message.edited_at or 0, message.deleted_at or 0)),
    )


def place_view_of(location: Location) -> LocationView:
    return LocationView(
        latitude=location.latitude,
        longitude=location.longitude,
        description=location.description,
        uri=location.uri,
    )
