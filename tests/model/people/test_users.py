"""python -m model users ...: accounts from the command line; what doctor says of the store."""

import getpass
import io
import json
import sys

import pytest

from model import doctor, store
from model.__main__ import main
from model.clinic import kept_images, reviews
from model.config import settings
from model.people import accounts, audit
from model.people.access import COMMAND_LINE, Actor
from model.tables import audit as audit_table
from tests.model.review_cases import review

PASSWORD = "correct horse battery"


@pytest.fixture
def run(sqlite_home, capsys, monkeypatch):
    """run(*arguments, stdin="") -> exit status, standard output, standard error."""

    def call(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        capsys.readouterr()
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        status = main(["users", *arguments])
        return status, *capsys.readouterr()

    return call


def add(run, name: str = "ann", role: str = "admin") -> None:
    assert run("add", name, "--role", role, "--password-stdin", stdin=PASSWORD + "\n")[0] == 0


def type_at_terminal(monkeypatch, *passwords: str) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    typed = iter(passwords)
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", lambda _: next(typed))


def test_an_account_is_added_changed_and_listed(run):
    assert run("add", "ann", "--role", "admin", "--password-stdin", stdin=PASSWORD) == (
        0, "ann can sign in as admin.\n", "",
    )  # fmt: skip
    add(run, "Bo", "clinician")
    assert accounts.sign_in("ann", PASSWORD)[0] == Actor("ann", "admin")
    assert run("role", "bo", "visitor")[0] == 0
    assert run("deactivate", "bo")[0] == 0
    lines = [line.split("\t") for line in run("list")[1].splitlines()]
    assert [line[:3] for line in lines] == [
        ["ann", "admin", "active"], ["Bo", "visitor", "deactivated"],
    ]  # fmt: skip
    assert run("activate", "bo")[0] == 0
    assert run("password", "bo", "--password-stdin", stdin="another password\r\n")[0] == 0
    assert accounts.sign_in("bo", "another password")[0].role == "visitor"
    done = [(e.actor, e.action) for e in audit.entries(COMMAND_LINE) if e.actor == "command line"]
    assert [action for _, action in reversed(done)] == [
        "account added", "account added", "role changed", "account deactivated",
        "account activated", "password changed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["add", "ann", "--role", "clinician", "--password-stdin"], "not taken"),
        (["add", "bo", "--role", "clinician", "--password-stdin"], "at least 10 characters"),
        (["add", "bo", "--role", "clinician"], "--password-stdin in a script"),
        (["deactivate", "ann"], "at least one admin"),
        (["role", "nobody", "admin"], "name of an account"),
    ],
)
def test_what_will_not_do_is_said(run, arguments, says):
    add(run)
    stdin = "short" if "bo" in arguments else PASSWORD
    status, out, err = run(*arguments, stdin=stdin)
    assert (status, out) == (2, "")
    assert says in err
    assert [account.name for account in accounts.list_accounts(COMMAND_LINE)] == ["ann"]


def test_a_role_must_be_one_of_three(run, capsys):
    with pytest.raises(SystemExit):
        run("add", "ann", "--role", "root", "--password-stdin", stdin=PASSWORD)
    assert "visitor" in capsys.readouterr().err


def test_at_a_terminal_the_password_is_asked_for_twice(sqlite_home, monkeypatch, capsys):
    command = ["users", "add", "ann", "--role", "clinician"]
    type_at_terminal(monkeypatch, PASSWORD, "another password")
    assert main(command) == 2
    assert "same password twice" in capsys.readouterr().err
    type_at_terminal(monkeypatch, PASSWORD, PASSWORD)
    assert main(command) == 0
    assert accounts.sign_in("ann", PASSWORD)[0] == Actor("ann", "clinician")
    assert PASSWORD not in capsys.readouterr().out


def test_doctor_looks_at_database_trail_and_images(run):
    add(run)
    assert doctor._check_store() == f"sqlite, revision {store.REVISION}"
    assert "no record" in doctor._check_audit()
    assert "unchanged" in doctor._check_images()


def test_doctor_finds_a_changed_record_and_a_strange_image(run):
    add(run)
    stray = kept_images.path_of("ab" * 32)
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"not ours")
    with store.writing() as connection:
        for name in (
            connection.exec_driver_sql(
                "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit'"
            )
            .scalars()
            .all()
        ):
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        connection.execute(audit_table.update().values(actor="nobody"))
    with pytest.raises(Exception, match=r"record 1 was changed.*backup"):
        doctor._check_audit()
    with pytest.raises(Exception, match=r"abababababab.*Admin, Storage"):
        doctor._check_images()


def test_doctor_says_that_the_store_is_damaged(sqlite_home):
    settings().home.mkdir()
    (settings().home / "pneumoscope.sqlite").write_bytes(b"no database, " * 100)
    with pytest.raises(Exception, match=r"damaged.*Restore it"):
        doctor._check_store()


def test_reviews_are_printed_and_the_trail_says_so(sqlite_home, capsys):
    reviews.add(Actor("ann", "clinician"), review(comment="=1+1; <b>"), "key")
    capsys.readouterr()
    assert main(["reviews", "export"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert (json.loads(line)["reader"], json.loads(line)["comment"]) == ("ann", "=1+1; <b>")
    assert main(["reviews", "export", "--format", "csv"]) == 0
    assert "'=1+1; <b>" in capsys.readouterr().out
    actions = [entry.action for entry in audit.entries(COMMAND_LINE)]
    assert actions.count("reviews exported") == 2
