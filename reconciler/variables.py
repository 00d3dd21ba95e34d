"""Text of a spec that differs from one claim to the next: ``$(pvc)`` and ``$(namespace)``, and times with ``H``. Pure.

The form is Kubernetes' own for variables in a container's arguments. Flux replaces ``${…}`` and leaves it alone, and
YAML takes it without quotes.
"""

from dataclasses import replace
from typing import Final

from reconciler.hashed import plain
from reconciler.spec import Spec

CLAIM: Final = "$(pvc)"
_NAMESPACE: Final = "$(namespace)"


def resolved(spec: Spec, *, namespace: str, about: str) -> Spec:
    """The spec of one claim, or of a resource that has no more; ``about`` says whose ``H`` it is (hashed.py)."""
    kind = about.partition("/")[0]
    whose = f"{kind}/{namespace}//{spec.group}" if spec.group else about  # a group has one time for all members
    claim = spec.source_pvc or spec.destination_pvc or ""

    def filled(text: str) -> str:
        return text.replace(CLAIM, claim).replace(_NAMESPACE, namespace)

    return replace(
        spec,
        schedule=plain(spec.schedule, whose) if spec.schedule else None,
        verify=replace(spec.verify, schedule=plain(spec.verify.schedule, f"{about}/verify")) if spec.verify else None,
        drill=replace(spec.drill, schedule=plain(spec.drill.schedule, f"{about}/drill")) if spec.drill else None,
        repository_path=filled(spec.repository_path),
        identity=filled(spec.identity) if spec.identity and spec.source_pvc else spec.identity,
    )
