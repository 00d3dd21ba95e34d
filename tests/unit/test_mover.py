"""templates/mover.sh against a stub of restic: what it asks, what it understands, what it reports."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.observed import Job, JobState, Pod
from reconciler.results import _STATISTICS, result_of
from reconciler.spec import Action, CopyMethod
from reconciler.status import Run

SCRIPT = Path(__file__).parents[2] / "templates" / "mover.sh"
SHELLS = {"busybox": ["busybox", "sh"], "dash": ["dash"]}

REPOSITORY = "1ee572a7cb259c9f74c06baf5eebc62761b51eea5d482ad81d45b5b3fb19ece9"
SNAPSHOT = "c8feaa2a62ef490d855528c39fee5b016e8160a62d8d6c971764747c825c1c86"
SECRET = 's3cr<t&"quoted\\"'
LINE_OF_20_KIB = "x" * 20_000

SAVED = {
    "message_type": "summary",
    "files_new": 2,
    "dirs_unmodified": 0,
    "data_added": 1403,
    "total_duration": 0.213623056,
    "snapshot_id": "c8feaa2a",
}
SAVED_NUMBERS = {"files_new": 2, "dirs_unmodified": 0, "data_added": 1403, "total_duration": 0.213623056}


@dataclass(frozen=True)
class Reply:
    """What the stub does when asked for one command: print, then end or run a line of shell."""

    code: int = 0
    out: str = ""
    err: str = ""
    then: str = ""


CONFIG = Reply(out=json.dumps({"version": 2, "id": REPOSITORY, "chunker_polynomial": "2978c8914359fd"}, indent=2))
OLD_HELP = Reply(out="      --no-lock                    do not lock the repository")
NEW_HELP = Reply(out="      --retry-lock duration        retry to lock the repository")
SAVING = Reply(out=json.dumps(SAVED) + "\n")
HANGS = "import os; from signal import *; signal(SIGINT, lambda *_: os._exit(130)); pause()"
HANGING = Reply(
    err="Load(<config/0000000000>, 0, 0) returned error, retrying after 1s: no answer\n",
    then=f'exec {sys.executable} -S -c "{HANGS}"',
)


def old_fatal(text):
    return Reply(code=1, err=f"Fatal: {text}\n")


def new_fatal(code, text):
    return Reply(
        code=code, err=json.dumps({"message_type": "exit_error", "code": code, "message": f"Fatal: {text}"}) + "\n"
    )


NO_CONFIG = (
    "unable to open config file: stat /r/config: no such file or directory\n"
    "Is there a repository at the following location?\n/r"
)


@dataclass
class Outcome:
    """One run of the script: how it ended, what it left and what it asked restic."""

    code: int
    log: str
    raw: bytes
    calls: list[list[str]]
    marks: list[dict[str, str]]
    report: dict[str, object] = field(init=False)

    def __post_init__(self):
        assert len(self.raw) <= 4096
        self.report = json.loads(self.raw.decode())


def heed_int():
    """A shell cannot trap what it was started to ignore, as by a shell that runs the tests in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Mover:
    """Runs the script with one shell and the programs on one path, in a directory of its own."""

    def __init__(self, directory, shell, programs="/usr/bin:/bin"):
        self.directory = directory
        self.shell = shell
        self.programs = programs
        for name in ("bin", "data", "tmp"):
            (directory / name).mkdir()
        self.report = directory / "report"
        self.report.write_text("what kubelet put here " * 50)

    def start(self, action, replies, env):
        self.write_stub({"cat": CONFIG, "forget": Reply(), **replies})
        environment = {
            "PATH": f"{self.directory}/bin:{self.programs}",
            "TMPDIR": f"{self.directory}/tmp",
            "QUILL_ACTION": action,
            "QUILL_HOST": "shop-db",
            "QUILL_DATA": f"{self.directory}/data",
            "QUILL_REPORT": str(self.report),
            "QUILL_SETTLE": "0",
            "QUILL_GRACE": "1",
            "RESTIC_PASSWORD": SECRET,
            **env,
        }
        command = [*SHELLS[self.shell], "-c", SCRIPT.read_text()]
        return subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            preexec_fn=heed_int,  # noqa: PLW1509 - no threads here
        )

    def run(self, action, replies, **env):
        return self.finish(self.start(action, replies, env))

    def finish(self, process):
        log, _ = process.communicate(timeout=60)
        calls, marks = self.directory / "calls", self.directory / "marks"
        return Outcome(
            code=process.returncode,
            log=log.decode(errors="replace"),
            raw=self.report.read_bytes(),
            calls=[shlex.split(line) for line in calls.read_text().splitlines()] if calls.exists() else [],
            marks=[json.loads(line) for line in marks.read_text().splitlines()] if marks.exists() else [],
        )

    def write_stub(self, replies):
        """A command asked for several times may have a list of replies; the last one stays.

        The stub starts no process but what a reply says: there are thousands of calls in this module.
        """
        cases = []
        for command, several in replies.items():
            listed = several if isinstance(several, list) else [several]
            for number, reply in enumerate(listed, 1):
                cases.append(
                    f'"{command} {number if number < len(listed) else "*"}")'.replace('*"', '"*')
                    + f" printf %s {shlex.quote(reply.out)}; printf %s {shlex.quote(reply.err)} >&2;"
                    + f" {reply.then or f'exit {reply.code}'};;"
                )
        stub = self.directory / "bin" / "restic"
        stub.unlink(missing_ok=True)
        stub.write_text(
            f"""#!/bin/sh
            export PATH=/usr/bin:/bin
            cd {self.directory}
            for argument; do printf "'%s' " "$argument"; done >>calls; echo >>calls
            IFS= read -r mark <"$QUILL_REPORT"; printf "%s\\n" "$mark" >>marks
            command=$1; [ "$2" != --help ] || command=help
            count=0; [ ! -e "count-$command" ] || read -r count <"count-$command"
            echo "$((count + 1))" >"count-$command"
            case "$command $((count + 1))" in {chr(10).join(cases)}
            "help "*) ;;
            *) echo "unexpected: $*" >&2; exit 99;;
            esac
            """,
            errors="surrogateescape",
        )
        stub.chmod(0o755)


@pytest.fixture(scope="session")
def applets(tmp_path_factory):
    """A folder with every program of busybox, as its image has them."""
    folder = tmp_path_factory.mktemp("applets")
    for applet in subprocess.check_output(["busybox", "--list"], text=True).split():
        (folder / applet).symlink_to(shutil.which("busybox"))
    return folder


@pytest.fixture(params=SHELLS)
def mover(request, tmp_path):
    if not shutil.which(request.param):
        command = "apt-get install -y busybox-static dash"
        pytest.fail(f"{request.param} is missing; run: {command} (make packages does)", pytrace=False)
    if request.param == "busybox":
        return Mover(tmp_path, request.param, request.getfixturevalue("applets"))
    return Mover(tmp_path, request.param)


def asked(outcome, command):
    return next(call for call in outcome.calls if call[0] == command and "--help" not in call)


# --- what goes well


def test_backup_saves_the_volume_and_reports_the_summary(mover):
    outcome = mover.run("backup", {"help": NEW_HELP, "backup": SAVING}, QUILL_IGNORE_INODE="true")
    assert outcome.code == 0
    assert outcome.report == {
        "result": "Successful",
        "phase": "backup",
        "repositoryID": REPOSITORY,
        "snapshotID": "c8feaa2a",
        "summary": SAVED_NUMBERS,
    }
    assert asked(outcome, "cat")[:3] == ["cat", "config", "--no-lock"]
    assert asked(outcome, "backup") == [
        "backup",
        "--json",
        "--host",
        "shop-db",
        "--retry-lock=600s",
        "--ignore-inode",
        ".",
    ]


def test_report_is_compact_and_its_short_fields_come_first(mover):
    replies = {"help": OLD_HELP, "backup": Reply(code=3, out=SAVING.out, err=UNREADABLE_NEW), "forget": Reply(code=1)}
    outcome = mover.run("backup", replies)
    assert list(outcome.report) == ["result", "reason", "phase", "repositoryID", "snapshotID", "message", "summary"]
    assert outcome.raw == json.dumps(outcome.report, separators=(",", ":"), ensure_ascii=False).encode()


def test_report_file_is_written_in_place(mover):
    before = mover.report.stat().st_ino
    mover.run("backup", {"backup": SAVING})
    assert mover.report.stat().st_ino == before


def test_report_that_cannot_be_written_fails_nothing(mover):
    process = mover.start("backup", {"backup": SAVING}, {"QUILL_REPORT": f"{mover.directory}/none/report"})
    log, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert '"result":"Successful"' in log.decode()


def test_nothing_is_left_behind(mover):
    mover.run("backup", {"backup": SAVING})
    assert list((mover.directory / "tmp").iterdir()) == list((mover.directory / "data").iterdir()) == []


