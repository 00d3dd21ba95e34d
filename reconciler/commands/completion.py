"""``quill completion``: what a shell needs to complete verbs and options. The text comes from shtab, not from here."""

import argparse
from datetime import datetime

import shtab

EXAMPLES = """
  source <(quill completion bash)
  quill completion zsh > "${fpath[1]}/_quill"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("shell", choices=("bash", "zsh"), help="the shell that will read it")


def run(args: argparse.Namespace, *, now: datetime) -> int:  # noqa: ARG001 - every verb is given the time
    """Print the script; cli.py passes the way to a parser of all verbs, which this ring cannot import."""
    print(shtab.complete(args.every_verb(), args.shell))
    return 0
