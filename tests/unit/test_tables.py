import os
import pty
import subprocess
import sys
from datetime import timedelta

import pytest

from reconciler.tables import distance, print_table
from tests.factories import at

ROWS = [("Source", "True", "short"), ("Destination", "False", "x" * 300), ("x", "", "")]
SCRIPT = "from reconciler.tables import print_table\nprint_table(('KIND', 'READY', 'MESSAGE'), {rows!r})"


@pytest.fixture(autouse=True)
def _plain(monkeypatch):
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def printed(capsys, rows, headings=("KIND", "READY", "MESSAGE")):
    print_table(headings, rows)
    return capsys.readouterr().out


def on_a_terminal(rows, columns):
    """What a terminal of that width is sent."""
    leader, follower = pty.openpty()
    environment = os.environ | {"COLUMNS": str(columns), "LINES": "50"}
    command = [sys.executable, "-c", SCRIPT.format(rows=rows)]
    subprocess.run(command, stdout=follower, check=True, env=environment)
    os.close(follower)
    sent = b""
    while chunk := _chunk(leader):
        sent += chunk
    os.close(leader)
    return sent.decode()


def _chunk(leader):
    try:
        return os.read(leader, 65536)
    except OSError:  # what Linux says at the end of a terminal
        return b""


def test_a_pipes_table_is_plain_aligned_and_whole(capsys):
    assert printed(capsys, ROWS) == (
        "KIND         READY  MESSAGE\n"
        "Source       True   short\n"
        f"Destination  False  {'x' * 300}\n"
        "x\n"
    )  # fmt: skip


@pytest.mark.parametrize("length", [10_000, 100_000])
def test_a_pipes_lines_are_never_cut(capsys, length):
    out = printed(capsys, [("a", "b", "long " * (length // 5)), ("c" * length, "d", "e")])
    lines = out.splitlines()
    assert len(lines) == 3
    assert lines[1].count("long") == length // 5
    assert lines[2] == f"{'c' * length}  d      e"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        pytest.param("two\nlines", "two lines", id="line-feed"),
        pytest.param("a\r\n\tb", "a b", id="white-space"),
        pytest.param("a\u2028b", "a b", id="line-separator"),
        pytest.param("a\u0085b", "a b", id="next-line"),
        pytest.param("\x1b[31mred", "\\x1b[31mred", id="escape"),
        pytest.param("a\x07b", "a\\x07b", id="bell"),
        pytest.param("a\u202eb", "a\\u202eb", id="right-to-left"),
        pytest.param("[bold]no markup[/bold]", "[bold]no markup[/bold]", id="markup"),
        pytest.param(":smile: 12 True 'x'", ":smile: 12 True 'x'", id="emoji-code"),
        pytest.param("Grüße \U0001f600", "Grüße \U0001f600", id="any-language"),
    ],
)
def test_a_cell_is_one_line_that_drives_no_terminal(capsys, cell, expected):
    assert printed(capsys, [("x", "y", cell)]).splitlines()[1] == f"x     y      {expected}"


def test_wide_letters_keep_the_columns_straight(capsys):
    assert printed(capsys, [("日本", "y", "z"), ("abcd", "y", "z")]).splitlines()[1:] == [
        "日本  y      z",
        "abcd  y      z",
    ]


def test_a_table_without_rows_is_its_headings(capsys):
    assert printed(capsys, []) == "KIND  READY  MESSAGE\n"


def test_a_terminal_has_colour_where_it_means_something():
    sent = on_a_terminal([("a", "True", "m"), ("b", "False", "m"), ("c", "Unknown", "m")], 80)
    assert "\x1b[32mTrue" in sent
    assert "\x1b[1;31mFalse" in sent
    assert "Unknown" in sent
    assert "mUnknown" not in sent


def test_a_terminals_last_column_takes_what_is_left_and_wraps():
    lines = (
        on_a_terminal([("a", "True", "word " * 30)], 60).replace("\x1b[32m", "").replace("\x1b[0m", "").split("\r\n")
    )
    body = [line for line in lines[1:] if line]
    assert max(map(len, body)) <= 60
    assert sum(line.count("word") for line in body) == 30
    assert all(line.startswith(" " * 13 + "word") for line in body[1:])


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param(0, "0s ago", id="now"),
        pytest.param(59, "59s ago", id="seconds"),
        pytest.param(60, "1m ago", id="minute"),
        pytest.param(3599, "59m ago", id="minutes"),
        pytest.param(3600, "1h ago", id="hour"),
        pytest.param(86399, "23h ago", id="hours"),
        pytest.param(86400 * 400, "400d ago", id="days"),
        pytest.param(-1, "in 1s", id="next-second"),
        pytest.param(-240, "in 4m", id="in-minutes"),
        pytest.param(-86400, "in 1d", id="in-a-day"),
        pytest.param(0.9, "0s ago", id="less-than-a-second"),
        pytest.param(-0.9, "0s ago", id="almost-now"),
    ],
)
def test_a_distance_is_in_the_largest_unit_that_fits(seconds, expected):
    assert distance(at("09:00:00"), at("09:00:00") + timedelta(seconds=seconds)) == expected
