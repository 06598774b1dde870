"""The bot's keys on the homeserver: its device as we know it, keys for new sessions, and the backup of room keys."""

from datetime import timedelta

from appservice.encryption.identity import Identity
from appservice.encryption.key_backup import is_ours
from appservice.encryption.one_time_keys import is_scarce, supply
from appservice.encryption.own_device import OwnDevice
from appservice.encryption.own_devices import ONE_TIME_KEY, OwnDevices
from appservice.encryption.pickles import WrongPickleKey
from appservice.encryption.publication import Publication, Standing
from appservice.encryption.recovery import Recovery
from appservice.encryption.sync import FILTER
from appservice.homeserver import Homeserver
from appservice.own_account import OwnAccount
from bridge.core.checkup import Suspicious
from bridge.core.clock import Clock
from bridge.core.ids import new_id
from bridge.core.start import CannotStart, Reason
from bridge.storage.database import Database

HAVE_IT_RUN = (
    "Have the bridge run: it mends this by itself. Where it does run, its log says what keeps it from that."
)
LATE = timedelta(minutes=5)
"""For a room key that is not in the backup yet: it takes the time of a /sync, half a minute at most."""
TO_BACK_UP = "SELECT COUNT(*) FROM inbound_sessions WHERE backed_up = 0 AND received_at < $1"


class Keys:
    """`identity_secret`: 32 bytes, of the configuration."""

    def __init__(
        self,
        database: Database,
        homeserver: Homeserver,
        own_devices: OwnDevices,
        clock: Clock,
        *,
        bot: str,
        identity_secret: bytes,
    ) -> None:
        self._database = database
        self._homeserver = homeserver
        self._own_devices = own_devices
        self._clock = clock
        self._bot = bot
        self._identity_secret = identity_secret

    async def check_pickle_key(self) -> str:
        try:
            published = await self._own_devices.is_published(self._bot)
        except WrongPickleKey:
            raise CannotStart(
                Reason.PICKLE_KEY_CHANGED,
                "The device keys in the database were sealed with another `encryption.pickle_key` than the one in the"
                " configuration.",
                "Put the former key back. Without it, what came in encrypted and was not read yet stays unreadable.",
            ) from None
        if not published:
            raise Suspicious(
                "the bot has no device yet", "Nothing: the first `festimo run` makes it.", blocks=True
            )
        if await self._own_devices.is_damaged(self._bot):
            raise Suspicious(
                "the bot's device is damaged in the database, other keys open",
                "Have the bridge start: it replaces the device. Look after the disk.",
                blocks=True,
            )
        return "opens the bot's device"

    async def check_device(self) -> str:
        device = await self._device()
        standing = await Publication(self._homeserver, self._identity_secret).standing(
            device.user_id, device.device_id, self._own_devices.signed_device_keys(device)
        )
        if standing is Standing.GONE:
            raise CannotStart(
                Reason.DEVICE_LOST,
                f"The homeserver does not have the bot's device {device.device_id}, or has it with other keys.",
                HAVE_IT_RUN,
            )
        if standing is Standing.INCOMPLETE:
            raise CannotStart(
                Reason.DEVICE_LOST,
                f"The bot's device {device.device_id} is not signed by the bot's identity on the homeserver:"
                " some clients give it no keys.",
                HAVE_IT_RUN,
            )
        return f"{device.device_id} is there with our keys, signed by the bot's identity"

    async def check_one_time_keys(self) -> str:
        device = await self._device()
        # Without a position the homeserver tells, and forgets nothing. It repeats itself to a filter that it knows.
        nobody = f"@{new_id()}:{self._bot.partition(':')[2]}"
        new_filter = {**FILTER, "presence": {"types": [], "not_senders": [nobody]}}
        answer = await self._homeserver.sync(
            self._bot, device.device_id, since=None, filter_=new_filter, wait=0
        )
        count = answer.get("device_one_time_keys_count", {}).get(ONE_TIME_KEY, 0)
        unused = answer.get("device_unused_fallback_key_types", [])
        told = supply(count, unused)
        if count == 0 and ONE_TIME_KEY not in unused:
            raise CannotStart(
                Reason.KEYS_EXHAUSTED, f"{told}: nobody new can send the bot room keys.", HAVE_IT_RUN
            )
        if is_scarce(count, unused):
            raise Suspicious(told, HAVE_IT_RUN)
        return told

    async def check_backup(self) -> str:
        found = await OwnAccount(self._homeserver, self._bot).backup()
        waiting = await self._database.fetch_value(
            TO_BACK_UP, self._clock.now() - LATE // timedelta(milliseconds=1)
        )
        if found is None:
            raise Suspicious("there is none on the homeserver", HAVE_IT_RUN)
        identity = Identity.derive(self._identity_secret, self._bot)
        if not is_ours(found, identity, Recovery.derive(self._identity_secret, self._bot)):
            raise CannotStart(
                Reason.BACKUP_NOT_OURS,
                f"Version {found.version} on the homeserver is not ours: our keys go nowhere.",
                "See who else signs in as the bot. The bridge begins a new one when it next has a key to keep.",
            )
        if waiting:
            raise Suspicious(
                f"version {found.version}: {found.count} room keys; {waiting} are not in it yet", HAVE_IT_RUN
            )
        return f"version {found.version}: {found.count} room keys"

    async def _device(self) -> OwnDevice:
        device = await self._own_devices.get(self._database, self._bot)
        assert device is not None, "looked at before"
        return device
