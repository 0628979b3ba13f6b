"""A server killed with -9 while it reads a worklist: nothing is half, lost or there twice."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from model.clinic import worklists
from model.clinic.batch import BatchReader
from model.clinic.worklists import Reading
from tests.model.clinic.test_batch import Fake, ended, films
from tests.model.kill_worklist import BATCH
from tests.model.review_cases import ANN

ROOT = Path(__file__).resolve().parents[2]
NUM_FILMS = 40


def killed(num_stored: int) -> None:
    """A process that reads a list and is killed after so many batches, with others in work."""
    command = [sys.executable, "-m", "tests.model.kill_worklist", str(NUM_FILMS)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        num = 0
        for line in process.stdout:
            num += line == "stored\n"
            if num >= num_stored and line == "in the network\n":
                break
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def what_is_there(number: int) -> list[Reading]:
    """The readings of a list, after looking that its batches are whole and no film is twice."""
    files = worklists.files(ANN, number)
    assert [file.position for file in files] == list(range(NUM_FILMS))
    for file in files:
        assert (file.state == "read") == (file.reading is not None)
        assert file.state in ("read", "pending")
    read = [file.state == "read" for file in files]
    for start in range(0, NUM_FILMS, BATCH):
        assert len({*read[start : start + BATCH]}) == 1
    said = [file.reading for file in files if file.reading]
    assert len({one.id for one in said}) == len({one.image_sha256 for one in said}) == len(said)
    assert len(worklists.latest_readings(ANN)) == len(said)
    return said


@pytest.mark.parametrize("num_stored", [0, 3])
def test_a_server_killed_in_the_middle_of_a_batch(database: str, num_stored: int):
    killed(num_stored)
    (one,) = worklists.lists(ANN)
    before = what_is_there(one.id)
    assert num_stored * BATCH <= len(before) < NUM_FILMS
    assert one.num_pending == NUM_FILMS - len(before)

    fake = Fake()
    again = BatchReader(fake)  # the server, started again
    assert again.progress(ANN, one.id) is None
    again.give(ANN, one.id, films(NUM_FILMS))
    again.start(ANN, one.id)
    assert ended(again, one.id) == "done"
    after = what_is_there(one.id)
    assert len(after) == NUM_FILMS
    assert set(before) <= set(after)
    assert sum(fake.sizes) == NUM_FILMS - len(before)
