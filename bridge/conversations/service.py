"""Open a conversation: get it or create it, and see that everybody is in it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from bridge.conversations import rules
from bridge.conversations.accounts import Accounts
from bridge.conversations.events import (
    ConversationChanged,
    ConversationOpened,
    ParticipantAdded,
    ParticipantCame,
    ParticipantDeclined,
    ParticipantLeft,
    ParticipantRemoved,
)
from bridge.conversations.model import Away, Conversation, Role, Scope, Standing
from bridge.conversations.ownership import Ownership
from bridge.conversations.party_lists import PartyLists
from bridge.conversations.store import ConversationStore
from bridge.core.clock import Clock
from bridge.core.events import Event
from bridge.core.ids import ConversationId, ParticipantId, PartyId, TenantId, VendorId, new_id
from bridge.delivery.outbox import Outbox
from bridge.participants.erasures import ErasureStore
from bridge.participants.events import appearance_changed
from bridge.participants.model import Participant
from bridge.participants.store import ParticipantStore
from bridge.storage.database import Transaction
from bridge.vendors.store import ensure_vendor

_Place = tuple[ConversationId, ParticipantId]

_TOLD: Mapping[Away, Callable[..., Event]] = {
    "declined": ParticipantDeclined,
    "left": partial(ParticipantLeft, in_client=True),
    "removed": partial(ParticipantRemoved, in_client=True),
}
"""What it is that somebody has gone in a client."""


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Who is to take part, as what, and what they may do."""

    participant: Participant
    role: Role
    standing: Standing = "member"


