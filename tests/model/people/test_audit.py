"""The audit trail: append-only, one chain whoever writes, and tampering is found."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from model import store
from model.errors import AccessError, StoreError
from model.people import audit
from model.people.access import COMMAND_LINE, Actor

ROOT = Path(__file__).resolve().parents[3]
HOSTILE = "<script>alert(1)</script> '; DROP TABLE audit; --"
APPEND = """
import sys
from model.people import audit
for i in range(int(sys.argv[2])):
    audit.record(sys.argv[1], "counted", str(i))
"""


def change(*statements: str) -> None:
    """As somebody who owns the database may: without its triggers."""
    with store.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("ALTER TABLE audit DISABLE TRIGGER USER")
        else:
            connection.exec_driver_sql("DROP TRIGGER IF EXISTS audit_no_update")
            connection.exec_driver_sql("DROP TRIGGER IF EXISTS audit_no_delete")
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_what_was_recorded_comes_back(database: str):
    audit.record("Ann", "gate overruled", "abc", score=np.float32(2.5), shape=(2, 3))
    audit.record(HOSTILE, HOSTILE, HOSTILE, text=HOSTILE, unknown=float("nan"))
    second, first = audit.entries(COMMAND_LINE)
    assert (first.id, first.actor, first.action, first.subject) == (
        1,
        "Ann",
        "gate overruled",
        "abc",
    )
    assert first.details == {"score": 2.5, "shape": [2, 3]}
    assert first.previous == ""
    assert (second.actor, second.action, second.subject) == (HOSTILE, HOSTILE, HOSTILE)
    assert second.details == {"text": HOSTILE, "unknown": None}
    assert second.previous == first.hash
    assert second.time > first.time
    assert first.time.endswith("Z")
    assert audit.check() == []


def test_an_empty_trail_is_whole(database: str):
    assert audit.check() == []
    assert audit.entries(COMMAND_LINE) == []


def test_entries_go_on_before_an_id(database: str):
    for number in range(5):
        audit.record("ann", "counted", str(number))
    page = audit.entries(COMMAND_LINE, limit=2)
    assert [entry.subject for entry in page] == ["4", "3"]
    assert [entry.subject for entry in audit.entries(COMMAND_LINE, 2, page[-1].id)] == ["2", "1"]


def test_only_an_admin_looks_and_an_export_is_recorded(database: str):
    audit.record("ann", "signed in")
    for call in (audit.entries, audit.export):
        with pytest.raises(AccessError, match="role admin"):
            call(Actor("ann", "clinician"))
    lines = [json.loads(line) for line in audit.export(Actor("zoe", "admin"))]
    assert [(line["actor"], line["action"]) for line in lines] == [
        ("ann", "signed in"),
        ("zoe", "audit trail exported"),
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'nobody'",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit SELECT * FROM audit",
        "TRUNCATE audit",
    ],
)
def test_the_database_refuses_to_change_a_record(database: str, statement: str):
    """Each statement is SQL for one of the two, or both; what is no SQL there is refused too."""
    audit.record("ann", "signed in")
    with pytest.raises(StoreError), store.writing() as connection:
        connection.exec_driver_sql(statement)
    assert [entry.actor for entry in audit.entries(COMMAND_LINE)] == ["ann"]


@pytest.mark.parametrize(
    ("statements", "problem"),
    [
        (["UPDATE audit SET actor = 'bob' WHERE id = 3"], "Audit record 3 was changed"),
        (["UPDATE audit SET details = '{}' WHERE id = 2"], "Audit record 2 was changed"),
        (["DELETE FROM audit WHERE id = 3"], "Audit record 3 is missing"),
        (["DELETE FROM audit WHERE id = 1"], "Audit record 1 is missing"),
        (
            ["UPDATE audit SET id = 9 WHERE id = 3", "UPDATE audit SET id = 3 WHERE id = 4"],
            "Audit record 3 does not follow",
        ),
        (["DELETE FROM audit WHERE id >= 4"], "Audit records 4 to 5, which this machine has seen"),
        (["DELETE FROM audit"], "Audit records 1 to 5, which"),
    ],
)
def test_tampering_is_found(database: str, statements: list[str], problem: str):
    for number in range(5):
        audit.record("ann", "counted", str(number), number=number)
    assert audit.check() == []
    change(*statements)
    found = audit.check()
    assert len(found) == 1
    assert found[0].startswith(problem)


def test_a_trail_written_anew_is_not_the_one_that_was_seen(database: str):
    for number in range(3):
        audit.record("ann", "counted", str(number))
    change("DELETE FROM audit")
    for number in range(4):
        audit.record("bob", "counted", str(number))  # a whole chain, but another
    found = audit.check()
    assert len(found) == 1
    assert found[0].startswith("Audit record 2 is not the one that this machine has seen.")


def test_four_processes_write_one_chain(database: str):
    """Also from an empty database: one of them makes the tables."""
    command = [sys.executable, "-c", APPEND]
    writers = [
        subprocess.Popen(
            [*command, f"writer {n}", "8"], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        for n in range(4)
    ]
    faults = [writer.communicate(timeout=120)[1] for writer in writers]
    assert faults == [""] * 4
    assert audit.check() == []
    entries = audit.entries(COMMAND_LINE, limit=100)
    assert [entry.id for entry in entries] == list(range(32, 0, -1))
    for n in range(4):
        mine = [entry.subject for entry in reversed(entries) if entry.actor == f"writer {n}"]
        assert mine == [str(i) for i in range(8)]


def test_a_record_is_gone_with_the_transaction_that_it_tells_of(database: str):
    def fails() -> None:
        with store.writing() as connection:
            audit.append(connection, "ann", "image deleted")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    audit.record("ann", "signed in")
    assert [entry.action for entry in audit.entries(COMMAND_LINE)] == ["signed in"]
    assert audit.check() == []


def test_two_records_that_are_taken_back_together_are_not_missed(database: str):
    audit.record("ann", "one")
    with contextlib.suppress(KeyError), store.writing() as connection:
        audit.append(connection, "ann", "two")
        audit.append(connection, "ann", "three")
        raise KeyError
    assert audit.check() == []


def test_pages_can_import_it_without_the_database():
    program = "import sys, model.people.audit; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


def test_the_hash_is_as_documented(database: str):
    """SHA-256 of the JSON list of the columns: anybody can check a trail that was exported."""
    import hashlib

    audit.record("ann", "signed in", "é", n=1)
    with store.reading() as connection:
        row = connection.execute(sa.text("SELECT * FROM audit")).one()
    text = json.dumps([1, row.time, "ann", "signed in", "é", '{"n": 1}', ""])
    assert row.hash == hashlib.sha256(text.encode()).hexdigest()