def test_each_step_is_marked_before_it_begins(mover):
    outcome = mover.run("backup", {"cat": [old_fatal(NO_CONFIG), CONFIG], "init": Reply(), "backup": SAVING})
    steps = [(mark["result"], mark["phase"], mark.get("repositoryID")) for mark in outcome.marks]
    assert list(dict.fromkeys(steps)) == [
        ("Unfinished", "probe", None),
        ("Unfinished", "init", None),
        ("Unfinished", "backup", REPOSITORY),
    ]


A, B, C = "a" * 64, "b" * 64, "c" * 64


GUARDED = {"QUILL_GUARD": "Hold", "QUILL_MIN_PERCENT": "50"}
LAST = json.dumps([{"id": "a" * 64, "hostname": "shop-db", "paths": ["/data"], "time": "2026-01-01T00:00:00Z"}])


def last(files, size):
    """A snapshot as restic 0.17 lists it, which knows what it holds."""
    summary = {"total_files_processed": files, "total_bytes_processed": size}
    return {"snapshots": Reply(out=json.dumps([json.loads(LAST)[0] | {"summary": summary}])), "backup": SAVING}


def old_last(files, size):
    """One as older versions list it; their stats count directories, too."""
    stats = Reply(out=json.dumps({"total_size": size, "total_file_count": files}))
    return {"snapshots": Reply(out=LAST), "stats": stats, "backup": SAVING}


@pytest.mark.parametrize(
    ("replies", "env", "reason"),
    [
        pytest.param(last(2, 20), GUARDED, None, id="as-it-was"),
        pytest.param(last(4, 40), GUARDED, None, id="exactly-half"),
        pytest.param(last(5, 20), GUARDED, "VolumeShrunk", id="fewer-files"),
        pytest.param(last(2, 41), GUARDED, "VolumeShrunk", id="fewer-bytes"),
        pytest.param(last(5, 41), GUARDED | {"QUILL_MIN_PERCENT": "10"}, None, id="a-lower-bar"),
        pytest.param(last(0, 0), GUARDED, None, id="it-was-empty-before"),
        pytest.param(old_last(3, 20), GUARDED, None, id="old-as-it-was"),
        pytest.param(old_last(7, 20), GUARDED, "VolumeShrunk", id="old-fewer-files"),
        pytest.param(old_last(3, 41), GUARDED, "VolumeShrunk", id="old-fewer-bytes"),
        pytest.param({"snapshots": Reply(out="[]"), "backup": SAVING}, GUARDED, None, id="first-backup"),
        pytest.param({"snapshots": Reply(out="null"), "backup": SAVING}, GUARDED, None, id="first-backup-null"),
        pytest.param({"backup": SAVING}, {"QUILL_GUARD": "Off"}, None, id="off"),
        pytest.param(
            {"snapshots": new_fatal(1, "cannot list"), "backup": SAVING}, GUARDED, "MoverFailed", id="not-known"
        ),
    ],
)
def test_a_volume_that_shrank_is_not_backed_up(mover, replies, env, reason):
    (mover.directory / "data" / "folder").mkdir()
    (mover.directory / "data" / "one").write_text("x" * 10)
    (mover.directory / "data" / "folder" / "two").write_text("x" * 10)
    outcome = mover.run("backup", replies, **env)
    assert outcome.report.get("reason") == reason
    assert any(call[:2] == ["backup", "--json"] for call in outcome.calls) is (reason is None)


def test_the_guard_says_what_it_saw(mover):
    outcome = mover.run("backup", last(1000, 2**40), **GUARDED)
    words = "the volume holds 0 files and 0 bytes, its last snapshot 1000 and 1099511627776"
    assert (outcome.code, outcome.report["message"], outcome.report["phase"]) == (1, words, "guard")


def test_a_guard_that_only_warns_makes_the_backup_and_forgets_nothing(mover):
    outcome = mover.run("backup", last(1000, 2**40), QUILL_GUARD="Warn", QUILL_RETAIN="--keep-last=1")
    assert (outcome.report["result"], outcome.report["snapshotID"]) == ("Successful", "c8feaa2a")
    assert outcome.report["message"].endswith("1000 and 1099511627776; no snapshot was forgotten")
    assert outcome.report["reason"] == "VolumeShrunk"
    assert not [call for call in outcome.calls if call[0] == "forget"]


@pytest.mark.parametrize(
    ("held", "reason"),
    [("2026-01-02T00:00:00Z", "VolumeShrunk"), ("2026-01-04T00:00:00Z", None), ("", None)],
    ids=["before-it-shrank", "after", "not-held"],
)
def test_a_volume_that_is_held_is_compared_with_what_it_was_before_it_shrank(mover, held, reason):
    """Else the first backup of the shrunken volume would be the measure of the second, which forgets good ones."""
    summaries = [{"total_files_processed": files, "total_bytes_processed": files} for files in (1000, 0)]
    days = ("2026-01-01T12:00:00+02:00", "2026-01-03T12:00:00.123456789Z")
    listed = [
        json.loads(LAST)[0] | {"time": time, "summary": summary} for time, summary in zip(days, summaries, strict=True)
    ]
    since = str(int(datetime.fromisoformat(held).timestamp())) if held else ""
    replies = {"snapshots": Reply(out=json.dumps(listed)), "backup": SAVING}
    assert mover.run("backup", replies, **GUARDED, QUILL_HELD=since).report.get("reason") == reason


FORGOTTEN = Reply(
    out=json.dumps(
        [
            {
                "tags": None,
                "host": "shop-db",
                "paths": ["/data"],
                "keep": [{"short_id": "aaaaaaaa", "paths": ["/data"]}, {"short_id": "bbbbbbbb", "paths": ["/data"]}],
                "remove": [{"short_id": "cccccccc", "paths": ["/data"]}],
                "reasons": [{"snapshot": {"short_id": "aaaaaaaa"}, "matches": ["last snapshot"]}],
            }
        ]
    )
)


def test_after_a_good_backup_its_own_old_snapshots_are_forgotten(mover):
    replies = {"help": NEW_HELP, "backup": SAVING, "forget": FORGOTTEN}
    outcome = mover.run("backup", replies, QUILL_RETAIN="--keep-last=2 --keep-within=30d")
    data = f"{mover.directory}/data"
    assert asked(outcome, "forget") == [
        "forget", "--json", "--host", "shop-db", "--path", data, "--group-by", "host,paths", "--keep-last=2",
        "--keep-within=30d", "--retry-lock=600s",
    ]  # fmt: skip
    assert outcome.report["summary"] == SAVED_NUMBERS | {"snapshots_kept": 2, "snapshots_removed": 1}
    assert outcome.report["snapshotID"] == "c8feaa2a"


def test_nothing_is_forgotten_that_nobody_asked_for(mover):
    assert not [call for call in mover.run("backup", {"backup": SAVING}).calls if call[0] == "forget"]


@pytest.mark.parametrize(
    "backup", [Reply(code=1, err="no\n"), Reply(code=3, out=SAVING.out)], ids=["failed", "partial"]
)
def test_nothing_is_forgotten_after_a_backup_that_is_not_good(mover, backup):
    outcome = mover.run("backup", {"backup": backup}, QUILL_RETAIN="--keep-last=1")
    assert outcome.report["result"] == "Failed"
    assert not [call for call in outcome.calls if "--keep-last=1" in call]


def test_a_backup_stays_good_when_forgetting_fails(mover):
    replies = {"backup": SAVING, "forget": new_fatal(11, "repository is already locked by PID 7 on other")}
    outcome = mover.run("backup", replies, QUILL_RETAIN="--keep-last=1")
    assert (outcome.code, outcome.report["result"], outcome.report["summary"]) == (0, "Successful", SAVED_NUMBERS)
    assert outcome.report["message"].startswith("its old snapshots were not forgotten: RepositoryLocked: ")


def snapshots(*items, **more):
    return json.dumps(
        [
            {
                "time": "2026-11-24T14:53:59.5122822Z",
                "summary": {"id": "no", "hostname": "no", "paths": ["/no"], "files_new": 1},
                "paths": paths,
                "hostname": host,
                "tags": ['a"]},{"'],
                "id": identity,
                "short_id": identity[:8],
            }
            for host, paths, identity in items
        ],
        **more,
    )


RESTORED = Reply(
    out='{"message_type":"summary","seconds_elapsed":1,"total_files":6,"files_restored":5,"total_bytes":44,"bytes_restored":43}\n'
)


