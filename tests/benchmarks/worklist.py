"""How many films a second does a worklist read, beside the network's own batch throughput?

    python tests/benchmarks/worklist.py [--films 160] [--folder DIR]

(a) batches of 16 prepared films through the network alone (graph with Grad-CAM and lungs)
(b) the whole way: file, decoding, gate, preparation, network, heatmap, thumbnail, database
Both in turns on one machine; (b) / (a) is to be .9 or more.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from common import large_film, machine, table  # first: it sets paths and logging

# isort: split

import numpy as np

os.environ["XRAY_HOME"] = tempfile.mkdtemp(prefix="pneumoscope-")

from model import xray
from model.clinic import worklists
from model.clinic.archive import Film, from_folder
from model.clinic.batch import BATCH_SIZE, BatchReader
from model.config import settings
from model.nn.classifier import Classifier
from model.people.access import Actor
from model.preprocessing import prepare

ANN = Actor("ann", "clinician")


def alone(classifier: Classifier, films: list[Film], seconds: float) -> float:
    """Films a second of the network alone."""
    greys = [prepare(xray.read(film.read()).display()).grey for film in films[:BATCH_SIZE]]
    classifier._look(greys)
    began, num = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        classifier._look(greys)
        num += len(greys)
    return num / (time.perf_counter() - began)


def whole(classifier: Classifier, films: list[Film], round_: int) -> float:
    """Films a second of a worklist; by a reader of its own, which remembers no film."""
    reader = BatchReader(lambda: classifier)
    number = worklists.create(ANN, f"{round_}", [film.name for film in films])
    reader.give(ANN, number, dict(enumerate(films)))
    began = time.perf_counter()
    reader.start(ANN, number)
    while (found := reader.progress(ANN, number)) and found.state in ("waiting", "reading"):
        time.sleep(0.01)
    return len(films) / (time.perf_counter() - began)


def measure(films: list[Film], rounds: int) -> None:
    """Prints the table."""
    classifier = Classifier.load(settings().bundle)
    print(f"{machine()}\n{len(films)} films a list, medians of {rounds} rounds in turns\n")
    got = [(alone(classifier, films, 8), whole(classifier, films, n)) for n in range(rounds)]
    network, ours = np.median(np.array(got), axis=0)
    table({"(a) network alone": network, "(b) worklist": ours}, "films/s")
    table({"b / a": f"{np.median([b / a for a, b in got]):9.2f}"})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--films", type=int, default=160)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="films of the server instead of a made-up one")
    options = parser.parse_args()
    made = large_film()
    chosen = [Film(f"{n}.jpg", lambda n=n: made + b"%d" % n) for n in range(options.films)]
    if options.folder:
        chosen = from_folder(options.folder)[: options.films]
    measure(chosen, options.rounds)
