"""For every tier: a slow moment of the machine is no failure of a property, and every run tries the same examples.

``--hypothesis-profile=thorough`` looks for new ones, for a long time; those that break a promise become examples.
"""

import pytest
from hypothesis import settings

from tests.argocd_scripts import Lua

settings.register_profile("quill", deadline=None, derandomize=True)
settings.register_profile("thorough", deadline=None, max_examples=3000)
settings.load_profile("quill")


@pytest.fixture(scope="session")
def lua():
    """Argo CD's virtual machine."""
    with Lua() as lua:
        yield lua
