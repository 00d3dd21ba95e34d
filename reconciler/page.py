"""The state of things as one HTML page that needs nothing else: no script, font or request. Values become text only.

What it shows comes from protection.py and forecast.py; here is only how. The same values make the same page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reconciler.duration import format_duration
from reconciler.forecast import STEP
from reconciler.foreign import one_line
from reconciler.protection import Overview, Replication, State
from reconciler.tables import distance

_MOST: Final = 12
"""So many bars a chart has: enough to find what is unusual."""

_TROUBLE: Final = (State.INVALID, State.FAILING, State.LATE)


@dataclass(frozen=True, slots=True)
class Bar:
    """One value of a chart; ``share`` is its part of the largest, from 0 to 1."""

    label: str
    text: str
    share: float


def html(seen: Overview, load: Sequence[int], *, start: datetime, now: datetime) -> str:
    """The page. ``load`` are runs at once for every ten minutes from ``start``."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        ago=lambda moment: distance(moment, now),
        clock=lambda moment: f"{moment:%Y-%m-%d %H:%M} UTC",
        one_line=one_line,
        size=size,
    )
    return environment.get_template("page.html.j2").render(
        seen=seen,
        now=now,
        trouble=seen.of(*_TROUBLE),
        late=seen.of(State.LATE),
        failing=seen.of(State.INVALID, State.FAILING),
        backups=[each for each in seen.replications if each.is_backup or each.action is None],
        others=[each for each in seen.replications if not each.is_backup and each.action is not None],
        columns=_columns(load, start),
        hours=[start + timedelta(hours=hour) for hour in range(0, 24, 4)],
        most=max(load, default=0),
        durations=_durations(seen.replications),
        additions=_additions(seen.replications),
    )


def size(count: int) -> str:
    """Bytes in the largest binary unit that fits, with three digits."""
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if value < 1000:
            break
        value, unit = value / 1024, larger
    return f"{value:.3g} {unit}"


def _columns(load: Sequence[int], start: datetime) -> list[Bar]:
    most = max(load, default=0) or 1
    return [Bar(f"{start + STEP * number:%H:%M}", str(count), count / most) for number, count in enumerate(load)]


def _durations(rows: Sequence[Replication]) -> list[Bar]:
    found = sorted(((row.seconds, _name(row)) for row in rows if row.seconds is not None), reverse=True)[:_MOST]
    return [Bar(name, format_duration(round(seconds)), seconds / (found[0][0] or 1)) for seconds, name in found]


def _additions(rows: Sequence[Replication]) -> list[Bar]:
    found = sorted(((row.added, _name(row)) for row in rows if row.added is not None), reverse=True)[:_MOST]
    return [Bar(name, size(added), added / (found[0][0] or 1)) for added, name in found]


def _name(row: Replication) -> str:
    return f"{row.namespace}/{row.name}"
