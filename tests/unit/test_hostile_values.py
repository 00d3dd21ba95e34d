"""Hostile text in every field that takes text: refused in a sentence, or exactly where a harmless value would stand.

The fields are read from the schemas, so a new one is tried, too; BASES must only have a harmless value for it.
"""

import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace

import pytest

from reconciler import assets
from reconciler.assets import schema
from reconciler.chores import with_chores
from reconciler.hookjobs import hook_job
from reconciler.naming import ACCEPT_SHRUNKEN
from reconciler.observed import Surroundings
from reconciler.parsing import parse
from reconciler.plans import HookPlan
from reconciler.rehearsal import rehearsed
from reconciler.resource import API_VERSION, Kind
from reconciler.status import Run
from reconciler.validation import validate
from reconciler.volumes import with_volumes
from tests.factories import at, make_volume, slot_run
from tests.quickly import QuickRenderer
from tests.unit.test_rendering import environment, expanded, leaves

HOSTILE = {
    "yaml-mapping": 'x", "hostNetwork": true, "y": "',
    "yaml-block": "x\nspec:\n  hostNetwork: true",
    "yaml-tag": "!!python/object/apply:os.system [id]",
    "yaml-anchor": "&a [*a, *a]",
    "yaml-comment": "x #y",
    "yaml-merge": "<<: *a",
    "yaml-null": "null",
    "yaml-boolean": "true",
    "yaml-number": "0x1f",
    "yaml-date": "2026-01-02",
    "yaml-document": "---",
    "yaml-folded": ">-",
    "jinja-expression": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "jinja-statement": "{% endblock %}{% include '/etc/passwd' %}",
    "jinja-comment": "{# x #}",
    "shell-command": "$(id)",
    "shell-backquotes": "`id`",
    "shell-quote": "x'; id; '",
    "shell-double-quote": 'x"; id; "',
    "shell-words": "a b  c",
    "shell-pattern": "*",
    "shell-pipe": "x|id&&id;id",
    "shell-redirection": "x>/data/y",
    "shell-variable": "${RESTIC_PASSWORD:-x}",
    "shell-backslash": "x\\n\\",
    "kubelet-variable": "$(RESTIC_PASSWORD)",
    "kubelet-escape": "$$(RESTIC_PASSWORD)",
    "awk-escape": "x\\x41\\101&",
    "option": "--password-command=id",
    "short-option": "-x",
    "path-up": "../../etc/passwd",
    "path-absolute": "/etc/passwd",
    "path-dot": "..",
    "newline": "a\nb",
    "last-newline": "a\n",
    "carriage-return": "a\r\nb",
    "tab": "a\tb",
    "nul": "a\0b",
    "escape": "\x1b[31ma",
    "c1-control": "a\x9b31m",
    "delete": "a\x7f",
    "unicode": "ünï-😀",
    "wide-letters": "\uff41\uff42",
    "right-to-left": "a\u202egnp",
    "line-separator": "a\u2028b",
    "next-line": "a\x85b",
    "byte-order-mark": "\ufeffa",
    "no-character": "a\uffffb",
    "empty": "",
    "blank": " ",
    "long": "x" * 253,
    "longer": "x" * 254,
    "huge": "x" * 100_000,
}  # fmt: skip
HARMLESS = "harmless"
"""What the fields below begin with, so that they are found again in what is rendered."""

METADATA = {"name": f"{HARMLESS}-name", "namespace": f"{HARMLESS}-space"}
SOURCE = {
    "sourcePVC": f"{HARMLESS}-claim",
    "hooks": {
        "before": {"podTemplate": f"{HARMLESS}-before", "deadline": "30s"},
        "after": {"podTemplate": f"{HARMLESS}-after", "deadline": "30s"},
    },
    "trigger": {
        "schedule": "0 * * * *", "timeZone": "Europe/Berlin", "manual": f"{HARMLESS}-token",
        "spread": "30m", "jitter": "5m", "startingDeadline": "2h",
    },
    "restic": {
        "resticConfig": f"{HARMLESS}-secret", "repositoryPath": f"{HARMLESS}-path",
        "resticArg": "backup", "copyMethod": "Snapshot",
        "identity": f"{HARMLESS}-host", "volumeSnapshotClassName": f"{HARMLESS}-class",
        "retain": {"within": "30d"}, "guard": {"mode": "Warn"}, "verify": {"schedule": "@weekly"},
        "drill": {"schedule": "@monthly"},
    },
}  # fmt: skip
DESTINATION = {
    "trigger": SOURCE["trigger"],
    "restic": {
        "resticConfig": f"{HARMLESS}-secret", "repositoryPath": f"{HARMLESS}-path",
        "resticArg": "restore", "copyMethod": "Snapshot",
        "identity": f"{HARMLESS}-host", "volumeSnapshotClassName": f"{HARMLESS}-class",
        "storageClassName": f"{HARMLESS}-storage", "accessModes": ["ReadWriteOnce"], "capacity": "3Gi",
        "onMissing": "Empty", "restoreAsOf": "2026-01-02T03:00:00Z",
    },
}  # fmt: skip
INTO = {
    "trigger": SOURCE["trigger"],
    "restic": {"resticConfig": "secret", "copyMethod": "None", "destinationPVC": f"{HARMLESS}-claim"},
}
LIVE = {**SOURCE, "restic": {**SOURCE["restic"], "copyMethod": "None"}}
CLONE = {**SOURCE, "restic": {**SOURCE["restic"], "copyMethod": "Clone"}}
SELECTOR = {"matchExpressions": [{"key": f"{HARMLESS}-key", "operator": "In", "values": [f"{HARMLESS}-value"]}]}
SELECTING = {key: value for key, value in SOURCE.items() if key != "sourcePVC"} | {
    "sourcePVCSelector": SELECTOR,
    "restic": {key: value for key, value in SOURCE["restic"].items() if key != "identity"},
}
GROUPED = {**SOURCE, "group": f"{HARMLESS}-group"}
BASES = {Kind.SOURCE: (SOURCE, LIVE, CLONE, SELECTING, GROUPED), Kind.DESTINATION: (DESTINATION, INTO)}


