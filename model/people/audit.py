"""Who did what and when: append-only, each record chained to the one before by its hash.

    audit.record("ann", "gate overruled", subject=xray.sha256, score=3.2)

The database refuses to change a record (model/migrations/append_only.py). Who can change the
database itself breaks the chain, which `check` finds. That the newest records were cut off, which
no chain shows, is found by the last record that this machine has seen, kept in a file in the home.

SQLAlchemy takes a second to import and is imported inside: pages import this module.
"""

import contextlib
import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from model.config import settings
from model.files import write_json
from model.language import N_, _
from model.people.access import Actor, require

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Row

NOT_SEEN = N_("Audit record {n} is not the one that this machine has seen.")
GONE = N_("Audit records {first} to {last}, which this machine has seen, are gone.")

_appending: WeakSet["Connection"] = WeakSet()  # `store.writing` makes one for each transaction


@dataclass(frozen=True)
class Entry:
    """One record. time: UTC, ISO 8601. subject: what it was done to. hash: SHA-256."""

    id: int
    time: str
    actor: str
    action: str
    subject: str
    details: dict[str, Any]
    previous: str
    hash: str


def record(actor_name: str, action: str, subject: str = "", **details: Any) -> None:
    """Adds one record in a transaction of its own. Raises StoreError when that cannot be."""
    from model import store

    with store.writing() as connection:
        append(connection, actor_name, action, subject, **details)


def append(
    connection: "Connection", actor_name: str, action: str, subject: str = "", **details: Any
) -> None:
    """Adds one record in the transaction of what it tells of, begun by `store.writing`."""
    from model import store, tables

    last = _last(connection)
    # A record of this same transaction may yet be taken back with it.
    if connection not in _appending and last and _is_whole_since(connection):
        _remember(last.id, last.hash)
    _appending.add(connection)
    values = {
        "id": last.id + 1 if last else 1,
        "time": store.now(),
        "actor": store.text(actor_name),
        "action": store.text(action),
        "subject": store.text(subject),
        "details": json.dumps(_plain(details), sort_keys=True, allow_nan=False),
        "previous": last.hash if last else "",
    }
    connection.execute(tables.audit.insert().values(**values, hash=_hash(values)))


def check() -> list[str]:
    """What is wrong with the trail, the first broken record first; [] if nothing is."""
    from model import store, tables

    number, previous, seen = 0, "", _remembered()
    restored = _(
        "If a backup was restored, delete {file} in the folder of runtime data.", file=_head().name
    )
    with store.reading() as connection:
        for row in connection.execute(tables.audit.select().order_by(tables.audit.c.id)):
            number += 1
            if row.id != number:
                return [_("Audit record {n} is missing.", n=number)]
            if row.previous != previous:
                return [_("Audit record {n} does not follow the record before it.", n=number)]
            if row.hash != _hash(row._asdict()):
                return [_("Audit record {n} was changed after it was written.", n=number)]
            if seen and row.id == seen[0] and row.hash != seen[1]:
                return [f"{_(NOT_SEEN, n=number)} {restored}"]
            previous = row.hash
    if seen and number < seen[0]:
        return [f"{_(GONE, first=number + 1, last=seen[0])} {restored}"]
    if number:
        _remember(number, previous)
    return []


def entries(actor: Actor, limit: int = 100, before: int | None = None) -> list[Entry]:
    """The newest records first, those before the record with the id `before`; for an admin."""
    from model import store, tables

    require(actor, "admin")
    chosen = tables.audit.select().order_by(tables.audit.c.id.desc()).limit(limit)
    if before is not None:
        chosen = chosen.where(tables.audit.c.id < before)
    with store.reading() as connection:
        return [_entry(row) for row in connection.execute(chosen)]


def export(actor: Actor) -> Iterator[str]:
    """All records as JSON, one a line, oldest first; for an admin. That is recorded first."""
    from model import store, tables

    require(actor, "admin")
    record(actor.name, "audit trail exported")
    with store.reading() as connection:
        rows = connection.execute(tables.audit.select().order_by(tables.audit.c.id)).all()
    return (json.dumps(asdict(_entry(row))) for row in rows)


def _entry(row: "Row[Any]") -> Entry:
    return Entry(**{**row._asdict(), "details": json.loads(row.details)})


def _last(connection: "Connection") -> "Row[Any] | None":
    from model import tables

    return connection.execute(
        tables.audit.select().order_by(tables.audit.c.id.desc()).limit(1)
    ).first()


def _is_whole_since(connection: "Connection") -> bool:
    """Whether what this machine has seen is there still: else `check` is to say so for ever."""
    from model import tables

    seen = _remembered()
    if seen is None:
        return True
    chosen = tables.audit.select().where(tables.audit.c.id == seen[0])
    row = connection.execute(chosen).first()
    return row is not None and row.hash == seen[1]


def _hash(values: dict[str, Any]) -> str:
    """SHA-256 over the record in one way of writing: a JSON list of its columns, ASCII."""
    columns = ("id", "time", "actor", "action", "subject", "details", "previous")
    return hashlib.sha256(json.dumps([values[c] for c in columns]).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """As JSON can hold it: numpy's numbers as numbers, no NaN or infinity, the rest as text."""
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def _head() -> Path:
    """Where this machine keeps the last record that it has seen of this database."""
    from model import store

    which = hashlib.sha256(store.name().encode()).hexdigest()[:12]
    return settings().home / f"audit-{which}.json"


def _remember(number: int, its_hash: str) -> None:
    with contextlib.suppress(OSError):  # the record itself is in the database
        write_json(_head(), {"id": number, "hash": its_hash})


def _remembered() -> tuple[int, str] | None:
    try:
        seen = json.loads(_head().read_text())
        return int(seen["id"]), str(seen["hash"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
