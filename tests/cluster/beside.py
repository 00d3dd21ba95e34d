"""What runs beside a control plane for as long as a block does: processes of this machine, and a folder of theirs."""

import contextlib
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster.controlplane import ControlPlane
from tests.cluster.processes import ProcessDirectory


class Beside(ABC):
    """``_start`` begins it, in ``_folder`` and with ``_processes``. Both go with the block, or when that fails."""

    _folder: Path
    _processes: ProcessDirectory

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as ends:
            prefix = f"quill-{type(self).__name__.lower()}-"
            self._folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix=prefix)))
            self._processes = ProcessDirectory(self._folder / "pids", self._folder / "log", die_with_parent=True)
            ends.callback(self._kill)
            self._start(ends)
            self._ends = ends.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.__exit__(kind, error, trace)

    @abstractmethod
    def _start(self, ends: contextlib.ExitStack) -> None:
        """What else has to be done at the end is pushed on ``ends``."""

    def _kill(self) -> None:
        for name in self._processes.names():
            self._processes.stop(name, grace=0)
