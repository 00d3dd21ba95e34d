"""templates/mover.sh, asked for a check or a drill: what it asks the stub of restic, and what it makes of its words."""

import json

import pytest

from tests.unit.test_mover import (
    CONFIG,
    HANGING,
    LOCKED,
    NEW_HELP,
    OLD_HELP,
    REPOSITORY,
    SNAPSHOT,
    Reply,
    applets,
    asked,
    config_opened_by,
    last,
    mover,
    new_fatal,
    old_fatal,
)

__all__ = ["applets", "mover"]  # the fixtures

PACK = "0d06375aa308c1f46e2a8185bb637e4ccaf69b13bedef303d8fab069ac572df4"
MISSING = f"pack {PACK}: does not exist\n"
SHORT = f"pack {PACK}: unexpected file size: got 295212, expected 300212\n"
CHANGED_OLD = f"Pack ID does not match, want {PACK}, got {SNAPSHOT}\n"
CHANGED_NEW = f"pack {PACK} contains 2 errors: [blob 638a: ciphertext verification failed unexpected pack id d58c]\n"
UNREACHABLE = f"pack {PACK} failed to download: StreamPack: Get: dial tcp 10.0.0.1:80: connection refused\n"
RETRYING = "Load(<data/0d06375aa3>, 300212, 0) returned error, retrying after 552ms: ReadFull: unexpected EOF\n"
NOT_DAMAGE = f"pack {PACK}: not referenced in any index\n1 additional files were found in the repo\n"
CONTAINS_ERRORS = "Fatal: repository contains errors\n"
NEW_CONTAINS_ERRORS = new_fatal(1, "repository contains errors").err
LOAD_INDEX = f"error: error loading index {PACK}: load <index/249ee3c820>: invalid data returned\n"


def check(mover, err, *, code=1, **env):
    return mover.run("check", {"help": NEW_HELP, "check": Reply(code=code, err=err)}, **env)


def test_a_check_waits_for_others_and_reads_the_part_it_was_told(mover):
    outcome = check(mover, NOT_DAMAGE, code=0, QUILL_SUBSET="3/12")
    assert asked(outcome, "check") == ["check", "--retry-lock=600s", "--read-data-subset=3/12"]
    assert outcome.report == {
        "result": "Successful",
        "phase": "check",
        "repositoryID": REPOSITORY,
        "summary": {"subset": 3, "subsets": 12},
    }


def test_without_a_part_only_the_structure_is_checked(mover):
    outcome = mover.run("check", {"help": OLD_HELP, "check": Reply()})
    assert asked(outcome, "check") == ["check"]
    assert "summary" not in outcome.report


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(MISSING + CONTAINS_ERRORS, MISSING, id="pack-missing"),
        pytest.param(MISSING + NEW_CONTAINS_ERRORS, MISSING, id="pack-missing-new"),
        pytest.param(SHORT + RETRYING + CONTAINS_ERRORS, SHORT, id="pack-cut-off"),
        pytest.param(RETRYING + MISSING + CONTAINS_ERRORS, MISSING, id="after-a-hiccup-of-the-network"),
        pytest.param(CHANGED_OLD + CONTAINS_ERRORS, CHANGED_OLD, id="bytes-changed-old"),
        pytest.param(CHANGED_NEW + NEW_CONTAINS_ERRORS, CHANGED_NEW, id="bytes-changed-new"),
        pytest.param(LOAD_INDEX + "Fatal: LoadIndex returned errors\n", LOAD_INDEX, id="index-old"),
        pytest.param(LOAD_INDEX + NEW_CONTAINS_ERRORS, LOAD_INDEX, id="index-new"),
        pytest.param(
            "error for tree 76ce8227:\n  id 76ce82274f9b not found in repository\n" + CONTAINS_ERRORS,
            "id 76ce82274f9b not found in repository",
            id="tree-missing",
        ),
        pytest.param(
            'error for tree c37b:\n  tree c37b: file "dial tcp" blob 1f1f not found in index\n' + CONTAINS_ERRORS,
            'tree c37b: file "dial tcp" blob 1f1f not found in index',
            id="content-missing",
        ),
        pytest.param("odd\n" + CONTAINS_ERRORS, CONTAINS_ERRORS, id="words-nobody-knows"),
        pytest.param(CHANGED_OLD + UNREACHABLE + CONTAINS_ERRORS, CHANGED_OLD, id="proved-before-the-network-failed"),
    ],
)
def test_damage_is_told_in_restics_words(mover, words, expected):
    outcome = check(mover, words, QUILL_SUBSET="3/12")
    assert (outcome.code, outcome.report["reason"], outcome.report["message"]) == (
        1,
        "RepositoryDamaged",
        expected.strip(),
    )
    assert outcome.report["summary"]["subset"] == 3


