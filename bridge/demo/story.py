"""The demo's story: a party, two vendors, one of them without Matrix, and everybody reads everybody."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from appservice.embedded.client import Client
from appservice.embedded.timeline import Entry
from bridge.core.clock import SystemClock
from bridge.core.ids import ParticipantId, PartyId, TenantId, VendorId
from bridge.demo.api import Api
from bridge.demo.people import Account, new_account, person, signed_in
from bridge.demo.screen import Screen
from bridge.demo.stand import TENANT, Stand, stand
from bridge.festimo.answers import greeting
from bridge.messages.model import Message
from bridge.wiring import Bridge, api_keys

PATIENCE = 30.0
"""Seconds until something that has not arrived counts as missing."""
PARTY = "party-2027-06-12"
YES = "✅"
OFFER = "!festimo quote Vegan menu for 80 guests; 80 x Menu at 48.00; EUR; valid 10 days"


class Missing(Exception):
    """Something that should have arrived did not."""


@dataclass(frozen=True, slots=True)
class Summary:
    sent: int
    host_read: int
    vendor_read: int
    undecryptable: int
    warnings: int

    def __str__(self) -> str:
        return (
            f"demo: {self.sent} sent, {self.host_read} read by the host, {self.vendor_read} read by the vendor, "
            f"{self.undecryptable} undecryptable, {self.warnings} warnings"
        )


class Story:
    """Everybody on stage: `host` and `vendor` are independent encrypted clients."""

    def __init__(
        self,
        screen: Screen,
        ground: Stand,
        bridge: Bridge,
        api: Api,
        *,
        host: tuple[Account, Client],
        vendor: tuple[Account, Client],
        guest: Account,
    ) -> None:
        self._screen = screen
        self._ground = ground
        self._bridge = bridge
        self._anna, self._host = host
        self._chef, self._vendor = vendor
        self._guest = guest
        self._api = api
        self._rooms: dict[str, str] = {}  # vendor id -> room id
        self._names: dict[str, str] = {
            bridge.names.bot: "Festimo",
            self._anna.user_id: self._anna.name,
            self._chef.user_id: self._chef.name,
            guest.user_id: guest.name,
        }
        self._shown: set[str] = set()
        self._said: list[tuple[str, str]] = []  # (vendor id, text)
        self._edits = 0

    async def play(self) -> Summary:
        """Tell the story; every line on the screen is what a client decrypted. Raise `Missing` if one is missing."""
        await self._plan()
        await self._say(self._host, "catering", "Hi! We are 80 guests on 12 June. Do you cook vegan?")
        await self._say(self._vendor, "catering", "With pleasure: a vegan menu for 80. Tasting next week?")
        await self._bargain()
        await self._book()
        await self._ask_festimo()
        await self._ghost_says("Hello Anna! Would ivory and gold balloons suit your hall?")
        await self._say(self._host, "balloons", "Ivory and gold, please. You made my day!")
        await self._bridge_has_read()
        return self._summary()

    async def watch(self) -> None:
        """Show what is said from now on, until cancelled."""
        while True:
            self._show_new()
            await asyncio.sleep(0.2)

    async def _plan(self) -> None:
        vendors = [person("catering", self._chef.name, self._chef), person("balloons", "Balloon Bliss")]
        await self._ground.platform.send("party.plan.completed", {"party": self._party(), "vendors": vendors})
        self._screen.platform("party.plan.completed", "Anna & Ben, 2 vendors recommended")
        await self._until(self._host, lambda: len(self._host.invites()) == 2, "two invitations for the host")
        for room in self._host.invites():
            await self._host.join(room)
        await self._until(self._vendor, lambda: bool(self._vendor.invites()), "an invitation for the vendor")
        catering = self._vendor.invites()[0]
        await self._vendor.join(catering)
        other = next(room for room in self._host.rooms() if room != catering)
        self._rooms = {"catering": catering, "balloons": other}
        ghost = self._bridge.names.ghost(TenantId(TENANT), ParticipantId("balloons"))
        self._names[ghost] = "Balloon Bliss"
        await self._sees(self._vendor, catering, self._anna.user_id)
        await self._sees(self._host, catering, self._chef.user_id)
        await self._sees(self._host, other, ghost)
        for vendor in self._rooms:
            await self._arrived(vendor, greeting())

    async def _sees(self, client: Client, room: str, user_id: str) -> None:
        await self._until(
            client, lambda: user_id in client.members(room), f"{self._names[user_id]} in the room"
        )

    async def _bargain(self) -> None:
        """The vendor offers, the host taps, Festimo repeats the total, the host taps again."""
        await self._say(self._vendor, "catering", OFFER)
        quote = await self._heard("Quote 1:")
        await self._tap(quote)
        await self._tap(await self._heard(f"{self._anna.name}, you want to accept"))
        await self._heard(f"{self._anna.name} has accepted")

    async def _heard(self, begin: str) -> str:
        """What Festimo says in the catering room, with this at its beginning."""
        said = await self._posted("catering", lambda message: message.text.startswith(begin))
        await self._arrived("catering", said.text)
        return said.text

    async def _tap(self, text: str) -> None:
        """The host, on the yes that Festimo has put under this message."""
        room = self._rooms["catering"]
        entry = await self._host.wait_for_text(room, text, PATIENCE)
        put = {"rel_type": "m.annotation", "event_id": entry.event_id, "key": YES}

        def is_there() -> bool:
            entries = self._host.timeline(room)
            return any(one.content.get("m.relates_to") == put for one in entries)

        await self._until(self._host, is_there, f"{YES} to tap on")
        await self._host.send(room, "m.reaction", {"m.relates_to": put})
        self._screen.tap(self._anna.name, YES, room="catering")

    async def _book(self) -> None:
        """One card, with a calendar file; and it changes where it stands."""
        await self._tell_of_booking("booking.confirmed", "2027-06-12T17:00:00+02:00")
        card = await self._posted("catering", lambda message: message.kind == "system")
        await self._arrived("catering", card.text)
        await self._arrived("catering", "booking-menu.ics")
        await self._tell_of_booking("booking.changed", "2027-06-12T18:30:00+02:00")
        changed = await self._posted(
            "catering",
            lambda message: message.message_id == card.message_id and message.text != card.text,
        )
        await self._edited("catering", card.text, changed.text)
        notice = await self._posted("catering", lambda message: message.text.startswith("Booking changed:"))
        await self._arrived("catering", notice.text)
        await self._arrived("catering", "booking-menu.ics", count=2)

    async def _tell_of_booking(self, event_type: str, starts_at: str) -> None:
        service = "Vegan menu for 80 guests"
        booking = {
            "id": "menu",
            "service": service,
            "starts_at": starts_at,
            "time_zone": "Europe/Berlin",
            "total": {"amount": 384000, "currency": "EUR"},
        }
        data = {
            "booking": booking,
            "party": self._party(),
            "vendor": person("catering", self._chef.name, self._chef),
        }
        await self._ground.platform.send(event_type, data)
        self._screen.platform(event_type, f"{service}, {starts_at[11:16]}")

    async def _ghost_says(self, text: str) -> None:
        """Balloon Bliss has no Matrix: their website writes through the API, and reads the answers there."""
        self._screen.note()
        listed = await self._api.get(f"/parties/{PARTY}/conversations")
        found = next(one for one in listed["conversations"] if one["vendor_id"] == "balloons")
        self._screen.answer(f"... conversation_id: {found['conversation_id']}, title: {found['title']} ...")
        path = f"/conversations/{found['conversation_id']}/messages"
        posted = await self._api.post(path, {"sender_id": "balloons", "text": text})
        self._screen.answer(f"... message_id: {posted['message_id']}, status: {posted['status']} ...")
        await self._arrived("balloons", text)

    async def _say(self, client: Client, vendor: str, text: str) -> None:
        await client.send_text(self._rooms[vendor], text)
        await self._arrived(vendor, text)

    async def _arrived(self, vendor: str, text: str, *, count: int = 1) -> None:
        """Wait until every client in the room has decrypted the text, so many times; then show it."""
        self._said.append((vendor, text))
        await self._everybody_has(
            vendor, text, lambda entries: sum(entry.body == text for entry in entries) >= count
        )

    async def _edited(self, vendor: str, old: str, new: str) -> None:
        """Wait until every client in the room has the edit of the very message that said `old`."""
        self._said[self._said.index((vendor, old))] = (vendor, new)
        self._edits += 1

        def is_there(entries: Sequence[Entry]) -> bool:
            edited = {_edit_of(entry): _new_text(entry) for entry in entries}
            return any(entry.body == old and edited.get(entry.event_id) == new for entry in entries)

        await self._everybody_has(vendor, new, is_there)

    async def _everybody_has(
        self, vendor: str, text: str, is_there: Callable[[Sequence[Entry]], bool]
    ) -> None:
        room = self._rooms[vendor]
        readers = [self._host, self._vendor] if vendor == "catering" else [self._host]
        for client in readers:
            await self._until(
                client,
                partial(lambda reader: is_there(reader.timeline(room)), client),
                f"{self._names[client.user_id]} did not get: {text}",
            )
        self._show_new()

    def _show_new(self) -> None:
        for vendor, room in self._rooms.items():
            for entry in self._host.timeline(room):
                if entry.event_id not in self._shown and not entry.undecryptable and entry.body:
                    self._shown.add(entry.event_id)
                    who = self._names.get(entry.sender, entry.sender)
                    show = self._screen.message if _edit_of(entry) is None else self._screen.change
                    show(who, _new_text(entry), encrypted=entry.encrypted, room=vendor)

    async def _bridge_has_read(self) -> None:
        for vendor in self._rooms:
            expected = Counter(text for said_to, text in self._said if said_to == vendor)

            def all_read(messages: list[Message], expected: Counter[str] = expected) -> bool:
                return Counter(message.text for message in messages) == expected

            await self._until_history(vendor, all_read, "everything that was said")

    async def _ask_festimo(self) -> None:
        await self._say(self._host, "catering", "!festimo status")
        answer = await self._posted("catering", lambda message: message.text.startswith("Anna & Ben x"))
        await self._arrived("catering", answer.text)

    async def _posted(self, vendor: str, wanted: Callable[[Message], bool]) -> Message:
        def first(messages: list[Message]) -> Message | None:
            return next((message for message in messages if wanted(message)), None)

        found = first(await self._until_history(vendor, first, "what it should have posted"))
        assert found is not None
        return found

    async def _until_history(
        self, vendor: str, wanted: Callable[[list[Message]], object], what: str
    ) -> list[Message]:
        """The bridge's own record of the conversation, once it is as wanted."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not wanted(messages := await self._history(vendor)):  # noqa: ASYNC110 - looks at a database
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise Missing(f"the bridge has not read {what} ({vendor})") from None
        return messages

    async def _history(self, vendor: str) -> list[Message]:
        conversation = await self._bridge.conversations.of_pair(
            self._bridge.database, TenantId(TENANT), PartyId(PARTY), VendorId(vendor)
        )
        if conversation is None:
            return []
        return await self._bridge.messages.history(self._bridge.database, conversation.conversation_id)

    async def _until(self, client: Client, predicate: Callable[[], bool], what: str) -> None:
        try:
            await client.sync_until(predicate, PATIENCE)
        except TimeoutError:
            raise Missing(what) from None

    def _summary(self) -> Summary:
        host = [entry for room in self._rooms.values() for entry in self._host.timeline(room)]
        vendor = self._vendor.timeline(self._rooms["catering"])
        seen = [*host, *vendor]
        return Summary(
            sent=len(self._said) + self._edits,
            host_read=_read(host),
            vendor_read=_read(vendor),
            undecryptable=sum(entry.undecryptable for entry in seen),
            # Reactions are encrypted by no client.
            warnings=sum(
                entry.warning is not None or not (entry.encrypted or entry.type == "m.reaction")
                for entry in seen
            ),
        )

    def _party(self) -> dict[str, Any]:
        hosts = [person("anna", self._anna.name, self._anna), person("ben", self._guest.name, self._guest)]
        return {"id": PARTY, "title": "Anna & Ben", "hosts": hosts}