def test_restore_takes_the_only_snapshot_and_reports_the_summary(mover):
    replies = {"help": NEW_HELP, "snapshots": Reply(out=snapshots(("shop-db", ["/data"], A))), "restore": RESTORED}
    outcome = mover.run("restore", replies, QUILL_HOST="")
    assert (outcome.code, outcome.report["snapshotID"]) == (0, A)
    assert outcome.report["summary"] == {"total_files": 6, "files_restored": 5, "total_bytes": 44, "bytes_restored": 43}
    assert asked(outcome, "restore") == [
        "restore",
        A,
        "--json",
        "--target",
        f"{mover.directory}/data",
        "--retry-lock=600s",
    ]


def test_restore_of_an_old_restic_is_counted_by_stats(mover):
    replies = {
        "snapshots": Reply(out=snapshots(("shop-db", ["/data"], A))),
        "restore": Reply(out="restoring <Snapshot aaaaaaaa of [/data]> to /data\n"),
        "stats": Reply(out='{"total_size":6,"total_file_count":7,"snapshots_count":1}\n'),
    }
    outcome = mover.run("restore", replies)
    assert (outcome.report["result"], outcome.report["summary"]) == ("Successful", {"total_files": 7, "total_bytes": 6})


def test_restore_is_successful_without_statistics(mover):
    replies = {
        "snapshots": Reply(out=snapshots(("shop-db", ["/data"], A))),
        "restore": Reply(),
        "stats": old_fatal("no"),
    }
    outcome = mover.run("restore", replies)
    assert (outcome.code, outcome.report["snapshotID"]) == (0, A)
    assert "summary" not in outcome.report


ONLY_EMPTY = {"QUILL_ONLY_EMPTY": "true"}
UNFINISHED = ".quill-restore-unfinished"
ONE = {"snapshots": Reply(out=snapshots(("shop-db", ["/data"], A))), "restore": RESTORED}
SEEN_BY_RESTIC = Reply(out=RESTORED.out, then="ls -A data >seen; exit 0")


@pytest.mark.parametrize("name", ["file", ".hidden", "lost+found.old", "-n", "new\nline", "a/b/file", "a/lost+found"])
def test_a_volume_that_holds_data_is_left_alone_and_its_repository_is_not_asked(mover, name):
    held = mover.directory / "data" / name
    held.parent.mkdir(parents=True, exist_ok=True)
    held.write_text("newer")
    outcome = mover.run("restore", ONE, **ONLY_EMPTY)
    assert (outcome.code, outcome.report["result"], outcome.calls) == (0, "Successful", [])
    assert outcome.report["message"] == (
        "nothing was restored: the volume already holds data; quill sync or a new spec.trigger.manual restores over it"
    )
    assert outcome.report["summary"] == {"total_files": 0, "total_bytes": 0}
    assert [path for path in (mover.directory / "data").rglob("*") if path.is_file()] == [held]
    asked_for = mover.run("restore", ONE, QUILL_ONLY_EMPTY="")
    assert asked_for.report["snapshotID"] == A


def test_an_empty_volume_has_a_marker_while_it_is_filled(mover):
    for name in ("lost+found/#12", ".snapshot/daily/file"):
        held = mover.directory / "data" / name
        held.parent.mkdir(parents=True)
        held.touch()
    (mover.directory / "data" / "empty").mkdir()
    outcome = mover.run("restore", {**ONE, "restore": SEEN_BY_RESTIC}, **ONLY_EMPTY)
    assert (outcome.report["result"], outcome.report["snapshotID"]) == ("Successful", A)
    assert set((mover.directory / "seen").read_text().split()) == {UNFINISHED, ".snapshot", "empty", "lost+found"}
    assert {path.name for path in (mover.directory / "data").iterdir()} == {".snapshot", "empty", "lost+found"}


HALF_WAY = Reply(then="echo half >data/file; echo 'no space left on device' >&2; exit 1")


@pytest.mark.parametrize("env", [ONLY_EMPTY, {}], ids=["again", "asked-for"])
def test_a_restore_that_was_interrupted_goes_on(mover, env):
    outcome = mover.run("restore", {**ONE, "restore": HALF_WAY}, **ONLY_EMPTY)
    assert outcome.report["reason"] == "NoSpace"
    held = {path.name: path.read_text() for path in (mover.directory / "data").iterdir()}
    assert held == {"file": "half\n", UNFINISHED: f"restic restores {A} into this volume\n"}
    outcome = mover.run("restore", ONE, **env)
    assert (outcome.report["result"], outcome.report["snapshotID"]) == ("Successful", A)
    assert [path.name for path in (mover.directory / "data").iterdir()] == ["file"]


def test_half_a_restore_is_not_left_for_want_of_a_snapshot(mover):
    (mover.directory / "data" / UNFINISHED).touch()
    outcome = mover.run("restore", {"snapshots": Reply(out="[]")}, QUILL_ON_MISSING="Empty", **ONLY_EMPTY)
    assert outcome.report["reason"] == "SnapshotNotFound"
    (mover.directory / "data" / UNFINISHED).unlink()
    outcome = mover.run("restore", {"snapshots": Reply(out="[]")}, QUILL_ON_MISSING="Empty", **ONLY_EMPTY)
    assert (outcome.report["result"], list((mover.directory / "data").iterdir())) == ("Successful", [])


def test_a_volume_that_is_not_there_is_not_taken_for_an_empty_one(mover):
    outcome = mover.run("restore", ONE, QUILL_DATA=f"{mover.directory}/none", **ONLY_EMPTY)
    assert (outcome.report["reason"], outcome.calls) == ("PermissionDenied", [])


def test_the_marker_is_not_saved(mover):
    (mover.directory / "data" / UNFINISHED).touch()
    outcome = mover.run("backup", {"backup": SAVING})
    assert asked(outcome, "backup")[-3:] == ["--exclude", f"{mover.directory}/data/{UNFINISHED}", "."]


EXT4, XFS, ZFS = "ef53", "58465342", "2fc12fc1"
SPARSE_HELP = Reply(out="      --sparse                     restore files as sparse")


in_dash = pytest.mark.parametrize("mover", ["dash"], indirect=True)
"""For a `stat` that says what a test wants: busybox has one of its own in its shell."""


def room(mover, kind, size):
    """Makes the volume a file system of that kind and size."""
    stat = mover.directory / "bin" / "stat"
    stat.unlink(missing_ok=True)
    stat.write_text(f"#!/bin/sh\necho {kind} {size // 512} 512\n")
    stat.chmod(0o755)


def holding(size=None):
    """A list of one snapshot, which says what it holds if its restic was 0.17 or later."""
    (listed,) = json.loads(snapshots(("shop-db", ["/data"], A)))
    of_it = {"summary": {"total_files_processed": 2, "total_bytes_processed": size}} if size else {"summary": None}
    return Reply(out=json.dumps([listed | of_it]))


def counted(size, **more):
    return Reply(out=json.dumps({"total_size": size, "total_file_count": 7, "snapshots_count": 1, **more}) + "\n")


@pytest.mark.parametrize("kind", [EXT4, XFS])
@pytest.mark.parametrize(
    "replies",
    [
        pytest.param({"snapshots": holding(), "stats": counted(4097)}, id="old-restic"),
        pytest.param({"snapshots": holding(5000), "stats": counted(4097)}, id="old-restic-new-snapshot"),
        pytest.param(
            {
                "snapshots": holding(5000),
                "help": SPARSE_HELP,
                "stats": [counted(4097), counted(99, total_uncompressed_size=4097)],
            },
            id="more-than-holes-explain",
        ),
        pytest.param(
            {"snapshots": holding(5000), "help": SPARSE_HELP, "stats": [counted(4097), counted(4097)]},
            id="repository-without-compression",
        ),
    ],
)
@in_dash
def test_a_restore_that_cannot_fit_downloads_nothing(mover, kind, replies):
    room(mover, kind, 4096)
    outcome = mover.run("restore", replies)
    assert (outcome.code, outcome.report["reason"], outcome.report["phase"]) == (1, "DoesNotFit", "fit")
    assert outcome.report["message"] == (
        "snapshot aaaaaaaa holds 4097 bytes, the whole volume takes 4096; "
        "set spec.restic.capacity or the size of spec.restic.destinationPVC to more than 4097"
    )
    assert not [call for call in outcome.calls if call[0] == "restore" and "--help" not in call]


def test_the_size_of_the_real_volume_is_found(mover):
    """It is believed of ext and XFS only; on any other file system the restore is tried."""
    kind = subprocess.check_output(["stat", "-f", "-c", "%t", mover.directory / "data"], text=True).strip()
    outcome = mover.run("restore", {"snapshots": holding(2**62), "stats": counted(2**62), "restore": RESTORED})
    if kind in (EXT4, XFS):
        size = os.statvfs(mover.directory / "data")
        assert outcome.report["reason"] == "DoesNotFit"
        assert f"the whole volume takes {size.f_blocks * size.f_frsize};" in outcome.report["message"]
    else:
        assert (outcome.report["result"], outcome.report["snapshotID"]) == ("Successful", A)
        assert not [call for call in outcome.calls if call[0] == "stats"]


