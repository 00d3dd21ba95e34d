"""What a command costs as a whole process, and the medians of several runs."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
LAUNCH = Path(__file__).with_name("launch.py")


@dataclass(frozen=True)
class Run:
    """One run: seconds of wall and CPU (user and system) time, peak RSS in MB, and what it printed."""

    wall: float
    cpu: float
    rss: float
    output: str

    @property
    def document(self):
        return json.loads(self.output)


def run(*arguments, environment=None, codes=(0,)):
    """``python ARGUMENTS`` in the checkout, measured; it fails unless the exit code is one of ``codes``."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "usage")
        command = [sys.executable, str(LAUNCH), str(report), sys.executable, *map(str, arguments)]
        variables = {**os.environ, **(environment or {})}
        done = subprocess.run(command, cwd=CHECKOUT, env=variables, capture_output=True, text=True, check=False)
        if done.returncode not in codes:
            raise SystemExit(f"{' '.join(command[3:])} ended with {done.returncode}: {done.stderr[-2000:]}")
        return Run(**json.loads(report.read_text()), output=done.stdout)


def medians(runs):
    """Of wall, CPU and memory, with how far the wall times lie apart."""
    walls = [each.wall for each in runs]
    return {
        "runs": len(runs),
        "wall_s": round(statistics.median(walls), 3),
        "wall_s_range": [round(min(walls), 3), round(max(walls), 3)],
        "cpu_s": round(statistics.median(each.cpu for each in runs), 3),
        "peak_rss_mb": round(statistics.median(each.rss for each in runs), 1),
    }


def ratio(runs, baseline, key="wall"):
    """How many times the median of the baseline the median of the runs is."""
    ours, theirs = (statistics.median(getattr(each, key) for each in group) for group in (runs, baseline))
    return round(ours / theirs, 2)


def say(text):
    """Progress, on stderr; the figures have stdout for themselves."""
    print(text, file=sys.stderr, flush=True)
