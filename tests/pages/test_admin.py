"""The page Admin: accounts, the audit trail, what is kept. Used as an admin uses it."""

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from model import store, xray
from model.clinic import kept_images, reviews, storage
from model.clinic.reviews import Review
from model.errors import AccessError
from model.people import accounts, audit
from model.people.access import COMMAND_LINE, VISITOR, Actor
from model.retraining import retraining_files
from model.retraining.retraining_files import Candidate
from tests.pages.spanish import spanish

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery"
ANN = Actor("ann", "clinician")
HOSTILE = "<img src=x onerror=alert(1)> *Bo* '; DROP TABLE audit; --"


@pytest.fixture(autouse=True)
def zoe(home: Path) -> None:
    """In an empty home zoe is an admin."""
    accounts.add(COMMAND_LINE, "zoe", "admin", PASSWORD)


class Admin:
    """The page in the session of zoe, on one of its tabs."""

    def __init__(self, tab: str = "Accounts", language: str = "en") -> None:
        self.at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        self.at.session_state["language"] = language
        self.at.session_state["auth.actor"] = Actor("zoe", "admin")
        self.at.query_params["tab"] = tab
        self.at.switch_page("pages/admin.py").run()

    def press(self, label: str, nth: int = 0) -> "Admin":
        [button for button in self.at.button if button.label == label][nth].click().run()
        return self

    def type(self, key: str, text: str) -> "Admin":
        self.at.text_input(key=key).set_value(text)
        return self

    @property
    def text(self) -> str:
        assert not self.at.exception, self.at.exception
        said = (self.at.error, self.at.warning, self.at.success, self.at.info)
        parts = (*said, self.at.markdown, self.at.caption)
        found = [element.value for part in parts for element in part]
        return " ".join(found).replace("\\", "") + self.html

    @property
    def html(self) -> str:
        return " ".join(element.proto.body for element in self.at.get("html"))


def keep(number: int = 1) -> str:
    """A film that ann has reviewed and ticked to keep; its number."""
    film = np.random.default_rng(number).integers(0, 255, (40, 30), np.uint8)
    shown = xray.read(cv2.imencode(".png", film)[1].tobytes(), "patient Jane Doe.png")
    review = Review(
        image_sha256=shown.sha256, model_version="1", preprocessing="1", threshold=0.5,
        probability=0.7, heatmap_sha256="", gate_status="accepted", label="viral",
        confidence="sure", verdict="agree",
    )  # fmt: skip
    reviews.add(ANN, review, f"key {number}", shown)
    return shown.sha256


# Accounts


def test_an_account_is_added_and_listed() -> None:
    shown = Admin().type("admin.add.name", "ann").type("admin.add.password", PASSWORD)
    shown.press("Add account")
    assert "ann can sign in now." in shown.text
    assert "<td>ann</td><td>clinician</td><td>yes</td>" in shown.html
    assert audit.entries(COMMAND_LINE)[0].actor == "zoe"
    assert accounts.sign_in("ann", PASSWORD)[0] == ANN


def test_an_account_is_changed() -> None:
    accounts.add(COMMAND_LINE, "ann", "clinician", PASSWORD)
    shown = Admin()
    shown.at.selectbox(key="admin.account").set_value("ann").run()
    shown.at.selectbox(key="admin.new_role.ann").set_value("admin")
    shown.press("Change role")
    assert "ann is admin now." in shown.text
    shown.type("admin.password_of.ann", "another password").press("Set password")
    assert accounts.sign_in("ann", "another password")[0].role == "admin"
    shown.press("Deactivate")
    assert "no, deactivated" in shown.html
    with pytest.raises(AccessError, match="deactivated"):
        accounts.sign_in("ann", "another password")
    shown.press("Activate")
    assert accounts.sign_in("ann", "another password")[0] == Actor("ann", "admin")


