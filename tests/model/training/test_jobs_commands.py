"""python -m model jobs ...: trainings from the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from model.__main__ import main
from model.errors import StoreError
from model.retraining import promotable
from model.training import jobs
from model.training.job_host import FAILED, RUNNING, Seen
from tests.model.job_cases import SET, StubHost, set_up

Run = Callable[..., tuple[int, list[str], str]]


@pytest.fixture
def host(sqlite_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StubHost:
    set_up(monkeypatch, tmp_path)
    stub = StubHost()
    monkeypatch.setattr(jobs, "host_of", lambda name: stub)
    return stub


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """run(*arguments) -> exit status, lines of standard output, text of standard error."""

    def call(*arguments: str) -> tuple[int, list[str], str]:
        capsys.readouterr()
        status = main(["jobs", *arguments])
        out, err = capsys.readouterr()
        return status, out.splitlines(), err

    return call


def test_a_training_is_asked_for_listed_and_stopped(host: StubHost, run: Run):
    status, (job_id,), err = run(
        "submit", SET, "--config", "quick", "--init", "scratch", "--seed", "7",
        "--budget-minutes", "30", "--folds", "5", "--seeds", "3",
        "--set", "size_px=32", "--set", "epochs=1",
    )  # fmt: skip
    assert (status, err) == (0, "")
    host.seen = Seen(RUNNING)
    status, (line,), _ = run("list")
    assert line.split("\t")[:3] == [job_id, "RUNNING", "local"]
    told = json.loads(run("list", "--json")[1][0])
    assert told["spec"] == {
        "set_sha256": SET, "config": "quick", "init": "scratch", "seed": 7, "budget_minutes": 30.0,
        "changes": ["size_px=32", "epochs=1"], "folds": 5, "seeds": 3,
    }  # fmt: skip
    assert told["todo"].startswith("Nothing: it goes on")
    host.text = "Epoch 1/1\n"
    assert run("logs", job_id)[1] == ["Epoch 1/1"]
    host.seen = Seen(FAILED, "The loss is no number.")
    assert run("retry", job_id)[1] == ["QUEUED"]
    host.cancel = lambda handle: setattr(host, "seen", Seen("CANCELLED"))
    host.seen = Seen(RUNNING)
    assert run("cancel", job_id)[1] == ["CANCELLED"]


def test_a_host_that_is_away_is_told_of_beside_the_id(host: StubHost, run: Run):
    host.fault = StoreError("a host that answers", "no answer", "Start it.")
    status, (job_id,), err = run("submit", SET)
    assert (status, len(job_id)) == (0, 8)
    assert "Start it." in err


def test_a_version_that_could_not_be_promoted_is_told_of_beside_the_id(
    host: StubHost, run: Run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(promotable, "warning_of", lambda sha256: f"{sha256[:3]} is in vain.")
    status, lines, err = run("submit", SET)
    assert (status, len(lines), err) == (0, 1, "5e7 is in vain.\n")


def test_a_training_that_cannot_be_asked_for_says_why(host: StubHost, run: Run):
    status, lines, err = run("submit", SET, "--config", "nonsense")
    assert (status, lines) == (2, [])
    assert "a config among default" in err
    status, lines, err = run("submit", SET, "--folds", "2")
    assert (status, lines) == (2, [])
    assert "1 fold or 3 to 10" in err
    status, lines, err = run("submit", SET, "--folds", "5")
    assert (status, lines) == (2, [])
    assert "init=scratch or init=imagenet" in err
    status, lines, err = run("retry", "nothing")
    assert (status, lines) == (2, [])
