"""The pages in the language of who reads them: asked for by the browser, chosen, or English."""

import json
import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from model import language
from model.errors import InputError
from model.language import _
from model.people.access import Actor
from pages.shared import auth, frame
from pages.shared.viewer import pack
from pages.shared.viewer.texts import TEXTS

ROOT = Path(__file__).resolve().parents[2]
SPANISH = {
    "Sign in": "Iniciar sesión",
    "Worklist": "Lista de trabajo",
    frame.INTENDED_USE: "Ayuda a la decisión para investigación y docencia.",
    "Expected {expected}. Received: {received}. {todo}": (
        "Se esperaba {expected}. Se recibió: {received}. {todo}"
    ),
}


def forget() -> None:
    language.languages.cache_clear()
    language._sentences.cache_clear()


@pytest.fixture(autouse=True)
def spanish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[Path]:
    """English and Spanish are there; the file of the Spanish sentences."""
    file = tmp_path / "languages" / "es.po"
    file.parent.mkdir()
    file.write_text(
        "\n\n".join(f'msgid "{key}"\nmsgstr "{said}"' for key, said in SPANISH.items()), "utf-8"
    )
    monkeypatch.setattr(language, "FOLDER", file.parent)
    forget()
    yield file
    forget()


class Page:
    """The page Sign in of a browser that asks for `locale`."""

    def __init__(self, locale: str = "en-GB") -> None:
        self.at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        self.at.context["locale"] = locale
        self.go("sign_in")

    def go(self, page: str) -> "Page":
        self.at.switch_page(f"pages/{page}.py").run()
        return self

    def choose(self, code: str) -> "Page":
        self.at.button(key=f"frame.in.{code}").click().run()
        return self.go("sign_in")

    @property
    def title(self) -> str:
        assert not self.at.exception, self.at.exception
        return self.at.title[0].value

    @property
    def foot(self) -> str:
        return self.at.caption[-1].value

    @property
    def offered(self) -> list[str]:
        return [b.label for b in self.at.button if str(b.key).startswith("frame.in.")]

    @property
    def told_the_browser(self) -> Mapping[str, Any] | None:
        """What the script that sets <html lang> and the cookie was given."""
        found = [c for c in self.at.get("bidi_component") if c.key == "frame.language"]
        return json.loads(found[0].proto.json) if found else None


def test_a_browser_that_asks_for_spanish_gets_spanish() -> None:
    shown = Page("es-MX")
    assert shown.title == "Iniciar sesión"
    assert shown.foot == SPANISH[frame.INTENDED_USE]
    assert shown.offered == ["English"]
    assert shown.told_the_browser == {"language": "es", "cookie": "", "path": "/"}


@pytest.mark.parametrize("locale", ["en-GB", "fr-FR", ""])
def test_other_browsers_get_english(locale: str) -> None:
    shown = Page(locale)
    assert shown.title == "Sign in"
    assert shown.foot == frame.INTENDED_USE
    assert shown.offered == ["Español"]
    assert shown.told_the_browser is None


def test_a_choice_holds_for_this_session_and_is_kept_in_the_browser() -> None:
    shown = Page().choose("es")
    assert shown.title == "Iniciar sesión"
    assert shown.told_the_browser == {
        "language": "es", "cookie": frame.LANGUAGE_COOKIE, "path": "/",
    }  # fmt: skip
    assert shown.go("about").foot == SPANISH[frame.INTENDED_USE]
    shown.choose("en")
    assert shown.title == "Sign in"
    assert shown.told_the_browser
    assert shown.told_the_browser["language"] == "en"  # over what the page was before


def test_the_cookie_counts_more_than_what_the_browser_asks_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cookies = {frame.LANGUAGE_COOKIE: "en"}
    monkeypatch.setattr("streamlit.runtime.context.ContextProxy.cookies", cookies)
    assert Page("es-ES").title == "Sign in"
    cookies[frame.LANGUAGE_COOKIE] = "es"
    assert Page("en-GB").title == "Iniciar sesión"
    cookies[frame.LANGUAGE_COOKIE] = "../es"  # nobody's language
    assert Page("es-ES").title == "Sign in"


def test_what_has_no_translation_stays_english() -> None:
    shown = Page("es")
    assert any("There is no account yet." in info.value for info in shown.at.info)


def test_without_another_language_none_is_offered(spanish: Path) -> None:
    spanish.unlink()
    forget()
    shown = Page("es-ES")
    assert (shown.title, shown.offered) == ("Sign in", [])


def test_a_choice_survives_signing_out() -> None:
    shown = Page().choose("es")
    shown.at.session_state["auth.token"] = "of a sign-in that has ended"
    shown.at.session_state["auth.checked"] = -1000.0
    shown.at.session_state["auth.actor"] = Actor("ann", "clinician")
    shown.go("sign_in")
    assert auth.ENDED[:19] in shown.at.error[0].value
    assert shown.title == "Iniciar sesión"


def test_outside_of_a_page_sentences_are_english() -> None:
    Page("es-ES")
    heard = [_("Sign in")]
    thread = Thread(target=lambda: heard.append(_("Sign in")))
    thread.start()
    thread.join()
    assert heard == ["Sign in", "Sign in"]


def test_an_error_is_in_the_language_of_who_caused_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "_choose", lambda: "es")
    assert str(InputError("a name", "none", "Enter one.")) == (
        "Se esperaba a name. Se recibió: none. Enter one."
    )


class Template(HTMLParser):
    """What viewer.html says: its texts save names of keys, titles and names of controls."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.said: set[str] = set()
        self.inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag
        self.said |= {str(value) for name, value in attrs if name in ("title", "aria-label")}

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside != "kbd" and len(data.strip()) > 1:
            self.said.add(data.strip())


def test_the_viewer_has_all_its_sentences_translated_and_no_others() -> None:
    folder = ROOT / "pages" / "shared" / "viewer"
    html = Template((folder / "viewer.html").read_text("utf-8")).said
    script = re.sub(r'"\s*\+\s*"', "", (folder / "viewer.js").read_text("utf-8"))
    strings = set(re.findall(r'"([^"\n]+)"', script))
    assert html <= set(TEXTS)
    assert set(re.findall(r'\bsay\(view, "([^"]+)"', script)) <= set(TEXTS)
    assert {text for text in TEXTS if text not in html | strings} <= {
        "Shift",
        "Space",
        "Enter",
        "Esc",
    }


def test_the_viewer_gets_the_words_of_the_language(
    spanish: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def texts() -> Any:
        data = pack(np.zeros((8, 8), np.uint8), (0, 255), {})
        return json.loads(data[4 : 4 + int.from_bytes(data[:4], "little")])["texts"]

    assert texts() == {}
    spanish.write_text('msgid "Invert"\nmsgstr "Invertir"', "utf-8")
    forget()
    monkeypatch.setattr(language, "_choose", lambda: "es")
    assert texts() == {"Invert": "Invertir"}
