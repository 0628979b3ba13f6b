"""python -m model doctor, what it says of single things; as a whole: tests/test_command_line.py."""

import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

from model import doctor
from model.config import settings
from model.errors import StoreError
from model.training import jobs
from model.training.job_host import Check
from model.versions import tracking
from tests.model.ray_cluster import free_port


def test_an_mlflow_server_that_does_not_answer_here_is_a_fault(
    sqlite_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Without its tunnel the GPU host still reaches it."""
    for name in ("packages", "bundle", "prediction", "home", "store", "audit", "images"):
        monkeypatch.setattr(doctor, f"_check_{name}", lambda: "well")
    monkeypatch.setattr(doctor, "_are_hosts_well", lambda: True)
    assert doctor.doctor() == 0
    assert "mlflow      begins with the first training" in capsys.readouterr().out
    monkeypatch.setenv("XRAY_MLFLOW_URL", f"http://127.0.0.1:{free_port()}")
    settings.cache_clear()
    assert doctor.doctor() != 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("FAIL  mlflow")
    assert "Check that MLflow and the tunnel to it run and that XRAY_MLFLOW_URL is right" in last


def lines(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What is said of each check."""
    said = capsys.readouterr().out.splitlines()
    return {line[6:18].strip(): line for line in said}


@pytest.mark.parametrize("missing", ["package", "sample"])
def test_what_is_missing_is_one_failed_check_with_a_hint(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    for name in ("packages", "bundle", "home", "store", "audit", "images", "mlflow"):
        check = Mock(return_value="well", __name__=f"_check_{name}")
        monkeypatch.setattr(doctor, f"_check_{name}", check)
    monkeypatch.setattr(doctor, "_are_hosts_well", lambda: True)
    if missing == "sample":
        monkeypatch.setattr(doctor, "SAMPLE", tmp_path / "normal-1.jpg")
    else:  # importing it raises ModuleNotFoundError
        monkeypatch.setitem(sys.modules, "model.nn.classifier", None)
    assert doctor.doctor() != 0
    said = lines(capsys)
    failed = [name for name, line in said.items() if not line.startswith("ok")]
    assert (failed, list(said)[-1]) == (["prediction"], "mlflow")
    assert ("FileNotFoundError" if missing == "sample" else "ModuleNotFoundError") in (
        said["prediction"]
    )
    assert "Run `pip install -r requirements.txt`, and restore" in said["prediction"]


def test_a_host_whose_checks_break_is_a_fault_and_the_next_is_still_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    class Host:
        def check(self) -> list[Check]:
            return [Check("gpu", True, "one")]

    def host_of(name: str) -> Host:
        return Host() if name == "ray" else {}[name]

    monkeypatch.setattr(jobs, "hosts", lambda: ["local", "ray"])
    monkeypatch.setattr(jobs, "host_of", host_of)
    assert not doctor._are_hosts_well()
    said = lines(capsys)
    assert "KeyError" in said["local"]
    assert said["ray gpu"].startswith("ok")


def test_a_registry_in_files_that_is_damaged_is_a_fault(sqlite_home: Path):
    (sqlite_home / "mlflow").mkdir(parents=True)
    (sqlite_home / "mlflow" / "mlflow.db").write_bytes(b"damaged, of no use" * 100)
    with pytest.raises(StoreError, match="an answer of MLflow"):
        tracking.check()
