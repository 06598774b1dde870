"""From samples to medians and ratios, as JSON and as a table."""

import os
import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from statistics import median, quantiles
from typing import Any

PACKAGES = ("matrix-synapse", "aiohttp", "asyncpg", "vodozemac", "matrix-nio")
RATES = {
    "sends_per_s_many": "sends per s, all rooms at once",
    "sends_per_s_one": "sends per s, one room",
    "rooms_per_s": "rooms made per s",
    "conversations_per_s": "conversations complete per s",
    "acknowledged_per_s": "transactions acknowledged per s, under load",
}
DELAYS = {
    "seen": "message until a client has it (bare: its ciphertext)",
    "read": "message until a client has decrypted it",
    "ack_idle": "acknowledgement, one by one",
    "ack_loaded": "acknowledgement, under load",
}
CPU = {
    "cpu_ms_out": "CPU of the bridge per message out, ms",
    "cpu_ms_in": "CPU of the bridge per message in, ms",
    "cpu_ms_per_s_idle": "CPU of the bridge per idle second, ms",
}


@dataclass(slots=True)
class Side:
    """The bare homeserver's samples or the bridge's: figure -> one value per round; delay -> all seconds."""

    figures: dict[str, list[float]] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def add(self, figures: dict[str, float], seconds: dict[str, list[float]]) -> None:
        for name, value in figures.items():
            self.figures.setdefault(name, []).append(value)
        for name, values in seconds.items():
            self.seconds.setdefault(name, []).extend(values)


def machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "versions": {name: version(name) for name in PACKAGES},
    }


def result(raw: Side, through: Side) -> dict[str, Any]:
    """Each figure of both sides, and the bridge's as a ratio to the bare homeserver's: medians over the rounds."""
    rates = {
        name: {
            "raw": _rounded(median(raw.figures[name])),
            "bridge": _rounded(median(through.figures[name])),
            "ratio": _rounded(
                median(
                    ours / bare for ours, bare in zip(through.figures[name], raw.figures[name], strict=True)
                )
            ),
        }
        for name in RATES
    }
    delays = {
        name: {
            point: {
                "raw_ms": _rounded(at_percent(raw.seconds[name], point) * 1000),
                "bridge_ms": _rounded(at_percent(through.seconds[name], point) * 1000),
                "ratio": _rounded(
                    at_percent(through.seconds[name], point) / at_percent(raw.seconds[name], point)
                ),
            }
            for point in (50, 95, 99)
        }
        for name in DELAYS
    }
    cpu = {name: _rounded(median(through.figures[name])) for name in CPU}
    rounds = {"raw": raw.figures, "bridge": through.figures}
    return {"rates": rates, "delays": delays, "cpu": cpu, "rounds": rounds}


def table(databases: dict[str, Any]) -> str:
    """Markdown."""
    lines = ["| | database | bare | bridge | ratio |", "|---|---|--:|--:|--:|"]
    for name, words in RATES.items():
        for database, found in databases.items():
            row = found["rates"][name]
            lines.append(
                f"| {words} | {database} | {row['raw']:g} | {row['bridge']:g} | {row['ratio']:.2f} |"
            )
    for name, words in DELAYS.items():
        for database, found in databases.items():
            points = found["delays"][name].values()
            bare, ours, ratio = (
                " / ".join(f"{point[key]:{how}}" for point in points)
                for key, how in (("raw_ms", "g"), ("bridge_ms", "g"), ("ratio", ".1f"))
            )
            lines.append(f"| {words}, p50 / p95 / p99 ms | {database} | {bare} | {ours} | {ratio} |")
    for name, words in CPU.items():
        for database, found in databases.items():
            lines.append(f"| {words} | {database} | | {found['cpu'][name]:g} | |")
    return "\n".join(lines)


def in_ms(seconds: list[float], *percents: int) -> str:
    """Such as "54.6 / 70.1"."""
    return " / ".join(f"{_rounded(at_percent(seconds, percent) * 1000):g}" for percent in percents)


def at_percent(values: list[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
