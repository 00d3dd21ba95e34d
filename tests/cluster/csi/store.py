"""What the driver remembers: one JSON record beside the content of each volume and snapshot.

Ids are hashes of the names that Kubernetes gives, so a repeated request finds the first one's result.
"""

import hashlib
import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.cluster.csi.flavours import FLAVOURS, Flavour


@dataclass(frozen=True)
class Record:
    """A volume, or a snapshot when it has a ready time."""

    id: str
    name: str
    flavour: str
    filesystem: str
    capacity: int
    source: str = ""
    created: float = 0
    ready: float = 0

    @property
    def backend(self) -> Flavour:
        return FLAVOURS[self.flavour]


class Store:
    """All records of one kind in one folder."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self.folder, self.prefix = folder, prefix
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        folder.mkdir(parents=True, exist_ok=True)

    def id_of(self, name: str) -> str:
        return f"{self.prefix}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"

    def content(self, identity: str) -> Path:
        """Path of the content, without the suffix that a flavour may add."""
        return self.folder / identity

    @contextmanager
    def locked(self, identity: str) -> Iterator[None]:
        """Two requests for one name run after each other."""
        with self._locks[identity]:
            yield

    def find(self, identity: str) -> Record | None:
        try:
            return Record(**json.loads(self._file(identity).read_text()))
        except (FileNotFoundError, OSError):
            return None

    def all(self) -> list[Record]:
        """Every record, oldest first, in a stable order."""
        found = (self.find(file.stem) for file in self.folder.glob("*.json"))
        return sorted((record for record in found if record), key=lambda record: (record.created, record.id))

    def save(self, record: Record) -> None:
        unfinished = self._file(record.id).with_suffix(".json-unfinished")
        unfinished.write_text(json.dumps(asdict(record)))
        unfinished.rename(self._file(record.id))

    def delete(self, identity: str) -> None:
        with self.locked(identity):
            record = self.find(identity)
            if record:
                record.backend.delete(self.content(identity))
                self._file(identity).unlink()

    def _file(self, identity: str) -> Path:
        return self.folder / f"{identity}.json"


def now() -> float:
    return time.time()