@pytest.mark.parametrize(
    ("kind", "replies", "asked_for"),
    [
        pytest.param(EXT4, {"snapshots": holding(4096)}, [], id="exactly-as-large"),
        pytest.param(EXT4, {"snapshots": holding(), "stats": counted(4096)}, ["restore-size"], id="old-restic"),
        pytest.param(EXT4, {"snapshots": holding(5000), "stats": counted(4096)}, ["restore-size"], id="hard-links"),
        pytest.param(
            EXT4,
            {"snapshots": holding(5000), "help": SPARSE_HELP,
             "stats": [counted(5000), counted(99, total_uncompressed_size=4096)]},
            ["restore-size", "raw-data"],
            id="holes",
        ),
        pytest.param(EXT4, {"snapshots": holding(5000), "stats": old_fatal("no")}, ["restore-size"], id="not-told"),
        pytest.param(
            EXT4,
            {"snapshots": holding(5000), "help": SPARSE_HELP, "stats": [counted(5000), old_fatal("no")]},
            ["restore-size", "raw-data"],
            id="pieces-not-told",
        ),
        pytest.param(EXT4, {"snapshots": holding(5000), "stats": Reply(out="?")}, ["restore-size"], id="garbage"),
        pytest.param(ZFS, {"snapshots": holding(5000)}, [], id="file-system-that-compresses"),
    ],
)  # fmt: skip
@in_dash
def test_a_restore_that_may_fit_is_tried(mover, kind, replies, asked_for):
    room(mover, kind, 4096)
    outcome = mover.run("restore", {**replies, "restore": RESTORED})
    assert outcome.report["result"] == "Successful"
    assert [call[2] for call in outcome.calls if call[0] == "stats"] == asked_for


@in_dash
def test_what_was_counted_before_a_restore_is_not_counted_again(mover):
    room(mover, EXT4, 4096)
    outcome = mover.run("restore", {"snapshots": holding(), "stats": counted(6), "restore": Reply()})
    assert outcome.report["summary"] == {"total_files": 7, "total_bytes": 6}
    assert len([call for call in outcome.calls if call[0] == "stats"]) == 1


@in_dash
def test_a_size_of_many_digits_is_compared_as_a_number(mover):
    room(mover, EXT4, 2**50)
    outcome = mover.run("restore", {"snapshots": holding(2**49), "restore": RESTORED})
    assert outcome.report["result"] == "Successful"


ODD = 'o"dd\\ hôst\t<1> 𝄞'


@pytest.mark.parametrize(
    ("host", "listing", "chosen"),
    [
        pytest.param("", snapshots(("a", ["/data"], A)), A, id="the-only-one"),
        pytest.param("a", snapshots(("b", ["/data"], B), ("a", ["/data"], A), ("c", ["/data"], C)), A, id="by-host"),
        pytest.param("a", snapshots(("a", ["/data"], A), ("a", ["/data"], B)), B, id="newest-last"),
        pytest.param("a", snapshots(("a", ["/data"], A), indent=2), A, id="pretty-printed"),
        pytest.param(ODD, snapshots(("b", ["/data"], B), (ODD, ["/data"], A)), A, id="odd-host-escaped"),
        pytest.param(ODD, snapshots((ODD, ['/"', "/\\"], A), ensure_ascii=False), A, id="odd-host-and-paths-plain"),
        pytest.param("10", snapshots(("010", ["/data"], B), ("10", ["/data"], A)), A, id="no-number"),
        pytest.param(
            "a", snapshots(*((f"h{n}", ["/data"], B) for n in range(2000)), ("a", ["/d"], A)), A, id="2000-hosts"
        ),
    ],
)
def test_restore_finds_the_snapshot(mover, host, listing, chosen):
    outcome = mover.run("restore", {"snapshots": Reply(out=listing), "restore": RESTORED}, QUILL_HOST=host)
    assert (outcome.report["result"], asked(outcome, "restore")[1]) == ("Successful", chosen)


def dated(*times):
    """A list of snapshots of one host, in this order, each named after its place in it."""
    listed = json.loads(snapshots(*(("shop-db", ["/data"], f"{number:064x}") for number in range(len(times)))))
    return json.dumps([each | {"time": time} for each, time in zip(listed, times, strict=True)])


DAYS = dated(
    "2026-02-27T23:00:00Z", "2026-02-28T23:59:59.999999999Z", "2026-03-01T01:00:00+02:00", "2026-03-02T00:00:00Z"
)
LEAP = dated("2024-02-28T12:00:00Z", "2024-02-29T12:00:00.5-01:00", "2024-03-01T00:00:00Z", "2023-12-31T23:59:59Z")


def seconds(text):
    return str(int(datetime.fromisoformat(text).timestamp()))


@pytest.mark.parametrize(
    ("listing", "env", "chosen"),
    [
        pytest.param(DAYS, {}, 3, id="newest"),
        pytest.param(DAYS, {"QUILL_PREVIOUS": "1"}, 1, id="one-before-by-time-not-by-place"),
        pytest.param(DAYS, {"QUILL_PREVIOUS": "3"}, 0, id="the-oldest"),
        pytest.param(DAYS, {"QUILL_PREVIOUS": "4"}, None, id="more-than-there-are"),
        pytest.param(DAYS, {"QUILL_AS_OF": seconds("2026-03-02T00:00:00+00:00")}, 3, id="exactly-then"),
        pytest.param(DAYS, {"QUILL_AS_OF": seconds("2026-03-01T23:59:59+00:00")}, 1, id="a-second-before"),
        pytest.param(DAYS, {"QUILL_AS_OF": seconds("2026-02-28T23:30:00+00:00")}, 2, id="in-another-zone"),
        pytest.param(DAYS, {"QUILL_AS_OF": seconds("2026-02-28T23:30:00+00:00"), "QUILL_PREVIOUS": "1"}, 0, id="both"),
        pytest.param(DAYS, {"QUILL_AS_OF": seconds("2026-01-01T00:00:00+00:00")}, None, id="before-the-first"),
        pytest.param(LEAP, {"QUILL_AS_OF": seconds("2024-02-29T13:00:00+00:00")}, 1, id="leap-day"),
        pytest.param(LEAP, {"QUILL_AS_OF": seconds("2024-02-29T12:59:59+00:00")}, 0, id="before-the-leap-day"),
        pytest.param(LEAP, {"QUILL_AS_OF": seconds("2024-01-01T00:00:00+00:00")}, 3, id="new-year"),
    ],
)
def test_restore_takes_the_snapshot_of_a_time(mover, listing, env, chosen):
    outcome = mover.run("restore", {"snapshots": Reply(out=listing), "restore": RESTORED}, **env)
    if chosen is None:
        assert (outcome.report["reason"], outcome.code) == ("SnapshotNotFound", 1)
        assert "shop-db (/data) has no snapshot that early" in outcome.report["message"]
    else:
        assert outcome.report["snapshotID"] == f"{chosen:064x}"


EMPTY_ALLOWED = {"QUILL_ON_MISSING": "Empty"}


@pytest.mark.parametrize(
    ("replies", "env", "result"),
    [
        pytest.param({"snapshots": Reply(out="[]")}, {}, "Failed", id="fail-without-a-word"),
        pytest.param({"snapshots": Reply(out="[]")}, EMPTY_ALLOWED, "Successful", id="no-snapshot"),
        pytest.param(
            {"snapshots": Reply(out=snapshots(("x", ["/data"], "a" * 64)))}, EMPTY_ALLOWED, "Successful", id="others"
        ),
        pytest.param(
            {"cat": new_fatal(10, "repository does not exist")}, EMPTY_ALLOWED, "Successful", id="no-repository"
        ),
        pytest.param(
            {"cat": new_fatal(10, "repository does not exist")},
            EMPTY_ALLOWED | {"RESTIC_REPOSITORY": "rest:http://10.0.0.1/x"},
            "Failed",
            id="a-server-that-answers-404-to-all",
        ),
        pytest.param({"cat": new_fatal(12, "wrong password")}, EMPTY_ALLOWED, "Failed", id="wrong-password"),
        pytest.param({"cat": old_fatal("dial tcp: connection refused")}, EMPTY_ALLOWED, "Failed", id="unreachable"),
        pytest.param({"snapshots": old_fatal("unexpected EOF")}, EMPTY_ALLOWED, "Failed", id="list-that-breaks-off"),
        pytest.param({"snapshots": Reply(out="[{")}, EMPTY_ALLOWED, "Failed", id="half-a-list"),
    ],
)
def test_only_what_is_surely_not_there_is_nothing_to_restore(mover, replies, env, result):
    outcome = mover.run("restore", replies, **env)
    assert outcome.report["result"] == result
    if result == "Successful":
        assert outcome.report["summary"] == {"total_files": 0, "total_bytes": 0}
        assert outcome.report["message"].startswith("nothing was restored: ")


