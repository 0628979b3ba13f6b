"""Trainings on a Ray cluster: a real one, and an MLflow server, both on loopback."""

import contextlib
import json
import os
import re
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from model.bundle import open_bundle, sha256_of
from model.config import settings
from model.errors import ConfigError, DataError, StoreError
from model.training import jobs, ray_checks, ray_client, ray_package, ray_work
from model.training.job_host import CANCELLED, FAILED, LOST, QUEUED, RUNNING, SUCCEEDED
from model.training.jobs import JobSpec
from model.training.ray_host import FORGOTTEN, RayHost
from model.versions import champion, registry, tracking
from tests.model.job_cases import ADMIN, SET, set_up, wait_for
from tests.model.ray_cluster import Cluster, Mlflow, free_port

pytest.importorskip("ray.job_submission", reason="Ray is not installed")

TINY = JobSpec(SET, "mlp", "scratch", changes=("size_px=16", "epochs=2", "folds=3", "batch_size=8"))
EPOCHS = 25  # so that it is killed before the last one
LONG = replace(TINY, changes=(*TINY.changes, f"epochs={EPOCHS}"), seeds=2)
SLEEPS = RayHost("sleep 300 #")  # behind the # comes the job's id
IMPATIENT = RayHost(  # it asks an MLflow that is down once, not for two minutes
    "env -u OMP_NUM_THREADS python -c 'import sys; from model.training import ray_work; "
    "from model.versions import registry; registry.PAUSES = (); "
    "sys.exit(ray_work.main(sys.argv[1]))'"
)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Mlflow]]:
    """A cluster that says it had two GPUs, and an MLflow server."""
    mlflow = Mlflow(tmp_path_factory.mktemp("mlflow"))
    try:
        cluster = Cluster(num_gpus=2)
        try:
            mlflow.wait_until_up()
            yield cluster, mlflow
        finally:
            cluster.remove()
    finally:
        mlflow.stop()


