"""Why a mover has not begun: a reason of failures.py, from the words of kubelet and the scheduler. Pure."""

import re
from typing import Final

PATIENCE_NEEDED: Final = frozenset({"Unschedulable", "VolumeNotBound"})
"""Causes that every slow driver or busy cluster shows for a while: nothing is wrong yet."""

_CAUSES: Final = (
    ("ImagePullFailed", re.compile(r"ImagePullBackOff|InvalidImageName|ErrImageNeverPull|ImageInspectError")),
    ("SecretKeyMissing", re.compile(r"CreateContainerConfigError: .*couldn't find key")),
    ("SecretNotFound", re.compile(r'CreateContainerConfigError: .*secret ".*" not found')),
    ("VolumeNotBound", re.compile(r"Unschedulable: .*persistentvolumeclaim", re.IGNORECASE)),
    ("Unschedulable", re.compile(r"Unschedulable|SchedulerError|SchedulingGated")),
)


def cause_of(trouble: str) -> str:
    """The reason for a pod's ``trouble``; ``MoverNotStarted`` when its words are not known."""
    return next((reason for reason, words in _CAUSES if words.match(trouble)), "MoverNotStarted")
