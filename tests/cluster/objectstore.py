"""The S3 server that the backups go to, and the environment restic needs to find it."""

from pathlib import Path

from tests.cluster import builds
from tests.cluster.network import NODE_ADDRESS
from tests.cluster.paths import STATE
from tests.cluster.processes import Daemon, ProcessDirectory
from tests.cluster.waiting import answers

PORT = 7070
ACCESS_KEY, SECRET_KEY = "quill-test", "quill-test-secret"
PASSWORD = "quill-test-password"
BUCKETS = STATE / "s3"


def s3_endpoint(port: int = PORT) -> str:
    """The URL of the S3 server, the same from the host and from a pod."""
    return f"http://{NODE_ADDRESS}:{port}"


def make_bucket(name: str) -> Path:
    """Create a bucket (at least three characters); the folder that holds its objects."""
    folder = BUCKETS / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def restic_env(bucket: str, prefix: str = "") -> dict[str, str]:
    """What a Secret for restic contains; the bucket is not made."""
    return {
        "RESTIC_REPOSITORY": f"s3:{s3_endpoint()}/{bucket}/{prefix}".rstrip("/"),
        "RESTIC_PASSWORD": PASSWORD,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    }


def start(processes: ProcessDirectory, *, port: int = PORT) -> None:
    """The server of the cluster, or on another port one more over the same buckets, which a test may kill."""
    BUCKETS.mkdir(parents=True, exist_ok=True)
    command = [str(builds.binary("versitygw")), "--port", f"{NODE_ADDRESS}:{port}", "posix", str(BUCKETS)]
    credentials = {"ROOT_ACCESS_KEY_ID": ACCESS_KEY, "ROOT_SECRET_ACCESS_KEY": SECRET_KEY}
    processes.start(Daemon("versitygw", command, env=credentials, cwd=STATE))
    processes.wait_ready("versitygw", lambda: answers(NODE_ADDRESS, port))