@pytest.fixture
def cluster(
    servers: tuple[Cluster, Mlflow], sqlite_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Cluster:
    """The same, as the settings name it. A single training there takes both GPUs."""
    monkeypatch.setattr(ray_checks, "_uses_all", lambda *_: True)
    monkeypatch.setattr(ray_client, "LOOK_SECONDS", 30)  # a busy machine
    monkeypatch.setattr(champion, "SHIPPED", sqlite_home / "none")  # too large to hand over here
    monkeypatch.setenv("XRAY_RAY_ADDRESS", servers[0].address)
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:1")  # of something else: does not count
    monkeypatch.setenv("XRAY_MLFLOW_URL", servers[1].address)
    settings.cache_clear()
    return servers[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a job, as a host gets it, with as little in it as can be."""
    return write_folder(tmp_path / "job")


def write_folder(folder: Path) -> Path:
    (folder / "champion").mkdir(parents=True)
    (folder / "champion" / "bundle.json").write_text("{}")
    (folder / "spec.json").write_text(json.dumps({"job_id": "job", "set_sha256": SET}))
    (folder / "films.zip").write_bytes(os.urandom(5000))
    return folder


def wait_until(job: jobs.Job, *states: str) -> jobs.Job:
    """Until the job is in one of the states; the job then. A busy machine takes minutes."""
    wait_for(lambda: jobs.job(ADMIN, job.id).state in states, "it stays as it is", 250)
    return jobs.job(ADMIN, job.id)


def ended(host: RayHost, handle: str) -> tuple[str, str]:
    """State and message when the job has ended."""
    wait_for(lambda: host.look(handle).state not in (QUEUED, RUNNING), "the job has not ended")
    seen = host.look(handle)
    return seen.state, seen.message


def run(command: str, folder: Path) -> tuple[str, str]:
    host = RayHost(command)
    return ended(host, host.start(os.urandom(4).hex(), 1, folder))


def test_a_training_outlives_what_it_needs_and_comes_back_through_mlflow(
    servers: tuple[Cluster, Mlflow], cluster: Cluster, tiny_data: Path, tmp_path: Path, monkeypatch
):
    """With two seeds, of which each has a process and a GPU of its own."""
    set_up(monkeypatch, tmp_path, tiny_data)
    monkeypatch.setattr(ray_package, "PIECE_BYTES", 20_000)  # films in several pieces
    monkeypatch.setattr(jobs, "host_of", lambda name: IMPATIENT)
    job = jobs.submit(ADMIN, LONG, "ray")
    assert (job.state, job.message) == (QUEUED, "")
    wait_for(lambda: both_train(cluster, job), "they do not train together", 200)
    kill(job.id)
    assert wait_until(job, SUCCEEDED, FAILED, LOST).state == LOST
    done = len(jobs.curves(ADMIN, job.id))

    jobs.retry(ADMIN, job.id)
    wait_for(lambda: epochs_of_last_attempt(job, 2), "it does not go on", 200)
    servers[1].kill()
    job = wait_until(job, SUCCEEDED, FAILED, LOST)
    assert (job.state, "bundle is safe" in job.message) == (FAILED, True)
    again = epochs_of_last_attempt(job, 2)
    assert 0 < again[0] <= done < EPOCHS, "it began anew"
    assert [line["epoch"] for line in jobs.curves(ADMIN, job.id)] == list(range(EPOCHS))

    servers[1].start()
    servers[1].wait_until_up()
    job = wait_until(jobs.retry(ADMIN, job.id), SUCCEEDED, FAILED, LOST)
    assert job.state == SUCCEEDED, jobs.log(ADMIN, job.id)
    assert epochs_of_last_attempt(job, 3) == [], "it was only to be handed over"
    version = registry.challenger()
    assert (version.model_version, version.job_id) == (job.model_version, job.id)
    assert [one.number for one in registry.versions()] == [1, 2]  # the shipped one is the first
    with tracking.asked() as client:
        told = client.get_metric_history(version.run_id, "loss")
    assert {metric.step for metric in told} == set(range(EPOCHS))
    bundle = open_bundle(registry.bundle_of(job.model_version))
    assert set(bundle.evaluations) == {"validation", "changed", "test"}
    repeats = {one["seed"]: one["validation_auroc"] for one in bundle.training["repeats"]}
    assert max(repeats, key=repeats.get) == bundle.training["recipe"]["seed"]
    assert repeats.keys() == {0, 1}
    assert "Beside it: fold 0, seed 1 is finished" in jobs.log(ADMIN, job.id)
    assert job.started < job.ended
    # What is large goes; with the rest a retry would only hand over again.
    left = {path.name for path in (cluster.home / "jobs" / job.id).iterdir()}
    assert "films.zip" not in left
    assert "bundle" in left


def both_train(cluster: Cluster, job: jobs.Job) -> bool:
    """Whether the job's own process has ended epochs, and the one beside it too."""
    beside = cluster.home / "jobs" / job.id / "runs" / "0-1" / "run" / "curves.jsonl"
    return beside.exists() and beside.read_text() != "" and len(jobs.curves(ADMIN, job.id)) > 1


def kill(job_id: str) -> None:
    """As the system does when the memory is full: the shell and the training in it."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if "ray_work" in (text := path.read_text()) and job_id in text:
                os.kill(int(path.parent.name), signal.SIGKILL)


def epochs_of_last_attempt(job: jobs.Job, number: int) -> list[int]:
    """Numbers of the epochs that this attempt's own process has done, if it has begun."""
    attempts = RayHost().log(f"{job.id}-{number}").split("Running entrypoint")
    found = (
        re.findall(r'^\{.*"epoch": (\d+)', attempts[number:][-1], re.MULTILINE)
        if len(attempts) > number
        else []
    )
    return [int(epoch) for epoch in found]


def test_the_same_attempt_is_started_once_and_one_gpu_is_used_once(cluster: Cluster, folder: Path):
    first = SLEEPS.start("first", 1, folder)
    wait_for(lambda: SLEEPS.look(first).state == RUNNING, "it does not begin")
    assert SLEEPS.start("first", 1, folder) == first
    second = SLEEPS.start("second", 1, folder)
    assert SLEEPS.look(second).state == QUEUED
    assert SLEEPS.look(first).started > "2026"
    SLEEPS.cancel(first)
    assert SLEEPS.look(first).state == CANCELLED
    wait_for(lambda: SLEEPS.look(second).state == RUNNING, "it does not begin")
    third = SLEEPS.start("second", 2, folder)  # a retry ends what may still run in the folder
    assert SLEEPS.look(second).state == CANCELLED
    SLEEPS.cancel(third)


def test_a_cluster_that_is_away_is_found_again(
    cluster: Cluster, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    handle = SLEEPS.start("away", 1, folder)
    wait_for(lambda: SLEEPS.look(handle).state == RUNNING, "it does not begin")
    monkeypatch.setenv("XRAY_RAY_ADDRESS", f"http://127.0.0.1:{free_port()}")  # no tunnel
    seen = SLEEPS.look(handle)
    assert (seen.state, "goes on" in seen.message) == (LOST, True)
    for ask in (lambda: SLEEPS.cancel(handle), lambda: SLEEPS.log(handle)):
        with pytest.raises(StoreError, match="tunnel"):
            ask()
    assert [(check.name, check.ok) for check in SLEEPS.check()] == [("cluster", False)]
    monkeypatch.setenv("XRAY_RAY_ADDRESS", cluster.address)
    assert SLEEPS.look(handle).state == RUNNING
    SLEEPS.cancel(handle)


def test_how_a_job_ends_is_said_in_one_sentence(cluster: Cluster, folder: Path):
    assert run("kill -9 $$ #", folder)[0] == LOST
    assert run("sh -c 'kill -9 $$' #", folder)[0] == LOST
    state, message = run("no-such-python #", folder)
    assert (state, "virtual environment" in message) == (FAILED, True)
    said = json.dumps({"result": {"error": "DataError", "message": "One class only."}})
    assert run(f"echo '{said}'; exit 2 #", folder) == (FAILED, "One class only.")
    said = json.dumps({"result": {"model_version": "vgg16-new", "run_id": "1"}})
    assert run(f"echo '{said}' #", folder) == (SUCCEEDED, "")


def test_doctor_says_what_the_cluster_has(cluster: Cluster):
    found = {check.name: check for check in RayHost().check()}
    assert [name for name, check in found.items() if not check.ok] == ["gpu"]  # it only says so
    assert "tensorflow[and-cuda]" in found["gpu"].hint
    assert re.search(r"Python 3\.\d+.*keras 3.*mlflow 3", found["versions"].found)
    assert found["mlflow"].found == "answers to the GPU host"
    assert tracking.check() == "the server of XRAY_MLFLOW_URL can be used from here"


def test_without_an_mlflow_server_nothing_is_started(
    cluster: Cluster, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("XRAY_MLFLOW_URL")
    settings.cache_clear()
    with pytest.raises(ConfigError, match="XRAY_MLFLOW_URL"):
        SLEEPS.start("job", 1, folder)


def test_a_wrong_address_is_told_from_a_cluster_that_is_away(
    servers: tuple[Cluster, Mlflow], cluster: Cluster, monkeypatch: pytest.MonkeyPatch
):
    for address in ("gpu-box:8265", "ray://gpu-box:10001", "http://"):
        monkeypatch.setenv("XRAY_RAY_ADDRESS", address)
        assert "such as http://127.0.0.1:8265" in SLEEPS.look("job-1").message
    monkeypatch.setenv("XRAY_RAY_ADDRESS", servers[1].address)
    assert "another program" in SLEEPS.look("job-1").message


def test_films_that_are_too_large_are_looked_for_on_the_host(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ray_package, "TRAVEL_BYTES", 1000)
    monkeypatch.delenv("XRAY_RAY_DATA", raising=False)
    with pytest.raises(DataError, match=f"{SET}.zip"), ray_package.packed(folder):
        pass
    there = tmp_path / "there"
    there.mkdir()
    monkeypatch.setenv("XRAY_RAY_DATA", str(there))
    with ray_package.packed(folder) as environment:
        assert set(environment) == {"working_dir"}
        job = Path(environment["working_dir"]) / "job"
        with pytest.raises(DataError, match="Received: none"):
            ray_work.lay_out(job, tmp_path / "work")
        (there / f"{SET}.zip").write_bytes(b"others")
        with pytest.raises(DataError, match="Received: others"):
            ray_work.lay_out(job, tmp_path / "work")
        (there / f"{SET}.zip").write_bytes((folder / "films.zip").read_bytes())
        ray_work.lay_out(job, tmp_path / "work")
    assert sha256_of(tmp_path / "work" / "films.zip") == sha256_of(folder / "films.zip")


def test_what_travels_is_the_code_and_no_weights_but_the_served_ones(folder: Path):
    with ray_package.packed(folder) as environment:
        top = Path(environment["working_dir"])
        assert (top / "model" / "nn" / "train.py").exists()
        assert (top / "assets" / "samples" / "samples.json").exists()
        assert (top / "job" / "champion" / "bundle.json").exists()
        assert not list(top.rglob("*.keras"))
        assert sum(path.stat().st_size for path in top.rglob("*")) < 3e6


def test_a_cluster_started_anew_has_forgotten_the_job_and_takes_a_retry(
    cluster: Cluster, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The last one: it leaves a cluster without a GPU."""
    host = RayHost("echo begun; sleep 300 #")
    monkeypatch.setattr(jobs, "host_of", lambda name: host)
    set_up(monkeypatch, tmp_path, tiny_data)
    job = wait_until(jobs.submit(ADMIN, replace(TINY, seed=1), "ray"), RUNNING)
    wait_for(lambda: "begun" in jobs.log(ADMIN, job.id), "it prints nothing")
    cluster.stop()
    assert jobs.job(ADMIN, job.id).state == LOST
    cluster.start()
    lost = jobs.job(ADMIN, job.id)
    assert (lost.state, lost.message) == (LOST, FORGOTTEN)
    again = wait_until(jobs.retry(ADMIN, job.id), RUNNING, FAILED)
    assert (again.state, again.attempt) == (RUNNING, 2)
    assert jobs.cancel(ADMIN, job.id).state == CANCELLED
