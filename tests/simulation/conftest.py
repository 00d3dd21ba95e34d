"""Templates as a tick has them, with a short script, and one thread: requests come in the same order every time."""

import pytest

from reconciler import tick
from tests.quickly import QuickRenderer


@pytest.fixture(scope="session")
def renderer(tmp_path_factory):
    return QuickRenderer(tmp_path_factory.mktemp("simulation") / "templates")


@pytest.fixture(autouse=True, scope="session")
def in_order():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tick, "CONCURRENCY", 1)
        yield
