"""A conversation with the engine below it: events of the room are applied by what `bridge.wiring` puts together."""

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, ClassVar

from appservice.encryption.withheld import Withheld
from appservice.inbound.undecryptable import FindElsewhere, nowhere_else
from appservice.room_map import Room, remember_room
from appservice.transactions import TOPIC
from bridge.config import Config
from bridge.config.fresh import fresh_settings
from bridge.conversations.model import Conversation
from bridge.delivery.dispatcher import Fail
from bridge.delivery.inbox import Accepted, Inbox
from bridge.storage.file_lock import FileLock
from bridge.storage.leader import Leader
from bridge.wiring import Parts
from tests.appservice.encryption.engine import BOT, PICKLE_KEY, SECRET, TENANT, Engine
from tests.appservice.encryption.party import Party
from tests.bridge.conversations.features import MASTER_KEY, Features, person
from tests.fakes.homeserver import FakeHomeserver, Json

TALK = "!talk:bridge.test"
ANNA = "@anna:people.test"
CHEF = "@chef:people.test"


def configuration(more: Mapping[str, Mapping[str, Any]]) -> Config:
    """With the keys that engine and features have. `more`: sections."""
    settings = fresh_settings(
        server_name="bridge.test",
        homeserver_url="http://127.0.0.1:9",
        listen="127.0.0.1:9",
        database_url="sqlite:///unused",
        tenant=TENANT,
    )
    settings["appservice"]["bot_localpart"] = BOT[1:].partition(":")[0]
    settings["storage"]["master_key"] = b64encode(MASTER_KEY).decode()
    settings["encryption"]["pickle_key"] = b64encode(PICKLE_KEY).decode()
    config = Config.model_validate({**settings, **more})
    # Past the check that no two secrets are the same: those of features and engine are.
    secret = type(config.encryption.identity_secret)(SECRET)
    encryption = config.encryption.model_copy(update={"identity_secret": secret})
    return config.model_copy(update={"encryption": encryption})


class Reader:
    """Anna is the host; the vendor has an account, too. `settings`: sections of the configuration."""

    settings: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def __init__(self, engine: Engine, find_elsewhere: FindElsewhere = nowhere_else) -> None:
        self.engine = engine
        self.withheld = Withheld(engine.clock)
        self.features = Features(engine.database)
        self.features.clock = engine.clock
        self.conversation: Conversation
        leader = Leader(engine.database, FileLock("unused"), engine.clock)
        parts = Parts(
            configuration(self.settings),
            engine.database,
            leader,
            engine.homeserver,
            engine.clock,
            patience=None,
        )
        assert parts.names.bot == BOT
        self.parts = parts
        self.undecryptable = parts.encryption.undecryptable
        self.undecryptable._find_elsewhere = find_elsewhere
        dispatcher = parts.inbox_dispatcher
        assert isinstance(dispatcher._queue, Inbox)
        self._inbox = dispatcher._queue
        self._apply, self._on_dead = dispatcher._handlers[TOPIC], dispatcher._on_dead[TOPIC]

    async def opened(self) -> "Reader":
        self.conversation = await self.features.open(
            hosts=[person("anna", "Anna", mxid=ANNA, tenant=TENANT)],
            vendor=person("chef", "Sweet Bites", mxid=CHEF, tenant=TENANT),
            tenant=TENANT,
        )
        assert isinstance(self.engine.homeserver, FakeHomeserver)
        self.engine.homeserver.add_room(TALK, {BOT: "join"})
        async with self.engine.database.transaction() as tx:
            room = Room(TALK, TENANT, self.conversation.conversation_id)
            await remember_room(tx, room, self.engine.clock)
        return self

    def restarted(self, find_elsewhere: FindElsewhere = nowhere_else) -> "Reader":
        again = Reader(self.engine.restarted(), find_elsewhere)
        again.conversation = self.conversation
        return again

    async def joined(self, user: str, device: str = "PHONE") -> Party:
        """Somebody with a device is in the room, and the bridge knows the device."""
        assert isinstance(self.engine.homeserver, FakeHomeserver)
        party = await Party(self.engine.homeserver, user, device).publish()
        self.engine.homeserver.set_membership(TALK, user, "join")
        async with self.engine.database.transaction() as tx:
            await self.engine.device_lists.track(tx, [user])
            await self.engine.members.mark_stale(tx, TALK)
        await self.engine.members.refresh(TALK)
        await self.engine.step()
        return party

    def event(
        self, party: Party, event_id: str, text: str, *, sender: str | None = None, room: str = TALK
    ) -> Json:
        event = party.event(TALK, event_id, party.encrypt(room, text), sender=sender)
        return event | {"origin_server_ts": self.engine.clock.now()}

    async def deliver(self, event: Json) -> None:
        """The homeserver brings it, and what can be applied is."""
        async with self.engine.database.transaction() as tx:
            accepted = await self._inbox.add(
                tx,
                item_id=f"matrix:{event['event_id']}",
                tenant_id=TENANT,
                lane=f"room:{event['room_id']}",
                topic=TOPIC,
                body=json.dumps(event).encode(),
            )
            assert accepted is Accepted.NEW
        await self.work_off()

    async def work_off(self) -> None:
        """As the dispatcher does."""
        for lane in await self._inbox.lanes():
            while item := await self._inbox.head(lane):
                try:
                    await self._apply(item)
                except Fail as reason:
                    async with self.engine.database.transaction() as tx:
                        await self._on_dead(tx, item, str(reason))
                        await self._inbox.bury(tx, item, failure=str(reason))

    async def later(self, milliseconds: int) -> None:
        """The clock moves on, and what is due is tried."""
        self.engine.clock.advance(milliseconds)
        await self.look()

    async def look(self) -> None:
        await self.undecryptable.step()
        await self.work_off()

    async def synced(self) -> None:
        await self.engine.step()
        await self.work_off()

    async def told(self) -> list[str]:
        """What Festimo said."""
        history = await self.features.history(self.conversation)
        return [message.text for message in history if message.sender_type == "festimo"]

    async def read(self) -> list[str]:
        """What the people said, as far as it was read."""
        history = await self.features.history(self.conversation)
        return [message.text for message in history if message.sender_type != "festimo"]

    async def due_at(self) -> list[int | None]:
        return [row["due_at"] for row in await self.engine.rows("missing_keys")]
