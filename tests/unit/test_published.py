"""What others take from a release or a tag: two files for kubectl, and folders of kustomize/ as remote bases."""

import re
import shutil
import subprocess

import pytest
import yaml

import reconciler
from tests.docs.commands import File, blocks, steps
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


def at(repository, text):
    """What a page shows, with the addresses of Quill as they are here."""
    return re.sub(r"\?ref=v[0-9.]+", "?ref=HEAD", text.replace(HOST, repository))


def examples(file):
    """The kustomizations that a page shows, each with the folder it is in."""
    for block in blocks(file.read_text()):
        if found := re.match(r"# (?:(\w+)/)?kustomization\.yaml", block.text):
            yield found[1] or "", block.text


def alone(file):
    """Those that need no other."""
    shown = list(examples(file))
    folders = {folder for folder, _ in shown if folder}
    return [text for folder, text in shown if not folder and not any(f"- {each}\n" in text for each in folders)]


PAGES = (ROOT / "README.md", KUSTOMIZE / "README.md")


@pytest.mark.parametrize(
    "text",
    [pytest.param(text, id=f"{page.relative_to(ROOT)}-{n}") for page in PAGES for n, text in enumerate(alone(page))],
)
def test_an_example_of_the_readme_builds_as_it_stands(repository, tmp_path, text):
    shutil.copytree(KUSTOMIZE / "components" / "mover-defaults", tmp_path / "mover-defaults")
    shutil.copyfile(ROOT / "templates" / "backup.yaml.j2", tmp_path / "backup.yaml.j2")
    shutil.copyfile(ROOT / "examples" / "seed" / "replicationsource.yaml", tmp_path / "backup.yaml")
    (tmp_path / "repository.env").write_text("RESTIC_REPOSITORY=s3:https://s3.example.com/bucket\n")
    assert HOST in text
    (tmp_path / "kustomization.yaml").write_text(at(repository, text))
    objects = kustomize(tmp_path)
    cluster_wide = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Namespace"}
    (namespace,) = {each["metadata"].get("namespace") for each in objects if each["kind"] not in cluster_wide}
    assert namespace
    images = re.findall(r"registry\.example/quill:(\S+)", yaml.safe_dump_all(objects))
    assert images == ([reconciler.__version__] if any(each["kind"] == "CronJob" for each in objects) else [])


def test_the_pages_have_examples():
    assert [len(alone(page)) for page in PAGES] == [1, 3]


def test_shards_build_as_the_page_shows_them(repository, tmp_path):
    """One folder is shown, and the other is the same but for its namespace."""
    shown = dict(each for each in examples(KUSTOMIZE / "README.md") if each[0] or "- shop\n" in each[1])
    assert set(shown) == {"", "shop"}
    for folder, text in {**shown, "web": shown["shop"].replace("namespace: shop", "namespace: web")}.items():
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "kustomization.yaml").write_text(at(repository, text))
    objects = kustomize(tmp_path)
    names = [(each["kind"], each["metadata"].get("namespace")) for each in objects]
    assert names.count(("CustomResourceDefinition", None)) == 2
    assert [where for kind, where in names if kind == "CronJob"] == ["shop", "web"]
    assert {where for _, where in names} == {None, "shop", "web"}


ARGOCD = (ROOT / "docs" / "argocd.md").read_text()
INSTALLATIONS = [each.text for each in blocks(ARGOCD) if "components/argocd-health" in each.text]
HEALTH = "resource.customizations.health.scribe.backube_ReplicationDestination"


@pytest.mark.parametrize("text", INSTALLATIONS)
def test_a_health_check_of_the_reader_replaces_that_of_the_component(repository, tmp_path, text):
    """The kustomizations of docs/argocd.md with its patch, and the tutorial's file."""
    (patch,) = [each.text for each in blocks(ARGOCD) if each.text.startswith("patches:\n  - path: argocd-cm.yaml")]
    (file,) = {
        each.text for each in steps(ROOT / "docs" / "tutorial.md") if isinstance(each, File) and HEALTH in each.text
    }
    (tmp_path / "argocd-cm.yaml").write_text(file)
    (tmp_path / "install.yaml").write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: argocd-cm}}")
    text = re.sub(r"https://\S+/install.yaml", "install.yaml", text)
    (tmp_path / "kustomization.yaml").write_text(f"{at(repository, text)}\n{patch}")
    (settings,) = kustomize(tmp_path)
    assert settings["data"][HEALTH] == yaml.safe_load(file)["data"][HEALTH]
    assert len(settings["data"]) > 1
