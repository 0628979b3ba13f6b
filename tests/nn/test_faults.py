"""A training that meets a fault keeps what it had finished, says what to do, and goes on."""

import json
import resource
from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import tensorflow as tf

from model.errors import TrainingError
from model.nn import network, run_log
from model.nn.dataset import divide
from model.nn.devices import is_out_of_memory
from model.nn.recipe import Recipe
from model.nn.release import release
from model.nn.train import train

RECIPE = Recipe(
    network="mlp",
    size_px=(32,),
    epochs=(3,),
    learning_rate=(3e-3,),
    folds=3,
    batch_size=8,
    average=0.5,
)


@pytest.fixture(scope="module")
def split(tiny_data):
    return divide(tiny_data, "official", RECIPE.folds, RECIPE.seed)


@pytest.fixture(scope="module")
def undisturbed(split, tmp_path_factory):
    """What the run gives without a fault, and the lines of its curves."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return train(RECIPE, split, folder), curves(folder)


@pytest.fixture
def fault(monkeypatch):
    """Something that happens before each batch: `fault(happen)`, and `fault(None)` ends it."""

    def put(happen):
        happen = happen or (lambda log: None)
        monkeypatch.setattr(
            run_log.RunLog, "on_train_batch_begin", lambda log, batch, logs=None: happen(log)
        )

    return put


def curves(run_dir):
    return [json.loads(line) for line in (run_dir / "curves.jsonl").read_text().splitlines()]


def checkpoints(run_dir):
    return [path.name for path in (run_dir / "checkpoints").iterdir()]


def check_all_numbers(run_dir):
    """Every number of every weights file of the run is finite."""
    files = list(run_dir.rglob("*.h5"))
    assert files
    for path in files:
        with h5py.File(path) as file:
            file.visititems(
                lambda name, item: (
                    None
                    if isinstance(item, h5py.Group)
                    else np.testing.assert_array_equal(np.isfinite(item[()]), True, name)
                )
            )


def check_ends_as(undisturbed, split, run_dir):
    trained = train(RECIPE, split, run_dir)
    whole, whole_lines = undisturbed
    lines = curves(run_dir)
    assert [line["epoch"] for line in lines] == [0, 1, 2]
    for line, expected in zip(lines, whole_lines, strict=True):
        assert line["validation_loss"] == pytest.approx(expected["validation_loss"], rel=1e-3)
    assert trained.logits == pytest.approx(whole.logits, abs=5e-3)


# --- a loss that is no number ---------------------------------------------------------------------


def test_a_loss_that_is_no_number_stops_the_run_and_is_kept_nowhere(
    split, tmp_path, fault, undisturbed
):
    def diverge(log):
        if log.epoch == 1:
            log.network.get_layer("logit").bias.assign([np.nan])

    fault(diverge)
    with pytest.raises(TrainingError, match=r"epoch 2 of stage 1 \(32 px\).*learning rate"):
        train(RECIPE, split, tmp_path)
    assert len(curves(tmp_path)) == 1
    assert checkpoints(tmp_path) == ["0-1.weights.h5"]
    check_all_numbers(tmp_path)

    fault(None)
    first = curves(tmp_path)
    check_ends_as(undisturbed, split, tmp_path)
    assert curves(tmp_path)[:1] == first  # not run again


def test_weights_that_are_no_numbers_are_not_kept_though_the_loss_was_one(
    split, tmp_path, monkeypatch
):
    end = run_log.RunLog.on_epoch_end

    def spoil(log, epoch, logs=None):
        if epoch == 1:
            log.network.get_layer("logit").bias.assign([np.nan])
        end(log, epoch, logs)

    monkeypatch.setattr(run_log.RunLog, "on_epoch_end", spoil)
    with pytest.raises(TrainingError, match="weights of finite numbers"):
        train(RECIPE, split, tmp_path)
    assert len(curves(tmp_path)) == 1
    assert checkpoints(tmp_path) == ["0-1.weights.h5"]
    check_all_numbers(tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_in_the_first_epoch_nothing_is_kept(split, tmp_path, fault, value):
    fault(lambda log: log.network.get_layer("logit").bias.assign([value]))
    with pytest.raises(TrainingError, match="No epoch is finished yet"):
        train(RECIPE, split, tmp_path)
    assert not list(tmp_path.rglob("*.h5"))


# --- a memory that is full ------------------------------------------------------------------------


def full_above(batch_size, epoch):
    """What TensorFlow raises in the step of a batch that is too large."""

    def fill(log):
        if (log.batch_size or RECIPE.batch_size) > batch_size and log.epoch == epoch:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    return fill


def test_when_the_memory_is_full_it_goes_on_with_smaller_batches(
    split, tmp_path, fault, capsys, undisturbed
):
    fault(full_above(4, epoch=1))
    trained = train(RECIPE, split, tmp_path)
    said = "Out of memory: batches of 4 X-rays instead of 8 after epoch 1 of stage 1."
    assert capsys.readouterr().out.count(said) == 1
    kept = json.loads((tmp_path / "run.json").read_text())
    assert kept["out_of_memory"] == [{"stage": 0, "epoch": 1, "batch_size": 4}]
    assert kept["recipe"]["batch_size"] == 8
    assert (
        release(trained, tmp_path, run_dir=tmp_path).training["out_of_memory"]
        == (kept["out_of_memory"])
    )
    lines = curves(tmp_path)
    assert [line["epoch"] for line in lines] == [0, 1, 2]
    # The first epoch is that of the batches of eight, and was not run again.
    assert lines[0]["validation_loss"] == pytest.approx(
        undisturbed[1][0]["validation_loss"], rel=1e-3
    )
    assert np.isfinite(trained.logits).all()


def test_started_again_it_keeps_to_the_smaller_batches(split, tmp_path, fault, capsys, monkeypatch):
    sizes = []

    def note_and_fill(log):
        sizes.append(log.batch_size or RECIPE.batch_size)
        full_above(2, epoch=0)(log)

    def die(*_):
        raise KeyboardInterrupt

    fault(note_and_fill)
    with monkeypatch.context() as patch:
        patch.setattr(run_log.RunLog, "on_epoch_end", die)
        with pytest.raises(KeyboardInterrupt):
            train(RECIPE, split, tmp_path)
    assert set(sizes) == {8, 4, 2}
    assert "batches of 2 X-rays instead of 4 from the beginning" in capsys.readouterr().out

    sizes.clear()
    train(RECIPE, split, tmp_path)
    assert set(sizes) == {2}
    assert "Out of memory" not in capsys.readouterr().out


def test_a_memory_too_small_for_two_ends_the_run_with_a_sentence(split, tmp_path, fault):
    fault(full_above(0, epoch=1))
    with pytest.raises(TrainingError, match=r"memory for batches of 2 X-rays.*smaller size_px"):
        train(RECIPE, split, tmp_path)
    assert checkpoints(tmp_path) == ["0-1.weights.h5"]


class OutOfMemoryError(RuntimeError):
    """PyTorch's is called like this."""


