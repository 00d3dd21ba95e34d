import pytest

from reconciler.podsecurity import refusal
from tests.podtemplates import BEYOND, FORBIDDEN, GOOD


@pytest.mark.parametrize(("pod", "words"), [*FORBIDDEN.values(), *BEYOND.values()], ids=[*FORBIDDEN, *BEYOND])
def test_what_reaches_out_of_a_container_is_refused_by_the_name_of_its_field(pod, words):
    assert words in refusal({"template": pod})


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({}, id="plain"),
        pytest.param({"hostNetwork": False, "hostUsers": True}, id="said-to-be-ordinary"),
        pytest.param({"serviceAccountName": "x", "automountServiceAccountToken": True}, id="service-account"),
        pytest.param({"volumes": [{"name": "x", "secret": {"secretName": "x"}}]}, id="secret"),
        pytest.param({"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}, id="seccomp"),
        pytest.param({"securityContext": {"seLinuxOptions": {"type": "container_t", "level": "s0"}}}, id="selinux"),
    ],
)
def test_the_rest_is_its_authors_affair(spec):
    assert refusal({"template": {**GOOD, "spec": {**GOOD["spec"], **spec}}}) == ""


@pytest.mark.parametrize(
    "template", [{}, {"template": None}, {"template": {"spec": {"containers": None, "volumes": [None, "x"]}}}]
)
def test_what_is_not_as_expected_is_no_failure(template):
    assert refusal(template) == ""
