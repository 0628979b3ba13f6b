"""A GPU host that is silent or of which a part is away, a full disk, a password that all would see.

Without a cluster: `Head` says what its job server would say.
"""

import json
import resource
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model.config import settings
from model.errors import ConfigError, StoreError
from model.training import job_host, job_work, ray_client, ray_host, ray_work
from model.training.job_host import FAILED, LOST, RUNNING
from model.training.ray_host import RayHost
from model.versions import registry

pytest.importorskip("ray.job_submission", reason="Ray is not installed")


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What takes a question and never answers, as a tunnel to a host that is gone."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("XRAY_RAY_ADDRESS", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setattr(ray_client, "LOOK_SECONDS", 0.3)
        server.setblocking(False)
        yield server


def questions(server: socket.socket) -> int:
    """How many have come since this was asked last."""
    for number in range(100):
        try:
            server.accept()[0].close()
        except BlockingIOError:
            return number
    return 100


def test_a_host_that_is_silent_is_waited_for_once(
    silent: socket.socket, monkeypatch: pytest.MonkeyPatch
):
    """A page looks at each job, its log and its curves."""
    for _ in range(3):
        seen = RayHost().look("job-1")
        assert (seen.state, "tunnel" in seen.message) == (LOST, True)
    assert questions(silent) == 1
    monkeypatch.setattr(ray_client, "SILENT_SECONDS", 0)  # they are over
    RayHost().look("job-1")
    assert questions(silent) == 1


