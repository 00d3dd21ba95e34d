"""Templates of an override, tried: all kinds of runs are rendered with them, and what comes out is checked.

An override needs to hold only the templates that it changes; the others are those that come with Quill. No cluster is
asked: the structure of Kubernetes' objects is in schemas/.
"""

import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from reconciler import assets, samples, structures
from reconciler.chores import with_chores
from reconciler.errors import RenderError, SetupError
from reconciler.files import Report
from reconciler.findings import Finding, in_order
from reconciler.imagined import UNKNOWN_UID
from reconciler.places import Mistake
from reconciler.plans import HookPlan, JobPlan, Plan, SnapshotPlan, Wait
from reconciler.problems import Problem
from reconciler.rehearsal import rehearsed
from reconciler.rendering import DEFAULT_IMAGE, Renderer
from reconciler.resource import Resource

_NOW: Final = datetime(2026, 1, 2, 3, tzinfo=UTC)
_PLACE: Final = re.compile(r"([^:\s]+\.(?:j2|sh)):(?:(\d+):)? *(.*)", re.DOTALL)


def check(folder: Path) -> Report:
    """What is wrong with the templates of a folder. A SetupError if there are none."""
    files = [path for path in sorted(folder.glob("*")) if path.suffix in (".j2", ".sh") and path.is_file()]
    if not files:
        raise SetupError(f"{folder} holds no templates (*.j2)")
    with tempfile.TemporaryDirectory(prefix="quill-") as name:
        merged = Path(shutil.copytree(assets.templates(), Path(name, "templates")))
        for file in files:
            shutil.copyfile(file, merged / file.name)
        renderer = Renderer(merged, image=DEFAULT_IMAGE)
        found = [finding for each in _resources() for finding in _findings(renderer, each, folder)]
    names = tuple(map(str, files))
    return Report(findings=in_order(_once(found), names), files=names)


def _once(found: Iterable[Finding]) -> Iterable[Finding]:
    """Each problem at a place, however many samples have it."""
    return {(each.file, each.mistake.line, _identity(each.mistake.problem)): each for each in found}.values()


def _identity(problem: Problem) -> tuple[str, str]:
    return problem.rule, re.sub(r"\[\d+\]", "", problem.path)


def _resources() -> Iterator[Resource]:
    for each in samples.resources():
        synced = replace(each, status=replace(each.status, last_sync_time=_NOW))  # which chores wait for
        yield from with_chores(synced, dead_locks=(samples.LOCK,))


def _findings(renderer: Renderer, resource: Resource, folder: Path) -> Iterator[Finding]:
    plans = rehearsed(resource, samples.RUN, samples.surroundings(), now=_NOW)
    for plan in () if isinstance(plans, Wait) else plans:
        if isinstance(plan, HookPlan):
            continue  # that of a PodTemplate
        try:
            body = renderer.rendered(plan, resource, job_uid=UNKNOWN_UID)
        except RenderError as error:
            yield _failure(str(error), folder)
            continue
        for problem in structures.problems(body, assets.structures()):
            yield _located(problem, folder, _template(plan))


def _template(plan: Plan) -> str:
    if isinstance(plan, JobPlan):
        return f"{plan.action}.yaml.j2"
    return "snapshot.yaml.j2" if isinstance(plan, SnapshotPlan) else "volume.yaml.j2"


def _failure(words: str, folder: Path) -> Finding:
    """A template that does not render: the renderer says where."""
    match = _PLACE.match(words)
    name, line, sentence = (match[1], int(match[2] or 1), match[3]) if match else ("?", 1, words)
    return _finding(folder / name, Problem("", sentence, rule="template"), line)


def _located(problem: Problem, folder: Path, template: str) -> Finding:
    """A wrong field of an object, in the first of the folder's templates that names it, or what it stands in, once."""
    for step in reversed(re.sub(r"\[\d+\]", "", problem.path).split(".")):
        field = re.compile(rf"^[ \t]*(?:- )?{re.escape(step)}[ \t]*:", re.MULTILINE)
        for name in dict.fromkeys((template, *sorted(path.name for path in folder.glob("*.j2")))):
            text = (folder / name).read_text(errors="replace") if (folder / name).is_file() else ""
            found = list(field.finditer(text))
            if len(found) == 1:
                return _finding(folder / name, problem, text.count("\n", 0, found[0].start()) + 1)
    return _finding(folder / template, problem, 1)


def _finding(file: Path, problem: Problem, line: int) -> Finding:
    if not file.is_file():  # a template of Quill's that an override of another breaks
        return Finding(str(file.parent), Mistake(problem, 1, 1))
    source = "".join(file.read_text(errors="replace").splitlines()[line - 1 : line])
    column = len(source) - len(source.lstrip()) + 1
    return Finding(str(file), Mistake(problem, line, column, max(1, len(source.strip()))), source)
