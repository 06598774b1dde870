"""A part of `make faults`: nothing lost, nothing twice, nothing out of order, nothing unreadable.

How soon all flows again is judged by `make faults`, on a quiet machine. Here it is told, and must only have an end.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from appservice.embedded.settings import LOOPBACK
from appservice.embedded.synapse import free_port
from appservice.repair import EVERY
from tests.faults.suite import report as reports
from tests.faults.suite.__main__ import OUTPUT, SEED, choose
from tests.faults.suite.festimo import Festimo
from tests.faults.suite.oracle import Verdict
from tests.faults.suite.proxy import TcpProxy
from tests.faults.suite.run import Run
from tests.faults.suite.trial import (
    LOST_AFTER,
    PATIENCE,
    QUICK,
    RECOVERY_LIMIT,
    Result,
    Scenario,
    Trial,
    late_of,
)

SHORT = replace(QUICK, messages=56)
"""Four of each voice: enough to be under way when the fault comes."""


async def never_met(trial: Trial) -> None:
    trial.met("requests_met", 0)


WITHOUT_FAULT = Scenario(name="without its fault", does="nothing", parts=(), inject=never_met)
HINDERED = replace(WITHOUT_FAULT, name="hindered", hindrance=lambda ground: "no right to do that")


@pytest.mark.timeout(900)  # 3 minutes on two quiet cores
async def test_whatever_fails_meanwhile_all_that_was_said_arrives_once(
    tmp_path: Path, report: Callable[[str], None]
) -> None:
    quick = choose(quick=True)
    run = Run(
        folder=tmp_path,
        make=Festimo,
        chosen=[*quick, (HINDERED, "sqlite"), (WITHOUT_FAULT, "sqlite")],
        sizes=SHORT,
        base_seed=SEED,
        tell=lambda _: None,
    )
    everything = [outcome async for outcome in run.outcomes()]
    names = {scenario.name for scenario, _ in quick}
    outcomes = [outcome for outcome in everything if outcome.scenario in names]
    reports.write(OUTPUT, outcomes, subject="festimo", quick=True, seed=SEED)
    report(reports.table(outcomes))
    assert [reports.line(outcome) for outcome in outcomes if not outcome.unharmed] == []
    assert len(outcomes) == len(quick) >= 9
    hindered, without_fault = [outcome for outcome in everything if outcome.scenario not in names]
    assert reports.failed([without_fault, hindered]) == [without_fault]
    assert "requests_met: 0" in reports.line(without_fault)
    assert reports.line(hindered).strip() == "not played: no right to do that"
    assert reports.table([hindered]).splitlines()[1].startswith("not played  hindered")


def result(*, lost: int = 0, recovery: float = 1.0) -> Result:
    found = Verdict(
        sent=10,
        delivered=10 - lost,
        lost=lost,
        duplicated=0,
        out_of_order=0,
        undecryptable_now=3,
        undecryptable_finally=0,
        repaired=3,
    )
    return Result("any", "sqlite", "", (), 1, found, recovery, 20.0, {"slowest": ""}, calm_seconds=2.0)


def test_one_lost_message_or_a_slow_recovery_is_a_failure() -> None:
    assert result().passed
    assert not result(lost=1).passed
    assert not result(recovery=RECOVERY_LIMIT + 2).passed
    assert result(recovery=RECOVERY_LIMIT + 1.9).passed, "the machine itself needed 2 s"


def test_a_slow_recovery_is_no_harm_and_one_lost_message_is() -> None:
    assert result(recovery=PATIENCE).unharmed
    assert not result(lost=1).unharmed


def test_what_comes_after_all_is_late_and_not_lost() -> None:
    anna = (0, "anna")
    due = {(anna, "in time"): 100.0, (anna, "late"): 100.0, (anna, "lost"): 100.0}
    assert late_of({(anna, "in time"): 99.0, (anna, "late"): 180.0}, due) == {"late"}
    late = replace(result(recovery=LOST_AFTER - 1), late=1)
    assert late.unharmed
    assert not late.passed
    assert "lost 0, late 1," in reports.line(late)
    assert reports.table([late]).splitlines()[1].startswith("FAILED  any")
    assert max(PATIENCE, EVERY) < LOST_AFTER, "gap repair has looked before anything is called lost"


async def test_a_client_that_is_killed_in_mid_sentence_is_gone_for_the_server_as_well() -> None:
    """Else its session would keep its locks."""
    heard, gone = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readexactly(4)
            heard.set()
            await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.close()
            gone.set()

    upstream = free_port()
    async with (
        await asyncio.start_server(serve, LOOPBACK, upstream),
        TcpProxy(free_port(), upstream) as proxy,
    ):
        _, writer = await asyncio.open_connection(LOOPBACK, proxy.port)
        writer.write(b"half")
        async with asyncio.timeout(5):
            await heard.wait()
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST
            writer.transport.abort()
            await gone.wait()
