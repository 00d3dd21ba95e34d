"""Tables for people: aligned columns, in colour on a terminal, plain when piped. It knows nothing of their content."""

import shutil
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reconciler.foreign import one_line

_UNLIMITED: Final = 2**24  # more than any object of the API server holds
_STYLES: Final = {
    "True": "green",
    "False": "bold red",
    "Start": "bold",
    "Finish": "bold",
    "Invalid": "bold red",
}
_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under headings. A terminal's last column takes what is left and wraps; a pipe's lines are whole."""
    terminal = sys.stdout.isatty()
    console = Console(width=shutil.get_terminal_size().columns if terminal else _UNLIMITED, highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for index, heading in enumerate(headings):
        table.add_column(heading, no_wrap=index < len(headings) - 1, overflow="fold")
    for row in rows:
        table.add_row(*(Text(one_line(cell), style=_STYLES.get(cell, "")) for cell in row))
    with console.capture() as captured:
        console.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def distance(moment: datetime, now: datetime) -> str:
    """How far away in the largest unit that fits: ``in 4m`` or ``4m ago``."""
    seconds = int((now - moment).total_seconds())
    unit, size = next(((unit, size) for unit, size in _UNITS if abs(seconds) >= size), _UNITS[-1])
    text = f"{abs(seconds) // size}{unit}"
    return f"in {text}" if seconds < 0 else f"{text} ago"
