"""The API server without Quill: the connection of reconciler/cluster.py, and nothing between it and the caller."""

import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

from kubernetes import config
from kubernetes.client import ApiClient, Configuration

CR = "apis/scribe.backube/v1alpha1"
PATHS = {
    "Namespace": ("api/v1", "namespaces"),
    "PersistentVolumeClaim": ("api/v1", "persistentvolumeclaims"),
    "Pod": ("api/v1", "pods"),
    "Secret": ("api/v1", "secrets"),
    "Event": ("apis/events.k8s.io/v1", "events"),
    "Job": ("apis/batch/v1", "jobs"),
    "VolumeSnapshot": ("apis/snapshot.storage.k8s.io/v1", "volumesnapshots"),
    "ReplicationSource": (CR, "replicationsources"),
    "ReplicationDestination": (CR, "replicationdestinations"),
}
APPLY, JSON, MERGE = "application/apply-patch+yaml", "application/json", "application/merge-patch+json"


def credentials(kubeconfig=None):
    """Of $KUBECONFIG, or of the file that is given."""
    configuration = Configuration()
    config.load_kube_config(config_file=str(kubeconfig) if kubeconfig else None, client_configuration=configuration)
    return configuration


class Client:
    """Raw requests from up to ``threads`` threads."""

    def __init__(self, kubeconfig=None, *, threads=1):
        configuration = credentials(kubeconfig)
        configuration.connection_pool_maxsize = self.threads = threads
        self._host = configuration.host.rstrip("/")
        self._pool = ApiClient(configuration).rest_client.pool_manager

    def request(self, method, path, *, query=None, body=None, content=JSON):
        response = self._pool.request(
            method,
            f"{self._host}/{path}?{urlencode(query or {})}",
            body=None if body is None else json.dumps(body).encode(),
            headers={"Accept": "application/json", "Content-Type": content},
        )
        if response.status >= 400:
            raise RuntimeError(f"{method} {path}: {response.status}: {response.data.decode()[:500]}")
        return json.loads(response.data)

    def apply(self, body, *, manager="bench", subresource="", force=True):
        """Server-side apply of one object, or of its status."""
        query = {"fieldManager": manager, "force": str(force).lower(), "fieldValidation": "Strict"}
        return self.request("PATCH", path_of(body, subresource), query=query, body=body, content=APPLY)

    def pages(self, kind, *, namespace=None, selector=""):
        """The pages of a list, each as it came, of at most 500 objects."""
        query = {"limit": "500"} | ({"labelSelector": selector} if selector else {})
        more = ""
        while True:
            page = self.request("GET", collection(kind, namespace), query=query | ({"continue": more} if more else {}))
            yield page
            more = page["metadata"].get("continue", "")
            if not more:
                return

    def objects(self, kind, *, namespace=None, selector=""):
        return [item for page in self.pages(kind, namespace=namespace, selector=selector) for item in page["items"]]

    def each(self, action, items):
        """``action(item)`` for all, from as many threads as the client has connections."""
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(action, items))


def collection(kind, namespace=None):
    root, plural = PATHS[kind]
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"


def path_of(body, subresource=""):
    metadata = body["metadata"]
    path = f"{collection(body['kind'], metadata.get('namespace'))}/{metadata['name']}"
    return f"{path}/{subresource}" if subresource else path
