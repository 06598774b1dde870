"""What encryption rests on is damaged, gone, used up or cannot be asked for."""

import asyncio
import secrets
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from appservice.embedded.client import Client
from bridge.storage.database import open_database
from tests.faults.suite import misbehaviour as do
from tests.faults.suite.load import Load
from tests.faults.suite.oracle import HISTORY
from tests.faults.suite.scenarios.network import lasting
from tests.faults.suite.trial import Scenario, Trial

READABLE_WITHIN = 10.0
CLAIMS_AT_ONCE = 10
CLAIM_AGAIN_AFTER = 0.1
"""Seconds."""


async def new_sessions(trial: Trial) -> None:
    """While the bridge is away every client begins a new Megolm session: its key comes to the bot's queue only."""
    ground = trial.ground
    await ground.subject.kill()
    for room in ground.rooms:
        for client in room.clients.values():
            client.forget_session(room.room_id)
    await asyncio.sleep(lasting(trial.sizes))
    await ground.subject.start()


async def rows_changed(trial: Trial, statements: Sequence[str]) -> None:
    """While no room key of a client is on its way: over an Olm session that is gone only the client can give it again,
    which Element does and matrix-nio does not."""
    for _ in range(2):  # by the first every voice has a device, for which clients begin another session
        await trial.load.one_more_each()
        await trial.load.heard()
    await trial.ground.subject.kill()
    database = await open_database(trial.ground.place.database_url)
    try:
        async with database.transaction() as tx:
            rows = [await tx.execute(statement) for statement in statements]
    finally:
        await database.close()
    trial.met("rows", sum(rows), at_least=len(statements))
    await trial.ground.subject.start()


async def corrupted(trial: Trial) -> None:
    tables = ("olm_sessions", "outbound_sessions", "inbound_sessions")
    await rows_changed(trial, [f"UPDATE {table} SET pickle = 'damaged'" for table in tables])


async def deleted(trial: Trial) -> None:
    tables = (
        "olm_sessions",
        "session_shares",
        "outbound_sessions",
        "inbound_sessions",
        "to_device",
        "devices",
    )
    await rows_changed(trial, [f"DELETE FROM {table}" for table in tables])


