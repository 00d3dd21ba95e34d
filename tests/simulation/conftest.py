"""Templates as a tick has them, with a short script, and one thread: requests come in the same order every time."""

import shutil
from pathlib import Path

import pytest

from reconciler import assets, tick
from reconciler.rendering import Renderer


@pytest.fixture(scope="session")
def renderer(tmp_path_factory):
    folder = Path(shutil.copytree(assets.templates(), tmp_path_factory.mktemp("simulation") / "templates"))
    (folder / "mover.sh").write_text("exit 0\n")
    return Renderer(folder, image="restic:test")


@pytest.fixture(autouse=True, scope="session")
def in_order():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tick, "CONCURRENCY", 1)
        yield
