"""From a finished training to the version that reads, and back; MLflow in a file, and a server."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model import store
from model.bundle import CARD, Bundle
from model.config import settings
from model.errors import AccessError, BundleError, InputError, StoreError
from model.people import audit
from model.people.access import Actor
from model.versions import champion, registry, tracking
from tests.model.ray_cluster import QUIET_MLFLOW
from tests.model.version_cases import change_json, epochs, write_all, write_version

ZOE, MAX = Actor("zoe", "admin"), Actor("max", "admin")
OLD, NEW, WORSE = "vgg16-20200102-0123abcd", "vgg16-new", "vgg16-worse"


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of MLflow in a file, which take it a second or two to make, to be copied."""
    home = tmp_path_factory.mktemp("first")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XRAY_HOME", str(home))
        settings.cache_clear()
        with tracking.asked() as client:
            client.search_registered_models()
    settings.cache_clear()
    return home / "mlflow"


@pytest.fixture(autouse=True)
def shipped(
    sqlite_home: Path, first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Bundle:
    """A version that came with the program, no other one, no pauses."""
    shutil.copytree(first, sqlite_home / "mlflow")
    bundle = write_all(tmp_path / "shipped")
    monkeypatch.setattr(champion, "SHIPPED", bundle.folder)
    monkeypatch.setattr(registry, "PAUSES", ())
    monkeypatch.delenv("XRAY_BUNDLE", raising=False)
    monkeypatch.delenv("XRAY_MLFLOW_URL", raising=False)
    return bundle


@pytest.fixture
def trained(tmp_path: Path) -> Bundle:
    return write_version(tmp_path / "job" / "bundle", model_version=NEW)


@pytest.fixture
def worse(shipped: Bundle, tmp_path: Path) -> Bundle:
    """It misses four of those with pneumonia that the shipped version finds."""
    test = shipped.evaluations["test"]
    found = (shipped.probabilities("test") >= 0.4) & (test.labels == 1)
    logits = test.logits.copy()
    logits[np.flatnonzero(found)[:4]] = -20
    told = {**shipped.evaluations, "test": replace(test, logits=logits)}
    return write_version(tmp_path / "worse", model_version=WORSE, evaluations=told)


def hand_over(bundle: Bundle, job_id: str = "job-1", run_id: str = "") -> str:
    return registry.hand_over(run_id, bundle.folder, job_id, epochs())


def serving() -> str:
    """The version that would read the next X-ray, checked."""
    return champion.look().open().model_version


def served_in_trail() -> list[tuple[str, str, str]]:
    """Who served what how, oldest first."""
    return [
        (entry.actor, entry.action, entry.subject)
        for entry in reversed(audit.entries(ZOE))
        if entry.action.startswith("model version")
    ]


def aliases() -> dict[str, tuple[str, ...]]:
    return {version.model_version: version.aliases for version in registry.versions()}


# Runs and versions


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


# Promotion


def test_promoted_it_reads_and_is_in_the_audit_trail(trained: Bundle) -> None:
    hand_over(trained)
    version = registry.promote(ZOE, NEW, expected=OLD)
    assert (version.number, version.aliases) == (2, ("champion",))
    assert serving() == NEW
    assert champion.look().by == "zoe"
    assert aliases() == {OLD: (), NEW: ("champion",)}
    assert served_in_trail() == [("zoe", "model version promoted", NEW)]
    with tracking.asked() as client:
        named = client.get_registered_model("pneumoscope").aliases
    assert {alias: int(number) for alias, number in named.items()} == {"champion": 2}


@pytest.mark.parametrize("role", ["visitor", "clinician"])
def test_only_an_admin_may(trained: Bundle, role: str) -> None:
    hand_over(trained)
    for act in (registry.promote, registry.rollback):
        with pytest.raises(AccessError):
            act(Actor("ann", role), NEW, OLD)
    assert serving() == OLD


def test_worse_sensitivity_needs_a_typed_reason(worse: Bundle) -> None:
    hand_over(worse)
    for reason in ("", "  \n"):
        with pytest.raises(InputError, match=r"10\.0 points lower"):
            registry.promote(ZOE, WORSE, OLD, reason)
    assert serving() == OLD
    registry.promote(ZOE, WORSE, OLD, "a study of false alarms")
    assert serving() == WORSE
    [entry] = [e for e in audit.entries(ZOE) if e.action == "model version promoted"]
    assert entry.details["reason"] == "a study of false alarms"
    assert entry.details["previous"] == OLD
    assert entry.details["sensitivity_change"] == -0.1


def test_without_the_locked_test_set_it_is_not_promoted(shipped: Bundle, tmp_path: Path) -> None:
    told = {"validation": shipped.evaluations["validation"]}
    hand_over(write_version(tmp_path / "new", model_version=NEW, evaluations=told))
    with pytest.raises(InputError, match="not evaluated on the locked test set"):
        registry.promote(ZOE, NEW, OLD, "a reason does not help")
    assert serving() == OLD
    assert served_in_trail() == []


def test_what_was_changed_in_the_registry_is_not_promoted(
    trained: Bundle, sqlite_home: Path
) -> None:
    hand_over(trained)
    [weights] = (sqlite_home / "mlflow" / "artifacts").glob(f"{_run_of(NEW)}/**/model.keras")
    weights.write_bytes(b"another")
    with pytest.raises(BundleError, match="SHA-256"):
        registry.promote(ZOE, NEW, OLD)
    change_json(weights.with_name(CARD), temperature=0.9)
    with pytest.raises(BundleError, match="as it was registered"):
        registry.promote(ZOE, NEW, OLD)
    assert serving() == OLD


def _run_of(model_version: str) -> str:
    return next(v.run_id for v in registry.versions() if v.model_version == model_version)


def test_of_two_admins_at_once_one_is_refused(trained: Bundle, worse: Bundle) -> None:
    hand_over(trained)
    hand_over(worse)
    at_once, said = threading.Barrier(2), {}

    def decide(actor: Actor, model_version: str) -> None:
        at_once.wait()
        try:
            registry.promote(actor, model_version, OLD, "a reason")
            said[actor.name] = model_version
        except InputError as error:
            said[actor.name] = str(error)

    both = [threading.Thread(target=decide, args=a) for a in ((ZOE, NEW), (MAX, WORSE))]
    for one in both:
        one.start()
    for one in both:
        one.join()
    [refused] = [words for words in said.values() if "somebody else was faster" in words]
    [done] = [words for words in said.values() if words != refused]
    assert serving() == done
    assert [version for version, named in aliases().items() if "champion" in named] == [done]
    assert [subject for _, _, subject in served_in_trail()] == [done]


def test_what_is_served_already_is_not_promoted_again() -> None:
    with pytest.raises(InputError, match="the one that is served"):
        registry.promote(ZOE, OLD, OLD)


def test_where_the_server_says_what_is_served_nothing_is_promoted(
    trained: Bundle, shipped: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_over(trained)
    monkeypatch.setenv("XRAY_BUNDLE", str(shipped.folder))
    settings.cache_clear()
    with pytest.raises(InputError, match="XRAY_BUNDLE"):
        registry.promote(ZOE, NEW, OLD)


# Back


def test_taken_back_the_version_before_reads(trained: Bundle) -> None:
    hand_over(trained)
    registry.promote(ZOE, NEW, OLD)
    registry.rollback(MAX, OLD, NEW, "misses effusions")
    assert serving() == OLD
    assert aliases() == {OLD: ("champion",), NEW: ()}
    registry.rollback(MAX, NEW, OLD)  # it has been served: the same way forward
    assert serving() == NEW
    assert [action for _, action, _ in served_in_trail()] == [
        "model version promoted", "model version taken back", "model version taken back",
    ]  # fmt: skip


def test_what_was_never_served_is_promoted_not_taken_back(trained: Bundle) -> None:
    hand_over(trained)
    with pytest.raises(InputError, match="served before"):
        registry.rollback(ZOE, NEW, OLD)
    assert not registry.was_served(NEW)
    assert registry.was_served(OLD)


@pytest.mark.parametrize("how", ["damaged champion.json", "damaged weights", "changed card"])
def test_from_a_champion_that_gives_no_verdict_the_shipped_one_is_gone_back_to(
    trained: Bundle, sqlite_home: Path, how: str
) -> None:
    hand_over(trained)
    registry.promote(ZOE, NEW, OLD)
    folder, expected = champion.served(), NEW
    if how == "damaged champion.json":
        (sqlite_home / "champion.json").write_text("{")
        expected = ""
    elif how == "damaged weights":
        (folder / "model.keras").write_bytes(b"another")
    else:
        change_json(folder / CARD, temperature=0.9)
    with pytest.raises(BundleError):
        serving()
    assert registry.served_version() == expected
    registry.rollback(ZOE, OLD, expected)
    assert serving() == OLD


def test_a_champion_damaged_on_disk_is_restored_from_the_registry(trained: Bundle) -> None:
    hand_over(trained)
    registry.promote(ZOE, NEW, OLD)
    (champion.served() / "gate.npz").write_bytes(b"another")
    registry.rollback(ZOE, NEW, NEW, "damaged on disk")
    assert serving() == NEW


# Faults


def test_a_record_that_cannot_be_written_takes_the_switch_back(
    trained: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is full at the commit, after champion.json was switched."""
    hand_over(trained)
    plain = store.writing

    @contextlib.contextmanager
    def full() -> Iterator[object]:
        with plain() as connection:
            yield connection
            if champion.look().model_version == NEW:
                raise StoreError("a database that works", "its disk is full", "Nothing was stored.")

    monkeypatch.setattr(store, "writing", full)
    with pytest.raises(StoreError, match="disk is full"):
        registry.promote(ZOE, NEW, OLD)
    monkeypatch.undo()
    assert champion.look().model_version in ("", OLD)
    assert served_in_trail() == []


def test_a_disk_that_is_full_at_the_switch_changes_nothing(
    trained: Bundle, shipped: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_over(trained)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(champion, "write_json", full)
        with pytest.raises(StoreError, match="No space left"):
            registry.promote(ZOE, NEW, OLD)
    assert serving() == OLD
    assert served_in_trail() == []
    assert aliases() == {OLD: ("champion",), NEW: ("challenger",)}
    registry.promote(ZOE, NEW, OLD)
    assert serving() == NEW


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


# Killed


def test_killed_at_any_step_the_old_or_the_new_version_is_served_whole(
    sqlite_home: Path, tmp_path: Path
) -> None:
    """Of a promotion and of a rollback; and a version is handed over once, or by a retry."""
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-m", "tests.model.kill_promotion", str(tmp_path / "kill")]
    told = {**os.environ, "XRAY_HOME": str(sqlite_home)}
    done = subprocess.run(command, cwd=root, env=told, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [told["wrong"] for told in found.values()] == [[], [], []], done.stderr
    assert min(told["steps"] for told in found.values()) > 10
