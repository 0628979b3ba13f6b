"""What the tests of pages with accounts share: an empty home, a session, a PostgreSQL."""

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest

from model.people import accounts, audit
from model.people.access import COMMAND_LINE, Actor
from pages.shared import auth, services
from tests.model.conftest import postgresql as postgresql
from tests.model.conftest import sqlite_home as sqlite_home

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _run_as_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run of an AppTest goes through app.py, as in the server that app.py makes."""
    begin = PagesManager.__init__

    def served(manager: PagesManager, *args: Any, **settings: Any) -> None:
        begin(manager, *args, **settings)
        PagesManager.uses_pages_directory = False

    monkeypatch.setattr(PagesManager, "__init__", served)


@pytest.fixture
def home(sqlite_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home with SQLite and quick password hashes."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(accounts, "_hasher", lambda: hasher)
    return sqlite_home


def read_with(classifier: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages read with this quick one."""
    loaded: Future[Any] = Future()
    loaded.set_result(classifier)
    monkeypatch.setattr(services, "_loading", lambda: loaded)


class Session:
    """One browser tab on the page Sign in: what is done, and what is then to be seen."""

    def __init__(self, page: str = "sign_in", roles: Any = None, **person: Any) -> None:
        self.at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        if roles is not None:
            self.at.secrets["auth"] = {"roles": roles}
            self.at.user = {"is_logged_in": bool(person), **person}
        self.go(page)

    def go(self, page: str) -> "Session":
        self.at.switch_page(f"pages/{page}.py").run()
        return self

    def sign_in(self, name: str = "ann", password: str = PASSWORD) -> "Session":
        self.at.text_input(key="auth.name").set_value(name)
        self.at.text_input(key="auth.password").set_value(password)
        return self.press("Sign in")

    def press(self, label: str) -> "Session":
        [button] = [button for button in self.at.button if button.label == label]
        button.click().run()
        return self

    def later(self) -> "Session":
        """The next look of this session at its account is due."""
        self.at.session_state["auth.checked"] -= auth.CHECK_SECONDS
        self.at.run()
        return self

    @property
    def actor(self) -> Actor | None:
        state = self.at.session_state
        return state["auth.actor"] if "auth.actor" in state else None  # noqa: SIM401

    @property
    def text(self) -> str:
        assert not self.at.exception, self.at.exception
        parts = (self.at.title, self.at.markdown, self.at.error, self.at.warning, self.at.info)
        found = [e.value for part in (*parts, self.at.caption, self.at.code) for e in part]
        return " ".join(" ".join(found).replace("\\", "").split())


def add(name: str = "ann", role: str = "clinician") -> None:
    accounts.add(COMMAND_LINE, name, role, PASSWORD)


def trail() -> list[tuple[str, str]]:
    return [(entry.actor, entry.action) for entry in reversed(audit.entries(COMMAND_LINE))]
