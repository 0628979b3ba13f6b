"""Lists are read in the background: whole batches, whatever fails, and on after a restart."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from model import store, xray
from model.clinic import batch, worklists
from model.clinic.archive import Film
from model.clinic.batch import BatchReader
from model.errors import InputError, StoreError, XRayError
from model.prediction import Gate, Prediction
from model.xray import XRay
from tests.model.review_cases import ANN, BOB


def png(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (30, 40)).astype(np.uint8)
    return cv2.imencode(".png", pixels)[1].tobytes()


def films(num: int, **changes: Callable[[], bytes]) -> dict[int, Film]:
    """`num` films; changes: what reading the film `f3` gives instead."""
    reads = {n: changes.get(f"f{n}", lambda n=n: png(n)) for n in range(num)}
    return {n: Film(f"{n}.png", read, bytes(1000)) for n, read in reads.items()}


class Fake:
    """A classifier that says the mean grey; holds a batch as long as `go` is not set."""

    def __init__(self, version: str = "v1") -> None:
        self.bundle = SimpleNamespace(preprocessing="grey-standardise-2", model_version=version)
        self.go, self.entered = threading.Event(), threading.Event()
        self.go.set()
        self.sizes: list[int] = []
        self.fails_on = ""

    def __call__(self) -> "Fake":
        return self

    def predict(self, xrays: Sequence[XRay]) -> list[Prediction]:
        self.entered.set()
        assert self.go.wait(30)
        if any(film.name == self.fails_on for film in xrays):
            raise RuntimeError("a bug")
        self.sizes.append(len(xrays))
        gate = Gate("accepted", 1.0, "Like the others.")
        heat = np.zeros((2, 2), np.float32)
        version = self.bundle.model_version
        return [Prediction(film.pixels.mean() / 255, 0.1, heat, gate, version) for film in xrays]


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def reader(fake: Fake, sqlite_home: Path) -> BatchReader:
    return BatchReader(fake)


def begun(reader: BatchReader, given: dict[int, Film]) -> int:
    number = worklists.create(ANN, "Monday", [film.name for film in given.values()])
    reader.give(ANN, number, given)
    reader.start(ANN, number)
    return number


def ended(reader: BatchReader, number: int) -> str:
    """The state in which the reading ends."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = reader.progress(ANN, number)
        if found and found.state not in ("waiting", "reading"):
            return found.state
        time.sleep(0.01)
    raise TimeoutError


def states(number: int) -> list[str]:
    return [file.state for file in worklists.files(ANN, number)]


def test_a_list_is_read_in_batches(reader: BatchReader, fake: Fake):
    number = begun(reader, films(40))
    assert ended(reader, number) == "done"
    assert states(number) == ["read"] * 40
    assert sorted(fake.sizes) == [8, 16, 16]
    said = worklists.files(ANN, number)[7].reading
    given = reader.film(ANN, number, 7)
    assert given
    film = xray.read(given.read())
    assert said.image_sha256 == film.sha256
    assert said.probability == pytest.approx(film.pixels.mean() / 255)
    assert reader.prediction(film.sha256, "v1").probability == said.probability
    assert reader.thumbnails(ANN, number)[7].startswith("data:image/jpeg;base64,")


def test_the_same_film_goes_through_the_network_once(reader: BatchReader, fake: Fake):
    number = begun(reader, films(3, f1=lambda: png(0)))
    assert ended(reader, number) == "done"
    assert states(number) == ["read"] * 3
    again = begun(reader, films(4))  # three of them known, one new
    assert ended(reader, again) == "done"
    assert fake.sizes == [2, 2]
    said = [file.reading for file in worklists.files(ANN, number)]
    assert said[0] == said[1] != said[2]


def test_what_cannot_be_read_is_said_file_by_file(reader: BatchReader, fake: Fake):
    def broken() -> bytes:
        raise XRayError("a file", "a link", "Pack the file itself.")

    fake.fails_on = "4.png"
    number = begun(reader, films(6, f1=lambda: b"%PDF-1.4", f2=broken))
    assert ended(reader, number) == "done"
    assert states(number) == ["read", "error", "error", "read", "error", "read"]
    errors = [file.error for file in worklists.files(ANN, number)]
    assert "a PDF document" in errors[1]
    assert "a link" in errors[2]
    assert "could not read this X-ray" in errors[4]


def test_cancel_keeps_what_was_read_and_it_goes_on(reader: BatchReader, fake: Fake):
    fake.go.clear()
    number = begun(reader, films(80))
    assert fake.entered.wait(30)
    reader.cancel(ANN, number)
    fake.go.set()
    deadline = time.monotonic() + 30
    while reader._lists[number].in_work and time.monotonic() < deadline:
        time.sleep(0.01)
    num_read = states(number).count("read")
    assert 16 <= num_read <= 32
    reader.start(ANN, number)
    assert ended(reader, number) == "done"
    assert states(number) == ["read"] * 80
    assert sum(fake.sizes) == 80


