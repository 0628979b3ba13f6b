"""The server's part of a worklist as a process of its own, to be killed in the middle of a batch.

    python -m tests.model.kill_worklist NUM_FILMS

Makes a list of made-up films and reads it, slowly; prints a line for each batch that is in the
network, and another one for each that is stored.
"""

import os
import sys
import time
from collections.abc import Sequence

from model.clinic import batch, worklists
from model.clinic.batch import BatchReader
from model.prediction import Prediction
from model.xray import XRay
from tests.model.clinic.test_batch import Fake, films
from tests.model.review_cases import ANN

BATCH = 4


def say(line: str) -> None:
    """In one piece, whatever other threads say."""
    os.write(1, f"{line}\n".encode())


class Slow(Fake):
    """Takes its time with a batch, so that it can be killed meanwhile."""

    def predict(self, xrays: Sequence[XRay]) -> list[Prediction]:
        say("in the network")
        time.sleep(0.05)
        return super().predict(xrays)


def main(num: int) -> None:
    """Reads the list to its end, if it is let."""
    batch.BATCH_SIZE = BATCH
    given = films(num)
    number = worklists.create(ANN, "Monday", [film.name for film in given.values()])
    save = worklists.save_readings

    def saved(*arguments: object) -> None:
        save(*arguments)  # type: ignore[arg-type]
        say("stored")

    worklists.save_readings = saved
    reader = BatchReader(Slow())
    reader.give(ANN, number, given)
    reader.start(ANN, number)
    while (found := reader.progress(ANN, number)) and found.state in ("waiting", "reading"):
        time.sleep(0.02)


if __name__ == "__main__":
    main(int(sys.argv[1]))
