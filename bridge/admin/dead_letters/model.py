"""A dead letter as it is shown: where it belongs and why it was given up. Its body has no place here."""

import base64
import re
from dataclasses import dataclass
from typing import Literal, NewType

from bridge.core.ids import ConversationId, TenantId

QueueName = Literal["inbox", "outbox"]
State = Literal["dead", "waiting", "parked", "done"]

LetterId = NewType("LetterId", str)
"""The queue and the item's id, in characters that a URL and a shell leave alone. It stays when the item is replayed."""
LETTER_ID = r"^(inbox|outbox)\.[A-Za-z0-9_-]{1,400}$"

_LETTER_ID = re.compile(LETTER_ID)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An item of the inbox or outbox that is dead, or was. Times in epoch ms; `attempts` counts since the last replay.

    `conversation_id`: where the lane tells it. `reason` and `died_at` are None where it is not dead any more.
    """

    queue: QueueName
    seq: int
    item_id: str
    tenant_id: TenantId
    lane: str
    topic: str
    state: State
    reason: str | None
    attempts: int
    created_at: int
    died_at: int | None
    conversation_id: ConversationId | None = None

    @property
    def letter_id(self) -> LetterId:
        text = base64.urlsafe_b64encode(self.item_id.encode()).decode().rstrip("=")
        return LetterId(f"{self.queue}.{text}")

    @property
    def place(self) -> "Place":
        return Place(self.created_at, self.queue, self.seq)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a dead letter stands in the list of all: by when it was recorded."""

    created_at: int
    queue: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which dead letters; None lets all through. `tenant_id` is "" for those of no tenant."""

    tenant_id: TenantId | None = None
    queue: QueueName | None = None
    topic: str | None = None
    conversation_id: ConversationId | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a number of dead letters. `refused`: each with the reason. `next`: where to go on, if anywhere."""

    count: int
    refused: tuple[tuple[LetterId, str], ...]
    next: Place | None


def read_letter_id(text: str) -> tuple[QueueName, str] | None:
    """Queue and item id; None where it is no such id."""
    if _LETTER_ID.fullmatch(text) is None:
        return None
    queue, _, encoded = text.partition(".")
    try:
        raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        item_id = raw.decode()
    except ValueError:
        return None
    if "\0" in item_id or base64.urlsafe_b64encode(raw).decode().rstrip("=") != encoded:
        return None
    return ("inbox" if queue == "inbox" else "outbox"), item_id
