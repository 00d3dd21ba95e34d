"""A day as 24 lines of six numbers, in colour on a terminal, plain when piped. It knows nothing of what is counted."""

import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from rich.console import Console
from rich.text import Text

_COLUMNS: Final = 6
_CELL: Final = 6
_HEAT: Final = tuple(f"white on color({each})" for each in (22, 28, 130, 166, 124))


def print_heatmap(counts: Sequence[int], *, start: datetime) -> None:
    """Print counts of ten minutes each, an hour a line; ``start`` is the beginning of the first hour."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 80)
    most = max(counts, default=0)
    lines = [Text(" " * 10 + "".join(f":{minute:02}".center(_CELL) for minute in range(0, 60, 10)), style="bold")]
    for hour in range(len(counts) // _COLUMNS):
        line = Text(f"{start + timedelta(hours=hour):%a %H:%M} ")
        for count in counts[hour * _COLUMNS : (hour + 1) * _COLUMNS]:
            line.append((str(count) if count else "·").center(_CELL), style=_style(count, most))
        lines.append(line)
    with console.capture() as captured:
        for line in lines:
            console.print(line)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _style(count: int, most: int) -> str:
    return _HEAT[(count * len(_HEAT) - 1) // most] if count else "dim"
