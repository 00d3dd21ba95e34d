"""The command line: picks the verb, reads the clock, decides the exit code. It holds no rule and no output of a verb.

Each verb is a module of commands/ and only the chosen one is imported, so that an offline verb never pays for the
Kubernetes client. Exit codes: 0 fine; 1 findings, or something could not be recorded; 2 usage or set-up; 3 a bug.
"""

import argparse
import codecs
import gc
import io
import json
import os
import sys
import traceback
from collections.abc import Container, Sequence
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import PurePath
from typing import Final, Protocol

from reconciler import __version__
from reconciler.errors import ReconcilerError, SetupError

VERBS: Final = {
    "tick": "look at the cluster once, start what is due, record what happened",
    "plan": "show what a tick would do, without doing it",
    "validate": "check files before they reach a cluster",
    "render": "print the objects that a tick would create",
    "sync": "ask for one sync now, and see it through",
    "schedule": "show what runs next, how much at once, and what would flatten it",
    "simulate": "run the schedules of files over weeks or years on paper",
    "status": "show every replication and how its last sync went",
    "report": "show what is protected, how old that is and what nobody saves, also as a page",
    "schemas": "print the JSON Schemas or the CRDs",
    "completion": "print the completion script of a shell",
}
_INTERRUPTED: Final = 130
_BROKEN_PIPE: Final = 141


class Verb(Protocol):
    """What a module of commands/ offers."""

    EXAMPLES: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the verb's options."""

    def run(self, args: argparse.Namespace, *, now: datetime) -> int:
        """Do it and return the exit code."""


def main(argv: Sequence[str] | None = None) -> int:
    """The ``quill`` command."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    gc.disable()  # it takes up to a third of a process that ends in seconds, and finds nothing
    chosen = next((each for each in arguments if not each.startswith("-")), "")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_escape.__name__)
    try:
        args = build_parser([chosen]).parse_args(arguments)
        code: int = args.run(args, now=datetime.now(UTC))
        sys.stdout.flush()  # here, where a closed pipe can still be told from a bug
        return code
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes once more as it exits
        return _BROKEN_PIPE
    except ReconcilerError as error:
        print(f"{_program()}: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, SetupError) else 1
    except Exception:  # noqa: BLE001 - the last resort of every verb
        traceback.print_exc()
        print(f"quill: this is a bug in quill {__version__}, please report it with the lines above", file=sys.stderr)
        return 3


def _escape(error: UnicodeError) -> tuple[str, int]:
    """Letters that a stream does not have, as JSON has them: what is JSON stays so, and text can be read."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


codecs.register_error(_escape.__name__, _escape)


def build_parser(wanted: Container[str]) -> argparse.ArgumentParser:
    """The parser of ``quill`` in which the ``wanted`` verbs know their options, the others only their names."""
    parser = argparse.ArgumentParser(
        prog=_program(),
        description="Backs up and restores Kubernetes volumes with restic, one tick at a time.",
        epilog=f"`{_program()} VERB --help` has the options and examples of a verb.",
    )
    parser.add_argument("--version", action="version", version=f"quill {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", dest="verb", required=True)
    for name, summary in VERBS.items():
        verb = verbs.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name in wanted:
            _load(name, verb)
    return parser


def _program() -> str:
    return "kubectl quill" if PurePath(sys.argv[0]).name == "kubectl-quill" else "quill"


def _load(name: str, parser: argparse.ArgumentParser) -> None:
    try:
        module: Verb = import_module(f"reconciler.commands.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"reconciler.commands.{name}":
            raise
        parser.error(f"quill {__version__} does not have this verb")
    module.add_arguments(parser)
    parser.epilog = "examples:\n" + module.EXAMPLES.strip("\n")
    parser.set_defaults(run=module.run, every_verb=_complete_parser)


def _complete_parser() -> argparse.ArgumentParser:
    return build_parser([name for name in VERBS if find_spec(f"reconciler.commands.{name}")])
