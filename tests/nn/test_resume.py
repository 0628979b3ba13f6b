import json

import numpy as np
import pytest

from model.nn import train as training
from model.nn.dataset import read_folder
from model.nn.recipe import Recipe

RECIPE = Recipe(size_px=(32,), epochs=(2,), learning_rate=(1e-3,), folds=3, batch_size=8)


def curves(run_dir):
    return [json.loads(line) for line in (run_dir / "curves.jsonl").read_text().splitlines()]


def test_a_killed_run_goes_on_after_its_last_epoch(tiny_data, tmp_path, monkeypatch):
    examples = read_folder(tiny_data, "train")
    save = training._Log._save_checkpoint

    def save_and_die(log, done):
        save(log, done)
        raise KeyboardInterrupt

    monkeypatch.setattr(training._Log, "_save_checkpoint", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        training.train(RECIPE, examples, tmp_path)
    monkeypatch.undo()
    [first] = curves(tmp_path)
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["0-1.weights.h5"]

    training.train(RECIPE, examples, tmp_path)
    lines = curves(tmp_path)
    assert lines[0] == first  # not run again
    assert [line["epoch"] for line in lines] == [0, 1]
    assert not (tmp_path / "checkpoints").exists()


def test_another_recipe_in_the_same_folder_starts_afresh(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "0-1.weights.h5").write_bytes(b"of another run")
    (tmp_path / "run.json").write_text(json.dumps({"recipe": {"seed": 1}}))
    log = training._Log(tmp_path, {"recipe": {"seed": 2}}, np.zeros(1))
    assert (log.stage, log.done) == (0, 0)
    assert not (tmp_path / "checkpoints").exists()
    assert json.loads((tmp_path / "run.json").read_text()) == {"recipe": {"seed": 2}}