async def restored(trial: Trial) -> None:
    """What the API took since the copy is in the rooms, but no longer in the history: that much is forgiven."""
    ground, load = trial.ground, trial.load
    file = ground.place.data / "bridge.db"
    await load.settled()
    await ground.subject.stop()
    copy = ground.place.folder / "copy.db"
    _copy(file, copy)
    await ground.subject.start()
    before = load.texts()
    load.raise_quota(trial.sizes.messages // 2)
    await load.settled()
    await ground.subject.kill()
    trial.begin_history_anew()
    for voice in load.voices:
        if voice.way == "out":
            trial.forgiven |= {
                ((voice.room.number, HISTORY), text) for text in voice.sent if text not in before
            }
    trial.met("forgotten", len(trial.forgiven))
    for part in ("", "-wal", "-shm"):
        file.with_name(file.name + part).unlink(missing_ok=True)
    shutil.copy(copy, file)
    await ground.subject.start()


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as here, closing(sqlite3.connect(target)) as there:
        here.backup(there)


async def not_to_be_asked(trial: Trial) -> None:
    """Claims and queries fail just when a start has ended all sessions and each is shared anew."""
    subject, to_synapse = trial.ground.subject, trial.ground.to_synapse
    refusal = do.answered(500)
    with (
        to_synapse.rule(r"/keys/(claim|query)", refusal, trial.random, chance=0.7) as rule,
        trial.load.on_and_on(),
    ):
        await subject.kill()
        await subject.start()
        await asyncio.sleep(lasting(trial.sizes))
    trial.met("requests_met", rule.met)


async def bot_exhausted(trial: Trial) -> None:
    """A stranger claims all of the bot's one-time keys; then somebody's new device speaks."""
    ground = trial.ground
    claims = Claims()
    await _claim_all(trial, await _bot(trial), claims, rounds=12)
    trial.met("fallback_keys_claimed", claims.fallback)  # they are given only where no one-time key is left
    client = await _new_device(trial)
    for room in ground.rooms[::2]:
        text = f"new-device-{secrets.token_hex(4)}-{room.number}"
        await client.send_text(room.room_id, text)
        await _in_history(trial, room.number, text)


async def reader_exhausted(trial: Trial) -> None:
    """A stranger claims each one-time key of a reader as it comes, while all sessions are shared anew."""
    subject, anna = trial.ground.subject, trial.ground.rooms[0].clients["anna"]
    claims = Claims()
    reader = {anna.user_id: anna.device_id}
    claiming = asyncio.create_task(_claim_all(trial, reader, claims, rounds=10_000))
    with trial.load.on_and_on():
        await subject.kill()
        await subject.start()
        await asyncio.sleep(lasting(trial.sizes))
    claiming.cancel()
    with suppress(asyncio.CancelledError):
        await claiming
    trial.met("keys_claimed", claims.one_time)
    trial.met("claims_in_vain", claims.in_vain)


async def devices_come_and_go(trial: Trial) -> None:
    """Again and again a reader signs in on one more device and out again; the last one stays, and must read on."""
    ground = trial.ground
    with trial.load.on_and_on():
        for _ in range(1 if trial.sizes.quick else 4):
            await ground.subject.kill()
            starting = asyncio.create_task(ground.subject.start())  # all sessions are shared anew
            passing = await _new_device(trial)
            await starting
            await trial.load.more(5)
            await passing.log_out()
        staying = await _new_device(trial)
        await asyncio.sleep(1)
        before = trial.load.texts()
        await trial.load.one_more_each()
    await _reads(trial.load, staying, before)


async def _reads(load: Load, client: Client, before: set[str]) -> None:
    for voice in load.voices:
        wanted = set(voice.sent) - before if voice.way == "out" and client.user_id else set()
        if voice.room.room_id in client.rooms():
            for text in wanted:
                await client.sync_until(
                    lambda room=voice.room.room_id, text=text: any(  # type: ignore[misc]
                        entry.body.endswith(text) for entry in client.timeline(room)
                    ),
                    READABLE_WITHIN,
                )


async def _new_device(trial: Trial) -> Client:
    """Another one of the vendor's."""
    return await trial.ground.people.nio(trial.ground.chef)


async def _bot(trial: Trial) -> dict[str, str]:
    """User and device of whoever speaks for account holders."""
    ground = trial.ground
    chef = ground.rooms[0].clients["chef"]
    senders = {entry.sender: entry.content for entry in chef.timeline(ground.rooms[0].room_id)}
    ours = {host.user_id for host in ground.rooms[0].clients.values()}
    bot = next(sender for sender in senders if sender not in ours)
    device = await _devices(trial, bot)
    return {bot: device}


async def _devices(trial: Trial, user_id: str) -> str:
    answer = await _ask(trial, "keys/query", {"device_keys": {user_id: []}})
    return str(next(iter(answer["device_keys"][user_id])))


@dataclass(slots=True)
class Claims:
    """How the claims of a stranger ended."""

    one_time: int = 0
    fallback: int = 0
    in_vain: int = 0

    def count(self, answer: dict[str, Any]) -> None:
        keys = [key for devices in answer["one_time_keys"].values() for key in devices.values()]
        given = [key for by_id in keys for key in by_id.values()]
        if not given:
            self.in_vain += 1
        elif given[0].get("fallback"):
            self.fallback += 1
        else:
            self.one_time += 1


async def _claim_all(trial: Trial, devices: dict[str, str], claims: Claims, *, rounds: int) -> None:
    wanted = {user: {device: "signed_curve25519"} for user, device in devices.items()}
    body = {"one_time_keys": wanted}
    for _ in range(rounds):
        claims.count(await _ask(trial, "keys/claim", body))  # the first makes the stranger's account
        asked = (_ask(trial, "keys/claim", body) for _ in range(CLAIMS_AT_ONCE))
        for answer in await asyncio.gather(*asked):
            claims.count(answer)
        await asyncio.sleep(CLAIM_AGAIN_AFTER)


async def _ask(trial: Trial, path: str, body: object) -> dict[str, Any]:
    """As somebody who has nothing to do with us."""
    ground = trial.ground
    if ground.stranger is None:
        ground.stranger = await ground.synapse.register_user("stranger", secrets.token_hex())
    headers = {"Authorization": f"Bearer {ground.stranger.access_token}"}
    url = f"{ground.synapse.url}/_matrix/client/v3/{path}"
    async with aiohttp.ClientSession() as session, session.post(url, json=body, headers=headers) as response:
        answer: dict[str, Any] = await response.json()
        return answer


async def _in_history(trial: Trial, number: int, text: str) -> None:
    subject, cursor = trial.ground.subject, None
    conversation = trial.ground.rooms[number].conversation
    async with asyncio.timeout(READABLE_WITHIN):
        while True:
            kept, cursor = await subject.history(conversation, cursor)
            if any(message.text == text for message in kept):
                return
            await asyncio.sleep(0.1)


SCENARIOS = (
    Scenario(
        name="new sessions while away",
        does="the bridge is dead while six new Megolm sessions begin; their keys wait at the homeserver",
        parts=("keys", "bridge"),
        inject=new_sessions,
        quick="postgres",
    ),
    Scenario(
        name="keys corrupted",
        does="every stored Olm and Megolm session is overwritten with garbage, between two starts",
        parts=("keys", "database"),
        inject=corrupted,
    ),
    Scenario(
        name="keys deleted",
        does="all sessions, shares and known devices are deleted, between two starts",
        parts=("keys", "database"),
        inject=deleted,
    ),
    Scenario(
        name="database restored",
        does="the bridge goes on with a copy of its database from before a few hundred messages",
        parts=("keys", "database"),
        inject=restored,
        kinds=("sqlite",),
        alone=True,
    ),
    Scenario(
        name="keys not to be asked for",
        does="most claims and device queries fail while all sessions are shared anew",
        parts=("keys", "homeserver"),
        inject=not_to_be_asked,
    ),
    Scenario(
        name="bot's one-time keys exhausted",
        does="a stranger has claimed them all when a new device begins to speak",
        parts=("keys",),
        inject=bot_exhausted,
    ),
    Scenario(
        name="reader's one-time keys exhausted",
        does="a stranger claims a reader's one-time keys as fast as they come, while all sessions are shared anew",
        parts=("keys",),
        inject=reader_exhausted,
    ),
    Scenario(
        name="devices come and go",
        does="a vendor signs in and out on further devices while sessions are shared; the last one must read on",
        parts=("keys",),
        inject=devices_come_and_go,
    ),
)
