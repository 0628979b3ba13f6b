"""The page Admin, tab Jobs: states and what to do, curves and log, cancel and retry."""

from pathlib import Path

import pytest

from model import store
from model.config import settings
from model.errors import StoreError
from model.people import audit
from model.people.access import Actor
from model.retraining.retraining_storage import JOB, SET, items
from model.training import job_store, jobs
from model.training.job_host import BUNDLE, STATES
from model.training.job_store import Job, JobSpec
from model.versions import champion
from tests.model import version_cases as versions
from tests.pages.admin_page import ZOE, Tab
from tests.pages.fake_host import FakeHost
from tests.pages.fake_host import host as host
from tests.pages.fragments import alone

HOSTILE = "<img src=x onerror=alert(1)> *Bo*"
SET_SHA256 = "ab" * 32


@pytest.fixture(autouse=True)
def home(sqlite_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home; the shipped version is made up."""
    versions.write_version(tmp_path / "shipped")
    monkeypatch.setattr(champion, "SHIPPED", tmp_path / "shipped")
    return sqlite_home


def ask(id: str = "job1", config: str = "lungs") -> Job:
    """A job that was asked for, with its folder."""
    folder = settings().home / "jobs" / id
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text("{}")
    spec = JobSpec(SET_SHA256, config)
    job_store.add(Job(id, spec, "local", "QUEUED", store.now(), "zoe", attempt=1))
    return jobs.job(ZOE, id)


def labels(shown: Tab) -> list[str]:
    return [button.label for button in shown.at.button]


def test_without_a_job_it_says_where_one_is_started() -> None:
    assert "No training yet. Start one on the tab Retrain." in Tab("Jobs").text


@pytest.mark.parametrize("state", STATES)
def test_each_state_says_what_to_do(host: FakeHost, state: str) -> None:
    ask()
    host.says(state)
    shown = Tab("Jobs")
    assert job_store.WHAT_TO_DO[state] in shown.text
    assert ("Cancel" in labels(shown)) == (state in ("QUEUED", "RUNNING"))
    assert ("Retry" in labels(shown)) == (state in ("FAILED", "CANCELLED", "LOST"))


def test_a_job_that_its_host_does_not_take_says_what_to_do(host: FakeHost) -> None:
    host.is_down = True
    ask()
    shown = Tab("Jobs")
    assert "Received: none. Try again." in shown.text
    assert job_store.HINDERED in shown.text
    assert job_store.WHAT_TO_DO["QUEUED"] not in shown.text
    host.is_down = False
    assert job_store.WHAT_TO_DO["QUEUED"] in Tab("Jobs").text


def test_a_running_job_shows_its_curves_and_its_log(host: FakeHost) -> None:
    ask()
    host.says("RUNNING", started="2026-11-21T10:00:00.000000Z")
    host.epochs(3, seconds=12.4)
    host.text += "Epoch 4 of 8 has begun\n"
    shown = Tab("Jobs")
    assert {m.label: m.value for m in shown.at.metric} == {
        "Epochs done": "3", "AUROC, validation": "0.900", "Last epoch": "12 s",
    }  # fmt: skip
    assert len(shown.at.get("vega_lite_chart")) == 2
    assert "Epoch 4 of 8 has begun" in shown.at.code[0].value
    assert "begun 2026-11-21 10:00:00" in shown.text
    host.epochs(1)
    shown.at.run()
    assert shown.at.metric[0].value == "1"  # it began anew


def test_where_the_log_tells_of_gpus_their_use_is_shown(host: FakeHost) -> None:
    ask()
    host.says("RUNNING")
    host.text = '{"gpus": [{"percent": 97, "used_gb": 53.7, "total_gb": 150.3}]}\n'
    [gpu] = Tab("Jobs").at.metric
    assert (gpu.label, gpu.value, gpu.delta) == ("GPU 1", "97 %", "53.7 of 150 GB")


def test_before_the_first_epoch_it_says_so(host: FakeHost) -> None:
    ask()
    host.says("RUNNING")
    shown = Tab("Jobs")
    assert "No epoch has ended yet" in shown.text
    assert "There is no log yet." in shown.text


def test_a_failed_job_says_why_with_the_log_open(host: FakeHost) -> None:
    ask()
    host.says("FAILED", f"The disk is full. {HOSTILE}")
    host.text = "Traceback\nOSError: [Errno 28]\n"
    shown = Tab("Jobs")
    assert [error.value.replace("\\", "") for error in shown.at.error] == [
        f"The disk is full. {HOSTILE}"
    ]
    assert "OSError" in shown.at.code[0].value
    [log] = [one for one in shown.at.expander if one.label == "Log"]
    assert log.proto.expanded
    assert "<img" not in shown.html


def test_a_job_is_cancelled_and_retried(host: FakeHost) -> None:
    ask()
    host.says("RUNNING")
    shown = Tab("Jobs").press("Cancel")
    assert "Job job1 is cancelled." in shown.text
    assert jobs.job(ZOE, "job1").state == "CANCELLED"
    host.says("QUEUED")
    shown.press("Retry")
    assert "Job job1 goes on." in shown.text
    assert host.started == ["job1/1", "job1/2"]
    assert {"training cancelled", "training retried"} <= {e.action for e in audit.entries(ZOE)}


def test_a_host_that_does_not_answer_is_said(host: FakeHost) -> None:
    ask()
    host.says("RUNNING")
    shown = Tab("Jobs")
    host.is_down = True
    assert "an answer of the host" in shown.press("Cancel").text
    host.says("LOST", "The cluster does not answer.")
    shown.at.run()
    assert "The cluster does not answer." in shown.text
    assert "may be found again" in shown.text


def test_a_database_that_fails_while_a_job_is_watched_is_said(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the job and that at its log; outside of the page that began it."""
    ask()
    host.says("RUNNING")
    shown = Tab("Jobs")

    def fails(actor: Actor, id: str) -> str:
        raise StoreError("a database that works", "its disk is full", "Free some space.")

    monkeypatch.setattr(jobs, "log", fails)
    with alone(shown.at, shown.button("Cancel").id):
        shown.at.run()
    assert "its disk is full" in shown.text


def test_one_of_several_is_chosen(host: FakeHost) -> None:
    ask("job1", "quick")
    ask("job2", "lungs")
    shown = Tab("Jobs")
    assert shown.html.index("job2") < shown.html.index("job1")
    assert shown.at.selectbox(key="admin.job").value == "job2"
    shown.at.selectbox(key="admin.job").set_value("job1").run()
    shown.press("Cancel")
    states = {job.id: job.state for job in jobs.jobs(ZOE)}
    assert states["job1"] == "CANCELLED"


# What they leave on the disk


def test_what_a_job_needs_is_not_deleted(host: FakeHost, home: Path) -> None:
    ask()
    host.says("RUNNING")
    (home / "retraining" / SET_SHA256).mkdir(parents=True)
    shown = Tab("Storage")
    assert "Job job1 0.0 MB no: it has not ended" in shown.text
    assert "Delete one of them" not in [one.label for one in shown.at.get("popover")]
    assert {(one.kind, bool(one.needed)) for one in items(ZOE)} == {(SET, True), (JOB, True)}


def test_a_finished_network_that_was_not_handed_over_is_kept(host: FakeHost, home: Path) -> None:
    ask()
    host.says("FAILED", "MLflow is down.")
    versions.write_version(home / "jobs" / "job1" / BUNDLE)
    assert "the registry does not have" in Tab("Storage").text


def test_what_nothing_needs_is_deleted_for_a_reason(host: FakeHost, home: Path) -> None:
    ask()
    host.says("CANCELLED")
    shown = Tab("Storage").press("Delete it for good")
    assert "a reason for the deletion" in shown.text
    assert (home / "jobs" / "job1").exists()
    shown.type("admin.free.reason.Job job1", HOSTILE).press("Delete it for good")
    assert "Job job1 is deleted" in shown.text
    assert not (home / "jobs" / "job1").exists()
    assert "Retraining has left nothing" in shown.text
    newest = audit.entries(ZOE)[0]
    assert (newest.action, newest.subject, newest.details["reason"]) == (
        "job deleted", "job1", HOSTILE,
    )  # fmt: skip
    assert "Start a new training instead." in Tab("Jobs").press("Retry").text
