"""Options that several verbs share, and the types of their values. It prints nothing and reads no cluster."""

import argparse
import re
from datetime import UTC, datetime

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|)")
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)  # schedules look years ahead, and no datetime is later than 9999
_UNITS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def add_cluster_arguments(parser: argparse.ArgumentParser) -> None:
    """``--context`` and ``--namespace``."""
    parser.add_argument("--context", metavar="NAME", help="context of the kubeconfig (default: the current one)")
    parser.add_argument(
        "-n", "--namespace", metavar="NAME", help="look at this namespace only (default: at all of them)"
    )


def is_wanted(args: argparse.Namespace, namespace: str) -> bool:
    """Whether ``--namespace`` leaves this one to be looked at."""
    return args.namespace in (None, namespace)


def add_files(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """``-f``: of a verb that works on files alone, or that can do without a cluster."""
    what = "files or folders" if required else "files or folders instead of a cluster"
    given = parser.add_argument("-f", "--files", nargs="+", required=required, metavar="FILE", help=what)
    complete_files(given)


def add_time(parser: argparse.ArgumentParser) -> None:
    """``--at``: of a verb that tells what is so at a time."""
    parser.add_argument("--at", type=instant, metavar="TIME", help="an RFC 3339 time (default: now)")


def add_output(parser: argparse.ArgumentParser, *formats: str) -> None:
    """``-o``: text for people, or one of these formats."""
    choices = ("text", *formats)
    parser.add_argument("-o", "--output", choices=choices, default="text", help="how to print (default: text)")


def complete_files(option: argparse.Action) -> None:
    """Let the shell complete the option's value to a file."""
    option.complete = {"bash": "_shtab_compgen_files", "zsh": "_files"}  # type: ignore[attr-defined]


def complete_folders(option: argparse.Action) -> None:
    """Let the shell complete the option's value to a folder."""
    option.complete = {"bash": "_shtab_compgen_dirs", "zsh": "_files -/"}  # type: ignore[attr-defined]


def duration(text: str) -> float:
    """``20s``, ``1m`` or a number of seconds, in seconds."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 20s or 1m")
    return float(match[1]) * _UNITS[match[2]]


def instant(text: str) -> datetime:
    """An RFC 3339 time with its offset, such as ``2026-01-02T03:00:00Z``, in UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 2026-01-02T03:00:00Z") from error
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} does not say its offset from UTC; put a Z behind it for UTC")
    if not _EARLIEST <= moment <= _LATEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not in the years 1970 to 9000")
    return moment.astimezone(UTC)


def span(text: str) -> tuple[float, float]:
    """``5m``, or ``2m-40m`` for anything between the two, in seconds."""
    shortest, _, longest = text.partition("-")
    found = duration(shortest), duration(longest or shortest)
    if found[0] > found[1]:
        raise argparse.ArgumentTypeError(f"{text!r} begins with the longer of the two")
    return found


def rate(text: str) -> float:
    """``5%`` or ``0.05``, as a number from 0 to 1."""
    try:
        found = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a part such as 5% or 0.05")
    return found
