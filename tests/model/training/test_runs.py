"""Several runs of one training: which there are, who does them, and which becomes the version."""

import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from model.bundle import open_bundle, write_card
from model.errors import ConfigError, TrainingError
from model.training import ray_checks, ray_runs, runs
from model.training.job_host import epochs_in_log
from model.training.job_store import JobSpec
from model.training.runs import Left, Run, WorkerLost
from tests.model.version_cases import evaluation, write_version

SEEDS = [Run(0, 7), Run(0, 8), Run(0, 9)]
FOLDS = [Run(1, 7), Run(2, 7)]
ALL = [*SEEDS, *FOLDS]
SECONDS = 20


def test_one_training_is_one_run():
    assert runs.of(JobSpec("set", seed=7)) == [Run(0, 7)]


def test_seeds_are_of_the_frozen_division_and_folds_of_the_first_seed():
    assert runs.of(JobSpec("set", "default", "scratch", seed=7, folds=3, seeds=3)) == ALL
    changes = ("seed=7", "init=imagenet")
    assert runs.of(JobSpec("set", changes=changes, folds=3, seeds=3)) == ALL


@pytest.mark.parametrize("number", [{"folds": 2}, {"folds": 11}, {"seeds": 0}, {"seeds": 11}])
def test_numbers_out_of_range_are_refused(number: dict[str, int]):
    with pytest.raises(ConfigError, match="Correct the numbers"):
        runs.of(JobSpec("set", **number))


@pytest.mark.parametrize("changes", [(), ("init=champion",), ("init=runs/mine",)])
def test_folds_are_not_judged_on_children_whom_their_start_has_seen(changes: tuple[str, ...]):
    init = "scratch" if changes else "champion"
    with pytest.raises(ConfigError, match=r"init=scratch or init=imagenet.*figures too good"):
        runs.of(JobSpec("set", "default", init, changes=changes, folds=3))
    assert len(runs.of(JobSpec("set", "default", init, changes=changes, seeds=3))) == 3


@pytest.mark.parametrize(
    "spec",
    [JobSpec("set", changes=("protocol=grouped",)), JobSpec("set", changes=("protocol=ungrouped",)),
     JobSpec("set", "grouped"), JobSpec("set", "cnn_150_ungrouped", "scratch")],
)  # fmt: skip
def test_no_job_trains_on_films_of_the_locked_test_set(spec: JobSpec):
    with pytest.raises(ConfigError, match=r"protocol=official.*Received: protocol=(un)?grouped"):
        runs.of(spec)


# --- who does them --------------------------------------------------------------------------------


def test_a_run_that_fails_does_not_keep_the_others_from_being_done():
    done = []

    def train(run: Run) -> None:
        done.append(run)
        if run == SEEDS[1]:
            raise TrainingError("a loss", "NaN", "Lower the rate.")

    failed = runs.one_after_another(ALL, train)
    assert done == ALL
    assert failed.keys() == {SEEDS[1]}


class Group:
    """A helper beside the test, on one list; each run is noted by who did it."""

    def __init__(self) -> None:
        self.left = Left(ALL)
        self.own: list[Run] = []
        self.helpers: list[Run] = []
        self.begun, self.go_on = threading.Event(), threading.Event()

    def help(self, run: Run) -> None:
        self.helpers.append(run)
        self.begun.set()
        assert self.go_on.wait(SECONDS)

    def start(self) -> threading.Thread:
        """The helper is at its first run when this returns."""
        thread = threading.Thread(target=self.left.pull, args=(self.help, True), daemon=True)
        thread.start()
        assert self.begun.wait(SECONDS)
        return thread


def test_two_pull_from_one_list_and_nothing_is_done_twice():
    group = Group()
    thread = group.start()

    def train(run: Run) -> None:
        group.own.append(run)
        if len(group.own) == len(ALL) - 1:  # all others are done beside the helper's one
            group.go_on.set()

    group.left.pull(train)
    thread.join(SECONDS)
    assert (group.helpers, group.own) == (ALL[:1], ALL[1:])
    assert not group.left.failed


