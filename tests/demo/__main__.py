"""``make demo``: the seed's backup and restore before your eyes, done by the CronJob inside a cluster.

Without DEMO_CONTEXT it boots the test cluster. With it, that context of your kubeconfig is used: RESTIC_REPOSITORY,
RESTIC_PASSWORD and the variables of the back end (AWS_*, …) must then be set, and QUILL_IMAGE names Quill's image.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from tests import cluster
from tests.cluster.builds import kubectl
from tests.cluster.controlplane import await_definitions
from tests.kustomizing import replacing

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SECRETS = {"source": "restic-config", "dest": "restic-secret"}
SOURCE, DESTINATION = (
    ("source", "replicationsource", "restic-source"),
    ("dest", "replicationdestination", "destination"),
)
MANIFEST = (
    "set -e; cd /data; find . ! -path './lost+found*' | sort | while IFS= read -r path; do "
    'stat -c "%A %u:%g %Y %n" "$path"; if [ -f "$path" ] && [ ! -L "$path" ]; then sha256sum "$path"; fi; done'
)
console = Console(highlight=False)


class DemoError(Exception):
    """Something did not happen; the message says what to look at."""


@dataclass
class Demo:
    """One run of the demo against one cluster."""

    command: list[str]
    images: Mapping[str, str]
    repository: Mapping[str, str]
    told: set[str] = field(default_factory=set)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        done = subprocess.run([*self.command, *arguments], input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise DemoError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def read(self, namespace: str, kind: str, name: str) -> dict[str, Any]:
        return dict(json.loads(self.kubectl("get", kind, name, f"--namespace={namespace}", "--output=json")))

    def apply(self, *documents: Mapping[str, Any]) -> None:
        self.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=yaml.safe_dump_all(documents))

    def manifests(self, name: str, **replaced: str) -> list[dict[str, Any]]:
        """Documents of a file beside this one, with the mover's image of this cluster."""
        text = (HERE / name).read_text().replace("docker.io/restic/restic", self.images["docker.io/restic/restic"])
        for word, value in replaced.items():
            text = text.replace(word, value)
        return list(yaml.safe_load_all(text))

    def install(self) -> None:
        """An overlay as a user would write it: ours, and the images of this cluster."""
        with tempfile.TemporaryDirectory(dir=ROOT) as folder:
            overlay = {"resources": ["../kustomize/overlays/cluster"], "images": replacing(self.images)}
            Path(folder, "kustomization.yaml").write_text(yaml.safe_dump(overlay))
            built = self.kubectl("kustomize", folder)
        self.apply(*yaml.safe_load_all(built))
        crds = ("crd/replicationsources.scribe.backube", "crd/replicationdestinations.scribe.backube")
        await_definitions(self.kubectl, *crds)

    def replication(self, kind: str, token: str) -> dict[str, Any]:
        """A custom resource of the seed, and a manual token: its schedule would keep you waiting for ten minutes."""
        document = yaml.safe_load((ROOT / "examples" / "seed" / f"{kind}.yaml").read_text())
        document["spec"]["trigger"]["manual"] = token
        if kind == "replicationdestination":  # in this namespace no pod tells whose the data is
            owner = {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000}
            document["spec"]["restic"]["moverSecurityContext"] = owner
        return dict(document)

    def wait(self, what: str, check: Callable[[], bool], timeout: float = 300) -> None:
        """Wait, and meanwhile tell what each tick of the CronJob said."""
        deadline = time.monotonic() + timeout
        with console.status(f"waiting for {what}"):
            while not check():
                self.tell_ticks()
                if time.monotonic() > deadline:
                    raise DemoError(f"{what} did not happen in {timeout:.0f} s; look at `kubectl get events -A`")
                time.sleep(1)
        self.tell_ticks()

    def tell_ticks(self) -> None:
        pods = json.loads(self.kubectl("get", "pods", "--namespace=quill-system", "--output=json"))["items"]
        for pod in pods:
            name = pod["metadata"]["name"]
            if pod["status"]["phase"] in ("Succeeded", "Failed") and name not in self.told:
                self.told.add(name)
                for line in self.kubectl("logs", name, "--namespace=quill-system").splitlines():
                    console.print(f"  [dim]{name}[/] {line}", soft_wrap=True)

    def synced(self, where: tuple[str, str, str], token: str) -> bool:
        """Whether a CR says that it has handled the token. Raises DemoError when that went wrong."""
        status = self.read(*where).get("status", {})
        if status.get("lastManualSync") != token:
            return False
        result = status["latestMoverStatus"]
        if result["result"] != "Successful":
            raise DemoError(f"{where[1]} {where[0]}/{where[2]}: {result['reason']}: {result['message']}")
        return True

    def run(self) -> None:
        token = f"demo-{int(time.time())}"
        say("Installing Quill: two CRDs, one CronJob, least RBAC (kustomize/overlays/cluster)")
        self.install()
        say("An application writes into its volume source/data-vol; the repository's Secret goes where movers need it")
        for namespace, name in SECRETS.items():
            secret = {"apiVersion": "v1", "kind": "Secret", "stringData": dict(self.repository)}
            space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
            self.apply(space, {**secret, "metadata": {"name": name, "namespace": namespace}})
        self.apply(*self.manifests("application.yaml"))
        self.kubectl("wait", "pod/application", "--namespace=source", "--for=condition=Ready", "--timeout=120s")
        ready = ("exec", "application", "--namespace=source", "--", "test", "-e", "/data/done")
        self.wait("the application's files", lambda: self.succeeds(*ready))
        say("The seed's ReplicationSource is applied. The CronJob looks every minute; here is what its ticks say:")
        self.apply(self.replication("replicationsource", token))
        self.wait("the backup", lambda: self.synced(SOURCE, token))
        show("what restic counted", self.read(*SOURCE)["status"]["latestMoverStatus"])
        say("The seed's ReplicationDestination is applied:")
        self.apply(self.replication("replicationdestination", token))
        self.wait("the restore", lambda: self.synced(DESTINATION, token))
        image = self.read(*DESTINATION)["status"]["latestImage"]["name"]
        say(f"Restored. A new volume is made from .status.latestImage.name, the VolumeSnapshot {image}:")
        self.kubectl("delete", "pod/reader", "pvc/restored", "--namespace=dest", "--ignore-not-found", "--wait")
        self.apply(*self.manifests("consumer.yaml", IMAGE=image))
        self.kubectl("wait", "pod/reader", "--namespace=dest", "--for=condition=Ready", "--timeout=120s")
        self.compare()
        say("quill status:")
        subprocess.run([sys.executable, "-m", "reconciler", "status"], env=self.environment(), cwd=ROOT, check=True)

    def succeeds(self, *arguments: str) -> bool:
        return subprocess.run([*self.command, *arguments], capture_output=True, check=False).returncode == 0

    def compare(self) -> None:
        """Names, modes, owners, times, targets and content of both volumes, line by line."""
        before = self.kubectl("exec", "application", "--namespace=source", "--", "sh", "-c", MANIFEST).splitlines()
        after = self.kubectl("exec", "reader", "--namespace=dest", "--", "sh", "-c", MANIFEST).splitlines()
        differ = [pair for pair in zip(before[1:], after[1:], strict=False) if pair[0] != pair[1]]  # not the root's own
        for line in after[1:8]:
            console.print(f"  {line}", soft_wrap=True)
        if differ or len(before) != len(after):
            raise DemoError(f"the restored volume differs: {differ[:3]}")
        console.print(f"  … {len(after)} lines, [bold green]the same in both volumes[/]")

    def environment(self) -> dict[str, str]:
        chosen = [word.partition("=")[2] for word in self.command if word.startswith("--kubeconfig=")]
        return {**os.environ, **({"KUBECONFIG": chosen[0]} if chosen else {})}


