"""One whole room per conversation, whoever dies while it is made, whatever lies under its alias, whoever else asks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from appservice.homeserver import Homeserver
from appservice.names import Names
from appservice.outbound.rooms import ENCRYPTION, HISTORY, POWER_LEVELS, ROOM_VERSION, STAFF
from bridge.conversations.events import ConversationOpened, ParticipantAdded
from bridge.conversations.model import Conversation
from bridge.conversations.service import Conversations
from bridge.conversations.store import ConversationStore
from bridge.core.clock import SystemClock
from bridge.core.ids import ParticipantId, PartyId, TenantId, VendorId
from bridge.delivery.outbox import Outbox
from bridge.demo.stand import TENANT
from bridge.festimo.answers import greeting
from bridge.participants.model import Participant
from bridge.participants.store import ParticipantStore
from bridge.storage.database import Database
from bridge.storage.sealing import Sealer
from tests.faults.story import Ground, eventually, ground, has_seen, joined, knows

RACERS = 50
SPACE_OF = "SELECT s.room_id FROM spaces s JOIN party_lists l ON l.list_id = s.list_id WHERE l.party_id = $1"
PARTS = (0.2, 0.4, 0.6, 0.8)
"""Of the time that `createRoom` takes here, after which the homeserver is killed."""


@pytest.fixture
async def where(tmp_path: Path) -> AsyncIterator[Ground]:
    async with ground(tmp_path) as ready:
        yield ready


def names_of(where: Ground) -> Names:
    ours = where.stand.config.appservice
    return Names(where.stand.config.homeserver.server_name, ours.bot_localpart, ours.ghost_prefix)


def homeserver_of(where: Ground) -> Homeserver:
    config = where.stand.config
    token = config.appservice.as_token.get_secret_value()
    return Homeserver(config.homeserver.url, token, session=where.stand.session)


def selection(where: Ground, party: str) -> dict[str, Any]:
    host = {"id": "anna", "name": "Anna", "mxid": where.host.user_id}
    vendor = {"id": "chef", "name": "Chef", "mxid": where.vendor.user_id}
    return {"party": {"id": party, "title": f"Party {party}", "hosts": [host]}, "vendor": vendor}


async def conversation_of(where: Ground, party: str) -> Conversation:
    async def look() -> Conversation | None:
        return await where.conversations.of_pair(
            where.database, TenantId(TENANT), PartyId(party), VendorId("chef")
        )

    return await eventually(look, f"{party} has a conversation")


async def whole_room_of(where: Ground, party: str) -> str:
    """Where its alias leads once both people are invited, looked at from all sides; they talk in it."""
    names, homeserver = names_of(where), homeserver_of(where)
    alias = names.alias((await conversation_of(where, party)).conversation_id)
    people = {where.host.user_id, where.vendor.user_id}

    async def invited() -> str | None:
        found = await homeserver.resolve_alias(names.bot, alias)
        return found if found in where.host.invites() and found in where.vendor.invites() else None

    room = await eventually(invited, f"both are invited for {party}")
    state = await where.admin.state(room)
    assert state["m.room.encryption", ""] == ENCRYPTION
    assert state["m.room.history_visibility", ""] == HISTORY
    assert state["m.room.join_rules", ""]["join_rule"] == "invite"
    assert state["m.room.power_levels", ""].items() >= POWER_LEVELS.items()
    assert state["m.room.power_levels", ""]["users"] == {where.host.user_id: 50}
    members = {key[1]: content["membership"] for key, content in state.items() if key[0] == "m.room.member"}
    assert members == {names.bot: "join"} | dict.fromkeys(people, "invite")
    for client in (where.host, where.vendor):
        await joined(client, room)
    for client in (where.host, where.vendor):
        await knows(client, room, people | {names.bot})
    await they_talk(where, party, room)
    assert await rooms_shown(where, f"Party {party} x Chef") == [room]
    return room


async def space_of(where: Ground, party: str, room: str) -> str:
    """The party's space, once it shows the room."""

    async def shown() -> str | None:
        space: str | None = await where.database.fetch_value(SPACE_OF, party)
        if space is None:
            return None
        state = await where.admin.state(space)
        assert state["m.room.create", ""]["type"] == "m.space"
        assert state["m.room.power_levels", ""]["events_default"] == STAFF
        invited = ("m.room.member", where.host.user_id) in state
        return space if invited and ("m.space.child", room) in state else None

    return await eventually(shown, f"{party} has a space")


