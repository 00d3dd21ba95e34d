"""From a plan to the object that is applied: the only module that imports jinja2.

Templates belong to the cluster's administrator, values to whoever writes a custom resource. So a value can never become
structure: Jinja is sandboxed and strict, every ``{{ }}`` is written as JSON, and what decides whose an object is (kind,
name, namespace, labels, owner) is put in after rendering.
"""

import json
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import yaml
from jinja2 import FileSystemLoader, StrictUndefined, TemplateError, TemplateSyntaxError, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from reconciler import assets, naming
from reconciler.errors import RenderError
from reconciler.hookjobs import note
from reconciler.observing import DATA_VOLUME
from reconciler.plans import JobPlan, Plan, SnapshotPlan, VolumePlan
from reconciler.resource import Resource
from reconciler.spec import Action

DEFAULT_IMAGE: Final = "docker.io/restic/restic:0.19.1"
DEFAULT_USER: Final = 65534
MOVER_TIMEOUT: Final = 24 * 60 * 60
"""Seconds a mover may work; templates/mover.yaml.j2 adds an hour for the Job's own deadline."""

_SCRIPT: Final = "mover.sh"
_NOT_PLAIN: Final = re.compile(r"[^ -~]")
_VERSIONS: Final = {
    "Job": "batch/v1",
    "VolumeSnapshot": "snapshot.storage.k8s.io/v1",
    "PersistentVolumeClaim": "v1",
}


