"""For every tier: a slow moment of the machine is no failure of a property."""

from hypothesis import settings

settings.register_profile("quill", deadline=None)
settings.register_profile("thorough", deadline=None, max_examples=3000)
settings.load_profile("quill")