async def rooms_shown(where: Ground, name: str) -> list[str]:
    """The rooms of this name that the host knows of."""
    shown = []
    for room in await where.admin.rooms(name):
        state = await where.admin.state(room.room_id)
        if ("m.room.member", where.host.user_id) in state:
            shown.append(room.room_id)
    return shown


async def they_talk(where: Ground, party: str, room: str) -> None:
    await where.host.send_text(room, f"{party} from the host")
    await where.vendor.send_text(room, f"{party} from the vendor")
    message = {"party_id": party, "vendor_id": "chef", "sender_id": "anna", "text": f"{party} from outside"}
    await where.send("message.send", message)

    async def history() -> set[str] | None:
        told = [message for message in await where.history(party, "chef") if message.sender_type != "festimo"]
        done = len(told) == 3 and all(message.status == "sent" for message in told)
        return {message.origin_id or "" for message in told} if done else None

    event_ids = await eventually(history, "the history has all three")
    for client in (where.host, where.vendor):
        await has_seen(client, room, event_ids)
        texts = {entry.body for entry in client.timeline(room)} - {greeting()}
        assert texts == {f"{party} from the host", f"{party} from the vendor", f"Anna: {party} from outside"}


@pytest.mark.parametrize("kind", ["room", "space"])
async def test_a_homeserver_killed_in_mid_create_room_ends_with_one_whole_room(
    where: Ground, monkeypatch: pytest.MonkeyPatch, report: Callable[[str], None], kind: str
) -> None:
    asked = asyncio.Event()
    took: list[float] = []
    create_room = Homeserver.create_room

    async def watched(self: Homeserver, user: str, body: Mapping[str, Any]) -> str:
        if ("creation_content" in body) != (kind == "space"):
            return await create_room(self, user, body)
        asked.set()
        begun = asyncio.get_running_loop().time()
        room_id = await create_room(self, user, body)
        took.append(asyncio.get_running_loop().time() - begun)
        return room_id

    monkeypatch.setattr(Homeserver, "create_room", watched)
    synapse = where.stand.synapse
    async with where.stand.bridge():
        await where.send("vendor.selected", selection(where, "undisturbed"))
        await space_of(where, "undisturbed", await whole_room_of(where, "undisturbed"))
        for part in PARTS:
            party = f"killed-{part}"
            asked.clear()
            await where.send("vendor.selected", selection(where, party))
            await asyncio.wait_for(asked.wait(), 20)
            await asyncio.sleep(part * took[0])
            await synapse.kill()
            await synapse.start()
            await space_of(where, party, await whole_room_of(where, party))
        made = [*await where.admin.rooms(), *await where.admin.rooms(spaces=True)]
        half_made = len(made) - 2 * (
            len(PARTS) + 1
        )  # of one that is half made nobody knows what it was to be
    report(f"{len(PARTS)} kills in mid-createRoom left {half_made} half-made {kind}s")
    assert half_made, "none of the kills came in the middle"


Lay = Callable[[Homeserver, Names, dict[str, Any]], Awaitable[str]]
WHOLE: dict[str, Any] = {
    "room_version": ROOM_VERSION,
    "preset": "private_chat",
    "initial_state": [
        {"type": "m.room.encryption", "state_key": "", "content": ENCRYPTION},
        {"type": "m.room.history_visibility", "state_key": "", "content": HISTORY},
    ],
}


async def lay_unencrypted(homeserver: Homeserver, names: Names, body: dict[str, Any]) -> str:
    return await homeserver.create_room(names.bot, body | {"initial_state": WHOLE["initial_state"][1:]})


async def lay_with_open_history(homeserver: Homeserver, names: Names, body: dict[str, Any]) -> str:
    return await homeserver.create_room(names.bot, body | {"initial_state": WHOLE["initial_state"][:1]})


async def lay_powerless(homeserver: Homeserver, names: Names, body: dict[str, Any]) -> str:
    return await homeserver.create_room(names.bot, body | {"power_level_content_override": {"invite": 0}})


async def lay_without_the_bot(homeserver: Homeserver, names: Names, body: dict[str, Any]) -> str:
    ghost = f"@{names.ghost_prefix}somebody:{names.server_name}"
    await homeserver.register(ghost[1:].partition(":")[0])
    return await homeserver.create_room(ghost, body)


