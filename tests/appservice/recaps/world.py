"""A conversation whose vendor has never signed in, and all that brings a recap to their first device."""

from collections.abc import Collection
from typing import Any

from appservice.ghosts import Ghosts
from appservice.inbound.membership import InboundMembership
from appservice.outbound.former_rooms import FormerRooms
from appservice.outbound.private_rooms import PrivateRooms
from appservice.outbound.recaps import ConversationRoom, RecapDelivery
from appservice.outbound.rooms import Rooms
from appservice.outbound.sent_before import SentBefore
from appservice.outbound.timeline import Timeline
from appservice.readers import Readers
from appservice.room_map import Room, remember_room
from bridge.core.ids import MessageId, ParticipantId
from bridge.delivery.queue import Item
from bridge.messages.events import MessageDeleted, MessageEdited, MessagePosted
from bridge.messages.held import Held
from bridge.messages.model import Kind
from bridge.recap.drafts import Drafts
from bridge.recap.events import RecapChanged, RecapDue, RecapHeld
from bridge.recap.listeners import RecapListener
from bridge.recap.service import Recaps
from bridge.recap.store import RecapStore
from bridge.storage.database import Database, Transaction
from tests.appservice.encryption.engine import BOT, NAMES, ROOM, Engine
from tests.appservice.encryption.party import Identity, Party
from tests.bridge.conversations.features import TENANT, Features, person
from tests.fakes.homeserver import FakeHomeserver, Json

ANNA, CHEF = "@anna:host.test", "@chef:vendor.test"

WEEK = 7 * 24 * 3_600_000


