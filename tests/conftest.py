"""For every tier: a slow moment of the machine is no failure of a property."""

from hypothesis import settings

settings.register_profile("quill", deadline=None)
settings.load_profile("quill")
