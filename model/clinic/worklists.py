"""Worklists and what a model version said of their films, so that both survive a restart.

    number = worklists.create(actor, "Monday", ["a.png", "b.dcm"])
    worklists.save_readings(actor, number, {0: reading, 1: "It is no X-ray."})

A list is its owner's. File names are kept as given, since the owner knows the films by them: they
may name a patient, are shown to the owner alone, go nowhere else, and are gone when the list is
deleted. Films are not kept: after a restart, those still pending have to be given again, from the
folder that they came from.
"""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from model import store
from model.clinic.reviews import harmless
from model.errors import InputError
from model.language import _
from model.people import audit
from model.people.access import Actor, require
from model.prediction import Decision, Gate, Prediction, decide
from model.tables import readings, worklist_files, worklists

MAX_FILES = 2000
MAX_NAME = 200  # characters


@dataclass(frozen=True)
class Reading:
    """What a model version said of an image, see model.prediction. `id` and `time` by the store."""

    image_sha256: str
    model_version: str
    preprocessing: str
    probability: float | None
    logit: float | None
    heatmap_sha256: str
    gate_status: str
    gate_score: float | None
    gate_reason: str
    overruled: bool = False
    id: int = 0
    time: str = ""

    def decide(self, threshold: float, band: float = 0.0) -> Decision | None:
        """As `model.prediction.decide`; None for a refused image."""
        gate = Gate(self.gate_status, self.gate_score or 0.0, self.gate_reason)  # type: ignore[arg-type]
        said = Prediction(
            self.probability, self.logit, None, gate, self.model_version, overruled=self.overruled
        )
        return decide(said, threshold, band)


@dataclass(frozen=True)
class File:
    """One file of a list. state: "pending", "read" or "error" (why, in a sentence)."""

    position: int
    file: str
    state: str
    error: str
    reading: Reading | None


@dataclass(frozen=True)
class Worklist:
    """One list and how far it is; `created` in UTC."""

    id: int
    name: str
    created: str
    num_pending: int
    num_read: int
    num_errors: int


def create(actor: Actor, name: str, files: Sequence[str]) -> int:
    """A list of these files, all pending; returns its id. For a clinician."""
    require(actor, "clinician")
    name = store.text(name).strip()
    if not 1 <= len(name) <= MAX_NAME:
        raise InputError(
            _("a name of 1 to {n} characters", n=MAX_NAME), _("another"), _("Correct the name.")
        )
    if not 1 <= len(files) <= MAX_FILES:
        raise InputError(_("1 to {n} files", n=MAX_FILES), str(len(files)), _("Divide the list."))
    with store.writing() as connection:
        values = {"owner": actor.name, "name": name, "created": store.now()}
        new = worklists.insert().values(**values).returning(worklists.c.id)
        number = connection.execute(new).scalar_one()
        empty = {"worklist_id": number, "state": "pending", "image_sha256": "", "error": ""}
        rows = [
            {**empty, "position": position, "file": store.text(file)}
            for position, file in enumerate(files)
        ]
        connection.execute(worklist_files.insert(), rows)
    return number


def lists(actor: Actor) -> list[Worklist]:
    """The actor's own lists, newest first."""
    require(actor, "clinician")
    states = sa.select(
        worklist_files.c.worklist_id, worklist_files.c.state, sa.func.count().label("num")
    ).group_by(worklist_files.c.worklist_id, worklist_files.c.state)
    mine = worklists.select().where(worklists.c.owner == actor.name)
    with store.reading() as connection:
        rows = connection.execute(mine.order_by(worklists.c.id.desc())).all()
        nums = {(row.worklist_id, row.state): row.num for row in connection.execute(states)}
    return [
        Worklist(
            row.id,
            row.name,
            row.created,
            *(nums.get((row.id, state), 0) for state in ("pending", "read", "error")),
        )
        for row in rows
    ]


def files(actor: Actor, worklist_id: int) -> list[File]:
    """The files of the actor's own list, in the order given."""
    require(actor, "clinician")
    chosen = worklist_files.select().where(worklist_files.c.worklist_id == worklist_id)
    with store.reading() as connection:
        _check_owner(connection, actor, worklist_id)
        rows = connection.execute(chosen.order_by(worklist_files.c.position)).all()
        numbers = chosen.with_only_columns(worklist_files.c.reading_id)
        found = connection.execute(readings.select().where(readings.c.id.in_(numbers)))
        known = {row.id: _reading(row) for row in found}
    return [
        File(row.position, row.file, row.state, row.error, known.get(row.reading_id))
        for row in rows
    ]


def pending(actor: Actor, worklist_id: int) -> list[int]:
    """The positions of the files of the actor's own list that are not read yet."""
    require(actor, "clinician")
    chosen = sa.select(worklist_files.c.position).where(
        worklist_files.c.worklist_id == worklist_id, worklist_files.c.state == "pending"
    )
    with store.reading() as connection:
        _check_owner(connection, actor, worklist_id)
        return list(connection.execute(chosen.order_by(worklist_files.c.position)).scalars())