class World:
    """A conversation of two account holders, of whom the vendor has never signed in."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.homeserver = FakeHomeserver()
        self.features = features = Features(database)
        self.clock = features.clock
        features.outbox.subscribe("matrix", MessagePosted, RecapDue, RecapChanged)
        features.outbox.subscribe("recap", MessageEdited, MessageDeleted)
        features.outbox.subscribe("recap-held", RecapHeld)
        self.identity = Identity(CHEF)
        self._put_together()

    def _put_together(self) -> None:
        """All objects of one process."""
        features = self.features

        async def known(tx: Transaction, user_id: str) -> None:
            await self.readers.known(tx, user_id)

        async def unreachable(tx: Transaction, user_ids: Collection[str]) -> None:
            await self.readers.unreachable(tx, user_ids)

        self.engine = engine = Engine(
            self.database, self.homeserver, self.clock, on_fresh=known, on_unreachable=unreachable
        )
        room, store = ConversationRoom(NAMES, features.outbox), RecapStore()
        recaps = Recaps(store, room, features.outbox, self.clock)
        self.readers = Readers(engine.device_lists, recaps, NAMES, share_with="identity_aware")
        nobody_is_invited: Any = None  # but by us
        self.membership = InboundMembership(
            NAMES,
            features.conversations,
            features.conversation_store,
            self.readers,
            nobody_is_invited,
        )
        self.timeline = Timeline(
            database=self.database,
            homeserver=self.homeserver,
            names=NAMES,
            own_devices=engine.own_devices,
            encryptor=engine.encryptor,
            messages=features.messages,
            message_store=features.message_store,
            participants=features.participants,
            outbox=features.outbox,
            former_rooms=FormerRooms(self.database, self.homeserver, NAMES),
            sent_before=SentBefore(self.database, self.homeserver),
            clock=self.clock,
        )
        rooms = Rooms(
            database=self.database,
            homeserver=self.homeserver,
            names=NAMES,
            ghosts=Ghosts(self.database, self.homeserver, NAMES, self.clock),
            members=engine.members,
            readers=self.readers,
            service=features.conversations,
            conversations=features.conversation_store,
            participants=features.participants,
            outbox=features.outbox,
            clock=self.clock,
        )
        self.delivery = RecapDelivery(
            database=self.database,
            names=NAMES,
            recaps=recaps,
            drafts=Drafts(store, features.conversation_store, features.message_store, room, features.sealer),
            readers=self.readers,
            private_rooms=PrivateRooms(
                database=self.database, names=NAMES, rooms=rooms, members=engine.members, clock=self.clock
            ),
            timeline=self.timeline,
            encryptor=engine.encryptor,
            former_rooms=FormerRooms(self.database, self.homeserver, NAMES),
            outbox=features.outbox,
        )
        self.listener = RecapListener(self.database, recaps, features.outbox)

    async def restart(self) -> None:
        self._put_together()
        await self.ask()

    # What happens

    async def begin(self) -> None:
        """The host is there with a device; the vendor is invited."""
        anna, chef = person("anna", "Anna", mxid=ANNA), person("chef", "Chef", mxid=CHEF)
        self.conversation = await self.features.open(hosts=[anna], vendor=chef)
        self.homeserver.add_room(ROOM, {BOT: "join", ANNA: "join"})
        await Party(self.homeserver, ANNA, "PHONE", Identity(ANNA)).publish()
        self.room = Room(ROOM, TENANT, self.conversation.conversation_id)
        async with self.database.transaction() as tx:
            await remember_room(tx, self.room, self.clock)
            await self.readers.to_be_invited(tx, self.conversation, chef, asked_at=self.clock.now())
        await self.engine.step()
        self.clock.advance(1)
        await self.becomes(CHEF, "invite")
        self.clock.advance(1)

    async def becomes(self, user: str, membership: str, sender: str = BOT) -> None:
        """A membership event comes in."""
        self.homeserver.set_membership(ROOM, user, membership)
        event = {
            "sender": sender,
            "state_key": user,
            "origin_server_ts": self.clock.now(),
            "content": {"membership": membership},
        }
        async with self.database.transaction() as tx:
            await self.engine.members.mark_stale(tx, ROOM)
            await self.membership.changed(tx, self.room, event)
        await self.ask()

    async def ask(self) -> None:
        """What `DeviceLists.run` and `BotSync.step` do."""
        await self.engine.device_lists.refresh_stale(BOT, await self.engine.own_devices.ensure(BOT))

    async def post(self, text: str, sender: str = "anna") -> MessageId:
        self.clock.advance(1)
        return await self.features.post(self.conversation, text=text, sender=sender)

    async def say(self, text: str) -> MessageId:
        message_id = await self.post(text)
        await self.work()
        return message_id

    async def hear(self, text: str, *, kind: Kind = "text", held: Held | None = None) -> None:
        """The host says something in her client."""
        self.clock.advance(1)
        people = await self.features.conversation_store.members(
            self.database, self.conversation.conversation_id
        )
        async with self.database.transaction() as tx:
            await self.features.messages.receive(
                tx,
                self.conversation,
                sender=people[0],
                text=text,
                origin_id=f"${text}",
                sent_at=self.clock.now(),
                kind=kind,
                held=held,
            )

    async def delete(self, message_id: MessageId) -> None:
        message = await self.features.message_store.get(self.database, message_id)
        assert message is not None
        async with self.database.transaction() as tx:
            await self.features.changes.delete(tx, message, sender_id=None)

    async def edit(self, message_id: MessageId, text: str) -> None:
        message = await self.features.message_store.get(self.database, message_id)
        assert message is not None
        self.clock.advance(1)
        async with self.database.transaction() as tx:
            await self.features.changes.edit(tx, message, sender_id=ParticipantId("anna"), text=text)

    async def sign_in(self, device: str = "PHONE", *, one_time_keys: int = 20) -> Party:
        return await Party(self.homeserver, CHEF, device, self.identity).publish(one_time_keys=one_time_keys)

    async def join(self) -> None:
        self.clock.advance(1)
        await self.becomes(CHEF, "join", sender=CHEF)

    async def signs_out(self, device: str = "PHONE") -> None:
        self.homeserver.delete_device(CHEF, device)
        await self.engine.step()

    # What the bridge does of it

    async def work(self) -> None:
        """Work off what waits, in the order of its lanes."""
        for lane in ("recap", "matrix"):
            while (item := await self.head(lane)) is not None:
                await self.handle(item)

    async def head(self, consumer: str = "matrix") -> Item | None:
        return await self.features.outbox.head(f"{consumer}:{self.conversation.conversation_id}")

    async def handle(self, item: Item) -> None:
        handlers = {
            "matrix.MessagePosted": self.timeline.posted,
            "matrix.RecapDue": self.delivery.due,
            "matrix.RecapChanged": self.delivery.changed,
            "recap-held.RecapHeld": self.delivery.held,
            "recap.MessageEdited": self.listener.source_changed,
            "recap.MessageDeleted": self.listener.source_changed,
        }
        await handlers[item.topic](item)

    # What came of it

    async def read(self, party: Party) -> list[Json]:
        """What the device can read of the room."""
        await party.sync()
        events = self.homeserver.timeline(ROOM)
        return [party.read(event)["content"] for event in events if party.reads(event)]

    async def recap(self, party: Party) -> str:
        """The only thing that the device can read."""
        [content] = await self.read(party)
        return str(content["body"])

    async def rows(self) -> list[tuple[str, str]]:
        found: list[Any] = await self.database.fetch("SELECT participant_id, state FROM recaps")
        return [(row["participant_id"], row["state"]) for row in found]
