from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.chores import with_chores
from reconciler.collisions import collisions
from reconciler.conditions import accepted
from reconciler.endings import finished
from reconciler.naming import repository_note
from reconciler.observed import JobState
from reconciler.planning import mover_settings
from reconciler.plans import Finish
from reconciler.repositories import known_id
from reconciler.results import result_of
from reconciler.status import Status
from tests.factories import at, make_job, make_pod, make_source, seen, slot_run

NOW = at("09:10:00")
RUN = slot_run("09:00:00")
HERE = {"repository_id": "1f", "observed_repository": "shop/repository"}
SOURCE = seen(make_source(), **HERE)
OLDER = seen(make_source(), repository_id="1f")
"""As an earlier version wrote it."""


def edited(resource, **spec):
    return replace(resource, generation=resource.generation + 1, spec=replace(resource.spec, **spec))


def after_a_tick(resource):
    return replace(resource, status=accepted(resource, now=NOW, fingerprint="f"))


def after_a_run_of(former, resource, *, repository_id="1f"):
    """``resource`` once a run that was started for the spec of ``former`` has ended well."""
    job = make_job(former, state=JobState.COMPLETE)
    told = f'{{"result":"Successful","repositoryID":"{repository_id}"}}'
    result = result_of(job, (make_pod(job, termination_message=told),))
    ended = Finish(run=RUN, result=result, ended=NOW)
    return replace(resource, status=finished(resource, resource.status, ended, now=NOW))


@pytest.mark.parametrize(
    ("resource", "known"),
    [
        pytest.param(make_source(), "", id="no-run-has-found-it"),
        pytest.param(SOURCE, "1f", id="as-it-was"),
        pytest.param(edited(SOURCE, priority=5), "1f", id="an-edit-of-something-else"),
        pytest.param(edited(SOURCE, secret="another"), "", id="another-secret"),
        pytest.param(edited(SOURCE, repository_path="db"), "", id="another-path"),
        pytest.param(edited(edited(SOURCE, secret="another"), secret="repository"), "1f", id="there-and-back"),
        pytest.param(OLDER, "1f", id="of-an-earlier-version"),
        pytest.param(edited(OLDER, priority=5), "", id="of-an-earlier-version-and-edited"),
    ],
)
def test_an_id_is_known_where_the_spec_leads_to_its_repository(resource, known):
    assert known_id(resource) == known
    ticked = after_a_tick(resource)
    assert known_id(ticked) == known
    assert known_id(edited(ticked, priority=9)) == known
    assert mover_settings(resource, RUN)["QUILL_REPOSITORY"] == known


def test_an_edit_does_not_end_a_collision():
    found = HERE | {"observed_repository": "elsewhere/repository"}
    away = seen(make_source(namespace="elsewhere", uid="e", identity="db"), **found)
    one = edited(replace(SOURCE, spec=replace(SOURCE.spec, identity="db")), priority=5)
    assert len(collisions([one, away])) == len(collisions([after_a_tick(one), edited(away)])) == 2
    assert collisions([edited(one, secret="another"), away]) == {}


def test_a_run_finds_the_repository_that_it_was_started_for():
    moved = after_a_run_of(make_source(), edited(SOURCE, secret="another"))
    assert (moved.status.repository_id, known_id(moved)) == ("1f", "")
    assert known_id(after_a_run_of(moved, moved, repository_id="2e")) == "2e"
    assert known_id(edited(moved, secret="repository")) == "1f"


def test_a_run_of_an_earlier_version_does_not_say_where_it_looked():
    job = make_job(state=JobState.COMPLETE, repository="")
    result = result_of(job, (make_pod(job, termination_message='{"result":"Successful","repositoryID":"2e"}'),))
    ended = Finish(run=RUN, result=result, ended=NOW)
    assert finished(SOURCE, SOURCE.status, ended, now=NOW).repository_id == "1f"
    assert finished(make_source(), Status(), ended, now=NOW).repository_id is None


def test_a_long_path_is_noted_in_little_room():
    long = [make_source(repository_path="p" * 9000 + end) for end in "ab"]
    notes = {repository_note(each) for each in long}
    assert (len(notes), {len(each) for each in notes}) == (2, {253})


def test_chores_know_it_too():
    source = replace(SOURCE, spec=replace(SOURCE.spec, prune_interval=timedelta(days=7)))
    source = edited(replace(source, status=replace(source.status, last_sync_time=NOW)), priority=5)
    assert [known_id(each) for each in with_chores(source)] == ["1f", "1f"]
    assert [known_id(each) for each in with_chores(edited(source, secret="another"))] == ["", ""]
