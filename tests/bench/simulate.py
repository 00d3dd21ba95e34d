"""What `quill simulate` costs: a week of hourly and of daily backups, next to a minute of the same files."""

import tempfile
from pathlib import Path

import yaml

from tests.bench.measuring import medians, ratio, run, say
from tests.bench.population import source

RUNS = 3
BEGIN = "2026-01-01T00:00:00Z"
CASES = {"40_hourly": (40, "{minute} * * * *"), "100_daily": (100, "{minute} {hour} * * *")}


def measure():
    with tempfile.TemporaryDirectory() as name:
        return {case: _measured(Path(name, f"{case}.yaml"), *of_it) for case, of_it in CASES.items()}


def _measured(path, count, schedule):
    """A week next to a minute, which is start-up and reading; the two take turns."""
    path.write_text(yaml.safe_dump_all(_source(number, schedule) for number in range(count)))
    weeks, minutes = [], []
    for _ in range(RUNS):
        minutes.append(_run(path, "2026-01-01T00:01:00Z"))
        weeks.append(_run(path, "2026-01-08T00:00:00Z"))
    movers = weeks[-1].document["movers"]
    say(f"simulate: {path.stem} is done")
    took = medians(weeks)["cpu_s"] - medians(minutes)["cpu_s"]
    return {
        "week": medians(weeks),
        "minute": medians(minutes),
        "cpu_to_minute": ratio(weeks, minutes, "cpu"),
        "movers": movers,
        "cpu_ms_per_mover": round(took / movers * 1000, 2),
    }


def _run(path, end):
    return run("-m", "reconciler", "simulate", "-f", path, "--from", BEGIN, "--to", end, "-o", "json")


def _source(number, schedule):
    name, times = f"volume-{number}", {"minute": number * 7 % 60, "hour": number % 24}
    made = source("shop", name, {"schedule": schedule.format(**times)})
    made["spec"]["restic"]["resticConfig"] = name
    return made
