"""All signals of a bridge: what others need of them."""

from bridge.core.clock import Clock
from bridge.delivery.outbox import Outbox
from bridge.signals.feed import Feed
from bridge.signals.presence import PresenceBoard
from bridge.signals.reads import MessageDeliveries, Reads, UnreadCounts
from bridge.signals.store import ReadStore, SeenStore
from bridge.signals.typing import TypingBoard
from bridge.storage.database import Database


class Signals:
    """`feed`: where to listen to them, and to everything else that happens."""

    def __init__(self, database: Database, outbox: Outbox, clock: Clock) -> None:
        self.feed = Feed()
        self.read_store, self.seen_store = ReadStore(), SeenStore()
        self.reads = Reads(self.read_store, outbox, clock)
        self.unread = UnreadCounts(self.read_store)
        self.deliveries = MessageDeliveries(self.read_store)
        self.typing = TypingBoard(self.feed, clock)
        self.presence = PresenceBoard(database, self.seen_store, self.feed, clock)
