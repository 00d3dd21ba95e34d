"""What a hook's pod may not ask for: the "baseline" Pod Security Standard, and three rules more. Pure.

Whoever may write a PodTemplate may not be allowed to create pods. So what reaches out of a container is refused before
anything is applied: the node's namespaces, files, ports and devices. Beyond baseline, no capability is added at all, no
sysctl is set, and privilege escalation is not asked for.
"""

from collections.abc import Iterator
from typing import Final

from reconciler.foreign import Raw, mapping_at, objects_at

_HOST_NAMESPACES: Final = ("hostNetwork", "hostPID", "hostIPC")
_PRIVILEGES: Final = ("privileged", "allowPrivilegeEscalation")
_CONTAINERS: Final = ("initContainers", "containers", "ephemeralContainers")
_SELINUX_TYPES: Final = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
_APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"
_PROBES: Final = (
    ("livenessProbe",),
    ("readinessProbe",),
    ("startupProbe",),
    ("lifecycle", "postStart"),
    ("lifecycle", "preStop"),
)


def refusal(template: Raw) -> str:
    """The first thing in a PodTemplate that a hook may not ask for, with its field; empty if there is none."""
    pod = mapping_at(template, "template")
    return next(iter([*_of_pod("template.spec", mapping_at(pod, "spec")), *_of_annotations(pod)]), "")


def _of_pod(path: str, spec: Raw) -> Iterator[str]:
    yield from (f"{path}.{name} is true" for name in _HOST_NAMESPACES if spec.get(name))
    for number, volume in enumerate(objects_at(spec, "volumes")):
        if "hostPath" in volume:
            yield f"{path}.volumes[{number}] is a hostPath"
    yield from _of_security(f"{path}.securityContext", mapping_at(spec, "securityContext"))
    for kind in _CONTAINERS:
        for number, container in enumerate(objects_at(spec, kind)):
            yield from _of_container(f"{path}.{kind}[{number}]", container)


def _of_annotations(pod: Raw) -> Iterator[str]:
    for name, value in mapping_at(pod, "metadata", "annotations").items():
        if name.startswith(_APPARMOR) and value != "runtime/default" and not str(value).startswith("localhost/"):
            yield f"template.metadata.annotations[{name}] is {value}"


def _of_container(path: str, container: Raw) -> Iterator[str]:
    security = mapping_at(container, "securityContext")
    yield from _of_privileges(f"{path}.securityContext", security)
    yield from _of_security(f"{path}.securityContext", security)
    for number, port in enumerate(objects_at(container, "ports")):
        if port.get("hostPort"):
            yield f"{path}.ports[{number}].hostPort is {port['hostPort']}"
    for steps in _PROBES:
        if any(mapping_at(container, *steps, handler).get("host") for handler in ("httpGet", "tcpSocket")):
            yield f"{path}.{'.'.join(steps)} names a host"


def _of_privileges(where: str, security: Raw) -> Iterator[str]:
    yield from (f"{where}.{name} is true" for name in _PRIVILEGES if security.get(name))
    if added := mapping_at(security, "capabilities").get("add"):
        yield f"{where}.capabilities.add has {added[0]}"
    if security.get("procMount", "Default") != "Default":
        yield f"{where}.procMount is {security['procMount']}"


def _of_security(where: str, security: Raw) -> Iterator[str]:
    """What the security contexts of a pod and of a container have in common."""
    if security.get("sysctls"):
        yield f"{where}.sysctls is set"
    if mapping_at(security, "windowsOptions").get("hostProcess"):
        yield f"{where}.windowsOptions.hostProcess is true"
    for name in ("seccompProfile", "appArmorProfile"):
        if mapping_at(security, name).get("type") == "Unconfined":
            yield f"{where}.{name}.type is Unconfined"
    selinux = mapping_at(security, "seLinuxOptions")
    if (kind := selinux.get("type", "")) not in _SELINUX_TYPES:
        yield f"{where}.seLinuxOptions.type is {kind}"
    for name in ("user", "role"):
        if selinux.get(name):
            yield f"{where}.seLinuxOptions.{name} is set"
