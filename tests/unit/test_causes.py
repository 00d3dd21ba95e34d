import pytest

from reconciler.causes import cause_of
from reconciler.failures import FAILURES, Policy


@pytest.mark.parametrize(
    ("trouble", "cause"),
    [
        pytest.param("ImagePullBackOff: example/restic:1", "ImagePullFailed", id="pull"),
        pytest.param("InvalidImageName: couldn't parse image name", "ImagePullFailed", id="image-name"),
        pytest.param("ErrImageNeverPull: image is not present", "ImagePullFailed", id="never-pull"),
        pytest.param('CreateContainerConfigError: secret "nosuch" not found', "SecretNotFound", id="secret"),
        pytest.param(
            "CreateContainerConfigError: couldn't find key RESTIC_PASSWORD in Secret shop/repository",
            "SecretKeyMissing",
            id="key",
        ),
        pytest.param(
            "Unschedulable: 0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found",
            "VolumeNotBound",
            id="unbound",
        ),
        pytest.param(
            'Unschedulable: 0/1 nodes are available: persistentvolumeclaim "data" not found.',
            "VolumeNotBound",
            id="pvc",
        ),
        pytest.param("Unschedulable: 0/3 nodes are available: 3 Insufficient memory.", "Unschedulable", id="no-room"),
        pytest.param("CreateContainerError: context deadline exceeded", "MoverNotStarted", id="runtime"),
        pytest.param('SomethingElse: secret "x" not found', "MoverNotStarted", id="words-of-something-else"),
        pytest.param("", "MoverNotStarted", id="nothing"),
    ],
)
def test_the_words_of_kubernetes_become_a_reason(trouble, cause):
    assert cause_of(trouble) == cause
    assert FAILURES[cause].policy is Policy.WAIT
