"""Times as Kubernetes writes them: RFC 3339, in UTC, with whole seconds. Pure."""

from datetime import UTC, datetime


def parse_time(text: str) -> datetime:
    """An RFC 3339 time as Kubernetes writes it, as an aware datetime in UTC. Raises ValueError where it is none."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError as error:  # the first or the last day of all, and an offset that leads beyond
        raise ValueError(f"{text!r} is beyond the years 1 to 9999 in UTC") from error


def read_time(text: str) -> datetime | None:
    """The same, or None where it is none: for what anybody may have written."""
    try:
        return parse_time(text)
    except ValueError:
        return None


def format_time(moment: datetime) -> str:
    """A time as Kubernetes writes it: UTC, whole seconds, ``Z``; strftime would write the year 1 as one digit."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"