class Renderer:
    """Renders with the templates of one folder; each template is read once."""

    def __init__(self, folder: Path, *, image: str) -> None:
        self._folder = folder
        self._image = image
        self._environment = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(folder),
            undefined=StrictUndefined,
            finalize=_as_json,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._script = lru_cache(maxsize=1)(self._read_script)

    def rendered(self, plan: Plan, owner: Resource, *, job_uid: str = "") -> dict[str, Any]:
        """The object to apply. ``job_uid`` is needed where the run's Job owns it. Raises RenderError."""
        match plan:
            case JobPlan():
                return self._job(plan, owner)
            case SnapshotPlan():
                kind, template, component = "VolumeSnapshot", "snapshot.yaml.j2", "snapshot" if plan.job else "image"
                values: dict[str, Any] = {"claim": plan.claim, "class_name": plan.class_name}
            case VolumePlan():
                kind, template, component = "PersistentVolumeClaim", "volume.yaml.j2", "volume"
                values = _volume_values(plan)
        body = self._document(template, kind, values)
        reference = naming.owner_reference("Job", plan.job, job_uid) if plan.job else _reference(owner)
        return _identified(body, plan, owner, component=component, reference=reference)

    def _job(self, plan: JobPlan, owner: Resource) -> dict[str, Any]:
        template = f"{plan.action}.yaml.j2"
        values = _job_values(plan) | {"image": self._image, "script": self._script()}
        body = self._document(template, "Job", values)
        spec = body["spec"]
        try:
            metadata = spec["template"].setdefault("metadata", {})
            metadata["labels"] = {**(metadata.get("labels") or {}), **naming.labels(owner, "mover")}
            if own := naming.annotations(owner):
                metadata["annotations"] = {**(metadata.get("annotations") or {}), **own}
            if plan.action is Action.BACKUP:
                _check_backup(template, spec["template"]["spec"])
            if plan.hostname and spec["template"]["spec"].get("hostname") != plan.hostname:
                raise RenderError(f"{template}: the pod's hostname must be that of the dead mover, {plan.hostname}")
        except (AttributeError, KeyError, TypeError) as error:
            raise RenderError(f"{template}: spec.template does not look like a Job's: {error!r}") from error
        spec["suspend"] = True
        body = _identified(body, plan, owner, component="mover", reference=_reference(owner))
        body["metadata"]["annotations"] |= {
            naming.ACTION: str(plan.action),
            naming.COPY_METHOD: str(plan.copy_method),
            naming.REPOSITORY: plan.repository,
            **({naming.SOURCE_CLAIM: plan.source} if plan.source else {}),
            **({naming.GROUP: plan.group} if plan.group else {}),
            **({naming.HOOKS: note(plan.hooks)} if plan.hooks else {}),
        }
        return body

    def _document(self, template: str, kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
        text = self._text(template, values)
        try:
            body = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
            body = json.loads(
                json.dumps(body, allow_nan=False)
            )  # YAML knows dates, sets and loops, Kubernetes does not
        except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
            raise RenderError(f"{template}: does not render to YAML: {' '.join(str(error).split())}") from error
        if not isinstance(body, dict) or not isinstance(body.get("spec"), dict):
            raise RenderError(f"{template}: does not render to one object with a spec")
        if (body.get("apiVersion"), body.get("kind")) != (_VERSIONS[kind], kind):
            found = f"{body.get('apiVersion')} {body.get('kind')}"
            raise RenderError(f"{template}: must render to a {_VERSIONS[kind]} {kind}, not to a {found}")
        _check_metadata(template, body.get("metadata"))
        return body

    def _text(self, template: str, values: Mapping[str, Any]) -> str:
        try:
            return self._environment.get_template(template).render(values)
        except TemplateSyntaxError as error:
            raise RenderError(f"{error.name or template}:{error.lineno}: {error.message}") from error
        except (TemplateError, ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise RenderError(f"{_place(error, self._folder) or template}: {error}") from error

    def _read_script(self) -> str:
        try:
            return _literal((self._folder / _SCRIPT).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise RenderError(f"{_SCRIPT}: cannot be read: {error}") from error


def renderer(folder: Path | None = None) -> Renderer:
    """A renderer with the given templates, else those of ``$QUILL_TEMPLATES``, else those that come with Quill."""
    named = os.environ.get("QUILL_TEMPLATES")
    chosen = folder or (Path(named) if named else assets.templates())
    return Renderer(chosen, image=os.environ.get("QUILL_MOVER_IMAGE") or DEFAULT_IMAGE)


def _as_json(value: object) -> str:
    """``value`` as JSON that YAML 1.1 reads as the same value: ASCII only, each character one escape."""
    if isinstance(value, Undefined):
        return str(value)  # raises, and names what is undefined
    text = json.dumps(value, ensure_ascii=False)
    return _NOT_PLAIN.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _literal(text: str) -> str:
    """``text`` for a command or an environment, where kubelet expands ``$(NAME)`` and reads ``$$`` as ``$``."""
    return text.replace("$", "$$")


def _place(error: Exception, folder: Path) -> str:
    """``<template>:<line>`` where it failed, which only the traceback knows: it may be one that is included."""
    found, trace = "", error.__traceback__
    while trace:
        file = Path(trace.tb_frame.f_code.co_filename)
        if file.parent == folder:
            found = f"{file.name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


def _job_values(plan: JobPlan) -> dict[str, Any]:
    security = plan.security
    user = DEFAULT_USER if security.run_as_user is None else security.run_as_user
    group = DEFAULT_USER if security.run_as_group is None else security.run_as_group
    fs_group = None if plan.node_name else group  # kubelet would give what an application is using to that group
    return {
        "action": str(plan.action),
        "secret": plan.secret,
        "claim": plan.claim,
        "host": _literal(plan.host or ""),
        "settings": {name: _literal(value) for name, value in plan.settings.items()},
        "hostname": plan.hostname,
        "node_name": plan.node_name,
        "privileged": plan.privileged,
        "user": user,
        "group": group,
        "fs_group": fs_group if security.fs_group is None else security.fs_group,
        "supplemental_groups": list(security.supplemental_groups),
        "timeout": MOVER_TIMEOUT,
        "keep": plan.action is Action.RESTORE,
    }


def _volume_values(plan: VolumePlan) -> dict[str, Any]:
    kind, name = plan.data_source or (None, None)
    return {
        "size": plan.size,
        "access_modes": list(plan.access_modes),
        "storage_class_name": plan.storage_class_name,
        "volume_mode": plan.volume_mode,
        "data_source_kind": kind,
        "data_source_name": name,
    }


def _check_metadata(template: str, metadata: object) -> None:
    """Labels and annotations of a template's own: text, or the API server would refuse them for a less clear reason."""
    given = metadata if isinstance(metadata, Mapping) else {}
    for field in ("labels", "annotations"):
        values = given.get(field) or {}
        if not isinstance(values, Mapping) or not all(isinstance(value, str) for value in values.values()):
            raise RenderError(f"{template}: metadata.{field} must be a mapping of text to text; put values in quotes")
    if metadata is not None and not isinstance(metadata, Mapping):
        raise RenderError(f"{template}: metadata must be a mapping")


def _check_backup(template: str, pod: Mapping[str, Any]) -> None:
    """What would let kubelet or a mover change the volume that is backed up, whoever wrote the template."""
    if "fsGroup" in (pod.get("securityContext") or {}):
        raise RenderError(f"{template}: a backup must not have an fsGroup: kubelet would rewrite the volume's owners")
    claims = {each["name"]: each["persistentVolumeClaim"] for each in pod["volumes"] if "persistentVolumeClaim" in each}
    if DATA_VOLUME not in claims:
        raise RenderError(f"{template}: a backup needs its claim as a volume named {DATA_VOLUME}")
    if writable := [name for name, claim in claims.items() if claim.get("readOnly") is not True]:
        raise RenderError(f"{template}: the persistentVolumeClaim of volume {writable[0]} must have readOnly: true")


def _reference(owner: Resource) -> dict[str, object]:
    return naming.owner_reference(owner.kind, owner.name, owner.uid)


def _identified(
    body: dict[str, Any], plan: Plan, owner: Resource, *, component: str, reference: Mapping[str, object]
) -> dict[str, Any]:
    """``body`` with the metadata that no template decides; labels and annotations of its own stay beside it."""
    given = body.get("metadata") or {}
    body["metadata"] = {
        "name": plan.name,
        "namespace": owner.namespace,
        "labels": {**(given.get("labels") or {}), **naming.labels(owner, component)},
        "annotations": {
            **(given.get("annotations") or {}),
            **naming.annotations(owner),
            naming.RUN: plan.run.token,
            naming.ATTEMPT: str(plan.run.attempt),
        },
        "ownerReferences": [dict(reference)],
    }
    body.pop("status", None)
    return body
