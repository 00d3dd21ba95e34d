"""Durations as Go writes them, read and written: ``30m``, ``1h30m``. Pure."""

import re
from datetime import timedelta

_DURATION = re.compile(r"(?:(\d{1,3})h)?(?:(\d{1,5})m)?(?:(\d{1,6})s)?")


def parse_duration(text: str) -> timedelta:
    """``text`` as a span of time. Raises ValueError when it is none."""
    match = _DURATION.fullmatch(text)
    if not match or not text:
        raise ValueError(f"{text!r} is not a duration such as 30m or 1h30m")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def format_duration(seconds: float) -> str:
    """Seconds as Go prints a time.Duration of whole milliseconds: ``1h2m3.5s``; the unit ``ms`` is not used."""
    minutes, rest = divmod(round(seconds, 3), 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{round(rest, 3):g}s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text
