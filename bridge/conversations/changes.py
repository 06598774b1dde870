"""Change what a conversation is and who takes part in it. What a refusal is raised for has changed nothing."""

from collections.abc import Callable, Sequence

from bridge.conversations import rules
from bridge.conversations.additions import Addition, Additions
from bridge.conversations.change_store import ChangeStore
from bridge.conversations.errors import NotAllowed
from bridge.conversations.events import (
    ConversationChanged,
    ConversationDeleted,
    ConversationStatusChanged,
    ParticipantAdded,
    ParticipantLeft,
    ParticipantRemoved,
    UpgradeAsked,
)
from bridge.conversations.model import (
    Action,
    Away,
    Conversation,
    Details,
    Member,
    Resolution,
    Settings,
    Side,
    Standing,
)
from bridge.conversations.ownership import Ownership
from bridge.conversations.party_lists import PartyLists
from bridge.conversations.service import Conversations
from bridge.conversations.store import ConversationStore
from bridge.core.clock import Clock
from bridge.core.errors import NotFound
from bridge.core.ids import BookingId, ParticipantId
from bridge.delivery.outbox import Outbox
from bridge.participants.store import ParticipantStore
from bridge.storage.database import Transaction

Asking = ParticipantId | None
"""The person who asks; None for a program of the platform and for its staff, who may do everything."""


