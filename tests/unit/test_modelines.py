"""Modelines: where they go, and that nothing else of a file changes."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler import assets
from reconciler.cli import main
from reconciler.documents import compose, value
from reconciler.modelines import with_modelines

EXAMPLES = Path(__file__).parents[1] / "examples" / "valid"
SOURCE = "apiVersion: scribe.backube/v1alpha1\nkind: ReplicationSource\n"
ODD = "apiVersion: scribe.backube/v1alpha1\nkind: []\n"
LINE = "# yaml-language-server: $schema=ReplicationSource\n"


def marked(text):
    return with_modelines(text, str)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(SOURCE, LINE + SOURCE, id="one-document"),
        pytest.param("# (c) us\n\n" + SOURCE, "# (c) us\n\n" + LINE + SOURCE, id="below-a-licence"),
        pytest.param(
            "a: 1\n---\n" + SOURCE + "---\n# x\n" + SOURCE,
            f"a: 1\n---\n{LINE}{SOURCE}---\n# x\n{LINE}{SOURCE}",
            id="several",
        ),
        pytest.param(SOURCE.replace("\n", "\r\n"), (LINE + SOURCE).replace("\n", "\r\n"), id="windows-lines"),
        pytest.param("\ufeff" + SOURCE, "\ufeff" + LINE + SOURCE, id="byte-order-mark"),
        pytest.param(SOURCE.rstrip("\n"), LINE + SOURCE.rstrip("\n"), id="no-last-newline"),
        pytest.param(LINE + SOURCE, LINE + SOURCE, id="there-already"),
        pytest.param(
            "#yaml-language-server: $schema=old  # why\n# x\n\n" + SOURCE,
            LINE.rstrip() + "  # why\n# x\n\n" + SOURCE,
            id="corrected",
        ),
        pytest.param(
            "# yaml-language-server: $schema=other\na: 1\n---\n" + SOURCE,
            f"# yaml-language-server: $schema=other\na: 1\n---\n{LINE}{SOURCE}",
            id="another-documents",
        ),
        pytest.param("kind: Secret\n", "kind: Secret\n", id="another-kind"),
        pytest.param("a: b: c\n---\n" + SOURCE, "a: b: c\n---\n" + SOURCE, id="not-yaml"),
        pytest.param(
            f"--- {{{SOURCE.strip().replace(chr(10), ', ')}}}\n",
            f"--- {{{SOURCE.strip().replace(chr(10), ', ')}}}\n",
            id="no-room",
        ),
        pytest.param(ODD, ODD, id="kind-is-a-list"),
        pytest.param("", "", id="empty"),
    ],
)
def test_where_a_modeline_goes(before, after):
    assert marked(before) == after


@settings(deadline=None, max_examples=100)
@given(ends=st.sampled_from(["\n", "\r\n", "\r", "\u2028"]), noise=st.text("# \n\r-\u2028\x85\x0bab", max_size=12))
def test_nothing_else_changes_and_once_is_enough(ends, noise):
    text = noise + "\n---\n" + SOURCE.replace("\n", ends) + "x: |\n  " + noise.replace("-", "a")
    once = marked(text)
    assert marked(once) == once
    assert re.sub(r"# yaml-language-server: \$schema=ReplicationSource(\r\n|\r|\n)", "", once) == text


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_an_example_means_the_same_afterwards(path):
    text = path.read_text()
    assert [value(node) for node in compose(marked(text))] == [value(node) for node in compose(text)]


def test_the_verb_writes_schemas_and_points_to_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    texts = {
        "apps/shop/a.yaml": SOURCE.encode(),
        "apps/b.yaml": b"kind: Secret\n",
        "apps/c.yaml": b"\xff scribe.backube",
    }
    for name, content in texts.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content)
    arguments = ["schemas", "--output", "schemas", "--modeline", "apps"]
    assert main(arguments) == 0
    assert "apps/shop/a.yaml" in capsys.readouterr().out
    (location,) = re.findall(r"schema=(\S+)", Path("apps/shop/a.yaml").read_text())
    assert location == "../../schemas/scribe.backube/replicationsource_v1alpha1.json"
    assert (Path("apps/shop") / location).is_file()
    assert {name: Path(name).read_bytes() for name in texts if name != "apps/shop/a.yaml"} == {
        name: content for name, content in texts.items() if name != "apps/shop/a.yaml"
    }
    assert main(arguments) == 0
    assert "apps" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "location"),
    [
        (
            ["--location", "https://example.com/s/"],
            "https://example.com/s/scribe.backube/replicationsource_v1alpha1.json",
        ),
        ([], str(assets.schemas() / "scribe.backube/replicationsource_v1alpha1.json")),
    ],
)
def test_a_modeline_alone_points_to_what_is_there(tmp_path, capsys, arguments, location):
    (tmp_path / "a.yaml").write_text(SOURCE)
    assert main(["schemas", "--modeline", str(tmp_path / "a.yaml"), *arguments]) == 0
    assert (tmp_path / "a.yaml").read_text() == f"# yaml-language-server: $schema={location}\n{SOURCE}"
    assert capsys.readouterr().out == f"{tmp_path / 'a.yaml'}\n"


def test_a_location_without_files_is_usage(capsys):
    assert main(["schemas", "--location", "https://example.com"]) == 2
    assert "--modeline" in capsys.readouterr().err
