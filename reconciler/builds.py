"""What kustomize builds of a folder, checked, with each finding in the file that its object comes from.

The only module that runs kustomize. It changes no file: a build of its own, in a temporary folder, asks for the origin
of each object and takes the user's folder for its only resource.
"""

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from reconciler import documents, files
from reconciler.errors import SetupError
from reconciler.files import Content, Placed, Report
from reconciler.findings import Finding, found_in
from reconciler.kustomizations import NAMES, kustomization_in
from reconciler.places import located, spot

_ORIGIN: Final = "config.kubernetes.io/origin"


@dataclass(frozen=True, slots=True)
class Build:
    """What a folder builds to: checked, and as it is."""

    report: Report
    contents: tuple[Content, ...]


def build(folder: Path) -> Build:
    """Build and check a folder. A SetupError if there is no kustomize, or it refuses to."""
    given = kustomization_in(folder)
    if given is None:
        raise SetupError(f"{folder} holds no {NAMES[0]}")
    with tempfile.TemporaryDirectory(prefix="quill-") as name:
        wrapper = Path(name).resolve()
        relative = os.path.relpath(folder.resolve(), wrapper)
        listed = "components" if re.search(rb"^kind: *Component\b", given.read_bytes(), re.MULTILINE) else "resources"
        body = {listed: [relative], "buildMetadata": ["originAnnotations"]}
        (wrapper / NAMES[0]).write_text(yaml.safe_dump(body))
        built = _built(folder, wrapper)
        texts = re.split(r"^---\n", built, flags=re.MULTILINE)
        report = files.merged(_checked(text, given, wrapper) for text in texts)
    return Build(report, ((str(given), built.encode()),))


def _built(folder: Path, wrapper: Path) -> str:
    programs = {"kustomize": "build", "kubectl": "kustomize"}
    found = next((program for program in programs if shutil.which(program)), None)
    if found is None:
        raise SetupError(f"building {folder} needs kustomize or kubectl, and neither is on the PATH")
    done = subprocess.run(
        [found, programs[found], str(wrapper)], capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if done.returncode:
        raise SetupError(f"{folder} does not build: {_reason(done.stderr) or f'{found} gave no reason'}")
    return done.stdout


def _reason(words: str) -> str:
    """What kustomize says, without the time and place that kubectl puts before it and without the folder around."""
    logged = re.search(r'err="(.*)"$', words.strip(), re.MULTILINE)
    reason = logged[1].replace('\\"', '"') if logged else words.strip().removeprefix("Error: ").removeprefix("error: ")
    return re.sub(r"^accumulating .*?recursed accumulation of path '[^']*': ", "", reason, flags=re.DOTALL)


def _checked(text: str, given: Path, wrapper: Path) -> Report:
    """What one built object is, as if it had been found in the file it comes from."""
    found = files.check(text.encode(), str(given))
    node = next((each for each in documents.compose(text) if isinstance(each, yaml.MappingNode)), None)
    if node is None or not (found.placed or found.findings):
        return found
    source = _source(documents.value(node)[0], given, wrapper)
    return replace(
        found,
        placed=tuple(source.placed(each) for each in found.placed),
        findings=tuple(source.finding(each, node, given) for each in found.findings),
        files=(source.file,),
    )


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a built object comes from; one that no local file holds is shown at the kustomization's first line."""

    file: str
    text: str
    node: yaml.MappingNode
    name: str = ""

    def placed(self, built: Placed) -> Placed:
        known = built.knows("metadata", "namespace")
        namespace = built.resource.namespace if known else ""  # a build has the last word on it, but for Flux
        return replace(built, namespace=namespace, file=self.file, node=self.node, text=self.text)

    def finding(self, built: Finding, node: yaml.MappingNode, given: Path) -> Finding:
        problem = built.mistake.problem
        before, after = spot(self.node, problem), spot(node, problem)
        if self.name:
            note = f"in {self.name}, which no file here holds"
        elif isinstance(after, yaml.ScalarNode) and after.value != before.value:
            note = f"this file says otherwise: see the patches of {given}"
        else:
            note = ""
        mistake = located(self.node, replace(problem, hint="; ".join(filter(None, (problem.hint, note)))))
        return found_in(self.file, mistake, documents.lines(self.text))


def _source(raw: Any, given: Path, wrapper: Path) -> _Source:  # noqa: ANN401 - a built object is JSON
    metadata = raw["metadata"]
    origin = yaml.safe_load(metadata.get("annotations", {}).get(_ORIGIN, "{}"))
    file = Path(os.path.normpath(wrapper / origin["path"])) if "path" in origin and "repo" not in origin else None
    if file and file.is_file():
        text = file.read_text(encoding="utf-8-sig", errors="replace")
        nodes = (each for each in documents.compose(text) if isinstance(each, yaml.Node))
        same_kind = [each for node in nodes for each in files.objects(node) if files.text(each, "kind") == raw["kind"]]
        if same_kind:
            shown = str(file) if given.is_absolute() else os.path.relpath(file)
            return _Source(shown, text, max(same_kind, key=lambda each: _likeness(each, metadata["name"])))
    begin = yaml.Mark(str(given), 0, 0, 0, None, 0)
    return _Source(str(given), "", yaml.MappingNode("", [], begin, begin), name=f"{raw['kind']} {metadata['name']}")


def _likeness(node: yaml.MappingNode, built: str) -> tuple[bool, int]:
    """How well a source's name fits a built one, to which kustomize may have put a prefix and a suffix."""
    name = files.text(files.field(node, "metadata"), "name")
    return name in built, len(name)