class ConversationChanges:
    def __init__(
        self,
        service: Conversations,
        store: ConversationStore,
        changes: ChangeStore,
        participants: ParticipantStore,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._service = service
        self._additions = Additions(store, participants)
        self._store = store
        self._changes = changes
        self._lists = PartyLists(outbox)
        self._ownership = Ownership(store, outbox)
        self._outbox = outbox
        self._clock = clock

    async def act(
        self,
        tx: Transaction,
        conversation: Conversation,
        action: Action,
        *,
        asking: Asking,
        side: Side | None = None,
    ) -> None:
        """Archive, close, reopen ... it. `side`: whom a block keeps out. The same again changes nothing more."""
        conversation = await self._locked(tx, conversation)
        member = await self._member(tx, conversation, asking)
        if member is not None:
            rules.check_may_act(conversation, member, action)
        blocked = rules.side_to_block(member, side) if action == "block" else None
        after = rules.changed(conversation, action, now=self._clock.now(), blocked_side=blocked)
        if after == conversation:
            return
        await self._changes.save(tx, after)
        await self._outbox.record(
            tx,
            ConversationStatusChanged(
                tenant_id=after.tenant_id,
                conversation_id=after.conversation_id,
                before=conversation.status,
                status=after.status,
            ),
        )
        if after.status == "blocked":
            await self._store.keep_out(tx, after.conversation_id)
        elif conversation.status == "blocked":
            await self._bring_in(tx, after)
        await self._lists.changed(tx, after)

    async def edit(
        self,
        tx: Transaction,
        conversation: Conversation,
        *,
        asking: Asking,
        changed: Callable[[Conversation], Conversation],
        described: Callable[[Details], Details],
        booking_ids: Sequence[BookingId] | None,
        resolution: Resolution | None = None,
    ) -> None:
        """`changed` and `described` give what it is to be, of what it is; None stays."""
        conversation = await self._locked(tx, conversation)
        member = await self._member(tx, conversation, asking)
        if member is not None:
            rules.check_may_change(member)
        after = changed(conversation)
        if resolution is not None:
            after = rules.resolved(after, resolution, now=self._clock.now())
        if await self._store_changes(
            tx, conversation, after=after, described=described, booking_ids=booking_ids
        ):
            await self._record_changed(tx, after)

    async def begin(
        self,
        tx: Transaction,
        conversation: Conversation,
        *,
        changed: Callable[[Conversation], Conversation],
        described: Callable[[Details], Details],
        booking_ids: Sequence[BookingId] | None,
    ) -> None:
        """As `edit`, of one that this transaction has made: nobody knows it otherwise, so nothing is told."""
        await self._store_changes(
            tx, conversation, after=changed(conversation), described=described, booking_ids=booking_ids
        )

    async def _store_changes(
        self,
        tx: Transaction,
        conversation: Conversation,
        *,
        after: Conversation,
        described: Callable[[Details], Details],
        booking_ids: Sequence[BookingId] | None,
    ) -> bool:
        """Return whether anything is otherwise now."""
        is_changed = after != conversation
        if is_changed:
            await self._changes.save(tx, after)
        before = await self._changes.details(tx, conversation.conversation_id)
        details = described(before)
        if details != before:
            is_changed = True
            await self._changes.set_details(tx, conversation, details)
        if booking_ids is not None:
            here = conversation.conversation_id
            linked = (await self._changes.bookings_of(tx, [here])).get(here, [])
            if set(linked) != set(booking_ids):
                is_changed = True
                await self._changes.set_bookings(tx, conversation, booking_ids)
        return is_changed

    async def delete(self, tx: Transaction, conversation: Conversation, *, asking: Asking) -> None:
        """Nobody finds it any more, and everybody is put out of it. The same pair begins anew."""
        conversation = await self._locked(tx, conversation)
        member = await self._member(tx, conversation, asking)
        if member is not None:
            rules.check_may_delete(member)
        if not await self._changes.delete(tx, conversation.conversation_id):
            return
        deleted = ConversationDeleted(
            tenant_id=conversation.tenant_id, conversation_id=conversation.conversation_id
        )
        await self._outbox.record(tx, deleted)
        await self._lists.changed(tx, conversation)

    async def upgrade(self, tx: Transaction, conversation: Conversation, *, place: str | None) -> None:
        """Have it go on in a new place. `place`: where it is held now; None: nowhere, so that it will be a new one.

        However often this is asked before it is done, it is done once.
        """
        if place is not None:
            asked = UpgradeAsked(
                tenant_id=conversation.tenant_id, conversation_id=conversation.conversation_id, place=place
            )
            await self._outbox.record(tx, asked)

    async def leave(self, tx: Transaction, conversation: Conversation, *, who: ParticipantId) -> None:
        """Who has left already stays away."""
        conversation = await self._locked(tx, conversation)
        member = await self._takes_part(tx, conversation, who)
        if member.away in rules.GONE:
            return
        await self._goes(tx, conversation, who, "left", ParticipantLeft)
        await self._ownership.hand_over(tx, conversation)
        await self._lists.changed(tx, conversation)

    async def add(
        self,
        tx: Transaction,
        conversation: Conversation,
        people: Sequence[Addition],
        *,
        asking: Asking,
    ) -> None:
        """Into a group. Who takes part already is brought up to date, and back if they had left.

        A person names whom the tenant knows, and nothing about them changes: else they could give somebody's account,
        and with it all that is theirs, to somebody else.
        """
        conversation = await self._locked(tx, conversation)
        rules.check_takes_people(conversation)
        member = await self._member(tx, conversation, asking)
        if member is not None:
            rules.check_may_add(member, [one.standing for one in people])
            for place, one in enumerate(people):
                rules.check_tells_nothing([*one.told, *(["role"] if one.role else [])], place=place)
        newcomers = [await self._additions.newcomer(tx, conversation, one) for one in people]
        if member is not None:
            rules.check_adds_no_staff([one.role for one in newcomers])
        await self._service.add(tx, conversation, newcomers)

    async def set_standing(
        self,
        tx: Transaction,
        conversation: Conversation,
        whose: ParticipantId,
        standing: Standing,
        *,
        asking: Asking,
    ) -> None:
        """What somebody may do from now on. The same again changes nothing more."""
        conversation = await self._locked(tx, conversation)
        member = await self._member(tx, conversation, asking)
        people = await self._store.members(tx, conversation.conversation_id)
        target = _among(people, whose)
        rules.check_may_set_standing(people, target, standing, asking=member)
        if target.standing == standing:
            return
        await self._store.set_standing(tx, conversation.conversation_id, whose, standing)
        await self._record_changed(tx, conversation)

    async def remove(
        self, tx: Transaction, conversation: Conversation, whom: ParticipantId, *, asking: Asking
    ) -> None:
        """Take somebody out. Who has gone already stays away."""
        conversation = await self._locked(tx, conversation)
        member = await self._member(tx, conversation, asking)
        people = await self._store.members(tx, conversation.conversation_id)
        target = _among(people, whom)
        rules.check_may_remove(conversation, people, target, asking=member)
        if target.away in rules.GONE:
            return
        await self._goes(tx, conversation, whom, "removed", ParticipantRemoved)
        if target.standing != "member":
            await self._record_changed(tx, conversation)
        await self._lists.changed(tx, conversation)

    async def set_settings(
        self,
        tx: Transaction,
        conversation: Conversation,
        *,
        whose: ParticipantId,
        changed: Callable[[Settings], Settings],
    ) -> Settings:
        """`changed` gives what they are to be, of what they are."""
        await self._takes_part(tx, conversation, whose)
        here = conversation.conversation_id
        settings = changed(await self._changes.settings(tx, here, whose))
        await self._changes.set_settings(tx, here, whose, settings)
        return settings

    async def _goes(
        self,
        tx: Transaction,
        conversation: Conversation,
        who: ParticipantId,
        away: Away,
        told: type[ParticipantLeft | ParticipantRemoved],
    ) -> None:
        await self._store.set_away(tx, conversation.conversation_id, who, away)
        gone = told(
            tenant_id=conversation.tenant_id,
            conversation_id=conversation.conversation_id,
            participant_id=who,
        )
        await self._outbox.record(tx, gone)

    async def _locked(self, tx: Transaction, conversation: Conversation) -> Conversation:
        await self._store.lock(tx, conversation.conversation_id)
        found = await self._store.get(tx, conversation.conversation_id)
        assert found is not None, "the rows of conversations stay"
        return found

    async def _member(self, tx: Transaction, conversation: Conversation, asking: Asking) -> Member | None:
        return None if asking is None else await self._takes_part(tx, conversation, asking)

    async def _takes_part(self, tx: Transaction, conversation: Conversation, who: ParticipantId) -> Member:
        member = await self._store.member(tx, conversation.conversation_id, who)
        if member is None:
            raise NotAllowed(
                f"{who} takes no part in this conversation. Nothing was changed.", field="participant_id"
            )
        return member

    async def _bring_in(self, tx: Transaction, conversation: Conversation) -> None:
        """Whoever was kept out so far."""
        for member in await self._store.members(tx, conversation.conversation_id):
            if member.away == "blocked":
                added = ParticipantAdded(
                    tenant_id=conversation.tenant_id,
                    conversation_id=conversation.conversation_id,
                    participant_id=member.participant.participant_id,
                )
                await self._outbox.record(tx, added)
        await self._store.let_in(tx, conversation.conversation_id)

    async def _record_changed(self, tx: Transaction, conversation: Conversation) -> None:
        changed = ConversationChanged(
            tenant_id=conversation.tenant_id, conversation_id=conversation.conversation_id
        )
        await self._outbox.record(tx, changed)


def _among(people: Sequence[Member], wanted: ParticipantId) -> Member:
    """Who has gone, too."""
    found = next((one for one in people if one.participant.participant_id == wanted), None)
    if found is None:
        raise NotFound("Nobody with this id takes part in this conversation.", field="participant_id")
    return found
