"""Times as Kubernetes writes them: RFC 3339, in UTC, with whole seconds. Pure."""

from datetime import UTC, datetime


def parse_time(text: str) -> datetime:
    """An RFC 3339 time as Kubernetes writes it, as an aware datetime in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


def format_time(moment: datetime) -> str:
    """A time as Kubernetes writes it: UTC, whole seconds, ``Z``; strftime would write the year 1 as one digit."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"
