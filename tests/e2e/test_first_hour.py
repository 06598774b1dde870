"""README's four steps, with the bridge as a process on a real Synapse."""

import re
import shlex
import stat
from pathlib import Path

import aiohttp

from appservice.embedded.settings import LOOPBACK
from appservice.embedded.synapse import Synapse, free_port
from bridge.config import load
from bridge.core.start import Reason
from bridge.demo.platform import Platform
from bridge.demo.stand import TENANT
from tests.bridge.commands.process import ROOT, ended, festimo, listens_at
from tests.clients.people import People
from tests.e2e.test_first_path import party, person


def steps_of_the_readme() -> dict[int, str]:
    section = (ROOT / "README.md").read_text().split("## Run it for real")[1].split("\n## ")[0]
    return {
        int(number): text for number, text in re.findall(r"^(\d)\. (.+(?:\n   .+)*)$", section, re.MULTILINE)
    }


def command_in(step: str) -> list[str]:
    """What to type after `festimo`."""
    command = re.match(r"`festimo ([^`]+)`", step)
    assert command is not None, step
    return shlex.split(command[1])


async def test_the_four_steps_of_the_readme_make_a_room(tmp_path: Path) -> None:
    steps = steps_of_the_readme()
    assert sorted(steps) == [1, 2, 3, 4]
    home = tmp_path / "home"
    home.mkdir()
    async with Synapse(tmp_path / "synapse") as homeserver:
        # 1. its answer is used as it was printed
        init = [word.replace("example.org", homeserver.server_name) for word in command_in(steps[1])]
        listen = f"{LOOPBACK}:{free_port()}"
        made = await ended(home, *init, "--homeserver-url", homeserver.url, "--listen", listen)
        assert (made.code, made.err) == (0, "")
        for file in (home / "config.yaml", home / "registration.yaml"):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
        # 2.
        (line,) = (line for line in made.out.splitlines() if line.startswith("app_service_config_files:"))
        assert "`app_service_config_files: [...]`" in steps[2]
        settings = homeserver.folder / "homeserver.yaml"
        kept = [line for line in settings.read_text().splitlines() if "app_service_config_files" not in line]
        settings.write_text("\n".join([*kept, line, ""]))
        # 3.
        assert "Restart Synapse" in steps[3]
        await homeserver.restart()
        # 4.
        config = load(home / "config.yaml")
        async with (
            festimo(home, *command_in(steps[4])) as bridge,
            aiohttp.ClientSession() as session,
            People(homeserver, tmp_path) as people,
        ):
            await bridge.until_ready(config)
            chef = await people.person("Chef")
            vendor = await people.nio(chef)
            secret = config.platform.tenants[0].webhook_secrets[0].get_secret_value()
            platform = Platform(listens_at(config), secret, session)
            await platform.send(
                "vendor.selected",
                {"party": party(person("anna", "Anna")), "vendor": person("chef", "Sweet Bites", chef)},
            )
            await vendor.sync_until(lambda: bool(vendor.invites()))
            room = vendor.invites()[0]
            await vendor.join(room)
            assert vendor.is_encrypted(room)
            assert config.platform.tenants[0].id == TENANT
            stopped = await bridge.stop()
        assert (stopped.code, stopped.out, stopped.told) == (0, "", [])
        # Once more by mistake: nothing is lost.
        before = {file.name: file.read_bytes() for file in home.glob("*.yaml")}
        again = await ended(home, *init)
        assert (again.code, again.out) == (Reason.FILES_EXIST, "")
        assert {file.name: file.read_bytes() for file in home.glob("*.yaml")} == before