@pytest.mark.parametrize(
    ("host", "listing", "reason", "message"),
    [
        pytest.param("", "[]", "SnapshotNotFound", "no snapshot; the repository has none", id="empty"),
        pytest.param("", "null", "SnapshotNotFound", "no snapshot; the repository has none", id="null"),
        pytest.param(
            "x",
            snapshots(("a-b", ["/data"], A), ("a-b", ["/data"], B)),
            "SnapshotNotFound",
            "no snapshot of x; the repository has a-b (/data)",
            id="other-hosts-only",
        ),
        pytest.param(
            "",
            snapshots(("a-b", ["/data"], A), ("c-d", ["/data"], B)),
            "AmbiguousIdentity",
            "set spec.restic.identity to one of: a-b (/data), c-d (/data)",
            id="two-hosts",
        ),
        pytest.param(
            "a-b",
            snapshots(("a-b", ["/data"], A), ("a-b", ["/data", "/srv"], B), ("c", ["/x"], C)),
            "AmbiguousIdentity",
            "several paths were saved under one host: a-b (/data), a-b (/data, /srv)",
            id="two-path-sets",
        ),
        pytest.param(
            "",
            snapshots((ODD, ["/data"], A), ('e"\\', ["/\u00fc"], B)),
            "AmbiguousIdentity",
            'set spec.restic.identity to one of: o"dd\\ hôst <1> 𝄞 (/data), e"\\ (/ü)',
            id="odd-names",
        ),
        pytest.param("a", "unexpected <html>", "MoverFailed", "restic snapshots printed no list; ", id="garbage"),
        pytest.param("a", "", "MoverFailed", "restic snapshots printed no list; ", id="silence"),
        pytest.param(
            "a", snapshots(("a", ["/data"], A))[:-20], "MoverFailed", "restic snapshots printed no list; ", id="cut"
        ),
    ],
)
def test_restore_refuses_to_guess(mover, host, listing, reason, message):
    outcome = mover.run("restore", {"snapshots": Reply(out=listing)}, QUILL_HOST=host)
    assert (outcome.code, outcome.report["result"]) == (1, "Failed")
    assert (outcome.report["reason"], outcome.report["message"]) == (reason, message)


def test_list_of_many_hosts_is_cut(mover):
    listing = snapshots(*((f"namespace-{n}-hôst", ["/data"], A) for n in range(500)))
    outcome = mover.run("restore", {"snapshots": Reply(out=listing)}, QUILL_HOST="")
    assert 700 < len(outcome.report["message"]) <= 1000


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        pytest.param(
            "to delete:             8 blobs / 1.552 KiB\n"
            "total prune:           8 blobs / 1.552 KiB\n"
            "remaining:             0 blobs / 0 B\n"
            "unused size after prune: 0 B ( of remaining size)\n",
            {"blobs_pruned": 8, "freed_bytes": 1589, "remaining_bytes": 0},
            id="0.14",
        ),
        pytest.param(
            "total prune:   123456 blobs / 2.500 TiB\nremaining:     7 blobs / 12.000 MiB\n",
            {"blobs_pruned": 123456, "freed_bytes": 2748779069440, "remaining_bytes": 12582912},
            id="large",
        ),
        pytest.param("nothing known\n", None, id="another-format"),
    ],
)
def test_prune_says_what_it_freed(mover, text, summary):
    outcome = mover.run("prune", {"prune": Reply(out=text)})
    assert (outcome.code, outcome.report.get("summary")) == (0, summary)


# --- the repository


@pytest.mark.parametrize(
    "probes",
    [
        pytest.param([old_fatal(NO_CONFIG), CONFIG], id="0.14"),
        pytest.param([new_fatal(10, "repository does not exist"), CONFIG], id="0.17"),
        pytest.param(
            [old_fatal("unable to open config file: Stat: The specified bucket does not exist."), CONFIG], id="bucket"
        ),
        pytest.param([HANGING, CONFIG], id="hanging-on-a-missing-bucket"),
    ],
)
def test_first_backup_makes_the_repository(mover, probes):
    outcome = mover.run(
        "backup", {"cat": probes, "init": Reply(out="created"), "backup": SAVING}, QUILL_PROBE_TIMEOUT="1"
    )
    assert (outcome.report["result"], outcome.report["repositoryID"]) == ("Successful", REPOSITORY)


@pytest.mark.parametrize(
    ("probe", "reason"),
    [
        pytest.param(old_fatal(NO_CONFIG), "RepositoryNotFound", id="0.14"),
        pytest.param(new_fatal(10, "repository does not exist"), "RepositoryNotFound", id="0.17"),
        pytest.param(HANGING, "RepositoryUnreachable", id="hanging-on-a-missing-bucket"),
    ],
)
def test_a_repository_that_has_gone_is_not_made_anew(mover, probe, reason):
    outcome = mover.run("backup", {"cat": probe}, QUILL_PROBE_TIMEOUT="1", QUILL_REPOSITORY=REPOSITORY)
    assert (outcome.report["reason"], outcome.report["phase"]) == (reason, "probe")
    assert outcome.report["message"].startswith(
        f"the last run found repository {REPOSITORY} here; if a new one is meant, run restic init first; "
    )
    assert {call[0] for call in outcome.calls} == {"cat"}


def test_repository_that_another_mover_made_meanwhile_is_fine(mover):
    exists = old_fatal("create repository at /r failed: config file already exists")
    outcome = mover.run("backup", {"cat": [old_fatal(NO_CONFIG), CONFIG], "init": exists, "backup": SAVING})
    assert outcome.report["result"] == "Successful"


def config_opened_by(*hints):
    """A repository with a key that opens nothing, which restic tries unless another is hinted at."""
    damaged = f"Fatal: config or key {A} is damaged: ciphertext verification failed"
    test = " || ".join(f'[ "$RESTIC_KEY_HINT" = {hint} ]' for hint in hints)
    return Reply(then=f"{{ {test or 'false'}; }} && {{ echo '{CONFIG.out}'; exit 0; }}; echo '{damaged}' >&2; exit 1")


@pytest.mark.parametrize("hint", ["e", "a7"], ids=["another-digit", "same-digit"])
def test_key_left_by_a_lost_race_is_passed_over(mover, hint):
    outcome = mover.run("backup", {"cat": config_opened_by(hint), "backup": SAVING})
    assert outcome.report["result"] == "Successful"
    assert {call[0] for call in outcome.calls} == {"cat", "backup"}


@pytest.mark.parametrize(
    ("action", "hints"), [("backup", ()), ("prune", ("e",))], ids=["no-key", "prune-passes-nothing-over"]
)
def test_damaged_config_is_reported(mover, action, hints):
    outcome = mover.run(action, {"cat": config_opened_by(*hints)})
    assert (outcome.report["reason"], "is damaged" in outcome.report["message"]) == ("MoverFailed", True)


@pytest.mark.parametrize(
    ("probes", "init", "reason", "words"),
    [
        pytest.param(HANGING, HANGING, "RepositoryUnreachable", "no answer", id="init-hangs-too"),
        pytest.param(HANGING, old_fatal("create repository failed: odd"), "RepositoryUnreachable", "odd", id="odd"),
        pytest.param(
            old_fatal(NO_CONFIG),
            old_fatal("create: mkdir /r: permission denied"),
            "PermissionDenied",
            "mkdir",
            id="denied",
        ),
        pytest.param(
            [old_fatal(NO_CONFIG), old_fatal("wrong password or no key found")],
            old_fatal("config file already exists"),
            "WrongPassword",
            "wrong password",
            id="made-by-another-with-another-password",
        ),
    ],
)
def test_repository_that_cannot_be_made(mover, probes, init, reason, words):
    outcome = mover.run("backup", {"cat": probes, "init": init}, QUILL_PROBE_TIMEOUT="1")
    assert outcome.report["reason"] == reason
    assert words in outcome.report["message"]


NEVER_INIT = [
    pytest.param(
        old_fatal(f"unable to open config file: {text}\nIs there a repository at the following location?"),
        reason,
        id=name,
    )
    for name, text, reason in [
        (
            "refused",
            'Stat: Get "http://127.0.0.1:1/": dial tcp 127.0.0.1:1: connect: connection refused',
            "RepositoryUnreachable",
        ),
        ("no-host", "Stat: dial tcp: lookup s3.example: no such host", "RepositoryUnreachable"),
        ("server-error", "Stat: 500 Internal Server Error", "RepositoryUnreachable"),
        ("certificate", "x509: certificate signed by unknown authority", "RepositoryUnreachable"),
        ("access-denied", "Stat: Access Denied.", "PermissionDenied"),
        ("wrong-key-id", "Stat: The AWS Access Key Id you provided does not exist in our records.", "PermissionDenied"),
        ("directory", "open /r/config: permission denied", "PermissionDenied"),
    ]
]