def test_what_will_not_do_is_said() -> None:
    shown = Admin().press("Deactivate")
    assert "at least one admin" in shown.text
    accounts.sign_in("zoe", PASSWORD)
    shown.type("admin.add.name", "ann").type("admin.add.password", "short").press("Add account")
    assert "at least 10 characters" in shown.text


def test_names_show_as_text() -> None:
    accounts.add(COMMAND_LINE, HOSTILE, "clinician", PASSWORD)
    for tab in ("Accounts", "Audit"):
        html = Admin(tab).html
        assert "<img" not in html
        assert "&lt;img src=x onerror=alert(1)&gt; *Bo* &#x27;; DROP TABLE" in html


def test_with_a_provider_there_are_no_accounts_to_manage() -> None:
    shown = Admin()
    shown.at.secrets["auth"] = {"roles": {"admin": ["zoe@clinic.example"]}}
    shown.at.user = {
        "is_logged_in": True, "email": "zoe@clinic.example", "email_verified": True,
        "iat": 4102444800,
    }  # fmt: skip
    shown.at.run()
    assert "[auth.roles]" in shown.text
    assert not shown.at.selectbox


# Audit


def test_the_trail_is_listed_newest_first_and_searched() -> None:
    for number in range(60):
        audit.record("ann", "gate overruled", subject="ab" * 32, score=f"n{number}")
    shown = Admin("Audit")
    assert "Records, newest first: 50<" in shown.html
    assert shown.html.index("score: n59") < shown.html.index("score: n58")
    assert "account added" not in shown.html
    shown.press("Show older ones")
    assert "newest first: 61<" in shown.html
    assert "account added" in shown.html
    shown.at.text_input(key="admin.audit.search").set_value("ANN N42").run()
    assert "newest first: 1<" in shown.html
    assert "score: n42" in shown.html
    shown.at.text_input(key="admin.audit.search").set_value("nobody").run()
    assert "No record fits." in shown.text


def test_the_trail_is_checked() -> None:
    shown = Admin("Audit").press("Check the trail")
    assert "The trail is whole" in shown.text
    with store.writing() as connection:
        names = connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit'"
        )
        for name in names.scalars().all():
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        connection.exec_driver_sql("UPDATE audit SET actor = 'nobody'")
    assert "record 1 was changed" in shown.press("Check the trail").text


def test_the_trail_is_exported_and_that_is_on_record() -> None:
    shown = Admin("Audit").press("Export")
    [button] = shown.at.get("download_button")
    assert button.proto.label == "Download 2 records (JSON lines)"
    assert audit.entries(COMMAND_LINE)[0].action == "audit trail exported"
    assert [json.loads(line)["id"] for line in audit.export(COMMAND_LINE)][:2] == [1, 2]


# Storage


def test_it_says_what_is_kept() -> None:
    assert "No image is kept." in Admin("Storage").text
    sha256 = keep()
    shown = Admin("Storage")
    values = {metric.label: metric.value for metric in shown.at.metric}
    assert values["Kept images"] == values["Reviews"] == "1"
    assert values["Audit records"] == f"{len(audit.entries(COMMAND_LINE))}"
    assert "Kept by **ann**" in shown.text
    assert f"30 x 40 px, 0.0 MB, number {sha256[:12]}" in shown.text
    assert "Jane" not in shown.text
    assert len(shown.at.get("image")) == 1
    assert "All kept images are there" in shown.press("Check the kept images").text


def test_an_image_is_deleted_for_a_reason_and_the_record_stays() -> None:
    sha256, other = keep(1), keep(2)
    shown = Admin("Storage")
    shown.type(f"admin.reason.{sha256}", "  ").press("Delete this image for good", 1)
    assert "a reason for the deletion" in shown.text
    assert kept_images.path_of(sha256).exists()
    shown.type(f"admin.reason.{sha256}", HOSTILE).press("Delete this image for good", 1)
    assert not kept_images.path_of(sha256).exists()
    assert kept_images.path_of(other).exists()
    assert f"<td>{sha256[:12]}</td><td>zoe</td><td>&lt;img" in shown.html
    assert "<img" not in shown.html
    assert audit.entries(COMMAND_LINE)[0].action == "image deleted"


