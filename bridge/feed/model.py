"""An entry of the feed, and a place in it."""

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.core.ids import ConversationId, TenantId


@dataclass(frozen=True, slots=True)
class Place:
    """Behind the entry `seq`, whose id tells whether it is still that entry: a restored database counts anew.

    `seq` 0: before the first.
    """

    seq: int
    event_id: str


BEGINNING = Place(0, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`seq` grows over all entries, `number` goes 1, 2, 3 ... in each conversation; it is 0 of what concerns one person
    alone, so that nobody else misses a number. `kind`: what clients are told, `event`: what programs are (kinds.py).
    `about`: ids only."""

    seq: int
    event_id: str
    tenant_id: TenantId
    conversation_id: ConversationId
    number: int
    kind: str
    event: str
    about: Mapping[str, str]
    created_at: int

    @property
    def place(self) -> Place:
        return Place(self.seq, self.event_id)

    @property
    def is_of_conversation(self) -> bool:
        """No id holds a slash; what stands instead of a conversation's does."""
        return "/" not in self.conversation_id
