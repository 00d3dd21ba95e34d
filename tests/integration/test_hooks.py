"""The published hooks as the real pre-commit and prek run them, installed from this checkout as from any repository."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.integration.conftest import ROOT

pytestmark = pytest.mark.integration

BIN = Path(sys.executable).parent
TOOLS = ("pre-commit", "prek")
GOOD = (ROOT / "tests" / "examples" / "valid" / "replicationsource" / "minimal.yaml").read_text()
BROKEN = (ROOT / "tests" / "examples" / "invalid" / "replicationsource" / "seed.yaml").read_text()
TEMPLATED = (ROOT / "tests" / "examples" / "templated" / "control-structure.yaml").read_text()
INSTALLING = 600


def git(folder, *arguments):
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "init.defaultBranch=main")
    command = ["git", *identity, "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


def committed(folder):
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "x")
    return git(folder, "rev-parse", "HEAD").strip()


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """A repository with what this checkout holds, and its revision."""
    folder = tmp_path_factory.mktemp("published")
    for name in git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder, committed(folder)


@pytest.fixture(scope="session", params=TOOLS)
def tool(request, tmp_path_factory):
    """The command and its environment; what it installs is kept for all tests."""
    program = BIN / request.param
    if not program.exists():
        pytest.fail(f"{program} is missing; run: make venv")
    home = str(tmp_path_factory.mktemp("home"))
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return program, {**os.environ, "PATH": path, "PRE_COMMIT_HOME": home, "PREK_HOME": home, "NO_COLOR": "1"}


@pytest.fixture
def run(tool, published, tmp_path):
    """Commits files into a scratch repository and runs hooks over all of them: the exit code and what was printed."""
    program, environment = tool
    folder, revision = published

    def hooks(files, *wanted):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        config = {"repos": [{"repo": str(folder), "rev": revision, "hooks": list(wanted)}]}
        (tmp_path / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
        committed(tmp_path)
        done = subprocess.run(
            [program, "run", "--all-files"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALLING,
        )
        assert "Traceback" not in done.stdout + done.stderr
        return done.returncode, done.stdout + done.stderr

    return hooks


def test_validate_takes_what_is_ours_and_skips_the_rest(run):
    files = {
        "apps/good.yaml": GOOD,
        "charts/shop/templates/source.yaml": TEMPLATED,
        "other.json": "{}",
        "x.yml": "a: b: c",
    }
    code, said = run(files, {"id": "quill-validate"})
    assert code == 0, said
    assert "Passed" in said


def test_validate_names_the_line(run):
    code, said = run({"apps/good.yaml": GOOD, "apps/seed.yaml": BROKEN}, {"id": "quill-validate"})
    assert code == 1, said
    assert "apps/seed.yaml:5:1: error: metadata is null" in said
    assert "good.yaml" not in said


def test_validate_sees_all_files_at_once(run):
    """Two sources under one host, in two of many files."""
    shared = GOOD.rstrip() + "\n    identity: shop\n"
    files = {f"apps/{number:03}.yaml": GOOD.replace("nightly", f"n-{number}") for number in range(200)}
    files |= {"a.yaml": shared, "z.yaml": shared.replace("nightly", "other")}
    code, said = run(files, {"id": "quill-validate"})
    assert code == 1, said
    assert said.count("[identity-conflict]") == 2


def test_kustomize_builds_what_args_name(run):
    patch = "- {op: add, path: /spec/trigger/timeZone, value: Mars}\n"
    files = {
        "base/source.yaml": GOOD,
        "base/kustomization.yaml": "resources: [source.yaml]\n",
        "prod/patch.yaml": patch,
        "prod/kustomization.yaml": "resources: [../base]\n"
        "patches: [{path: patch.yaml, target: {kind: ReplicationSource}}]\n",
    }
    code, said = run(files, {"id": "quill-kustomize", "args": ["--kustomize", "base"]})
    assert code == 0, said
    code, said = run({"x": ""}, {"id": "quill-kustomize", "args": ["--kustomize", "base", "prod"]})
    assert code == 1, said
    assert "base/source.yaml:8:3: error: spec.trigger.timeZone: 'Mars'" in said
    assert "see the patches of prod/kustomization.yaml" in said


def test_templates_are_rendered_and_checked(run):
    good = (ROOT / "templates" / "backup.yaml.j2").read_text()
    hook = {"id": "quill-templates", "args": ["--templates", "override"]}
    code, said = run({"override/backup.yaml.j2": good}, hook)
    assert code == 0, said
    code, said = run({"override/backup.yaml.j2": good.replace("readOnly: true", "readonly: true")}, hook)
    assert code == 1, said
    assert "override/backup.yaml.j2:" in said
    assert "must have readOnly: true" in said
