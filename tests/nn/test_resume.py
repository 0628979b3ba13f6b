"""A run that is interrupted and started again ends as if nothing had happened."""

import json
from dataclasses import replace

import numpy as np
import pytest

from model.nn import network, run_log
from model.nn import train as training
from model.nn.dataset import divide
from model.nn.recipe import Recipe

# Two stages, dropout, random augmentation, averaged weights: all that has a state to lose.
RECIPE = Recipe(
    network="cnn",
    size_px=(32, 32),
    epochs=(2, 2),
    learning_rate=(3e-3, 1e-3),
    folds=3,
    batch_size=4,
    average=0.8,
)


@pytest.fixture(scope="module")
def split(tiny_data):
    return divide(tiny_data, "official", RECIPE.folds, RECIPE.seed)


@pytest.fixture(scope="module")
def uninterrupted(split, tmp_path_factory):
    """What a whole run gives, and the lines of its curves."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    return training.train(RECIPE, split, folder), curves(folder)


def curves(run_dir):
    return [json.loads(line) for line in (run_dir / "curves.jsonl").read_text().splitlines()]


def run_and_die_after(monkeypatch, stage, done, split, run_dir):
    save = run_log.RunLog._save_checkpoint

    def save_and_die(log, epochs):
        save(log, epochs)
        if (log.stage, epochs) == (stage, done):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_log.RunLog, "_save_checkpoint", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            training.train(RECIPE, split, run_dir)


@pytest.mark.parametrize(("stage", "done"), [(0, 1), (0, 2), (1, 1), (1, 2)])
def test_a_killed_run_goes_on_and_ends_as_an_uninterrupted_one(
    split, tmp_path, monkeypatch, uninterrupted, stage, done
):
    run_and_die_after(monkeypatch, stage, done, split, tmp_path)
    before = curves(tmp_path)
    assert len(before) == 2 * stage + done
    names = [path.name for path in (tmp_path / "checkpoints").iterdir()]
    assert names == [f"{stage}-{done}.weights.h5"]

    trained = training.train(RECIPE, split, tmp_path)
    lines = curves(tmp_path)
    assert lines[: len(before)] == before  # not run again
    assert training.train(RECIPE, split, tmp_path).logits == pytest.approx(trained.logits)
    assert curves(tmp_path) == lines  # nothing was trained again

    whole, whole_lines = uninterrupted
    losses = [line["validation_loss"] for line in whole_lines]
    assert np.ptp(losses) > 0.02  # else it would not matter where it goes on
    assert [(line["stage"], line["epoch"]) for line in lines] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    for line, expected in zip(lines, whole_lines, strict=True):
        for name in ("loss", "validation_loss", "changed_loss"):
            assert line[name] == pytest.approx(expected[name], rel=1e-3), name
    assert trained.logits == pytest.approx(whole.logits, abs=5e-3)
    assert trained.changed_logits == pytest.approx(whole.changed_logits, abs=5e-3)


def test_another_recipe_in_the_same_folder_starts_afresh(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "0-1.weights.h5").write_bytes(b"of another run")
    (tmp_path / "run.json").write_text(json.dumps({"recipe": {"seed": 1}}))
    log = run_log.RunLog(tmp_path, {"recipe": {"seed": 2}}, np.zeros(1), averages=False)
    assert (log.stage, log.done) == (0, 0)
    assert not (tmp_path / "checkpoints").exists()
    assert json.loads((tmp_path / "run.json").read_text()) == {"recipe": {"seed": 2}}


# --- averaged weights -----------------------------------------------------------------------------


@pytest.fixture
def steps(monkeypatch):
    """The weights after each step of the runs in this test."""
    kept = []
    monkeypatch.setattr(run_log.RunLog, "async_safe", False)  # not while the next step runs
    monkeypatch.setattr(
        run_log.RunLog,
        "on_train_batch_end",
        lambda log, batch, logs=None: kept.append(log.model.get_weights()),
    )
    return kept


def one_epoch(average):
    return Recipe(
        network="mlp", size_px=(32,), epochs=(1,), learning_rate=(1e-2,), folds=3, batch_size=4,
        average=average,
    )  # fmt: skip


def best(run_dir):
    model = network.build("mlp", 32)
    model.load_weights(run_dir / "best.weights.h5")
    return model.get_weights()


def test_the_weights_that_are_kept_are_the_average_over_the_steps(split, tmp_path, steps):
    trained = training.train(one_epoch(average=0.7), split, tmp_path)
    assert len(steps) == 4
    expected = steps[0]
    for weights in steps[1:]:
        expected = [0.7 * old + 0.3 * new for old, new in zip(expected, weights, strict=True)]
    for kept, average, last in zip(best(tmp_path), expected, steps[-1], strict=True):
        assert kept == pytest.approx(average, abs=1e-5)
        assert np.abs(kept - last).max() > 1e-4
    for kept, served in zip(best(tmp_path), trained.network.get_weights(), strict=True):
        assert (network.round_to_bfloat16(kept) == served).all()


def test_without_an_average_they_are_those_of_the_last_step(split, tmp_path, steps):
    training.train(one_epoch(average=0.0), split, tmp_path)
    for kept, last in zip(best(tmp_path), steps[-1], strict=True):
        assert (kept == last).all()


def test_the_steps_themselves_do_not_start_from_the_average(split, tmp_path, steps):
    """The average is looked at after each epoch and must not find its way into the training."""
    runs = {}
    for average in (0.0, 0.9):
        steps.clear()
        chosen = replace(one_epoch(average), epochs=(3,), weight_decay=0.0)
        training.train(chosen, split, tmp_path / str(average))
        runs[average] = list(steps)
    assert len(runs[0.0]) == len(runs[0.9]) == 12
    for plain, averaged in zip(runs[0.0][-1], runs[0.9][-1], strict=True):
        assert averaged == pytest.approx(plain, abs=2e-3)
