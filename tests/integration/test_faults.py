"""An API server that refuses, breaks off or is gone: retried where that helps, else said in a sentence, and healed."""

import threading

import pytest

from reconciler import cluster
from reconciler.errors import SetupError
from tests.integration.conftest import refusal

pytestmark = pytest.mark.integration


@pytest.fixture
def wired(stage, wire):
    stage.kubeconfig = wire.kubeconfig
    stage.cluster = stage.connect()
    return stage


def at(write=0, *, lists="", times=1, answer=None):
    """A rule: the ``write``-th write, or each list of a kind, is answered so ``times`` times."""
    left, lock, writes = [times], threading.Lock(), [0]

    def rule(request, forward):
        with lock:
            writes[0] += request.is_write
            hit = request.is_write and writes[0] >= write if write else lists and f"/{lists}?" in request.path
            hit = hit and not (request.is_write and not write) and left[0] > 0
            left[0] -= bool(hit)
        return answer if hit else forward()

    return rule


BUSY = {
    "429": refusal(429, "TooManyRequests", **{"Retry-After": "1"}),
    "500": refusal(500, "InternalError", "etcdserver: leader changed"),
    "503": refusal(503, "ServiceUnavailable"),
    "hangs-up": None,
}


@pytest.mark.parametrize("answer", BUSY.values(), ids=BUSY)
@pytest.mark.parametrize(
    "where", [{"lists": "replicationsources"}, {"write": 1}, {"write": 3}], ids=["list", "job", "status"]
)
def test_what_passes_is_retried_and_nobody_hears_of_it(wired, wire, where, answer):
    wired.source()
    wire.rule = at(**where, answer=answer)
    outcome = wired.tick()["nightly"]
    assert (outcome.what, outcome.unrecorded) == ("Started", False)
    assert wired.condition("Ready")[:2] == ("True", "Progressing")
    wired.only("Job")


def test_a_write_whose_answer_is_lost_is_sent_again_without_harm(wired, wire):
    """Each write of a whole run arrives twice; a status without an answer counts as somebody else's for a tick."""
    lost = set()

    def lose(request, forward):
        if request.is_write and (request.path, request.body) not in lost:
            lost.add((request.path, request.body))
            forward()
            return None
        return forward()

    wired.source()
    wire.rule = lose
    for after in (0, 5, 10, 15, 20):
        wired.take_snapshots()
        assert not wired.tick(after=after)["nightly"].unrecorded
        wired.run_movers()
    wired.collect_garbage()
    assert wired.list("Job") == []
    assert (wired.status()["lastSlot"], wired.status()["consecutiveFailures"]) == (wired.token, 0)


def test_retry_after_is_obeyed(wired, wire):
    """The second attempt comes when the API server asked for it, not when our own backoff is over."""
    waits = []
    wire.rule = at(lists="replicationsources", answer=refusal(429, "TooManyRequests", **{"Retry-After": "7"}))

    class Patient(cluster._RETRY.__class__):
        def sleep_for_retry(self, response):
            waits.append(self.get_retry_after(response))
            return True

    wired.source()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "_RETRY", Patient(**_options(cluster._RETRY)))
        assert wired.tick()["nightly"].what == "Started"
    assert waits == [7]


def _options(retry):
    return {
        "total": retry.total, "backoff_factor": retry.backoff_factor, "status_forcelist": retry.status_forcelist,
        "allowed_methods": retry.allowed_methods, "raise_on_status": retry.raise_on_status,
    }  # fmt: skip


def test_a_job_that_cannot_be_made_for_long_is_in_its_resources_status_and_made_later(wired, wire, monkeypatch):
    impatient(monkeypatch)
    wired.source()
    wire.rule = lambda request, forward: BUSY["503"] if "/jobs/" in request.path else forward()
    outcome = wired.tick()["nightly"]
    assert (outcome.what, outcome.unrecorded) == ("Error", False)
    status, reason, message = wired.condition("Ready")
    assert (status, reason) == ("False", "ApplyFailed")
    assert "jobs" in message
    wire.rule = lambda _, forward: forward()
    assert wired.tick(after=5)["nightly"].what == "Started"
    assert wired.condition("Ready")[0] == "True"


def test_a_status_that_cannot_be_written_is_an_error_and_derived_again(wired, wire, monkeypatch):
    impatient(monkeypatch)
    wired.source()
    wire.rule = lambda request, forward: BUSY["500"] if "/status" in request.path else forward()
    outcome = wired.tick()["nightly"]
    assert outcome.unrecorded
    assert "leader changed" in outcome.message
    wire.rule = lambda _, forward: forward()
    wired.tick(after=5)
    assert wired.status()["lastSlot"] == wired.token
    wired.only("Job")


def test_a_list_that_is_no_json_is_a_set_up_error(wired, wire):
    wire.rule = lambda *_: type(BUSY["500"])(200, b"<html>log in first</html>", {"Content-Type": "text/html"})
    with pytest.raises(SetupError, match=r"cannot list replicationsources .*no usable answer"):
        wired.tick()


def test_a_conflict_at_the_status_is_dropped_and_derived_again(wired, wire):
    wired.source()
    wire.rule = at(write=3, answer=refusal(409, "Conflict", "the object has been modified"))
    outcome = wired.tick()["nightly"]
    assert (outcome.what, outcome.unrecorded) == ("Superseded", False)
    wired.tick(after=5)
    assert wired.status()["lastSlot"] == wired.token
    wired.only("Job")


class TestServerThatIsGone:
    """As a process: the exit code and what is said are what a person sees."""

    @pytest.mark.parametrize("request_number", [1, 2, 9, 10, 12], ids=lambda number: f"at-request-{number}")
    def test_in_mid_tick_is_one_clear_sentence_and_the_next_tick_heals(self, stage, wire, quill, request_number):
        stage.source(spec={"trigger": {"manual": "now"}})

        def cut(request, forward):
            if request.number < request_number:
                return forward()
            threading.Thread(target=wire.cut).start()
            return None

        wire.rule = cut
        code, output, errors = quill.run("tick", "--namespace", stage.namespace, kubeconfig=wire.kubeconfig)
        assert "Traceback" not in errors + output
        assert code == (2 if request_number <= 9 else 1)
        (sentence,) = [line for line in (errors + output).splitlines() if "no usable answer" in line]
        assert "127.0.0.1" in sentence
        stage.tick()
        assert stage.condition("Ready")[:2] == ("True", "Progressing")
        stage.only("Job")

    def test_from_the_start_says_where_it_was_looked_for(self, wire, quill):
        wire.cut()
        code, output, errors = quill.run("tick", kubeconfig=wire.kubeconfig)
        assert (code, output) == (2, "")
        assert len(errors.splitlines()) == 1
        assert "cannot ask the API server for its time" in errors
        assert "refused" in errors


def test_a_server_that_never_answers_does_not_hold_a_tick_for_ever(wired, wire, monkeypatch):
    impatient(monkeypatch)
    monkeypatch.setattr(cluster, "_TIMEOUT", 0.2)
    over = threading.Event()
    wire.rule = lambda *_: over.wait(timeout=30) and None
    with pytest.raises(SetupError, match="timed out"):
        wired.tick()
    over.set()


def impatient(monkeypatch):
    """Retry as often as ever, without the waiting in between."""
    monkeypatch.setattr(cluster, "_RETRY", cluster._RETRY.new(backoff_factor=0))
