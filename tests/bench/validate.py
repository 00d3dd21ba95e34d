"""What `quill validate` costs: one file, as a pre-commit hook or an editor asks; and a repository full of files.

Half of them ours and half not; all of them ours; and all of them about each other, which the cross-checks look at, and
with --strict-references each reference, too.
"""

import tempfile
from pathlib import Path

import yaml

from tests.bench.measuring import medians, ratio, run, say
from tests.bench.population import claim, destination, source

RUNS = 11
FILES = 2_000
GOALS = {"one_file_wall_s": "<= 0.3", f"{FILES}_files_wall_s": "<= 2"}
OTHER = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "shop", "image": "shop:1"}]}}},
}

SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "repository", "namespace": "shop"}}

# What any validator has to do at least: read every file, and make YAML into values with libyaml.
FLOOR = """
import pathlib, sys, yaml
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.yaml")):
    list(yaml.load_all(path.read_bytes(), Loader=yaml.CSafeLoader))
"""


def measure():
    with tempfile.TemporaryDirectory() as name:
        one, half, all_ours, linked = (Path(name, each) for each in ("one.yaml", "half", "all", "linked"))
        one.write_text(_text(0))
        for folder, texts in ((half, _text), (all_ours, lambda number: _text(2 * number)), (linked, _linked)):
            folder.mkdir()
            for number in range(FILES):
                Path(folder, f"{number:04}.yaml").write_text(texts(number))
        Path(linked, "secret.yaml").write_text(yaml.safe_dump(SECRET))
        floor = [run("-c", "pass") for _ in range(RUNS)]
        singles = [run("-m", "reconciler", "validate", one) for _ in range(RUNS)]
        say("validate: one file is done")
        figures = {
            "goals": GOALS,
            "bare_python": medians(floor),
            "one_file": medians(singles),
            "wall_to_bare_python": ratio(singles, floor),
        }
        of_linked = FILES - len(range(1, FILES, 3))
        for case, folder, ours, *options in (
            ("half", half, FILES // 2),
            ("all", all_ours, FILES),
            ("linked", linked, of_linked),
            ("strict", linked, of_linked, "--strict-references"),
        ):
            figures[f"{FILES}_files_{case}"] = _folder(folder, ours, *options)
            say(f"validate: {FILES} files ({case}) are done")
        return figures


def _folder(folder, ours, *options):
    """The time of a folder, next to that of only parsing it; the two take turns."""
    parsed, checked = [], []
    for _ in range(5):
        parsed.append(run("-c", FLOOR, folder))
        checked.append(run("-m", "reconciler", "validate", "-o", "json", *options, folder))
    assert checked[-1].document == {"resources": ours, "findings": []}
    return {"validate": medians(checked), "parse_only": medians(parsed), "wall_to_parse_only": ratio(checked, parsed)}


def _text(number):
    """Every other file is a Deployment."""
    mine = source("shop", f"volume-{number}", {"schedule": f"{number % 60} {number // 60 % 24} * * *"})
    return yaml.safe_dump(OTHER | {"metadata": {"name": f"shop-{number}"}} if number % 2 else mine)


def _linked(number):
    """A source, its claim and a destination of it, by turns; each source checks the repository that all share."""
    turn = number // 3
    name, hour = f"volume-{turn:04}", turn // 30 % 24
    mine = source("shop", name, {"schedule": f"{turn % 30} {hour} * * *"})
    mine["spec"]["restic"]["verify"] = {"schedule": f"{30 + turn % 30} {hour} * * sun"}
    return yaml.safe_dump((mine, claim("shop", name), destination("shop", name, {"manual": "once"}))[number % 3])
