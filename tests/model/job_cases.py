"""What tests of jobs share: a retraining set, a host in memory, jobs that only pretend to train."""

import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

import model.retraining
from model.people.access import Actor
from model.training import jobs
from model.training.job_host import FILMS, QUEUED, Check, Seen
from model.training.jobs import Job, JobSpec
from model.training.local_host import LocalHost
from model.versions import champion
from tests.model.version_cases import write_version

ADMIN, ANN, VISITOR = Actor("zoe", "admin"), Actor("ann", "clinician"), Actor("eve", "visitor")
SET = "5e7" * 21 + "5"
SPEC = JobSpec(SET)
STUB = LocalHost((sys.executable, "-m", "tests.model.stub_work"))


class StubHost:
    """A host of which a test says what it sees. `started` has each attempt that it took, once."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.cancelled: list[str] = []
        self.seen, self.text = Seen(QUEUED), ""
        self.fault: Exception | None = None

    def start(self, job_id: str, attempt: int, folder: Path) -> str:
        if self.fault:
            raise self.fault
        handle = f"{job_id}/{attempt}"
        if handle not in self.started:
            self.started.append(handle)
        return handle

    def look(self, handle: str) -> Seen:
        return self.seen

    def log(self, handle: str) -> str:
        return self.text

    def cancel(self, handle: str) -> None:
        if self.fault:
            raise self.fault
        self.cancelled.append(handle)

    def check(self) -> list[Check]:
        return []


def set_up(monkeypatch: pytest.MonkeyPatch, folder: Path, films: Path | None = None) -> None:
    """A frozen set SET, of the films in a data folder, and a small version that is served."""
    shipped = write_version(folder / "shipped", model_version="vgg16-shipped")
    monkeypatch.setattr(champion, "SHIPPED", shipped.folder)
    monkeypatch.delenv("XRAY_BUNDLE", raising=False)
    (folder / "set").mkdir()
    with zipfile.ZipFile(folder / "set" / FILMS, "w") as archive:
        archive.writestr("manifest.json", "{}") if films is None else None
        for path in sorted(films.rglob("*.jpeg")) if films else ():
            archive.write(path, path.relative_to(films))

    def open_set(sha256: str) -> SimpleNamespace:
        assert sha256 == SET
        return SimpleNamespace(films=folder / "set" / FILMS)

    opener = SimpleNamespace(open_set=open_set)
    monkeypatch.setattr(model.retraining, "retraining_set", opener, raising=False)
    monkeypatch.setitem(sys.modules, "model.retraining.retraining_set", opener)


def wait_for(found: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Until it is so; fails the test if it never is."""
    until = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < until, what
        time.sleep(0.05)


def wait_until(job: Job, *states: str) -> Job:
    """Until the job is in one of the states; the job then."""
    found = job

    def arrived() -> bool:
        nonlocal found
        found = jobs.job(ADMIN, job.id)
        return found.state in states

    wait_for(arrived, f"the job is {found.state}, {found.message}")
    return found


def hold(control: Path, step: str) -> None:
    """Has the jobs of `stub_work` wait at the end of this step; control: its folder."""
    (control / "held").unlink(missing_ok=True)
    (control / "hold").write_text(step)


def let_go(control: Path) -> None:
    (control / "hold").unlink()


def wait_held(control: Path) -> None:
    wait_for((control / "held").exists, "no job has come to where it is to wait")
