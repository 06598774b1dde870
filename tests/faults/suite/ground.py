"""What the scenarios of one kind of database share: servers, proxies before them, the bridge, people in four rooms."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import aiohttp

from appservice.embedded.client import Client
from appservice.embedded.settings import LOOPBACK, write_private
from appservice.embedded.synapse import Access, Synapse, free_port
from tests.clients.people import People
from tests.clients.people import Person as MatrixAccount
from tests.faults.admin import Admin
from tests.faults.story import eventually, knows, sees
from tests.faults.suite.disk import small_disk
from tests.faults.suite.proxy import HttpProxy, TcpProxy
from tests.faults.suite.subject import Conversation, NotNow, Person, Place, Subject
from tests.servers.postgres import PostgresServer

SERVER_NAME = "festimo.localhost"
Kind = Literal["sqlite", "postgres"]
MakeSubject = Callable[[Place], Subject]
BRIDGE, SYNAPSE = "bridge", "synapse"
"""Databases on the PostgreSQL."""


@dataclass(frozen=True, slots=True)
class Room:
    """Anna is in each. The vendor has an account (and a client) in every other one, else a ghost."""

    number: int
    room_id: str
    conversation: Conversation
    clients: dict[str, Client]
    """Participant's id -> client."""


@dataclass(slots=True)
class Ground:
    kind: Kind
    folder: Path
    place: Place
    subject: Subject
    synapse: Synapse
    people: People
    admin: Admin
    to_synapse: HttpProxy
    """The homeserver as the bridge sees it."""
    to_bridge: HttpProxy
    """The bridge as homeserver and platform see it."""
    to_postgres: TcpProxy | None
    postgres: PostgresServer | None
    chef: MatrixAccount
    """The vendor with an account, for further devices."""
    stranger: Access | None = None
    rooms: list[Room] = field(default_factory=list)


@asynccontextmanager
async def ground(folder: Path, kind: Kind, make: MakeSubject) -> AsyncIterator[Ground]:
    async with AsyncExitStack() as stack:
        postgres = stack.enter_context(_postgres()) if kind == "postgres" else None
        to_postgres = None
        data = stack.enter_context(small_disk(folder / "disk"))
        database_url, synapse_url = f"sqlite:///{data / 'bridge.db'}", None
        if postgres is not None:
            direct, synapse_url = postgres.create_database(BRIDGE), postgres.create_database(SYNAPSE)
            port = urlsplit(direct).port
            assert port is not None
            to_postgres = await stack.enter_async_context(TcpProxy(free_port(), port))
            database_url = direct.replace(f":{port}/", f":{to_postgres.port}/")
        listen_port, synapse_port = free_port(), free_port()
        to_bridge = HttpProxy(free_port(), f"http://{LOOPBACK}:{listen_port}")
        to_synapse = HttpProxy(free_port(), f"http://{LOOPBACK}:{synapse_port}")
        place = Place(
            folder=folder / "bridge",
            data=data,
            server_name=SERVER_NAME,
            homeserver_url=to_synapse.url,
            listen_port=listen_port,
            public_url=to_bridge.url,
            database_url=database_url,
        )
        subject = make(place)
        registration = write_private(folder / "registration.yaml", subject.registration)
        for proxy in (to_bridge, to_synapse):
            await stack.enter_async_context(proxy)
        server = Synapse(
            folder / "synapse",
            server_name=SERVER_NAME,
            port=synapse_port,
            registrations=[registration],
            database_url=synapse_url,
        )
        synapse = await stack.enter_async_context(server)
        people = await stack.enter_async_context(People(synapse, folder))
        stack.push_async_callback(subject.close)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        made = Ground(
            kind=kind,
            folder=folder,
            place=place,
            subject=subject,
            synapse=synapse,
            people=people,
            admin=await Admin.of(synapse, session),
            to_synapse=to_synapse,
            to_bridge=to_bridge,
            to_postgres=to_postgres,
            postgres=postgres,
            chef=await people.person("Chef"),
        )
        await subject.start()
        await _fill(made)
        yield made


@contextmanager
def _postgres() -> Iterator[PostgresServer]:
    with PostgresServer(durable=True) as server:
        yield server


async def _fill(made: Ground) -> None:
    anna, chef = await made.people.nio("Anna"), await made.people.nio(made.chef)
    host = Person(id="anna", name="Anna", mxid=anna.user_id)
    vendors = (Person(id="chef", name="Chef", mxid=chef.user_id), Person(id="gina", name="Gina"))
    for number in range(4):
        made.rooms.append(await _room(made, number, host, vendors[number % 2], anna, chef))


async def _room(made: Ground, number: int, host: Person, vendor: Person, anna: Client, chef: Client) -> Room:
    subject = made.subject

    async def opened() -> Conversation | None:
        try:
            return await subject.open(f"party-{number}", host, vendor, by_event=number >= 2)
        except NotNow:
            return None

    conversation = await eventually(opened, "the conversation is open")
    clients = {host.id: anna} | ({vendor.id: chef} if vendor.mxid else {})
    await sees(anna, lambda: bool(anna.invites()))
    (room_id,) = anna.invites()
    for client in clients.values():
        await sees(client, lambda client=client: room_id in client.invites())  # type: ignore[misc]
        await client.join(room_id)
    for client in clients.values():
        await knows(client, room_id, {other.user_id for other in clients.values()})
        # The bot, or whoever a bridge has in its rooms, and a vendor's ghost.
        await sees(client, lambda client=client: len(client.members(room_id)) >= 3)  # type: ignore[misc]
    return Room(number, room_id, conversation, clients)
