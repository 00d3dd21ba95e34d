"""What leaves the templates: values stay values, and whose an object is stays Quill's to say, whatever they say."""

import shutil
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler import assets
from reconciler.errors import RenderError
from reconciler.plans import JobPlan, SnapshotPlan, VolumePlan
from reconciler.rendering import Renderer
from reconciler.spec import Action, CopyMethod, MoverIdentity
from tests.factories import make_destination, make_source, slot_run

TEMPLATES = assets.templates()
SCRIPT = (TEMPLATES / "mover.sh").read_text()
RUN = slot_run("09:00:00")
SOURCE = make_source()

JOB = JobPlan(
    name="backup-nightly", run=RUN, action=Action.BACKUP, copy_method=CopyMethod.SNAPSHOT, secret="SECRET",
    repository="REPOSITORY", claim="CLAIM", host="HOST", node_name="NODE",
)  # fmt: skip
SNAPSHOT = SnapshotPlan(name="snapshot-nightly", run=RUN, claim="CLAIM", job="backup-nightly", class_name="CLASS")
VOLUME = VolumePlan(
    name="volume-nightly", run=RUN, job="backup-nightly", size="1Gi", access_modes=("MODE",),
    storage_class_name="CLASS", volume_mode="VOLUME-MODE", data_source=("VolumeSnapshot", "SNAPSHOT"),
)  # fmt: skip
RESTORE = replace(JOB, name="restore-copy", action=Action.RESTORE)
UNUSED = replace(RESTORE, node_name=None)
PRUNE = replace(JOB, name="prune", action=Action.PRUNE, claim=None, host=None, node_name=None)
ROOT = MoverIdentity(run_as_user=0, run_as_group=0)

CONTAINER = "spec.template.spec.containers.0"
TERM = (
    "spec.template.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms.0"
    ".matchFields.0.values.0"
)


