"""Quill: restic backups of Kubernetes volumes by a tick, not an operator."""

__version__ = "0.1.0"
