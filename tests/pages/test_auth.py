"""Signing in and out, and what each role is shown, without a browser."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model.people import accounts
from model.people.access import COMMAND_LINE, SESSION_HOURS, Actor
from model.prediction import Gate
from pages.shared import auth, services
from tests.pages.conftest import PASSWORD, Session, add, trail

ROOT = Path(__file__).resolve().parents[2]
ROLES = {"clinician": ["Ann@Clinic.example", "radiology"], "admin": ["zoe@clinic.example"]}
ANN = {"email": "ann@clinic.example", "email_verified": True, "iss": "https://login", "sub": "7"}


@pytest.fixture(autouse=True)
def empty(home: Path) -> None:
    """Nobody has signed in at a provider."""
    auth._record.clear()


def test_without_an_account_it_says_how_to_make_the_first() -> None:
    shown = Session()
    assert "python -m model users add NAME --role admin" in shown.text
    assert "you need no account" in shown.text
    assert not shown.at.text_input


def test_who_has_an_account_signs_in_and_out() -> None:
    add()
    shown = Session().sign_in(" Ann ")
    assert shown.actor == Actor("ann", "clinician")
    assert "Signed in as **ann**, clinician" in shown.text
    shown.at.session_state["read.readings"] = {"film": "of a patient"}
    shown.press("Sign out")
    assert shown.actor is None
    assert "read.readings" not in shown.at.session_state
    assert shown.at.text_input(key="auth.name").value == ""
    assert trail()[1:] == [("ann", "signed in")]


def test_a_wrong_password_is_said_and_a_pause_too() -> None:
    add()
    shown = Session()
    for _ in range(5):
        shown.sign_in(password="wrong password")
        assert "a name and its password" in shown.text
        assert shown.actor is None
        assert shown.at.text_input(key="auth.name").value == "ann"
        assert shown.at.text_input(key="auth.password").value == ""
    shown.sign_in()
    assert re.search(r"Wait (30|29|28) s", shown.text)
    assert shown.actor is None


def test_a_deactivated_account_is_told() -> None:
    add()
    add("zoe", "admin")
    accounts.deactivate(COMMAND_LINE, "ann")
    assert "deactivated" in Session().sign_in().text
    # Only to who has the password: else the page would tell which names there are.
    assert "deactivated" not in Session().sign_in(password="wrong password").text


def test_a_session_ends_with_its_account() -> None:
    add()
    shown = Session().sign_in().later()
    assert shown.actor == Actor("ann", "clinician")
    accounts.deactivate(COMMAND_LINE, "ann")
    shown.at.session_state["read.readings"] = {"film": "of a patient"}
    shown.later()
    assert shown.actor is None
    assert "read.readings" not in shown.at.session_state
    assert auth.ENDED.format(hours=SESSION_HOURS) in shown.text


def test_a_session_ends_when_the_role_changes() -> None:
    add()
    shown = Session().sign_in()
    accounts.change_role(COMMAND_LINE, "ann", "admin")
    assert shown.later().actor is None
    assert shown.sign_in().actor == Actor("ann", "admin")


def test_who_is_signed_in_changes_the_password() -> None:
    add()
    shown = Session().sign_in()

    def change(old: str, new: str, again: str) -> str:
        for key, value in (("old", old), ("new", new), ("again", again)):
            shown.at.text_input(key=f"sign_in.{key}").set_value(value)
        shown.press("Change password")
        return shown.text + " ".join(element.value for element in shown.at.success)

    assert "twice" in change(PASSWORD, "another password", "a third password")
    assert "its password" in change("wrong password", "another password", "another password")
    assert "at least 10" in change(PASSWORD, "short", "short")
    assert "counts from now on" in change(PASSWORD, "another password", "another password")
    assert accounts.sign_in("ann", "another password")[0] == Actor("ann", "clinician")


def test_a_page_says_for_whom_it_is() -> None:
    add()
    shown = Session("admin")
    assert "This page is for admins." in shown.text
    assert "Not a medical device" in shown.text
    shown.sign_in()
    assert "You are signed in as ann, clinician" in shown.text
    assert not shown.at.tabs


def test_the_form_on_a_page_leads_to_that_page() -> None:
    add("zoe", "admin")
    shown = Session("admin")
    shown.at.query_params["tab"] = "Accounts"
    shown.sign_in("zoe")
    assert [title.value for title in shown.at.title] == ["Admin"]


def test_names_show_as_text() -> None:
    add("<b>*Ann*</b> :red[x]")
    shown = Session().sign_in("<b>*Ann*</b> :red[x]")
    [line] = [m.value for m in shown.at.markdown if "Signed in" in m.value]
    assert r"\<b\>\*Ann\*" in line
    assert r"\:red\[x\]" in line


def test_an_overruled_refusal_is_recorded_under_the_name_of_the_reader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add()
    gate = Gate("refused", 9.0, "It is no X-ray.")
    reading = SimpleNamespace(
        xray=SimpleNamespace(sha256="ab" * 32),
        prediction=SimpleNamespace(gate=gate, model_version="1"),
    )
    monkeypatch.setattr(services, "_predict", lambda reading, overruled: None)
    monkeypatch.setattr(auth, "actor", lambda: Actor("ann", "clinician"))
    assert services.overrule(reading) == ""
    assert trail()[-1] == ("ann", "gate overruled")


def test_a_visitor_opens_no_database(home: Path) -> None:
    program = (
        "import os, sys\n"
        "from streamlit.testing.v1 import AppTest\n"
        "from pages.shared import services\n"
        "services._loading = services.Future\n"  # TensorFlow is not what this is about
        "at = AppTest.from_file('app.py', default_timeout=60).run()\n"
        "at.switch_page('pages/about.py').run()\n"
        "assert not at.exception, at.exception\n"
        "print([m for m in ('sqlalchemy', 'argon2', 'authlib') if m in sys.modules])\n"
    )
    environment = {**os.environ, "XRAY_HOME": str(home), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr
    assert not (home / "pneumoscope.sqlite").exists()


# OpenID Connect: what the provider says, without the provider


def person(**changes: Any) -> dict[str, Any]:
    return {**ANN, "iat": int(time.time()), **changes}


@pytest.mark.parametrize(
    ("changes", "actor"),
    [
        ({}, Actor("ann@clinic.example", "clinician")),
        ({"email": "ANN@clinic.example"}, Actor("ann@clinic.example", "clinician")),
        ({"email": "zoe@clinic.example"}, Actor("zoe@clinic.example", "admin")),
        ({"email": "eve@clinic.example"}, None),
        ({"email_verified": False}, None),
        ({"email_verified": None}, None),
        ({"email": "", "preferred_username": "ann@clinic.example"}, None),
        ({"iat": int(time.time()) - 13 * 3600}, None),
        ({"iat": None}, None),
        ({"groups": ["radiology"], "email": "bo@clinic.example"}, None),
    ],
)
def test_a_verified_address_has_the_role_of_the_settings(
    changes: dict[str, Any], actor: Actor | None
) -> None:
    shown = Session(roles=ROLES, **person(**changes))
    assert shown.actor == actor
    [(name, action)] = trail()
    assert (name, action) == (
        (actor.name, "signed in") if actor else ("unknown name", "sign-in refused")
    )
    assert ("reading a film needs no account" in shown.text) == (actor is None)


@pytest.mark.parametrize(
    ("trust", "verified", "actor"),
    [
        (True, None, Actor("ann@clinic.example", "clinician")),  # such as Microsoft Entra ID
        (True, True, Actor("ann@clinic.example", "clinician")),
        (True, False, None),  # the provider itself says no
        (True, "false", None),
        (False, None, None),
        ("true", None, None),  # text is no yes
    ],
)
def test_an_address_without_a_word_on_it_counts_if_the_settings_trust_the_provider(
    trust: Any, verified: Any, actor: Actor | None
) -> None:
    roles = {"trust_unverified_email": trust, **ROLES}
    shown = Session(roles=roles, **person(email_verified=verified))
    assert shown.actor == actor
    assert (auth.NOT_VERIFIED in shown.text) == (actor is None)


def test_a_claim_gives_the_role() -> None:
    roles = {"claim": "groups", **ROLES}
    in_it = person(email="bo@clinic.example", groups=["nurses", "radiology"])
    assert Session(roles=roles, **in_it).actor == Actor("bo@clinic.example", "clinician")
    for groups in (["Radiology"], "nurses", None, []):
        assert Session(roles=roles, **person(groups=groups)).actor is None


def test_without_roles_everybody_is_a_visitor() -> None:
    assert Session(roles={}, **person()).actor is None


def test_a_sign_in_at_the_provider_is_recorded_once() -> None:
    who = person()
    shown = Session(roles=ROLES, **who).go("about").go("sign_in")
    Session(roles=ROLES, **who)
    assert "Signed in as **ann@clinic.example**" in shown.text
    assert trail() == [("ann@clinic.example", "signed in")]
    Session(roles=ROLES, **{**who, "iat": who["iat"] + 1})
    assert len(trail()) == 2


def test_what_cannot_be_recorded_is_no_sign_in(home: Path) -> None:
    home.parent.mkdir(exist_ok=True)
    home.write_text("no folder")
    shown = Session(roles=ROLES, **person())
    assert shown.actor is None
    assert "XRAY_HOME" in shown.text


def test_with_a_provider_there_is_no_password_and_no_local_account() -> None:
    add()
    shown = Session(roles=ROLES)
    buttons = [one for one in shown.at.button if not (one.key or "").startswith("frame.in.")]
    assert [one.label for one in buttons] == ["Sign in at your provider"]
    assert not shown.at.text_input
    shown.at.session_state["auth.actor"] = Actor("ann", "admin")
    shown.at.run()
    assert shown.actor is None


def test_signing_out_ends_it_at_the_provider_too() -> None:
    shown = Session(roles=ROLES, **person()).press("Sign out")
    assert shown.actor is None
    assert "Sign in at your provider" in [button.label for button in shown.at.button]


def test_a_sign_in_that_is_not_set_up_is_said() -> None:
    shown = Session(roles=ROLES).press("Sign in at your provider")
    assert auth.NOT_SET_UP in shown.text
