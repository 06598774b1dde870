"""Who is typing, in memory only: an indicator ends by itself, one of a client when its homeserver says so."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from bridge.core.clock import Clock
from bridge.core.ids import ConversationId, ParticipantId, TenantId
from bridge.signals import rules
from bridge.signals.events import TypingChanged
from bridge.signals.model import Typing

MOST_CONVERSATIONS = 10_000
"""In which somebody types at once; what is typed in more of them does not show."""

_Key = tuple[ConversationId, ParticipantId]


@dataclass(slots=True)
class _Indicator:
    tenant_id: TenantId
    until: int
    in_client: bool


class TypingBoard:
    def __init__(
        self, tell: Callable[[TypingChanged], None], clock: Clock, *, most: int = MOST_CONVERSATIONS
    ) -> None:
        """`tell`: of every change; returns at once."""
        self._tell_of = tell
        self._clock = clock
        self._most = most
        self._typing: dict[ConversationId, dict[ParticipantId, _Indicator]] = {}
        self._ends: dict[bool, dict[_Key, _Indicator]] = {True: {}, False: {}}
        """The same ones by whether they are of clients, those first that end first."""

    def of(self, conversation_id: ConversationId) -> list[Typing]:
        """Who types now, in the order in which they began."""
        now = self._clock.now()
        return [
            Typing(participant_id=participant_id, until=indicator.until)
            for participant_id, indicator in self._typing.get(conversation_id, {}).items()
            if rules.is_typing(indicator.until, now=now)
        ]

    def set(
        self,
        tenant_id: TenantId,
        conversation_id: ConversationId,
        participant_id: ParticipantId,
        *,
        is_typing: bool,
        in_client: bool = False,
    ) -> None:
        """Somebody types (again), or has ended to."""
        if is_typing:
            until = rules.typing_until(self._clock.now(), in_client=in_client)
            here = self._room_for(conversation_id)
            if here is None:
                return
            before = here.get(participant_id)
            if before is not None:
                del self._ends[before.in_client][conversation_id, participant_id]
            indicator = _Indicator(tenant_id, until, in_client)
            here[participant_id] = self._ends[in_client][conversation_id, participant_id] = indicator
            self._tell(tenant_id, conversation_id, participant_id, until)
        else:
            here = self._typing.get(conversation_id, {})
            before = here.pop(participant_id, None)
            if before is not None:
                del self._ends[before.in_client][conversation_id, participant_id]
                self._tell(tenant_id, conversation_id, participant_id, None)
            if not here:
                self._typing.pop(conversation_id, None)

    def set_in_clients(
        self, tenant_id: TenantId, conversation_id: ConversationId, typing: Collection[ParticipantId]
    ) -> None:
        """These type in clients of their own, and nobody else does."""
        before = [
            participant_id
            for participant_id, indicator in self._typing.get(conversation_id, {}).items()
            if indicator.in_client
        ]
        for participant_id in before:
            if participant_id not in typing:
                self.set(tenant_id, conversation_id, participant_id, is_typing=False)
        for participant_id in typing:
            self.set(tenant_id, conversation_id, participant_id, is_typing=True, in_client=True)

    def lapse(self) -> None:
        """End what has ended by itself, and tell of it."""
        now = self._clock.now()
        for ends in self._ends.values():
            while ends:
                (conversation_id, participant_id), indicator = next(iter(ends.items()))
                if rules.is_typing(indicator.until, now=now):
                    break
                self.set(indicator.tenant_id, conversation_id, participant_id, is_typing=False)

    def _room_for(self, conversation_id: ConversationId) -> dict[ParticipantId, _Indicator] | None:
        """The conversation's indicators; None where there are too many conversations."""
        if conversation_id not in self._typing and len(self._typing) >= self._most:
            self.lapse()
            if len(self._typing) >= self._most:
                return None
        return self._typing.setdefault(conversation_id, {})

    def _tell(
        self,
        tenant_id: TenantId,
        conversation_id: ConversationId,
        participant_id: ParticipantId,
        until: int | None,
    ) -> None:
        self._tell_of(
            TypingChanged(
                tenant_id=tenant_id,
                conversation_id=conversation_id,
                participant_id=participant_id,
                until=until,
            )
        )
