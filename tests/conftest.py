"""Fixtures for everybody, no way out to the network, and what runs beside what."""

import gc
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from pytest_socket import socket_allow_hosts
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.databases import (
    IN_MEMORY,
    database,
    database_kind,
    database_url,
    postgres_server,
    postgres_template,
    pytest_generate_tests,
    shared_postgres,
)

__all__ = [
    "database",
    "database_kind",
    "database_url",
    "postgres_server",
    "postgres_template",
    "pytest_generate_tests",
    "shared_postgres",
]

# How long an example takes says something about the machine, not about what is tested.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")

TESTS = Path(__file__).parent
TALK_TO_SERVERS = {"e2e", "faults"}
ROOM = 4 * 2**30
"""Bytes: several times what a whole run leaves there."""
LONG = (
    "bridge/api/test_schemathesis.py",
    "simulation/test_stories.py",
    "simulation/test_wedding.py",
    "bridge/storage/test_frozen_server.py",
    "bridge/sockets/test_resume.py",
    "bridge/api/test_property_access.py",
    "bridge/api/test_matrix.py",
    "bridge/sockets/test_own_views.py",
    "bridge/api/test_paging.py",
    "bridge/commands/test_rotate_master_key.py",
)
"""Beside the servers' tests, these come first: a long one begun last would be waited for alone."""


def pytest_configure() -> None:
    """What a test and its servers write is gone with it: so nothing waits for a disk, where there is memory enough."""
    if IN_MEMORY is not None and shutil.disk_usage(IN_MEMORY).free >= ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", IN_MEMORY)


class OneServersTestAtATime(LoadScopeScheduling):  # type: ignore[misc]
    """For `pytest -n 2`: what runs servers goes one after the other in one process; the other has files of the rest."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "servers" if Path(file).parts[1] in TALK_TO_SERVERS else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    config.option.loadscopereorder = False  # ours is the better order
    return OneServersTestAtATime(config, log)


def pytest_collection_finish() -> None:
    """Thousands of tests and all modules stay to the end: to look for garbage among them took 8 % of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, *gc.get_threshold()[1:])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    file = item.path.relative_to(TESTS).as_posix()
    if _folder(item) in TALK_TO_SERVERS:
        return 0
    return 1 + LONG.index(file) if file in LONG else len(LONG) + 1


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).parts[0]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if _folder(item) not in TALK_TO_SERVERS:
        socket_allow_hosts(["127.0.0.1"], allow_unix_socket=True)
