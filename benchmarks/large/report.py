"""Medians, and a table."""

from statistics import median
from typing import Any

ROWS = {
    "start_s": "start until ready, s",
    "start_cpu_s": "CPU of the start, s",
    "memory_mb": "resident memory after traffic, MB",
    "memory_mb_most": "most resident memory, MB",
    "cpu_ms_out": "CPU of one message out, ms",
    "cpu_ms_in": "CPU of one message in, ms",
    "cpu_ms_per_s_idle": "CPU of an idle second, ms",
}
BACKLOG = {
    "items": "items that wait",
    "lanes": "in lanes of conversations",
    "memory_mb_before": "resident memory before, MB",
    "memory_mb_most": "most resident memory meanwhile, MB",
    "cpu_share": "cores in use meanwhile",
    "attempts": "attempts meanwhile",
    "health_ms_p50": "`/health/live`, median ms",
    "health_ms_p99": "`/health/live`, p99 ms",
    "post_ms_p50": "a message accepted, median ms",
    "post_ms_p99": "a message accepted, p99 ms",
    "live_without_homeserver_s": "start until it answers, without the homeserver, s",
    "ready_after_homeserver_s": "ready after the homeserver answers, s",
    "memory_mb_after_start": "most resident memory of that start, MB",
}


def summary(found: dict[str, Any], samples: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Of "few" and "many": the medians of the rounds. `ratios`: of each round's many to its few, the median."""
    for name, rounds in samples.items():
        found[name] |= {key: median(one[key] for one in rounds) for key in rounds[0]}
    ratios = {
        key: median(many[key] / few[key] for few, many in zip(samples["few"], samples["many"], strict=True))
        for key in ("cpu_ms_out", "cpu_ms_in")
    }
    return found | {"ratios": ratios, "rounds": samples}


def table(databases: dict[str, Any]) -> str:
    """Markdown."""
    some = next(iter(databases.values()))
    few, many = some["few"]["conversations"], some["many"]["conversations"]
    lines = [f"| conversations | database | {few:,} | {many:,} | ratio |", "|---|---|--:|--:|--:|"]
    for key, words in ROWS.items():
        for database, found in databases.items():
            ratio = f"{found['ratios'][key]:.2f}" if key in found["ratios"] else ""
            lines.append(
                f"| {words} | {database} | {found['few'][key]:.3g} | {found['many'][key]:.3g} | {ratio} |"
            )
    lines += ["", f"| backlog | {' | '.join(databases)} |", f"|---|{'--:|' * len(databases)}"]
    for key, words in BACKLOG.items():
        values = [_shown(found["backlog"][key]) for found in databases.values()]
        lines.append(f"| {words} | {' | '.join(values)} |")
    return "\n".join(lines)


def _shown(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"