class Conversations:
    def __init__(
        self,
        store: ConversationStore,
        participants: ParticipantStore,
        outbox: Outbox,
        clock: Clock,
        *,
        scope: Scope = "party_vendor",
    ) -> None:
        self._scope = scope
        self._store = store
        self._participants = participants
        self._outbox = outbox
        self._clock = clock
        self._erasures = ErasureStore()
        self._lists = PartyLists(outbox)
        self._ownership = Ownership(store, outbox)
        self._accounts = Accounts(store, participants, self._lists, outbox)

    async def open(
        self,
        tx: Transaction,
        *,
        tenant_id: TenantId,
        party_id: PartyId | None,
        party_title: str,
        hosts: Sequence[Participant],
        vendor: Participant | None,
        bring_back: bool = True,
    ) -> Conversation:
        """Return the party's conversation with the vendor; made if there is none. Missing people are added.

        `bring_back`: those who declined or left are invited again.
        """
        conversation, _ = await self.get_or_make(
            tx,
            tenant_id=tenant_id,
            party_id=party_id,
            party_title=party_title,
            hosts=hosts,
            vendor=vendor,
            bring_back=bring_back,
        )
        return conversation

    async def get_or_make(
        self,
        tx: Transaction,
        *,
        tenant_id: TenantId,
        party_id: PartyId | None,
        party_title: str,
        hosts: Sequence[Participant],
        vendor: Participant | None,
        bring_back: bool = True,
    ) -> tuple[Conversation, bool]:
        """As `open`, and whether it was made.

        Without a vendor it is the party's own; without a party the first host asks the vendor directly. A party that
        has one with the vendor keeps it, whatever the scope is now.
        """
        vendor_id = None if vendor is None else VendorId(vendor.participant_id)
        conversation: Conversation | None = None
        made = False
        if party_id is not None:
            conversation = await self._store.of_pair(tx, tenant_id, party_id, vendor_id)
        if conversation is None:
            host = hosts[0]
            asked_by = rules.asked_by(
                self._scope, party_id, host.participant_id, has_vendor=vendor is not None
            )
            about = party_title if asked_by is None else host.name
            conversation, made = await self._of_key(
                tx,
                Conversation(
                    tenant_id=tenant_id,
                    conversation_id=ConversationId(new_id()),
                    party_id=party_id,
                    vendor_id=vendor_id,
                    title=about[: rules.LONGEST_TITLE] if vendor is None else rules.title(about, vendor.name),
                    status="active",
                    created_at=self._clock.now(),
                ),
                asked_by=asked_by,
            )
        before = conversation.party_ids
        if party_id is not None:
            ids = [host.participant_id for host in hosts]
            conversation = await self._lists.link(tx, conversation, party_id, title=party_title, hosts=ids)
        is_told = conversation.party_ids != before and not made
        people = [Newcomer(host, "host", "owner") for host in hosts]
        if vendor is not None:
            people.append(Newcomer(vendor, "vendor"))
        await self._see_to(tx, conversation, people, made=made, bring_back=bring_back, is_told=is_told)
        return conversation, made

    async def _of_key(
        self, tx: Transaction, new: Conversation, *, asked_by: ParticipantId | None
    ) -> tuple[Conversation, bool]:
        """The new one, or the one that there is for the same; and whether it is the new one."""
        if await self._store.insert(tx, new, asked_by=asked_by):
            return new, True
        known = await self._store.of_key(tx, new.tenant_id, new.party_id, new.vendor_id, asked_by=asked_by)
        assert known is not None
        return known, False

    async def make(self, tx: Transaction, conversation: Conversation, people: Sequence[Newcomer]) -> None:
        """A group or support conversation, of which there may be any number."""
        await self._store.insert(tx, conversation)
        if conversation.party_id is not None:
            conversation = await self._lists.link(
                tx, conversation, conversation.party_id, title=conversation.title
            )
        await self._see_to(tx, conversation, people, made=True, bring_back=True)

    async def add(self, tx: Transaction, conversation: Conversation, people: Sequence[Newcomer]) -> None:
        await self._see_to(tx, conversation, people, made=False, bring_back=True)

    async def _see_to(
        self,
        tx: Transaction,
        conversation: Conversation,
        people: Sequence[Newcomer],
        *,
        made: bool,
        bring_back: bool,
        is_told: bool = False,
    ) -> None:
        """That it can be used, and that everybody is in it. `is_told`: that it has changed, whoever came."""
        here = conversation.conversation_id
        again = await self._store.clear_failure(tx, here)
        if made or again:
            opened = ConversationOpened(
                tenant_id=conversation.tenant_id, conversation_id=here, again=not made
            )
            await self._outbox.record(tx, opened)
        if not made:
            await self._lock_if_somebody_comes(tx, here, people)
        wanted: list[_Place] = []
        if again:  # a new room: everybody has to come in
            members = await self._store.members(tx, here)
            wanted += [(here, m.participant.participant_id) for m in members if m.away is None]
        for newcomer in people:
            wanted += await self._add(tx, conversation, newcomer, bring_back=bring_back)
        wanted = list(dict.fromkeys(wanted))
        for conversation_id, participant_id in wanted:
            added = ParticipantAdded(
                tenant_id=conversation.tenant_id,
                conversation_id=conversation_id,
                participant_id=participant_id,
            )
            await self._outbox.record(tx, added)
        # What a new conversation begins with, it knows of already.
        places = dict.fromkeys(place for place, _ in wanted)
        changed = [place for place in places if not made or place != here]
        if is_told and here not in changed:
            changed.append(here)
        for conversation_id in changed:
            await self._outbox.record(
                tx, ConversationChanged(tenant_id=conversation.tenant_id, conversation_id=conversation_id)
            )
        if (wanted or is_told) and not made:
            await self._lists.changed(tx, conversation)

    async def _lock_if_somebody_comes(
        self, tx: Transaction, here: ConversationId, people: Sequence[Newcomer]
    ) -> None:
        """What they see begins behind what was said so far: nobody says something while that is noted."""
        members = await self._store.members(tx, here)
        there = {one.participant.participant_id for one in members if one.away is None}
        if not there.issuperset(one.participant.participant_id for one in people):
            await self._store.lock(tx, here)

    async def moves(self, tx: Transaction, conversation: Conversation) -> None:
        """What it was held in is at its end: it goes on elsewhere, and everybody has to come in there."""
        here, tenant_id = conversation.conversation_id, conversation.tenant_id
        await self._store.lock(tx, here)
        await self._store.clear_failure(tx, here)
        await self._outbox.record(
            tx, ConversationOpened(tenant_id=tenant_id, conversation_id=here, again=True)
        )
        for member in await self._store.members(tx, here):
            if member.away is None:
                person = member.participant.participant_id
                added = ParticipantAdded(tenant_id=tenant_id, conversation_id=here, participant_id=person)
                await self._outbox.record(tx, added)

    async def ready(self, tx: Transaction, conversation: Conversation) -> None:
        """It can be used from now on."""
        await self._lists.changed(tx, conversation)

    async def not_opened(self, tx: Transaction, conversation_id: ConversationId, *, reason: str) -> None:
        """Nobody can be reached in it so far; the next `open` tries again."""
        await self._store.set_failure(tx, conversation_id, reason)

    async def opened_again(self, tx: Transaction, conversation_id: ConversationId) -> None:
        """What failed is about to be tried once more."""
        await self._store.clear_failure(tx, conversation_id)

    async def not_added(
        self, tx: Transaction, conversation_id: ConversationId, participant_id: ParticipantId, *, reason: str
    ) -> None:
        """The participant could not be brought in; the next `open` with them tries again."""
        await self._store.set_member_failure(tx, conversation_id, participant_id, reason)

    async def added_again(
        self, tx: Transaction, conversation_id: ConversationId, participant_id: ParticipantId
    ) -> None:
        """What failed is about to be tried once more."""
        await self._store.clear_member_failure(tx, conversation_id, participant_id)

    async def went(
        self, tx: Transaction, conversation_id: ConversationId, participant_id: ParticipantId, away: Away
    ) -> None:
        """In a client, of their own or of who took them out. Who has gone before, here or there, stays as they are."""
        await self._store.lock(tx, conversation_id)
        member = await self._store.member(tx, conversation_id, participant_id)
        if member is None or member.away == away or member.away in rules.GONE:
            return
        await self._store.set_away(tx, conversation_id, participant_id, away)
        conversation = await self._store.get(tx, conversation_id)
        assert conversation is not None, "the rows of conversations stay"
        gone = _TOLD[away](
            tenant_id=conversation.tenant_id,
            conversation_id=conversation_id,
            participant_id=participant_id,
        )
        await self._outbox.record(tx, gone)
        await self._ownership.hand_over(tx, conversation)
        await self._lists.changed(tx, conversation)

    async def came(
        self, tx: Transaction, conversation_id: ConversationId, participant_id: ParticipantId
    ) -> bool:
        """Return whether they take part now: not who was taken out, or blocked, while they were accepting."""
        await self._store.lock(tx, conversation_id)
        return await self._store.set_there(tx, conversation_id, participant_id)

    async def came_with_account(
        self,
        tx: Transaction,
        tenant_id: TenantId,
        conversation_id: ConversationId,
        participant_id: ParticipantId,
        *,
        spoken_for: bool,
    ) -> None:
        """They are there themselves: nobody has to speak for them, as somebody may have done so far."""
        came = ParticipantCame(
            tenant_id=tenant_id,
            conversation_id=conversation_id,
            participant_id=participant_id,
            spoken_for=spoken_for,
        )
        await self._outbox.record(tx, came)

    async def _add(
        self, tx: Transaction, conversation: Conversation, newcomer: Newcomer, *, bring_back: bool
    ) -> list[_Place]:
        """Return who has to be brought in where."""
        participant = newcomer.participant
        here, person = conversation.conversation_id, participant.participant_id
        known = await self._participants.get(tx, participant.tenant_id, person)
        if participant.mxid is not None and (known is None or participant.mxid != known.mxid):
            await self._accounts.check_free(tx, participant.tenant_id, person, participant.mxid)
        await self._participants.put(tx, participant)
        await self._erasures.check(tx, participant.tenant_id, person)
        if known is not None and _looks_different(known, participant):
            await self._outbox.record(tx, appearance_changed(participant.tenant_id, person))
        if newcomer.role == "vendor":
            await ensure_vendor(tx, participant.tenant_id, person, now=self._clock.now())
        new = await self._store.add_member(
            tx, conversation, person, newcomer.role, standing=newcomer.standing
        )
        failed = await self._store.clear_member_failure(tx, here, person)
        returns = bring_back and await self._store.clear_away(tx, here, person, standing=newcomer.standing)
        if new or returns:
            await self._store.keep_out(tx, here)  # whoever opens it once more does not end a block
        wanted = [(here, person)] if new or failed or returns else []
        if known is not None and participant.mxid not in (None, known.mxid):
            # Wherever they take part, they can be invited now.
            wanted += [(place, person) for place in await self._accounts.changed(tx, known)]
        return wanted


def _looks_different(before: Participant, told: Participant) -> bool:
    """What is left out does not take away what is known."""
    return told.name != before.name or told.avatar_url not in (None, before.avatar_url)
