"""All signals of a bridge: what others need of them."""

from collections.abc import Callable

from bridge.core.clock import Clock
from bridge.core.events import Event
from bridge.delivery.outbox import Outbox
from bridge.messages.events import MessagePosted, MessageReceived
from bridge.signals.events import PresenceChanged, TypingChanged
from bridge.signals.presence import PresenceBoard
from bridge.signals.reads import MessageDeliveries, Reads, UnreadCounts
from bridge.signals.store import ReadStore, SeenStore
from bridge.signals.typing import TypingBoard
from bridge.storage.database import Database, Transaction


class Signals:
    def __init__(self, database: Database, outbox: Outbox, clock: Clock) -> None:
        self.read_store, self.seen_store = ReadStore(), SeenStore()
        self.reads = Reads(self.read_store, outbox, clock)
        self.unread = UnreadCounts(self.read_store)
        self.deliveries = MessageDeliveries(self.read_store)
        self._listeners: list[Callable[[TypingChanged | PresenceChanged], None]] = []
        self.typing = TypingBoard(self._tell, clock)
        self.presence = PresenceBoard(database, self.seen_store, self._tell, clock)
        outbox.witness(self._said)

    def on_change(self, tell: Callable[[TypingChanged | PresenceChanged], None]) -> None:
        """Have `tell` called whenever somebody begins or ends to type, comes or goes, in this process.

        Nobody waits for a listener: it returns at once.
        """
        self._listeners.append(tell)

    def _tell(self, changed: TypingChanged | PresenceChanged) -> None:
        for tell in self._listeners:
            tell(changed)

    async def _said(self, tx: Transaction, event: Event) -> None:
        """Who has said what they typed, types no more."""
        if not isinstance(event, MessagePosted | MessageReceived):
            return
        tenant_id, conversation_id = event.tenant_id, event.conversation_id
        if not self.typing.of(conversation_id):
            return
        sender = await self.read_store.sender(tx, event.message_id)
        if sender is not None:
            tx.after_commit(
                lambda: self.typing.set(tenant_id, conversation_id, sender, is_typing=False),
            )
