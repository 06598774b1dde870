"""What the homeserver delivers comes twice, in another order, spoiled, or not at all."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from random import Random
from typing import Any

from tests.faults.suite import misbehaviour as do
from tests.faults.suite.proxy import Act, Answer, Exchange
from tests.faults.suite.scenarios.network import lasting
from tests.faults.suite.trial import Scenario, Trial

TRANSACTION = r"^PUT /_matrix/app/v1/transactions/"
TAKEN = Answer(200, b"{}", do.JSON)
JUNK: tuple[Any, ...] = (
    None,
    7,
    "text",
    [],
    {},
    {"event_id": 1},
    {"event_id": "$x", "type": [], "content": {}},
)


def delivering(*acts: Act, chance: float) -> Callable[[Trial], Awaitable[None]]:
    async def inject(trial: Trial) -> None:
        to_bridge = trial.ground.to_bridge
        with ExitStack() as stack:
            rules = [
                stack.enter_context(to_bridge.rule(TRANSACTION, act, trial.random, chance=chance / len(acts)))
                for act in acts
            ]
            with trial.load.on_and_on():
                await asyncio.sleep(lasting(trial.sizes))
        trial.met("transactions_met", sum(rule.met for rule in rules), at_least=len(acts))

    return inject


async def orphaned(trial: Trial) -> None:
    """Transactions that Synapse takes for delivered are gone, as are those in flight when it dies."""

    async def swallowed(_: Exchange) -> Answer:
        return TAKEN

    with trial.ground.to_bridge.rule(TRANSACTION, swallowed, trial.random) as rule:
        await trial.load.more(20)
        await trial.ground.synapse.kill()
    await trial.ground.synapse.start()
    trial.met("transactions_met", rule.met)


async def reordered(trial: Trial) -> None:
    """Some come again after many later ones: Synapse does so with what was in flight when it died."""
    kept: list[Exchange] = []

    async def kept_too(exchange: Exchange) -> Answer:
        kept.append(exchange)
        return await exchange.forward()

    with trial.ground.to_bridge.rule(TRANSACTION, kept_too, trial.random, chance=0.5), trial.load.on_and_on():
        await asyncio.sleep(lasting(trial.sizes))
    trial.random.shuffle(kept)
    for exchange in kept:
        await exchange.forward()
    trial.met("transactions_met", len(kept))


def with_junk(random: Random) -> Act:
    def change(body: bytes) -> bytes:
        transaction = json.loads(body)
        for junk in JUNK:
            transaction["events"].insert(random.randint(0, len(transaction["events"])), junk)
        transaction["de.unknown"] = [{}]
        return json.dumps(transaction).encode()

    return do.altered(change)


async def altered(trial: Trial) -> None:
    await delivering(with_junk(trial.random), chance=0.7)(trial)


async def killed_once_answered(trial: Trial) -> None:
    """What a bridge has answered it must have kept: the homeserver will never send it again."""
    subject = trial.ground.subject
    for _ in range(trial.sizes.kills):
        dead = asyncio.Event()

        async def answered(exchange: Exchange, dead: asyncio.Event = dead) -> Answer:
            answer = await exchange.forward()
            if b"m.room.encrypted" in exchange.body and not dead.is_set():
                dead.set()
                await subject.kill()
            return answer

        with (
            trial.ground.to_bridge.rule(TRANSACTION, answered, trial.random),
            trial.load.on_and_on(),
        ):
            await dead.wait()
        await subject.start()


SCENARIOS = (
    Scenario(
        name="bridge killed once it has answered",
        does="SIGKILL as soon as it has answered 200 to a transaction with messages, again and again",
        parts=("bridge", "homeserver"),
        inject=killed_once_answered,
    ),
    Scenario(
        name="transactions twice",
        does="every second transaction reaches the bridge twice, at once or as its answer was lost",
        parts=("homeserver", "network"),
        inject=delivering(do.twice, do.answer_lost, chance=0.5),
        quick="postgres",
    ),
    Scenario(
        name="transactions again, in any order",
        does="half of the transactions come once more, long after, in any order",
        parts=("homeserver",),
        inject=reordered,
        quick="sqlite",
    ),
    Scenario(
        name="transactions altered",
        does="between the events stands what is none, wrongly typed and unknown",
        parts=("homeserver",),
        inject=altered,
    ),
    Scenario(
        name="transactions orphaned",
        does="transactions are taken by nobody, and the homeserver, which thinks them delivered, is killed",
        parts=("homeserver",),
        inject=orphaned,
    ),
)
