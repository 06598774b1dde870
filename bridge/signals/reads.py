"""Who has read how far, and what is unread. To have read a message is to have read all that was said before it: of its
thread alone, or of what stands in none, where a client says so.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from bridge.core.clock import Clock
from bridge.core.ids import ConversationId, MessageId, ParticipantId, TenantId
from bridge.delivery.outbox import Outbox
from bridge.messages.errors import NotAParticipant
from bridge.messages.model import Delivery, Message, Recipient
from bridge.signals import rules
from bridge.signals.events import ConversationRead
from bridge.signals.model import Part, Thread, Unread
from bridge.signals.store import ReadStore
from bridge.storage.database import Reader, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A person in a conversation."""

    tenant_id: TenantId
    conversation_id: ConversationId
    participant_id: ParticipantId


class Reads:
    def __init__(self, store: ReadStore, outbox: Outbox, clock: Clock) -> None:
        self._store = store
        self._outbox = outbox
        self._clock = clock

    async def read(self, tx: Transaction, place: Place, *, up_to: int | None = None) -> int:
        """Somebody has read up to this position (None: everything) outside a client of their own.

        Return how many messages they had not read before. Asked again, it changes nothing more.
        """
        here, person = place.conversation_id, place.participant_id
        await self.check_there(tx, here, person)
        await tx.lock(f"reads:{here}:{person}")
        if up_to is None:
            up_to = await self._store.last_position(tx, here, person)
        if up_to is None:
            return 0
        count = await self._store.unread_up_to(tx, here, person, position=up_to)
        await self._move(tx, place, position=up_to, at=self._clock.now(), in_client=False)
        return count

    async def seen(
        self, tx: Transaction, place: Place, *, up_to: int, at: int, part: Part | None = None
    ) -> None:
        """Somebody has read up to this position in their client. `at`: when, as the outside says (epoch ms).

        `part`: of what; None: of all of it.
        """
        await self._move(tx, place, position=up_to, at=min(at, self._clock.now()), in_client=True, part=part)

    async def check_there(
        self, reader: Reader, conversation_id: ConversationId, participant_id: ParticipantId
    ) -> None:
        if not await self._store.is_there(reader, conversation_id, participant_id):
            raise NotAParticipant(
                f"{participant_id} takes no part in this conversation. Nothing was changed. Name one of its"
                " participants.",
                field="participant_id",
            )

    async def _move(
        self,
        tx: Transaction,
        place: Place,
        *,
        position: int,
        at: int,
        in_client: bool,
        part: Part | None = None,
    ) -> None:
        tenant_id, here, who = place.tenant_id, place.conversation_id, place.participant_id
        if isinstance(part, Thread):
            moved = await self._store.move_in_thread(tx, tenant_id, here, who, part, position=position, at=at)
        else:
            moved = await self._store.move(tx, tenant_id, here, who, position=position, at=at)
        if part is None:
            in_threads = await self._store.move_in_threads(tx, tenant_id, here, who, position=position, at=at)
            moved = moved or in_threads
        if moved:
            read = ConversationRead(
                tenant_id=place.tenant_id,
                conversation_id=place.conversation_id,
                reader_id=place.participant_id,
                position=position,
                at=at,
                in_client=in_client,
            )
            await self._outbox.record(tx, read)


class UnreadCounts:
    """The port of conversations' views."""

    def __init__(self, store: ReadStore) -> None:
        self._store = store

    async def unread(
        self, reader: Reader, conversation_ids: Sequence[ConversationId]
    ) -> dict[ConversationId, dict[ParticipantId, int]]:
        found: defaultdict[ConversationId, dict[ParticipantId, int]] = defaultdict(dict)
        for unread in await self._store.unread_in(reader, conversation_ids):
            found[unread.conversation_id][unread.participant_id] = unread.count
        return found

    async def of(self, reader: Reader, tenant_id: TenantId, participant_id: ParticipantId) -> list[Unread]:
        return await self._store.unread_of(reader, tenant_id, participant_id)


class MessageDeliveries:
    """The port of messages' views."""

    def __init__(self, store: ReadStore) -> None:
        self._store = store

    async def of(self, reader: Reader, messages: Sequence[Message]) -> dict[MessageId, Delivery]:
        status = {message.message_id: message.status for message in messages}
        recipients: defaultdict[str, list[Recipient]] = defaultdict(list)
        for row in await self._store.recipients(reader, list(status)):
            # Of what has not been delivered, nothing can have been read: it was said before what they have read.
            steps = [at for at in (row["read_at"], row["thread_read_at"]) if at is not None]
            read_at = min(steps, default=None) if status[row["message_id"]] == "sent" else None
            recipients[row["message_id"]].append(
                Recipient(
                    participant_id=ParticipantId(row["participant_id"]),
                    status=rules.recipient_status(
                        status[row["message_id"]], is_reached=row["failure"] is None, read_at=read_at
                    ),
                    read_at=read_at,
                )
            )
        return {
            message.message_id: rules.delivery(message.status, recipients[message.message_id])
            for message in messages
        }