def test_sets_that_still_hold_a_deleted_image_are_named_until_they_are_deleted() -> None:
    sha256 = keep()
    film = Candidate("a", sha256, "PNEUMONIA", "review", "a", "training")
    folder = retraining_files.write(
        COMMAND_LINE, "*autumn*", [film], lambda one: b"a", lambda share: None
    )
    shown = Admin("Storage")
    assert "Deleted images are still in" not in shown.text
    shown.type(f"admin.reason.{sha256}", "privacy").press("Delete this image for good", 0)
    assert f"still in:** Retraining set {folder.name[:12]}… “*autumn*”" in shown.text
    assert "yes; it holds deleted images: 1" in shown.text
    [key] = [field.key for field in shown.at.text_input if field.key.startswith("admin.free.")]
    shown.type(key, "privacy").press("Delete it for good")
    assert not folder.exists()
    assert "Deleted images are still in" not in shown.text
    assert audit.entries(COMMAND_LINE)[0].action == "retraining set deleted"


def test_a_damaged_and_a_strange_file_are_said_and_can_be_deleted() -> None:
    sha256, stray = keep(), "ab" * 32
    kept_images.path_of(sha256).write_bytes(b"damaged")
    kept_images.path_of(stray).parent.mkdir(parents=True, exist_ok=True)
    kept_images.path_of(stray).write_bytes(b"not ours")
    shown = Admin("Storage").press("Check the kept images")
    assert "its file was changed" in shown.text
    assert "A file that no record knows: abababababab" in shown.text
    shown.type(f"admin.reason.{stray}", "not ours").press("Delete this image for good", 1)
    assert not kept_images.path_of(stray).exists()
    assert storage.stray_images(COMMAND_LINE) == []


def test_what_is_kept_is_told_to_admins_only() -> None:
    for actor in (VISITOR, ANN):
        for asked in (storage.stored, storage.stray_images):
            with pytest.raises(AccessError):
                asked(actor)
    found = dataclasses.asdict(storage.stored(COMMAND_LINE))
    assert found.pop("database_bytes") > 4096
    assert found.pop("database") == f"sqlite, revision {store.REVISION}"
    assert found.pop("num_audit_records") == 1
    assert set(found.values()) == {0}


def test_a_database_that_is_gone_is_said(home: Path) -> None:
    store.close()
    for file in home.glob("pneumoscope.sqlite*"):
        file.write_bytes(b"no database, " * 100)
    for tab in ("Accounts", "Audit", "Storage"):
        assert "it is damaged" in Admin(tab).text


def test_in_spanish_roles_and_tabs_are_the_same_under_other_names(tmp_path: Path) -> None:
    sentences = {
        "Accounts": "Cuentas",
        "admin": "administrador",
        "clinician": "clínico",
        "Change role": "Cambiar función",
        "at least one admin": "al menos un administrador",
        "Add another first.": "Añada antes otro.",
        "Expected {expected}. Received: {received}. {todo}": (
            "Se esperaba {expected}. Se recibió: {received}. {todo}"
        ),
        "Role": "Función",
    }
    with spanish(tmp_path, sentences):
        shown = Admin("Accounts", language="es")
        assert [tab.label for tab in shown.at.tabs][3:5] == ["Cuentas", "Audit"]
        assert "<td>zoe</td><td>administrador</td>" in shown.html
        role = shown.at.selectbox(key="admin.new_role.zoe")
        assert role.options[1:] == ["clínico", "administrador"]
        role.set_value("clinician")
        shown.press("Cambiar función")
        assert "Se esperaba al menos un administrador." in shown.text
        assert "Añada antes otro." in shown.text
    assert [one.role for one in accounts.list_accounts(COMMAND_LINE)] == ["admin"]
