import subprocess
import sys
from datetime import UTC
from pathlib import Path
from types import ModuleType

import pytest

from reconciler import __version__, cli
from reconciler.errors import ClusterError, RenderError, SetupError

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "tests" / "examples"
VALID = EXAMPLES / "valid" / "replicationsource" / "minimal.yaml"
INVALID = EXAMPLES / "invalid" / "replicationsource" / "seed.yaml"
WRITTEN = [verb for verb in cli.VERBS if (ROOT / "reconciler" / "commands" / f"{verb}.py").exists()]


def quill(*arguments, **options):
    command = [sys.executable, "-m", "reconciler", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, **options)


@pytest.fixture
def tick(monkeypatch):
    """A verb in the place of tick that does what its ``act`` does."""
    module = ModuleType("reconciler.commands.tick")
    module.EXAMPLES = "  quill tick\n"
    module.add_arguments = lambda parser: parser.add_argument("--settle")
    module.run = lambda args, *, now: module.act(args, now)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


@pytest.mark.parametrize(
    ("arguments", "code", "out", "err"),
    [
        pytest.param(["--version"], 0, f"quill {__version__}\n", "", id="version"),
        pytest.param(["--help"], 0, "validate", "", id="help"),
        pytest.param([], 2, "", "required: VERB", id="no-verb"),
        pytest.param(["frobnicate"], 2, "", "invalid choice: 'frobnicate'", id="unknown-verb"),
        pytest.param(["validate"], 2, "", "give files or folders", id="no-file"),
        pytest.param(["validate", VALID], 0, "", "1 resource, no problems", id="valid"),
        pytest.param(["validate", INVALID], 1, "metadata is null", "1 problem", id="invalid"),
        pytest.param(
            ["validate", "no-such-file"], 2, "", "no-such-file cannot be read: No such file", id="missing-file"
        ),
        pytest.param(["schemas", "--output", "/dev/null"], 2, "", "cannot be written", id="unwritable"),
    ],
)
def test_a_run_says_what_it_has_to_say_and_ends_with_its_code(arguments, code, out, err):
    done = quill(*arguments)
    assert done.returncode == code, done.stderr
    assert out in done.stdout
    assert err in done.stderr
    assert "Traceback" not in done.stderr


def test_an_empty_pipe_is_no_valid_file():
    done = quill("validate", "-", input="\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert "standard input is empty" in done.stderr


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        pytest.param(SetupError("no cluster"), 2, "quill: error: no cluster\n", id="set-up"),
        pytest.param(RenderError("backup.yaml.j2:3: x"), 1, "quill: error: backup.yaml.j2:3: x\n", id="template"),
        pytest.param(ClusterError("refused", status=500), 1, "quill: error: refused\n", id="cluster"),
        pytest.param(ZeroDivisionError("x"), 3, "this is a bug in quill", id="bug"),
        pytest.param(KeyboardInterrupt(), 130, "", id="interrupt"),
    ],
)
def test_an_error_becomes_an_exit_code(tick, capsys, error, code, message):
    def act(_args, _now):
        raise error

    tick.act = act
    assert cli.main(["tick"]) == code
    printed = capsys.readouterr().err
    assert message in printed
    assert ("Traceback" in printed) == (code == 3)


def test_the_verb_is_given_its_arguments_and_the_time(tick):
    seen = []
    tick.act = lambda args, now: seen.append((args.settle, now.tzinfo)) or 7
    assert cli.main(["tick", "--settle", "20s"]) == 7
    assert seen == [("20s", UTC)]


@pytest.mark.parametrize("verb", WRITTEN)
def test_every_verb_has_help_with_examples(verb):
    done = quill(verb, "--help")
    assert done.returncode == 0, done.stderr
    assert "examples:\n  " in done.stdout


def test_a_reader_that_goes_away_is_no_error():
    with subprocess.Popen(
        [sys.executable, "-m", "reconciler", "schemas"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_the_completion_is_a_script_that_bash_can_read():
    script = quill("completion", "bash").stdout
    assert "validate" in script
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


def test_the_completion_for_zsh_names_the_command():
    assert quill("completion", "zsh").stdout.startswith("#compdef quill")


def test_kubectl_calls_it_by_its_own_name(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/kubectl-quill"])
    assert cli.build_parser([]).prog == "kubectl quill"
