"""How ``quill sync --wait`` shows what happens; that it does what it says is shown in tests/integration."""

import argparse
import os
import pty
import subprocess
import sys

import pytest

from reconciler.commands.sync import _named, _shown

SHOW = """
from reconciler.commands.sync import _shown
with _shown("Source shop/nightly") as show:
    for phase in ("waiting for the next tick", "waiting for the next tick", "[red]job[/red]\\x1b]0;x\\x07 runs"):
        show(phase)
"""


def test_in_a_pipe_each_phase_is_one_line(capsys):
    with _shown("Source shop/nightly") as show:
        for phase in ("one", "one", "two\x1b[31m", "one"):
            show(phase)
    assert capsys.readouterr().out.splitlines() == [
        "Source shop/nightly: one", "Source shop/nightly: two\\x1b[31m", "Source shop/nightly: one",
    ]  # fmt: skip


def test_on_a_terminal_the_present_phase_is_below_the_former_ones():
    leader, follower = pty.openpty()
    environment = os.environ | {"COLUMNS": "100", "LINES": "50", "TERM": "xterm-256color"}
    subprocess.run([sys.executable, "-c", SHOW], stdout=follower, check=True, env=environment)
    os.close(follower)
    sent = b""
    while chunk := _chunk(leader):
        sent += chunk
    os.close(leader)
    text = sent.decode()
    assert text.count("Source shop/nightly: waiting for the next tick") >= 1
    assert "[red]job[/red]\\x1b]0;x\\x07 runs" in text
    assert "0:00:0" in text  # the time that passes


def _chunk(leader):
    try:
        return os.read(leader, 65536)
    except OSError:  # what Linux says at the end of a terminal
        return b""


def test_a_resource_is_named_by_namespace_and_name():
    assert _named("shop/nightly") == ("shop", "nightly")


@pytest.mark.parametrize("text", ["nightly", "/nightly", "shop/", "a/b/c", "shop/night ly", ""])
def test_anything_else_is_wrong_usage(text):
    with pytest.raises(argparse.ArgumentTypeError, match="NAMESPACE/NAME"):
        _named(text)
