"""Applies one event of the inbox: decrypts it, and hands what it says to the conversation."""

import json
from collections.abc import Mapping
from typing import Any

import structlog

from appservice.encryption.device_lists import DeviceLists, waits_for_devices
from appservice.encryption.inbound_sessions import Decrypted, InboundSessions, KeyMissing, NotAuthentic
from appservice.encryption.other_servers import server_of
from appservice.encryption.outbound_sessions import retire_sessions
from appservice.encryption.sync import waits_for_key
from appservice.homeserver import Homeserver, HomeserverRefused, HomeserverUnavailable
from appservice.inbound.edit import InboundEdits, replaces
from appservice.inbound.membership import InboundMembership
from appservice.inbound.message import STICKER, InboundMessages
from appservice.inbound.pins import InboundPins
from appservice.inbound.polls import InboundPolls, PowersWanted
from appservice.inbound.reaction import InboundReactions
from appservice.inbound.redaction import InboundRedactions, is_redacted
from appservice.inbound.undecryptable import Undecryptable
from appservice.inbound.upgrade import InboundUpgrades
from appservice.inbound.waiting import event_id_of, waits_for_event
from appservice.names import Names
from appservice.polls import ENDS, RESPONSES, STARTS
from appservice.polls import TYPES as POLL_TYPES
from appservice.room_map import Room, former_room_by_id, room_by_id
from bridge.delivery.dispatcher import Fail, Retry
from bridge.delivery.inbox import Inbox
from bridge.delivery.queue import Item
from bridge.participants.erasures import REASON, ErasureStore
from bridge.storage.database import Database, Transaction

MESSAGES = ("m.room.message", STICKER)
ENDS_SESSIONS = ("m.room.encryption", "m.room.history_visibility")

log = structlog.get_logger(__name__)