def test_a_database_that_is_full_stops_with_a_sentence_and_loses_nothing(
    reader: BatchReader, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise StoreError("a database that works", "its disk is full", "Free some space.")

    with monkeypatch.context() as patch:
        patch.setattr(worklists, "save_readings", full)
        number = begun(reader, films(20))
        assert ended(reader, number) == "stopped"
        assert "its disk is full" in reader.progress(ANN, number).problem
        deadline = time.monotonic() + 30
        while reader._lists[number].in_work and time.monotonic() < deadline:
            time.sleep(0.01)
    assert states(number) == ["pending"] * 20
    reader.start(ANN, number)
    assert ended(reader, number) == "done"
    assert states(number) == ["read"] * 20


def test_after_a_restart_what_was_read_is_there_and_the_rest_is_given_again(
    reader: BatchReader, fake: Fake
):
    number = begun(reader, films(20))
    assert ended(reader, number) == "done"
    other = worklists.create(ANN, "Tuesday", [f"{n}.png" for n in range(20)])
    worklists.save_readings(ANN, other, {0: worklists.files(ANN, number)[0].reading})
    store.close()
    again = BatchReader(Fake())
    assert again.progress(ANN, other) is None
    assert states(other) == ["read"] + ["pending"] * 19
    assert again.film(ANN, other, 0) is None
    again.give(ANN, other, films(20))
    again.start(ANN, other)
    assert ended(again, other) == "done"
    assert states(other) == ["read"] * 20
    assert again.progress(ANN, other).num_files == 19


def test_another_film_by_the_name_is_not_read_again_in_its_place(reader: BatchReader):
    number = begun(reader, films(4))
    assert ended(reader, number) == "done"
    before = [file.reading for file in worklists.files(ANN, number)]
    again = BatchReader(Fake("v2"))  # after a restart, with another version
    again.give(ANN, number, films(4, f1=lambda: png(9), f2=lambda: b"%PDF-1.4"))
    again.start(ANN, number, range(4))
    assert ended(again, number) == "done"
    said = [file.reading for file in worklists.files(ANN, number)]
    assert [one.model_version for one in said] == ["v2", "v1", "v1", "v2"]
    assert said[1:3] == before[1:3]
    assert again.progress(ANN, number).others == ("1.png", "2.png")
    assert again.held(ANN, number) == {0, 3}  # the two have to be given again
    again.give(ANN, number, {1: films(4)[1]})
    again.start(ANN, number, [1])
    assert ended(again, number) == "done"
    assert worklists.files(ANN, number)[1].reading.model_version == "v2"
    assert again.progress(ANN, number).others == ()


def test_promoted_meanwhile_a_batch_ends_with_the_version_that_began_it(
    fake: Fake, sqlite_home: Path
):
    new, served = Fake("v2"), [fake]
    reader = BatchReader(lambda: served[0])
    fake.go.clear()
    number = begun(reader, films(48))
    assert fake.entered.wait(30)
    served[0] = new
    fake.go.set()
    assert ended(reader, number) == "done"
    said = [file.reading for file in worklists.files(ANN, number)]
    by_batch = [{one.model_version for one in said[n : n + 16]} for n in range(0, 48, 16)]
    assert by_batch[0] == {"v1"}
    assert by_batch[2] == {"v2"}
    assert len(by_batch[1]) == 1
    versions = [one.model_version for one in said]
    assert (sum(fake.sizes), sum(new.sizes)) == (versions.count("v1"), versions.count("v2"))

    earlier = [position for position, version in enumerate(versions) if version == "v1"]
    reader.start(ANN, number, earlier)
    assert ended(reader, number) == "done"
    assert {file.reading.model_version for file in worklists.files(ANN, number)} == {"v2"}
    assert sum(new.sizes) == 48


def test_read_once_more_what_was_said_stays_until_it_is_replaced(fake: Fake, sqlite_home: Path):
    new, served = Fake("v2"), [fake]
    reader = BatchReader(lambda: served[0])
    number = begun(reader, films(20))
    assert ended(reader, number) == "done"
    served[0] = new
    new.go.clear()
    reader.start(ANN, number, range(20))
    assert new.entered.wait(30)
    reader.cancel(ANN, number)
    assert states(number) == ["read"] * 20
    assert {file.reading.model_version for file in worklists.files(ANN, number)} == {"v1"}
    new.go.set()


def test_a_list_is_its_owners_alone(reader: BatchReader):
    number = begun(reader, films(2))
    assert ended(reader, number) == "done"
    assert reader.progress(BOB, number) is None
    assert reader.film(BOB, number, 0) is None
    assert reader.thumbnails(BOB, number) == {}
    for call in (reader.start, lambda actor, n: reader.give(actor, n, films(2))):
        with pytest.raises(InputError, match="a worklist of yours"):
            call(BOB, number)
    reader.forget(BOB, number)
    assert reader.held(ANN, number) == {0, 1}
    reader.forget(ANN, number)
    assert reader.film(ANN, number, 0) is None


def test_the_memory_for_films_has_an_end(
    reader: BatchReader, fake: Fake, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(batch, "MAX_HELD_BYTES", 3500)
    first = begun(reader, films(2))
    assert ended(reader, first) == "done"
    fake.go.clear()
    second = begun(reader, films(2, f0=lambda: png(8), f1=lambda: png(9)))
    assert reader.film(ANN, first, 0) is None or reader.held(ANN, first) == set()
    with pytest.raises(InputError, match="that are being read"):
        begun(reader, films(2))
    fake.go.set()
    assert ended(reader, second) == "done"
    assert reader.held(ANN, second) == {0, 1}


def test_a_deleted_list_ends_its_reading(reader: BatchReader, fake: Fake):
    fake.go.clear()
    number = begun(reader, films(40))
    assert fake.entered.wait(30)
    reader.forget(ANN, number)
    worklists.delete(ANN, number)
    fake.go.set()
    after = begun(reader, films(3))
    assert ended(reader, after) == "done"
    assert sum(fake.sizes) <= 32 + 3
