"""What happened to quotes: ids, and never a price."""

from dataclasses import dataclass

from bridge.core.events import Event
from bridge.core.ids import QuoteId


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteEvent(Event):
    quote_id: QuoteId
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteSent(QuoteEvent):
    """A vendor has made an offer, or another revision of one, which replaces the one before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteAccepted(QuoteEvent):
    """A host has accepted just this revision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteDeclined(QuoteEvent):
    """A host wants nothing of this revision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteExpired(QuoteEvent):
    """Nobody has answered in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteWithdrawn(QuoteEvent):
    """The vendor does not stand by it any more."""
