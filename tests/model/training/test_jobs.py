"""Trainings that were asked for: none is lost or started twice, whoever dies or is away."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from model import language
from model.errors import AccessError, ConfigError, InputError, StoreError
from model.people import audit
from model.training import job_store, jobs
from model.training.job_host import (
    CANCELLED,
    FAILED,
    LOST,
    QUEUED,
    RUNNING,
    STATES,
    SUCCEEDED,
    Seen,
    seen_in_log,
)  # fmt: skip
from model.training.jobs import JobSpec
from model.versions import tracking
from tests.model.job_cases import ADMIN, ANN, SET, SPEC, VISITOR, StubHost, set_up, wait_for
from tests.pages.spanish import spanish

AWAY = StoreError("a host that answers", "no answer", "Start it.")


@pytest.fixture
def host(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> StubHost:
    """A host in memory, in place of this computer."""
    if "database" not in request.fixturenames:
        request.getfixturevalue("sqlite_home")
    set_up(monkeypatch, tmp_path)
    stub = StubHost()
    monkeypatch.setattr(jobs, "host_of", lambda name: stub)
    return stub


def actions() -> list[tuple[str, str]]:
    return [(entry.actor, entry.action) for entry in reversed(audit.entries(ADMIN))]


def test_a_job_goes_from_the_queue_to_its_version(database: str, host: StubHost):
    job = jobs.submit(ADMIN, JobSpec(SET, seed=3, changes=("epochs=1",)))
    assert (job.state, job.by, job.attempt, job.message) == (QUEUED, "zoe", 1, "")
    host.seen = Seen(RUNNING, started="2026-11-21T10:00:00.000000Z")
    assert jobs.job(ANN, job.id).state == RUNNING
    host.seen = Seen(SUCCEEDED, "", "vgg16-new", ended="2026-11-21T11:00:00.000000Z")
    ended = jobs.job(ANN, job.id)
    assert (ended.state, ended.model_version) == (SUCCEEDED, "vgg16-new")
    assert (ended.started[11:13], ended.ended[11:13]) == ("10", "11")
    assert ended.spec == JobSpec(SET, seed=3, changes=("epochs=1",))
    assert host.started == [f"{job.id}/1"]
    assert actions() == [("zoe", "training asked for"), ("local", "training succeeded")]
    host.seen = Seen(LOST)  # what has succeeded stays so
    assert jobs.jobs(ANN) == [ended]


def test_the_folder_has_all_that_a_host_needs(host: StubHost, tmp_path: Path):
    job = jobs.submit(ADMIN, SPEC)
    folder = tmp_path / "home" / "jobs" / job.id
    told = json.loads((folder / "spec.json").read_text())
    assert (told["job_id"], told["set_sha256"], told["config"]) == (job.id, SET, "lungs")
    assert (folder / "films.zip").read_bytes() == (tmp_path / "set" / "films.zip").read_bytes()
    assert json.loads((folder / "champion" / "bundle.json").read_text())["model_version"] == (
        "vgg16-shipped"
    )
    assert [path.name for path in folder.parent.iterdir()] == [job.id]


def test_a_look_that_finds_nothing_new_writes_nothing(
    host: StubHost, monkeypatch: pytest.MonkeyPatch
):
    """So that pages that look every other second are not in the way of those who write."""
    host.seen = Seen(LOST, "The host does not answer.")
    jobs.job(ANN, jobs.submit(ADMIN, SPEC).id)
    monkeypatch.setattr(job_store, "change", None)
    assert [job.state for job in jobs.jobs(ANN)] == [LOST]


def test_jobs_are_listed_newest_first(host: StubHost):
    submitted = [jobs.submit(ADMIN, SPEC).id for _ in range(3)]
    assert [job.id for job in jobs.jobs(ANN)] == submitted[::-1]


def test_every_state_says_what_to_do(host: StubHost):
    job = jobs.submit(ADMIN, SPEC)
    sentences = {replace(job, state=state).todo for state in STATES}
    assert len(sentences) == len(STATES)
    assert "last finished epoch" in replace(job, state=LOST).todo


def test_only_an_admin_changes_anything_and_a_visitor_sees_nothing(host: StubHost):
    job = jobs.submit(ADMIN, SPEC)
    for refused in (
        lambda: jobs.submit(ANN, SPEC),
        lambda: jobs.cancel(ANN, job.id),
        lambda: jobs.retry(ANN, job.id),
        lambda: jobs.jobs(VISITOR),
        lambda: jobs.job(VISITOR, job.id),
        lambda: jobs.log(VISITOR, job.id),
        lambda: jobs.curves(VISITOR, job.id),
    ):
        with pytest.raises(AccessError):
            refused()
    assert host.started == [f"{job.id}/1"]


@pytest.mark.parametrize(
    "spec",
    [JobSpec(SET, config="nonsense"), JobSpec(SET, changes=("nonsense=1",)),
     JobSpec(SET, changes=("epochs=many",)), JobSpec(SET, changes=("network=mlp",)),
     JobSpec(SET, changes=("protocol=grouped",)), JobSpec(SET, folds=3)],
)  # fmt: skip
def test_a_setting_that_no_job_may_have_is_refused_before_anything_is_stored(host: StubHost, spec):
    with pytest.raises(ConfigError):
        jobs.submit(ADMIN, spec)
    assert jobs.jobs(ANN) == []


def test_a_full_disk_says_so_and_leaves_nothing(
    host: StubHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(jobs.shutil, "copyfile", full)
    with pytest.raises(StoreError, match=r"No space left.*Nothing was started"):
        jobs.submit(ADMIN, SPEC)
    assert jobs.jobs(ANN) == []
    assert list((tmp_path / "home" / "jobs").iterdir()) == []


def test_a_host_that_this_installation_has_not_is_refused(
    sqlite_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    set_up(monkeypatch, tmp_path)
    monkeypatch.delenv("XRAY_RAY_ADDRESS", raising=False)
    with pytest.raises(ConfigError, match="XRAY_RAY_ADDRESS"):
        jobs.submit(ADMIN, SPEC, "ray")
    assert jobs.hosts() == ["local"]
    monkeypatch.setenv("XRAY_RAY_ADDRESS", "http://gpu-box:8265")
    assert jobs.hosts() == ["local", "ray"]


def test_an_id_that_no_job_has_says_so(host: StubHost):
    for asked in (jobs.job, jobs.log, jobs.cancel):
        with pytest.raises(InputError, match="jobs list"):
            asked(ADMIN, "../../etc")


def test_settings_of_a_newer_program_do_not_matter():
    assert JobSpec.parse({"set_sha256": SET, "seed": 1, "teleport": True}) == JobSpec(SET, seed=1)


# --- hosts that are away --------------------------------------------------------------------------


def test_a_host_that_is_away_gets_the_job_when_it_is_back(host: StubHost):
    host.fault = AWAY
    job = jobs.submit(ADMIN, SPEC)
    assert (job.state, job.message) == (QUEUED, str(AWAY))
    assert jobs.job(ANN, job.id).message == str(AWAY)
    host.fault = None
    assert jobs.job(ANN, job.id).message == ""
    jobs.jobs(ANN)
    assert host.started == [f"{job.id}/1"]


def test_a_job_whose_host_vanished_is_lost_and_found_again(host: StubHost):
    job = jobs.submit(ADMIN, SPEC)
    host.seen = Seen(LOST, "The host does not answer.")
    lost = jobs.job(ANN, job.id)
    assert (lost.state, lost.message) == (LOST, "The host does not answer.")
    assert lost.ended
    host.seen = Seen(RUNNING)
    found = jobs.job(ANN, job.id)
    assert (found.state, found.message, found.ended) == (RUNNING, "", "")
    host.seen = Seen(SUCCEEDED, "", "vgg16-new")
    assert jobs.job(ANN, job.id).model_version == "vgg16-new"


def test_a_host_that_is_no_longer_configured_loses_its_jobs(
    host: StubHost, monkeypatch: pytest.MonkeyPatch
):
    job = jobs.submit(ADMIN, SPEC)

    def gone(name: str) -> StubHost:
        raise ConfigError("a host among local", name, "Set XRAY_RAY_ADDRESS.")

    monkeypatch.setattr(jobs, "host_of", gone)
    assert jobs.job(ANN, job.id).state == LOST
    assert (jobs.log(ANN, job.id), jobs.curves(ANN, job.id)) == ("", [])


def test_what_is_kept_of_a_job_is_english_whoever_looked_at_it(
    host: StubHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    job = jobs.submit(ADMIN, SPEC)

    def host_of(name: str) -> StubHost:
        said = map(language._, ("nothing", "none", "Try again later."))
        raise ConfigError(*said)

    monkeypatch.setattr(jobs, "host_of", host_of)
    words = {"nothing": "nada", "none": "ninguno", "Try again later.": "Más tarde."}
    with spanish(tmp_path, words):
        with pytest.raises(ConfigError, match="Expected nada"):
            host_of("local")
        jobs.job(ADMIN, job.id)
    message = "Expected nothing. Received: none. Try again later."
    assert job_store.get(job.id).message == message


def test_a_slow_host_is_asked_for_one_lost_job_only(
    host: StubHost, monkeypatch: pytest.MonkeyPatch
):
    for _ in range(3):
        jobs.submit(ADMIN, SPEC)
    looks = []
    monkeypatch.setattr(jobs, "LOOK_SECONDS", -1.0)  # any look takes longer
    monkeypatch.setattr(host, "look", lambda handle: looks.append(handle) or Seen(LOST))
    assert [job.state for job in jobs.jobs(ANN)] == [LOST, QUEUED, QUEUED]
    assert len(looks) == 1


# --- cancel and retry -----------------------------------------------------------------------------


def test_a_running_job_is_cancelled_and_retried_in_its_folder(host: StubHost):
    job = jobs.submit(ADMIN, SPEC)
    host.seen = Seen(RUNNING)
    jobs.job(ANN, job.id)
    monkey_seen = Seen(CANCELLED)
    host.cancel = lambda handle: setattr(host, "seen", monkey_seen)
    assert jobs.cancel(ADMIN, job.id).state == CANCELLED
    host.seen = Seen(QUEUED)
    again = jobs.retry(ADMIN, job.id)
    assert (again.state, again.attempt, again.ended) == (QUEUED, 2, "")
    assert host.started == [f"{job.id}/1", f"{job.id}/2"]
    assert actions()[-2:] == [("zoe", "training cancelled"), ("zoe", "training retried")]


def test_a_job_that_has_just_finished_is_not_cancelled(host: StubHost):
    job = jobs.submit(ADMIN, SPEC)
    host.cancel = lambda handle: setattr(host, "seen", Seen(SUCCEEDED, "", "vgg16-new"))
    assert jobs.cancel(ADMIN, job.id).state == SUCCEEDED
    assert jobs.cancel(ADMIN, job.id).state == SUCCEEDED


def test_a_job_whose_host_is_away_is_not_cancelled_behind_its_back(host: StubHost):
    job = jobs.submit(ADMIN, SPEC)
    host.seen, host.fault = Seen(LOST), AWAY
    with pytest.raises(StoreError, match="a host that answers"):
        jobs.cancel(ADMIN, job.id)
    assert jobs.job(ANN, job.id).state == LOST


def test_a_job_that_no_host_has_taken_can_be_cancelled(host: StubHost):
    host.fault = AWAY
    job = jobs.submit(ADMIN, SPEC)
    assert jobs.cancel(ADMIN, job.id).state == CANCELLED
    host.fault = None
    assert jobs.job(ANN, job.id).state == CANCELLED
    assert host.started == []


def test_a_job_that_is_cancelled_while_its_host_is_asked_is_stopped_there(
    host: StubHost, monkeypatch: pytest.MonkeyPatch
):
    start = host.start

    def cancelled_meanwhile(job_id: str, attempt: int, folder: Path) -> str:
        handle = start(job_id, attempt, folder)
        job_store.change(job_id, lambda job: replace(job, state=CANCELLED))
        return handle

    monkeypatch.setattr(host, "start", cancelled_meanwhile)
    job = jobs.submit(ADMIN, SPEC)
    assert (job.state, host.cancelled) == (CANCELLED, [f"{job.id}/1"])


@pytest.mark.parametrize("state", [QUEUED, RUNNING, SUCCEEDED])
def test_a_job_that_goes_on_or_has_succeeded_is_not_retried(host: StubHost, state: str):
    job = jobs.submit(ADMIN, SPEC)
    host.seen = Seen(state)
    with pytest.raises(InputError, match="Nothing is to be done"):
        jobs.retry(ADMIN, job.id)
    assert jobs.job(ANN, job.id).attempt == 1


def test_two_admins_who_retry_at_once_start_it_once(
    host: StubHost, monkeypatch: pytest.MonkeyPatch
):
    job = jobs.submit(ADMIN, SPEC)
    host.seen = Seen(FAILED, "The loss is no number.")
    saw = jobs.job(ANN, job.id)
    jobs.retry(ADMIN, job.id)
    host.seen = Seen(FAILED, "Again.")
    jobs.job(ANN, job.id)
    monkeypatch.setattr(jobs, "_looked_at", lambda _: saw)  # the second one has seen the first try
    with pytest.raises(InputError):
        jobs.retry(ADMIN, job.id)
    assert host.started == [f"{job.id}/1", f"{job.id}/2"]


def test_what_a_host_says_of_an_attempt_that_is_over_does_not_count(host: StubHost):
    before = jobs.submit(ADMIN, SPEC)
    host.seen = Seen(FAILED)
    jobs.job(ANN, before.id)
    now = jobs.retry(ADMIN, before.id)
    assert jobs._store(before, Seen(SUCCEEDED, "", "vgg16-old")) == now


def test_a_job_whose_folder_was_deleted_is_not_retried(host: StubHost, tmp_path: Path):
    job = jobs.submit(ADMIN, SPEC)
    host.seen = Seen(FAILED)
    (tmp_path / "home" / "jobs" / job.id / "spec.json").unlink()
    with pytest.raises(StoreError, match="Start a new training"):
        jobs.retry(ADMIN, job.id)
    assert jobs.job(ANN, job.id).state == FAILED


@pytest.mark.parametrize(
    ("state", "status"), [(CANCELLED, "KILLED"), (LOST, "KILLED"), (FAILED, "FAILED")]
)
def test_the_run_of_a_training_that_ended_is_ended_once(
    host: StubHost, monkeypatch: pytest.MonkeyPatch, state: str, status: str
):
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(tracking, "end_run", lambda *given: told.append(given))
    host.text = f'Attempt 1\n{{"run_id": "first"}}\nAttempt 2\n{{"run_id": "7"}}\n{line(0, 0, 0.9)}'
    job = jobs.submit(ADMIN, SPEC)
    host.seen = Seen(state, "Ended.")
    for _ in range(2):
        assert jobs.job(ANN, job.id).state == state
    wait_for(lambda: told == [("7", status)], f"{told}")


def test_the_run_of_a_training_whose_host_is_away_is_left_alone(
    host: StubHost, monkeypatch: pytest.MonkeyPatch
):
    def away(handle: str) -> str:
        raise AWAY

    monkeypatch.setattr(tracking, "end_run", None)
    monkeypatch.setattr(host, "log", away)
    job = jobs.submit(ADMIN, SPEC)
    host.seen = Seen(LOST, "The host does not answer.")
    assert jobs.job(ANN, job.id).state == LOST


# --- log and curves -------------------------------------------------------------------------------


def line(stage: int, epoch: int, loss: float) -> str:
    return json.dumps({"stage": stage, "epoch": epoch, "loss": loss, "seconds": 1.0}) + "\n"


def test_curves_are_the_epochs_as_they_were_done_last(host: StubHost):
    job = jobs.submit(ADMIN, SPEC)
    host.text = "Attempt 1\n" + line(0, 0, 0.9) + "4/4 - 2s\n" + line(0, 1, 0.8) + line(1, 0, 0.7)
    host.text += "Attempt 2\n{not json}\n" + line(1, 0, 0.6) + line(1, 1, 0.5)
    host.text += '{"result": {"model_version": "vgg16-new"}}\n{"stage": 1, "epo'
    found = [(told["stage"], told["epoch"], told["loss"]) for told in jobs.curves(ANN, job.id)]
    assert found == [(0, 0, 0.9), (0, 1, 0.8), (1, 0, 0.6), (1, 1, 0.5)]


def test_the_end_of_a_long_log_is_shown(host: StubHost):
    job = jobs.submit(ADMIN, SPEC)
    host.text = "x" * 100_000 + "the end"
    assert jobs.log(ANN, job.id).endswith("xthe end")
    assert len(jobs.log(ANN, job.id)) == 64 * 1024


def test_a_result_is_found_in_a_log():
    assert seen_in_log("Reading\n") is None
    told = {"result": {"model_version": "vgg16-new", "run_id": "7", "ended": "2026"}}
    assert seen_in_log(f"Reading\n{json.dumps(told)}\n") == Seen(
        SUCCEEDED, "", "vgg16-new", ended="2026"
    )
    told = {"result": {"error": "TrainingError", "message": "The loss is no number."}}
    assert seen_in_log(json.dumps(told)) == Seen(FAILED, "The loss is no number.")