@pytest.mark.parametrize(("probe", "reason"), NEVER_INIT)
def test_unreachable_is_not_missing(mover, probe, reason):
    outcome = mover.run("backup", {"cat": probe})
    assert (outcome.code, outcome.report["reason"], outcome.report["phase"]) == (1, reason, "probe")
    assert [call[0] for call in outcome.calls] == ["cat"]


@pytest.mark.parametrize("action", ["restore", "prune"])
@pytest.mark.parametrize(
    ("probe", "code", "reason"),
    [
        pytest.param(old_fatal(NO_CONFIG), 10, "RepositoryNotFound", id="missing-0.14"),
        pytest.param(new_fatal(10, "repository does not exist"), 10, "RepositoryNotFound", id="missing-0.17"),
        pytest.param(old_fatal("wrong password or no key found"), 12, "WrongPassword", id="password-0.14"),
        pytest.param(new_fatal(12, "wrong password or no key found"), 12, "WrongPassword", id="password-0.17"),
        pytest.param(HANGING, 1, "RepositoryUnreachable", id="hanging"),
        pytest.param(Reply(out="<html>a proxy</html>"), 1, "MoverFailed", id="garbage"),
        pytest.param(Reply(code=1), 1, "MoverFailed", id="silence"),
    ],
)
def test_restore_and_prune_never_make_a_repository(mover, action, probe, code, reason):
    outcome = mover.run(action, {"cat": probe}, QUILL_PROBE_TIMEOUT="1")
    assert (outcome.code, outcome.report["reason"], outcome.report["phase"]) == (code, reason, "probe")
    assert {call[0] for call in outcome.calls} == {"cat"}


def test_probe_that_hangs_says_what_restic_said_last(mover):
    outcome = mover.run("prune", {"cat": HANGING}, QUILL_PROBE_TIMEOUT="1")
    assert outcome.report["message"].startswith("restic cat was stopped after 1 seconds; Load(<config/")
    assert outcome.report["message"].endswith("no answer")


def test_restic_that_is_deaf_to_int_is_killed(mover):
    outcome = mover.run("prune", {"cat": Reply(then="exec sleep 300")}, QUILL_PROBE_TIMEOUT="1")
    assert outcome.report["reason"] == "RepositoryUnreachable"


# --- what goes wrong

UNREADABLE_OLD = "".join(
    json.dumps(line, separators=(",", ":")) + "\n"
    for line in [
        {"message_type": "error", "error": {}, "during": "scan", "item": "/data/a"},
        *(
            {
                "message_type": "error",
                "error": {"Op": "open", "Path": name, "Err": 13},
                "during": "archival",
                "item": name,
            }
            for name in ('/data/qu"ote', "/data/ünï", "/data/c", "/data/d")
        ),
    ]
)
UNREADABLE_NEW = (
    '{"message_type":"error","error":{"message":"open /data/a: permission denied"},'
    '"during":"archival","item":"/data/a"}\n'
    '{"message_type":"exit_error","code":3,"message":"Warning: at least one source file could not be read"}\n'
)
LOCKED = "unable to create lock in backend: repository is already locked by PID 23 on quill-x by root (UID 0, GID 0)"


@pytest.mark.parametrize(
    ("action", "reply", "code", "reason", "message"),
    [
        pytest.param("backup", old_fatal(LOCKED), 11, "RepositoryLocked", f"Fatal: {LOCKED}", id="locked-0.14"),
        pytest.param("backup", new_fatal(11, LOCKED), 11, "RepositoryLocked", f"Fatal: {LOCKED}", id="locked-0.17"),
        pytest.param("prune", Reply(code=1, err=LOCKED), 11, "RepositoryLocked", LOCKED, id="prune-locked-0.14"),
        pytest.param("prune", new_fatal(11, "x"), 11, "RepositoryLocked", "Fatal: x", id="prune-locked"),
        pytest.param(
            "backup",
            old_fatal("unable to save snapshot: write /r/data: no space left on device"),
            1,
            "NoSpace",
            "Fatal: unable to save snapshot: write /r/data: no space left on device",
            id="repository-full",
        ),
        pytest.param(
            "backup",
            Reply(code=3, out=SAVING.out, err=UNREADABLE_OLD + "Warning: at least one source file could not be read\n"),
            3,
            "PartialBackup",
            '4 errors: /data/qu"ote, /data/ünï, /data/c and 1 more: permission denied',
            id="partial-0.14",
        ),
        pytest.param(
            "backup",
            Reply(code=3, out=SAVING.out, err=UNREADABLE_NEW),
            3,
            "PartialBackup",
            "Warning: at least one source file could not be read; 1 error: /data/a: open /data/a: permission denied",
            id="partial-0.17",
        ),
        pytest.param(
            "restore",
            Reply(
                code=1,
                err="ignoring error for /big: write /data/big: no space left on device\nFatal: There were 1 errors\n",
            ),
            1,
            "NoSpace",
            "Fatal: There were 1 errors; 1 error: /big: write /data/big: no space left on device",
            id="restore-to-a-full-volume",
        ),
        pytest.param(
            "restore",
            Reply(code=1, out=RESTORED.out, err="odd\n"),
            1,
            "MoverFailed",
            "odd",
            id="restore-failed-after-its-summary",
        ),
        pytest.param(
            "backup",
            Reply(out="garbage\n"),
            1,
            "MoverFailed",
            "restic backup told of no snapshot; garbage",
            id="garbage",
        ),
        pytest.param(
            "backup", Reply(out='{"message_type":"summary","files_new":"x"'), 1, "MoverFailed", None, id="cut-json"
        ),
        pytest.param(
            "backup", Reply(code=7), 1, "MoverFailed", "restic backup ended with code 7 and said nothing", id="silence"
        ),
        pytest.param(
            "prune",
            Reply(then="kill -KILL $$"),
            1,
            "MoverFailed",
            "restic prune was killed, perhaps for want of memory",
            id="killed",
        ),
        pytest.param(
            "backup",
            Reply(code=2, err="panic: oops\n\ngoroutine 1 [running]:\nmain.main()\n\t/x.go:1\n"),
            1,
            "MoverFailed",
            "panic: oops goroutine 1 [running]: main.main()",
            id="panic",
        ),
        pytest.param(
            "backup",
            Reply(
                code=1,
                err="Error loading snapshot 1a: bad\ngithub.com/x.F\n\tgithub.com/x.go:4\nruntime.goexit\n\tx.s:1\n",
            ),
            1,
            "MoverFailed",
            "Error loading snapshot 1a: bad",
            id="stack-trace",
        ),
        pytest.param(
            "backup", Reply(code=1, err="\x1b[2Kbad\x01 \xff\x80é\n"), 1, "MoverFailed", "bad  ÿ\x80é", id="controls"
        ),
        pytest.param("backup", Reply(code=1, err="a\udcff\udcc3b\n"), 1, "MoverFailed", "a??b", id="invalid-utf-8"),
    ],
)
def test_failures_have_a_reason_and_restics_words(mover, action, reply, code, reason, message):
    replies = {"snapshots": Reply(out=snapshots(("shop-db", ["/data"], A))), action: reply}
    outcome = mover.run(action, replies)
    assert (outcome.code, outcome.report["result"], outcome.report["reason"]) == (code, "Failed", reason)
    assert (outcome.report["phase"], outcome.report["repositoryID"]) == (action, REPOSITORY)
    assert message is None or outcome.report["message"] == message


def test_partial_backup_takes_its_snapshot_back(mover):
    outcome = mover.run("backup", {"backup": Reply(code=3, out=SAVING.out, err=UNREADABLE_OLD)})
    assert [call for call in outcome.calls if call[0] == "forget"] == [["forget", "c8feaa2a"]]
    assert (outcome.report["reason"], outcome.report["summary"]) == ("PartialBackup", SAVED_NUMBERS)
    assert "snapshotID" not in outcome.report


def test_partial_snapshot_that_stays_is_named(mover):
    replies = {
        "backup": Reply(code=3, out=SAVING.out),
        "forget": new_fatal(11, "repository is already locked by PID 7"),
    }
    outcome = mover.run("backup", replies)
    assert (outcome.report["reason"], outcome.report["snapshotID"]) == ("PartialBackup", "c8feaa2a")
    assert "the snapshot stayed: " in outcome.report["message"]


def test_unreadable_volume_is_not_an_empty_one(mover):
    words = "error: open /data/a: permission denied\nFatal: unable to save snapshot: snapshot is empty\n"
    unread = '{"message_type":"error","error":{"message":"open /data/a: permission denied"},"item":"/data/a"}\n'
    outcome = mover.run("backup", {"backup": Reply(code=1, err=unread + words)})
    assert outcome.report["reason"] == "PermissionDenied"
    empty = mover.run("backup", {"backup": old_fatal("unable to save snapshot: snapshot is empty")})
    assert empty.report["reason"] == "EmptyVolume"


