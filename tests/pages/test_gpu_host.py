"""The page Admin with a GPU host: a training that is given to it, and one that does not answer."""

import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model import store
from model.config import settings
from model.training import jobs, ray_client, ray_host
from model.versions import champion, registry
from tests.model import version_cases as versions
from tests.pages.admin_page import ZOE, Tab

pytest.importorskip("ray.job_submission", reason="Ray is not installed")


class FakeClient:
    """Ray's JobSubmissionClient of a cluster without GPUs that knows what it was given."""

    def __init__(self) -> None:
        self.given: dict[str, dict[str, Any]] = {}

    def __call__(self, address: str) -> "FakeClient":
        assert address == "http://gpu-box:8265"
        return self

    def _do_request(self, method: str, endpoint: str) -> Any:
        return SimpleNamespace(status_code=200, json=lambda: {"data": {"result": {"result": []}}})

    def submit_job(self, submission_id: str, **told: Any) -> None:
        assert (Path(told["runtime_env"]["working_dir"]) / "job" / "spec.json").exists()
        self.given[submission_id] = told

    def get_job_info(self, submission_id: str) -> Any:
        if submission_id not in self.given:
            raise RuntimeError("Request failed with status code 404")
        return SimpleNamespace(status="PENDING")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home of a server with base data and a GPU host; the shipped version is made up."""
    monkeypatch.setenv("XRAY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XRAY_DATA", str(tiny_data))
    monkeypatch.setenv("XRAY_RAY_ADDRESS", "http://gpu-box:8265")
    monkeypatch.setenv("XRAY_MLFLOW_URL", "http://gpu-box:5000")
    settings.cache_clear()
    monkeypatch.setattr(registry, "versions", list)
    versions.write_version(tmp_path / "shipped")
    monkeypatch.setattr(champion, "SHIPPED", tmp_path / "shipped")
    yield tmp_path / "home"
    store.close()
    monkeypatch.undo()
    settings.cache_clear()


def ask() -> Tab:
    """A trial run of a frozen set is asked of the GPU host."""
    shown = Tab("Retrain").press("See what it would hold")
    shown.type("admin.freeze.name", "autumn").press("Freeze this set")
    where = shown.at.segmented_control(key="admin.train.host")
    assert where.options == ["This server", "GPU host (Ray)"]
    where.set_value("ray").run()
    shown.at.radio(key="admin.train.config").set_value("quick").run()
    return shown.press("Start the training")


def test_a_training_is_given_to_the_gpu_host(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = FakeClient()
    monkeypatch.setattr(ray_client, "_client", cluster)
    shown = ask()
    [job] = jobs.jobs(ZOE)
    assert f"Job {job.id} is in the queue" in shown.text
    assert (job.host, job.state, job.message) == ("ray", "QUEUED", "")
    [(handle, told)] = cluster.given.items()
    assert handle == f"{job.id}-1"
    assert told["entrypoint"].endswith(f"{ray_host.WORK} {job.id}")
    assert told["runtime_env"]["env_vars"]["XRAY_MLFLOW_URL"] == "http://gpu-box:5000"
    assert "GPU host (Ray)" in Tab("Jobs").html


def test_a_gpu_host_that_is_silent_is_said_and_waited_for_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ray_client, "LOOK_SECONDS", 0.3)
    monkeypatch.setattr(ray_client, "SILENT_SECONDS", 60)  # longer than this test takes
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("XRAY_RAY_ADDRESS", address)
        ask()
        [job] = jobs.jobs(ZOE)
        shown = Tab("Jobs")
        assert (job.state, job.host) == ("QUEUED", "ray")
        assert "Received: none. Check that its computer is on" in shown.text
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()
