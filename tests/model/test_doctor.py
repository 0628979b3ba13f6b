"""python -m model doctor, what it says of single things; as a whole: tests/test_command_line.py."""

from pathlib import Path

import pytest

from model import doctor
from model.config import settings
from model.errors import StoreError
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


def test_a_registry_in_files_that_is_damaged_is_a_fault(sqlite_home: Path):
    (sqlite_home / "mlflow").mkdir(parents=True)
    (sqlite_home / "mlflow" / "mlflow.db").write_bytes(b"damaged, of no use" * 100)
    with pytest.raises(StoreError, match="an answer of MLflow"):
        tracking.check()
