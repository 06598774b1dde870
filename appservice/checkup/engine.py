"""The bridge's encryption with two of our own users at its ends: the bot writes, a ghost reads as any client does."""

import secrets
from dataclasses import replace
from typing import Any

from appservice.encryption.device_lists import DeviceLists
from appservice.encryption.inbound_sessions import Decrypted, InboundSessions, KeyMissing, NotAuthentic
from appservice.encryption.olm import Olm
from appservice.encryption.other_servers import OtherServers
from appservice.encryption.outbound_sessions import Encryptor, retire_sessions
from appservice.encryption.own_device import OwnDevice
from appservice.encryption.own_devices import INSERT, SET_PUBLISHED, OwnDevices
from appservice.encryption.sync import BotSync
from appservice.encryption.to_device import ToDevice
from appservice.encryption.unwedging import Unwedging
from appservice.encryption.withheld import Withheld
from appservice.homeserver import Homeserver
from appservice.members import Members
from appservice.names import Names
from appservice.room_map import Room, remember_room
from bridge.core.clock import Clock
from bridge.core.ids import ConversationId, TenantId
from bridge.delivery.inbox import Inbox
from bridge.storage.database import Database, Reader, Transaction
from bridge.storage.sealing import Sealer

FORGET_KEYS = "DELETE FROM inbound_sessions"
"""The writer's own copies: what opens the message has to travel."""
NO_GHOST = "*"
"""As a prefix: no user has this name."""


class _Borrowing(OwnDevices):
    """The borrowed device is used as it is: it is not ours to publish, to doubt or to replace."""

    borrowed: OwnDevice | None = None

    async def ensure(self, user_id: str) -> str:
        if self.borrowed is not None and user_id == self.borrowed.user_id:
            return self.borrowed.device_id
        return await super().ensure(user_id)

    async def usable(self, reader: Reader, user_id: str) -> OwnDevice | None:
        if self.borrowed is not None and user_id == self.borrowed.user_id:
            return self.borrowed
        return await super().usable(reader, user_id)


class Engine:
    def __init__(
        self,
        database: Database,
        homeserver: Homeserver,
        names: Names,
        clock: Clock,
        *,
        reader: str,
        identity_secret: bytes,
        pickle_key: bytes,
    ) -> None:
        """`database`: an empty one. `reader`: the ghost's MXID."""
        self._database = database
        self._reader = reader
        self._clock = clock
        # The bridge gives its own users no keys; here the ghost is somebody else.
        names = replace(names, ghost_prefix=NO_GHOST)
        self._bot = names.bot
        self._own_devices = _Borrowing(
            database, homeserver, clock, identity_secret=identity_secret, pickle_key=pickle_key
        )
        servers = OtherServers(names.server_name)
        device_lists = DeviceLists(database, homeserver, servers)
        olm = Olm(self._own_devices, clock, pickle_key=pickle_key)
        self._inbound = InboundSessions(clock, pickle_key=pickle_key)
        to_device = ToDevice(database, homeserver, self._own_devices)
        self._encryptor = Encryptor(
            database=database,
            homeserver=homeserver,
            servers=servers,
            names=names,
            members=Members(
                database, homeserver, names, on_arrived=device_lists.arrived, on_left=retire_sessions
            ),
            own_devices=self._own_devices,
            device_lists=device_lists,
            olm=olm,
            inbound=self._inbound,
            to_device=to_device,
            clock=clock,
            pickle_key=pickle_key,
            share_with="cross_signed",
        )
        self._sync = BotSync(
            database=database,
            homeserver=homeserver,
            own_devices=self._own_devices,
            device_lists=device_lists,
            olm=olm,
            inbound=self._inbound,
            unwedging=Unwedging(
                database=database,
                homeserver=homeserver,
                own_devices=self._own_devices,
                device_lists=device_lists,
                olm=olm,
                to_device=to_device,
                clock=clock,
                bot=reader,
            ),
            withheld=Withheld(clock),
            inbox=Inbox(database, Sealer(secrets.token_bytes(32), clock), clock),
            bot=reader,
        )

    async def borrow(self, device: OwnDevice) -> None:
        """Write as this device: with new sessions, which change nothing in its account."""
        self._own_devices.borrowed = device
        async with self._database.transaction() as tx:
            await tx.execute(
                INSERT,
                device.user_id,
                device.device_id,
                device.pickle,
                device.identity_key,
                self._clock.now(),
            )
            await tx.execute(SET_PUBLISHED, device.user_id, device.device_id)

    async def encrypt(self, room_id: str, text: str) -> dict[str, Any]:
        """The `m.room.encrypted` content; the ghost's device has been sent the key."""

        async def nothing(tx: Transaction, content: dict[str, Any]) -> None:
            return None

        async with self._database.transaction() as tx:
            await remember_room(tx, Room(room_id, TenantId(""), ConversationId(room_id)), self._clock)
        message = {"msgtype": "m.text", "body": text}
        content = await self._encryptor.encrypt(room_id, self._bot, "m.room.message", message, nothing)
        async with self._database.transaction() as tx:
            await tx.execute(FORGET_KEYS)
        return content

    async def receive(self) -> None:
        """One `/sync` of the ghost: the first makes its device, with keys for new sessions."""
        await self._sync.step(wait=0)

    async def decrypt(self, event: dict[str, Any]) -> Decrypted | None:
        """None where the key has not come, or does not open the message."""
        try:
            async with self._database.transaction() as tx:
                return await self._inbound.decrypt(tx, event)
        except (KeyMissing, NotAuthentic):
            return None

    async def reader_device(self) -> str | None:
        device = await self._own_devices.get(self._database, self._reader)
        return None if device is None else device.device_id
