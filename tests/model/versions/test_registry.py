"""From a finished training to a version in the registry: MLflow in a file, and a server."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.bundle import CARD, Bundle, open_bundle
from model.config import settings
from model.errors import BundleError, InputError, StoreError
from model.versions import champion, registry, tracking
from tests.model.ray_cluster import QUIET_MLFLOW
from tests.model.version_cases import change_json, epochs, write_version
from tests.model.versions.registry_cases import (
    NEW,
    OLD,
    WORSE,
    ZOE,
    aliases,
    hand_over,
    served_in_trail,
    serving,
)
from tests.model.versions.registry_cases import shipped as shipped
from tests.model.versions.registry_cases import trained as trained
from tests.model.versions.registry_cases import worse as worse


def test_the_shipped_version_is_number_one_and_the_champion() -> None:
    [version] = registry.versions()
    assert (version.number, version.model_version, version.job_id) == (1, OLD, "")
    assert version.aliases == ("champion",)
    assert version.note == "shipped with the program"
    assert registry.champion() == version
    assert registry.challenger() is None


def test_a_finished_training_becomes_the_challenger(trained: Bundle) -> None:
    run_id = registry.start_run("job-1", {"seed": 7, "network": "vgg16"})
    for line in epochs():
        registry.log_epoch(run_id, line)
    assert hand_over(trained, run_id=run_id) == run_id
    version = registry.challenger()
    assert version
    assert (version.number, version.model_version, version.job_id) == (2, NEW, "job-1")
    assert serving() == OLD
    with tracking.asked() as client:
        run = client.get_run(run_id)
        losses = client.get_metric_history(run_id, "validation_loss")
    assert run.info.status == "FINISHED"
    assert run.data.params == {"seed": "7", "network": "vgg16"}
    assert [m.value for m in sorted(losses, key=lambda m: m.step)] == [
        line["validation_loss"] for line in epochs()
    ]
    assert 0.5 < run.data.metrics["test_auroc"] <= 1


def test_what_was_not_tracked_while_mlflow_was_down_is_added_at_the_end(trained: Bundle) -> None:
    run_id = hand_over(trained, run_id="")
    with tracking.asked() as client:
        assert len(client.get_metric_history(run_id, "loss")) == len(epochs())
    assert hand_over(trained, run_id="unknown to this MLflow") == run_id  # once more: nothing new
    assert [version.number for version in registry.versions()] == [1, 2]


def test_a_bundle_that_does_not_check_is_not_taken(trained: Bundle) -> None:
    trained.weights.write_bytes(b"another")
    with pytest.raises(BundleError, match="SHA-256"):
        hand_over(trained)
    assert list(aliases()) == [OLD]


def test_a_version_is_fetched_whole_from_what_was_handed_over(trained: Bundle) -> None:
    hand_over(trained)
    shutil.rmtree(trained.folder)
    folder = registry.bundle_of(NEW)
    assert champion.folder_of(NEW) == folder
    (folder / CARD).unlink()
    assert registry.bundle_of(NEW) == folder  # fetched again
    change_json(folder / CARD, temperature=0.9)
    registry.bundle_of(NEW)
    assert json.loads((folder / CARD).read_text())["temperature"] == 0.5
    with pytest.raises(InputError, match="a version of the registry"):
        registry.bundle_of("vgg16-unknown")


# A real server


@contextlib.contextmanager
def mlflow_server(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """An MLflow server on loopback, with its store in the folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [
        sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination", str(folder / "kept"),
    ]  # fmt: skip
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    told = {**os.environ, **QUIET_MLFLOW}
    server = subprocess.Popen(command, env=told, start_new_session=True, **quiet)
    try:
        until = time.monotonic() + 120
        while time.monotonic() < until and server.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=5):
                break
            time.sleep(0.2)
        yield url, server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def test_in_a_home_that_was_moved_old_and_new_versions_are_where_it_is_now(
    trained: Bundle, worse: Bundle, sqlite_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = hand_over(trained)
    moved = sqlite_home.with_name("moved")
    sqlite_home.rename(moved)
    monkeypatch.setenv("XRAY_HOME", str(moved))
    tracking.settings.cache_clear()
    hand_over(worse, "job-2")
    assert not (sqlite_home / "mlflow").exists()
    for version in (NEW, WORSE):
        folder = registry.bundle_of(version)
        assert open_bundle(folder).model_version == version
        assert moved in folder.parents
    with tracking.asked() as client:
        assert client.get_run(run_id).info.artifact_uri.startswith(moved.as_uri())


def test_on_a_server_that_dies_in_the_middle(
    trained: Bundle, first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Handed over and promoted there; killed, reading goes on and the way back is open."""
    folder = tmp_path / "server"
    shutil.copytree(first, folder)
    later = write_version(tmp_path / "later", model_version="vgg16-later")
    with mlflow_server(folder) as (url, server):
        monkeypatch.setenv("XRAY_MLFLOW_URL", url)
        settings.cache_clear()
        run_id = registry.start_run("job-1", {"seed": 7})
        assert run_id
        registry.log_epoch(run_id, epochs()[0])
        assert hand_over(trained, run_id=run_id) == run_id
        hand_over(later, "job-2")
        shutil.rmtree(trained.folder)  # it comes back from the server
        registry.promote(ZOE, NEW, OLD)
        assert serving() == NEW
        assert (folder / "kept").is_dir()
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()

        assert serving() == NEW
        with pytest.raises(StoreError, match="Readings go on"):
            registry.promote(ZOE, "vgg16-later", NEW)
        assert registry.start_run("job-3", {}) == ""
        registry.log_epoch(run_id, epochs()[1])
        with pytest.raises(StoreError, match="its bundle is safe in the folder of the job"):
            hand_over(later, "job-3")
        assert serving() == NEW
        registry.rollback(ZOE, OLD, NEW, "misses effusions")
        assert serving() == OLD
        assert [subject for _, _, subject in served_in_trail()] == [NEW, OLD]