def text_fields(node, *path):
    """The places of a schema where text may stand."""
    if "string" in (node.get("type"), *(each.get("type") for each in node.get("anyOf", ()))):
        yield path
    for name, field in node.get("properties", {}).items():
        yield from text_fields(field, *path, name)
    if "items" in node:
        yield from text_fields(node["items"], *path, 0)


FIELDS = [
    pytest.param(kind, path, id=f"{kind}-{'.'.join(map(str, path))}")
    for kind in Kind
    for part in ("metadata", "spec")
    for path in text_fields(schema(kind)["properties"][part], part)
]


def document(kind, spec):
    return deepcopy({"apiVersion": API_VERSION, "kind": kind.value, "metadata": METADATA, "spec": spec})


def value_at(node, path):
    for step in path:
        if not (isinstance(node, list) or step in node):
            return None
        node = node[step]
    return node


def changed(raw, path, value):
    raw = deepcopy(raw)
    value_at(raw, path[:-1])[path[-1]] = value
    return raw


def bases(kind, path):
    """The documents in which the field has a harmless value."""
    return [raw for raw in (document(kind, spec) for spec in BASES[kind]) if value_at(raw, path)]


def objects(renderer, raw):
    """All that two runs of it and its chores are made of; whatever identifies them by a hash is the same."""
    stored = {**raw["metadata"], "uid": "5ac1d3b2", "creationTimestamp": "2026-01-02T03:04:05Z"}
    status = {"lastSyncTime": "2026-03-04T08:00:00Z"}
    if "sourcePVCSelector" in raw["spec"]:
        status = {"volumes": [{"name": f"{HARMLESS}-claim", **status}]}
    resource = parse({**raw, "metadata": stored, "status": status})
    selected = {f"{HARMLESS}-claim": resource.created} if resource.spec.source_selector else {}
    (resource,) = with_volumes(replace(resource, selected=selected))
    claim = resource.spec.source_pvc or resource.spec.destination_pvc or ""
    around = Surroundings(claims={claim: make_volume(claim)}, hooks_allowed=True)
    runs = (slot_run("09:00:00"), Run(token=f"manual:{resource.spec.manual}"))
    plans = [
        (part, plan)
        for part in with_chores(resource)
        for run in runs
        for plan in rehearsed(part, run, around, now=at("09:00:00"))
    ]
    found = [
        hook_job(plan, {"template": {}}, part)
        if isinstance(plan, HookPlan)
        else renderer.rendered(plan, part, job_uid="job-uid")
        for part, plan in plans
    ]
    return json.loads(re.sub(r"-[0-9a-f]{12}\b", "-hash", json.dumps(found)))


@pytest.fixture(scope="module")
def renderer(tmp_path_factory):
    return QuickRenderer(tmp_path_factory.mktemp("hostile") / "templates")


@pytest.fixture(scope="module")
def ordinary(renderer):
    """The leaves of all that a harmless document is made into, once for each document."""
    known = {}

    def of(raw):
        about = json.dumps(raw)
        if about not in known:
            known[about] = leaves(objects(renderer, raw))
        return known[about]

    return of


@pytest.mark.parametrize(("kind", "path"), FIELDS)
def test_every_field_that_takes_text_has_a_harmless_value_here(renderer, kind, path):
    assert bases(kind, path)
    for raw in bases(kind, path):
        assert not isinstance(validate(raw), tuple)
        assert objects(renderer, raw)


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize(("kind", "path"), FIELDS)
def test_it_is_refused_in_a_sentence_or_stands_where_a_harmless_value_would(renderer, ordinary, kind, path, value):
    dotted = re.sub(r"\.(\d+)", r"[\1]", ".".join(map(str, path)))
    for raw in bases(kind, path):
        hostile = changed(raw, path, value)
        verdict = validate(hostile)
        if isinstance(verdict, tuple):
            assert {problem.path for problem in verdict} == {dotted}
            assert [text for text in map(str, verdict) if not (text.isprintable() and 10 < len(text) < 400)] == []
        else:
            check_places(ordinary(raw), leaves(objects(renderer, hostile)), value_at(raw, path), value)


