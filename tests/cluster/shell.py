"""Running short commands; a failure becomes a ClusterError that shows the command and what it said."""

import subprocess
from pathlib import Path

from tests.cluster.errors import ClusterError


def run(*command: str | Path, stdin: str | None = None, env: dict[str, str] | None = None) -> str:
    """Standard output of a command that must succeed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, input=stdin, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        said = f"{done.stdout}{done.stderr}".strip()[-2000:]
        raise ClusterError(f"{' '.join(words)}: exit {done.returncode}: {said}")
    return done.stdout


def succeeds(*command: str | Path) -> bool:
    """Whether a command succeeds, whatever it says."""
    return subprocess.run([str(word) for word in command], capture_output=True, check=False).returncode == 0