JAX_ERROR = "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8589934592 bytes."


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"), True),
        (OutOfMemoryError("CUDA out of memory."), True),
        (RuntimeError(JAX_ERROR), True),
        (MemoryError(), True),
        (np._core._exceptions._ArrayMemoryError((1 << 40,), np.dtype(np.float32)), True),
        (RuntimeError("INVALID_ARGUMENT: shapes"), False),
        (OSError(28, "No space left on device"), False),
        (KeyError("memory"), False),
    ],
)
def test_what_is_a_full_memory(error, expected):
    assert is_out_of_memory(error) == expected


# --- a disk that is full --------------------------------------------------------------------------


def test_a_full_disk_leaves_the_last_checkpoint_and_the_run_goes_on_from_it(
    split, tmp_path, monkeypatch, undisturbed
):
    """No file may grow over 10 kB from a point in the second epoch on: a real failed write."""
    save = run_log.RunLog._save_checkpoint
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def save_on_full_disk(log, done):
        if log.epoch == 1:
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
        save(log, done)

    with monkeypatch.context() as patch:
        patch.setattr(run_log.RunLog, "_save_checkpoint", save_on_full_disk)
        try:
            with pytest.raises(TrainingError, match=r"room on the disk.*Free some") as e:
                train(RECIPE, split, tmp_path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert str(tmp_path) not in str(e.value)
    assert checkpoints(tmp_path) == ["0-1.weights.h5"]  # and no half of the next
    check_all_numbers(tmp_path)
    check_ends_as(undisturbed, split, tmp_path)


def test_a_disk_that_is_full_at_the_end_does_not_lose_the_training(split, tmp_path):
    run_dir, limits = tmp_path / "run", resource.getrlimit(resource.RLIMIT_FSIZE)
    trained = train(RECIPE, split, run_dir)
    lines = curves(run_dir)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(TrainingError, match="room on the disk"):
            release(trained, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]

    bundle = release(train(RECIPE, split, run_dir), tmp_path)
    assert curves(run_dir) == lines  # nothing was trained again
    assert bundle.evaluations["validation"].logits == pytest.approx(trained.logits, abs=1e-4)


# --- a budget -------------------------------------------------------------------------------------


@pytest.fixture
def minutes(monkeypatch):
    """A clock that goes on by a minute each time it is looked at, three times an epoch."""
    clock = count(step=60)
    monkeypatch.setattr(run_log, "time", SimpleNamespace(monotonic=lambda: next(clock)))


STAGES = replace(RECIPE, size_px=(32, 32), epochs=(3, 3), learning_rate=(3e-3, 1e-3))


def test_after_its_budget_no_epoch_is_begun_and_the_best_so_far_is_finished(
    split, tmp_path, minutes, capsys
):
    chosen = replace(STAGES, budget_minutes=5)
    trained = train(chosen, split, tmp_path)
    lines = curves(tmp_path)
    assert [(line["stage"], line["epoch"]) for line in lines] == [(0, 0), (0, 1)]
    assert [line["used_seconds"] for line in lines] == [180, 360]
    said = "The 5 minutes of this training are used up after epoch 2 of stage 1: it ends here."
    assert said in capsys.readouterr().out
    model = network.build("mlp", 32)
    model.load_weights(tmp_path / "best.weights.h5")
    for best, served in zip(model.get_weights(), trained.network.get_weights(), strict=True):
        assert (network.round_to_bfloat16(best) == served).all()

    again = train(chosen, split, tmp_path)  # as after a kill before the bundle was written
    assert curves(tmp_path) == lines
    assert again.logits == pytest.approx(trained.logits)


def test_a_run_that_goes_on_counts_the_time_before(split, tmp_path, minutes, monkeypatch):
    chosen = replace(STAGES, budget_minutes=8)
    save = run_log.RunLog._save_checkpoint

    def save_and_die(log, done):
        save(log, done)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_log.RunLog, "_save_checkpoint", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            train(chosen, split, tmp_path)
    train(chosen, split, tmp_path)
    assert [line["used_seconds"] for line in curves(tmp_path)] == [180, 360, 540]


def test_each_line_says_how_many_images_it_trained_on_a_second(split, tmp_path, minutes):
    assert len(split.training) == 16
    train(replace(RECIPE, batch_size=5, epochs=(1,)), split, tmp_path)
    [line] = curves(tmp_path)
    assert line["images_per_second"] == pytest.approx(15 / 60)  # the sixteenth fills no batch