@pytest.fixture(scope="module")
def templates():
    return Renderer(TEMPLATES, image="restic:test")


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The same with a short script, for what is rendered often."""
    folder = Path(shutil.copytree(TEMPLATES, tmp_path_factory.mktemp("quick") / "templates"))
    (folder / "mover.sh").write_text("exit 0\n")
    return Renderer(folder, image="restic:test")


@pytest.fixture
def override(tmp_path):
    """A renderer with a copy of the templates, in which these files are others."""
    folder = Path(shutil.copytree(TEMPLATES, tmp_path / "templates"))

    def written(**files):
        for name, text in files.items():
            (folder / f"{name}.yaml.j2").write_text(text)
        return Renderer(folder, image="restic:test")

    return written


def rendered(renderer, plan, owner=SOURCE):
    return renderer.rendered(plan, owner, job_uid="job-uid")


def leaves(value, path=""):
    """Every scalar and every empty collection, by its place."""
    if not value or not isinstance(value, dict | list):
        return {path: value}
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    return {place: leaf for key, child in pairs for place, leaf in leaves(child, f"{path}.{key}".strip(".")).items()}


def environment(body):
    return {each["name"]: each.get("value", "") for each in body["spec"]["template"]["spec"]["containers"][0]["env"]}


def expanded(text, variables):
    """What kubelet makes of a command or a value (k8s.io/kubernetes/third_party/forked/golang/expansion)."""
    out, rest = "", text
    while "$" in rest:
        before, _, rest = rest.partition("$")
        out += before
        if not rest:
            return out + "$"
        name, closed, after = rest[1:].partition(")")
        if rest[0] == "(" and closed:
            out, rest = out + variables.get(name, f"$({name})"), after
        else:
            out, rest = out + ("$" if rest[0] == "$" else f"${rest[0]}"), rest[1:]
    return out + rest


HOSTILE = st.sampled_from(
    [
        "\n", "\r\n", "\t", "'", '"', "\\", "{{ secret }}", "{% raw %}", "{% endblock %}", "{# x #}", ": #", " #x",
        "- ", "---\n", "...", "!!python/object:os.system ", "&a", "*a", "|", ">-", "%YAML", "\u2028", "\u2029",
        "\u0085", "\ufeff", "\U0001f600", "\x1b[31m", "\x07", "\x7f", "$(HOME)", "$$", "$", "$(", ")", "null",
        "true", "1e3", "\ufffe", "{", "}", "]", ",", "~", "0x1f", "2026-01-02", "\nspec:\n  hostNetwork: true",
    ]
)  # fmt: skip
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = st.lists(st.one_of(HOSTILE, st.text(LETTERS, max_size=5)), min_size=1, max_size=6).map("".join).filter(bool)

FIELDS = {
    "host": (JOB, lambda text: {"host": text}, [f"{CONTAINER}.env.7.value"]),
    "node": (JOB, lambda text: {"node_name": text}, [TERM]),
    "claim": (JOB, lambda text: {"claim": text}, ["spec.template.spec.volumes.0.persistentVolumeClaim.claimName"]),
    "restored-claim": (
        RESTORE, lambda text: {"claim": text}, ["spec.template.spec.volumes.0.persistentVolumeClaim.claimName"],
    ),
    "secret": (
        JOB, lambda text: {"secret": text},
        [f"{CONTAINER}.envFrom.0.secretRef.name", f"{CONTAINER}.env.0.valueFrom.secretKeyRef.name",
         f"{CONTAINER}.env.1.valueFrom.secretKeyRef.name"],
    ),
    "snapshot-class": (SNAPSHOT, lambda text: {"class_name": text}, ["spec.volumeSnapshotClassName"]),
    "snapshot-claim": (SNAPSHOT, lambda text: {"claim": text}, ["spec.source.persistentVolumeClaimName"]),
    "storage-class": (VOLUME, lambda text: {"storage_class_name": text}, ["spec.storageClassName"]),
    "size": (VOLUME, lambda text: {"size": text}, ["spec.resources.requests.storage"]),
    "access-mode": (VOLUME, lambda text: {"access_modes": (text,)}, ["spec.accessModes.0"]),
    "volume-mode": (VOLUME, lambda text: {"volume_mode": text}, ["spec.volumeMode"]),
    "snapshot-name": (
        VOLUME, lambda text: {"data_source": ("VolumeSnapshot", text)}, ["spec.dataSource.name"],
    ),
    "clone-name": (
        replace(VOLUME, data_source=("PersistentVolumeClaim", "SNAPSHOT")),
        lambda text: {"data_source": ("PersistentVolumeClaim", text)}, ["spec.dataSource.name"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("plan", "field", "places"), FIELDS.values(), ids=FIELDS)
@settings(deadline=None)
@given(text=TEXTS)
def test_a_value_can_never_become_structure(quick, plan, field, places, text):
    ordinary, hostile = leaves(rendered(quick, plan)), leaves(rendered(quick, replace(plan, **field(text))))
    found = {place: hostile[place] for place in places}
    if "env." in places[0] and len(places) == 1:
        found = {place: expanded(value, {"HOME": "/tmp"}) for place, value in found.items()}
    assert found == dict.fromkeys(places, text)
    assert hostile | dict.fromkeys(places) == ordinary | dict.fromkeys(places)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a$(HOME)b", "a/tmpb", id="defined"),
        pytest.param("$(NOPE)", "$(NOPE)", id="undefined"),
        pytest.param("$$(HOME)", "$(HOME)", id="escaped"),
        pytest.param("$$$(HOME)", "$/tmp", id="escaped-then-expanded"),
        pytest.param("$(HOME", "$(HOME", id="unclosed"),
        pytest.param("$x$", "$x$", id="no-expression"),
    ],
)
def test_kubelet_expands_as_the_test_below_takes_it_to(text, expected):
    assert expanded(text, {"HOME": "/tmp"}) == expected


@pytest.mark.parametrize("plan", [JOB, RESTORE, PRUNE], ids=["backup", "restore", "prune"])
def test_the_script_reaches_the_container_as_it_stands_in_its_file(templates, plan):
    body = rendered(templates, plan)
    shell, option, script = body["spec"]["template"]["spec"]["containers"][0]["command"]
    assert (shell, option) == ("/bin/sh", "-c")
    assert expanded(script, environment(body) | {"date +%s": "expanded"}) == SCRIPT
    assert expanded(SCRIPT, {"date +%s": "expanded"}) != SCRIPT


@settings(deadline=None)
@given(text=st.text(st.sampled_from("$()HOME x"), min_size=1))
def test_the_host_is_what_was_written_whatever_kubelet_expands(quick, text):
    values = environment(rendered(quick, replace(JOB, host=text)))
    assert expanded(values["QUILL_HOST"], values) == text


SNAPSHOT_HEAD = "apiVersion: snapshot.storage.k8s.io/v1\nkind: VolumeSnapshot\n"
PARENT = '{% extends "mover.yaml.j2" %}\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(SNAPSHOT_HEAD + "spec: {a: {{ clam }}}", ":3: 'clam' is undefined", id="undefined"),
        pytest.param(SNAPSHOT_HEAD + "spec: {a: {{ clam.b }}}", ":3: 'clam' is undefined", id="attribute"),
        pytest.param(SNAPSHOT_HEAD + "{% if %}", "snapshot.yaml.j2:3: Expected an expression", id="syntax"),
        pytest.param(SNAPSHOT_HEAD + "{{ claim | nope }}", "snapshot.yaml.j2:3: No filter named 'nope'", id="filter"),
        pytest.param(SNAPSHOT_HEAD + "spec: {a: {{ claim() }}}", "snapshot.yaml.j2:3: ", id="not-callable"),
        pytest.param(SNAPSHOT_HEAD + "spec: {a: {{ 1 / 0 }}}", "snapshot.yaml.j2:3: division by zero", id="arithmetic"),
        pytest.param(SNAPSHOT_HEAD + "spec: {a: {{ range }}}", "snapshot.yaml.j2:3: Object of type", id="not-json"),
        pytest.param('{% include "nope" %}', "snapshot.yaml.j2:1: 'nope' not found", id="missing-include"),
        pytest.param("a: b: c", "snapshot.yaml.j2: does not render to YAML: ", id="not-yaml"),
        pytest.param("a: !!python/name:os.system", "snapshot.yaml.j2: does not render to YAML: ", id="python-tag"),
        pytest.param(f"{SNAPSHOT_HEAD}spec: {{}}\n---\na: 1", "snapshot.yaml.j2: does not render to YAML", id="two"),
        pytest.param("", "snapshot.yaml.j2: does not render to one object with a spec", id="empty"),
        pytest.param("- 1", "snapshot.yaml.j2: does not render to one object with a spec", id="list"),
        pytest.param(SNAPSHOT_HEAD, "snapshot.yaml.j2: does not render to one object with a spec", id="no-spec"),
        pytest.param(SNAPSHOT_HEAD + "spec: 3", "snapshot.yaml.j2: does not render to one object", id="scalar-spec"),
        pytest.param(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nspec: {}",
            "snapshot.yaml.j2: must render to a snapshot.storage.k8s.io/v1 VolumeSnapshot, "
            "not to a rbac.authorization.k8s.io/v1 ClusterRoleBinding",
            id="other-kind",
        ),
        pytest.param(
            "apiVersion: v1beta1\nkind: VolumeSnapshot\nspec: {}", "not to a v1beta1 VolumeSnapshot", id="other-version"
        ),
    ],
)  # fmt: skip
def test_a_broken_template_is_named_with_its_line(override, text, message):
    with pytest.raises(RenderError) as caught:
        rendered(override(snapshot=text), SNAPSHOT)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        pytest.param("mover-pod", "\n{{ nope }}", "mover-pod.yaml.j2:2: 'nope' is undefined", id="included"),
        pytest.param("mover-pod", "\n{% nope %}", "mover-pod.yaml.j2:2: Encountered", id="included-syntax"),
        pytest.param("mover", "a: 1\nb: 2\nc: {{ nope }}", "mover.yaml.j2:3: 'nope' is undefined", id="extended"),
        pytest.param(
            "backup", PARENT + "{% block mounts %}\n{{ nope }}\n{% endblock %}", "backup.yaml.j2:3: 'nope'", id="block"
        ),
    ],
)
def test_the_template_that_is_named_is_the_broken_one(override, name, text, message):
    with pytest.raises(RenderError) as caught:
        rendered(override(**{name: text}), JOB)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "expression",
    [
        "''.__class__.__mro__",
        "cycler.__init__.__globals__",
        "''['__class__']",
        "'' | attr('__class__')",
        "lipsum.__globals__['os']",
        "self.__init__",
        "'{0.__class__}'.format(access_modes)",
        "'{x.__class__}'.format_map({'x': access_modes})",
        "joiner.__init__",
        "access_modes.append(1)",
        "range(10 ** 9) | list",
    ],
)
def test_a_template_does_not_leave_the_sandbox(override, expression):
    text = f"apiVersion: v1\nkind: PersistentVolumeClaim\nspec: {{a: {{{{ {expression} }}}}}}"
    with pytest.raises(RenderError, match=r"^volume\.yaml\.j2:3: "):
        rendered(override(volume=text), VOLUME)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        pytest.param("snapshot.yaml.j2", "snapshot.yaml.j2", id="template"),
        pytest.param("mover.sh", "mover.sh: cannot be read: ", id="script"),
        pytest.param("mover.yaml.j2", "backup.yaml.j2:2: 'mover.yaml.j2' not found", id="parent"),
    ],
)
def test_a_missing_file_is_named(override, tmp_path, missing, message):
    renderer = override()
    (tmp_path / "templates" / missing).unlink()
    with pytest.raises(RenderError) as caught:
        rendered(renderer, SNAPSHOT if missing == "snapshot.yaml.j2" else JOB)
    assert message in str(caught.value)


def test_a_script_that_is_not_text_is_named(override, tmp_path):
    renderer = override()
    (tmp_path / "templates" / "mover.sh").write_bytes(b"\xff")
    with pytest.raises(RenderError, match=r"^mover\.sh: cannot be read: "):
        rendered(renderer, JOB)


def test_a_template_that_is_overridden_still_extends_the_others(override):
    renderer = override(
        prune=PARENT + "{% block volumes %}\n        - name: more\n          emptyDir: {}\n{% endblock %}\n"
    )
    pod = rendered(renderer, PRUNE)["spec"]["template"]["spec"]
    assert [each["name"] for each in pod["volumes"]] == ["more", "cache", "tmp"]
    assert pod["containers"][0]["envFrom"] == [{"secretRef": {"name": "SECRET"}}]


def test_a_change_of_the_parent_is_in_all_that_extend_it(override):
    text = (TEMPLATES / "mover.yaml.j2").read_text().replace("backoffLimit: 0", "backoffLimit: 2")
    renderer = override(mover=text)
    for plan in (JOB, RESTORE, PRUNE):
        assert rendered(renderer, plan)["spec"]["backoffLimit"] == 2


POD = """
nodeSelector: {disk: ssd}
tolerations:
  - key: backup
    operator: Exists
