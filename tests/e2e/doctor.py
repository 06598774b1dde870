"""What `festimo doctor` has told, and the bot that it looked at."""

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from appservice.homeserver import Homeserver
from bridge.core.checkup import Outcome
from bridge.core.start import Reason
from bridge.demo.stand import Stand
from tests.bridge.commands.process import Printed, ended
from tests.e2e.first_hour import secrets_in


@dataclass(frozen=True, slots=True)
class Told:
    """What the doctor has told, by check."""

    printed: Printed
    outcomes: dict[str, str]
    whats: dict[str, str]

    @property
    def not_ok(self) -> dict[str, str]:
        return {name: outcome for name, outcome in self.outcomes.items() if outcome != Outcome.OK}


async def doctor(config: Path) -> Told:
    printed = await ended(config.parent, "doctor", "--json", "-c", config)
    assert printed.err == ""
    document = json.loads(printed.out)
    assert document["exit_code"] == printed.code
    assert document["ok"] is (printed.code == 0)
    for check in document["checks"]:
        assert bool(check["fix"]) is (check["outcome"] in (Outcome.WARNING, Outcome.FAILED))
        assert (check["reason"] is not None) is (check["outcome"] == Outcome.FAILED)
    for secret in secrets_in(config) if printed.code != Reason.CONFIG_INVALID else ():
        assert secret not in printed.out
    return Told(
        printed,
        {check["name"]: check["outcome"] for check in document["checks"]},
        {check["name"]: check["what"] for check in document["checks"]},
    )


def homeserver_of(ground: Stand) -> Homeserver:
    return Homeserver(
        ground.config.homeserver.url,
        ground.config.appservice.as_token.get_secret_value(),
        session=ground.session,
    )


def bot_of(ground: Stand) -> str:
    return f"@{ground.config.appservice.bot_localpart}:{ground.config.homeserver.server_name}"


def device_in(folder: Path) -> str:
    with sqlite3.connect(folder / "bridge.db") as database:
        (device,) = database.execute(
            "SELECT device_id FROM own_devices WHERE user_id LIKE '@festimo_bot:%'"
        ).fetchone()
    database.close()
    return str(device)
