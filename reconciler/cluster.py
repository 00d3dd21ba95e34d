"""The API server: raw JSON lists, server-side apply, deletes and Events. The only module that imports kubernetes.

No typed models and no discovery: the kinds are few and known. Every write may be sent again without harm (an apply, a
delete of one uid, an Event of a fixed name and time), so what looks like a passing fault is retried here, nowhere else.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import Any, Final, Protocol, cast
from urllib.parse import quote, urlencode

import yaml
from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from urllib3 import BaseHTTPResponse, Retry, Timeout
from urllib3.exceptions import HTTPError, MaxRetryError

from reconciler import events
from reconciler.errors import NAMESPACE_TERMINATING, ClusterError, SetupError
from reconciler.naming import ANNOTATING, MANAGER
from reconciler.resource import API_GROUP, Kind

Object = Mapping[str, Any]

PAGE: Final = 500
MOVERS_PAGE: Final = 100
"""Of Jobs and pods, each with the 40 kB of a mover's script: 3000 that are left over must fit the CronJob's memory."""

CONCURRENCY: Final = 16
_PATHS: Final = {
    Kind.SOURCE: (f"apis/{API_GROUP}/v1alpha1", "replicationsources"),
    Kind.DESTINATION: (f"apis/{API_GROUP}/v1alpha1", "replicationdestinations"),
    "Job": ("apis/batch/v1", "jobs"),
    "VolumeSnapshot": ("apis/snapshot.storage.k8s.io/v1", "volumesnapshots"),
    "PersistentVolumeClaim": ("api/v1", "persistentvolumeclaims"),
    "Pod": ("api/v1", "pods"),
    "PodTemplate": ("api/v1", "podtemplates"),
    "Namespace": ("api/v1", "namespaces"),
    "Event": ("apis/events.k8s.io/v1", "events"),
}
_RETRY: Final = Retry(
    total=4,
    backoff_factor=0.2,
    backoff_max=5,
    status_forcelist=(429, 500, 502, 503, 504),
    allowed_methods=None,
    raise_on_status=False,
)
_TIMEOUT: Final = Timeout(connect=5, read=60)
_GONE: Final = 410
_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"
_REMEDIES: Final = {
    401: "the credentials are not accepted; renew the kubeconfig or the service account's token",
    403: "grant it: kubectl apply --server-side -k kustomize/overlays/cluster",
    404: "is the CustomResourceDefinition installed? kubectl apply --server-side -k kustomize/crds",
}


class Cluster(Protocol):
    """What a tick asks of an API server. Everything raises ClusterError, or SetupError where no object is at fault."""

    def list_objects(self, kind: str, *, namespace: str | None = None, selector: str = "") -> Iterator[Object]:
        """Every object of a kind, a page at a time."""

    def read_namespace(self, name: str) -> Object:
        """One Namespace."""

    def read(self, kind: str, namespace: str, name: str) -> Object:
        """One object."""

    def apply(self, body: Object, *, manager: str = MANAGER, subresource: str = "", force: bool = True) -> Object:
        """Server-side apply, and the object as it is then. With a resourceVersion in ``body`` a newer one is a 409.

        Without ``force`` a field that another manager has set otherwise is a 409, too.
        """

    def create_event(self, body: Object) -> None:
        """An events.k8s.io/v1 Event; where one of its name exists that is counted one more time. A namespace that is
        being deleted gets none.
        """

    def delete(self, kind: str, namespace: str, *, name: str, uid: str) -> None:
        """Delete one object and in the background what it owns; one that has gone, or is another by now, is fine."""


class ApiServer:
    """``Cluster`` over HTTPS, for any number of threads. ``requests`` counts what was sent, by verb."""

    def __init__(self, configuration: Configuration, *, dry_run: bool = False) -> None:
        configuration.connection_pool_maxsize = CONCURRENCY
        self._host = configuration.host.rstrip("/")
        self._pool = ApiClient(configuration).rest_client.pool_manager
        self._headers = {str(each["key"]): str(each["value"]) for each in _credentials(configuration)}
        self._dry_run = {"dryRun": "All"} if dry_run else {}
        self._lock = Lock()
        self.requests: Counter[str] = Counter()

    def now(self) -> datetime | None:
        """The API server's time, to the second (RFC 9110, 6.6.1), even from a refusal; None if it does not say.

        Raises SetupError where there is no answer.
        """
        try:
            response = self._send("get", "version", query={}, body=None, content="application/json")
        except ClusterError as error:
            raise SetupError(f"cannot ask the API server for its time: {error}") from error
        try:
            return parsedate_to_datetime(response.headers.get("Date", ""))
        except ValueError:
            return None

    def list_objects(self, kind: str, *, namespace: str | None = None, selector: str = "") -> Iterator[Object]:
        """Every object of a kind, a page at a time; kind and apiVersion, which lists leave out, are put in."""
        limit = MOVERS_PAGE if kind in ("Job", "Pod") else PAGE
        query = {"limit": str(limit)} | ({"labelSelector": selector} if selector else {})
        path, more = _path(kind, namespace), ""
        while True:
            try:
                page = self._request("list", path, query=query | ({"continue": more} if more else {}))
            except ClusterError as error:
                if error.status != _GONE or not more:
                    raise _unlistable(kind, namespace, error) from error
                more = ""  # the list grew too old; whoever reads it knows objects by uid and takes the newer one
                continue
            about = {"apiVersion": page["apiVersion"], "kind": str(kind)}
            for item in page["items"] or ():
                yield about | item
            more = page["metadata"].get("continue", "")
            if not more:
                return
            del page  # before there is another one

    def read_namespace(self, name: str) -> Object:
        """One Namespace; it is a part of what a tick has to see, so a refusal is a SetupError."""
        try:
            return self._request("get", _path("Namespace", None, name))
        except ClusterError as error:
            remedy = _REMEDIES[403] if error.status == 403 else ""
            raise SetupError("; ".join(filter(None, (f"cannot read namespace {name}: {error}", remedy)))) from error

    def apply(self, body: Object, *, manager: str = MANAGER, subresource: str = "", force: bool = True) -> Object:
        """Server-side apply; unknown fields are refused, since a template may have a slip."""
        metadata = body["metadata"]
        path = _path(body["kind"], metadata["namespace"], metadata["name"], subresource)
        query = {"fieldManager": manager, "force": str(force).lower(), "fieldValidation": "Strict"}
        return self._request("patch", path, query=query | self._dry_run, body=body)

    def create_event(self, body: Object) -> None:
        """An Event; its name is made of what it says, so one that exists already says the same."""
        try:
            self._request("post", _path("Event", body["metadata"]["namespace"]), query=self._dry_run, body=body)
        except ClusterError as error:
            if error.reason == "AlreadyExists":
                self._repeat(body)
            elif not error.is_overtaken:  # in a namespace that is being deleted nobody would read it
                raise

    def _repeat(self, event: Object) -> None:
        """Count an Event that exists, unless this is the very write that made it, sent again."""
        path = _path("Event", event["metadata"]["namespace"], event["metadata"]["name"])
        try:
            known = self._request("get", path)
            if series := events.series(known, event):
                version = {"resourceVersion": known["metadata"]["resourceVersion"]}
                body = {"metadata": version, "series": series}
                self._request("patch", path, query=self._dry_run, body=body, content=_MERGE)
        except ClusterError as error:
            if not error.is_overtaken:  # it has expired, or is being counted by somebody else
                raise

    def delete(self, kind: str, namespace: str, *, name: str, uid: str) -> None:
        """Delete one object and in the background what it owns."""
        options = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        dry_run = {"dryRun": ["All"]} if self._dry_run else {}  # beside a body the query would be ignored
        try:
            self._request("delete", _path(kind, namespace, name), body=options | dry_run)
        except ClusterError as error:
            if not error.is_overtaken:
                raise

    def read(self, kind: str, namespace: str, name: str) -> Object:
        """One object."""
        return self._request("get", _path(kind, namespace, name))

    def annotate(self, kind: str, namespace: str, *, name: str, annotations: Mapping[str, str]) -> Object:
        """Set annotations of an object and leave all others as they are; a tick never does."""
        body, query = {"metadata": {"annotations": annotations}}, {"fieldManager": ANNOTATING}
        return self._request("patch", _path(kind, namespace, name), query=query, body=body, content=_MERGE)

    def _request(
        self,
        verb: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content: str = "",
    ) -> dict[str, Any]:
        content = content or (_APPLY if verb == "patch" else "application/json")
        response = self._send(verb, path, query=query or {}, body=body, content=content)
        try:
            # "404 page not found", or a proxy's page
            is_text = response.status >= 400 and not response.data.startswith(b"{")
            answer = {} if is_text or not response.data else json.loads(response.data)
        except ValueError as error:
            raise self._unusable(error) from error
        if response.status >= 400:
            raise _refused(verb, path, status=response.status, answer=answer if isinstance(answer, dict) else {})
        return dict(answer)

    def _send(
        self, verb: str, path: str, *, query: Mapping[str, str], body: Object | None, content: str
    ) -> BaseHTTPResponse:
        with self._lock:
            self.requests[verb] += 1
        try:
            return self._pool.request(
                {"list": "GET"}.get(verb, verb.upper()),
                f"{self._host}/{path}?{urlencode(query)}",
                body=None if body is None else json.dumps(body, ensure_ascii=False).encode(),
                headers={**self._headers, "Accept": "application/json", "Content-Type": content},
                retries=_RETRY,
                timeout=_TIMEOUT,
            )
        except (HTTPError, OSError) as error:
            cause = error.reason if isinstance(error, MaxRetryError) and error.reason else error
            raise self._unusable(cause) from error

    def _unusable(self, cause: BaseException) -> ClusterError:
        return ClusterError(f"no usable answer from {self._host}: {cause}")


def connect(*, context: str | None = None, dry_run: bool = False) -> ApiServer:
    """The API server of the kubeconfig, or inside a pod the one of its service account.

    Raises SetupError when neither is there or usable.
    """
    configuration = Configuration()
    try:
        if context is None and "KUBECONFIG" not in os.environ and "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            config.load_kube_config(context=context, client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (
        config.ConfigException,
        yaml.YAMLError,
        AttributeError,
        LookupError,
        OSError,
        TypeError,
        ValueError,
    ) as error:
        raise SetupError(f"no cluster to talk to: {error}; set KUBECONFIG or give --context") from error
    return ApiServer(configuration, dry_run=dry_run)


def _credentials(configuration: Configuration) -> Iterator[Mapping[str, Any]]:
    yield from cast("Mapping[str, Mapping[str, Any]]", configuration.auth_settings()).values()


def _path(kind: str, namespace: str | None, *rest: str) -> str:
    root, plural = _PATHS[kind]
    parts = [*(("namespaces", namespace) if namespace else ()), plural, *filter(None, rest)]
    return "/".join((root, *(quote(part, safe="") for part in parts)))


def _refused(verb: str, path: str, *, status: int, answer: Object) -> ClusterError:
    """The API server's own words: they name the object, the verb and the right that is missing."""
    message = answer.get("message") or f"HTTP {status}"
    causes = [each.get("reason") for each in (answer.get("details") or {}).get("causes") or ()]
    reason = NAMESPACE_TERMINATING if NAMESPACE_TERMINATING in causes else str(answer.get("reason", ""))
    return ClusterError(f"{verb} {path}: {message}", status=status, reason=reason)


def _unlistable(kind: str, namespace: str | None, error: ClusterError) -> SetupError:
    where = f"in namespace {namespace}" if namespace else "in all namespaces"
    remedy = _REMEDIES.get(error.status)
    return SetupError(f"cannot list {_PATHS[kind][1]} {where}: {error}" + (f"; {remedy}" if remedy else ""))
