"""The engine under test, put together as `bridge.wiring` does it, with letters in place of the outbox."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from appservice.encryption.device_lists import DeviceLists, OnFresh, OnUnreachable
from appservice.encryption.identity import Identity
from appservice.encryption.inbound_sessions import Decrypted, InboundSessions
from appservice.encryption.key_backup import KeyBackup
from appservice.encryption.olm import Olm
from appservice.encryption.other_servers import OtherServers
from appservice.encryption.outbound_sessions import Encryptor, retire_sessions
from appservice.encryption.owed_keys import OwedKeys
from appservice.encryption.own_devices import OwnDevices
from appservice.encryption.recovery import Recovery
from appservice.encryption.secret_storage import SecretStorage
from appservice.encryption.sharing import ShareWith
from appservice.encryption.sync import BotSync, nothing_first
from appservice.encryption.to_device import ToDevice
from appservice.encryption.unwedging import Unwedging
from appservice.encryption.withheld import Withheld
from appservice.homeserver import Homeserver
from appservice.members import Members
from appservice.names import Names
from appservice.own_account import OwnAccount
from appservice.room_map import Room, remember_room
from bridge.core.clock import FrozenClock
from bridge.core.ids import ConversationId, TenantId
from bridge.delivery.inbox import Inbox
from bridge.storage.database import Database, Transaction
from bridge.storage.sealing import Sealer
from tests.appservice.encryption.party import text_message
from tests.fakes.database import WrappedDatabase
from tests.fakes.homeserver import FakeHomeserver, Json

NAMES = Names("bridge.test", "festimo", "festimo_")
BOT = NAMES.bot
GHOST = "@festimo_ann:bridge.test"
OTHER_GHOST = "@festimo_ben:bridge.test"
ROOM = "!room:bridge.test"
SECRET = bytes(range(32))
IDENTITY = Identity.derive(SECRET, BOT)
RECOVERY = Recovery.derive(SECRET, BOT)
PICKLE_KEY = bytes(range(32, 64))
TENANT = TenantId("tenant")

INSERT_LETTER = """
INSERT INTO outbox (id, tenant_id, lane, topic, body, created_at) VALUES ($1, 'tenant', 'letters', 'letter', $2, 0)
"""
SELECT_LETTER = "SELECT body, prepared, state FROM outbox WHERE id = $1"
PREPARE_LETTER = "UPDATE outbox SET prepared = $2 WHERE id = $1"
FINISH_LETTER = "UPDATE outbox SET state = 'done' WHERE id = $1"


class Engine:
    """All objects of one process. `restarted` makes them anew on the same database."""

    def __init__(
        self,
        database: Database,
        homeserver: Homeserver,
        clock: FrozenClock,
        *,
        share_with: ShareWith = "identity_aware",
        backs_up: bool = False,
        on_fresh: OnFresh | None = None,
        on_unreachable: OnUnreachable | None = None,
        ask_again_after: float = 0,
    ) -> None:
        """`ask_again_after`: seconds until a server that was away is asked; at once, unless told otherwise."""
        self.database = database
        self.homeserver = homeserver
        self.clock = clock
        self.share_with = share_with
        self.backs_up = backs_up
        self.own_devices = OwnDevices(
            database, homeserver, clock, identity_secret=SECRET, pickle_key=PICKLE_KEY, receiver=BOT
        )
        self.servers = OtherServers(NAMES.server_name, patience=0.5, ask_again_after=ask_again_after)
        self.device_lists = DeviceLists(
            database, homeserver, self.servers, on_fresh=on_fresh, on_unreachable=on_unreachable
        )
        self.members = Members(
            database, homeserver, NAMES, on_arrived=self.device_lists.arrived, on_left=retire_sessions
        )
        self.olm = Olm(self.own_devices, clock, pickle_key=PICKLE_KEY)
        self.inbound = InboundSessions(clock, pickle_key=PICKLE_KEY)
        self.withheld = Withheld(clock)
        self.to_device = ToDevice(database, homeserver, self.own_devices)
        self.unwedging = Unwedging(
            database=database,
            homeserver=homeserver,
            own_devices=self.own_devices,
            device_lists=self.device_lists,
            olm=self.olm,
            to_device=self.to_device,
            clock=clock,
            bot=BOT,
        )
        self.encryptor = Encryptor(
            database=database,
            homeserver=homeserver,
            servers=self.servers,
            names=NAMES,
            members=self.members,
            own_devices=self.own_devices,
            device_lists=self.device_lists,
            olm=self.olm,
            inbound=self.inbound,
            to_device=self.to_device,
            clock=clock,
            pickle_key=PICKLE_KEY,
            share_with=share_with,
        )
        self.owed_keys = OwedKeys(database, self.encryptor, self.servers)
        self.inbox = Inbox(database, Sealer(bytes(32), clock), clock)
        self.key_backup = KeyBackup(
            database=database,
            homeserver=homeserver,
            names=NAMES,
            inbound=self.inbound,
            inbox=self.inbox,
            secret_storage=SecretStorage(OwnAccount(homeserver, BOT), IDENTITY, RECOVERY),
            identity=IDENTITY,
            recovery=RECOVERY,
            clock=clock,
        )
        self.sync = BotSync(
            database=database,
            homeserver=homeserver,
            own_devices=self.own_devices,
            device_lists=self.device_lists,
            olm=self.olm,
            inbound=self.inbound,
            unwedging=self.unwedging,
            withheld=self.withheld,
            inbox=self.inbox,
            bot=BOT,
            before_sync=self.key_backup.keep_up if backs_up else nothing_first,
        )

    def restarted(self, *, share_with: ShareWith | None = None, ask_again_after: float = 0) -> "Engine":
        return Engine(
            self.database,
            self.homeserver,
            self.clock,
            share_with=share_with or self.share_with,
            backs_up=self.backs_up,
            ask_again_after=ask_again_after,
        )

    # Rooms and what the homeserver tells

    async def add_room(self, room_id: str = ROOM) -> None:
        async with self.database.transaction() as tx:
            room = Room(room_id, TENANT, ConversationId(f"conversation of {room_id}"))
            await remember_room(tx, room, self.clock)

    async def members_changed(self, room_id: str = ROOM) -> None:
        """A membership event has come in."""
        async with self.database.transaction() as tx:
            await self.members.mark_stale(tx, room_id)

    async def retire(self, room_id: str = ROOM) -> None:
        """The room's history visibility has changed."""
        async with self.database.transaction() as tx:
            await retire_sessions(tx, room_id)

    async def step(self) -> None:
        """What `BotSync.run` and `DeviceLists.run` do."""
        await self.sync.step()
        await self.device_lists.refresh_stale(BOT, await self.own_devices.ensure(BOT))

    # Sending, as `appservice.outbound.timeline` does it

    async def write(self, letter: str, text: str) -> None:
        async with self.database.transaction() as tx:
            await tx.execute(INSERT_LETTER, letter, text.encode())

    async def deliver(self, letter: str, *, sender: str = BOT, room_id: str = ROOM) -> str | None:
        """Try to send the letter once; None where that had been done before."""
        row = await self.database.fetch_one(SELECT_LETTER, letter)
        assert row is not None
        if row["state"] == "done":
            return None
        device = await self.own_devices.ensure(sender)
        if row["prepared"] is not None:
            content = json.loads(row["prepared"])
            assert await self.encryptor.share_in_flight(room_id, sender, content["session_id"])
        else:

            async def keep(tx: Transaction, encrypted: dict[str, Any]) -> None:
                await tx.execute(PREPARE_LETTER, letter, json.dumps(encrypted).encode())

            content = await self.encryptor.encrypt(
                room_id, sender, "m.room.message", text_message(row["body"].decode()), keep
            )
        event_id = await self.homeserver.send_encrypted(sender, device, room_id, letter, content)
        async with self.database.transaction() as tx:
            await tx.execute(FINISH_LETTER, letter)
        return event_id

    async def say(self, text: str, *, sender: str = BOT, room_id: str = ROOM) -> Json:
        """Send `text`; return the event as it stands in the timeline."""
        letter = f"letter {await self.database.fetch_value('SELECT COUNT(*) FROM outbox')}"
        await self.write(letter, text)
        event_id = await self.deliver(letter, sender=sender, room_id=room_id)
        assert isinstance(self.homeserver, FakeHomeserver)
        [event] = [e for e in self.homeserver.timeline(room_id) if e["event_id"] == event_id]
        return event

    # Receiving, as `appservice.inbound.events` does it

    async def read(self, event: Mapping[str, Any]) -> Decrypted:
        async with self.database.transaction() as tx:
            return await self.inbound.decrypt(tx, event)

    # Looking inside

    async def rows(self, table: str) -> list[dict[str, Any]]:
        """All of the table, in an order that does not change: to see that nothing has changed."""
        found: list[Any] = await self.database.fetch(f"SELECT * FROM {table}")
        return sorted((dict(row) for row in found), key=repr)


class WatchedDatabase(WrappedDatabase):
    """With a word to say before and after each commit."""

    def __init__(self, real: Database) -> None:
        super().__init__(real)
        self.on_moment: Callable[[str, str], None] = lambda call, moment: None

    async def before_commit(self) -> None:
        self.on_moment("commit", "before")

    async def after_commit(self) -> None:
        self.on_moment("commit", "after")


def session_of(event: Json) -> str:
    return str(event["content"]["session_id"])
