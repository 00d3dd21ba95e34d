"""What can stop a tick or one object of it; a user's mistake is a ``Problem`` (problems.py), never one of these."""

from typing import Final

BUG_MESSAGE: Final = "a bug in quill; the log of the tick has its traceback"
"""What a status says where none of these was raised."""

NAMESPACE_TERMINATING: Final = "NamespaceTerminating"
"""``NamespaceTerminatingCause`` of k8s.io/api/core/v1: nothing new can be made in a namespace that is being deleted."""


class ReconcilerError(Exception):
    """Root of everything Quill raises on purpose."""


class SetupError(ReconcilerError):
    """The cluster, the CRDs or a right is missing: nothing useful can be done (exit code 2)."""


class RenderError(ReconcilerError):
    """A template cannot be rendered, or renders to something Quill refuses to apply.

    The message names the template and, where Jinja or YAML know it, the line.
    """


class ClusterError(ReconcilerError):
    """One API request failed for good.

    ``status`` is the HTTP code, 0 when no answer came; ``reason`` the Kubernetes reason ("Conflict", "Forbidden"), or
    ``NAMESPACE_TERMINATING``, the cause that the API server gives of a refusal.
    """

    def __init__(self, message: str, *, status: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason

    @property
    def is_overtaken(self) -> bool:
        """Somebody changed or deleted the object meanwhile, or is deleting its namespace: there is nothing to retry."""
        return self.status in (404, 409) or self.reason == NAMESPACE_TERMINATING
