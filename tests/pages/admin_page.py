"""One tab of the page Admin in the session of zoe, an admin."""

import html
import re
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from model.people.access import Actor

ROOT = Path(__file__).resolve().parents[2]
ZOE = Actor("zoe", "admin")
WORDS = ("error", "warning", "success", "info", "markdown", "caption", "subheader", "html")


class Tab:
    """The tab of this name."""

    def __init__(self, name: str) -> None:
        self.at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        self.at.session_state["auth.actor"] = ZOE
        self.at.query_params["tab"] = name
        self.at.switch_page("pages/admin.py").run()

    @property
    def text(self) -> str:
        """All words in their order, also those of a dialog, without their markup."""
        assert not self.at.exception, self.at.exception
        told = [node.proto.body for node in self._nodes() if node.type in WORDS]
        plain = html.unescape(re.sub(r"<[^>]+>", " ", " ".join(told))).replace("\\", "")
        return " ".join(plain.split())

    @property
    def html(self) -> str:
        """The tables as they stand."""
        return " ".join(node.proto.body for node in self._nodes() if node.type == "html")

    def _nodes(self) -> list[Any]:
        return list(self.at._tree)

    def button(self, label: str) -> Any:
        """The first of this name."""
        return next(button for button in self.at.button if button.label == label)

    def press(self, label: str) -> "Tab":
        self.button(label).click().run()
        return self

    def type(self, key: str, text: str) -> "Tab":
        self.at.text_input(key=key).set_value(text)
        return self
