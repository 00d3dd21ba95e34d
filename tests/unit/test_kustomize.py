"""The manifests as kustomize builds them: what a cluster would be given, not what the files say."""

import os
from functools import cache

import pytest
import yaml

import reconciler
from reconciler.naming import MANAGED_BY
from reconciler.settings import PAUSED, VARIABLES, Caps, Settings, settings_of
from tests import argocd_scripts
from tests.kustomizing import FOLDERS, FOUNDATIONS, ROOT, installed, is_component, kustomize

TEMPLATES = ROOT / "templates"
OVERLAYS = ROOT / "kustomize" / "overlays"

CUSTOM_RESOURCES = {"replicationsources", "replicationdestinations"}
FORBIDDEN = {
    "secrets",
    "configmaps",
    "serviceaccounts",
    "serviceaccounts/token",
    "pods/log",
    "pods/exec",
    "pods/attach",
}
HARMLESS_VERBS = {"get", "list", "create", "patch", "delete"}


@cache
def overlay(name):
    return kustomize(OVERLAYS / name)


@pytest.fixture(params=["cluster", "namespaced"])
def objects(request):
    return overlay(request.param)


def of_kind(objects, kind):
    return [each for each in objects if each["kind"] == kind]


def only(objects, kind):
    (found,) = of_kind(objects, kind)
    return found


def config_map(objects, name):
    """The generated ConfigMap whose name, without the hash behind it, is ``name``."""
    (found,) = [each for each in of_kind(objects, "ConfigMap") if each["metadata"]["name"].startswith(f"{name}-")]
    return found


def job_template(objects):
    return only(objects, "CronJob")["spec"]["jobTemplate"]


def tick_pod(objects):
    return job_template(objects)["spec"]["template"]


def tick_container(objects):
    (container,) = tick_pod(objects)["spec"]["containers"]
    return container


def templates_volume(objects):
    (volume,) = [each for each in tick_pod(objects)["spec"]["volumes"] if "configMap" in each]
    return volume["configMap"]["name"]


def rules(objects):
    (role,) = of_kind(objects, "Role") + of_kind(objects, "ClusterRole")
    return role["rules"]


def verbs_of(objects, resource):
    return {verb for rule in rules(objects) if resource in rule["resources"] for verb in rule["verbs"]}


@pytest.fixture
def user_overlay(tmp_path):
    """Builds an overlay of a user's own on top of one of ours; ``files`` are written beside its kustomization.yaml."""

    def build(text, *, base="overlays/cluster", files=None):
        reference = os.path.relpath(ROOT / "kustomize" / base, tmp_path.resolve())
        (tmp_path / "kustomization.yaml").write_text(text.replace("BASE", reference))
        for name, content in (files or {}).items():
            (tmp_path / name).write_text(content)
        return kustomize(tmp_path)

    return build


class TestTick:
    def test_pod_meets_the_restricted_pod_security_standard(self, objects):
        pod, container = tick_pod(objects)["spec"], tick_container(objects)
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 65532
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        assert all({"configMap", "emptyDir"} & volume.keys() for volume in pod["volumes"])

    def test_runs_one_at_a_time_and_is_never_retried(self, objects):
        spec, job = only(objects, "CronJob")["spec"], job_template(objects)["spec"]
        assert spec["concurrencyPolicy"] == "Forbid"
        assert (
            spec["startingDeadlineSeconds"] >= 10
        )  # the controller looks every ten seconds and would miss a shorter one
        assert job["backoffLimit"] == 0
        assert job["activeDeadlineSeconds"] > 0
        assert tick_pod(objects)["spec"]["restartPolicy"] == "Never"

    def test_writes_only_under_tmp(self, objects):
        mounts = {each["mountPath"]: each for each in tick_container(objects)["volumeMounts"]}
        env = {each["name"]: each.get("value") for each in tick_container(objects)["env"]}
        assert [path for path, mount in mounts.items() if not mount.get("readOnly")] == ["/tmp"]
        assert (env["HOME"], env["TMPDIR"]) == ("/tmp", "/tmp")
        assert env["QUILL_TEMPLATES"] in mounts

    def test_does_not_refresh_its_argocd_application_every_minute(self, objects):
        key = "argocd.argoproj.io/ignore-resource-updates"
        assert job_template(objects)["metadata"]["annotations"][key] == "true"
        assert tick_pod(objects)["metadata"]["annotations"][key] == "true"

    def test_is_not_taken_for_an_object_that_a_tick_made(self, objects):
        for metadata in [each["metadata"] for each in objects] + [
            job_template(objects)["metadata"],
            tick_pod(objects)["metadata"],
        ]:
            assert not MANAGED_BY.items() <= metadata.get("labels", {}).items()

    def test_runs_the_image_of_this_version(self, objects):
        assert tick_container(objects)["image"] == f"quill:{reconciler.__version__}"
        assert tick_container(objects)["imagePullPolicy"] == "IfNotPresent"


