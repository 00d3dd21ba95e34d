"""docs/ as a site: what is generated is current, nothing is linked that is not there, and every command works."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from reconciler.cli import main
from tests.docs.__main__ import generated
from tests.docs.commands import ROOT, Command, File, blocks, pages, steps
from tests.docs.running import Scratch

BIN = Path(sys.executable).parent
NOT_RUN = {
    "README.md": 4,
    "docs/alerts.md": 2,
    "docs/comparison.md": 1,
    "docs/how-to/locked-repository.md": 2,
    "docs/how-to/move-from-volsync.md": 1,
    "docs/tutorial.md": 5,
}
"""How many commands of a page are marked as not run; their pages say why."""

FROM_ELSEWHERE = re.compile(r"<(?:script|link|img)[^>]+(?:src|href)=\"?http[^ >]+")
"""What a reader's browser would fetch from other hosts."""

PAGES = {str(path.relative_to(ROOT)): steps(path) for path in pages()}


@pytest.mark.parametrize("path", generated(), ids=lambda path: path.name)
def test_generated_pages_are_current(path):
    assert path.read_text() == generated()[path], "run: make docs"


def test_the_site_builds_without_a_warning(tmp_path):
    """A page outside the navigation, a link or an anchor that leads nowhere is a warning, and none is forgiven."""
    command = [BIN / "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    html = [path.read_text() for path in (tmp_path / "site").rglob("*.html")]
    assert len(html) > len(PAGES)
    assert [text for page in html for text in FROM_ELSEWHERE.findall(page)] == []


def test_what_is_not_run_is_marked_and_counted():
    marked = Counter(
        page for page, found in PAGES.items() for each in found if isinstance(each, Command) and each.skipped
    )
    assert marked == NOT_RUN


@pytest.mark.parametrize(
    "page", [page for page, found in PAGES.items() if any(isinstance(each, Command) for each in found)]
)
def test_offline_commands_work_as_the_page_shows_them(page, tmp_path):
    (tmp_path / "here").mkdir()
    scratch = Scratch(tmp_path / "here", empty=page == "docs/tutorial.md")
    for step in PAGES[page]:
        if isinstance(step, File):
            scratch.write(step)
        elif step.is_offline and not step.skipped:
            scratch.run(step)


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_shows_are_objects_of_kubernetes(page):
    for step in PAGES[page]:
        if isinstance(step, File):
            assert all({"apiVersion", "kind"} <= each.keys() for each in yaml.safe_load_all(step.text)), step.name


WRONG = {"docs/comparison.md", "docs/validation.md"}
"""Pages that show what is said of a mistake: of a file with a title there."""


def resources(page):
    """Every block of a page that has a resource of ours as a whole."""
    for block in blocks((ROOT / page).read_text()):
        ours = re.search(r"^apiVersion: scribe\.backube/", block.text, re.MULTILINE)
        if ours and not (page in WRONG and block.title):
            yield pytest.param(block.text, id=f"{page}-{block.line}")


@pytest.mark.parametrize("text", [each for page in PAGES for each in resources(page)])
def test_a_resource_that_a_page_shows_gives_no_warning(text, tmp_path, capsys):
    (tmp_path / "shown.yaml").write_text(text)
    assert main(["validate", str(tmp_path)]) == 0, capsys.readouterr().out


PAGE = """\
# Title

    quill status             what is there

    apiVersion: v1

<!-- not run: it would delete everything -->

```sh
rm -rf everything
```

=== "Tab"

    Text that is no code.

    ```console
    $ quill validate a.yaml
    a.yaml: fine
    ```

```yaml title="a.yaml"
kind: Secret
```
"""


def test_commands_are_found_in_every_kind_of_block(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    assert steps(page) == [
        Command(3, "quill status"),
        Command(10, "rm -rf everything", skipped="it would delete everything"),
        Command(18, "quill validate a.yaml", shown="a.yaml: fine", tab="Tab"),
        File("a.yaml", "kind: Secret\n"),
    ]
    assert [each.is_offline for each in steps(page)[:1]] == [False]
    assert len(list(blocks(PAGE))) == 4
