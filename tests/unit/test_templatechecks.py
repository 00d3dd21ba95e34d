"""An override of the templates is tried with runs of every kind, before a cluster sees it."""

import re

import pytest

from reconciler import assets, samples, structures
from reconciler.cli import main
from reconciler.spec import Action
from reconciler.templatechecks import _resources

BASE = '{% extends "mover.yaml.j2" %}\n'


@pytest.fixture
def check(tmp_path, capsys, monkeypatch):
    """Checks a folder of these templates; what is found, without the folder's name."""
    monkeypatch.chdir(tmp_path)

    def checked(**templates):
        (tmp_path / "t").mkdir()
        for name, text in templates.items():
            (tmp_path / "t" / f"{name}.yaml.j2").write_text(text)
        code = main(["validate", "--templates", "t"])
        out = capsys.readouterr().out
        assert code == bool(out)
        return out.splitlines()

    return checked


def original(name):
    return (assets.templates() / f"{name}.yaml.j2").read_text()


def test_those_that_come_with_quill_are_good(capsys):
    assert main(["validate", "--templates", str(assets.templates())]) == 0
    out, err = capsys.readouterr()
    assert (out, re.sub(r"\d+", "n", err)) == ("", "n templates, no problems\n")


def test_the_samples_reach_every_action():
    assert {each.spec.action for each in _resources()} == set(Action)


def branches():
    """The first line of each branch of each template."""
    for template in sorted(assets.templates().glob("*.j2")):
        lines = template.read_text().splitlines()
        for number, line in enumerate(lines):
            if re.search(r"{% (if|elif|else|for)", line):
                yield pytest.param(template.name, lines, number + 1, id=f"{template.name}-{number + 2}")


@pytest.mark.parametrize(("name", "lines", "number"), list(branches()))
def test_the_samples_reach_every_branch(check, name, lines, number):
    broken = [*lines[:number], lines[number] + "{{ nothing }}", *lines[number + 1 :]]
    assert check(**{name.removesuffix(".yaml.j2"): "\n".join(broken)})


@pytest.mark.parametrize(
    ("templates", "said"),
    [
        pytest.param(
            {"mover": original("mover").replace("backoffLimit", "backofLimit")},
            [
                "t/mover.yaml.j2:6:3: error: spec.backofLimit: is not a field there [unknown-field]",
                "  hint: did you mean backoffLimit?",
            ],
            id="misspelt-field",
        ),
        pytest.param(
            {"mover": original("mover").replace('value: "60"', "value: 60")},
            [
                "t/mover.yaml.j2:67:11: error: spec.template.spec.containers[0].env[",
                "  hint: put it in quotes",
            ],
            id="number-for-text-in-the-only-env",
        ),
        pytest.param(
            {"backup": BASE + "{% block volumes %}\n  {{ clam }}\n{% endblock %}\n"},
            ["t/backup.yaml.j2:3:3: error: 'clam' is undefined [template]"],
            id="undefined",
        ),
        pytest.param(
            {"backup": BASE + "{% block volumes %}\n  {{ claim \n{% endblock %}\n"},
            ["t/backup.yaml.j2:4:1: error: "],
            id="syntax",
        ),
        pytest.param(
            {"snapshot": original("snapshot").replace("source:", "sources:")},
            [
                "t/snapshot.yaml.j2:3:1: error: spec.source: is missing [missing-field]",
                "t/snapshot.yaml.j2:7:3: error: spec.sources: is not a field there [unknown-field]",
                "  hint: did you mean source?",
            ],
            id="another-kind",
        ),
        pytest.param(
            {"prune": "apiVersion: v1\nkind: Pod\nspec: {}\n"},
            ["t/prune.yaml.j2:1:1: error: must render to a batch/v1 Job, not to a v1 Pod [template]"],
            id="wrong-kind",
        ),
    ],
)
def test_what_is_said_of_a_broken_template(check, templates, said):
    found = check(**templates)
    assert len(found) == len(said)
    for line, beginning in zip(found, said, strict=True):
        assert line.startswith(beginning)


def test_an_override_of_one_template_uses_the_others_of_quill(check):
    assert check(backup=original("backup")) == []


def test_a_folder_without_templates_is_usage(tmp_path, capsys):
    assert main(["validate", "--templates", str(tmp_path)]) == 2
    assert "holds no templates" in capsys.readouterr().err


OBJECT = {"apiVersion": "batch/v1", "kind": "Job"}


@pytest.mark.parametrize(
    ("spec", "paths"),
    [
        pytest.param({"template": {"spec": {"containers": [{"name": "a"}]}}}, [], id="small"),
        pytest.param({}, ["spec.template"], id="missing"),
        pytest.param({"template": {"spec": {"containers": {}}}}, ["spec.template.spec.containers"], id="no-list"),
        pytest.param(
            {"template": {"spec": {"containers": [{"name": True, "x": 1}]}}},
            ["spec.template.spec.containers[0].name", "spec.template.spec.containers[0].x"],
            id="in-a-list",
        ),
        pytest.param(
            {"template": {"metadata": {"labels": {"a": 1}}}}, ["spec.template.metadata.labels.a"], id="values"
        ),
        pytest.param(
            {"template": {}, "suspend": None, "backoffLimit": 1.5}, ["spec.backoffLimit"], id="null-is-nothing"
        ),
    ],
)
def test_fields_and_types(spec, paths):
    found = structures.problems({**OBJECT, "spec": spec}, assets.structures())
    assert [each.path for each in found] == paths


def test_samples_are_the_same_whenever_they_are_made():
    assert list(samples.resources()) == list(samples.resources())
