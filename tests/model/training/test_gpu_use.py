"""How busy the GPUs of a training are."""

import time
from pathlib import Path

import pytest

from model.training import gpu_use
from model.training.gpu_use import Gpu


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for NVIDIA's tool: two GPUs of 140 GiB, of which one is busy."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 97, 51200, 143360\necho 0, 4, 143360\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tool


def test_a_training_tells_them_in_its_log(smi: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = ""
    with gpu_use.followed(every_seconds=0.01):
        until = time.monotonic() + 20
        while not log.endswith("}\n") and time.monotonic() < until:
            time.sleep(0.02)
            log += capsys.readouterr().out
    assert gpu_use.told(f"Epoch 1/8\n{log}Epoch 2/8\n") == [Gpu(97, 53.7, 150.3), Gpu(0, 0, 150.3)]


@pytest.mark.parametrize("says", ["echo [N/A], 4, 143360", "echo no devices; exit 9", "exit 0"])
def test_without_a_gpu_nothing_is_told(smi: Path, says: str) -> None:
    smi.write_text(f"#!/bin/sh\n{says}\n")
    assert gpu_use.now() == []


def test_without_the_tool_nothing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with gpu_use.followed(every_seconds=0):
        time.sleep(0.05)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("line", ["", '{"gpus": ', '{"gpus": [{"percent": 3}]}', '{"gpus": 3}'])
def test_a_log_that_does_not_tell_them_gives_none(line: str) -> None:
    assert gpu_use.told(f"Epoch 1\n{line}") == []