class InboundEvents:
    def __init__(
        self,
        *,
        database: Database,
        inbox: Inbox,
        homeserver: Homeserver,
        names: Names,
        inbound: InboundSessions,
        device_lists: DeviceLists,
        membership: InboundMembership,
        messages: InboundMessages,
        edits: InboundEdits,
        reactions: InboundReactions,
        pins: InboundPins,
        polls: InboundPolls,
        redactions: InboundRedactions,
        upgrades: InboundUpgrades,
        undecryptable: Undecryptable,
    ) -> None:
        self._database = database
        self._inbox = inbox
        self._homeserver = homeserver
        self._names = names
        self._inbound = inbound
        self._device_lists = device_lists
        self._membership = membership
        self._messages = messages
        self._edits = edits
        self._reactions = reactions
        self._pins = pins
        self._polls = polls
        self._redactions = redactions
        self._upgrades = upgrades
        self._undecryptable = undecryptable
        self._erasures = ErasureStore()

    async def apply(self, item: Item) -> None:
        """Handle an inbox item of the topic "matrix.event"."""
        event = json.loads(item.body)
        self._device_lists.heard([event["sender"]])
        room = await room_by_id(self._database, event["room_id"])
        if room is None and item.parked_for is not None:
            room = await former_room_by_id(
                self._database, event["room_id"]
            )  # it has waited since before that
        if room is None:
            await self._in_unknown_room(event)
        by_staff = (
            room is not None and _is_redaction(event) and await self._redactions.is_by_staff(room, event)
        )
        try:
            await self._apply(item, event, room, by_staff=by_staff)
        except PowersWanted:
            assert room is not None
            by_staff = await self._redactions.may_redact(room, event["sender"])
            await self._apply(item, event, room, by_staff=by_staff, powers_known=True)

    async def _apply(
        self,
        item: Item,
        event: dict[str, Any],
        room: Room | None,
        *,
        by_staff: bool,
        powers_known: bool = False,
    ) -> None:
        async with self._database.transaction() as tx:
            if room is not None and not await self._in_room(
                tx, room, event, item, by_staff=by_staff, powers_known=powers_known
            ):
                return
            if room is None:
                if _is_tombstone(event):
                    await self._upgrades.space_replaced(tx, event)
                await self._undecryptable.given_up(tx, item, "the room is nobody's any more")
            await self._inbox.finish(tx, item)
            await self._inbox.unpark(tx, waits_for_event(event["event_id"]))

    async def given_up(self, tx: Transaction, item: Item, reason: str) -> None:
        """The item becomes a dead letter: what waited for the event waits no longer."""
        await self._undecryptable.given_up(tx, item, reason)
        await self._inbox.unpark(tx, waits_for_event(event_id_of(item)))

    async def _in_room(
        self,
        tx: Transaction,
        room: Room,
        event: dict[str, Any],
        item: Item,
        *,
        by_staff: bool,
        powers_known: bool,
    ) -> bool:
        """Return False where the item is not dealt with but set aside."""
        if room.private:
            return True  # what is said to the bot alone is nobody's conversation
        event_type = event["type"]
        if _is_redaction(event):
            return await self._redactions.receive(tx, room, event, item, is_staff=by_staff)
        if is_redacted(event) and "state_key" not in event:
            return True
        if "state_key" not in event and await self._erasures.is_account(tx, room.tenant_id, event["sender"]):
            log.info("not_taken_in_of_who_is_erased", room=room.room_id, event_id=event["event_id"])
            await self._undecryptable.given_up(tx, item, f"its sender {REASON}")
            return True
        if event_type == "m.room.encrypted" and "state_key" not in event:
            by_staff_if_known = by_staff if powers_known else None
            return await self._encrypted(tx, room, event, item, by_staff=by_staff_if_known)
        if event_type == "m.room.member" and "state_key" in event:
            await self._membership.changed(tx, room, event)
        elif event_type in ENDS_SESSIONS and "state_key" in event:
            await retire_sessions(tx, room.room_id)
        elif _is_tombstone(event):
            await self._upgrades.replaced(tx, room, event)
        elif event_type == "m.room.pinned_events" and event.get("state_key") == "":
            await self._pins.changed(tx, room, event, item)
        elif event_type == "m.reaction" and "state_key" not in event:
            return await self._reactions.receive(tx, room, event, event["content"], item)
        elif event_type in MESSAGES or event_type in POLL_TYPES:
            # Anybody's homeserver could have written it: flagged, never trusted.
            log.warning("plaintext_in_encrypted_room", room=room.room_id, event_id=event["event_id"])
        return True

    async def _encrypted(
        self, tx: Transaction, room: Room, event: dict[str, Any], item: Item, *, by_staff: bool | None
    ) -> bool:
        """`by_staff`: whether the sender may redact what others said; None: nobody has asked yet."""
        try:
            session_id = event["content"].get("session_id")
            waits = [waits_for_key(session_id)] if isinstance(session_id, str) else []
            await tx.lock(*waits, waits_for_devices(event["sender"]))
            decrypted: Decrypted = await self._inbound.decrypt(tx, event)
        except KeyMissing as missing:
            await self._undecryptable.wait(tx, event, item, missing.session_id, look_at_once=missing.damaged)
            return False
        except NotAuthentic as reason:
            raise Fail(f"not authentic: {reason}") from reason
        if not await self._is_from_sender(tx, event, decrypted, item):
            return False
        if await self._inbox.is_overtaking(tx, item):
            return False  # the key came for both while we were at this one
        await self._undecryptable.read(tx, room, item)
        kind, content = decrypted.type, decrypted.content
        if kind == "m.reaction":
            return await self._reactions.receive(tx, room, event, content, item)
        if kind in RESPONSES:
            return await self._polls.voted(tx, room, event, content, item)
        if kind in ENDS:
            return await self._polls.ended(tx, room, event, content, item, by_staff=by_staff)
        if kind not in MESSAGES and kind not in STARTS:
            return True
        if replaces(content):
            return await self._edits.receive(tx, room, event, content, item, event_type=kind)
        await self._messages.receive(tx, room, event, content, event_type=kind)
        return True

    async def _is_from_sender(
        self, tx: Transaction, event: dict[str, Any], decrypted: Decrypted, item: Item
    ) -> bool:
        """Whether the sender has the device that gave the room key. False: it is not known yet, and waited for.

        Anybody can claim any keys, and a homeserver any sender; the sender's signed device list decides.
        """
        sender = event["sender"]
        if await self._device_lists.owns(
            tx, sender, identity_key=decrypted.identity_key, signing_key=decrypted.signing_key
        ):
            return True
        if item.parked_for == waits_for_devices(sender) and await self._device_lists.is_fresh(tx, sender):
            if server_of(sender) == self._names.server_name:
                raise Fail("not authentic: the room key came from no device of the sender")
            # Our homeserver may not have heard of it: it answers from what it keeps, and asks theirs when it wonders.
            await self._undecryptable.wait(tx, event, item, event["content"]["session_id"])
            return False
        # Asked anew even if the list counts as fresh: over federation a new device's key may overtake its announcement.
        await self._device_lists.want(tx, sender)
        await self._inbox.park(tx, item.id, until=waits_for_devices(sender))
        return False

    async def _in_unknown_room(self, event: dict[str, Any]) -> None:
        """Strangers' invites are declined, for the bot and for ghosts."""
        invited = event.get("state_key")
        is_invite = event["type"] == "m.room.member" and event["content"].get("membership") == "invite"
        if not is_invite or not isinstance(invited, str) or not self._names.is_ours(invited):
            return
        if self._names.is_ours(event["sender"]):
            return
        log.warning("invite_declined", user=invited, sender=event["sender"], room=event["room_id"])
        try:
            await self._homeserver.leave(invited, event["room_id"])
        except HomeserverRefused as refusal:
            log.info("invite_gone", user=invited, room=event["room_id"], errcode=refusal.errcode)
        except HomeserverUnavailable as trouble:
            raise Retry(str(trouble), delay=trouble.retry_after) from trouble


def _is_redaction(event: Mapping[str, Any]) -> bool:
    return event["type"] == "m.room.redaction" and "state_key" not in event


def _is_tombstone(event: Mapping[str, Any]) -> bool:
    return event["type"] == "m.room.tombstone" and event.get("state_key") == ""
