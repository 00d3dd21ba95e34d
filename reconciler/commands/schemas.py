"""``quill schemas``: the JSON Schemas for editors and CI, or the CustomResourceDefinitions for a cluster."""

import argparse
import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from reconciler import assets, files
from reconciler.arguments import complete_files, complete_folders
from reconciler.crds import crd_file
from reconciler.errors import SetupError
from reconciler.modelines import with_modelines
from reconciler.resource import API_GROUP, Kind

EXAMPLES = """
  quill schemas                                  both JSON Schemas, as one list
  quill schemas --output schemas/                as <group>/<kind>_<version>.json, the layout of CRD catalogs
  quill schemas --crds | kubectl apply --server-side -f -
  quill schemas --output schemas/ --modeline clusters/    and lets editors know, in a comment above each resource
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("--crds", action="store_true", help="CustomResourceDefinitions instead of JSON Schemas")
    folder = parser.add_argument("--output", type=Path, metavar="DIR", help="write files into DIR instead of printing")
    given = parser.add_argument(
        "--modeline",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="put `# yaml-language-server: $schema=…` above each resource in these files and folders, "
        "instead of printing",
    )
    complete_files(given)
    parser.add_argument(
        "--location",
        metavar="URL",
        help="where editors find the schemas (default: DIR as seen from each file, else those of this installation)",
    )
    complete_folders(folder)


def run(args: argparse.Namespace, *, now: datetime) -> int:  # noqa: ARG001 - every verb is given the time
    """Print or write what was asked for."""
    if args.location and not args.modeline:
        raise SetupError("--location says where --modeline FILE points to; give both")
    texts = list(_crds() if args.crds else _schemas())
    if args.output:
        for name, text in texts:
            _write(args.output / name, text)
    if args.modeline:
        for name, content in files.contents(args.modeline):
            _mark(Path(name), content, args)
    elif not args.output and args.crds:
        print("---\n".join(text for _, text in texts), end="")
    elif not args.output:
        print(json.dumps([json.loads(text) for _, text in texts], indent=2, ensure_ascii=False))
    return 0


def _mark(file: Path, content: bytes, args: argparse.Namespace) -> None:
    """Put modelines into one file, if it is ours, text and lacks them."""

    def location(kind: Kind) -> str:
        name = str(assets.schema_file(kind).relative_to(assets.schemas()))
        if args.location:
            return f"{args.location.rstrip('/')}/{name}"
        return os.path.relpath(args.output / name, file.parent) if args.output else str(assets.schemas() / name)

    if API_GROUP.encode() not in content or file.suffix == ".json":
        return
    try:
        marked = with_modelines(content.decode(), location).encode()
    except UnicodeDecodeError:
        return
    if marked != content:
        _write(file, marked.decode())


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
        file.write_bytes(text.encode())  # and no line end is changed
    except OSError as error:
        raise SetupError(f"{file} cannot be written: {error.strerror}") from error
    print(file)
