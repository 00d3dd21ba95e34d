"""``quill schemas``: the JSON Schemas for editors and CI, or the CustomResourceDefinitions for a cluster."""

import argparse
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from reconciler import assets
from reconciler.crds import crd_file
from reconciler.errors import SetupError
from reconciler.model import Kind

EXAMPLES = """
  quill schemas                                  both JSON Schemas, as one list
  quill schemas --output schemas/                as <group>/<kind>_<version>.json, the layout of CRD catalogs
  quill schemas --crds | kubectl apply --server-side -f -
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("--crds", action="store_true", help="CustomResourceDefinitions instead of JSON Schemas")
    folder = parser.add_argument("--output", type=Path, metavar="DIR", help="write files into DIR instead of printing")
    folder.complete = {"bash": "_shtab_compgen_dirs", "zsh": "_files -/"}  # type: ignore[attr-defined]


def run(args: argparse.Namespace, *, now: datetime) -> int:  # noqa: ARG001 - every verb is given the time
    """Print or write what was asked for."""
    files = list(_crds() if args.crds else _schemas())
    if args.output:
        for name, text in files:
            _write(args.output / name, text)
    elif args.crds:
        print("---\n".join(text for _, text in files), end="")
    else:
        print(json.dumps([json.loads(text) for _, text in files], indent=2, ensure_ascii=False))
    return 0


def _schemas() -> Iterator[tuple[str, str]]:
    for kind in Kind:
        file = assets.schema_file(kind)
        yield str(file.relative_to(assets.schemas())), file.read_text(encoding="utf-8")


def _crds() -> Iterator[tuple[str, str]]:
    for kind in Kind:
        yield crd_file(kind)


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SetupError(f"{file} cannot be written: {error.strerror}") from error
    print(file)