"""
CONTAINER = """
resources:
  limits: {memory: 2Gi}
"""


@pytest.mark.parametrize("plan", [JOB, RESTORE, PRUNE], ids=["backup", "restore", "prune"])
def test_fields_of_pod_and_container_are_in_every_mover(override, plan):
    before = rendered(override(), plan)["spec"]["template"]["spec"]
    pod = rendered(override(**{"mover-pod": POD, "mover-container": CONTAINER}), plan)["spec"]["template"]["spec"]
    added = {"nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "backup", "operator": "Exists"}]}
    (container,) = before["containers"]
    assert pod == before | added | {"containers": [container | {"resources": {"limits": {"memory": "2Gi"}}}]}


@pytest.mark.parametrize("text", ["", "\n", "{# nothing #}\n", "# nothing"])
def test_they_may_be_empty(override, text):
    pod = rendered(override(**{"mover-pod": text, "mover-container": text}), JOB)["spec"]["template"]["spec"]
    assert "resources" not in pod["containers"][0]


def test_what_the_mover_needs_is_not_changed_by_them(override):
    own = "restartPolicy: Always\nsecurityContext: {}\nautomountServiceAccountToken: true\n"
    before = rendered(override(), JOB)["spec"]["template"]["spec"]
    pod = rendered(override(**{"mover-pod": own, "mover-container": "securityContext: {}\nimage: a"}), JOB)
    (container,) = before["containers"]
    expected = before | {"containers": [{key: container[key] for key in container if key != "resources"}]}
    assert pod["spec"]["template"]["spec"] == expected


OTHERS = """
metadata:
  name: theirs
  generateName: theirs-
  namespace: kube-system
  uid: "1"
  resourceVersion: "1"
  finalizers: [theirs/stay]
  ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: theirs, uid: "1", blockOwnerDeletion: true}]
  labels: {team: storage, app.kubernetes.io/managed-by: theirs, scribe.backube/owner-uid: theirs}
  annotations: {note: kept, scribe.backube/run: theirs, scribe.backube/attempt: "9", scribe.backube/action: restore}
