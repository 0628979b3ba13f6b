"""Trains under JAX on two devices, then on one, then with a full memory; prints what it saw.

Run by test_devices.py in a process of its own: `shared_batches.py DATA FOLDER`.
"""

import json
import sys
from pathlib import Path

import jax

from model.nn import devices, run_log
from model.nn.dataset import divide
from model.nn.recipe import Recipe
from model.nn.train import train

# Batches of 5 cannot be shared by two: 4 are taken. The fold of 8 is predicted in batches of 4.
RECIPE = Recipe(
    network="mlp",
    size_px=(32,),
    epochs=(2,),
    learning_rate=(3e-4,),
    folds=3,
    batch_size=5,
    average=0.5,
    dropout=0.0,
)
data, folder = map(Path, sys.argv[1:])
split = divide(data, "official", RECIPE.folds, RECIPE.seed)
# An odd number of films to predict, which two devices cannot share evenly either.
split.validation.pop()
on = []


def note(log, epoch, logs=None):
    """Before the end of an epoch: on how many devices the weights are."""
    on.append(len(log.network.variables[0].value.devices()))
    end(log, epoch, logs)


def run(name, **changes):
    on.clear()
    trained = train(Recipe(**{**RECIPE.__dict__, **changes}), split, folder / name)
    lines = (folder / name / "curves.jsonl").read_text().splitlines()
    return {
        "devices": list(on),
        "lines": [json.loads(line) for line in lines],
        "logits": trained.logits.tolist(),
    }


end = run_log.RunLog.on_epoch_end
run_log.RunLog.on_epoch_end = note
seen = {"two": run("two")}
devices._found = lambda: ["cpu:0"]
seen["one"] = run("one", batch_size=4)


def fill(log, batch, logs=None):
    """What JAX raises in the step of a batch that is too large."""
    if log.epoch == 1 and not log.halved and batch == 1:
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes.")


run_log.RunLog.on_train_batch_begin = fill
seen["full"] = run("full", batch_size=4)
seen["halved"] = json.loads((folder / "full" / "run.json").read_text())["out_of_memory"]
print(json.dumps(seen))
