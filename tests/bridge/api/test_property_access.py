"""Whoever asks, with whatever they show, for whatever there is: who has no right gets nothing and changes nothing."""

from dataclasses import dataclass
from itertools import count
from typing import Literal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey

from bridge.core.caller import CallerRole
from bridge.core.ids import TenantId
from tests.bridge.api.client import Answer, Api
from tests.bridge.api.conftest import People
from tests.bridge.api.requests import CONVERSATIONS, messages_of
from tests.bridge.api.world import OURS, THEIRS, World
from tests.bridge.tokens.sign_in import SignIn, new_key, sign, unsigned

Spoiled = Literal[
    "good",
    "expired",
    "revoked",
    "another key",
    "another tenant's key",
    "not signed",
    "a shared secret",
    "a program",
]
SPOILED: tuple[Spoiled, ...] = (
    "expired",
    "revoked",
    "another key",
    "another tenant's key",
    "not signed",
    "a shared secret",
    "a program",
)
PEOPLE = ("anna", "ben", "sweets", "balloons")
STRANGER: ECKey = new_key()
numbers = count()


@dataclass(frozen=True, slots=True)
class Room:
    """A conversation: of whom, and who has left."""

    tenant: TenantId
    party: str
    hosts: frozenset[str]
    vendor: str
    gone: frozenset[str]

    def takes_part(self, person: str) -> bool:
        return person in self.hosts | {self.vendor} and person not in self.gone


@dataclass(frozen=True, slots=True)
class Asker:
    tenant: TenantId
    role: CallerRole
    person: str
    token: Spoiled

    def may_see(self, room: Room) -> bool:
        return (
            self.token == "good"
            and self.tenant == room.tenant
            and (self.role == "admin" or room.takes_part(self.person))
        )


tenants = st.sampled_from([OURS, THEIRS])
rooms = st.builds(
    Room,
    tenant=tenants,
    party=st.sampled_from(["p-1", "p-2"]),
    hosts=st.frozensets(st.sampled_from(["anna", "ben"]), min_size=1),
    vendor=st.sampled_from(["sweets", "balloons"]),
    gone=st.frozensets(st.sampled_from(PEOPLE), max_size=1),
)
askers = st.builds(
    Asker,
    tenant=tenants,
    role=st.sampled_from(["host", "vendor", "admin"]),
    person=st.sampled_from([*PEOPLE, "nobody"]),
    token=st.just("good") | st.sampled_from(["good", *SPOILED]),
)


def token_of(asker: Asker, person: str, world: World) -> str:
    sign_in: SignIn = world.sign_ins[asker.tenant]
    claims = sign_in.claims(person, asker.role)
    match asker.token:
        case "expired":
            return sign_in.signed(claims | {"exp": sign_in.seconds - 31})
        case "revoked":
            return sign_in.signed(claims | {"sid": "revoked"})
        case "another key":
            return sign_in.signed(claims, key=STRANGER)
        case "another tenant's key":
            (other,) = (one for tenant, one in world.sign_ins.items() if tenant != asker.tenant)
            return other.signed(claims)
        case "not signed":
            return unsigned(claims, {"alg": "none", "kid": "k1"})
        case "a shared secret":
            public = sign_in.keys[0].as_dict(private=False)
            return sign(claims, OctKey.import_key(str(public)), {"alg": "HS256", "kid": "k1"})
        case "a program":
            return sign_in.signed(claims | {"role": "service"})
        case "good":
            return sign_in.signed(claims)


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    there=st.lists(rooms, min_size=1, max_size=3, unique_by=lambda one: (one.tenant, one.party, one.vendor)),
    asker=askers,
)
async def test_no_access_without_right(people: People, world: World, there: list[Room], asker: Asker) -> None:
    """Feature: vendor-dashboard-messaging-enhancement, Property 9: no access without right"""
    run = f"-{next(numbers)}"  # every example has people and parties of its own
    world.clock.advance(1)  # so that its conversations stand on the first page
    for api in (people.sides.ours, people.sides.theirs):
        await api.post("/api/v1/token-revocations", {"kind": "session", "value": "revoked"})
    made = [(room, *await furnished(people, world, room, run)) for room in there]
    api = Api(people.sides.ours.http, token_of(asker, asker.person + run, world))
    shown = await api.get(CONVERSATIONS, limit=100)
    assert shown.status == (200 if asker.token == "good" else 401)
    listed = {one["conversation_id"] for one in shown.json.get("conversations", ())}
    for room, conversation_id, message_id in made:
        may = asker.may_see(room)
        assert (conversation_id in listed) == may
        for answer in (
            await api.get(f"{CONVERSATIONS}/{conversation_id}"),
            await api.get(messages_of(conversation_id)),
            await api.get(f"/api/v1/messages/{message_id}"),
        ):
            assert allowed(answer) == may
            assert may or (conversation_id not in str(answer.json) and message_id not in str(answer.json))
        before = None if may else await world.contents()
        body = {"text": "Hello"} | ({"sender_id": room.vendor + run} if asker.role == "admin" else {})
        posted = await api.post(messages_of(conversation_id), body)
        if may and asker.role == "admin" and room.vendor in room.gone:
            assert (posted.status, posted.problem) == (403, "not_allowed")  # who left says nothing any more
        else:
            assert allowed(posted) == may
        deleted = await api.request("DELETE", f"/api/v1/messages/{message_id}")
        theirs = asker.role == "admin" or asker.person == room.vendor
        assert (deleted.status == 200) == (may and theirs)
        if before is not None:
            assert await world.contents() == before


async def furnished(people: People, world: World, room: Room, run: str) -> tuple[str, str]:
    """The ids of the conversation and of a message that its vendor said."""
    api = people.sides.ours if room.tenant == OURS else people.sides.theirs
    hosts = [{"id": one + run, "name": one} for one in sorted(room.hosts)]
    asked = {
        "party": {"id": room.party + run, "title": "Party", "hosts": hosts},
        "vendor": {"id": room.vendor + run, "name": room.vendor},
    }
    opened = (await api.post(CONVERSATIONS, asked)).json["conversation_id"]
    said = await api.post(messages_of(opened), {"sender_id": room.vendor + run, "text": "Marzipan"})
    for one in room.gone:
        await world.leave(opened, one + run)
    return opened, said.json["message_id"]


def allowed(answer: Answer) -> bool:
    """Or refused as what is not there, or not believed; never anything else."""
    if answer.status in (200, 201):
        return True
    assert (answer.status, answer.problem) in ((401, "unauthorized"), (404, "not_found"))
    return False
