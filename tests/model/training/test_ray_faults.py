"""A GPU host that is silent, a password that all would see, a disk without room; no cluster."""

import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.config import settings
from model.errors import ConfigError, StoreError
from model.training import ray_client, ray_host
from model.training.job_host import LOST
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
