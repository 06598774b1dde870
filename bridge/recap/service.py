"""Follow who cannot read a conversation, and see to their recap: due once, told once, kept true."""

import dataclasses
from collections.abc import Mapping

import structlog

from bridge.conversations.model import Member
from bridge.conversations.store import ConversationStore
from bridge.core.clock import Clock
from bridge.core.ids import ConversationId, MessageId, ParticipantId, TenantId, new_id
from bridge.delivery.outbox import Outbox
from bridge.recap import rules
from bridge.recap.events import RecapChanged, RecapDue
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
        conversations: ConversationStore,
        place: Place,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._store = store
        self._conversations = conversations
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
            await self._store.set_times(tx, dataclasses.replace(recap, invited_at=at))

    async def came(
        self, tx: Transaction, conversation_id: ConversationId, participant_id: ParticipantId, *, at: int
    ) -> bool:
        """They are there. Return whether it is worth asking if they can read."""
        recap = await self._store.of(tx, conversation_id, participant_id)
        if recap is None or recap.state in ("due", "told"):
            return False
        if recap.joined_at is None:
            recap = dataclasses.replace(recap, joined_at=at)
            await self._store.set_times(tx, recap)
        await self._tell_if_due(tx, recap)
        return True

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
        for recap in await self._store.of_address(tx, address):
            news = rules.told_whether_they_can_read(recap, can_read=True, now=self._clock.now())
            if news is None:
                await self._store.delete(tx, recap.recap_id)
            elif news != recap:
                news = dataclasses.replace(news, found_before=await self._first_read(tx, recap))
                await self._store.set_state(tx, news)
                await self._tell_if_due(tx, news)

    async def cannot_read(self, tx: Transaction, address: str) -> bool:
        """Return whether an absence of theirs is known now: else see where they are, for `absent`."""
        known = False
        for recap in await self._store.of_address(tx, address):
            news = rules.told_whether_they_can_read(recap, can_read=False, now=self._clock.now())
            if news is not None and news != recap:
                await self._store.set_state(tx, news)
            known = known or recap.state not in ("due", "told")
        return known

    async def absent(self, tx: Transaction, address: str, places: Mapping[ConversationId, bool]) -> None:
        """They could read, and cannot any more. `places`: where they are invited (False) or there (True)."""
        now = self._clock.now()
        for conversation_id, is_there in places.items():
            member = await self._member(tx, conversation_id, address)
            if member is None or member.away is not None:
                continue
            recap = Recap(
                recap_id=new_id(),
                tenant_id=member.participant.tenant_id,
                conversation_id=conversation_id,
                participant_id=member.participant.participant_id,
                address=address,
                state="away",
                asked_at=now,
                invited_at=now,
                joined_at=now if is_there else None,
            )
            await self._store.insert(tx, recap)

    # The recap

    async def get(self, reader: Reader, recap_id: str) -> Recap | None:
        return await self._store.get(reader, recap_id)

    async def put_off(self, tx: Transaction, recap: Recap) -> None:
        """They could read when it became due, and cannot any more: it becomes due again when they can."""
        await self._store.set_state(
            tx, dataclasses.replace(recap, state="away", found_at=None, found_before=None)
        )

    async def dropped(self, tx: Transaction, recap: Recap) -> None:
        """They have missed nothing."""
        await self._store.delete(tx, recap.recap_id)

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

    async def _member(self, tx: Transaction, conversation_id: ConversationId, address: str) -> Member | None:
        members = await self._conversations.members(tx, conversation_id)
        return next((member for member in members if member.participant.mxid == address), None)