def say(text: str) -> None:
    console.print(f"\n[bold]{text}[/]")


def show(what: str, document: Mapping[str, Any]) -> None:
    console.print(f"  {what}:")
    for line in yaml.safe_dump(dict(document), sort_keys=False).splitlines():
        console.print(f"    {line}", soft_wrap=True)


def hint(command: str, why: str) -> None:
    console.print(f"  {command:<50}[dim]# {why}[/]", soft_wrap=True)


def local() -> Demo:
    """The test cluster of this checkout."""
    say("Booting a real one-node Kubernetes on this machine (the first time takes about 12 minutes)")
    cluster.up(lambda line: console.print(f"  {line}"))
    cluster.make_bucket("demo")
    images = {"quill": cluster.QUILL, "docker.io/restic/restic": cluster.MOVER}
    command = [str(kubectl()), f"--kubeconfig={cluster.kubeconfig()}"]
    return Demo(command, images, cluster.restic_env("demo", "repository"))


def foreign(context: str) -> Demo:
    """Somebody's own cluster."""
    missing = [name for name in ("RESTIC_REPOSITORY", "RESTIC_PASSWORD", "QUILL_IMAGE") if not os.environ.get(name)]
    if missing:
        raise DemoError(f"DEMO_CONTEXT is set, so {', '.join(missing)} must be, too")
    mover = os.environ.get("QUILL_MOVER_IMAGE", "docker.io/restic/restic:0.19.1")
    prefixes = ("RESTIC_REPOSITORY", "RESTIC_PASSWORD", "AWS_", "B2_", "AZURE_", "GOOGLE_", "ST_", "OS_")
    repository = {name: value for name, value in os.environ.items() if name.startswith(prefixes)}
    images = {"quill": os.environ["QUILL_IMAGE"], "docker.io/restic/restic": mover}
    return Demo([str(kubectl()), f"--context={context}"], images, repository)


def main() -> int:
    context = os.environ.get("DEMO_CONTEXT")
    try:
        (foreign(context) if context else local()).run()
    except (DemoError, cluster.ClusterError) as error:
        console.print(f"[bold red]error:[/] {error}", soft_wrap=True)
        return 1
    say("What next")
    if not context:
        hint('eval "$(.venv/bin/python -m tests.cluster env)"', "kubectl and quill now talk to this cluster")
    hint("quill plan", "what the next tick will do")
    hint("kubectl explain replicationsource.spec.restic", "every field, described")
    hint("kubectl delete ns source dest quill-system", "remove the demo; the repository stays")
    if not context:
        hint("make cluster-down", "remove the cluster; what was built stays cached")
    return 0


if __name__ == "__main__":
    sys.exit(main())
