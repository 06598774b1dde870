"""Follow who cannot read a conversation, and see to their recap: due once, told once, kept true."""

import dataclasses

import structlog

from bridge.core.clock import Clock
from bridge.core.ids import ConversationId, MessageId, ParticipantId, TenantId, new_id
from bridge.delivery.outbox import Outbox
from bridge.recap import rules
from bridge.recap.events import RecapChanged, RecapDue, RecapHeld
from bridge.recap.model import Recap
from bridge.recap.ports import Place
from bridge.recap.store import RecapStore
from bridge.storage.database import Reader, Transaction

log = structlog.get_logger(__name__)


class Recaps:
    """`address` is a participant's outside name throughout (`Participant.mxid`)."""

    def __init__(
        self,
        store: RecapStore,
        place: Place,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._store = store
        self._place = place
        self._outbox = outbox
        self._clock = clock

    # Who is there, and since when

    async def asked(
        self,
        tx: Transaction,
        tenant_id: TenantId,
        conversation_id: ConversationId,
        participant_id: ParticipantId,
        address: str,
        *,
        at: int,
    ) -> None:
        """They were to be invited before anything that we say from `at` on (our clock) is said."""
        new = Recap(
            recap_id=new_id(),
            tenant_id=tenant_id,
            conversation_id=conversation_id,
            participant_id=participant_id,
            address=address,
            state="invited",
            asked_at=at,
        )
        await self._store.insert(tx, new)

    async def invited(
        self, tx: Transaction, conversation_id: ConversationId, participant_id: ParticipantId, *, at: int
    ) -> None:
        """They can see what others say from `at` on (the place's clock)."""
        recap = await self._store.of(tx, conversation_id, participant_id)
        if recap is not None and recap.invited_at is None:
            await self._store.save(tx, dataclasses.replace(recap, invited_at=at))

    async def came(
        self, tx: Transaction, conversation_id: ConversationId, participant_id: ParticipantId, *, at: int
    ) -> bool:
        """They are there. Return whether it is worth asking if they can read."""
        recap = await self._store.of(tx, conversation_id, participant_id)
        if recap is None or recap.joined_at is not None:
            return False
        recap = dataclasses.replace(recap, joined_at=at)
        await self._store.save(tx, recap)
        await self._tell_if_due(tx, recap)
        return recap.state in ("invited", "away")

    async def went(
        self, tx: Transaction, conversation_id: ConversationId, participant_id: ParticipantId
    ) -> None:
        """Who leaves misses nothing any more. What they were told stays told."""
        recap = await self._store.of(tx, conversation_id, participant_id)
        if recap is None or recap.state == "told" or await self._store.sources(tx, recap.recap_id):
            return
        await self._store.delete(tx, recap.recap_id)

    # Whether they can read

    async def can_read(self, tx: Transaction, address: str) -> None:
        for recap in await self._store.of_address(tx, address, "invited", "away"):
            news = rules.told_whether_they_can_read(recap, can_read=True, now=self._clock.now())
            if news.state == "back":
                news = dataclasses.replace(news, found_before=await self._first_read(tx, recap))
            await self._store.save(tx, news)
            await self._tell_if_due(tx, news)

    async def cannot_read(self, tx: Transaction, address: str) -> None:
        for recap in await self._store.of_address(tx, address, "invited", "present", "back"):
            news = rules.told_whether_they_can_read(recap, can_read=False, now=self._clock.now())
            await self._store.save(tx, news)

    # The recap

    async def get(self, reader: Reader, recap_id: str) -> Recap | None:
        return await self._store.get(reader, recap_id)

    async def put_off(self, tx: Transaction, recap: Recap) -> None:
        """They could read when it became due, and cannot any more: it becomes due again when they can."""
        away = dataclasses.replace(recap, state="away", found_at=None, found_before=None)
        await self._store.save(tx, away)

    async def hold(self, tx: Transaction, recap: Recap) -> None:
        """They have a device that cannot be given a key yet: try again before long."""
        await self.put_off(tx, recap)
        held = RecapHeld(
            tenant_id=recap.tenant_id, conversation_id=recap.conversation_id, recap_id=recap.recap_id
        )
        await self._outbox.record(tx, held)

    async def dropped(self, tx: Transaction, recap: Recap) -> None:
        """They have missed nothing."""
        present = dataclasses.replace(recap, state="present", found_at=None, found_before=None)
        await self._store.save(tx, present)

    async def told(self, tx: Transaction, recap_id: str, *, origin_id: str) -> None:
        await self._store.set_told(tx, recap_id, origin_id=origin_id)

    async def source_changed(
        self, tx: Transaction, tenant_id: TenantId, conversation_id: ConversationId, message_id: MessageId
    ) -> None:
        """A message was edited or deleted: so is what repeats it. Several changes at once are one edit."""
        for recap_id in await self._store.mark_changed(tx, conversation_id, message_id):
            changed = RecapChanged(tenant_id=tenant_id, conversation_id=conversation_id, recap_id=recap_id)
            await self._outbox.record(tx, changed)

    async def edit_settled(self, tx: Transaction, recap_id: str) -> None:
        """What changes from now on takes another edit."""
        await self._store.clear_changed(tx, recap_id)

    async def _tell_if_due(self, tx: Transaction, recap: Recap) -> None:
        if rules.is_due(recap) and await self._store.set_due(tx, recap.recap_id):
            log.info("recap_due", conversation=recap.conversation_id, participant=recap.participant_id)
            due = RecapDue(
                tenant_id=recap.tenant_id, conversation_id=recap.conversation_id, recap_id=recap.recap_id
            )
            await self._outbox.record(tx, due)

    async def _first_read(self, tx: Transaction, recap: Recap) -> int:
        """The position of our first message that reaches them: the first that is not encrypted yet."""
        unsent = await self._store.first_unsent(tx, recap.conversation_id)
        if unsent is None:
            return await self._store.last(tx, recap.conversation_id) + 1
        return unsent + int(await self._place.is_sending(tx, recap.conversation_id))
