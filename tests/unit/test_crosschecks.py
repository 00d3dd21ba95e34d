"""What is wrong between valid resources: a table of files, and what is said about them where."""

from pathlib import Path

import pytest

from reconciler import crosschecks, files, inventory

HEAD = "apiVersion: scribe.backube/v1alpha1\nkind: "
ROOT = Path(__file__).parents[2]


def source(name, namespace="shop", *, schedule="0 3 * * *", secret="repository", pvc="data", more=""):  # noqa: S107 - a name
    space = f", namespace: {namespace}" if namespace else ""
    return (
        f"{HEAD}ReplicationSource\nmetadata: {{name: {name}{space}}}\n"
        f"spec:\n  sourcePVC: {pvc}\n  trigger: {{schedule: '{schedule}'}}\n"
        f"  restic: {{resticConfig: {secret}{more}}}\n"
    )


def prune(name, schedule, more=""):
    return source(name, schedule=schedule, more=f", resticArg: prune{more}").replace("  sourcePVC: data\n", "")


def destination(name, namespace="shop", *, size="capacity: 2Gi, accessModes: [ReadWriteOnce]", more=""):
    return (
        f"{HEAD}ReplicationDestination\nmetadata: {{name: {name}, namespace: {namespace}}}\n"
        f"spec:\n  trigger: {{manual: once}}\n  restic: {{resticConfig: repository, {size}{more}}}\n"
    )


def claim(name="data", size="5Gi", namespace="shop"):
    return (
        f"apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: {name}, namespace: {namespace}}}\n"
        f"spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: {size}}}}}}}\n"
    )


def secret(name="repository", namespace="shop", kind="Secret", spec=""):
    version = {"Secret": "v1", "SealedSecret": "bitnami.com/v1alpha1", "ExternalSecret": "external-secrets.io/v1"}[kind]
    return f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\n{spec}"


def found(given, check=crosschecks.between):
    """What is found in files, by name: each finding as ``file:line rule: words``."""
    contents = [(name, text.encode()) for name, text in given.items()]
    report = files.report(contents)
    assert report.findings == ()
    return [
        f"{each.file}:{each.mistake.line} {each.mistake.problem.rule}: {each.sentence}"
        for each in check(report.placed, inventory.read(contents))
    ]


def rules(given, check=crosschecks.between):
    return [each.split()[1].rstrip(":") for each in found(given, check)]


SHARED = ", identity: shop"


def test_two_sources_under_one_host_are_told_of_each_other():
    given = {"a.yaml": source("one", more=SHARED), "b.yaml": source("two", more=SHARED)}
    assert found(given) == [
        "a.yaml:7 identity-conflict: spec.restic.identity: shop/two writes the same repository as host shop, too; "
        "give each its own spec.restic.identity, or after the first sync its own resticConfig",
        "b.yaml:7 identity-conflict: spec.restic.identity: shop/one writes the same repository as host shop, too; "
        "give each its own spec.restic.identity, or after the first sync its own resticConfig",
    ]


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"a": source("one"), "b": source("two")}, id="hosts-of-their-own"),
        pytest.param(
            {"a": source("one", more=SHARED), "b": source("two", secret="other", more=SHARED)}, id="two-repositories"
        ),
        pytest.param(
            {"prod/a": source("one", more=SHARED), "test/a": source("one", more=SHARED)},
            id="one-object-in-two-overlays",
        ),
        pytest.param(
            {
                "prod/a": source("one", "", more=SHARED),
                "test/b": source("two", "", more=SHARED),
            },
            id="namespaces-left-to-two-kustomizations",
        ),
    ],
)
def test_no_conflict(given):
    assert found(given) == []


def test_the_second_overlay_is_compared_too():
    pair = source("one", more=SHARED) + "---\n" + source("two", more=SHARED)
    good = source("one") + "---\n" + source("two")
    assert rules({"prod/a": good, "test/a": pair}) == ["identity-conflict"] * 2


def test_members_of_a_group_that_share_no_instant():
    group = [source(name, schedule=when).replace("  trigger", "  group: app\n  trigger") for name, when in
             (("one", "0 3 * * *"), ("two", "5 3 * * *"))]  # fmt: skip
    assert found({"a": group[0], "b": group[1]}) == [
        "b:6 group-schedule: spec.group: not in step with one of group app, whose spec.trigger.schedule differs: "
        "they share no instant"
    ]
    assert found({"a": group[0], "b": group[1].replace("5 3", "0 3")}) == []


