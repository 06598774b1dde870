"""The objects that keep devices, sessions and keys."""

from collections.abc import Callable, Collection

from appservice.encryption.device_lists import DeviceLists, waits_for_devices
from appservice.encryption.identity import Identity
from appservice.encryption.inbound_sessions import InboundSessions
from appservice.encryption.key_backup import KeyBackup
from appservice.encryption.olm import Olm
from appservice.encryption.other_servers import OtherServers
from appservice.encryption.outbound_sessions import Encryptor, retire_sessions
from appservice.encryption.owed_keys import OwedKeys
from appservice.encryption.own_devices import OwnDevices
from appservice.encryption.recovery import Recovery
from appservice.encryption.secret_storage import SecretStorage
from appservice.encryption.sync import BotSync, nothing_first
from appservice.encryption.to_device import ToDevice
from appservice.encryption.unwedging import Unwedging
from appservice.encryption.withheld import Withheld
from appservice.homeserver import Homeserver
from appservice.inbound.undecryptable import Undecryptable, nowhere_else
from appservice.members import Members
from appservice.names import Names
from appservice.own_account import OwnAccount
from appservice.readers import Readers
from bridge.config import Config
from bridge.core.clock import Clock
from bridge.festimo.unread import UnreadNotices
from bridge.storage.database import Database, Transaction
from bridge.storage.leader import Guard
from bridge.wiring.product import Product


class Encryption:
    """Our devices and keys, other people's devices, and the sync by which room keys come."""

    def __init__(
        self,
        config: Config,
        database: Database,
        homeserver: Homeserver,
        product: Product,
        names: Names,
        clock: Clock,
        *,
        guard: Guard,
        on_trouble: Callable[[], None],
    ) -> None:
        keys = config.encryption
        pickle_key = keys.pickle_key.get_secret_value()
        identity_secret = keys.identity_secret.get_secret_value()
        self.own_devices = OwnDevices(
            database,
            homeserver,
            clock,
            identity_secret=identity_secret,
            pickle_key=pickle_key,
            receiver=names.bot,
        )

        async def devices_known(tx: Transaction, user_id: str) -> None:
            await product.inbox.unpark(tx, waits_for_devices(user_id))
            await self.undecryptable.devices_known(tx, user_id)
            await self.readers.known(tx, user_id)

        async def devices_unknown(tx: Transaction, user_ids: Collection[str]) -> None:
            await self.readers.unreachable(tx, user_ids)

        self.servers = OtherServers(names.server_name)
        self.device_lists = DeviceLists(
            database, homeserver, self.servers, on_fresh=devices_known, on_unreachable=devices_unknown
        )
        self.readers = Readers(self.device_lists, product.recaps, names, share_with=keys.share_with)
        self.members = Members(
            database,
            homeserver,
            names,
            on_arrived=self.device_lists.arrived,
            on_left=retire_sessions,
        )
        olm = Olm(self.own_devices, clock, pickle_key=pickle_key)
        self.inbound_sessions = InboundSessions(clock, pickle_key=pickle_key)
        to_device = ToDevice(database, homeserver, self.own_devices)
        withheld = Withheld(clock)
        self.unwedging = Unwedging(
            database=database,
            homeserver=homeserver,
            own_devices=self.own_devices,
            device_lists=self.device_lists,
            olm=olm,
            to_device=to_device,
            clock=clock,
            bot=names.bot,
        )
        self.encryptor = Encryptor(
            database=database,
            homeserver=homeserver,
            servers=self.servers,
            names=names,
            members=self.members,
            own_devices=self.own_devices,
            device_lists=self.device_lists,
            olm=olm,
            inbound=self.inbound_sessions,
            to_device=to_device,
            clock=clock,
            pickle_key=pickle_key,
            share_with=keys.share_with,
        )
        self.owed_keys = OwedKeys(database, self.encryptor, self.servers)
        self.identity = Identity.derive(identity_secret, names.bot)
        recovery = Recovery.derive(identity_secret, names.bot)
        self.key_backup = KeyBackup(
            database=database,
            homeserver=homeserver,
            names=names,
            inbound=self.inbound_sessions,
            inbox=product.inbox,
            secret_storage=SecretStorage(OwnAccount(homeserver, names.bot), self.identity, recovery),
            identity=self.identity,
            recovery=recovery,
            clock=clock,
        )
        self.undecryptable = Undecryptable(
            database=database,
            inbox=product.inbox,
            withheld=withheld,
            notices=UnreadNotices(product.conversation_store, product.messages, clock),
            clock=clock,
            find_elsewhere=self.key_backup.look_for if keys.key_backup else nowhere_else,
            on_missing=lambda: self.sync.look(),
        )
        self.sync = BotSync(
            database=database,
            homeserver=homeserver,
            own_devices=self.own_devices,
            device_lists=self.device_lists,
            olm=olm,
            inbound=self.inbound_sessions,
            unwedging=self.unwedging,
            withheld=withheld,
            inbox=product.inbox,
            bot=names.bot,
            on_trouble=on_trouble,
            before_sync=self.key_backup.keep_up if keys.key_backup else nothing_first,
            guard=guard,
        )
