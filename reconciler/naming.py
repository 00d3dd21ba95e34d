"""Names, labels and owners of everything Quill makes.

A name is a lock: two ticks that mean the same child say the same name. No other module may build a name or a label.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime

from reconciler.resource import API_GROUP, API_VERSION, Key, Kind, Rejected, Resource
from reconciler.status import Run
from reconciler.timestamps import format_time

MANAGER = "quill"
GATE_MANAGER = "quill-gate"
ANNOTATING = "quill-sync"
"""Field manager of ``quill sync``."""
MANAGED_BY = {"app.kubernetes.io/managed-by": MANAGER}
SELECTOR = f"app.kubernetes.io/managed-by={MANAGER}"

OWNER_UID = f"{API_GROUP}/owner-uid"
OWNER_KIND = f"{API_GROUP}/owner-kind"
OWNER_NAME = f"{API_GROUP}/owner-name"
CHORE = f"{API_GROUP}/chore"
VOLUME = f"{API_GROUP}/volume"
"""As a label for people and selectors, cut to its length; the annotation has the whole name of the claim."""
ACTION = f"{API_GROUP}/action"
RUN = f"{API_GROUP}/run"
ATTEMPT = f"{API_GROUP}/attempt"
COPY_METHOD = f"{API_GROUP}/copy-method"
SOURCE_CLAIM = f"{API_GROUP}/source-claim"
GROUP = f"{API_GROUP}/group"
REPOSITORY = f"{API_GROUP}/repository"
HOOK = f"{API_GROUP}/hook"
HOOKS = f"{API_GROUP}/hooks"
"""Of a Job, the hooks of its run; of a namespace, whether an administrator allows any."""
PRIVILEGED_MOVERS = f"{API_GROUP}/privileged-movers"
DO_NOT_DELETE = f"{API_GROUP}/do-not-delete"
ACCEPT_SHRUNKEN = f"{API_GROUP}/accept-shrunken"
SYNC_REQUESTED_AT = f"{API_GROUP}/sync-requested-at"
PAUSED = f"{API_GROUP}/paused"
FLUX_REQUESTED_AT = "reconcile.fluxcd.io/requestedAt"

_NAME_LIMIT = 52  # a pod's name keeps 58 characters of its Job's; the whole hash must be in it, restic's locks name it
_LABEL_LIMIT = 63
NOTE_LIMIT = 253
_HASH_LENGTH = 12
_PLAIN_REQUEST = re.compile(r"[A-Za-z0-9:.+_-]{1,40}")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_HASH_LENGTH]


def child_name(owner: Resource | Rejected, purpose: str, run: Run) -> str:
    """Name of the child that serves ``purpose`` (``backup``, ``snapshot``, ``volume``, …) in one attempt of one run.

    At most 52 characters, a DNS label, the same for every tick that sees the same owner uid, claim, chore and run.
    """
    return f"{child_stem(owner, purpose)}-{child_hash(owner, purpose, run)}"


def child_stem(owner: Resource | Rejected, purpose: str) -> str:
    """What such a name begins with, for people: of every run the same."""
    return _stem(owner.name, owner.volume, purpose)


def child_hash(owner: Resource | Rejected, purpose: str, run: Run) -> str:
    """The end of such a name, which alone tells whose it is: 12 hexadecimal digits."""
    return _hash(owner.key, purpose, run)


def is_name_of(name: str, labels: Mapping[str, object], *, volume: str, purpose: str, run: Run) -> bool:
    """Whether a child with these labels was given this name: who copies one copies the labels, too, under another."""
    owner, uid, chore = (str(labels.get(label, "")) for label in (OWNER_NAME, OWNER_UID, CHORE))
    return name == f"{_stem(owner, volume, purpose)}-{_hash((uid, volume, chore), purpose, run)}"


def _stem(owner: str, volume: str, purpose: str) -> str:
    room = _NAME_LIMIT - len(purpose) - _HASH_LENGTH - 2
    readable = "-".join(filter(None, (owner, volume))).replace(".", "-")[:room].strip("-")
    return f"{purpose}-{readable}"


def _hash(key: Key, purpose: str, run: Run) -> str:
    uid, volume, chore = key
    part = filter(None, (f"volume/{volume}" if volume else "", chore))
    return _digest(uid, purpose, run.token, str(run.attempt), *part)


def event_name(owner: Resource | Rejected, *about: str) -> str:
    """Name of the Event that says ``about`` of a CR: the same however often it is written."""
    return f"{owner.name[:_LABEL_LIMIT].rstrip('-.')}.{_digest(owner.uid, *about)}"


def label_value(text: str) -> str:
    """``text`` as a label value: itself when it fits 63 characters, else its beginning and a hash.

    Nothing is stripped from the beginning: ``is_name_of`` reads in it what a child's name begins with.
    """
    return _shortened(text, _LABEL_LIMIT)


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - _HASH_LENGTH - 1]}-{_digest(text)}"


def request_value(text: str) -> str:
    """What an annotation asks for, as part of a token: itself when it is a short word or time, else a hash."""
    return text if _PLAIN_REQUEST.fullmatch(text) else f"hash-{_digest(text)}"


def labels(owner: Resource | Rejected, component: str) -> dict[str, str]:
    """The fixed label set of a child; a CR's own labels are never copied (Argo CD and Flux would prune by them)."""
    uid, volume, chore = owner.key
    return {
        **MANAGED_BY,
        "app.kubernetes.io/name": MANAGER,
        "app.kubernetes.io/component": component,
        OWNER_KIND: str(owner.kind),
        OWNER_NAME: label_value(owner.name),
        OWNER_UID: uid,
        **({VOLUME: label_value(volume)} if volume else {}),
        **({CHORE: chore} if chore else {}),
    }