def test_an_object_twice_in_one_file():
    assert found({"a": source("one") + "---\n" + source("one")}) == [
        "a:11 duplicate-resource: metadata.name: line 1 has this ReplicationSource already"
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param(
            {"a": source("one") + "---\n" + prune("tidy", "0 3 * * sun")},
            [
                "a:13 schedule-collision: spec.trigger.schedule: always comes due together with "
                "ReplicationSource shop/one's backup on the same repository: one waits"
            ],
            id="prune-with-a-backup",
        ),
        pytest.param(
            {"a": source("one", more=", verify: {schedule: '0 3 1 * *'}")},
            [
                "a:7 schedule-collision: spec.restic.verify.schedule: always comes due together with "
                "its own backup on the same repository: one waits"
            ],
            id="verify-with-its-own-backup",
        ),
        pytest.param(
            {"a": prune("one", "@daily") + "---\n" + prune("two", "0 0 * * *")},
            [
                "a:5 schedule-collision: spec.trigger.schedule: always comes due together with "
                "ReplicationSource shop/two's prune on the same repository: one waits"
            ],
            id="two-prunes-are-told-once",
        ),
        pytest.param(
            {"a": source("one", schedule="0 * * * *") + "---\n" + prune("tidy", "0 3 * * sun")},
            [
                "a:13 schedule-collision: spec.trigger.schedule: always comes due together with "
                "ReplicationSource shop/one's backup on the same repository: one waits"
            ],
            id="with-every-hour",
        ),
        pytest.param({"a": source("one") + "---\n" + prune("tidy", "30 3 * * sun")}, [], id="minutes-apart"),
        pytest.param(
            {"a": source("one", schedule="0 3 1 * *") + "---\n" + prune("tidy", "0 3 * * *")}, [], id="only-sometimes"
        ),
        pytest.param({"a": source("one") + "---\n" + source("two")}, [], id="backups-get-along"),
        pytest.param(
            {"a": source("one", secret="other") + "---\n" + prune("tidy", "0 3 * * *")}, [], id="other-repository"
        ),
        pytest.param(
            {"a": source("one") + "---\n" + prune("tidy", "0 3 * * *").replace("spec:", "spec:\n  paused: true")},
            [],
            id="paused",
        ),
        pytest.param(
            {
                "a": source("one").replace("schedule:", "timeZone: Europe/Berlin, schedule:")
                + "---\n"
                + prune("tidy", "0 3 * * *")
            },
            [],
            id="other-time-zone",
        ),
    ],
)
def test_schedules_that_always_meet(given, said):
    assert found(given) == said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param(
            {"a": source("one"), "b": destination("copy"), "c": claim()},
            [
                "b:6 capacity: spec.restic.capacity: is smaller than data, which shop/one backs up: "
                "a full volume would not fit"
            ],
            id="too-small",
        ),
        pytest.param(
            {
                "a": source("one"),
                "b": destination("copy", size="destinationPVC: target"),
                "c": claim(),
                "d": claim("target", "1Gi"),
            },
            [
                "b:6 capacity: spec.restic.destinationPVC: is smaller than data, which shop/one backs up: "
                "a full volume would not fit"
            ],
            id="own-volume-too-small",
        ),
        pytest.param({"a": source("one"), "b": destination("copy"), "c": claim(size="2Gi")}, [], id="just-as-large"),
        pytest.param({"a": source("one"), "b": destination("copy")}, [], id="nobody-knows"),
        pytest.param(
            {"a": source("one"), "b": destination("copy", more=", identity: else"), "c": claim()}, [], id="other-host"
        ),
        pytest.param(
            {"a": source("one"), "a2": source("two"), "b": destination("copy"), "c": claim()}, [], id="of-two-sources"
        ),
        pytest.param(
            {"a": source("one"), "b": destination("copy", "elsewhere"), "c": claim()},
            [
                "b:6 capacity: spec.restic.capacity: is smaller than data, which shop/one backs up: "
                "a full volume would not fit"
            ],
            id="of-another-namespace",
        ),
        pytest.param(
            {"a": source("one"), "b": destination("copy"), "prod/c": claim(), "test/c": claim(size="1Gi")},
            [],
            id="claim-differs-between-overlays",
        ),
    ],
)
def test_a_volume_too_small_for_what_it_restores(given, said):
    assert found(given) == said


STATEFUL = (
    "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db, namespace: shop}\n"
    "spec: {volumeClaimTemplates: [{metadata: {name: data}}]}\n"
)


TEMPLATE = "kind: PodTemplate\nmetadata: {name: freeze, namespace: shop}\n"


