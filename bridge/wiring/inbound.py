"""The objects that apply what happens in rooms."""

from appservice.homeserver import Homeserver
from appservice.inbound.edit import InboundEdits
from appservice.inbound.events import InboundEvents
from appservice.inbound.invites import InboundInvites
from appservice.inbound.late import LateNotices
from appservice.inbound.membership import InboundMembership
from appservice.inbound.message import InboundMessages
from appservice.inbound.pins import InboundPins
from appservice.inbound.polls import InboundPolls
from appservice.inbound.reaction import InboundReactions
from appservice.inbound.redaction import InboundRedactions
from appservice.inbound.signals import InboundSignals
from appservice.inbound.upgrade import InboundUpgrades
from appservice.moves import Moves
from appservice.names import Names
from bridge.conversations.party_lists import PartyLists
from bridge.core.clock import Clock
from bridge.festimo.answers import is_for_festimo
from bridge.storage.database import Database
from bridge.wiring.encryption import Encryption
from bridge.wiring.product import Product


class Inbound:
    """What applies each event of a room to the product."""

    def __init__(
        self,
        database: Database,
        homeserver: Homeserver,
        product: Product,
        encryption: Encryption,
        names: Names,
        clock: Clock,
    ) -> None:
        self.signals = InboundSignals(
            database=database,
            homeserver=homeserver,
            names=names,
            conversations=product.conversation_store,
            inbox=product.inbox,
            reads=product.signals.reads,
            read_store=product.signals.read_store,
            seen=product.signals.seen_store,
            typing=product.signals.typing,
            presence=product.signals.presence,
            clock=clock,
            heard=encryption.servers.heard,
        )
        late = LateNotices(product.messages)
        self.events = InboundEvents(
            database=database,
            inbox=product.inbox,
            homeserver=homeserver,
            names=names,
            inbound=encryption.inbound_sessions,
            device_lists=encryption.device_lists,
            membership=InboundMembership(
                names,
                product.conversations,
                product.conversation_store,
                encryption.readers,
                InboundInvites(
                    names=names,
                    changes=product.conversation_changes,
                    conversations=product.conversation_store,
                    participants=product.participants,
                    readers=encryption.readers,
                    outbox=product.outbox,
                    late=late,
                ),
            ),
            messages=InboundMessages(
                names=names,
                messages=product.messages,
                conversations=product.conversation_store,
                is_for_festimo=is_for_festimo,
                late=late,
            ),
            edits=InboundEdits(
                names=names,
                inbox=product.inbox,
                changes=product.message_changes,
                conversations=product.conversation_store,
                late=late,
            ),
            reactions=InboundReactions(
                names=names,
                inbox=product.inbox,
                outbox=product.outbox,
                reactions=product.reactions,
                conversations=product.conversation_store,
            ),
            pins=InboundPins(
                names=names,
                outbox=product.outbox,
                pins=product.pins,
                store=product.pin_store,
                conversations=product.conversation_store,
            ),
            polls=InboundPolls(
                names=names,
                inbox=product.inbox,
                outbox=product.outbox,
                polls=product.polls,
                conversations=product.conversation_store,
            ),
            redactions=InboundRedactions(
                database=database,
                homeserver=homeserver,
                names=names,
                inbox=product.inbox,
                changes=product.message_changes,
                reactions=product.reactions,
                polls=product.polls,
                conversations=product.conversation_store,
                late=late,
                undecryptable=encryption.undecryptable,
            ),
            upgrades=InboundUpgrades(
                Moves(product.conversations, product.outbox, clock),
                product.conversation_store,
                PartyLists(product.outbox),
            ),
            undecryptable=encryption.undecryptable,
        )
