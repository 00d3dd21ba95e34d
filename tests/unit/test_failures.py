import re
from pathlib import Path

import pytest

from reconciler.failures import FAILURES, Policy, markdown, policy_of

ROOT = Path(__file__).parents[2]
SCRIPT = (ROOT / "templates" / "mover.sh").read_text()


def test_the_page_is_the_table():
    assert (ROOT / "docs" / "failures.md").read_text() == markdown(), "run: make docs"


def test_every_reason_the_mover_gives_has_a_row():
    given = set(re.findall(r'return "([A-Z][A-Za-z]+)"', SCRIPT)) | set(re.findall(r"fail ([A-Z][A-Za-z]+)", SCRIPT))
    given |= set(re.findall(r"(?:why|guess)=(?:\$\{guess:-)?([A-Z][A-Za-z]+)", SCRIPT))
    assert len(given) > 8
    assert given <= FAILURES.keys()


@pytest.mark.parametrize(
    ("reason", "policy"),
    [
        pytest.param("WrongPassword", Policy.STOP, id="only-a-person-can-mend-it"),
        pytest.param("NoSpace", Policy.STOP, id="a-restore-that-cannot-fit-is-not-repeated"),
        pytest.param("RepositoryUnreachable", Policy.RETRY, id="may-pass"),
        pytest.param("SecretNotFound", Policy.WAIT, id="has-not-begun"),
        pytest.param("SomethingOfKubernetes", Policy.RETRY, id="unknown"),
    ],
)
def test_what_happens_after_a_failure(reason, policy):
    assert policy_of(reason) is policy


@pytest.mark.parametrize("row", FAILURES.values(), ids=FAILURES.keys())
def test_a_row_says_something_in_whole_sentences(row):
    for text in (row.meaning, row.remedy):
        assert text.endswith((".", "?"))
        assert "|" not in text
