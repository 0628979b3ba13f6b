"""How fast does a network learn here, and what share of the device's peak is that?

    python tests/benchmarks/training.py --data chest_xray --out runs/mine [--set key=value]

`python -m model train` on whatever Keras finds (KERAS_BACKEND chooses the back end), with all it
writes; before it two epochs of each size whose batches were prepared once. For each size:

- prepared: images a second that the processor augments while nothing else is done
- step: images a second that the device learns from while nothing has to be prepared
- trained: images a second of the training's epochs
- share: what `trained` computes, of what a large bfloat16 matrix product reaches here; with
  `--peak`, in TFLOP/s from the data sheet, also of that

The median counts, without the first epoch of a size, which also compiles. A learning step counts as
three forward passes, as is usual, each with two operations for a multiplication.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from common import machine, table  # first: it sets paths and logging

# isort: split

import keras
import numpy as np
from keras import ops

from model.nn import dataset, network, train
from model.nn.batches import Batches
from model.nn.recipe import Recipe, recipe
from model.nn.release import release
from model.nn.start import divided

SECONDS = 5.0  # that a measurement goes on at least
PASSES = 3  # forward passes that a learning step costs
SIDES = (1024, 2048, 4096, 8192)  # of the matrices; the fastest counts


def rate(work: Callable[[], float]) -> float:
    """What `work` gives each second, done again and again; once before the clock runs."""
    work()
    began, done = time.perf_counter(), 0.0
    while time.perf_counter() - began < SECONDS:
        done += work()
    return done / (time.perf_counter() - began)


def product(side: int) -> float:
    """Operations a second of bfloat16 products of two matrices, (side, side) each."""
    matrix = ops.cast(keras.random.normal((side, side), stddev=side**-0.5, seed=0), "bfloat16")
    times = max(1, round(1e12 / side**3))

    def work() -> float:
        result = matrix
        for _ in range(times):
            result = ops.matmul(result, matrix)
        ops.convert_to_numpy(ops.cast(ops.sum(result), "float32"))  # waits for the device
        return 2.0 * times * side**3

    return rate(work)


def operations(name: str, size_px: int) -> float:
    """What one image costs in a forward pass: two for each multiplication of what has weights."""
    layers = network.build(name, size_px).layers
    kernels = [(layer.kernel, layer.output.shape) for layer in layers if hasattr(layer, "kernel")]
    return sum(2.0 * np.prod(kernel.shape) * np.prod(out[1:-1]) for kernel, out in kernels)


def prepared(chosen: Recipe, split: dataset.Split, stage: int) -> float:
    """Images a second of the batches of a stage, made one after another."""
    greys = dataset.load_greys(split.training[: 8 * chosen.batch_size])
    labels = np.arange(len(greys)) % 2
    batches = train._batches(
        replace(chosen, background=0.0, hidden=0.0, attention=0.0),
        stage, chosen.batch_size, greys, labels, None,
    )  # fmt: skip
    turn = iter(range(10**9))
    return rate(lambda: len(batches[next(turn) % len(batches)][0]))


def trained(run_dir: Path) -> dict[int, float]:
    """Images a second by size, from the curves of a training."""
    told: dict[int, list[float]] = defaultdict(list)
    for text in (run_dir / "curves.jsonl").read_text().splitlines():
        line = json.loads(text)
        told[line["size_px"]].append(line["images_per_second"])
    return {size: statistics.median(rates[1:] or rates) for size, rates in told.items()}


def stepped(chosen: Recipe, split: dataset.Split) -> dict[int, float]:
    """Images a second by size, of a training whose batches are the same few again and again."""
    usual = Batches.__getitem__

    def ready(self: Any, index: int) -> Any:
        if not self.augment:
            return usual(self, index)
        if not hasattr(self, "ready"):
            self.ready = [usual(self, i) for i in range(min(4, len(self)))]
        return self.ready[index % len(self.ready)]

    short = replace(chosen, epochs=tuple(2 for _ in chosen.epochs))
    Batches.__getitem__ = ready
    try:
        with tempfile.TemporaryDirectory() as folder:
            train.train(short, split, Path(folder))
            return trained(Path(folder))
    finally:
        Batches.__getitem__ = usual


def main(data: Path, out: Path, config: str, changes: list[str], peak: float) -> None:
    """Prints the table."""
    chosen = recipe(config, changes)
    split = divided(chosen, data)
    reached = max(product(side) for side in SIDES)
    alone = {size: prepared(chosen, split, stage) for stage, size in enumerate(chosen.size_px)}
    steps = stepped(chosen, split)
    began = time.monotonic()
    bundle = release(train.train(chosen, split, out / "run"), out)
    minutes = (time.monotonic() - began) / 60
    devices = keras.distribution.list_devices()
    print(f"\n{machine()}\n{keras.backend.backend()} on {', '.join(devices)}")
    print(f"{bundle.model_version} in {minutes:.1f} minutes, batches of {chosen.batch_size}")
    rows = {"matrix product": f"{reached / 1e12:9.2f} TFLOP/s"}
    for size, speed in trained(out / "run").items():
        used = PASSES * operations(chosen.network, size) * speed
        rows[f"{size} px: prepared"] = f"{alone[size]:9.0f} images/s"
        rows[f"{size} px: step"] = f"{steps[size]:9.0f} images/s"
        rows[f"{size} px: trained"] = f"{speed:9.0f} images/s, {used / 1e12:.2f} TFLOP/s"
        rows[f"{size} px: share"] = f"{used / reached:9.1%}"
        if peak:
            rows[f"{size} px: share"] += f", of the data sheet {used / peak / 1e12:.1%}"
    table(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--config", default="default")
    parser.add_argument("--set", action="append", default=[], dest="changes", metavar="KEY=VALUE")
    parser.add_argument("--peak", type=float, default=0.0, metavar="TFLOPS")
    options = parser.parse_args()
    main(options.data, options.out, options.config, options.changes, options.peak)