class TestRights:
    def test_no_wildcard_and_no_watch_or_update(self, objects):
        for rule in rules(objects):
            assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"]
            assert set(rule["verbs"]) <= HARMLESS_VERBS

    def test_nothing_that_shows_or_grants_more(self, objects):
        assert not FORBIDDEN & {resource for rule in rules(objects) for resource in rule["resources"]}
        assert not {group for rule in rules(objects) for group in rule["apiGroups"] if group.startswith("rbac.")}

    def test_of_what_users_wrote_only_the_status_is_written(self, objects):
        for resource in CUSTOM_RESOURCES:
            assert verbs_of(objects, resource) == {"list"}
            assert verbs_of(objects, f"{resource}/status") == {"patch"}

    def test_server_side_apply_has_both_verbs_it_needs(self, objects):
        created = [rule for rule in rules(objects) if "create" in rule["verbs"] and rule["resources"] != ["events"]]
        assert created
        assert all("patch" in rule["verbs"] for rule in created)

    def test_are_bound_to_the_service_account_of_the_tick(self, objects):
        (binding,) = of_kind(objects, "RoleBinding") + of_kind(objects, "ClusterRoleBinding")
        (role,) = of_kind(objects, "Role") + of_kind(objects, "ClusterRole")
        account = only(objects, "ServiceAccount")["metadata"]
        assert binding["roleRef"]["kind"] == role["kind"]
        assert binding["roleRef"]["name"] == role["metadata"]["name"]
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
        ]
        assert tick_pod(objects)["spec"]["serviceAccountName"] == account["name"]


