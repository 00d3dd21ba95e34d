"""A scratch folder in which the commands of a page are run, as a reader would type them."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import kubectl
from tests.docs.commands import ROOT, Command, File

WORLD = Path(__file__).parent / "world"
BIN = Path(sys.executable).parent
_SHELL = ("bash", "-o", "errexit", "-o", "pipefail", "-c")
_GIT = {f"GIT_{who}_{what}": "reader@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


class Scratch:
    """A folder with what pages take for granted: manifests, overlays, templates. An ``empty`` one has nothing."""

    def __init__(self, folder: Path, *, empty: bool = False, **environment: str) -> None:
        self.folder = folder
        if not empty:
            shutil.copytree(WORLD, folder, dirs_exist_ok=True)
            shutil.copytree(ROOT / "templates", folder / "my-templates")
            for name in ("examples", "kustomize", "templates"):
                shutil.copytree(ROOT / name, folder / name)
        path = f"{BIN}:{kubectl().parent}:{os.environ['PATH']}"
        away = {"HOME": str(folder.parent), "KUBECONFIG": "/nowhere", "PYTHONPATH": str(ROOT), "fpath": str(folder)}
        self._environment = {**os.environ, **away, **_GIT, "PATH": path, **environment}

    def write(self, file: File) -> None:
        """A file that the page shows."""
        path = self.folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text)

    def run(self, command: Command, *, timeout: int = 120) -> None:
        """Run a command. It must succeed, or print what the page shows."""
        text = command.text.replace('"${fpath[1]}', '"$fpath')  # zsh's own variable
        done = subprocess.run(
            [*_SHELL, text], cwd=self.folder, env=self._environment, capture_output=True, text=True, timeout=timeout,
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        about = f"line {command.line}: {command.text}\nexit code {done.returncode}\n{done.stdout}{done.stderr}"
        if command.shown:
            assert f"{done.stdout}{done.stderr}".strip() == command.shown, about
        elif "--detailed-exitcode" in command.text:
            assert done.returncode in (0, 2), about
        else:
            assert done.returncode == 0, about


@contextmanager
def meanwhile(work: Callable[[], None], *, every: float) -> Iterator[None]:
    """Work is done again and again until the block ends, with pauses of so many seconds; all of it must go well."""
    over = threading.Event()
    trouble: list[Exception] = []

    def go_on() -> None:
        while not over.wait(every):
            try:
                work()
            except Exception as error:  # noqa: BLE001 - told below, in the test's own thread
                trouble.append(error)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert trouble == []
