"""What is wrong just now, for those who look on."""

from appservice.encryption.key_backup import KeyBackup
from appservice.encryption.sync import BotSync
from appservice.inbound.undecryptable import count_undecryptable
from appservice.resume import Resume
from bridge.checkup import backlog
from bridge.core.clock import Clock
from bridge.delivery.metrics import count_kept
from bridge.platform.bus.behind import remark
from bridge.storage.database import Database, DatabaseError
from bridge.storage.leader import Leader
from bridge.webhooks.metrics import count_webhooks
from bridge.wiring.bus import RunningBus


class Troubles:
    """What `/health/ready` and `/metrics` ask."""

    def __init__(
        self,
        database: Database,
        leader: Leader,
        resume: Resume,
        sync: BotSync,
        key_backup: KeyBackup,
        bus: RunningBus | None,
        clock: Clock,
    ) -> None:
        self._database = database
        self._leader = leader
        self._resume = resume
        self._sync = sync
        self._key_backup = key_backup
        self._bus = bus
        self._clock = clock
        self.checks = {
            "leader": self._of_leader,
            "database": self._of_database,
            "homeserver": self._of_homeserver,
        }
        self.remarks = {
            "key_backup": self._of_key_backup,
            "one_time_keys": self._of_one_time_keys,
            "undecryptable": self._of_undecryptable,
            "backlog": self._of_backlog,
        }
        if bus is not None:
            self.remarks["bus"] = self._of_bus

    def leads(self) -> bool:
        return self._leader.trouble() is None

    async def count(self) -> None:
        await count_kept(self._database)
        await count_undecryptable(self._database)
        await count_webhooks(self._database)
        if self._bus is not None:
            await self._bus.count(self._database, now=self._clock.now())

    async def _of_leader(self) -> str | None:
        return self._leader.trouble()

    async def _of_database(self) -> str | None:
        try:
            await self._database.fetch_value("SELECT 1")
        except DatabaseError as error:
            return f"the database cannot be read ({type(error).__qualname__}): is it running, is there space?"
        return self._resume.trouble()

    async def _of_homeserver(self) -> str | None:
        return "not asked while another process works" if self._leader.waits else self._sync.trouble()

    async def _of_key_backup(self) -> str | None:
        return self._key_backup.trouble()

    async def _of_one_time_keys(self) -> str | None:
        return self._sync.scarcity()

    async def _of_backlog(self) -> str | None:
        return await backlog.remark(self._database, self._clock)

    async def _of_bus(self) -> str | None:
        if self._bus is None or self._leader.waits:
            return None
        return await remark(self._database, trouble=self._bus.trouble(), now=self._clock.now())

    async def _of_undecryptable(self) -> str | None:
        try:
            number = await count_undecryptable(self._database)
        except DatabaseError:
            return "not known while the database cannot be read"
        if not number:
            return None
        return f"{number} messages could not be read for want of their key; their senders know"
