"""Outbound Megolm: when a session ends, who must hold its key first, and encrypting with it.

`Encryptor.ready` looks at the database and mends one thing after the other (members, device lists, keys, deliveries)
until nothing is missing; only then, in the transaction that found nothing missing, a message is encrypted.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from vodozemac import GroupSession, PickleException

from appservice.encryption.device_keys import Device
from appservice.encryption.device_lists import DeviceLists
from appservice.encryption.inbound_sessions import InboundSessions
from appservice.encryption.key_sharing import SHARED, KeySharing, holder
from appservice.encryption.known_devices import InRoom, Known
from appservice.encryption.olm import Olm
from appservice.encryption.other_servers import OtherServers
from appservice.encryption.own_device import OwnDevice
from appservice.encryption.own_devices import MEGOLM, OwnDevices
from appservice.encryption.sharing import NO_OLM, ShareWith, withheld_code
from appservice.encryption.to_device import ToDevice
from appservice.homeserver import Homeserver
from appservice.members import Members
from appservice.names import Names
from bridge.core.clock import Clock
from bridge.storage.database import Database, Row, Transaction

ROTATE_AFTER_MESSAGES = 100
ROTATE_AFTER = timedelta(days=7)
"""At most, whatever the room's state says."""

SELECT = """
SELECT session_id, pickle, in_flight, messages, retired, created_at
FROM outbound_sessions WHERE room_id = $1 AND sender = $2 FOR UPDATE
"""
PUT = """
INSERT INTO outbound_sessions (room_id, sender, session_id, pickle, created_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (room_id, sender) DO UPDATE SET session_id = excluded.session_id, pickle = excluded.pickle,
    in_flight = NULL, messages = 0, retired = 0, created_at = excluded.created_at
"""
STEP = """
UPDATE outbound_sessions SET pickle = $3, in_flight = $4, messages = messages + 1 WHERE room_id = $1 AND sender = $2
"""
RETIRE = "UPDATE outbound_sessions SET retired = 1 WHERE room_id = $1"
RETIRE_ALL = "UPDATE outbound_sessions SET retired = 1"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Whose devices were asked for before this message, and about whom there is no use in asking again."""

    once: set[str] = field(default_factory=set)
    unreachable: set[str] = field(default_factory=set)


Mend = Callable[[], Awaitable[None]]


async def retire_sessions(tx: Transaction, room_id: str) -> None:
    """End the room's sessions: the next message of each sender begins a new one."""
    await tx.execute(RETIRE, room_id)


async def retire_all_sessions(tx: Transaction) -> None:
    """End the sessions of all rooms: the database may have been restored, and a ratchet must never go back."""
    await tx.execute(RETIRE_ALL)