def test_of_much_damage_the_first_is_told_and_the_rest_counted(mover):
    packs = [f"pack {number:064x}: does not exist\n" for number in range(1000)]
    outcome = check(mover, "".join(packs) + CONTAINS_ERRORS)
    assert outcome.report["message"] == "; ".join(each.strip() for each in packs[:3]) + " and 997 more"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        pytest.param(Reply(code=1, err=UNREACHABLE + CONTAINS_ERRORS), "RepositoryUnreachable", id="reading"),
        pytest.param(
            Reply(code=1, err="error: List: dial tcp: connection refused\n" + MISSING + CONTAINS_ERRORS),
            "RepositoryUnreachable",
            id="a-list-that-broke-off-misses-packs",
        ),
        pytest.param(Reply(code=1, err=RETRYING + CONTAINS_ERRORS), "RepositoryUnreachable", id="silence"),
        pytest.param(
            Reply(code=1, err="error for tree c37b:\n  ReadFull(<data/1>): Access Denied.\n" + CONTAINS_ERRORS),
            "PermissionDenied",
            id="refused",
        ),
        pytest.param(old_fatal(LOCKED), "RepositoryLocked", id="locked-old"),
        pytest.param(new_fatal(11, LOCKED), "RepositoryLocked", id="locked-new"),
        pytest.param(new_fatal(12, "wrong password"), "WrongPassword", id="password"),
        pytest.param(HANGING, "Timeout", id="hanging"),
    ],
)
def test_what_keeps_a_check_from_its_end_is_no_damage(mover, reply, reason):
    limit = {"QUILL_TIMEOUT": "1"} if reply is HANGING else {}
    outcome = mover.run("check", {"help": OLD_HELP, "check": reply}, **limit)
    assert outcome.report["reason"] == reason


def test_a_key_that_a_lost_race_left_is_no_damage(mover):
    outcome = mover.run("check", {"cat": config_opened_by("e"), "check": Reply()})
    assert outcome.report["result"] == "Successful"


@pytest.mark.parametrize("action", ["check", "drill"])
def test_a_config_that_no_key_opens_is_damage(mover, action):
    assert mover.run(action, {"cat": config_opened_by()}).report["reason"] == "RepositoryDamaged"


# --- drills

LISTED = json.dumps([{"id": SNAPSHOT, "hostname": "shop-db", "paths": ["/data"], "time": "2026-01-01T00:00:00Z"}])
RESTORED = Reply(out='{"message_type":"summary","total_files":3,"files_restored":3,"total_bytes":7}\n')


def node(name, kind, **more):
    about = {"name": name, "type": kind, "path": f"/{name}", **more, "struct_type": "node"}
    return json.dumps(about, separators=(",", ":"))


def listing(*nodes):
    return Reply(out="\n".join([json.dumps({"id": SNAPSHOT, "struct_type": "snapshot"}), *nodes, ""]))


OLD_LISTING = listing(
    node("a", "dir"), node("one", "file", size=3), node("two", "file", size=4), node("no", "file"),
    node("link", "symlink"), node('","type":"file","size":9,"', "fifo"),
)  # fmt: skip


def drilled(mover, **replies):
    (mover.directory / "data" / "a").mkdir()
    for name, text in {"one": "123", "two": "1234", "no": ""}.items():
        (mover.directory / "data" / "a" / name).write_text(text)
    (mover.directory / "data" / "link").symlink_to("/nowhere")
    return mover.run("drill", {"help": NEW_HELP, "snapshots": Reply(out=LISTED), "restore": RESTORED, **replies})


def counted(files, size):
    """The list of a restic that knows what a snapshot holds."""
    return {"snapshots": last(files, size)["snapshots"]}


def test_a_drill_restores_the_newest_snapshot_of_its_source_and_compares(mover):
    outcome = drilled(mover, **counted(3, 7))
    data = f"{mover.directory}/data"
    assert asked(outcome, "snapshots")[-6:] == ["--latest", "1", "--host", "shop-db", "--path", data]
    wanted = ["restore", "a" * 64, "--verify", "--json", "--target", data, "--retry-lock=600s"]
    assert asked(outcome, "restore") == wanted
    assert [call for call in outcome.calls if call[0] == "help" or "--help" in call] == [["restore", "--help"]]
    assert outcome.report == {
        "result": "Successful",
        "phase": "drill",
        "repositoryID": REPOSITORY,
        "snapshotID": "a" * 64,
        "summary": {"total_files": 3, "total_bytes": 7},
    }


def test_a_snapshot_without_counts_is_counted_from_its_list(mover):
    outcome = drilled(mover, ls=OLD_LISTING)
    assert (outcome.report["result"], outcome.report["summary"]) == ("Successful", {"total_files": 3, "total_bytes": 7})
    assert '"symlink"' not in outcome.log, "the list is not for the log"


