"""Argo CD's repo-server and application-controller as processes of this machine, and a Git repository for them.

with ArgoCD(plane, {"resource.customizations.…": "…"}) as argo:
    argo.commit("shop", {"backup.yaml": text})
    argo.application("shop", repository="shop", namespace="shop", syncPolicy={"automated": {"selfHeal": True}})
    assert argo.refreshed("shop")["status"]["sync"]["status"] == "Synced"
"""

import json
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.cluster import builds
from tests.cluster.beside import Beside
from tests.cluster.controlplane import ControlPlane, await_definitions, free_port
from tests.cluster.crds import argocd_manifests
from tests.cluster.processes import SAFE_PATH, Daemon
from tests.cluster.waiting import is_open, wait_for

NAME = "argo-cd"
NAMESPACE = "argocd"
HERE = "https://kubernetes.default.svc"
_KIND = "applications.argoproj.io"
_NOBODY = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.com")
_PLAIN = ("--disable-tls", "--client-ca-path=")
_REFRESH = "argocd.argoproj.io/refresh"


class ArgoCD(Beside):
    """One installation with an administrator's rights; ``settings`` is what is added to argocd-cm."""

    def __init__(self, plane: ControlPlane, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(plane)
        self._settings = settings or {}

    # --- what a user does

    def commit(self, repository: str, files: Mapping[str, str]) -> None:
        """These files are what is in Git from now on."""
        folder = self._folder / "git" / repository
        shutil.rmtree(folder / "tree", ignore_errors=True)
        for name, text in files.items():
            path = folder / "tree" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        if not (folder / "git").exists():
            self._git(folder, "init", "--quiet", "--initial-branch=main")
        self._git(folder, "add", "--all")
        self._git(folder, "commit", "--quiet", "--message=a change")

    def address(self, repository: str) -> str:
        return f"file://{self._folder / 'git' / repository / 'git'}"

    def application(
        self, name: str, *, repository: str, namespace: str, annotations: Mapping[str, str] | None = None, **spec: Any
    ) -> None:
        """Create or edit an Application, of the project ``default`` unless it is told another."""
        source = {"repoURL": self.address(repository), "path": ".", "targetRevision": "main"}
        whole = {
            "project": "default",
            "source": source,
            "destination": {"server": HERE, "namespace": namespace},
            **spec,
        }
        self.apply("Application", name, whole, annotations)

    def apply(
        self, kind: str, name: str, spec: Mapping[str, Any], annotations: Mapping[str, str] | None = None
    ) -> None:
        metadata = {"name": name, "namespace": NAMESPACE, "annotations": annotations or {}}
        body = {"apiVersion": "argoproj.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
        self._plane.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", stdin=json.dumps(body))

    # --- what a test looks at

    def get(self, name: str) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self._kubectl("get", _KIND, name, "--output=json"))
        return body

    def refreshed(self, name: str, *, timeout: float = 30) -> dict[str, Any]:
        """The Application, once it has been compared with what is in Git and in the cluster now."""
        self._kubectl("annotate", "--overwrite", _KIND, name, f"{_REFRESH}=normal")
        found: list[dict[str, Any]] = []

        def done() -> bool:
            found[:] = [self.get(name)]
            return _REFRESH not in found[0]["metadata"].get("annotations", {})

        wait_for(
            f"a comparison of Application {name}",
            done,
            timeout=timeout,
            log=self._processes.log("application-controller"),
        )
        return found[0]

    def told(self, name: str) -> list[str]:
        """The messages of the Application's Events, which tell each change of its sync and health, in their order."""
        events = json.loads(
            self._kubectl("get", "events", f"--field-selector=involvedObject.name={name}", "--output=json")
        )
        items = sorted(events["items"], key=lambda each: int(each["metadata"]["resourceVersion"]))
        return [each["message"] for each in items]

    # --- the processes

    def _install(self) -> None:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        definitions, others = argocd_manifests()
        files = [f"--filename={path}" for path in definitions]
        self._plane.kubectl("apply", "--server-side", "--filename=-", stdin=json.dumps(namespace))
        self._plane.kubectl("apply", "--server-side", *files)
        await_definitions(self._plane.kubectl, *files)
        self._kubectl("apply", "--server-side", "--force-conflicts", *(f"--filename={path}" for path in others))
        patch = json.dumps({"data": dict(self._settings)})
        self._kubectl("patch", "configmap", "argocd-cm", "--type=merge", f"--patch={patch}")
        self.apply("AppProject", "default", {
            "sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}],
            "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
        })  # fmt: skip

    def _start(self, _: ExitStack) -> None:
        builds.build([NAME, "kustomize"])
        self._install()
        redis, server, *metrics = (free_port() for _ in range(4))
        common = [f"--redis=127.0.0.1:{redis}", "--logformat=text"]
        self._tools()
        self._run("redis", redis, f"127.0.0.1:{redis}")
        self._run("repo-server", server, *common, "--address=127.0.0.1", f"--port={server}", *_PLAIN,
                  "--metrics-address=127.0.0.1", f"--metrics-port={metrics[0]}")  # fmt: skip
        self._run("application-controller", metrics[1], *common, f"--namespace={NAMESPACE}",
                  f"--repo-server=127.0.0.1:{server}", "--repo-server-plaintext", f"--metrics-port={metrics[1]}",
                  "--app-resync=3600", "--persist-resource-health")  # fmt: skip

    def _tools(self) -> None:
        """What a repo-server runs: kustomize, and for each commit a script that looks for a signature."""
        folder = self._folder / "bin"
        folder.mkdir()
        (folder / "kustomize").symlink_to(builds.binary("kustomize"))
        (folder / "git-verify-wrapper.sh").symlink_to("/bin/true")

    def _run(self, name: str, port: int, *flags: str) -> None:
        env = {
            "ARGOCD_ASK_PASS_SOCK": str(self._folder / "ask-pass.sock"),
            "ARGOCD_FAKE_IN_CLUSTER": "true",
            "ARGOCD_GPG_ENABLED": "false",
            "ARGOCD_SSH_DATA_PATH": str(self._folder),
            "ARGOCD_TLS_DATA_PATH": str(self._folder),
            "HOME": str(self._folder),
            "KUBECONFIG": str(self._plane.kubeconfig),
            "PATH": f"{self._folder / 'bin'}:{SAFE_PATH}",
            "TMPDIR": str(self._folder),
        }
        self._processes.start(Daemon(name, [str(builds.binary(NAME)), name, *flags], env))
        self._processes.wait_ready(name, lambda: is_open("127.0.0.1", port))

    def _kubectl(self, *arguments: str) -> str:
        return self._plane.kubectl(f"--namespace={NAMESPACE}", *arguments)

    def _git(self, folder: Path, *arguments: str) -> None:
        (folder / "tree").mkdir(parents=True, exist_ok=True)
        command = ["git", f"--git-dir={folder / 'git'}", f"--work-tree={folder / 'tree'}", *_NOBODY, *arguments]
        subprocess.run(command, check=True, env={"PATH": SAFE_PATH, "HOME": str(self._folder)}, capture_output=True)
