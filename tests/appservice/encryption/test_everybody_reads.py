"""Properties: in whatever order and however often things arrive, everybody entitled reads everything, and so do we."""

import asyncio
import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from appservice.encryption.inbound_sessions import KeyMissing
from appservice.encryption.sync import waits_for_key
from bridge.core.clock import FrozenClock
from bridge.delivery.queue import Item
from tests.appservice.encryption.engine import BOT, GHOST, ROOM, TENANT, Engine
from tests.appservice.encryption.party import Identity, Party
from tests.databases import quick_database
from tests.fakes.homeserver import FakeHomeserver, Json

TEXTS = st.text(max_size=20)
OUT = st.lists(
    st.tuples(
        st.sampled_from([BOT, GHOST]),
        st.sampled_from(["", "", "a device comes", "retire", "bob leaves", "bob comes"]),
        st.booleans(),  # restarted before
        TEXTS,
    ),
    min_size=1,
    max_size=4,
)


@given(OUT, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_every_entitled_device_reads_what_we_send_in_any_order_and_with_any_loss(
    steps: list[tuple[str, str, bool, str]], order: random.Random
) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 8: decrypt(encrypt(x)) = x, in the room"""
    asyncio.run(_we_send(steps, order))


async def _we_send(steps: list[tuple[str, str, bool, str]], order: random.Random) -> None:
    homeserver = FakeHomeserver()
    async with quick_database() as database:
        engine = Engine(database, homeserver, FrozenClock())
        homeserver.add_room(ROOM, {BOT: "join", GHOST: "join"})
        await engine.add_room()
        await engine.step()
        identity = Identity("@alice:people.test")
        alice = [await Party(homeserver, identity.user, "PHONE", identity).publish(one_time_keys=6)]
        bob = await Party(homeserver, "@bob:people.test", "PHONE").publish(one_time_keys=6)
        homeserver.set_membership(ROOM, identity.user, "join")
        bob_is_in = False
        entitled: list[tuple[Json, str, list[Party]]] = []
        for number, (sender, change, restarted, text) in enumerate(steps):
            if restarted:
                engine = engine.restarted()
            if change == "a device comes":
                alice.append(
                    await Party(homeserver, identity.user, f"D{number}", identity).publish(one_time_keys=6)
                )
                await engine.step()
            elif change == "retire":
                await engine.retire()
            elif change:
                bob_is_in = change == "bob comes"
                homeserver.set_membership(ROOM, bob.user, "join" if bob_is_in else "leave")
                await engine.members_changed()
            event = await engine.say(text, sender=sender)
            entitled.append((event, text, [*alice, bob] if bob_is_in else list(alice)))
        for party in [*alice, bob]:
            events = homeserver.inbox(party.user, party.device)
            order.shuffle(events)  # the homeserver keeps the order; federation may not
            homeserver.users[party.user].devices[party.device].inbox = [(9, event) for event in events]
            party.since = "0"
            await party.sync()
        arriving = order.sample(entitled, order.randint(1, len(entitled)))
        for event, text, readers in arriving:
            for party in readers:
                assert party.read(event)["content"]["body"] == text
            for party in {id(party): party for party in [*alice, bob]}.values():
                assert party in readers or not party.reads(event)


IN = st.lists(
    st.tuples(
        st.integers(0, 2),  # who says it
        st.sampled_from(["", "", "new session", "key again", "new olm session"]),
        TEXTS,
    ),
    min_size=1,
    max_size=5,
)


@given(IN, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_bot_reads_what_others_send_in_any_order_and_with_repeats(
    steps: list[tuple[int, str, str]], order: random.Random
) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 8: decrypt(encrypt(x)) = x, in the room"""
    asyncio.run(_others_send(steps, order))


async def _others_send(steps: list[tuple[int, str, str]], order: random.Random) -> None:
    homeserver = FakeHomeserver()
    async with quick_database() as database:
        engine = Engine(database, homeserver, FrozenClock())
        homeserver.add_room(ROOM, {BOT: "join"})
        await engine.add_room()
        await engine.step()
        people = [
            await Party(homeserver, f"@p{n}:people.test", "PHONE").publish(one_time_keys=0) for n in range(3)
        ]
        events: list[Json] = []
        for number, (who, change, text) in enumerate(steps):
            party = people[who]
            if change == "new session":
                party.outbound.pop(ROOM, None)
            if change or ROOM not in party.outbound:
                fresh = change == "new olm session"
                await party.send_olm(BOT, "m.room_key", party.room_key(ROOM), fresh=fresh)
            events.append(party.event(ROOM, f"${number}", party.encrypt(ROOM, text)))
        [device] = homeserver.users[BOT].devices
        keys = homeserver.inbox(BOT, device)
        homeserver.users[BOT].devices[device].inbox = []
        arrivals = [("key", key) for key in keys] + [("event", event) for event in events]
        arrivals += order.sample(arrivals, order.randint(0, len(arrivals)))
        order.shuffle(arrivals)
        read: dict[str, str] = {}
        for kind, what in arrivals:
            if order.random() < 0.5:
                engine = engine.restarted()
            if kind == "key":
                homeserver.put_to_device(what["sender"], BOT, device, what["type"], what["content"])
                await engine.step()
            else:
                await _comes_in(engine, what)
            await _work_off(engine, read)
        assert read == {f"${number}": text for number, (_, _, text) in enumerate(steps)}


async def _comes_in(engine: Engine, event: Json) -> None:
    async with engine.database.transaction() as tx:
        await engine.inbox.add(
            tx,
            item_id=event["event_id"],
            tenant_id=TENANT,
            lane="events",
            topic="event",
            body=json.dumps(event).encode(),
        )


async def _work_off(engine: Engine, read: dict[str, str]) -> None:
    while (item := await engine.inbox.head("events")) is not None:
        await _apply(engine, item, read)


async def _apply(engine: Engine, item: Item, read: dict[str, str]) -> None:
    """As `appservice.inbound.events` does it."""
    event = json.loads(item.body)
    async with engine.database.transaction() as tx:
        await tx.lock(waits_for_key(event["content"]["session_id"]))
        try:
            decrypted = await engine.inbound.decrypt(tx, event)
        except KeyMissing as missing:
            await engine.inbox.park(tx, item.id, until=waits_for_key(missing.session_id))
            return
        await engine.inbox.finish(tx, item)
    assert item.id not in read, "each event once"
    read[item.id] = decrypted.content["body"]
