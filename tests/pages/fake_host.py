"""A host of jobs that says what a test wants it to say."""

import json
from pathlib import Path
from typing import Any

import pytest

from model.errors import StoreError
from model.training import jobs
from model.training.job_host import Check, Seen


class FakeHost:
    """`model.training.job_host.Host` without a process."""

    def __init__(self) -> None:
        self.seen, self.text = Seen("QUEUED"), ""
        self.started: list[str] = []
        self.is_down = False

    def says(self, state: str, message: str = "", **told: str) -> None:
        self.seen = Seen(state, message, **told)

    def epochs(self, number: int, size_px: int = 64, seconds: float = 1.0, stage: int = 0) -> None:
        """So many lines of a training in the log, of falling loss."""
        for epoch in range(number):
            line: dict[str, Any] = {
                "stage": stage, "epoch": epoch, "size_px": size_px, "loss": 0.6 / (epoch + 1),
                "accuracy": 0.8, "validation_loss": 0.7 / (epoch + 1), "validation_accuracy": 0.75,
                "validation_auroc": 0.9, "seconds": seconds,
            }  # fmt: skip
            self.text += json.dumps(line) + "\n"

    def start(self, job_id: str, attempt: int, folder: Path) -> str:
        if self.is_down:
            raise StoreError("an answer of the host", "none", "Try again.")
        self.started.append(f"{job_id}/{attempt}")
        return self.started[-1]

    def look(self, handle: str) -> Seen:
        return self.seen

    def log(self, handle: str) -> str:
        return self.text

    def cancel(self, handle: str) -> None:
        if self.is_down:
            raise StoreError("an answer of the host", "none", "Try again.")
        self.says("CANCELLED")

    def check(self) -> list[Check]:
        return []


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """In place of this computer."""
    stands = FakeHost()
    monkeypatch.setattr(jobs, "host_of", lambda name: stands)
    return stands
