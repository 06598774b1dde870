"""The private homeserver of demo and tests: starts fast, says why it does not, leaves nothing running."""

import asyncio
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest

from appservice.embedded.settings import LOOPBACK
from appservice.embedded.synapse import Synapse, SynapseError, free_port

READY_WITHIN = 10.0  # seconds


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


async def test_it_is_ready_within_ten_seconds_and_frees_its_port(tmp_path: Path) -> None:
    began = time.monotonic()
    async with Synapse(tmp_path) as synapse:
        ready = time.monotonic() - began
        running = synapse.pid
        assert listens(synapse.port)

    assert ready < READY_WITHIN
    assert running is not None
    assert synapse.pid is None
    assert not listens(synapse.port)


async def test_a_failing_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(SynapseError, match="Error in configuration at 'listeners'"):
        async with Synapse(tmp_path, settings={"listeners": "none"}):
            pass


async def test_a_taken_port_is_said(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = int(taken.getsockname()[1])
        with pytest.raises(SynapseError, match=f"Port {port} .* in use"):
            async with Synapse(tmp_path, port=port):
                pass


async def test_what_it_acknowledged_survives_sigkill(tmp_path: Path) -> None:
    async with Synapse(tmp_path) as synapse:
        before = await synapse.register_user("hanna", "secret", "Hanna")
        await synapse.kill()
        assert not listens(synapse.port)
        await synapse.restart()

        headers = {"Authorization": f"Bearer {before.access_token}"}
        async with (
            aiohttp.ClientSession(synapse.url, headers=headers) as session,
            session.get("/_matrix/client/v3/account/whoami") as response,
        ):
            assert (await response.json())["user_id"] == before.user_id


async def test_an_account_of_an_earlier_run_is_found_again(tmp_path: Path) -> None:
    async with Synapse(tmp_path) as synapse:
        before = await synapse.register_user("hanna", "secret", "Hanna")
    async with Synapse(tmp_path) as synapse:
        after = await synapse.register_user("hanna", "secret", "Hanna")

    assert (after.user_id, after.device_id) == (before.user_id, before.device_id)


async def test_a_refused_login_is_an_error(synapse: Synapse) -> None:
    with pytest.raises(SynapseError, match="M_FORBIDDEN"):
        await synapse.login("nobody", "wrong")


async def test_its_secrets_are_readable_by_its_owner_only(tmp_path: Path) -> None:
    async with Synapse(tmp_path / "data") as synapse:
        modes = {
            name: (synapse.folder / name).stat().st_mode & 0o777
            for name in ("homeserver.yaml", "signing.key")
        }
    assert modes == {"homeserver.yaml": 0o600, "signing.key": 0o600}


PARENT = """
import asyncio, sys
from pathlib import Path
from appservice.embedded.synapse import Synapse

async def main():
    async with Synapse(Path(sys.argv[1]), port=int(sys.argv[2])):
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="2026-11-21: needs prctl(PR_SET_PDEATHSIG) of Linux")
async def test_it_does_not_survive_its_parent(tmp_path: Path) -> None:
    port = free_port()
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path), str(port), stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    assert await parent.stdout.readline() == b"ready\n"
    assert listens(port)

    parent.send_signal(signal.SIGKILL)
    await parent.wait()

    async with asyncio.timeout(READY_WITHIN):
        while listens(port):  # noqa: ASYNC110 - another process's end sets no event
            await asyncio.sleep(0.05)