status: {phase: Bound, readyToUse: true}
suspend: false
"""


@pytest.mark.parametrize(
    ("plan", "template"),
    [
        pytest.param(JOB, "backup", id="backup"),
        pytest.param(RESTORE, "restore", id="restore"),
        pytest.param(PRUNE, "prune", id="prune"),
        pytest.param(SNAPSHOT, "snapshot", id="snapshot"),
        pytest.param(replace(SNAPSHOT, job=None), "snapshot", id="image"),
        pytest.param(VOLUME, "volume", id="volume"),
    ],
)
def test_no_template_decides_whose_an_object_is(templates, override, plan, template):
    text = (TEMPLATES / f"{template}.yaml.j2").read_text()
    text += "" if "extends" in text else OTHERS
    mover = (TEMPLATES / "mover.yaml.j2").read_text() + OTHERS
    ours, theirs = rendered(templates, plan), rendered(override(**{"mover": mover, template: text}), plan)
    assert theirs["metadata"].pop("labels") == ours["metadata"].pop("labels") | {"team": "storage"}
    expected = ours["metadata"].pop("annotations") | {"note": "kept"}
    if not isinstance(plan, JobPlan):
        expected["scribe.backube/action"] = "restore"  # means something on a Job only
    assert theirs["metadata"].pop("annotations") == expected
    assert theirs["metadata"] == ours["metadata"]
    assert "status" not in theirs


def test_the_gate_is_shut_whatever_a_template_says(override):
    text = (TEMPLATES / "mover.yaml.j2").read_text().replace("\nspec:\n", "\nspec:\n  suspend: false\n")
    assert rendered(override(mover=text), JOB)["spec"]["suspend"] is True


def test_the_pods_labels_are_ours_beside_those_of_the_template(templates):
    labels = rendered(templates, JOB)["spec"]["template"]["metadata"]["labels"]
    assert labels == {
        "sidecar.istio.io/inject": "false",
        "app.kubernetes.io/managed-by": "quill",
        "app.kubernetes.io/name": "quill",
        "app.kubernetes.io/component": "mover",
        "scribe.backube/owner-kind": "ReplicationSource",
        "scribe.backube/owner-name": "nightly",
        "scribe.backube/owner-uid": "5ac1d3b2",
    }


def test_a_pod_of_a_template_without_labels_has_ours(override):
    text = (TEMPLATES / "mover.yaml.j2").read_text()
    start, end = text.index("    metadata:"), text.index("    spec:\n      {")
    body = rendered(override(mover=text[:start] + text[end:]), JOB)
    assert body["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"] == "mover"


@pytest.mark.parametrize(
    ("plan", "owner", "reference", "component"),
    [
        pytest.param(JOB, SOURCE, ("ReplicationSource", "nightly", "5ac1d3b2"), "mover", id="job"),
        pytest.param(
            RESTORE, make_destination(), ("ReplicationDestination", "copy", "e0b7c911"), "mover", id="restore"
        ),
        pytest.param(SNAPSHOT, SOURCE, ("Job", "backup-nightly", "job-uid"), "snapshot", id="snapshot"),
        pytest.param(VOLUME, SOURCE, ("Job", "backup-nightly", "job-uid"), "volume", id="volume"),
        pytest.param(
            replace(SNAPSHOT, job=None), make_destination(), ("ReplicationDestination", "copy", "e0b7c911"), "image",
            id="image",
        ),
    ],
)  # fmt: skip
def test_an_object_has_one_owner_that_it_does_not_block(templates, plan, owner, reference, component):
    metadata = rendered(templates, plan, owner)["metadata"]
    (found,) = metadata["ownerReferences"]
    assert (found["kind"], found["name"], found["uid"]) == reference
    assert found["controller"] is True
    assert "blockOwnerDeletion" not in found
    assert metadata["labels"]["app.kubernetes.io/component"] == component
    assert metadata["labels"]["scribe.backube/owner-uid"] == owner.uid


def test_a_job_says_what_it_does(templates):
    annotations = rendered(templates, replace(RESTORE, run=slot_run("09:00:00", attempt=2)))["metadata"]["annotations"]
    assert annotations == {
        "scribe.backube/run": "2026-03-04T09:00:00Z",
        "scribe.backube/attempt": "2",
        "scribe.backube/action": "restore",
        "scribe.backube/copy-method": "Snapshot",
        "scribe.backube/repository": "REPOSITORY",
    }


READ_ONLY = "persistentVolumeClaim: {claimName: x, readOnly: true}"
VOLUMES = "{{% block volumes %}}\n        - name: data\n          {}\n{{% endblock %}}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("{% block pod_security %}\n        fsGroup: 1\n{% endblock %}\n", "fsGroup", id="fsGroup"),
        pytest.param("{% block pod_security %}\n        fsGroup: null\n{% endblock %}\n", "fsGroup", id="fsGroup-null"),
        pytest.param(VOLUMES.format("persistentVolumeClaim: {claimName: x}"), "readOnly: true", id="writable"),
        pytest.param(
            VOLUMES.format("persistentVolumeClaim: {claimName: x, readOnly: false}"), "readOnly: true", id="false"
        ),
        pytest.param(
            VOLUMES.format('persistentVolumeClaim: {claimName: x, readOnly: "true"}'), "readOnly: true", id="text"
        ),
        pytest.param(VOLUMES.format("emptyDir: {}"), "a volume named data", id="no-claim"),
        pytest.param(
            VOLUMES.format(READ_ONLY + "\n        - {name: more, persistentVolumeClaim: {claimName: x}}"),
            "volume more must have readOnly: true",
            id="a-second-way-to-it",
        ),
    ],
)
def test_a_backup_that_could_change_its_volume_is_refused(override, text, message):
    renderer = override(backup=PARENT + text)
    with pytest.raises(RenderError, match=r"^backup\.yaml\.j2: ") as caught:
        rendered(renderer, JOB)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "spec",
    ["{}", "{template: null}", "{template: 3}", "{template: {}}", "{template: {metadata: 3, spec: {}}}",
     "{template: {metadata: null, spec: {}}}", "{template: {metadata: {labels: [a]}, spec: {}}}",
     "{template: {spec: null}}", "{template: {spec: {}}}", "{template: {spec: {volumes: 3}}}"],
)  # fmt: skip
def test_a_job_without_a_pod_is_refused(override, spec):
    renderer = override(backup=f"apiVersion: batch/v1\nkind: Job\nspec: {spec}")
    with pytest.raises(RenderError, match=r"^backup\.yaml\.j2: spec\.template does not look like a Job's"):
        rendered(renderer, JOB)


GROUPS = MoverIdentity(run_as_user=999, run_as_group=998, fs_group=997, supplemental_groups=(5, 6))


@pytest.mark.parametrize(
    ("plan", "security", "expected"),
    [
        pytest.param(JOB, MoverIdentity(), (65534, 65534, None, []), id="backup-default"),
        pytest.param(JOB, replace(GROUPS, fs_group=None), (999, 998, None, [5, 6]), id="backup"),
        pytest.param(JOB, GROUPS, (999, 998, None, [5, 6]), id="backup-never-has-an-fsGroup"),
        pytest.param(UNUSED, MoverIdentity(), (65534, 65534, 65534, []), id="restore-default"),
        pytest.param(RESTORE, MoverIdentity(), (65534, 65534, None, []), id="restore-beside-an-application"),
        pytest.param(RESTORE, GROUPS, (999, 998, 997, [5, 6]), id="restore"),
        pytest.param(UNUSED, MoverIdentity(run_as_group=3), (65534, 3, 3, []), id="restore-to-its-group"),
        pytest.param(RESTORE, MoverIdentity(run_as_group=3, fs_group=0), (65534, 3, 0, []), id="restore-group-0"),
        pytest.param(PRUNE, GROUPS, (999, 998, None, [5, 6]), id="prune"),
        pytest.param(replace(JOB, privileged=True), ROOT, (0, 0, None, []), id="root"),
    ],
)
def test_the_mover_runs_as_it_is_told(templates, plan, security, expected):
    found = rendered(templates, replace(plan, security=security))["spec"]["template"]["spec"]["securityContext"]
    groups = found["supplementalGroups"]
    assert (found["runAsUser"], found["runAsGroup"], found.get("fsGroup"), groups) == expected
    assert ("fsGroupChangePolicy" in found) == ("fsGroup" in found)


@pytest.mark.parametrize("plan", [JOB, RESTORE, PRUNE], ids=["backup", "restore", "prune"])
@pytest.mark.parametrize("privileged", [False, True], ids=["ordinary", "privileged"])
def test_only_a_privileged_mover_has_capabilities(templates, plan, privileged):
    pod = rendered(templates, replace(plan, privileged=privileged))["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    capabilities = {"drop": ["ALL"]} | ({"add": ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID"]} if privileged else {})
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": capabilities,
    }  # fmt: skip
    assert pod["securityContext"]["runAsNonRoot"] is not privileged
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in pod


@pytest.mark.parametrize(
    ("plan", "backstop"),
    [
        pytest.param(JOB, 172800, id="backup"),
        pytest.param(PRUNE, 172800, id="prune"),
        pytest.param(RESTORE, None, id="restore-whose-image-is-still-to-be-taken"),
    ],
)
def test_a_job_goes_by_itself_unless_something_is_still_wanted_of_it(templates, plan, backstop):
    assert rendered(templates, plan)["spec"].get("ttlSecondsAfterFinished") == backstop


def test_the_jobs_deadline_is_beyond_the_movers_own(templates):
    body = rendered(templates, JOB)
    allowance = int(environment(body)["QUILL_TIMEOUT"])
    assert (
        body["spec"]["activeDeadlineSeconds"]
        >= allowance + body["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    )


@pytest.mark.parametrize(
    ("plan", "read_only"),
    [pytest.param(JOB, (True, True), id="backup"), pytest.param(RESTORE, (None, None), id="restore")],
)
def test_only_a_restore_can_write_to_its_volume(templates, plan, read_only):
    pod = rendered(templates, plan)["spec"]["template"]["spec"]
    volume, mount = pod["volumes"][0], pod["containers"][0]["volumeMounts"][0]
    assert (volume["name"], mount["name"], mount["mountPath"]) == ("data", "data", "/data")
    assert (volume["persistentVolumeClaim"].get("readOnly"), mount.get("readOnly")) == read_only


@pytest.mark.parametrize(
    ("values", "variable", "expected"),
    [
        pytest.param({"settings": {"QUILL_IGNORE_INODE": "true"}}, "QUILL_IGNORE_INODE", "true", id="setting"),
        pytest.param({"settings": {"QUILL_RETAIN": "$(HOME)"}}, "QUILL_RETAIN", "$$(HOME)", id="setting-of-dollars"),
        pytest.param({"host": None}, "QUILL_HOST", "", id="no-host"),
        pytest.param({"action": Action.RESTORE}, "QUILL_ACTION", "restore", id="action"),
    ],
)
def test_the_script_is_told_by_its_environment(templates, values, variable, expected):
    assert environment(rendered(templates, replace(JOB, **values)))[variable] == expected


@pytest.mark.parametrize(
    ("plan", "places"),
    [
        pytest.param(replace(JOB, node_name=None), ["spec.template.spec.affinity"], id="node"),
        pytest.param(replace(SNAPSHOT, class_name=None), ["spec.volumeSnapshotClassName"], id="snapshot-class"),
        pytest.param(replace(VOLUME, storage_class_name=None), ["spec.storageClassName"], id="storage-class"),
        pytest.param(replace(VOLUME, data_source=None), ["spec.dataSource"], id="data-source"),
    ],
)
def test_what_a_plan_does_not_name_is_left_to_the_cluster(templates, plan, places):
    found = leaves(rendered(templates, plan))
    assert not [place for place in found if place.startswith(tuple(places))]


def test_the_empty_storage_class_is_none_and_not_the_default(templates):
    assert rendered(templates, replace(VOLUME, storage_class_name=""))["spec"]["storageClassName"] == ""


def test_the_data_source_has_the_group_of_its_kind(templates):
    clone = replace(VOLUME, data_source=("PersistentVolumeClaim", "data"))
    assert rendered(templates, clone)["spec"]["dataSource"] == {"kind": "PersistentVolumeClaim", "name": "data"}
    assert rendered(templates, VOLUME)["spec"]["dataSource"] == {
        "apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "SNAPSHOT",
    }  # fmt: skip


def test_rendering_twice_gives_two_equal_objects_that_share_nothing(templates):
    first = rendered(templates, JOB)
    kept = deepcopy(first)
    second = rendered(templates, JOB)
    assert first == second
    second["spec"]["template"]["spec"]["containers"].clear()
    second["metadata"]["labels"].clear()
    assert first == kept


def test_an_unlock_must_have_the_name_of_the_dead(templates, override):
    plan = replace(PRUNE, action=Action.UNLOCK, hostname="backup-nightly-0123456789ab-x7k2p")
    assert rendered(templates, plan)["spec"]["template"]["spec"]["hostname"] == plan.hostname
    assert "hostname" not in rendered(templates, PRUNE)["spec"]["template"]["spec"]
    forgetful = override(unlock='{% extends "mover.yaml.j2" %}')
    with pytest.raises(RenderError, match=f"unlock.yaml.j2: the pod's hostname must be .* {plan.hostname}"):
        rendered(forgetful, plan)
