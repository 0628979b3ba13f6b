"""A finished training for which MLflow has no room."""

import json
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from model.bundle import open_bundle, write_card
from model.training import job_work, jobs
from model.versions import registry, tracking
from tests.model.job_cases import ADMIN, SPEC, StubHost, set_up
from tests.model.version_cases import write_version

FILE_BYTES = 2_000_000  # more than MLflow's tables take, less than the weights


@pytest.fixture
def folder(sqlite_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a job whose training is finished and was not handed over yet."""
    set_up(monkeypatch, tmp_path)
    monkeypatch.setattr(jobs, "host_of", lambda name: StubHost())
    monkeypatch.setattr(registry, "PAUSES", ())
    monkeypatch.setenv("XRAY_BUNDLE", "")  # `work` sets it for its own process
    folder = sqlite_home / "jobs" / jobs.submit(ADMIN, SPEC).id
    bundle = write_version(folder / "bundle", model_version="vgg16-new")
    (bundle.folder / "model.keras").write_bytes(bytes(2 * FILE_BYTES))
    write_card(bundle)
    return folder


def on_a_full_disk(work: Callable[[Path], int], folder: Path) -> int:
    """No file may become larger: a real failed write, in the middle of the weights."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, limits[1]))
    try:
        return work(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_registers_nothing_and_a_retry_hands_over_when_there_is_room(folder: Path):
    assert on_a_full_disk(job_work.work, folder) == 2
    message = json.loads((folder / "result.json").read_text())["message"]
    assert "its disk is full" in message
    assert "safe in the folder of the job: retry" in message
    assert [version.model_version for version in registry.versions()] == ["vgg16-shipped"]
    assert registry.challenger() is None

    assert job_work.work(folder) == 0
    version = registry.challenger()
    assert (version.model_version, version.number) == ("vgg16-new", 2)
    assert open_bundle(registry.bundle_of("vgg16-new")).folder != folder / "bundle"  # whole there
    with tracking.asked() as client:
        experiment = client.get_experiment_by_name(tracking.NAME).experiment_id
        runs = client.search_runs([experiment], f"tags.job_id = '{folder.name}'")
    assert [run.info.status for run in runs] == ["FINISHED"]