def _edit_of(entry: Entry) -> str | None:
    """The event id of the message that this one replaces."""
    relation = entry.content.get("m.relates_to") or {}
    return relation.get("event_id") if relation.get("rel_type") == "m.replace" else None


def _new_text(entry: Entry) -> str:
    """Of an edit, what the message says now."""
    body = (entry.content.get("m.new_content") or {}).get("body", entry.body)
    return str(body)


def _read(entries: list[Entry]) -> int:
    return sum(bool(entry.body) and not entry.undecryptable for entry in entries)


async def run(*, once: bool, screen: Screen | None = None) -> bool:
    """Play the demo; with `once` return at its end, else stay up until cancelled. Return whether all arrived."""
    screen = screen or Screen()
    screen.title("Festimo Bridge: one encrypted room per party and vendor")
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="festimo-demo-")))
        with screen.step("Starting a private Synapse homeserver"):
            ground = await stack.enter_async_context(stand(folder))
        with screen.step("Starting the bridge"):
            bridge = await stack.enter_async_context(ground.bridge())
        with screen.step("Signing in Anna (host) and Sweet Bites (vendor)"):
            anna, chef, ben = [await new_account(ground, name) for name in ("Anna", "Sweet Bites", "Ben")]
            host = await stack.enter_async_context(signed_in(ground, anna, folder))
            vendor = await stack.enter_async_context(signed_in(ground, chef, folder))
        keys = api_keys(ground.config, bridge.database, SystemClock())
        key = str(await keys.create(TenantId(TENANT), name="demo"))
        api = Api(ground.config.appservice.url, key, ground.session, screen)
        screen.note()
        story = Story(screen, ground, bridge, api, host=(anna, host), vendor=(chef, vendor), guest=ben)
        try:
            summary = await story.play()
        except Missing as missing:
            screen.note(f"\nMissing: {missing}")
            return False
        complete = summary.undecryptable == summary.warnings == 0
        if once:
            screen.note()
            screen.last_line(str(summary))
            return complete
        _invite(screen, ground, ben, key)
        screen.last_line(str(summary))
        await story.watch()
        return complete


def _invite(screen: Screen, ground: Stand, ben: Account, key: str) -> None:
    screen.note("\nTake part as Ben, the second host, with Element or any Matrix client on this machine:")
    screen.note(f"  homeserver  {ground.synapse.url}")
    screen.note(f"  user        {ben.user_id}")
    screen.note(f"  password    {ben.password}")
    screen.note("Accept the invitations and write: what you say appears below.")
    screen.note("\nTry the API, with its documentation at $API/docs:")
    screen.note(f"  API={ground.config.appservice.url}/api/v1")
    screen.note(f"  KEY={key}")
    screen.note("\nCtrl-C ends the demo.\n")
