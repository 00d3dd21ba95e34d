"""What Quill reads besides Python: templates/ and schemas/, inside an installed package, beside it in a checkout."""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from reconciler.errors import SetupError
from reconciler.resource import API_GROUP, API_VERSION, Kind


def templates() -> Path:
    """The folder of the Jinja templates that come with Quill."""
    return _folder("templates")


def schemas() -> Path:
    """The folder of the JSON Schemas, laid out as ``<group>/<kind>_<version>.json``."""
    return _folder("schemas")


def schema_file(kind: Kind) -> Path:
    """The file of a kind's JSON Schema."""
    return schemas() / API_GROUP / f"{kind.lower()}_{API_VERSION.partition('/')[2]}.json"


@lru_cache(maxsize=2)
def schema(kind: Kind) -> Mapping[str, Any]:
    """A kind's JSON Schema; nobody changes it."""
    return cast("Mapping[str, Any]", json.loads(schema_file(kind).read_bytes()))


@lru_cache(maxsize=1)
def structures() -> Mapping[str, Any]:
    """The structure of the Kubernetes objects that templates render to: ``kinds`` and ``definitions``."""
    return cast("Mapping[str, Any]", json.loads((schemas() / "kubernetes" / "objects.json").read_bytes()))


def _folder(name: str) -> Path:
    package = Path(__file__).parent
    for candidate in (package / "_assets" / name, package.parent / name):
        if candidate.is_dir():
            return candidate
    raise SetupError(f"{name}/ is neither in {package} nor beside it; install Quill again")
