"""Worklists are read in the background of the server, whatever its pages do meanwhile.

    reader = BatchReader(classifier)
    reader.give(actor, number, films)   # their bytes stay in memory, see MAX_HELD_BYTES
    reader.start(actor, number)
    reader.progress(actor, number)

What was read is stored batch by batch (worklists.py): a server that is killed loses the batches
that were in work and no more. The films themselves are never stored.
"""

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from model import xray
from model.clinic import archive, worklists
from model.clinic.archive import Film
from model.clinic.batch_predictions import Classifier, Predictions, reading, thumbnail
from model.clinic.worklists import Reading
from model.config import settings
from model.errors import InputError, PneumoscopeError, XRayError
from model.language import N_, _
from model.people.access import Actor
from model.prediction import Prediction
from model.xray import XRay

MAX_HELD_BYTES = 2 * 1000**3  # of uploaded films in memory, over all lists of all readers
MAX_HELD_LISTS = 20
BATCH_SIZE = 16
_FAILED = N_(
    "The classifier could not read this X-ray. Ask the administrator to look into the server's log."
)
_STOPPED = N_("The reading has stopped. Ask the administrator to look into the server's log.")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """How far the reading of a list is.

    state: "waiting" behind other lists, "reading", "cancelled", "stopped" (`problem` says why) or
    "done". seconds_left: None as long as nothing was read. others: names of files that were to be
    read again and are not what was read under these names; what was said of that stays.
    """

    state: str
    num_done: int
    num_files: int
    seconds_left: float | None = None
    problem: str = ""
    others: tuple[str, ...] = ()


@dataclass(eq=False)
class _List:
    """The films of a list and where its reading is; guarded by the reader's lock."""

    owner: str
    films: dict[int, Film]  # by position
    state: str = "cancelled"
    problem: str = ""
    todo: deque[int] = field(default_factory=deque)
    in_work: set[int] = field(default_factory=set)
    num_done: int = 0
    num_files: int = 0
    began: float = 0.0
    actor: Actor | None = None
    thumbnails: dict[int, str] = field(default_factory=dict)  # data URLs
    known: dict[int, str] = field(default_factory=dict)  # SHA-256 of what was read already
    others: list[str] = field(default_factory=list)

    @property
    def num_bytes(self) -> int:
        return archive.num_bytes(self.films.values())

    @property
    def is_active(self) -> bool:
        return self.state in ("waiting", "reading") or bool(self.in_work)


