"""What a verification or a drill proves, and which part of the data is read next."""

import pytest

from reconciler.spec import Action
from reconciler.status import MoverResult
from reconciler.verification import next_part, part_read, verdict


def result(reason="", **statistics):
    return MoverResult(successful=not reason, reason=reason, statistics=statistics)


@pytest.mark.parametrize(
    ("action", "reason", "expected"),
    [
        pytest.param(Action.CHECK, "", True, id="whole"),
        pytest.param(Action.CHECK, "RepositoryDamaged", False, id="damaged"),
        pytest.param(Action.CHECK, "RepositoryUnreachable", None, id="unreachable"),
        pytest.param(Action.CHECK, "RepositoryLocked", None, id="locked"),
        pytest.param(Action.CHECK, "WrongPassword", None, id="wrong-password"),
        pytest.param(Action.CHECK, "MoverLost", None, id="lost"),
        pytest.param(Action.DRILL, "", True, id="restored"),
        pytest.param(Action.DRILL, "DrillFailed", False, id="restored-something-else"),
        pytest.param(Action.DRILL, "RepositoryDamaged", False, id="cannot-be-restored"),
        pytest.param(Action.DRILL, "NoSpace", None, id="no-space"),
        pytest.param(Action.BACKUP, "", None, id="a-backup-proves-nothing"),
    ],
)
def test_what_a_run_proves(action, reason, expected):
    assert verdict(action, result(reason)) is expected


@pytest.mark.parametrize(
    ("last", "parts", "expected"),
    [
        pytest.param(None, 3, "1/3", id="first"),
        pytest.param(1, 3, "2/3", id="next"),
        pytest.param(3, 3, "1/3", id="around"),
        pytest.param(1, 1, "1/1", id="all-each-time"),
        pytest.param(3, 12, "4/12", id="more-parts-than-before"),
        pytest.param(10, 4, "3/4", id="fewer-parts-than-before"),
        pytest.param(256, 256, "1/256", id="the-most-there-can-be"),
    ],
)
def test_the_part_after_the_last_is_read(last, parts, expected):
    assert next_part(last, parts) == expected


@pytest.mark.parametrize("parts", [1, 2, 7, 256])
def test_all_parts_are_read_once_before_any_is_read_again(parts):
    last, read = None, []
    for _ in range(parts):
        read.append(next_part(last, parts))
        last = part_read(Action.CHECK, result(subset=int(read[-1].partition("/")[0]), subsets=parts))
    assert sorted(read, key=lambda each: int(each.partition("/")[0])) == [f"{n}/{parts}" for n in range(1, parts + 1)]


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        pytest.param(result(subset=3, subsets=12), 3, id="whole"),
        pytest.param(result("RepositoryDamaged", subset=3, subsets=12), 3, id="damaged"),
        pytest.param(result("RepositoryUnreachable", subset=3, subsets=12), None, id="not-read"),
        pytest.param(result("MoverLost"), None, id="lost"),
        pytest.param(result(), None, id="no-data-was-to-be-read"),
        pytest.param(result(subset=256, subsets=256), 256, id="the-last-there-can-be"),
        pytest.param(result(subset=257, subsets=256), None, id="one-more-than-there-can-be"),
        pytest.param(result(subset=0, subsets=256), None, id="before-the-first"),
    ],
)
def test_a_part_that_was_looked_at_is_not_read_again(ended, expected):
    assert part_read(Action.CHECK, ended) == expected
    assert part_read(Action.BACKUP, ended) is None
