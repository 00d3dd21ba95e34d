"""Whose turn it is: pytest's workers, and whoever else tests, use one cluster, and some tests must have it alone."""

from contextlib import ExitStack, contextmanager, suppress

from tests.cluster.locks import locked


class Turn:
    """Ordinary tests are in the room together. One that must be alone waits at its door, which it keeps shut, until all
    have left: so it is neither disturbed nor passed by for ever."""

    def __init__(self):
        self._room = ExitStack()
        self._is_mine = False

    def begin(self, *, alone):
        """Unless it has begun, and was not ended after the test before."""
        if not self._is_mine:
            with locked("e2e-door"):
                self._room.enter_context(locked("e2e-room", shared=not alone))
            self._is_mine = True

    def end(self):
        self._room.close()
        self._is_mine = False


@contextmanager
def in_common(name, *, begin, end):
    """What all processes use: each begins it for itself, which must do no harm to the others; the last ends it."""
    with locked(f"{name}-users", shared=True):
        with locked(name):
            begun = begin()
        yield begun
    with locked(name), suppress(BlockingIOError), locked(f"{name}-users", wait=False):
        end(begun)