class BatchReader:
    """Reads one list after another, each in batches. Threads may share it."""

    def __init__(self, classifier: Callable[[], Classifier]) -> None:
        """classifier: gives the classifier, waiting until it is loaded."""
        self._classifier = classifier
        self._lists: OrderedDict[int, _List] = OrderedDict()
        self._predictions = Predictions()
        self._changed = threading.Condition()
        # Two: one decodes and prepares while the other one's batch is in the network.
        for number in range(2):
            threading.Thread(target=self._work, name=f"worklist-{number}", daemon=True).start()

    def give(self, actor: Actor, number: int, films: Mapping[int, Film]) -> None:
        """The films of the actor's own list, by position; given before, they are replaced.

        Those of the oldest lists are let go if there are too many. Raises InputError if even then
        there is no room.
        """
        worklists.files(actor, number)  # raises for a list of somebody else
        with self._changed:
            given = self._lists.get(number) or _List(actor.name, {})
            wanted = _List(actor.name, {**given.films, **films}).num_bytes
            self._make_room(number, wanted)
            given.films.update(films)
            self._lists[number] = given

    def _make_room(self, number: int, num_bytes: int) -> None:
        others = {key: held for key, held in self._lists.items() if key != number}
        idle = [key for key, held in others.items() if not held.is_active]
        while others and (
            num_bytes + sum(held.num_bytes for held in others.values()) > MAX_HELD_BYTES
            or len(others) >= MAX_HELD_LISTS
        ):
            if not idle:
                raise InputError(
                    _(
                        "room for these films: the server holds {n:g} GB at a time",
                        n=MAX_HELD_BYTES / 1e9,
                    ),
                    _("many lists that are being read"),
                    _("Try again when they are done."),
                )
            oldest = idle.pop(0)
            del others[oldest], self._lists[oldest]

    def start(self, actor: Actor, number: int, again: Collection[int] = ()) -> None:
        """Reads those files of the list that are pending and whose films were given.

        again: positions to be read once more; what was said of them stays until it is replaced.
            Another film by that name is let go, see `Progress.others`.
        """
        files = worklists.files(actor, number)
        wanted = sorted({*(one.position for one in files if one.state == "pending"), *again})
        with self._changed:
            held = self._lists.get(number)
            if held is None or held.state in ("waiting", "reading"):
                return
            there = held.films.keys() - held.in_work
            held.todo = deque(position for position in wanted if position in there)
            held.problem, held.actor, held.num_done, held.began = "", actor, 0, 0.0
            held.known = {f.position: f.reading.image_sha256 for f in files if f.reading}
            held.others = []
            held.num_files = len(held.todo) + len(held.in_work)
            held.state = "waiting" if held.num_files else "done"
            self._lists.move_to_end(number)
            self._changed.notify_all()

    def cancel(self, actor: Actor, number: int) -> None:
        """Stops after the batches that are in work; what was read stays."""
        with self._changed:
            held = self._own(actor, number)
            if held and held.state in ("waiting", "reading"):
                held.state = "cancelled"
                held.todo.clear()

    def forget(self, actor: Actor, number: int) -> None:
        """Stops and lets the films of a list go."""
        self.cancel(actor, number)
        with self._changed:
            if self._own(actor, number):
                del self._lists[number]

    def progress(self, actor: Actor, number: int) -> Progress | None:
        """How far it is; None for a list without films, as after a restart of the server."""
        with self._changed:
            held = self._own(actor, number)
            if held is None:
                return None
            left = None
            if held.num_done and held.state == "reading":
                each = (time.monotonic() - held.began) / held.num_done
                left = each * (held.num_files - held.num_done)
            others = tuple(held.others)
            return Progress(held.state, held.num_done, held.num_files, left, held.problem, others)

    def thumbnails(self, actor: Actor, number: int) -> dict[int, str]:
        """Small pictures as data URLs, by position, of what was read since the server's start."""
        with self._changed:
            held = self._own(actor, number)
            return dict(held.thumbnails) if held else {}

    def held(self, actor: Actor, number: int) -> set[int]:
        """The positions whose films are at hand."""
        with self._changed:
            held = self._own(actor, number)
            return set(held.films) if held else set()

    def film(self, actor: Actor, number: int, position: int) -> Film | None:
        """The film as it was given; None if it has to be given again."""
        with self._changed:
            held = self._own(actor, number)
            return held.films.get(position) if held else None

    def prediction(self, image_sha256: str, model_version: str) -> Prediction | None:
        """What was said of a film, if it was among the last ones that were read."""
        return self._predictions.known(image_sha256, model_version)

    def _own(self, actor: Actor, number: int) -> _List | None:
        held = self._lists.get(number)
        return held if held and held.owner == actor.name else None

    def _work(self) -> None:
        while True:
            with self._changed:
                while (taken := self._take()) is None:
                    self._changed.wait()
            number, held, positions = taken
            said: dict[int, Reading | str] = {}
            problem = ""
            try:
                said = self._read(held, positions)
                assert held.actor
                worklists.save_readings(held.actor, number, said)
            except PneumoscopeError as error:
                problem = str(error)
            except Exception:
                _log.exception("the reading of a worklist has stopped")
                problem = _STOPPED
            with self._changed:
                self._note(held, positions, problem)

    def _take(self) -> tuple[int, _List, list[int]] | None:
        """The next batch: of the list that is being read, else of the next one waiting."""
        for number, held in self._lists.items():
            if held.todo:
                if not held.began:
                    held.state, held.began = "reading", time.monotonic()
                num = min(BATCH_SIZE, len(held.todo))
                positions = [held.todo.popleft() for _ in range(num)]
                held.in_work.update(positions)
                return number, held, positions
        return None

    def _note(self, held: _List, positions: Sequence[int], problem: str) -> None:
        held.in_work.difference_update(positions)
        if problem:
            held.state, held.problem = "stopped", problem
            held.todo.clear()
            return
        held.num_done += len(positions)
        if held.state in ("waiting", "reading") and not held.todo and not held.in_work:
            held.state = "done"

    def _read(self, held: _List, positions: Sequence[int]) -> dict[int, Reading | str]:
        """What became of these files: a reading, or why there is none."""
        classifier = self._classifier()
        said: dict[int, Reading | str] = {}
        films: dict[int, XRay] = {}
        for position in positions:
            film = held.films[position]
            known = held.known.get(position)
            try:
                read = xray.read(film.read(), film.name)
                if known in (None, read.sha256):
                    films[position] = read
                else:
                    self._let_go(held, position)
            except XRayError as error:
                if known is None:
                    said[position] = str(error)
                else:
                    self._let_go(held, position)
            # A few films of 64 million pixels are as much as the memory should hold.
            if sum(one.pixels.size for one in films.values()) > settings().max_pixels:
                said |= self._look(classifier, held, films)
                films = {}
        return said | self._look(classifier, held, films)

    def _let_go(self, held: _List, position: int) -> None:
        with self._changed:
            held.others.append(held.films.pop(position).name)

    def _look(
        self, classifier: Classifier, held: _List, films: Mapping[int, XRay]
    ) -> dict[int, Reading | str]:
        said: dict[int, Reading | str] = {}
        read = self._predictions.of(classifier, films.values())
        for position, film in films.items():
            prediction = read[film.sha256]
            if prediction is None:
                said[position] = _FAILED
                continue
            said[position] = reading(film, prediction, classifier.bundle.preprocessing)
            small = thumbnail(film)
            with self._changed:
                held.thumbnails[position] = small
        return said