@pytest.mark.parametrize(
    ("replies", "words"),
    [
        pytest.param(counted(4, 7), "restored 3 files of 7 bytes, the snapshot has 4 of 7", id="a-file-less"),
        pytest.param(counted(3, 8), "restored 3 files of 7 bytes, the snapshot has 3 of 8", id="a-byte-less"),
        pytest.param(counted(2, 7), "restored 3 files of 7 bytes, the snapshot has 2 of 7", id="a-file-more"),
        pytest.param(
            {"ls": listing(node("one", "file", size=7))},
            "restored 3 files of 7 bytes, the snapshot has 1 of 7",
            id="by-its-list",
        ),
        pytest.param({"ls": listing()}, "restored 3 files of 7 bytes, the snapshot has 0 of 0", id="by-an-empty-list"),
    ],
)
def test_a_drill_that_brings_back_something_else_has_failed(mover, replies, words):
    outcome = drilled(mover, **replies)
    assert (outcome.code, outcome.report["reason"], outcome.report["phase"]) == (1, "DrillFailed", "compare")
    assert outcome.report["message"] == words


def ignored(error):
    return Reply(code=1, err=f"ignoring error for /big: {error}\nFatal: There were 1 errors\n")


def new_error(error):
    line = json.dumps({"message_type": "error", "error": {"message": error}, "during": "restore", "item": "/big"})
    return Reply(code=1, err=line.replace("<", "\\u003c") + "\n" + new_fatal(1, "There were 1 errors").err)


WHY = {
    "changed-old": (ignored("ciphertext verification failed"), "RepositoryDamaged"),
    "changed-new": (new_error("decrypting blob <data/638a>: ciphertext verification failed"), "RepositoryDamaged"),
    "missing-old": (ignored("StreamPack: The specified key does not exist."), "RepositoryDamaged"),
    "missing-new": (new_error("ReadFull(<data/07b5>): open x: no such file or directory"), "RepositoryDamaged"),
    "cut-off-new": (new_error("ReadFull(<data/07b5>): file is too short"), "RepositoryDamaged"),
    "not-in-the-index": (Reply(code=1, err="Unknown blob 1f1f\n"), "RepositoryDamaged"),
    "written-otherwise": (ignored("Unexpected content in /data/big, starting at offset 5"), "DrillFailed"),
    "of-another-size": (ignored("Invalid file size for /data/big: expected 5, got 6"), "DrillFailed"),
    "unreachable": (ignored("dial tcp 10.0.0.1:80: connection refused"), "RepositoryUnreachable"),
    "full": (ignored("write /data/big: no space left on device"), "NoSpace"),
    "a-device": (ignored("mknod /data/big: operation not permitted"), "PermissionDenied"),
    "of-the-volume": (ignored("UtimesNano: no such file or directory"), "MoverFailed"),
}


@pytest.mark.parametrize(("restore", "reason"), WHY.values(), ids=WHY)
def test_why_a_drill_failed(mover, restore, reason):
    outcome = drilled(mover, restore=restore, check=Reply(), **counted(3, 7))
    assert (outcome.report["reason"], outcome.report["phase"]) == (reason, "drill")
    assert "/big" in outcome.report["message"] or "blob" in outcome.report["message"]


CUT_OFF = ignored("StreamPack: ReadFull: unexpected EOF")


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        pytest.param(Reply(code=1, err=SHORT + CONTAINS_ERRORS), "RepositoryDamaged", id="the-pack"),
        pytest.param(Reply(), "RepositoryUnreachable", id="the-network"),
        pytest.param(Reply(code=1, err=UNREACHABLE), "RepositoryUnreachable", id="the-network-still"),
    ],
)
def test_a_check_tells_what_was_cut_off(mover, check, reason):
    outcome = drilled(mover, restore=CUT_OFF, check=check, **counted(3, 7))
    assert asked(outcome, "check") == ["check", "--no-lock"]
    assert outcome.report["reason"] == reason
    assert "unexpected EOF" in outcome.report["message"]


def test_a_newest_snapshot_that_cannot_be_read_is_not_passed_over(mover):
    bad = Reply(out=LISTED, err="Ignoring snapshot 1a: load <snapshot/e0b29a74d3>: invalid data returned\n")
    assert drilled(mover, snapshots=bad).report["reason"] == "RepositoryDamaged"


def test_without_a_snapshot_there_is_nothing_to_drill(mover):
    outcome = mover.run("drill", {"cat": CONFIG, "snapshots": Reply(out="[]")})
    assert (outcome.code, outcome.report["reason"]) == (1, "SnapshotNotFound")
    assert not [call for call in outcome.calls if call[0] == "restore" and "--help" not in call]
