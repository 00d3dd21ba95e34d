"""The API server takes what a tick writes, whatever a mover reports, a pod is like and a resource is called."""

import pytest

pytestmark = pytest.mark.integration

LOCK = {"id": "a" * 64, "host": "laptop", "pid": 7, "time": "0001-01-01T00:00:00Z", "exclusive": True}
LOCKED = {"result": "Failed", "reason": "RepositoryLocked", "phase": "lock", "message": "locked", "locks": [LOCK]}


def application(stage, groups):
    """A pod of somebody's that uses the claim."""
    spec = {
        "securityContext": {"runAsUser": 999, "supplementalGroups": groups},
        "containers": [{"name": "app", "image": "app", "volumeMounts": [{"name": "store", "mountPath": "/store"}]}],
        "volumes": [{"name": "store", "persistentVolumeClaim": {"claimName": "data"}}],
    }
    metadata = {"name": "app-0", "namespace": stage.namespace}
    stage.api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


def test_an_identity_of_a_pod_with_many_groups_and_a_lock_of_the_year_one_are_recorded(stage):
    application(stage, [7, 7, *range(40)])
    stage.source(restic={"copyMethod": "None"})
    assert stage.tick()["nightly"].what == "Started"
    identity = stage.status()["moverIdentity"]
    assert (identity["runAsUser"], len(identity["supplementalGroups"])) == (999, 32)
    stage.run_movers(LOCKED | {"summary": {"subset": 2**40}})
    assert stage.tick(after=5)["nightly"].what == "Failed"
    assert [each["since"] for each in stage.status()["locks"]] == ["0001-01-01T00:00:00Z"]
    assert not stage.tick(after=10)["nightly"].unrecorded


@pytest.mark.parametrize("letter", ["-", "."])
def test_a_failure_in_many_bytes_is_told_of_a_resource_with_any_name(stage, letter):
    name = "x" * 62 + letter + "y"
    stage.source(name)
    stage.tick()
    stage.take_snapshots()
    stage.tick(after=5)
    stage.run_movers({"result": "Failed", "reason": "WrongPassword", "message": "ä" * 1000})
    assert stage.tick(after=10)[name].what == "Failed"
    assert {each["reason"] for each in stage.list("Event")} == {"TransferStarted", "TransferFailed"}
