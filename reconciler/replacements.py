"""Claims that are younger than the last restore into them, as when Git has made a lost one anew. Pure.

That is only said: a claim may have been replaced on purpose, and nothing is restored that nobody asked for.
"""

from collections.abc import Mapping

from reconciler.observed import Volume
from reconciler.resource import Resource


def replacement(resource: Resource, claims: Mapping[str, Volume]) -> str:
    """What to say of a destination whose claim is another by now; empty where it is not, or has never been filled."""
    claim, status = claims.get(resource.spec.destination_pvc or ""), resource.status
    if resource.chore or claim is None or claim.created is None or status.last_sync_time is None:
        return ""
    if status.last_sync_start_time is None or claim.created <= status.last_sync_start_time:
        return ""
    return (
        f"PersistentVolumeClaim {claim.namespace}/{claim.name} is younger than the last restore into it; "
        f"to restore over what is in it: quill sync {resource.namespace}/{resource.name} --kind destination"
    )