def test_what_a_lost_helper_was_at_is_done_by_another():
    group = Group()

    def lost(run: Run) -> None:
        Group.help(group, run)
        raise WorkerLost

    group.help = lost
    group.start()

    def train(run: Run) -> None:
        group.own.append(run)
        if run == ALL[-1]:
            group.go_on.set()  # the list is empty by now: who pulls waits for the helper

    group.left.pull(train)
    assert group.own == [*ALL[1:], ALL[0]]
    assert not group.left.failed


def test_what_fails_at_a_helper_is_not_tried_again():
    group = Group()

    def fails(run: Run) -> None:
        Group.help(group, run)
        raise TrainingError("a loss", "NaN", "Lower the rate.")

    group.help = fails
    thread = group.start()
    group.left.pull(lambda run: group.own.append(run) or group.go_on.set())
    thread.join(SECONDS)
    assert str(group.left.failed[ALL[0]]).endswith("Lower the rate.")
    assert ALL[0] not in group.own


# --- on a cluster ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("all_", "free", "asked", "number"),
    [
        ({"GPU": 4.0, "CPU": 12.0}, {"GPU": 3.0, "CPU": 12.0}, (1, 3), 3),
        ({"GPU": 1.0, "CPU": 64.0}, {"CPU": 64.0}, (1, 4), 0),  # Ray leaves out what is all in use
        ({"CPU": 16.0}, {"CPU": 11.0}, (0, 4), 2),
        ({"CPU": 2.0}, {}, (0, 4), 0),
    ],
)
def test_there_are_as_many_helpers_as_there_is_room(all_, free, asked, number):
    each = dict(zip(("num_gpus", "num_cpus"), asked, strict=True))
    assert ray_runs.room(all_, free) == (each, number)


GPU_HOSTS = [{"GPU": 2.0, "CPU": 8.0}, {"GPU": 4.0, "CPU": 8.0}, {"CPU": 64.0}]


@pytest.mark.parametrize(
    ("hosts", "backend", "num_runs", "asked"),
    [
        (GPU_HOSTS, "jax", 1, {"entrypoint_num_gpus": 4}),
        (GPU_HOSTS, "tensorflow", 1, {"entrypoint_num_gpus": 1}),
        (GPU_HOSTS, "jax", 5, {"entrypoint_num_gpus": 1}),
        ([{"CPU": 2.0}], "tensorflow", 1, {"entrypoint_num_gpus": 0}),
        ([{"CPU": 2.0}], "tensorflow", 5, {"entrypoint_num_cpus": 2}),
        ([{"CPU": 64.0}], "tensorflow", 5, {"entrypoint_num_cpus": 4}),
    ],
)
def test_a_single_training_asks_for_all_gpus_that_it_can_use(
    hosts, backend: str, num_runs: int, asked, monkeypatch: pytest.MonkeyPatch
):
    found = [
        {"node_id": f"{backend}{number}", "node_ip": f"10.0.0.{number}", "resources_total": host}
        for number, host in enumerate(hosts)
    ]
    monkeypatch.setattr(ray_checks, "nodes", lambda client: found)
    monkeypatch.setattr(ray_checks, "_facts", lambda *_: {"backend": backend})
    assert ray_checks.needs(object(), num_runs) == asked


class Handle:
    """Stands for a helper as Ray gives it: what each run ends in."""

    def __init__(self, ends: dict[Run, object]) -> None:
        self.ready = SimpleNamespace(remote=lambda: None)
        self.train = SimpleNamespace(remote=ends.__getitem__)


