"""What no single module can promise: the rings, what an offline verb loads, and what the wheel and the locks hold."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

LOADED_BY_A_VERB = """
import sys
from reconciler.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(*sys.modules, file=sys.stderr)
"""


def run(*command, cwd=ROOT):
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def test_imports_point_inwards():
    done = run(BIN / "lint-imports", "--no-cache", "--no-logo")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    file = tmp_path_factory.mktemp("resources") / "source.yaml"
    file.write_text(
        "apiVersion: scribe.backube/v1alpha1\nkind: ReplicationSource\n"
        "metadata: {name: nightly, namespace: shop}\n"
        "spec:\n  sourcePVC: data\n  trigger: {schedule: '0 3 * * *'}\n"
        "  restic: {resticConfig: repository, resticArg: backup}\n"
    )
    return str(file)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["validate", "FILE"], id="validate"),
        pytest.param(["render", "-f", "FILE", "--at", "2026-01-02T03:00:00Z"], id="render"),
        pytest.param(["plan", "-f", "FILE"], id="plan-of-files"),
        pytest.param(["report", "-f", "FILE"], id="report-of-files"),
        pytest.param(["schemas", "--help"], id="schemas"),
    ],
)
def test_an_offline_verb_never_loads_kubernetes(arguments, source):
    done = run(sys.executable, "-c", LOADED_BY_A_VERB, *[source if each == "FILE" else each for each in arguments])
    loaded = done.stderr.splitlines()[-1].split()
    assert f"reconciler.commands.{arguments[0]}" in loaded, done.stderr
    assert "kubernetes" not in loaded


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    done = run(BIN / "hatchling", "build", "--target", "wheel", "--directory", folder)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}; run: make venv"
    (file,) = folder.glob("quill-*.whl")
    return zipfile.ZipFile(file)


@pytest.mark.parametrize("assets", ["templates", "schemas"])
def test_the_wheel_carries_what_a_tick_reads(wheel, assets):
    files = {
        f"reconciler/_assets/{each.relative_to(ROOT)}": each.read_bytes()
        for each in (ROOT / assets).rglob("*")
        if each.is_file()
    }
    assert files
    assert {name: wheel.read(name) for name in files} == files


def test_the_wheel_is_typed_and_brings_both_commands(wheel):
    assert "reconciler/py.typed" in wheel.namelist()
    (scripts,) = [wheel.read(name).decode() for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert re.findall(r"^(\S+) = reconciler\.cli:main$", scripts, re.MULTILINE) == ["kubectl-quill", "quill"]


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-build.txt", "requirements-dev.txt"])
def test_a_lock_holds_only_pins_and_hashes(lock):
    lines = [each for each in (ROOT / lock).read_text().splitlines() if each and not each.lstrip().startswith("#")]
    strange = [
        each for each in lines if not re.fullmatch(r"[a-z0-9.-]+==\S+ \\| {4}--hash=sha256:[0-9a-f]{64}( \\)?", each)
    ]
    assert lines
    assert not strange


def test_the_lock_of_the_language_server_holds_hashes_and_no_registry():
    packages = json.loads((ROOT / "tests" / "editor" / "package-lock.json").read_text())["packages"]
    installed = [package for folder, package in packages.items() if folder]
    assert installed
    assert [package for package in installed if "resolved" in package or "integrity" not in package] == []