def check_places(before, after, harmless, value):
    """Both are alike, but for the one value; in a variable kubelet reads ``$$`` as ``$``."""
    assert after.keys() == before.keys()
    for place, text in before.items():
        written = value.replace("$", "$$") if ".env." in place else value
        expected = text.replace(harmless, written) if isinstance(text, str) else text
        has_little_room = place.endswith(("ame", "job-name", "scribe.backube/repository"))
        if len(value) > 63 and has_little_room and re.fullmatch("([a-z-]+[-/])*x+-hash", after[place]):
            expected = after[place]  # names, labels and what a status notes have room for a part of a long name only
        assert after[place] == expected, place


def test_an_annotation_that_accepts_a_slot_is_only_compared(renderer):
    raw = document(Kind.SOURCE, SOURCE)
    for value in HOSTILE.values():
        raw["metadata"]["annotations"] = {ACCEPT_SHRUNKEN: value}
        assert objects(renderer, raw) == objects(renderer, document(Kind.SOURCE, SOURCE))


# --- and in the mover

IDENTITY, REPOSITORY_PATH = ("spec", "restic", "identity"), ("spec", "restic", "repositoryPath")
STUB = r"""#!/bin/sh
{ printf '%s\0' "$RESTIC_REPOSITORY"; for argument; do printf '%s\0' "$argument"; done; printf '\n\0'; } >>"$CALLS"
case $1 in
    cat) echo '{"id": "1f"}' ;;
    snapshots) cat "$LISTED" ;;
    backup) echo '{"message_type": "summary", "snapshot_id": "5e"}' ;;
    restore) echo '{"message_type": "summary", "total_files": 1}' ;;
esac
"""
PATHS = {"QUILL_REPORT": "report", "QUILL_DATA": "data", "TMPDIR": "tmp", "CALLS": "calls", "LISTED": "listed"}


def variables(renderer, raw):
    """What kubelet gives to the first mover's container."""
    given = environment(objects(renderer, raw)[0])
    return {name: expanded(text, {}) for name, text in given.items()}


def asked(folder, given, host):
    """What restic is asked by the script with these variables; of two hosts one has this name."""
    for name in ("bin", "data", "tmp"):
        (folder / name).mkdir(parents=True)
    (folder / "bin" / "restic").write_text(STUB)
    (folder / "bin" / "restic").chmod(0o755)
    saved = [{"id": f"{number}a", "hostname": name, "paths": ["/data"], "time": "2026-01-01T00:00:00Z"}
             for number, name in enumerate(("another", host))]  # fmt: skip
    (folder / "listed").write_text(
        json.dumps(saved, ensure_ascii=False) if given["QUILL_ACTION"] == "restore" else "[]"
    )
    here = {name: str(folder / file) for name, file in PATHS.items()}
    more = {"PATH": f"{folder}/bin:/usr/bin:/bin", "QUILL_SETTLE": "0", "RESTIC_PASSWORD": "secret"}
    script = (assets.templates() / "mover.sh").read_text()
    done = subprocess.run(
        ["/bin/sh", "-c", script], env={**given, **here, **more}, cwd="/", capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout.decode()
    calls = (folder / "calls").read_text().split("\n\0")
    return [call.replace(str(folder), "").split("\0")[:-1] for call in calls]


@pytest.mark.parametrize("kind", list(Kind))
def test_the_script_hands_it_on_as_one_argument_or_variable(renderer, tmp_path, kind):
    """Every value that is accepted, wherever it reaches a variable of the mover."""
    ordinary = variables(renderer, document(kind, BASES[kind][0]))
    tried = {(path, name): given for path, name, given in accepted(renderer, kind) if given != ordinary}
    harmless = {IDENTITY: f"{HARMLESS}-host", REPOSITORY_PATH: f"/{HARMLESS}-path"}
    assert {path for path, _ in tried} == harmless.keys()
    folders = {about: tmp_path / f"{about[0][-1]}-{about[1]}" for about in tried}
    hosts = {about: HOSTILE[about[1]] if about[0] == IDENTITY else harmless[IDENTITY] for about in tried}
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda about: asked(folders[about], tried[about], hosts[about]), tried)
    expected = asked(tmp_path / "harmless", ordinary, harmless[IDENTITY])
    for about, calls in zip(tried, found, strict=True):
        path, name = about
        value = HOSTILE[name] if path == IDENTITY else f"/{HOSTILE[name]}"
        assert calls == [[value if each == harmless[path] else each for each in call] for call in expected], about
        assert not list((folders[about] / "data").iterdir())


def accepted(renderer, kind):
    """The mover's variables for every hostile value that the field of the kind's first document takes."""
    raw = document(kind, BASES[kind][0])
    for path in (path for of, path in (each.values for each in FIELDS) if of is kind and value_at(raw, path)):
        for name, value in HOSTILE.items():
            hostile = changed(raw, path, value)
            if not isinstance(validate(hostile), tuple):
                yield path, name, variables(renderer, hostile)