async def lay_left_by_the_bot(homeserver: Homeserver, names: Names, body: dict[str, Any]) -> str:
    room = await homeserver.create_room(names.bot, body)
    await homeserver.leave(names.bot, room)
    return room


async def lay_whole(homeserver: Homeserver, names: Names, body: dict[str, Any]) -> str:
    return await homeserver.create_room(names.bot, body)


UNFIT = {
    "unencrypted": lay_unencrypted,
    "open-history": lay_with_open_history,
    "powerless": lay_powerless,
    "without-the-bot": lay_without_the_bot,
    "left-by-the-bot": lay_left_by_the_bot,
}


async def test_a_room_found_under_the_alias_is_adopted_only_if_it_is_whole(where: Ground) -> None:
    homeserver, names = homeserver_of(where), names_of(where)
    parties: dict[str, Lay] = {**UNFIT, "whole": lay_whole}
    await where.stand.synapse.stop()
    async with where.stand.bridge():  # makes the conversations, and cannot make the rooms
        for party in parties:
            await where.send("vendor.selected", selection(where, party))
        aliases = {
            party: names.alias_localpart((await conversation_of(where, party)).conversation_id)
            for party in parties
        }
    await where.stand.synapse.start()
    await homeserver.register(names.bot_localpart)
    laid: dict[str, str] = {}
    for party, lay in parties.items():
        levels = POWER_LEVELS | {"users": {where.host.user_id: 50}}
        body = WHOLE | {
            "name": f"Party {party} x Chef",
            "power_level_content_override": levels,
            "room_alias_name": aliases[party],
        }
        laid[party] = await lay(homeserver, names, body)
    async with where.stand.bridge():
        made = {party: await whole_room_of(where, party) for party in parties}
    assert {party for party in parties if made[party] == laid[party]} == {"whole"}
    assert len(set(made.values())) == len(parties)


def people_of(where: Ground) -> tuple[Participant, Participant]:
    def person(person_id: str, name: str, mxid: str) -> Participant:
        return Participant(
            tenant_id=TenantId(TENANT),
            participant_id=ParticipantId(person_id),
            name=name,
            mxid=mxid,
            avatar_url=None,
        )

    return person("anna", "Anna", where.host.user_id), person("chef", "Chef", where.vendor.user_id)


async def open_at_once(where: Ground, database: Database, party: str) -> set[str]:
    """The ids of the conversations that so many callers are given who all ask at the same moment."""
    clock = SystemClock()
    sealer = Sealer(where.stand.config.storage.master_key.get_secret_value(), clock)
    outbox = Outbox(database, sealer, clock)
    for event in (ConversationOpened, ParticipantAdded):
        outbox.subscribe("matrix", event)
    conversations = Conversations(ConversationStore(clock), ParticipantStore(clock), outbox, clock)
    host, vendor = people_of(where)
    start = asyncio.Event()

    async def ask() -> str:
        await start.wait()
        async with database.transaction() as tx:
            conversation = await conversations.open(
                tx,
                tenant_id=TenantId(TENANT),
                party_id=PartyId(party),
                party_title=f"Party {party}",
                hosts=[host],
                vendor=vendor,
            )
        return conversation.conversation_id

    racers = [asyncio.create_task(ask()) for _ in range(RACERS)]
    start.set()
    return set(await asyncio.gather(*racers))


async def test_everybody_who_asks_at_once_gets_the_one_conversation_and_room(
    database_url: str, tmp_path: Path
) -> None:
    """First callers in the process, then events over HTTP; then the same with nothing there yet."""
    async with ground(tmp_path, database_url=database_url) as where:
        opened = await open_at_once(where, where.database, "called")
        assert len(opened) == 1
        async with where.stand.bridge():
            for party in ("called", "sent"):
                data = selection(where, party)
                await asyncio.gather(*(where.send("vendor.selected", data) for _ in range(RACERS)))
                await whole_room_of(where, party)
        assert await where.left_over("waiting") == await where.left_over("dead") == []
        assert {(await conversation_of(where, "called")).conversation_id} == opened
        conversations = await where.database.fetch("SELECT party_id FROM conversations")
        assert sorted(row["party_id"] for row in conversations) == ["called", "sent"]
        rooms = await where.admin.rooms()
        assert sorted(room.name or "" for room in rooms) == ["Party called x Chef", "Party sent x Chef"]
