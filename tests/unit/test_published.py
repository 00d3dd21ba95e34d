"""What others take from a release or a tag: two files for kubectl, and folders of kustomize/ as remote bases."""

import re
import shutil
import subprocess

import pytest
import yaml

import reconciler
from tests.kustomizing import KUSTOMIZE, ROOT, built, kustomize, text_of

HOST = "https://git.example/quill//"
GIT = ("git", "-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "init.defaultBranch=main")


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """Makes the files of a release; by name, their bytes."""
    folder = tmp_path_factory.mktemp("dist")

    def make(*variables):
        command = ["make", "--silent", f"--directory={ROOT}", "release", f"DIST={folder}", *variables]
        subprocess.run(command, check=True, capture_output=True)
        return {file.name: file.read_bytes() for file in folder.iterdir()}

    return make


def test_a_release_is_what_kustomize_builds(release):
    files = release()
    assert set(files) == {"install.yaml", "crds.yaml"}
    assert list(yaml.safe_load_all(files["install.yaml"])) == built("overlays/cluster")
    assert list(yaml.safe_load_all(files["crds.yaml"])) == built("crds")


def test_a_release_is_the_same_each_time_but_for_the_image(release):
    first, second = release("IMAGE=registry.example/team/quill"), release("IMAGE=registry.example/team/quill")
    assert first == second
    images = re.findall(r"^ +image: (\S*quill\S*)$", first["install.yaml"].decode(), re.MULTILINE)
    assert images == [f"registry.example/team/quill:{reconciler.__version__}"]


def test_the_definitions_can_be_applied_before_the_rest(release):
    kinds = [each["kind"] for each in yaml.safe_load_all(release()["install.yaml"])]
    assert kinds[:3] == ["Namespace", "CustomResourceDefinition", "CustomResourceDefinition"]


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A bare git repository whose HEAD is this checkout, without what git ignores."""
    folder = tmp_path_factory.mktemp("git")
    for name in ("kustomize", "templates"):
        shutil.copytree(ROOT / name, folder / "work" / name)
    shutil.copyfile(ROOT / ".gitignore", folder / "work" / ".gitignore")
    for command in (
        [*GIT, "init", "--quiet"],
        [*GIT, "add", "--all"],
        [*GIT, "commit", "--quiet", "--message=all"],
        [*GIT, "clone", "--quiet", "--bare", ".", folder / "quill.git"],
    ):
        subprocess.run(command, cwd=folder / "work", check=True, capture_output=True)
    return f"file://{folder}/quill.git//"


@pytest.mark.parametrize("name", ["overlays/cluster", "overlays/namespaced", "base", "components/network-policy"])
def test_a_folder_is_a_remote_base(repository, name):
    assert text_of(f"{repository}kustomize/{name}?ref=HEAD") == text_of(KUSTOMIZE / name)


def examples(file):
    """The kustomizations that a page shows."""
    for block in re.findall(r"(?:^ {4}.*\n|^\n)+", file.read_text(), re.MULTILINE):
        text = re.sub(r"^ {4}", "", block, flags=re.MULTILINE)
        if text.strip().startswith("# kustomization.yaml") and "…" not in text:
            yield re.split(r"^(?=kubectl)", text, flags=re.MULTILINE)[0]


PAGES = (ROOT / "README.md", KUSTOMIZE / "README.md")


@pytest.mark.parametrize(
    "text",
    [pytest.param(text, id=f"{page.relative_to(ROOT)}-{n}") for page in PAGES for n, text in enumerate(examples(page))],
)
def test_an_example_of_the_readme_builds_as_it_stands(repository, tmp_path, text):
    shutil.copytree(KUSTOMIZE / "components" / "mover-defaults", tmp_path / "mover-defaults")
    shutil.copyfile(ROOT / "templates" / "backup.yaml.j2", tmp_path / "backup.yaml.j2")
    shutil.copyfile(ROOT / "examples" / "seed" / "replicationsource.yaml", tmp_path / "backup.yaml")
    (tmp_path / "repository.env").write_text("RESTIC_REPOSITORY=s3:https://s3.example.com/bucket\n")
    assert HOST in text
    text = re.sub(r"\?ref=v[0-9.]+", "?ref=HEAD", text.replace(HOST, repository))
    (tmp_path / "kustomization.yaml").write_text(text)
    objects = kustomize(tmp_path)
    cluster_wide = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Namespace"}
    (namespace,) = {each["metadata"].get("namespace") for each in objects if each["kind"] not in cluster_wide}
    assert namespace
    images = re.findall(r"registry\.example/quill:(\S+)", yaml.safe_dump_all(objects))
    assert images == ([reconciler.__version__] if any(each["kind"] == "CronJob" for each in objects) else [])


def test_the_pages_have_examples():
    assert [len(list(examples(page))) for page in PAGES] == [1, 2]
