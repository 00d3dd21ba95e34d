"""One cluster and one Quill for the whole tier, a namespace and a repository of its own for each test."""

import itertools
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reconciler.rendering import Renderer
from tests import cluster
from tests.cluster.cluster import control_plane
from tests.cluster.flux import Flux
from tests.e2e.health import misjudged
from tests.e2e.stage import ACCOUNT, ACCOUNT_GROUPS, ROOT, Installation, Repository, Stage, api_server
from tests.e2e.turns import Turn, in_common

_numbers = itertools.count(1)
_run = f"{time.time_ns() // 1_000_000 % 10_000_000:x}"  # so that what an interrupted run has left is in nobody's way
_run += os.environ.get("PYTEST_XDIST_WORKER", "")
_turn = Turn()


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups
def pytest_collection_modifyitems(items):
    """What one worker does (``--dist loadgroup``): tests that look at one stage, and those that must be alone.

    The latter come first, and beside them what needs no cluster; then what is much for one worker.
    """
    for item in filter(_needs_cluster, items):
        if _is_alone(item):
            item.add_marker(pytest.mark.xdist_group("alone"))
        elif "shared_stage" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    items.sort(key=_when)


def _when(item):
    return not _is_alone(item), _needs_cluster(item), item.get_closest_marker("xdist_group") is None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item, nextitem):
    """A test begins when it may; nobody who must be alone comes between two that share a stage or Flux."""
    if _needs_cluster(item):
        _turn.begin(alone=_is_alone(item))
    try:
        return (yield)
    finally:
        if not (nextitem and _share_something(item, nextitem)):
            _turn.end()


def _needs_cluster(item):
    return item.get_closest_marker("e2e") is not None and "quill" in item.fixturenames


def _is_alone(item):
    return item.get_closest_marker("alone") is not None


def _share_something(*items):
    fixtures = set.intersection(*(set(item.fixturenames) for item in items))
    return len({item.path for item in items}) == 1 and not fixtures.isdisjoint({"shared_stage", "reached", "flux"})


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Say what helps: every object and every log of the namespaces that a failed test used."""
    report = (yield).get_result()
    if report.failed and call.when in ("setup", "call"):
        for stage in {id(each): each for each in item.funcargs.values() if isinstance(each, Stage)}.values():
            report.sections.append((f"namespace {stage.namespace}", stage.story()))


@pytest.fixture(scope="session")
def quill(tmp_path_factory):
    """Quill, installed in the running cluster; its CronJob is suspended.

    The templates are a copy, as the code is that was imported: the checkout may be edited while the tests run.
    """
    templates = Path(shutil.copytree(ROOT / "templates", tmp_path_factory.mktemp("quill") / "templates"))
    with in_common("e2e-installation", begin=lambda: _installation(templates), end=Installation.remove) as installation:
        yield installation


def _installation(templates):
    subprocess.run([sys.executable, "-m", "tests.cluster", "up"], check=True, cwd=ROOT)  # its daemons outlive us
    admin = api_server(cluster.kubeconfig())
    account = api_server(control_plane().user_kubeconfig(ACCOUNT, groups=ACCOUNT_GROUPS))
    installation = Installation(admin, account, Renderer(templates, image=cluster.MOVER))
    installation.install()
    return installation


@pytest.fixture(scope="session")
def empty_repository(quill, tmp_path_factory):  # noqa: ARG001 - the S3 server must run
    """The files of a repository that was just made, for others to start from."""
    repository = Repository(f"template-{_run}", None)
    repository.restic("init")
    copy = Path(shutil.copytree(repository.folder, tmp_path_factory.mktemp("s3") / "repository"))
    repository.remove()
    return copy


@pytest.fixture(scope="session")
def make_stage(quill, empty_repository):
    """Makes a namespace with a Secret restic of a repository, which exists unless it shall be missing."""

    def make(*, labels=None, missing=False):
        name = f"e2e-{_run}-{next(_numbers)}"
        stage = Stage(quill, name, Repository(name, None if missing else empty_repository), labels=labels)
        stage.secret()
        return stage

    return make


@pytest.fixture(scope="session")
def lives(make_stage, lua):
    """A stage's life: whatever the tests did, no secret may be seen anywhere, and Argo CD shows what it should."""

    def life(**how):
        stage = make_stage(**how)
        try:
            yield stage
            assert stage.leaks() == []
            assert misjudged(lua, stage.after_ticks) == []
        finally:
            stage.remove()

    return life


@pytest.fixture(scope="module")
def flux(quill):  # noqa: ARG001 - the cluster must run, and know Quill's kinds
    """The controller sees to all namespaces: who uses it is in the xdist_group "flux", or alone with one of its own."""
    with Flux(control_plane()) as flux:
        yield flux


@pytest.fixture
def stage(lives):
    yield from lives()


@pytest.fixture(scope="module")
def shared_stage(lives):
    """For tests that look at different sides of what happened once."""
    yield from lives()


@pytest.fixture
def restricted_stage(lives):
    """A namespace that takes restricted pods only."""
    yield from lives(labels={"pod-security.kubernetes.io/enforce": "restricted"})


@pytest.fixture
def bare_stage(lives):
    """Its repository was never made."""
    yield from lives(missing=True)
