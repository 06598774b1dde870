"""The objects that carry what happens into rooms."""

from appservice.ghosts import Ghosts
from appservice.homeserver import Homeserver
from appservice.moves import Moves
from appservice.names import Names
from appservice.outbound.edits import Edits
from appservice.outbound.former_rooms import FormerRooms
from appservice.outbound.pins import PinsInRoom
from appservice.outbound.polls import PollsInRoom
from appservice.outbound.private_rooms import PrivateRooms
from appservice.outbound.profiles import Profiles
from appservice.outbound.reactions import ReactionsInRoom
from appservice.outbound.recaps import RecapDelivery
from appservice.outbound.receipts import GhostReceipts
from appservice.outbound.redactions import Redactions
from appservice.outbound.room_state import RoomState
from appservice.outbound.rooms import Rooms
from appservice.outbound.sent_before import SentBefore
from appservice.outbound.spaces import Spaces
from appservice.outbound.timeline import Timeline
from appservice.outbound.typing import GhostTyping
from appservice.outbound.upgrades import Upgrades
from bridge.config import Config
from bridge.core.clock import Clock
from bridge.recap.drafts import Drafts
from bridge.storage.database import Database
from bridge.wiring.encryption import Encryption
from bridge.wiring.product import Product


class Outbound:
    """What carries each fact that the product records into rooms."""

    def __init__(
        self,
        config: Config,
        database: Database,
        homeserver: Homeserver,
        product: Product,
        encryption: Encryption,
        names: Names,
        clock: Clock,
    ) -> None:
        self.ghost_typing = GhostTyping(database, homeserver, names, clock)
        product.signals.on_change(self.ghost_typing.changed)
        ghosts = Ghosts(database, homeserver, names, clock)
        self.profiles = Profiles(
            database=database,
            names=names,
            ghosts=ghosts,
            participants=product.participants,
            conversations=product.conversation_store,
            outbox=product.outbox,
        )
        self.rooms = Rooms(
            database=database,
            homeserver=homeserver,
            names=names,
            ghosts=ghosts,
            members=encryption.members,
            readers=encryption.readers,
            service=product.conversations,
            conversations=product.conversation_store,
            participants=product.participants,
            outbox=product.outbox,
            clock=clock,
            avatar_url=config.conversation.avatar_url,
        )
        self.upgrades = Upgrades(
            database=database,
            homeserver=homeserver,
            names=names,
            rooms=self.rooms,
            moves=Moves(product.conversations, product.outbox, clock),
            conversations=product.conversation_store,
            outbox=product.outbox,
        )
        self.room_state = RoomState(
            database=database,
            homeserver=homeserver,
            names=names,
            rooms=self.rooms,
            members=encryption.members,
            readers=encryption.readers,
            conversations=product.conversation_store,
            outbox=product.outbox,
        )
        self.spaces = Spaces(
            database=database,
            homeserver=homeserver,
            names=names,
            rooms=self.rooms,
            conversations=product.conversation_store,
            outbox=product.outbox,
            clock=clock,
        )
        self.sent_before = SentBefore(database, homeserver)
        former_rooms = FormerRooms(database, homeserver, names)
        self.timeline = Timeline(
            database=database,
            homeserver=homeserver,
            names=names,
            own_devices=encryption.own_devices,
            encryptor=encryption.encryptor,
            messages=product.messages,
            message_store=product.message_store,
            participants=product.participants,
            outbox=product.outbox,
            former_rooms=former_rooms,
            sent_before=self.sent_before,
            clock=clock,
        )
        self.edits = Edits(
            database=database,
            names=names,
            timeline=self.timeline,
            rooms=self.rooms,
            encryptor=encryption.encryptor,
            changes=product.message_changes,
            message_store=product.message_store,
            edit_store=product.edit_store,
            former_rooms=former_rooms,
            outbox=product.outbox,
        )
        self.redactions = Redactions(
            database=database,
            homeserver=homeserver,
            names=names,
            own_devices=encryption.own_devices,
            message_store=product.message_store,
            edit_store=product.edit_store,
            former_rooms=former_rooms,
            outbox=product.outbox,
        )
        self.reactions_in_room = ReactionsInRoom(
            database=database,
            homeserver=homeserver,
            names=names,
            own_devices=encryption.own_devices,
            participants=product.participants,
            message_store=product.message_store,
            store=product.reaction_store,
            outbox=product.outbox,
            former_rooms=former_rooms,
            sent_before=self.sent_before,
        )
        self.pins_in_room = PinsInRoom(
            database=database,
            homeserver=homeserver,
            names=names,
            store=product.pin_store,
            former_rooms=former_rooms,
            outbox=product.outbox,
        )
        self.polls_in_room = PollsInRoom(
            database=database,
            homeserver=homeserver,
            names=names,
            timeline=self.timeline,
            polls=product.polls,
            store=product.poll_store,
            message_store=product.message_store,
            conversations=product.conversation_store,
            former_rooms=former_rooms,
            outbox=product.outbox,
        )
        self.recap_delivery = RecapDelivery(
            database=database,
            names=names,
            recaps=product.recaps,
            drafts=Drafts(
                product.recap_store,
                product.conversation_store,
                product.message_store,
                product.conversation_room,
                product.sealer,
            ),
            readers=encryption.readers,
            private_rooms=PrivateRooms(
                database=database, names=names, rooms=self.rooms, members=encryption.members, clock=clock
            ),
            timeline=self.timeline,
            encryptor=encryption.encryptor,
            former_rooms=former_rooms,
            outbox=product.outbox,
        )
        self.receipts = GhostReceipts(
            database=database,
            homeserver=homeserver,
            names=names,
            participants=product.participants,
            reads=product.signals.read_store,
            former_rooms=former_rooms,
            outbox=product.outbox,
        )