class Encryptor:
    def __init__(
        self,
        *,
        database: Database,
        homeserver: Homeserver,
        servers: OtherServers,
        names: Names,
        members: Members,
        own_devices: OwnDevices,
        device_lists: DeviceLists,
        olm: Olm,
        inbound: InboundSessions,
        to_device: ToDevice,
        clock: Clock,
        pickle_key: bytes,
        share_with: ShareWith,
    ) -> None:
        self._database = database
        self._names = names
        self._members = members
        self._own_devices = own_devices
        self._device_lists = device_lists
        self._sharing = KeySharing(
            database=database,
            homeserver=homeserver,
            servers=servers,
            bot=names.bot,
            own_devices=own_devices,
            olm=olm,
            to_device=to_device,
            pickle_key=pickle_key,
        )
        self._inbound = inbound
        self._to_device = to_device
        self._clock = clock
        self._pickle_key = pickle_key
        self._share_with = share_with

    async def encrypt(
        self,
        room_id: str,
        sender: str,
        event_type: str,
        content: Mapping[str, Any],
        keep: Callable[[Transaction, dict[str, Any]], Awaitable[None]],
    ) -> dict[str, Any]:
        """Return the `m.room.encrypted` content. `keep` stores it in the transaction that moves the ratchet on."""

        async def step(
            tx: Transaction, own: OwnDevice, session: Row, ratchet: GroupSession
        ) -> dict[str, Any]:
            encrypted = await self._step(tx, own, session, ratchet, room_id, event_type, content)
            await keep(tx, encrypted)
            return encrypted

        encrypted = await self._when_ready(room_id, sender, step)
        assert encrypted is not None, "a session that is missing is made"
        return encrypted

    async def share_in_flight(self, room_id: str, sender: str, session_id: str) -> bool:
        """Before a ciphertext from an earlier attempt goes out: whoever came since gets the key at its index.

        False: we do not have its session any more, so that nobody else can be given the key.
        """

        return await self._when_ready(room_id, sender, _nothing, in_flight=session_id) is not None

    async def make_up(self, room_id: str, sender: str) -> None:
        """Give out whatever keys of the sender's are owed in the room and can be given now. Nothing is said."""
        async with self._database.transaction() as tx:
            await self._sharing.ask_again(tx, room_id, sender)
        await self._when_ready(room_id, sender, _nothing)

    async def _when_ready(
        self,
        room_id: str,
        sender: str,
        then: Callable[[Transaction, OwnDevice, Row, GroupSession], Awaitable[dict[str, Any]]],
        *,
        in_flight: str | None = None,
    ) -> dict[str, Any] | None:
        """`in_flight`: the session of a message that was encrypted before; None if it is not here any more."""
        asked = _Asked()
        while True:
            async with self._database.transaction() as tx:
                own = await self._own_devices.usable(tx, sender)
                if own is None:
                    mend: Mend | None = partial(self._own_device_missing, sender)
                elif (others := await self._others(tx, room_id)) is None:
                    mend = self._members_missing(room_id)
                else:
                    mend = await self._devices_missing(tx, others, asked)
                if mend is None:
                    assert own is not None
                    assert others is not None
                    session = await self._session(tx, room_id, own, in_flight=in_flight)
                    if session is None:
                        return None
                    ratchet = self._opened(session, in_flight=in_flight is not None)
                    if ratchet is None:
                        if in_flight is not None:
                            return None
                        mend = partial(self._retire, room_id)
                    else:
                        mend = await self._keys_missing(
                            tx, room_id, sender, session, others.known, in_flight=in_flight is not None
                        )
                        if mend is None:
                            return await then(tx, own, session, ratchet)
            await mend()

    # What may be missing. Each check returns how to mend it (outside the transaction: it speaks to the network).

    async def _own_device_missing(self, sender: str) -> None:
        await self._own_devices.ensure(sender)

    async def _others(self, tx: Transaction, room_id: str) -> InRoom | None:
        return await self._device_lists.in_room(tx, room_id, leave_out=self._names.is_ours)

    def _members_missing(self, room_id: str) -> Mend:
        return lambda: self._members.refresh(room_id)

    async def _devices_missing(self, tx: Transaction, others: InRoom, asked: _Asked) -> Mend | None:
        stale = [
            user_id
            for user_id, membership in others.members.items()
            if user_id not in asked.unreachable
            # Homeservers do not tell of new devices of those who are invited only.
            and (user_id not in others.known.fresh or (membership == "invite" and user_id not in asked.once))
        ]
        if not stale:
            return None
        await self._device_lists.track(tx, stale)

        async def refresh() -> None:
            device = await self._own_devices.ensure(self._names.bot)
            unreachable = await self._device_lists.refresh(self._names.bot, device, stale)
            asked.unreachable.update(unreachable)
            asked.once.update(stale)

        return refresh

    async def _keys_missing(
        self, tx: Transaction, room_id: str, sender: str, session: Row, known: Known, *, in_flight: bool
    ) -> Mend | None:
        index = _index(session, in_flight=in_flight)
        session_id = session["session_id"]
        shares = await self._sharing.holders(tx, session_id)
        # Each with the reason for which it gets no key; None: it gets keys.
        devices = [
            (device, withheld_code(self._share_with, identity, device))
            for identity, device in known.devices
            if device.olm
        ]
        entitled = {holder(device) for device, code in devices if code is None}
        if not in_flight and any(
            row["outcome"] == SHARED and who not in entitled for who, row in shares.items()
        ):
            # It has lost its right since, or while the key was on its way.
            return lambda: self._retire(room_id)
        # Of a statement after the one that waited for the session: that one would not see what came meanwhile.
        undelivered = any(row["undelivered"] for row in shares.values())
        missing: list[Device] = []
        for device, code in devices:
            share = shares.get(holder(device))
            if code is not None:
                if share is None:
                    undelivered = True
                    await self._sharing.withhold(tx, room_id, sender, session_id, device, code, index)
            elif share is None or (
                share["outcome"] != SHARED
                # A device without a one-time key is asked again before each message, but once per message.
                and (share["outcome"] != NO_OLM or share["message_index"] < index)
            ):
                missing.append(device)
        if missing:
            return lambda: self._sharing.share(
                room_id,
                sender,
                missing,
                lambda tx: self._still(tx, room_id, sender, session_id, in_flight=in_flight),
            )
        return partial(self._to_device.deliver, session_id) if undelivered else None

    # Sessions

    async def _session(
        self, tx: Transaction, room_id: str, own: OwnDevice, *, in_flight: str | None
    ) -> Row | None:
        sender = own.user_id
        row = await tx.fetch_one(SELECT, room_id, sender)
        if in_flight is not None:
            return row if row is not None and row["session_id"] == in_flight else None
        if row is None:  # nor a row to lock: of two who make the first at once, one would replace the other's
            await tx.lock(f"outbound_session:{room_id}:{sender}")
            row = await tx.fetch_one(SELECT, room_id, sender)
        if row is not None and not self._is_over(row):
            return row
        session = GroupSession()
        if row is not None:
            await self._sharing.follow(tx, room_id, sender, row["session_id"], session.session_id)
        pickle = session.pickle(self._pickle_key)
        await tx.execute(PUT, room_id, sender, session.session_id, pickle, self._clock.now())
        await self._inbound.import_own(
            tx,
            room_id=room_id,
            key=session.session_key,
            sender=sender,
            sender_key=own.identity_key,
            signing_key=own.signing_key,
        )
        return await tx.fetch_one(SELECT, room_id, sender)

    async def _retire(self, room_id: str) -> None:
        async with self._database.transaction() as tx:
            await retire_sessions(tx, room_id)

    def _is_over(self, session: Row) -> bool:
        age = timedelta(milliseconds=self._clock.now() - session["created_at"])
        return bool(session["retired"]) or session["messages"] >= ROTATE_AFTER_MESSAGES or age >= ROTATE_AFTER

    def _ratchet(self, session: Row, *, in_flight: bool) -> GroupSession:
        """The ratchet at the index of the next message, or of the one in flight."""
        pickle = session["in_flight"] if in_flight and session["in_flight"] is not None else session["pickle"]
        return GroupSession.from_pickle(pickle, self._pickle_key)

    async def _still(
        self, tx: Transaction, room_id: str, sender: str, session_id: str, *, in_flight: bool
    ) -> GroupSession | None:
        """The ratchet of the session, or None where another has begun: the caller looks again."""
        session = await tx.fetch_one(SELECT, room_id, sender)
        if session is None or session["session_id"] != session_id:
            return None
        return self._ratchet(session, in_flight=in_flight)

    def _opened(self, session: Row, *, in_flight: bool) -> GroupSession | None:
        try:
            return self._ratchet(session, in_flight=in_flight)
        except PickleException:
            log.error("outbound_session_damaged", session=session["session_id"])
            return None

    async def _step(
        self,
        tx: Transaction,
        own: OwnDevice,
        session: Row,
        ratchet: GroupSession,
        room_id: str,
        event_type: str,
        content: Mapping[str, Any],
    ) -> dict[str, Any]:
        payload = {"room_id": room_id, "type": event_type, "content": content}
        message = ratchet.encrypt(json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode())
        await tx.execute(STEP, room_id, own.user_id, ratchet.pickle(self._pickle_key), session["pickle"])
        return {
            "algorithm": MEGOLM,
            "sender_key": own.identity_key,
            "device_id": own.device_id,
            "session_id": ratchet.session_id,
            "ciphertext": message.to_base64(),
        }


async def _nothing(tx: Transaction, own: OwnDevice, session: Row, ratchet: GroupSession) -> dict[str, Any]:
    return {}


def _index(session: Row, *, in_flight: bool) -> int:
    """Of the next message, or of the one in flight: Megolm counts messages, too."""
    messages: int = session["messages"]
    return messages - 1 if in_flight and session["in_flight"] is not None else messages
