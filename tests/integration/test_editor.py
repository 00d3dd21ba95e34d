"""What ``quill schemas --modeline`` does for somebody who types: the YAML language server, asked as an editor asks."""

import html
import re
import shutil
import subprocess
import sys
from pathlib import Path

import markdown
import pytest
import yaml

from reconciler.assets import schema
from reconciler.resource import Kind
from tests.editor import server
from tests.editor.client import editing
from tests.integration.conftest import ROOT
from tests.integration.test_definitions import BEYOND_A_SCHEMA, EXAMPLES, KINDS

pytestmark = pytest.mark.integration

QUILL = Path(sys.executable).with_name("quill")
SETTINGS = {"yaml": {"yamlVersion": "1.1", "schemaStore": {"enable": False}, "kubernetesCRDStore": {"enable": False}}}
"""As docs/validation.md has it, and without what comes over the network."""

FOLDERS = {"valid": EXAMPLES / "valid", "invalid": EXAMPLES / "invalid", "ours": ROOT / "examples"}
NAMES = sorted(f"{name}/{path.relative_to(of)}" for name, of in FOLDERS.items() for path in of.rglob("*.yaml"))
UNMARKED = {"group-misspelt", "kind-missing", "kind-misspelt", "list", "uid", "version-missing", "version-unknown"}
"""Where no resource of Quill's begins that a modeline could be put above."""

SILENT = UNMARKED | {"endless-alias"} | BEYOND_A_SCHEMA - {"not-yaml-after-a-good-document"}
"""The server gives up on a value that has itself in it, and says nothing of the file."""

SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: repository}\ndata: nothing\n"
SOURCE = (EXAMPLES / "valid" / "replicationsource" / "minimal.yaml").read_text()
DESTINATION = (EXAMPLES / "valid" / "replicationdestination" / "minimal.yaml").read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What somebody keeps in Git, after ``quill schemas``."""
    folder = tmp_path_factory.mktemp("git")
    for name, source in FOLDERS.items():
        shutil.copytree(source, folder / name)
    schemas(folder, "--output", "schemas", "--modeline", ".")
    return folder


@pytest.fixture(scope="module")
def editor(folder):
    with editing(folder, server.command(), SETTINGS) as editor:
        yield editor


@pytest.fixture(scope="module")
def problems(editor, folder):
    """What is underlined in each example, all of them open at once."""
    return dict(zip(NAMES, editor.problems(*(folder / name for name in NAMES)), strict=True))


@pytest.fixture
def write(folder, tmp_path):
    """Writes a file and has Quill mark it, as all others are unless told otherwise."""

    def written(text, *, options=("--output", "schemas")):
        file = tmp_path / "backup.yaml"
        file.write_text(text)
        schemas(folder, *options, "--modeline", str(file))
        return file

    return written


def schemas(folder, *arguments):
    subprocess.run([QUILL, "schemas", *arguments], cwd=folder, check=True, capture_output=True)


def underlined(file, problems):
    """Each underlined text, with its line."""
    lines = file.read_text().splitlines()
    places = [(each["range"]["start"], each["range"]["end"]) for each in problems]
    return {
        (lines[start["line"]], lines[start["line"]][start["character"] : end["character"]]) for start, end in places
    }


def after(file, text):
    """The place behind a text that is there once."""
    before, found, _ = file.read_text().partition(text)
    assert found
    *above, line = (before + text).split("\n")
    return len(above), len(line)


def offered(editor, file, text):
    """What could be typed behind a text."""
    return {each["label"] for each in editor.at(file, *after(file, text), what="completion")["items"]}


def fields(node, known):
    """Each key of a YAML mapping, with what a schema says of it."""
    for key, value in node.value:
        if found := known.get("properties", {}).get(key.value):
            yield key, found["description"]
            yield from fields(value, found) if isinstance(value, yaml.MappingNode) else ()


def drawn(text):
    """What is read of Markdown once it is drawn."""
    return html.unescape(re.sub("<[^>]*>", "", markdown.markdown(text)))


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("invalid/")])
def test_nothing_is_underlined_in_a_valid_file(problems, name):
    assert problems[name] == []


@pytest.mark.parametrize(
    "name", [name for name in NAMES if name.startswith("invalid/") and Path(name).parts[1] in KINDS]
)
def test_something_is_underlined_wherever_a_schema_can_tell(problems, name):
    assert bool(problems[name]) is (Path(name).stem not in SILENT)


def test_a_rule_between_fields_is_told_in_its_own_words_at_the_field(problems, folder):
    name = "invalid/replicationsource/prune-that-forgets.yaml"
    assert {text for _, text in underlined(folder / name, problems[name])} == {"retain"}
    assert problems[name][0]["message"].startswith("a prune forgets nothing: ")
    unworded = {name for name, found in problems.items() for each in found if "schema" in each["message"]}
    assert unworded == set()


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("--output", "schemas"), id="a-folder"),
        pytest.param(("--location", (ROOT / "schemas").as_uri()), id="an-address"),
        pytest.param((), id="those-of-the-installation"),
    ],
)
def test_each_document_of_a_file_is_underlined_where_it_is_wrong(editor, write, options):
    wrong = "    copyMethod: Snapshots\n"
    file = write(f"{SECRET}---\n{SOURCE}{wrong}---\n{DESTINATION}  sourcePVC: data\n---\n{SOURCE}", options=options)
    assert underlined(file, *editor.problems(file)) == {
        (wrong.rstrip(), "Snapshots"),
        ("  sourcePVC: data", "sourcePVC"),
    }


@pytest.mark.parametrize("kind", list(Kind))
def test_hovering_over_a_field_shows_what_the_schema_says_of_it(editor, write, kind):
    """As it reads once it is drawn: nothing of it is taken for markup."""
    file = write((EXAMPLES / "valid" / kind.lower() / "everything.yaml").read_text())
    assert editor.problems(file) == [[]]
    for key, description in fields(yaml.compose(file.read_text()), schema(kind)):
        answer = editor.at(file, key.start_mark.line, key.start_mark.column + 1, what="hover")
        assert description in drawn(answer["contents"]["value"])


def test_the_values_of_a_field_are_offered(editor, write):
    file = write(f"{SOURCE}---\n{SOURCE}    copyMethod: \n")
    editor.problems(file)
    assert offered(editor, file, "copyMethod: ") == {"Snapshot", "Clone", "None"}


def test_the_fields_that_are_not_there_yet_are_offered(editor, write):
    file = write(f"{SECRET}---\n{DESTINATION}    \n")
    editor.problems(file)
    known = schema(Kind.DESTINATION)["properties"]["spec"]["properties"]["restic"]["properties"].keys()
    assert offered(editor, file, "capacity: 2Gi\n    ") == known - {"resticConfig", "accessModes", "capacity"}


def test_a_schema_that_is_not_where_a_modeline_says_is_told(editor, write):
    """So that silence about a valid file means that it was judged."""
    file = write(SOURCE, options=("--location", "nowhere"))
    assert underlined(file, *editor.problems(file))
