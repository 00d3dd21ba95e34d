"""PodTemplates as users write them: one that a hook may be made of, and many that it may not."""

from copy import deepcopy

CONTAINER = {"name": "hook", "image": "hook:test", "command": ["sleep", "0"]}
GOOD = {"metadata": {"labels": {"app": "shop"}}, "spec": {"containers": [CONTAINER], "restartPolicy": "Always"}}


def _with(path, value):
    """GOOD with ``value`` at ``path`` of its spec, of which ``0`` is the first container."""
    pod = deepcopy(GOOD)
    node = pod["spec"]
    for step in path[:-1]:
        node = node["containers"][0] if step == 0 else node.setdefault(step, {})
    node[path[-1]] = value
    return pod


_OF_SECURITY = {
    "seccomp": (("seccompProfile",), {"type": "Unconfined"}, "seccompProfile.type is Unconfined"),
    "apparmor": (("appArmorProfile",), {"type": "Unconfined"}, "appArmorProfile.type is Unconfined"),
    "selinux-type": (("seLinuxOptions",), {"type": "spc_t"}, "seLinuxOptions.type is spc_t"),
    "selinux-user": (("seLinuxOptions",), {"user": "system_u"}, "seLinuxOptions.user is set"),
    "selinux-role": (("seLinuxOptions",), {"role": "system_r"}, "seLinuxOptions.role is set"),
}
_OF_POD = {
    "host-network": (("hostNetwork",), True, "template.spec.hostNetwork is true"),
    "host-pid": (("hostPID",), True, "template.spec.hostPID is true"),
    "host-ipc": (("hostIPC",), True, "template.spec.hostIPC is true"),
    "host-path": (("volumes",), [{"name": "x", "hostPath": {"path": "/"}}], "template.spec.volumes[0] is a hostPath"),
    "sysctl": (
        ("securityContext", "sysctls"), [{"name": "kernel.msgmax", "value": "1"}],
        "template.spec.securityContext.sysctls is set",
    ),
}  # fmt: skip
_OF_CONTAINER = {
    "privileged": (("securityContext", "privileged"), True, "securityContext.privileged is true"),
    "capability": (
        ("securityContext", "capabilities"), {"add": ["SYS_ADMIN"]}, "securityContext.capabilities.add has SYS_ADMIN"
    ),
    "host-port": (("ports",), [{"containerPort": 80, "hostPort": 80}], "ports[0].hostPort is 80"),
}  # fmt: skip

FORBIDDEN = {name: (_with(path, value), words) for name, (path, value, words) in _OF_POD.items()}
"""By name: a pod's template that Pod Security Standards forbid as well, and words that tell which field it is."""
FORBIDDEN |= {
    name: (_with((0, *path), value), f"template.spec.containers[0].{words}")
    for name, (path, value, words) in _OF_CONTAINER.items()
}
FORBIDDEN |= {
    f"{name}-of-the-pod": (_with(("securityContext", *path), value), f"template.spec.securityContext.{words}")
    for name, (path, value, words) in _OF_SECURITY.items()
}
FORBIDDEN |= {
    f"{name}-of-a-container": (
        _with((0, "securityContext", *path), value), f"template.spec.containers[0].securityContext.{words}"
    )
    for name, (path, value, words) in _OF_SECURITY.items()
}  # fmt: skip
BEYOND = {
    "escalation": (
        _with((0, "securityContext", "allowPrivilegeEscalation"), True),
        "template.spec.containers[0].securityContext.allowPrivilegeEscalation is true",
    ),
    "capability-that-baseline-allows": (
        _with((0, "securityContext", "capabilities"), {"add": ["CHOWN"]}), "capabilities.add has CHOWN",
    ),
    "sysctl-that-baseline-allows": (
        _with(("securityContext", "sysctls"), [{"name": "net.ipv4.ip_local_port_range", "value": "1 2"}]),
        "securityContext.sysctls is set",
    ),
    "windows-host-process": (
        _with(("securityContext", "windowsOptions"), {"hostProcess": True}), "windowsOptions.hostProcess is true",
    ),
    "probe-of-another-host": (
        _with((0, "livenessProbe"), {"httpGet": {"port": 80, "host": "10.0.0.1"}}), "livenessProbe names a host",
    ),
    "lifecycle-of-another-host": (
        _with((0, "lifecycle"), {"preStop": {"tcpSocket": {"port": 80, "host": "10.0.0.1"}}}),
        "lifecycle.preStop names a host",
    ),
    "proc-mount": (_with((0, "securityContext", "procMount"), "Unmasked"), "securityContext.procMount is Unmasked"),
    "init-container": (
        {"spec": {**GOOD["spec"], "initContainers": [{**CONTAINER, "securityContext": {"privileged": True}}]}},
        "template.spec.initContainers[0].securityContext.privileged is true",
    ),
    "ephemeral-container": (
        {"spec": {**GOOD["spec"], "ephemeralContainers": [{**CONTAINER, "securityContext": {"privileged": True}}]}},
        "template.spec.ephemeralContainers[0].securityContext.privileged is true",
    ),
    "apparmor-annotation": (
        {**GOOD, "metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/hook": "unconfined"}}},
        "annotations[container.apparmor.security.beta.kubernetes.io/hook] is unconfined",
    ),
}  # fmt: skip
"""The same for what baseline allows, or what no API server would take in a PodTemplate, or does not judge."""
