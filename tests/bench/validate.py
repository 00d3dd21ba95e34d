"""What `quill validate` costs: one file, as a pre-commit hook or an editor asks; and a repository full of files."""

import tempfile
from pathlib import Path

import yaml

from tests.bench.measuring import medians, ratio, run, say
from tests.bench.population import source

RUNS = 11
FILES = 2_000
GOALS = {"one_file_wall_s": "<= 0.3"}
OTHER = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "shop", "image": "shop:1"}]}}},
}


def measure():
    with tempfile.TemporaryDirectory() as folder:
        one, many = Path(folder, "one.yaml"), Path(folder, "many")
        one.write_text(_text(0))
        many.mkdir()
        for number in range(FILES):
            Path(many, f"{number:04}.yaml").write_text(_text(number))
        floor = [run("-c", "pass") for _ in range(RUNS)]
        singles = [run("-m", "reconciler", "validate", one) for _ in range(RUNS)]
        say("validate: one file is done")
        folders = [run("-m", "reconciler", "validate", "-o", "json", many) for _ in range(3)]
        assert folders[-1].document["resources"] == FILES // 2
        return {
            "goals": GOALS,
            "bare_python": medians(floor),
            "one_file": medians(singles),
            "wall_to_bare_python": ratio(singles, floor),
            f"{FILES}_files_half_of_them_not_ours": medians(folders),
            "milliseconds_per_file": round(1000 * (medians(folders)["wall_s"] - medians(singles)["wall_s"]) / FILES, 2),
        }


def _text(number):
    """Every other file is a Deployment."""
    mine = source("shop", f"volume-{number}", {"schedule": f"{number % 60} {number // 60 % 24} * * *"})
    return yaml.safe_dump(OTHER | {"metadata": {"name": f"shop-{number}"}} if number % 2 else mine)
