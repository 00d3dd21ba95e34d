"""The structures that templates are checked against are those of the Kubernetes that the tests run."""

import pytest

from tests.cluster import structures
from tests.integration.conftest import ROOT

pytestmark = pytest.mark.integration


def test_the_file_is_what_the_pinned_sources_say():
    text = (ROOT / "schemas" / "kubernetes" / "objects.json").read_text()
    assert text == structures.document(), "run: make structures"
