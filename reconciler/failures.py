"""Every way a run can fail: what it means, what to do about it, and whether Quill tries again. Pure.

docs/failures.md is generated from this table (``make docs``), and a test holds both together. A reason that is not here
comes from Kubernetes itself; it is treated like ``MoverFailed``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

HELD: Final = "VolumeShrunk"
LOCKED: Final = "RepositoryLocked"
MAX_ATTEMPTS: Final = 3


class Policy(StrEnum):
    """What happens after a failure; whatever it is, the next slot of the schedule runs."""

    RETRY = "Retry"
    """Tried again after a growing pause, a few times, never at or beyond the next slot."""
    WAIT = "Wait"
    """The mover has not begun: the run waits for the cause to go, and counts as failed only after an hour."""
    STOP = "Stop"
    """Another attempt would only repeat it: ``Stalled`` until somebody acts or the next slot comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One row of the table."""

    reason: str
    policy: Policy
    meaning: str
    remedy: str


_ROWS: Final = (
    Failure(
        reason="RepositoryNotFound",
        policy=Policy.STOP,
        meaning="There is no restic repository at RESTIC_REPOSITORY. Only the first backup makes one.",
        remedy="Check the address in the Secret, or wait for the first backup. For a new one later: `restic init`.",
    ),
    Failure(
        reason="WrongPassword",
        policy=Policy.STOP,
        meaning="RESTIC_PASSWORD opens no key of the repository.",
        remedy="Put the right password into the Secret.",
    ),
    Failure(
        reason=LOCKED,
        policy=Policy.RETRY,
        meaning="Another restic holds a lock, and did not let go of it in ten minutes. `status.locks` says who.",
        remedy="A dead mover's lock is removed. Any other, when no restic runs on its host any more: `restic unlock`.",
    ),
    Failure(
        reason="LockNotRemoved",
        policy=Policy.STOP,
        meaning="A dead mover's lock could not be removed, or not without one that is not a mover's.",
        remedy="The message names that one. When no restic runs on its host any more: `restic unlock`.",
    ),
    Failure(
        reason="RepositoryUnreachable",
        policy=Policy.RETRY,
        meaning="The place of the repository did not answer, or not in time. It says nothing of what is there.",
        remedy="Check address, network policies and the back end.",
    ),
    Failure(
        reason="NoSpace",
        policy=Policy.STOP,
        meaning="The repository or the volume is full.",
        remedy="Make room, or give a destination a larger capacity.",
    ),
    Failure(
        reason="DoesNotFit",
        policy=Policy.STOP,
        meaning="The snapshot holds more than the whole volume could take. Nothing was downloaded.",
        remedy="Raise restic.capacity, or the size of the claim in restic.destinationPVC, above what the message says.",
    ),
    Failure(
        reason="PermissionDenied",
        policy=Policy.STOP,
        meaning="The back end refused the credentials, or the mover's user may not enter or write the volume.",
        remedy="Check the keys in the Secret, and the user in restic.moverSecurityContext.",
    ),
    Failure(
        reason="PartialBackup",
        policy=Policy.STOP,
        meaning="Some files could not be read. The snapshot of the others was removed again.",
        remedy="Run the mover as the user the files belong to: restic.moverSecurityContext.",
    ),
    Failure(
        reason="RepositoryDamaged",
        policy=Policy.STOP,
        meaning="A verification or a drill found data missing or changed in the repository.",
        remedy="Read the mover's log, then restic's documentation on repairing a damaged repository.",
    ),
    Failure(
        reason="DrillFailed",
        policy=Policy.STOP,
        meaning="A drill restored the newest snapshot, and what came of it is not what was saved.",
        remedy="Its volume stays for an hour: compare it. Then verify the repository with all its data.",
    ),
    Failure(
        reason="EmptyVolume",
        policy=Policy.STOP,
        meaning="There is nothing in the volume, and this version of restic makes no snapshot of nothing.",
        remedy="Nothing, if the application has not written yet: the next slot looks again.",
    ),
    Failure(
        reason=HELD,
        policy=Policy.STOP,
        meaning="The volume holds far less than its last snapshot. No backup was made and nothing was forgotten.",
        remedy="Bring the data back, or accept it with the annotation that the message names.",
    ),
    Failure(
        reason="SnapshotNotFound",
        policy=Policy.STOP,
        meaning="The repository has no snapshot of the identity that is to be restored.",
        remedy="Check restic.identity; the message names the hosts there are.",
    ),
    Failure(
        reason="AmbiguousIdentity",
        policy=Policy.STOP,
        meaning="The repository holds snapshots of several sources, and none was chosen.",
        remedy="Set restic.identity to one of those the message lists.",
    ),
    Failure(
        reason="Interrupted",
        policy=Policy.RETRY,
        meaning="The mover was told to stop, by a drained node or a deleted pod. It removed its lock.",
        remedy="Nothing.",
    ),
    Failure(
        reason="Timeout",
        policy=Policy.RETRY,
        meaning="The mover worked for longer than a day and ended itself.",
        remedy="See how far it came: the next attempt stores only what is missing.",
    ),
    Failure(
        reason="OOMKilled",
        policy=Policy.RETRY,
        meaning="The mover took more memory than its container may.",
        remedy="Raise the memory limit in mover-container.yaml.j2 or of the namespace's LimitRange.",
    ),
    Failure(
        reason="Evicted",
        policy=Policy.RETRY,
        meaning="The node ran short of memory or disk and put the mover out.",
        remedy="Look at the node; give the mover requests it can keep.",
    ),
    Failure(
        reason="DeadlineExceeded",
        policy=Policy.RETRY,
        meaning="The Job outlived even its own deadline, so its mover could not say why.",
        remedy="Look at the node it ran on.",
    ),
    Failure(
        reason="MoverLost",
        policy=Policy.RETRY,
        meaning="The Job was deleted, or expired, before its result was seen.",
        remedy="Nothing, unless it happens again: then look for what deletes Jobs.",
    ),
    Failure(
        reason="MoverFailed",
        policy=Policy.RETRY,
        meaning="restic failed in a way that is not known here.",
        remedy="Read the message and the log of the mover's pod.",
    ),
    Failure(
        reason="HookFailed",
        policy=Policy.RETRY,
        meaning="The pod of hooks.before failed or took too long. Nothing was copied, and hooks.after runs.",
        remedy="Read the log of the pod of the Job that the message names: it stays for an hour.",
    ),
    Failure(
        reason="ImagePullFailed",
        policy=Policy.WAIT,
        meaning="The mover's image cannot be pulled.",
        remedy="Check its name in your overlay (images: docker.io/restic/restic) and the registry.",
    ),
    Failure(
        reason="SecretNotFound",
        policy=Policy.WAIT,
        meaning="The Secret that restic.resticConfig names is not there.",
        remedy="Create it in the namespace of the resource.",
    ),
    Failure(
        reason="SecretKeyMissing",
        policy=Policy.WAIT,
        meaning="The Secret has no RESTIC_REPOSITORY or no RESTIC_PASSWORD.",
        remedy="Add the key that the message names.",
    ),
    Failure(
        reason="VolumeNotBound",
        policy=Policy.WAIT,
        meaning="The mover's volume is not provisioned.",
        remedy="`kubectl describe pvc` says what its provisioner waits for.",
    ),
    Failure(
        reason="Unschedulable",
        policy=Policy.WAIT,
        meaning="No node takes the mover's pod.",
        remedy="The scheduler's own words are in the message.",
    ),
    Failure(
        reason="MoverNotStarted",
        policy=Policy.WAIT,
        meaning="The Job has no running pod, and none of the reasons above.",
        remedy="`kubectl describe` the Job and its pod: a quota, a mount, an admission policy?",
    ),
    Failure(
        reason="SnapshotNotReady",
        policy=Policy.WAIT,
        meaning="The VolumeSnapshot did not become ready: in an hour, or in a day where its driver tells of no error.",
        remedy="`kubectl describe volumesnapshot`; is there a VolumeSnapshotClass for the driver?",
    ),
)

FAILURES: Final[Mapping[str, Failure]] = {row.reason: row for row in _ROWS}


def policy_of(reason: str) -> Policy:
    """What happens after a failure with this reason."""
    known = FAILURES.get(reason)
    return known.policy if known else Policy.RETRY


def markdown() -> str:
    """docs/failures.md."""
    lines = [
        "# Failures",
        "",
        "<!-- Generated from reconciler/failures.py by `make docs`; change it there. -->",
        "",
        "Every failed run has one of these reasons: in `status.latestMoverStatus.reason`, in `Ready` and in an Event.",
        "Retry: again after 1 and 4 minutes, three attempts in all, never at or after the next slot; after",
        "`RepositoryLocked` not before its holder would have renewed the lock, at most 10 minutes. Wait: the mover",
        "has not begun; `Ready` says so at once, and after an hour the attempt counts as failed. Stop: `Stalled`, no",
        "further attempt. The next slot of the schedule runs in any case.",
        "",
        "| reason | then | what it means | what to do |",
        "|---|---|---|---|",
    ]
    lines += [f"| `{row.reason}` | {row.policy} | {row.meaning} | {row.remedy} |" for row in _ROWS]
    return "\n".join(lines) + "\n"