def test_no_room_to_pack_what_travels_is_not_taken_for_a_host_that_is_away(
    sqlite_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """No file may become larger than 100 kB: a real failed write."""
    monkeypatch.setenv("XRAY_RAY_ADDRESS", "http://gpu-box:8265")
    monkeypatch.setenv("XRAY_MLFLOW_URL", "http://gpu-box:5000")
    settings.cache_clear()
    monkeypatch.setattr(ray_client, "_client", lambda address: None)
    monkeypatch.setattr(ray_host, "details", lambda client, handle: None)
    monkeypatch.setattr(registry, "versions", list)
    (tmp_path / "champion").mkdir()
    (tmp_path / "spec.json").write_text("{}")
    (tmp_path / "films.zip").write_bytes(bytes(200_000))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(StoreError, match=r"room here to pack.*a full disk.*TMPDIR"):
            RayHost().start("job", 1, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_password_that_the_dashboard_would_show_does_not_travel(
    silent: socket.socket, sqlite_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "spec.json").write_text("{}")
    monkeypatch.setenv("XRAY_MLFLOW_URL", "http://zoe:secret@127.0.0.1:5000")
    settings.cache_clear()
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_PASSWORD") as error:
        RayHost().start("job", 1, tmp_path)
    [check] = RayHost().check()
    assert (check.name, check.ok) == ("mlflow", False)
    assert "MLFLOW_TRACKING_PASSWORD" in check.hint
    assert "secret" not in f"{error.value} {check}"
    assert questions(silent) == 0


# --- several computers ----------------------------------------------------------------------------


class Status:
    """Of a job, as Ray has it."""

    def __init__(self, value: str) -> None:
        self.value = value

    def is_terminal(self) -> bool:
        return self.value not in ("RUNNING", "PENDING")


class Head:
    """Ray's JobSubmissionClient. gpus: of each computer, by its IP address; jobs: what is known."""

    def __init__(self, **gpus: int) -> None:
        self.gpus = {name.replace("_", "."): number for name, number in gpus.items()}
        self.away: set[str] = set()
        self.jobs: dict[str, SimpleNamespace] = {}
        self.logs: dict[str, str] = {}

    def _do_request(self, method: str, endpoint: str) -> Any:
        found = [
            {
                "node_id": ip,
                "node_ip": ip,
                "is_head_node": number == 0,
                "state": "DEAD" if ip in self.away else "ALIVE",
                "resources_total": {"GPU": gpus, "CPU": 8, f"node:{ip}": 1},
            }
            for number, (ip, gpus) in enumerate(self.gpus.items())
        ]
        return SimpleNamespace(
            status_code=200, json=lambda: {"data": {"result": {"result": found}}}
        )

    def runs(self, handle: str, at: str | None = None, state: str = "RUNNING", **told: Any) -> None:
        """This job is in that state on that computer; None for one that never began."""
        address = at and f"http://{at}:52365"
        self.jobs[handle] = SimpleNamespace(
            status=Status(state), start_time=1, end_time=None, error_type=None,
            driver_exit_code=None, driver_agent_http_address=address, **{"metadata": None, **told},
        )  # fmt: skip

    def submit_job(self, submission_id: str, **told: Any) -> None:
        del told["runtime_env"]
        self.runs(submission_id, **{"metadata": None, **told})

    def get_job_info(self, handle: str) -> Any:
        if handle not in self.jobs:
            raise RuntimeError("Request failed with status code 404")
        return self.jobs[handle]

    def get_job_logs(self, handle: str) -> str:
        return self.logs.get(handle, "")

    def stop_job(self, handle: str) -> None:
        self.jobs[handle].status = Status("STOPPED")


@pytest.fixture
def head(sqlite_home: Path, monkeypatch: pytest.MonkeyPatch) -> Head:
    """Three computers, two of them with GPUs."""
    monkeypatch.setenv("XRAY_RAY_ADDRESS", "http://gpu-box:8265")
    monkeypatch.setenv("XRAY_MLFLOW_URL", "http://gpu-box:5000")
    settings.cache_clear()
    stands = Head(**{"10_0_0_1": 0, "10_0_0_2": 1, "10_0_0_3": 1})
    monkeypatch.setattr(ray_client, "_client", lambda address: stands)
    monkeypatch.setattr(registry, "versions", list)
    return stands


@pytest.fixture
def folder(sqlite_home: Path) -> Path:
    """The folder of a job, with as little in it as can be."""
    folder = sqlite_home / "jobs" / "job"
    (folder / "champion").mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps({"job_id": "job", "set_sha256": "5e7"}))
    (folder / "films.zip").write_bytes(b"films")
    return folder


def test_a_retry_goes_on_where_the_folder_of_the_job_is(head: Head, folder: Path):
    RayHost().start("job", 1, folder)
    assert not hasattr(head.jobs["job-1"], "entrypoint_resources")
    head.runs("job-1", "10.0.0.3", "FAILED")
    RayHost().start("job", 2, folder)
    assert head.jobs["job-2"].entrypoint_resources == {"node:10.0.0.3": 0.001}
    assert head.jobs["job-2"].entrypoint_num_gpus == 1
    assert RayHost().look("job-2").message == ""
    head.runs("job-2", None, "FAILED")  # it never began
    head.gpus["10.0.0.2"] = 8
    RayHost().start("job", 3, folder)
    assert head.jobs["job-3"].entrypoint_resources == {"node:10.0.0.3": 0.001}
    assert head.jobs["job-3"].entrypoint_num_gpus == 1  # as many as that computer has


@pytest.mark.parametrize(
    ("before", "away", "is_said"),
    [
        ("10.0.0.3", ["10.0.0.3"], True),
        ("10.0.0.3", ["10.0.0.2", "10.0.0.3"], True),
        ("", [], True),  # the cluster was started anew and has forgotten it
        ("", ["10.0.0.2", "10.0.0.3"], False),  # one computer: it is that one
    ],
)
def test_a_retry_that_may_begin_anew_says_so(
    head: Head, folder: Path, before: str, away: list[str], is_said: bool
):
    if before:
        head.runs("job-1", before, "FAILED")
    head.away = set(away)
    RayHost().start("job", 2, folder)
    assert not hasattr(head.jobs["job-2"], "entrypoint_resources")
    seen = RayHost().look("job-2")
    assert (seen.state, "XRAY_HOME is on a disk that all" in seen.message) == (RUNNING, is_said)


def test_files_that_cannot_be_read_here_are_not_taken_for_a_host_that_is_away(
    head: Head, folder: Path
):
    (folder / "films.zip").unlink()
    with pytest.raises(StoreError, match=r"Received: No such file or directory\. Correct") as error:
        RayHost().start("job", 1, folder)
    assert str(folder) not in str(error.value)


def test_no_attempt_before_it_is_left_running_in_the_folder(head: Head, folder: Path):
    """The second was never handed over: the cluster was away, and then it was cancelled."""
    head.runs("job-1", "10.0.0.2")
    RayHost().start("job", 3, folder)
    assert head.jobs["job-1"].status.value == "STOPPED"
    assert head.jobs["job-3"].entrypoint_resources == {"node:10.0.0.2": 0.001}


def test_what_an_attempt_has_printed_outlives_a_cluster_that_is_started_anew(
    head: Head, folder: Path
):
    head.runs("job-1", "10.0.0.2", "FAILED")
    head.logs["job-1"] = "epochs 0 to 3\n"
    RayHost().look("job-1")
    del head.jobs["job-1"], head.logs["job-1"]
    head.runs("job-2", "10.0.0.2", "FAILED")
    head.logs["job-2"] = "epochs 4 to 7\n"
    for _ in range(2):
        assert RayHost().log("job-2") == "epochs 0 to 3\nepochs 4 to 7\n"
        RayHost().look("job-2")


def test_a_disk_too_full_for_the_result_is_said_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("XRAY_HOME", str(tmp_path))
    monkeypatch.setattr(ray_work, "lay_out", lambda job, folder: folder.mkdir(parents=True))
    monkeypatch.setattr(job_work, "write_json", full)
    assert ray_work.main("job") == 2
    seen = job_host.seen_in_log(capsys.readouterr().out)
    assert (seen.state, "that trains is full" in seen.message) == (FAILED, True)
