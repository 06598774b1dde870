"""Between bridge and homeserver, and between platform and bridge: slow, refusing, cut, lying about what was done."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

from tests.faults.suite import misbehaviour as do
from tests.faults.suite.proxy import Act, HttpProxy
from tests.faults.suite.trial import Scenario, Sizes, Trial

ANY = r"^(?!GET .*/sync)"
"""A /sync is met by the cuts; half of it, by what is truncated."""
WITH_SYNC = r"."
PLATFORM = r"^(POST|GET) /api/"


def lasting(sizes: Sizes) -> float:
    """Seconds."""
    return 4.0 if sizes.quick else 10.0


def homeserver(pattern: str, *acts: Act, chance: float) -> Callable[[Trial], Awaitable[None]]:
    return _misbehaving(lambda trial: trial.ground.to_synapse, pattern, acts, chance)


def bridge(pattern: str, *acts: Act, chance: float) -> Callable[[Trial], Awaitable[None]]:
    return _misbehaving(lambda trial: trial.ground.to_bridge, pattern, acts, chance)


def _misbehaving(
    proxy: Callable[[Trial], HttpProxy], pattern: str, acts: tuple[Act, ...], chance: float
) -> Callable[[Trial], Awaitable[None]]:
    async def inject(trial: Trial) -> None:
        """Each of the acts meets its share of the requests."""
        with ExitStack() as stack:
            rules = [
                stack.enter_context(proxy(trial).rule(pattern, act, trial.random, chance=chance / len(acts)))
                for act in acts
            ]
            with trial.load.on_and_on():
                await asyncio.sleep(lasting(trial.sizes))
        trial.met("requests_met", sum(rule.met for rule in rules), at_least=len(acts))

    return inject


async def refusing(trial: Trial) -> None:
    """Connection refused, as when the server's host is up and the server is not."""
    await trial.ground.to_synapse.refuse()
    await asyncio.sleep(trial.sizes.frozen / 4)
    await trial.ground.to_synapse.accept()


async def unreachable(trial: Trial) -> None:
    await trial.ground.to_bridge.refuse()
    await asyncio.sleep(lasting(trial.sizes))
    await trial.ground.to_bridge.accept()


LIMITED = do.answered(
    429, b'{"errcode": "M_LIMIT_EXCEEDED", "error": "slower", "retry_after_ms": 1000}', Retry_After="1"
)

SCENARIOS = (
    Scenario(
        name="homeserver slow",
        does="every answer to the bridge comes 2 s late",
        parts=("homeserver", "network"),
        inject=homeserver(ANY, do.late(2.0), chance=1.0),
    ),
    Scenario(
        name="homeserver refusing",
        does="the bridge's connections to the homeserver are cut, new ones refused",
        parts=("homeserver", "network"),
        inject=refusing,
    ),
    Scenario(
        name="answers lost",
        does="of every third request of the bridge the homeserver does what is asked, and the answer is cut off",
        parts=("network",),
        inject=homeserver(WITH_SYNC, do.answer_lost, chance=0.33),
        quick="sqlite",
    ),
    Scenario(
        name="connections reset",
        does="every third request of the bridge meets RST before, or FIN in the midst of, the answer",
        parts=("network",),
        inject=homeserver(WITH_SYNC, do.reset, do.half_closed, chance=0.33),
    ),
    Scenario(
        name="requests twice",
        does="every second request of the bridge reaches the homeserver twice",
        parts=("network",),
        inject=homeserver(ANY, do.twice, chance=0.5),
    ),
    Scenario(
        name="homeserver limits",
        does="every third request is answered 429 with Retry-After: 1",
        parts=("homeserver",),
        inject=homeserver(WITH_SYNC, LIMITED, chance=0.33),
    ),
    Scenario(
        name="homeserver errors",
        does="every third request is answered 500, 502 or 504, of a proxy or of Synapse",
        parts=("homeserver", "network"),
        inject=homeserver(
            WITH_SYNC, do.answered(500), do.answered(502, b"<html>"), do.answered(504, b""), chance=0.33
        ),
    ),
    Scenario(
        name="answers truncated",
        does="of every third answer to the bridge half is missing, under the status 200",
        parts=("network",),
        inject=homeserver(WITH_SYNC, do.truncated, chance=0.33),
    ),
    Scenario(
        name="bridge unreachable",
        does="homeserver and platform get no connection to the bridge, which works",
        parts=("network",),
        inject=unreachable,
    ),
    Scenario(
        name="platform in the dark",
        does="of every second API call and event the answer is lost, or it comes twice",
        parts=("network",),
        inject=bridge(PLATFORM, do.answer_lost, do.twice, chance=0.5),
        quick="sqlite",
    ),
)