def test_guard_does_not_count_what_it_cannot_see(tmp_path):
    mover = Mover(tmp_path, "dash")  # busybox sh takes its own find
    find = tmp_path / "bin" / "find"
    find.write_text("#!/bin/sh\necho ./x\necho denied >&2\n")
    find.chmod(0o755)
    assert mover.run("backup", last(1000, 2**40), **GUARDED).report["result"] == "Successful"


@pytest.mark.parametrize("action", ["backup", "restore", "prune"])
def test_action_that_takes_too_long_is_stopped(mover, action):
    replies = {"snapshots": Reply(out=snapshots(("shop-db", ["/data"], A))), action: HANGING}
    outcome = mover.run(action, replies, QUILL_TIMEOUT="1")
    assert (outcome.code, outcome.report["reason"], outcome.report["phase"]) == (124, "Timeout", action)


@pytest.mark.parametrize(
    ("env", "words"),
    [
        pytest.param({"QUILL_ACTION": "forget"}, "forget", id="action"),
        pytest.param({"QUILL_HOST": ""}, "QUILL_HOST", id="backup-without-host"),
        pytest.param({"QUILL_DATA": "/nonexistent"}, "/nonexistent", id="no-volume"),
        pytest.param({"TMPDIR": "/nonexistent"}, "/nonexistent", id="no-tmpdir"),
    ],
)
def test_setup_mistakes_are_reported(mover, env, words):
    outcome = mover.run("backup", {"backup": SAVING}, **env)
    assert (outcome.code, outcome.report["result"]) == (1, "Failed")
    assert words in outcome.report["message"]


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
@pytest.mark.parametrize(
    ("replies", "phase"),
    [pytest.param({"cat": HANGING}, "probe", id="probe"), pytest.param({"backup": HANGING}, "backup", id="backup")],
)
def test_signal_is_passed_on_as_int_and_reported(mover, stop, replies, phase):
    process = mover.start("backup", replies, {})
    deadline = time.monotonic() + 30
    while b'"phase":"%s"' % phase.encode() not in mover.report.read_bytes():
        assert time.monotonic() < deadline
    process.send_signal(stop)
    outcome = mover.finish(process)
    assert (outcome.code, outcome.report["reason"], outcome.report["phase"]) == (130, "Interrupted", phase)


def test_a_partial_snapshot_is_taken_back_though_the_mover_is_told_to_stop(mover):
    """restic has saved it, and ends as if it had not been told."""
    ends = 'import os; from signal import *; signal(SIGINT, lambda *_: os._exit(3)); open("ready", "w"); pause()'
    saved = Reply(out=SAVING.out, err=UNREADABLE_OLD, then=f"exec {sys.executable} -S -c '{ends}'")
    process = mover.start("backup", {"backup": saved}, {"QUILL_GRACE": "5"})
    deadline = time.monotonic() + 30
    while not (mover.directory / "ready").exists():
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGTERM)
    outcome = mover.finish(process)
    assert [call for call in outcome.calls if call[0] == "forget"] == [["forget", "c8feaa2a"]]
    assert (outcome.code, outcome.report["reason"]) == (3, "PartialBackup")
    assert "snapshotID" not in outcome.report


# --- amounts and secrets


def test_huge_output_leaves_a_small_report(mover):
    failing = "".join(
        f'{{"message_type":"error","error":{{"message":"no"}},"during":"archival","item":"/{n}"}}\n'
        for n in range(3000)
    )
    reply = Reply(code=1, err=failing + LINE_OF_20_KIB * 5 + '\nFatal: "' + '\\"' * 5000 + "\n")
    outcome = mover.run("backup", {"backup": reply})
    assert outcome.report["message"].startswith('Fatal: "\\"')
    assert len(outcome.report["message"]) == 1000


def test_long_message_is_cut_between_characters(mover):
    outcome = mover.run("backup", {"backup": Reply(code=1, err="x" + "ü" * 3000)})
    assert outcome.report["message"] == "x" + "ü" * 499


SECRETS = {
    "RESTIC_PASSWORD": SECRET,
    "AWS_SECRET_ACCESS_KEY": "abcd1234",
    "AWS_SESSION_TOKEN": "abcd1234-and-longer",
    "B2_ACCOUNT_ID": "b2-account",
    "AZURE_ACCOUNT_NAME": "azure-name",
    "OS_USERNAME": "swift-user",
    "GOOGLE_CREDENTIALS": "first line\nsecond line\n",
    "RESTIC_REPOSITORY": "rest:https://user:pass/word@host/path",
}
LEAKS = (
    "s3cr",
    "abcd1234",
    "-and-longer",
    "b2-account",
    "azure-name",
    "swift-user",
    "first line",
    "second line",
    "pass/word",
    "hunter2",
)


@pytest.mark.parametrize("code", [0, 1])
def test_secrets_reach_neither_report_nor_log(mover, code):
    told = " ".join([*SECRETS.values(), "https://me:hunter2@host/"]).replace("\n", " ")
    error = {"message_type": "error", "error": {"message": told}, "during": "archival", "item": SECRET}
    go_json = json.dumps(error, separators=(",", ":")).replace("<", "\\u003c").replace("&", "\\u0026")
    err = f"{told}\n{go_json}\nFatal: {told}\n"
    replies = {
        "cat": [old_fatal(f"{NO_CONFIG} {told}"), CONFIG],
        "init": Reply(out=told),
        "backup": Reply(code=code, out=told, err=err),
    }
    outcome = mover.run("backup", replies, **SECRETS)
    for leak in LEAKS:
        assert leak not in outcome.log
        assert leak not in outcome.raw.decode()
    assert "***" in outcome.log
    assert "***" in outcome.report["message"]


def test_no_secret_is_cut_in_two(mover):
    secret = "0123456789" * 6
    outcome = mover.run("backup", {"backup": Reply(code=1, err="x" * 970 + secret)}, AWS_SECRET_ACCESS_KEY=secret)
    assert outcome.report["message"] == "x" * 970 + "***"


def test_progress_is_not_copied_line_by_line(mover):
    status = '{"message_type":"status","percent_done":0.5}\n' * 600
    outcome = mover.run("backup", {"backup": Reply(out=status + SAVING.out)})
    assert outcome.log.count('"status"') == 10


# --- what others do with script and report


def test_kubernetes_and_jinja_leave_the_script_alone():
    script = SCRIPT.read_text()
    assert re.findall(r"\$\$|\$\([A-Za-z_.-][\w.-]*\)|\{\{|\{%|\{#", script) == []


NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.mark.parametrize("length", [4096, 200], ids=["whole", "cut"])
def test_tick_understands_the_report(mover, length):
    replies = {"backup": Reply(code=3, out=SAVING.out, err=UNREADABLE_OLD), "forget": Reply(code=1)}
    outcome = mover.run("backup", replies)
    job = Job(
        name="quill-x",
        namespace="shop",
        uid="1",
        owner_uid="2",
        run=Run(token="create"),
        action=Action.BACKUP,
        copy_method=CopyMethod.SNAPSHOT,
        claim="db",
        suspended=False,
        state=JobState.FAILED,
        created=NOW,
    )
    message = outcome.raw[:length].decode()
    pod = Pod(
        name="p",
        namespace="shop",
        job_name="quill-x",
        phase="Failed",
        created=NOW,
        termination_message=message,
        exit_code=3,
    )
    result = result_of(job, (pod,))
    assert (result.successful, result.reason, result.phase, result.exit_code) == (False, "PartialBackup", "backup", 3)
    assert (result.repository_id, result.snapshot_id) == (REPOSITORY, "c8feaa2a")
    assert length == 200 or result.statistics == {
        "filesNew": 2,
        "dirsUnmodified": 0,
        "dataAdded": 1403,
        "totalDuration": 0.213623056,
    }


def test_script_fits_into_an_argument():
    assert os.path.getsize(SCRIPT) < 100_000  # noqa: PTH202


# --- locks

LOCK_IDS = [letter * 64 for letter in "abcdefgh"]
LISTED = Reply(out="".join(f"{each}\n" for each in LOCK_IDS[:2]))


def held_by(host, *, since="2026-03-04T09:00:00.123456789+01:00", pid=27, exclusive=False):
    held = {"time": since, "exclusive": exclusive, "hostname": host, "username": "root", "pid": pid}
    return Reply(out=json.dumps(held, indent=2))


