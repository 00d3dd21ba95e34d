import re
import shutil

import pytest
import yaml

from reconciler import assets
from reconciler.cli import main
from reconciler.imagined import UNKNOWN_UID
from tests.unit.manifests import DESTINATION, SOURCE

DUE, QUIET = "2026-01-02T03:00:00Z", "2026-01-02T03:20:00Z"
LARGE = DESTINATION.replace("1Gi", "7Gi")
CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: shop}
spec: {accessModes: [ReadWriteMany], storageClassName: fast, resources: {requests: {storage: 5Gi}}}
"""
HOOKED = SOURCE.replace("{sourcePVC", "{hooks: {before: {podTemplate: freeze}, after: {podTemplate: thaw}}, sourcePVC")
INVALID = SOURCE.replace("0 3 * * *", "61 3 * * *").replace("nightly", "wrong")
ASSUMED = "PersistentVolumeClaim shop/data is not in these files; 1Gi is assumed\n"


@pytest.fixture(autouse=True)
def _ordinary_templates(monkeypatch):
    monkeypatch.delenv("QUILL_TEMPLATES", raising=False)
    monkeypatch.delenv("QUILL_MOVER_IMAGE", raising=False)


@pytest.fixture
def render(tmp_path, capsys):
    """Runs the verb over files with these contents; exit code, the objects printed and standard error."""

    def run(*texts, at=DUE, options=()):
        files = [tmp_path / f"{number}.yaml" for number in range(len(texts))]
        for file, text in zip(files, texts, strict=True):
            file.write_text(text)
        code = main(["render", "-f", *map(str, files), "--at", at, *options])
        out, err = capsys.readouterr()
        return code, list(yaml.safe_load_all(out)), err

    return run


@pytest.fixture
def folder(tmp_path):
    """A copy of the templates."""
    return shutil.copytree(assets.templates(), tmp_path / "my-templates")


def owners(body):
    return [(each["kind"], each["name"], each["uid"]) for each in body["metadata"]["ownerReferences"]]


def test_a_backup_is_a_job_a_snapshot_and_a_volume(render):
    code, (job, snapshot, volume), err = render(SOURCE, CLAIM)
    assert (code, err) == (0, "")
    assert [each["kind"] for each in (job, snapshot, volume)] == ["Job", "VolumeSnapshot", "PersistentVolumeClaim"]
    name = job["metadata"]["name"]
    assert re.fullmatch(r"backup-nightly-[0-9a-f]{12}", name)
    ((kind, owner, uid),) = owners(job)
    assert (kind, owner) == ("ReplicationSource", "nightly")
    assert job["metadata"]["labels"]["scribe.backube/owner-uid"] == uid
    assert owners(snapshot) == owners(volume) == [("Job", name, UNKNOWN_UID)]
    assert {each["metadata"]["namespace"] for each in (job, snapshot, volume)} == {"shop"}
    assert snapshot["spec"]["source"]["persistentVolumeClaimName"] == "data"
    assert volume["spec"]["dataSource"]["name"] == snapshot["metadata"]["name"]
    (data,) = [each for each in job["spec"]["template"]["spec"]["volumes"] if each["name"] == "data"]
    assert data["persistentVolumeClaim"] == {"claimName": volume["metadata"]["name"], "readOnly": True}
    assert {each["metadata"]["annotations"]["scribe.backube/run"] for each in (job, snapshot, volume)} == {DUE}


def template(name, **pod):
    body = {"spec": {"containers": [{"name": "hook", "image": "hook:test"}], **pod}}
    metadata = {"name": name, "namespace": "shop"}
    return yaml.safe_dump({"apiVersion": "v1", "kind": "PodTemplate", "metadata": metadata, "template": body})


def test_hooks_are_jobs_from_the_podtemplates_in_the_files(render):
    code, bodies, err = render(HOOKED, CLAIM, template("freeze"), template("thaw"))
    assert (code, err) == (0, "")
    purposes = [each["metadata"]["name"].split("-")[0] for each in bodies]
    assert purposes == ["backup", "before", "snapshot", "after", "volume"]
    assert [each["spec"]["template"]["spec"]["containers"][0]["image"] for each in (bodies[1], bodies[3])] == [
        "hook:test", "hook:test",
    ]  # fmt: skip
    assert {kind for body in (bodies[1], bodies[3]) for kind, *_ in owners(body)} == {"ReplicationSource"}


def test_a_hook_whose_podtemplate_is_not_in_the_files_is_left_out_and_named(render):
    code, bodies, err = render(HOOKED, CLAIM, template("freeze"))
    assert code == 0
    assert len(bodies) == 4
    left_out = (
        r"PodTemplate shop/thaw is not in these files; Job after-nightly-\w{12} of spec.hooks.after is left out\n"
    )
    assert re.fullmatch(left_out, err)


def test_a_podtemplate_that_would_be_refused_is_refused_here(render):
    _, bodies, err = render(HOOKED, CLAIM, template("freeze", hostNetwork=True))
    assert [each for each in bodies if each] == []
    assert "spec.hooks.before: PodTemplate shop/freeze: template.spec.hostNetwork is true" in err


def test_a_restore_is_a_job_a_volume_and_an_image(render):
    code, (job, volume, image), err = render(LARGE)
    assert (code, err) == (0, "")
    assert [each["kind"] for each in (job, volume, image)] == ["Job", "PersistentVolumeClaim", "VolumeSnapshot"]
    assert volume["spec"]["resources"]["requests"]["storage"] == "7Gi"
    assert image["spec"]["source"]["persistentVolumeClaimName"] == volume["metadata"]["name"]
    assert owners(image) == owners(job)
    assert owners(image)[0][:2] == ("ReplicationDestination", "copy")


def test_the_volume_is_as_its_claim_in_the_files(render):
    spec = render(SOURCE, CLAIM)[1][2]["spec"]
    assert spec["resources"]["requests"]["storage"] == str(5 * 2**30)
    assert (spec["accessModes"], spec["storageClassName"]) == (["ReadWriteMany"], "fast")


def test_a_size_that_is_only_assumed_is_said(render):
    code, (_, _, volume), err = render(SOURCE)
    assert (code, err) == (0, ASSUMED)
    assert volume["spec"]["resources"]["requests"]["storage"] == str(2**30)


def test_nothing_is_assumed_for_what_is_not_due(render):
    code, bodies, err = render(SOURCE, LARGE, at=QUIET)
    assert (code, len(bodies), err) == (0, 3, "")


def test_the_script_that_is_printed_is_what_a_tick_would_apply(render):
    job = render(SOURCE, CLAIM)[1][0]
    script = job["spec"]["template"]["spec"]["containers"][0]["command"][2]
    assert script.replace("$$", "$") == (assets.templates() / "mover.sh").read_text()


def test_the_same_files_give_the_same_objects(render):
    assert render(SOURCE, LARGE, CLAIM) == render(SOURCE, LARGE, CLAIM)


def test_another_slot_gives_other_names(render):
    first, second = render(SOURCE)[1], render(SOURCE, at="2026-01-03T03:00:00Z")[1]
    assert not {each["metadata"]["name"] for each in first} & {each["metadata"]["name"] for each in second}


def test_every_due_run_of_every_file_is_printed(render):
    _, bodies, _ = render(SOURCE, SOURCE.replace("nightly", "second"), LARGE, CLAIM)
    owned = [owners(each)[0][1] for each in bodies if each["kind"] == "Job"]
    assert owned == ["nightly", "second", "copy"]
    assert len(bodies) == 9


def test_a_folder_means_the_manifests_in_it(tmp_path, capsys):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "source.yml").write_text(SOURCE)
    (tmp_path / "claim.yaml").write_text(CLAIM)
    assert main(["render", "-f", str(tmp_path), "--at", DUE]) == 0
    assert capsys.readouterr().out.count("\nkind: ") == 3


def test_an_invalid_resource_is_found_and_does_not_hide_the_others(render):
    code, bodies, err = render(INVALID, SOURCE, CLAIM)
    assert (code, len(bodies)) == (1, 3)
    assert re.fullmatch(r"\S+/0\.yaml:5:\d+: error: spec\.trigger\.schedule: field 1 .*\[schedule\]\n", err)


def test_only_an_invalid_one_is_a_finding_and_nothing_else(render):
    code, bodies, err = render(INVALID)
    assert (code, bodies) == (1, [])
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(SOURCE, f"nothing is due in the minute up to {QUIET}; give another time with --at\n", id="early"),
        pytest.param("a: b", "no ReplicationSource or ReplicationDestination in these files\n", id="none"),
    ],
)  # fmt: skip
def test_nothing_to_print_is_explained(render, text, message):
    assert render(text, at=QUIET) == (0, [], message)


def test_a_run_that_would_wait_says_for_what(render):
    code, bodies, err = render(SOURCE, CLAIM.replace("spec: {", "spec: {volumeMode: Block, "))
    assert (code, bodies) == (0, [])
    assert err == (
        "ReplicationSource shop/nightly: PersistentVolumeClaim shop/data has volumeMode Block; "
        "restic backs up files, so only Filesystem can be used\n"
    )


def test_other_templates_are_used(render, folder):
    (folder / "mover-container.yaml.j2").write_text("resources: {requests: {cpu: 2}}")
    job = render(SOURCE, CLAIM, options=["--templates", str(folder)])[1][0]
    assert job["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] == 2


def test_the_environment_names_templates_and_image_too(render, folder, monkeypatch):
    (folder / "mover.sh").write_text("exit 0\n")
    monkeypatch.setenv("QUILL_TEMPLATES", str(folder))
    monkeypatch.setenv("QUILL_MOVER_IMAGE", "registry.example/restic:1")
    (container,) = render(SOURCE, CLAIM)[1][0]["spec"]["template"]["spec"]["containers"]
    assert (container["command"][2], container["image"]) == ("exit 0\n", "registry.example/restic:1")


def test_a_broken_template_is_named_with_its_line(render, folder):
    (folder / "snapshot.yaml.j2").write_text("apiVersion: v1\nkind: {{ clam }}\n")
    code, _, err = render(SOURCE, CLAIM, options=["--templates", str(folder)])
    assert (code, err) == (1, "quill: error: snapshot.yaml.j2:2: 'clam' is undefined\n")


def test_no_object_of_a_run_is_printed_unless_all_are(render, folder):
    (folder / "volume.yaml.j2").unlink()
    code, bodies, err = render(SOURCE, CLAIM, options=["--templates", str(folder)])
    assert (code, bodies) == (1, [])
    assert "volume.yaml.j2" in err


def test_a_folder_of_templates_that_is_not_there_is_a_set_up_error(render, tmp_path):
    code, bodies, err = render(SOURCE, at=QUIET, options=["--templates", str(tmp_path / "nope")])
    assert (code, bodies) == (2, [])
    assert err == f"quill: error: {tmp_path}/nope is not a folder of templates\n"


def test_a_file_that_cannot_be_read_is_a_set_up_error(tmp_path, capsys):
    assert main(["render", "-f", str(tmp_path / "nope.yaml"), "--at", DUE]) == 2
    assert "nope.yaml cannot be read: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(["-f", "x.yaml", "--at", "2026-01-02T03:00:00"], "put a Z behind it for UTC", id="no-offset"),
        pytest.param([], "required: -f/--files", id="no-files"),
    ],
)
def test_a_wrong_option_is_a_usage_error(capsys, options, message):
    with pytest.raises(SystemExit, match="2"):
        main(["render", *options])
    assert message in capsys.readouterr().err


def test_each_selected_claim_has_a_run_of_its_own(render):
    source = SOURCE.replace("sourcePVC: data", "sourcePVCSelector: {matchLabels: {app: db}}")
    source = source.replace("resticConfig: ", "repositoryPath: $(namespace)/$(pvc), resticConfig: ")
    claims = [CLAIM.replace("{name: data,", f"{{name: data-{number}, labels: {{app: db}},") for number in range(2)]
    code, bodies, err = render(source, *claims)
    assert (code, err) == (0, "")
    assert len({each["metadata"]["name"] for each in bodies}) == 6
    assert [each["metadata"]["labels"]["scribe.backube/volume"] for each in bodies] == ["data-0"] * 3 + ["data-1"] * 3
    jobs = [each for each in bodies if each["kind"] == "Job"]
    for job, name in zip(jobs, ("data-0", "data-1"), strict=True):
        env = {each["name"]: each.get("value") for each in job["spec"]["template"]["spec"]["containers"][0]["env"]}
        assert env["QUILL_REPOSITORY_PATH"] == f"shop/{name}"
        assert env["QUILL_HOST"] == f"shop-nightly-{name}"
        assert job["metadata"]["annotations"]["scribe.backube/volume"] == name
