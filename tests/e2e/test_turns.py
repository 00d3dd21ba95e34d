"""Turns at the cluster, each taken by a thread in place of a process: to file locks that is the same."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.cluster.locks import locked
from tests.cluster.waiting import wait_for
from tests.e2e.turns import Turn, in_common

pytestmark = pytest.mark.e2e


@pytest.fixture(autouse=True)
def _own_locks(tmp_path, monkeypatch):
    monkeypatch.setenv("QUILL_CLUSTER_CACHE", str(tmp_path))


def begun(*, alone):
    turn = Turn()
    turn.begin(alone=alone)
    return turn


def is_free(name, *, shared=False):
    try:
        with locked(name, shared=shared, wait=False):
            return True
    except BlockingIOError:
        return False


def test_ordinary_tests_are_in_together_and_one_that_is_alone_comes_next():
    first, second = begun(alone=False), begun(alone=False)
    with ThreadPoolExecutor(2) as others:
        lonely = others.submit(begun, alone=True)
        wait_for("it to wait", lambda: not is_free("e2e-door"), timeout=10)
        late = others.submit(begun, alone=False)
        first.end()
        assert not lonely.done()
        second.end()
        lonely = lonely.result(timeout=10)
        assert not is_free("e2e-room", shared=True)
        assert not late.done()
        lonely.end()
        late.result(timeout=10).end()
    assert is_free("e2e-room")


def test_a_turn_that_is_not_ended_is_kept():
    turn = begun(alone=False)
    turn.begin(alone=False)
    turn.end()
    assert is_free("e2e-room")


def test_what_is_in_common_ends_with_its_last_user():
    ended = []
    first, second = (in_common("thing", begin=lambda n=n: n, end=ended.append) for n in (1, 2))
    with first as begun_first:
        with second as begun_second:
            assert (begun_first, begun_second) == (1, 2)
        assert ended == []
    assert ended == [1]


def test_one_worker_does_all_of_a_group(tmp_path):
    """Which a version of pytest may end without a word: then each worker would make every stage that many look at."""
    test = "import pytest\n\n\n@pytest.mark.xdist_group('one')\n@pytest.mark.parametrize('n', range(6))\n"
    (tmp_path / "test_it.py").write_text(test + "def test_it(n, worker_id):\n    print(f'done by {worker_id}.')\n")
    command = [sys.executable, "-m", "pytest", "-rP", "-n", "2", "--dist", "loadgroup", "--rootdir", tmp_path, tmp_path]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    words = [line for line in done.stdout.splitlines() if line.startswith("done by")]
    assert len(words) == 6
    assert len(set(words)) == 1