def long_ago(minutes):
    return (datetime.now(UTC) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.5Z")


@pytest.mark.parametrize("reply", [old_fatal(LOCKED), new_fatal(11, "x")], ids=["0.14", "0.17"])
def test_a_locked_repository_is_reported_with_its_locks(mover, reply):
    locks = [held_by("prune-tidy-0123456789ab-x7k2p", exclusive=True), held_by("laptop", pid=4)]
    outcome = mover.run("prune", {"prune": reply, "list": LISTED, "cat": [CONFIG, *locks]})
    assert (outcome.code, outcome.report["reason"]) == (11, "RepositoryLocked")
    time = "2026-03-04T09:00:00.123456789+01:00"
    assert outcome.report["locks"] == [
        {"id": "a" * 64, "host": "prune-tidy-0123456789ab-x7k2p", "pid": 27, "time": time, "exclusive": True},
        {"id": "b" * 64, "host": "laptop", "pid": 4, "time": time, "exclusive": False},
    ]
    assert asked(outcome, "list") == ["list", "locks", "--no-lock"]
    assert outcome.calls[-1] == ["cat", "lock", "b" * 64, "--no-lock"]


def test_a_backup_whose_forgetting_met_a_lock_reports_it(mover):
    replies = {"backup": SAVING, "forget": new_fatal(11, LOCKED), "list": LISTED, "cat": [CONFIG, held_by("laptop")]}
    report = mover.run("backup", replies, QUILL_RETAIN="--keep-last=1").report
    assert (report["result"], report["summary"]) == ("Successful", SAVED_NUMBERS)
    assert report["message"].startswith("its old snapshots were not forgotten: RepositoryLocked: ")
    assert [each["host"] for each in report["locks"]] == ["laptop", "laptop"]


def test_a_partial_snapshot_that_a_lock_kept_reports_it(mover):
    replies = {
        "backup": Reply(code=3, out=SAVING.out, err=UNREADABLE_OLD),
        "forget": new_fatal(11, LOCKED),
        "list": LISTED,
        "cat": [CONFIG, held_by("laptop")],
    }
    report = mover.run("backup", replies).report
    assert (report["reason"], report["snapshotID"], len(report["locks"])) == ("PartialBackup", "c8feaa2a", 2)


@pytest.mark.parametrize(
    ("replies", "count"),
    [
        pytest.param({"list": Reply(code=1, err="no route\n")}, 0, id="no-list"),
        pytest.param({"list": Reply(out="")}, 0, id="let-go-meanwhile"),
        pytest.param({"list": LISTED, "cat": [CONFIG, Reply(code=1), held_by("b")]}, 1, id="one-let-go-meanwhile"),
        pytest.param({"list": LISTED, "cat": [CONFIG, Reply(out="{"), held_by("b", since="now")]}, 0, id="no-lock"),
    ],
)
def test_what_cannot_be_read_of_locks_is_left_out(mover, replies, count):
    report = mover.run("prune", {"prune": old_fatal(LOCKED), **replies}).report
    assert (report["reason"], report["message"]) == ("RepositoryLocked", f"Fatal: {LOCKED}")
    assert len(report.get("locks", ())) == count


def test_many_locks_of_long_names_fit_into_the_report(mover):
    listed = Reply(out="".join(f"{each}\n" for each in LOCK_IDS))
    counted = dict.fromkeys(_STATISTICS, 2**50)
    replies = {
        "backup": Reply(out=json.dumps(SAVED | counted) + "\n"),
        "forget": old_fatal(LOCKED + '"' * 2000),
        "list": listed,
        "cat": [CONFIG, held_by('"\\' * 200, pid=2**31)],
    }
    report = mover.run("backup", replies, QUILL_RETAIN="--keep-last=1").report
    assert (len(report["locks"]), report["summary"]["data_added"]) == (6, 2**50)


def test_no_secret_is_reported_as_a_host(mover):
    replies = {"prune": old_fatal(LOCKED), "list": LISTED, "cat": [CONFIG, held_by(f"x{SECRET}x")]}
    outcome = mover.run("prune", replies)
    assert {each["host"] for each in outcome.report["locks"]} == {"x***x"}


UNLOCK = {"QUILL_LOCKS": f"{LOCK_IDS[0]} {LOCK_IDS[2]}", "QUILL_LOCK_PID": "1"}
GONE = Reply(out=f"{LOCK_IDS[1]}\n")


def unlocking(mover, *lists, cat=None, **replies):
    """An unlock beside somebody else's lock, which is fresh unless ``cat`` says otherwise."""
    held = cat or held_by("laptop", since=long_ago(20))
    return mover.run("unlock", {"list": list(lists), "cat": [CONFIG, held], "unlock": Reply(), **replies}, **UNLOCK)


def test_unlock_removes_a_dead_movers_lock_and_makes_sure(mover):
    outcome = unlocking(mover, LISTED, GONE)
    host = os.uname().nodename
    assert outcome.report == {
        "result": "Successful",
        "phase": "unlock",
        "repositoryID": REPOSITORY,
        "message": f"removed the lock of {host}",
    }
    assert asked(outcome, "unlock") == ["unlock"]
    assert asked(outcome, "list") == ["list", "locks", "--no-lock"]


def test_a_lock_that_is_gone_needs_no_unlock(mover):
    outcome = unlocking(mover, GONE)
    assert outcome.report["result"] == "Successful"
    assert "was there no more" in outcome.report["message"]
    assert not [call for call in outcome.calls if call == ["unlock"]]


def test_a_lock_that_stays_is_a_failure(mover):
    report = unlocking(mover, LISTED).report
    assert (report["result"], report["reason"]) == ("Failed", "LockNotRemoved")


def test_a_lock_that_is_not_ours_is_not_removed_along_with_one_that_is(mover):
    """Plain unlock also takes what nobody has renewed for half an hour; this one is near that."""
    outcome = unlocking(mover, LISTED, cat=held_by("laptop", since=long_ago(26)))
    assert (outcome.report["result"], outcome.report["reason"]) == ("Failed", "LockNotRemoved")
    assert "the lock of laptop since 20" in outcome.report["message"]
    assert not [call for call in outcome.calls if call == ["unlock"]]


@pytest.mark.parametrize(
    ("listed", "cat"),
    [
        pytest.param([LOCK_IDS[0], LOCK_IDS[2]], Reply(code=1), id="of-another-dead-mover"),
        pytest.param(LOCK_IDS[:2], held_by(os.uname().nodename, since=long_ago(60)), id="another-of-the-dead-mover"),
    ],
)
def test_old_locks_that_may_go_are_no_hindrance(mover, listed, cat):
    assert unlocking(mover, Reply(out="\n".join(listed)), Reply(), cat=cat).report["result"] == "Successful"


def test_a_lock_that_is_let_go_meanwhile_is_no_hindrance(mover):
    only_ours = Reply(out=f"{LOCK_IDS[0]}\n")
    outcome = unlocking(mover, LISTED, only_ours, Reply(), cat=Reply(code=1, err="no such lock\n"))
    assert outcome.report["result"] == "Successful"


@pytest.mark.parametrize("replies", [
    pytest.param({"cat": Reply(code=1, err="Fatal: dial tcp: no route to host\n")}, id="unreadable-lock"),
    pytest.param({"unlock": Reply(code=1, err="Fatal: dial tcp: no route to host\n")}, id="unlock-fails"),
])  # fmt: skip
def test_what_goes_wrong_is_said_and_tried_again(mover, replies):
    assert unlocking(mover, LISTED, **replies).report["reason"] == "RepositoryUnreachable"


# --- a repository below that of the Secret


@pytest.mark.parametrize(
    ("base", "path", "expected"),
    [
        pytest.param("/srv/restic", "data-db-0", "/srv/restic/data-db-0", id="folder"),
        pytest.param("/srv/restic/", "a/b", "/srv/restic/a/b", id="slash-at-the-end"),
        pytest.param("s3:https://host/bucket//", "a", "s3:https://host/bucket/a", id="slashes-at-the-end"),
        pytest.param("gs:bucket:/", "a", "gs:bucket:/a", id="root-of-a-bucket"),
        pytest.param("/", "a", "/a", id="root"),
        pytest.param("rest:https://user:pass/word@host/", "a", "rest:https://user:pass/word@host/a", id="credentials"),
        pytest.param("/srv/restic/", "", "/srv/restic/", id="no-path"),
    ],
)
def test_restic_is_asked_about_the_repository_below(mover, base, path, expected):
    asked_about = f'printf %s "$RESTIC_REPOSITORY" >{mover.directory}/repository; exit 0'
    replies = {"help": NEW_HELP, "cat": replace(CONFIG, then=asked_about), "backup": SAVING}
    outcome = mover.run("backup", replies, RESTIC_REPOSITORY=base, QUILL_REPOSITORY_PATH=path)
    assert outcome.code == 0
    assert (mover.directory / "repository").read_text() == expected
    assert "pass/word" not in outcome.log
    assert base not in json.dumps(outcome.calls)