def annotations(owner: Resource | Rejected) -> dict[str, str]:
    """What every child says of its owner beside the labels: text that is too long for one."""
    return {VOLUME: owner.volume} if owner.volume else {}


def is_managed(labels: Mapping[str, object]) -> bool:
    """Whether these are labels of something that Quill made, be it all of them or the first."""
    return labels.get("app.kubernetes.io/managed-by") == MANAGER


def is_ours(labels: Mapping[str, object]) -> bool:
    """Whether these are the labels of a run's child, every one of them; an image is not a run's."""
    fixed = labels.get("app.kubernetes.io/managed-by") == labels.get("app.kubernetes.io/name") == MANAGER
    component, kind = labels.get("app.kubernetes.io/component"), labels.get(OWNER_KIND)
    of_a_run = component in ("mover", "hook", "snapshot", "volume") and kind in list(Kind)
    return fixed and of_a_run and bool(labels.get(OWNER_NAME)) and bool(labels.get(OWNER_UID))


def owner_reference(kind: str, name: str, uid: str) -> dict[str, object]:
    """A controller ownerReference to a CR or a Job, without blockOwnerDeletion (that needs rights on finalizers)."""
    versions: Mapping[str, str] = {Kind.SOURCE: API_VERSION, Kind.DESTINATION: API_VERSION, "Job": "batch/v1"}
    return {"apiVersion": versions[kind], "kind": str(kind), "name": name, "uid": uid, "controller": True}


def host_of(resource: Resource) -> str | None:
    """restic's host: ``spec.restic.identity``, else ``<namespace>-<name>`` for a backup and nothing for a restore.

    One of several claims has its name in it, too: the paths in a repository are the same for all.
    """
    if resource.spec.identity or resource.kind is Kind.DESTINATION:
        return resource.spec.identity
    return resource.title.replace("/", "-")


def repository_of(resource: Resource) -> str:
    """What people know a repository by: namespace and name of the Secret that leads to it, and the path below."""
    return "/".join(filter(None, (resource.namespace, resource.spec.secret, resource.spec.repository_path)))


def repository_note(resource: Resource) -> str:
    """The same as a status and a Job note it: itself when it fits 253 characters, else its beginning and a hash."""
    return _shortened(repository_of(resource), NOTE_LIMIT)


def slot_token(slot: datetime) -> str:
    """A schedule slot as a run token."""
    return format_time(slot)


def is_of_a_slot(run: Run) -> bool:
    """Whether the schedule asked for a run; the tokens of all others begin with a word."""
    return run.token[:1].isdigit()
