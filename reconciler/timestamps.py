"""Times as Kubernetes writes them: RFC 3339, in UTC, with whole seconds. Pure."""

from datetime import UTC, datetime


def parse_time(text: str) -> datetime:
    """An RFC 3339 time as Kubernetes writes it, as an aware datetime in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


def format_time(moment: datetime) -> str:
    """A time as Kubernetes writes it: UTC, whole seconds, ``Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