def hooked():
    hooks = "{before: {podTemplate: freeze}, after: {podTemplate: thaw}}"
    return source("one").replace("spec:\n", f"spec:\n  hooks: {hooks}\n")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param(
            {"a": source("one")},
            [
                "a:7 missing-reference: spec.restic.resticConfig: Secret repository is in none of the given files",
                "a:5 missing-reference: spec.sourcePVC: PersistentVolumeClaim data is in none of the given files",
            ],
            id="nothing-there",
        ),
        pytest.param({"a": source("one"), "b": secret(), "c": claim()}, [], id="all-there"),
        pytest.param(
            {"a": source("one"), "b": secret(namespace="other") + "---\n" + claim(namespace="other")},
            [
                "a:7 missing-reference: spec.restic.resticConfig: Secret repository is in none of the given files",
                "a:5 missing-reference: spec.sourcePVC: PersistentVolumeClaim data is in none of the given files",
            ],
            id="in-another-namespace",
        ),
        pytest.param(
            {"a": source("one", namespace=""), "b": secret() + "---\n" + claim()}, [], id="namespace-comes-later"
        ),
        pytest.param({"a": source("one"), "b": secret(kind="SealedSecret"), "c": claim()}, [], id="sealed"),
        pytest.param(
            {
                "a": source("one"),
                "b": secret("x", kind="ExternalSecret", spec="spec: {target: {name: repository}}\n"),
                "c": claim(),
            },
            [],
            id="external-under-another-name",
        ),
        pytest.param({"a": source("one", pvc="data-db-0"), "b": secret(), "c": STATEFUL}, [], id="of-a-stateful-set"),
        pytest.param(
            {"a": source("one", pvc="data-db-x"), "b": secret(), "c": STATEFUL},
            ["a:5 missing-reference: spec.sourcePVC: PersistentVolumeClaim data-db-x is in none of the given files"],
            id="not-of-a-stateful-set",
        ),
        pytest.param(
            {"a": destination("copy", size="destinationPVC: target"), "b": secret()},
            [
                "a:6 missing-reference: spec.restic.destinationPVC: "
                "PersistentVolumeClaim target is in none of the given files"
            ],
            id="volume-to-restore-into",
        ),
        pytest.param(
            {"a": hooked(), "b": secret(), "c": claim(), "d": TEMPLATE},
            ["a:5 missing-reference: spec.hooks.after.podTemplate: PodTemplate thaw is in none of the given files"],
            id="hooks",
        ),
    ],
)
def test_references_that_lead_nowhere(given, said):
    assert found(given, crosschecks.references) == said


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("kind: Secret\nmetadata: 3\n", id="no-metadata"),
        pytest.param("kind: Secret\n{{ x }}\n", id="template"),
        pytest.param("kind: StatefulSet\nmetadata: {name: a}\nspec: {volumeClaimTemplates: {a: b}}\n", id="no-list"),
        pytest.param("kind: PersistentVolumeClaim\nmetadata: {name: [a]}\n", id="name-is-a-list"),
        pytest.param("- Secret\n", id="a-list"),
        pytest.param("kind: [Secret]\n", id="kind-is-a-list"),
    ],
)
def test_odd_objects_of_others_bring_nothing(text):
    assert inventory.read([("x", text.encode())]) == inventory.Inventory()


def test_the_published_examples_have_all_they_use():
    given = {str(path): path.read_text() for path in (ROOT / "examples" / "seed").glob("*.yaml")}
    assert rules(given) == []
    assert set(rules(given, crosschecks.references)) <= {"missing-reference"}


def selecting(name="db", *, path="$(pvc)", more="", schedule="0 3 * * *"):
    return (
        f"{HEAD}ReplicationSource\nmetadata: {{name: {name}, namespace: shop}}\n"
        f"spec:\n  sourcePVCSelector: {{matchLabels: {{app: db}}}}\n  trigger: {{schedule: {schedule}}}\n"
        f"  restic: {{resticConfig: repository, repositoryPath: {path}{more}}}\n"
    )


LABELLED = claim("data-0").replace("{name: data-0,", "{name: data-0, labels: {app: db},")
REPLICATED = (
    "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db, namespace: shop}\n"
    "spec: {replicas: 2, selector: {matchLabels: {app: db}}, volumeClaimTemplates: [{metadata: {name: data}}]}\n"
)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param([LABELLED], [], id="claim"),
        pytest.param([REPLICATED], [], id="claims-of-a-stateful-set"),
        pytest.param([claim()], ["missing-reference"], id="none-has-such-labels"),
        pytest.param([LABELLED.replace("shop", "other")], ["missing-reference"], id="in-another-namespace"),
    ],
)
def test_a_selector_takes_something_of_the_files(given, expected):
    text = "---\n".join([secret(), *given])
    assert rules({"a": selecting(), "b": text}, crosschecks.references) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("$(pvc)", ["schedule-collision"], id="of-its-own"),
        pytest.param("databases", ["schedule-collision"], id="of-another-claim"),
    ],
)
def test_what_always_meets_is_told_once_for_all_claims(path, expected):
    given = {"a": selecting(path=path, more=', verify: {schedule: "0 3 * * *"}'), "b": REPLICATED}
    assert rules(given) == expected
    assert rules({"a": given["a"]}) == expected


def test_two_selectors_that_take_one_claim_into_one_repository_collide():
    same = ", identity: of-$(pvc)"
    both = {"a": selecting("one", more=same), "b": selecting("two", more=same), "c": REPLICATED}
    assert rules(both) == ["identity-conflict"] * 4
    assert rules(both | {"b": selecting("two", path="b/$(pvc)", more=same)}) == []


def test_a_restore_from_the_repository_of_one_claim_is_compared_with_that_claim():
    small = destination("copy", size="capacity: 1Gi, accessModes: [ReadWriteOnce], repositoryPath: data-0")
    assert rules({"a": selecting(), "b": LABELLED, "c": small}) == ["capacity"]
    other = destination("copy", size="capacity: 1Gi, accessModes: [ReadWriteOnce], repositoryPath: data-1")
    assert rules({"a": selecting(), "b": LABELLED, "c": other}) == []