def save_readings(actor: Actor, worklist_id: int, said: dict[int, Reading | str]) -> None:
    """What became of the files at these positions: a reading, or why there is none. All or nothing.

    The same image read twice by the same version is one reading.
    """
    require(actor, "clinician")
    with store.writing() as connection:
        _check_owner(connection, actor, worklist_id)
        for position, reading in said.items():
            values: dict[str, Any] = {"state": "error", "reading_id": None, "image_sha256": ""}
            if isinstance(reading, str):
                values["error"] = store.text(reading)
            else:
                values.update(state="read", reading_id=_insert(connection, reading), error="")
                values["image_sha256"] = reading.image_sha256
            where = (
                worklist_files.c.worklist_id == worklist_id,
                worklist_files.c.position == position,
            )
            connection.execute(worklist_files.update().where(*where).values(**values))


def export(
    actor: Actor,
    worklist_id: int,
    kind: str,
    threshold_of: Callable[[str], float | None],
    band: float = 0.0,
) -> str:
    """The actor's own list as "csv" or "json" text, with its decisions.

    threshold_of: at which a reading of this model version is decided; None for no decision. A cell
    that a spreadsheet would take for a formula gets an apostrophe before it in the CSV.
    """
    if kind not in ("csv", "json"):
        raise InputError(_("csv or json"), repr(kind), _("Choose one of the two."))
    records = [_record(file, threshold_of, band) for file in files(actor, worklist_id)]
    audit.record(
        actor.name, "worklist exported", str(worklist_id), kind=kind, num_records=len(records)
    )
    if kind == "json":
        return json.dumps(records, indent=1) + "\n"
    text = io.StringIO()
    table = csv.DictWriter(text, list(records[0]), lineterminator="\r\n")
    table.writeheader()
    for record in records:
        table.writerow({name: harmless(value) for name, value in record.items()})
    return text.getvalue()


def _record(file: File, threshold_of: Callable[[str], float | None], band: float) -> dict[str, Any]:
    said = file.reading
    threshold = threshold_of(said.model_version) if said else None
    decided = said.decide(threshold, band) if said and threshold is not None else None
    return {
        "file": file.file,
        "state": file.state,
        "error": file.error,
        "probability": said.probability if said else None,
        "decision": decided.label if decided else None,
        "threshold": threshold,
        "band": band,
        "gate": said.gate_status if said else None,
        "gate_reason": said.gate_reason if said else None,
        "model_version": said.model_version if said else None,
        "image_sha256": said.image_sha256 if said else None,
        "read": said.time if said else None,
    }


def delete(actor: Actor, worklist_id: int) -> None:
    """Deletes the actor's own list and its file names. What was read of the images stays."""
    require(actor, "clinician")
    with store.writing() as connection:
        _check_owner(connection, actor, worklist_id)
        its = worklist_files.c.worklist_id == worklist_id
        connection.execute(worklist_files.delete().where(its))
        connection.execute(worklists.delete().where(worklists.c.id == worklist_id))
        audit.append(connection, actor.name, "worklist deleted", str(worklist_id))


def latest_readings(actor: Actor, served: str = "") -> list[Reading]:
    """One reading of each image, whoever read it; for a clinician.

    served: the model version whose reading counts, where it has read the image. After a rollback
    that is not the newest one. Else it is that of the version that came to the image last.
    """
    require(actor, "clinician")
    last = sa.select(sa.func.max(readings.c.id)).group_by(readings.c.image_sha256)
    found: dict[str, Reading] = {}
    with store.reading() as connection:
        for which in (last, last.where(readings.c.model_version == served)):
            rows = connection.execute(readings.select().where(readings.c.id.in_(which)))
            found |= {row.image_sha256: _reading(row) for row in rows}
    return list(found.values())


def _insert(connection: Connection, reading: Reading) -> int:
    """Its id, the old one if this version has read the image before."""
    same = {
        "image_sha256": reading.image_sha256,
        "model_version": reading.model_version,
        "overruled": int(reading.overruled),
    }
    row = connection.execute(readings.select().filter_by(**same)).first()
    if row:
        return row.id
    values = asdict(replace(reading, time=store.now())) | same
    del values["id"]
    return connection.execute(
        readings.insert().values(**values).returning(readings.c.id)
    ).scalar_one()


def _reading(row: "Row[Any]") -> Reading:
    return Reading(**{**row._asdict(), "overruled": bool(row.overruled)})


def _check_owner(connection: Connection, actor: Actor, worklist_id: int) -> None:
    row = connection.execute(worklists.select().where(worklists.c.id == worklist_id)).first()
    if row is None or row.owner != actor.name:
        raise InputError(
            _("a worklist of yours"), _("another one"), _("Choose one from your lists.")
        )
