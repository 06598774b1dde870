"""What one embedded client has seen in its rooms. Sees nio's objects, and leaves the talking to `client`."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from types import ModuleType
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One message-like event of a room's timeline, as this client sees it now.

    `warning` says why a careful client would mark a decrypted event: no known device of the sender made it.
    """

    event_id: str
    sender: str
    type: str
    body: str
    content: Mapping[str, Any] = field(repr=False)
    encrypted: bool
    undecryptable: bool
    warning: str | None


@dataclass(slots=True)
class _Received:
    event: Any  # nio's, which has no types; a MegolmEvent until it can be decrypted
    encrypted: bool


class Timelines:
    """Room id -> events in the order of the server, the undecryptable ones kept for another try."""

    def __init__(self, nio: ModuleType, client: Any) -> None:
        self._nio = nio
        self._client = client
        self._rooms: defaultdict[str, dict[str, _Received]] = defaultdict(dict)

    def entries(self, room_id: str, *, since: int = 0) -> list[Entry]:
        """Messages, reactions and the like, without the first `since`; no state."""
        received = islice(self._rooms[room_id].items(), since, None)
        return [self._entry(event_id, event) for event_id, event in received]

    def receive(self, room_id: str, events: list[Any]) -> None:
        """Keep the events of one sync, which nio has decrypted where it could."""
        for event in events:
            if "state_key" in event.source:
                continue
            encrypted = self._undecryptable(event) or bool(getattr(event, "decrypted", False))
            self._rooms[room_id][event.event_id] = _Received(event, encrypted)

    def decrypt_waiting(self) -> None:
        """Try again where the key has come since: nio decrypts an event once, when it comes."""
        for room in self._rooms.values():
            for received in room.values():
                if not self._undecryptable(received.event) or not self._has_key(received.event):
                    continue
                try:
                    received.event = self._client.decrypt_event(received.event)
                except self._nio.EncryptionError:
                    continue

    def _entry(self, event_id: str, received: _Received) -> Entry:
        event = received.event
        undecryptable = self._undecryptable(event)
        content = event.source.get("content") or {}
        body = content.get("body")
        return Entry(
            event_id=event_id,
            sender=event.sender,
            type=event.source.get("type", ""),
            body=body if isinstance(body, str) else "",
            content=content,
            encrypted=received.encrypted,
            undecryptable=undecryptable,
            warning=self._warning(event) if received.encrypted and not undecryptable else None,
        )

    def _undecryptable(self, event: Any) -> bool:
        return isinstance(event, self._nio.MegolmEvent)

    def _has_key(self, event: Any) -> bool:
        """Asked first, as nio takes each failure for a broken Olm session and starts a new one."""
        keys = self._client.olm.inbound_group_store
        return keys.get(event.room_id, event.sender_key, event.session_id) is not None

    def _warning(self, event: Any) -> str | None:
        """nio shows what any device encrypted in anybody's name; so look whose the key is."""
        own_key = self._client.olm.account.identity_keys["curve25519"]
        if event.sender == self._client.user_id and event.sender_key == own_key:
            return None
        devices = self._client.device_store.active_user_devices(event.sender)
        if any(device.curve25519 == event.sender_key for device in devices):
            return None
        return "not encrypted by a known device of the sender"