def test_cluster_overlay_reaches_every_namespace_from_a_restricted_one_of_its_own():
    namespace = only(overlay("cluster"), "Namespace")["metadata"]
    assert namespace["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert only(overlay("cluster"), "CronJob")["metadata"]["namespace"] == namespace["name"]
    assert only(overlay("cluster"), "ClusterRole")["metadata"].get("namespace") is None
    assert not [arg for arg in tick_container(overlay("cluster"))["args"] if arg.startswith("--namespace")]


def test_annotations_of_namespaces_are_read_in_one_request():
    assert verbs_of(overlay("cluster"), "namespaces") == {"get", "list"}
    assert verbs_of(overlay("namespaced"), "namespaces") == {"get"}


def test_namespaced_overlay_has_no_right_outside_its_namespace(user_overlay):
    objects = user_overlay("resources: [BASE]\nnamespace: team-a\n", base="overlays/namespaced")
    assert not of_kind(objects, "ClusterRole") + of_kind(objects, "ClusterRoleBinding") + of_kind(objects, "Namespace")
    assert {only(objects, kind)["metadata"]["namespace"] for kind in ("Role", "RoleBinding", "CronJob")} == {"team-a"}
    assert only(objects, "RoleBinding")["subjects"][0]["namespace"] == "team-a"
    assert "--namespace=$(QUILL_NAMESPACE)" in tick_container(objects)["args"]
    (source,) = [each["valueFrom"] for each in tick_container(objects)["env"] if each["name"] == "QUILL_NAMESPACE"]
    assert source == {"fieldRef": {"fieldPath": "metadata.namespace"}}


def test_overlays_bring_both_custom_resource_definitions(objects):
    names = {each["spec"]["names"]["plural"] for each in of_kind(objects, "CustomResourceDefinition")}
    assert names == CUSTOM_RESOURCES


def test_every_template_is_mounted_as_it_is_and_kept_from_flux(objects):
    generated = config_map(objects, "quill-templates")
    files = [each for each in TEMPLATES.iterdir() if each.name != "kustomization.yaml"]
    assert generated["data"] == {each.name: each.read_text() for each in files}, (
        "list each file in templates/kustomization.yaml"
    )
    assert generated["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/substitute"] == "disabled"
    assert templates_volume(objects) == generated["metadata"]["name"]


def test_an_overlay_replaces_one_template_and_the_next_tick_mounts_it(user_overlay):
    before = config_map(overlay("cluster"), "quill-templates")
    objects = user_overlay(
        "resources: [BASE]\nconfigMapGenerator:\n"
        "  - {name: quill-templates, namespace: quill-system, behavior: merge, files: [backup.yaml.j2]}\n",
        files={"backup.yaml.j2": "kind: Job  # ours\n"},
    )
    after = config_map(objects, "quill-templates")
    assert after["data"] == before["data"] | {"backup.yaml.j2": "kind: Job  # ours\n"}
    assert after["metadata"]["name"] != before["metadata"]["name"]
    assert templates_volume(objects) == after["metadata"]["name"]


def settings(objects):
    """What the tick is given of the ConfigMap that its container names."""
    (source,) = tick_container(objects)["envFrom"]
    generated = config_map(objects, "quill-settings")
    assert source == {"configMapRef": {"name": generated["metadata"]["name"]}}
    return generated["data"]


def test_the_settings_are_those_of_the_code_and_all_are_shown(objects):
    assert settings_of(settings(objects)) == Settings()
    assert set(settings(objects)) == {*VARIABLES.values(), PAUSED}


def test_an_overlay_changes_one_setting_and_the_next_tick_has_it(user_overlay):
    objects = user_overlay(
        "resources: [BASE]\nconfigMapGenerator:\n"
        "  - {name: quill-settings, namespace: quill-system, behavior: merge, literals: [QUILL_MAX_MOVERS=3]}\n"
    )
    assert settings_of(settings(objects)).caps == Caps(overall=3)


def test_the_mover_image_reaches_the_tick_through_its_annotation():
    (variable,) = [each for each in tick_container(overlay("cluster"))["env"] if each["name"] == "QUILL_MOVER_IMAGE"]
    key = variable["valueFrom"]["fieldRef"]["fieldPath"].removeprefix("metadata.annotations['").removesuffix("']")
    assert tick_pod(overlay("cluster"))["metadata"]["annotations"][key].startswith("docker.io/restic/restic:")


def test_images_of_an_overlay_rewrite_the_mover_image_as_well(user_overlay):
    objects = user_overlay(
        "resources: [BASE]\nimages:\n"
        "  - {name: quill, newName: registry.example/quill, newTag: v9}\n"
        "  - {name: docker.io/restic/restic, newName: registry.example/restic, digest: 'sha256:" + "a" * 64 + "'}\n"
    )
    assert tick_container(objects)["image"] == "registry.example/quill:v9"
    annotations = tick_pod(objects)["metadata"]["annotations"]
    assert annotations["scribe.backube/mover-image"] == f"registry.example/restic@sha256:{'a' * 64}"


REPLICATION = """
apiVersion: scribe.backube/v1alpha1
kind: ReplicationSource
metadata: {name: nightly}
spec:
  sourcePVC: data
  hooks: {before: {podTemplate: freeze}, after: {podTemplate: freeze}}
  restic: {resticConfig: repository, resticArg: backup}
---
apiVersion: scribe.backube/v1alpha1
kind: ReplicationDestination
metadata: {name: copy}
spec:
  restic: {resticConfig: repository, resticArg: restore, destinationPVC: data, storageClassName: fast}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast}
provisioner: example
---
apiVersion: v1
kind: PodTemplate
metadata: {name: freeze}
"""


def test_names_that_kustomize_changes_reach_the_custom_resources(user_overlay):
    objects = user_overlay(
        "components: [BASE]\nresources: [apps.yaml]\nnamePrefix: blue-\n"
        "secretGenerator: [{name: repository, literals: [RESTIC_PASSWORD=x]}]\n",
        base="components/name-references",
        files={"apps.yaml": REPLICATION},
    )
    secret = only(objects, "Secret")["metadata"]["name"]
    assert secret.startswith("blue-repository-")
    assert only(objects, "ReplicationSource")["spec"] == {
        "sourcePVC": "blue-data",
        "hooks": {"before": {"podTemplate": "blue-freeze"}, "after": {"podTemplate": "blue-freeze"}},
        "restic": {"resticConfig": secret, "resticArg": "backup"},
    }
    assert only(objects, "ReplicationDestination")["spec"]["restic"] == {
        "resticConfig": secret,
        "resticArg": "restore",
        "destinationPVC": "blue-data",
        "storageClassName": "blue-fast",
    }


NAME_REFERENCES = ROOT / "kustomize" / "components" / "name-references" / "name-references.yaml"


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        pytest.param(field["kind"], field["path"], id=f"{field['kind']}-{field['path']}")
        for reference in yaml.safe_load(NAME_REFERENCES.read_text())["nameReference"]
        for field in reference["fieldSpecs"]
    ],
)
def test_a_name_reference_points_at_a_field_that_exists(kind, path):
    definitions = of_kind(overlay("cluster"), "CustomResourceDefinition")
    (schema,) = [
        each["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        for each in definitions
        if each["spec"]["names"]["kind"] == kind
    ]
    for part in path.split("/"):
        assert part in schema["properties"]
        schema = schema["properties"][part]
    assert schema["type"] == "string"


ARGOCD = """
apiVersion: v1
kind: ConfigMap
metadata: {name: argocd-cm}
data: {url: https://argocd.example}
"""


@pytest.mark.parametrize(
    ("text", "more"),
    [
        pytest.param("namespace: argocd\nresources: [cm.yaml]\n", {"url": "https://argocd.example"}, id="its-own"),
        pytest.param(
            "namespace: argocd\nconfigMapGenerator: [{name: argocd-cm, options: {disableNameSuffixHash: true}}]\n",
            {},
            id="one-of-somebody-else",
        ),
    ],
)
def test_argo_cd_is_given_the_scripts_as_they_are_and_keeps_its_own_settings(user_overlay, text, more):
    objects = user_overlay(text + "components: [BASE]\n", base="components/argocd-health", files={"cm.yaml": ARGOCD})
    settings = only(objects, "ConfigMap")
    assert settings["metadata"]["name"] == "argocd-cm"
    given = {}
    for kind in ("ReplicationSource", "ReplicationDestination"):
        folder = argocd_scripts.CUSTOMIZATIONS / kind
        given[f"resource.customizations.health.scribe.backube_{kind}"] = (folder / "health.lua").read_text()
        given[f"resource.customizations.actions.scribe.backube_{kind}"] = argocd_scripts.actions_document(
            folder / "actions"
        )
    assert settings["data"] == given | more, "run: make argocd"


def selected(policy):
    return policy["spec"]["podSelector"]["matchLabels"].items()


def test_the_network_policies_are_for_the_tick_and_the_movers():
    objects = installed("overlays/cluster", "components/network-policy")
    policies = {each["metadata"]["name"]: each for each in of_kind(objects, "NetworkPolicy")}
    tick = tick_pod(objects)["metadata"]["labels"].items()
    mover = yaml.safe_load((ROOT / "tests" / "golden" / "backup-job.yaml").read_text())
    mover = mover["spec"]["template"]["metadata"]["labels"].items()
    for name, own, other in (("quill-tick", tick, mover), ("quill-movers", mover, tick)):
        assert selected(policies[name]) <= own
        assert not selected(policies[name]) <= other
        assert policies[name]["spec"]["policyTypes"] == ["Ingress", "Egress"]
        assert "ingress" not in policies[name]["spec"]  # which is what denies it


def test_all_components_go_together():
    names = [each for each in FOLDERS if is_component(each) and each.count("/") == 1 and each not in FOUNDATIONS]
    objects = installed("overlays/cluster", *names)
    keys = [(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in objects]
    assert len(set(keys)) == len(keys) > len(overlay("cluster"))


def test_a_shard_is_the_namespaced_overlay_without_the_definitions():
    shard = installed("base", "components/sharded")
    whole = [each for each in overlay("namespaced") if each["kind"] != "CustomResourceDefinition"]
    assert yaml.safe_dump_all(shard).replace("quill-system", "default") == yaml.safe_dump_all(whole)