def test_what_a_helper_gives_back_is_kept_noted_or_done_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    ray = pytest.importorskip("ray", reason="Ray is not installed")

    def get(end: object) -> object:
        if isinstance(end, Exception):
            raise end
        return end

    monkeypatch.setattr(ray, "get", get)
    monkeypatch.setattr(ray, "kill", lambda helper: None)
    monkeypatch.setenv("XRAY_HOME", str(tmp_path))
    made = write_version(tmp_path / "there")
    files = {path.name: path.read_bytes() for path in ray_runs._files(made.folder)}
    ends = dict(zip(ALL, [files, fault(), ray.exceptions.WorkerCrashedError()], strict=False))
    left = Left(ALL[:3])
    ray_runs._have_pull(left, Handle(ends), "job")
    assert open_bundle(runs.place(tmp_path / "jobs" / "job", ALL[0]) / "bundle").model_version
    assert left.failed.keys() == {ALL[1]}
    assert "a fault (FileNotFoundError); its log tells more" in str(left.failed[ALL[1]])
    assert "Traceback" in capsys.readouterr().out
    again: list[Run] = []
    left.pull(again.append)
    assert again == [ALL[2]]


def fault() -> object:
    """What a helper says that finds nothing of the job where it is."""
    return ray_runs.Helper("nowhere").train(ALL[1])


def test_doctor_says_where_gpus_would_lie_idle():
    two = {"gpus": ["gpu:0", "gpu:1"], "backend": "tensorflow"}
    assert "KERAS_BACKEND=jax" in ray_checks._gpus(two, True).found
    assert ray_checks._gpus({**two, "backend": "jax"}, True).found == "2, jax"
    assert ray_checks._gpus({**two, "gpus": ["gpu:0"]}, True).found == "1, tensorflow"


def test_a_bundle_of_another_computer_is_kept_once(tmp_path: Path):
    made = write_version(tmp_path / "there")
    files = {path.name: path.read_bytes() for path in ray_runs._files(made.folder)}
    for _ in range(2):
        ray_runs._keep(files, tmp_path / "here")
        assert open_bundle(tmp_path / "here" / "bundle").model_version == made.model_version
        files = {}  # what is there is not written again


# --- the curves of the job's page -----------------------------------------------------------------


def lines(*numbers: int) -> str:
    return "".join(f'{{"stage": 0, "epoch": {number}, "loss": 1.0}}\n' for number in numbers)


def begins(run: int) -> str:
    return f'{{"run": {run}, "runs": 3, "fold": 0, "seed": {run}}}\n'


def epochs(log: str) -> list[int]:
    return [line["epoch"] for line in epochs_in_log(log)]


def test_the_curves_are_those_of_the_run_that_goes_on():
    log = begins(1) + lines(0, 1, 2) + begins(2) + lines(0, 1)
    assert epochs(log) == [0, 1]
    assert epochs_in_log(log)[-1]["run"] == 2
    assert epochs(log + begins(3)) == []
    # Killed and retried: run 2 goes on, between whose epochs are none of another run.
    assert epochs(log + begins(3) + lines(0) + begins(2) + lines(2, 3)) == [0, 1, 2, 3]


def test_the_curves_of_a_single_run_are_as_they_were():
    assert epochs(lines(0, 1, 2) + "Killed\n" + lines(2, 3)) == [0, 1, 2, 3]
    assert "run" not in epochs_in_log(lines(0))[0]


# --- which becomes the version --------------------------------------------------------------------


def made(folder: Path, run: Run, distance: float) -> None:
    """A finished run, the better the further apart its logits are."""
    bundle = write_version(runs.place(folder, run) / "bundle", model_version=f"vgg16-{run.seed}")
    told = {**bundle.evaluations, "validation": evaluation("validation", 1, distance=distance)}
    write_card(replace(bundle, evaluations=told))


def test_the_best_of_the_frozen_division_is_the_version_and_knows_of_the_others(tmp_path: Path):
    for run, distance in zip(ALL, (2, 4, 3, 9, 1), strict=True):
        made(tmp_path, run, distance)
    bundle = runs.settle(tmp_path, ALL)
    assert bundle.folder == tmp_path / "bundle"
    assert bundle.model_version == "vgg16-8"  # fold 1 was better, but on other patients
    assert open_bundle(bundle.folder).training["curves"] == bundle.training["curves"] != []
    told = bundle.training["repeats"]
    assert [Run(one["fold"], one["seed"]) for one in told] == ALL
    assert list(np.argsort([one["validation_auroc"] for one in told])) == [4, 0, 2, 1, 3]
    assert all(0.5 < one["validation_auroc"] <= 1 for one in told)
