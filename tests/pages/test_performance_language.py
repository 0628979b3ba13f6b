"""The page Performance for who reads another language."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from model import language, performance
from model.bundle import Bundle
from pages.shared.trust import tables
from tests.pages.performance_cases import TABS, Page
from tests.pages.performance_cases import full as full
from tests.pages.performance_cases import serve as serve

SPANISH = {
    "Threshold": "Umbral",
    "Figures": "Cifras",
    "Data": "Datos",
    "{n} found": "{n} detectadas",
    "Reference label": "Etiqueta de referencia",
}
Speak = Callable[[Mapping[str, str]], None]


class Marked(dict[str, str]):
    """A language whose sentences are the English ones between marks."""

    def get(self, sentence: str, default: Any = None) -> str:
        return f"«{sentence.strip()}»"


@pytest.fixture
def speak(monkeypatch: pytest.MonkeyPatch) -> Speak:
    """speak({English: translation}): from now on the reader's language has these."""
    return lambda sentences: monkeypatch.setattr(language, "_sentences", lambda _: sentences)


def titles(at: AppTest) -> list[str]:
    return [tab.label for tab in at.tabs]


def opened(at: AppTest) -> list[str]:
    return [tab.label for tab in at.tabs if tab.children]


@pytest.mark.parametrize("tab", TABS)
def test_all_that_is_said_can_be_translated(full: Bundle, speak: Speak, tab: str) -> None:
    speak(Marked())
    page = Page(tab)
    assert titles(page.at) == [f"«{name}»" for name in TABS]
    assert untranslated(page.text) == ""
    for chart in page.charts():
        assert not [title for title in named(chart) if untranslated(title)]


def untranslated(text: str) -> str:
    """The words outside of the marks, which may be inside of one another."""
    shorter = re.sub(r"«[^«»]*»", " ", text)
    if shorter != text:
        return untranslated(shorter)
    return " ".join(re.findall(r"[A-Za-z]{2,}", text.replace(":material/info:", "")))


def named(chart: Any) -> Iterator[str]:
    """The titles of a Vega-Lite specification: axes, legends, tooltips, lines."""
    if isinstance(chart, dict):
        for name, value in chart.items():
            if isinstance(value, str) and name in ("title", "name", "class", "map", "change"):
                yield value
            yield from named(value)
    elif isinstance(chart, list):
        for part in chart:
            yield from named(part)


def test_the_address_of_a_tab_is_that_of_every_language(full: Bundle, speak: Speak) -> None:
    speak(SPANISH)
    at = Page("Threshold").at
    assert opened(at) == ["Umbral"]
    speak({})
    assert opened(at.run()) == ["Threshold"]
    assert at.query_params["tab"] == "Threshold"


def test_an_address_of_no_tab_opens_the_first(full: Bundle, speak: Speak) -> None:
    speak(SPANISH)
    assert opened(Page("Umbral").at) == opened(Page().at) == ["Cifras"]


def test_a_csv_is_the_same_in_every_language(full: Bundle, speak: Speak) -> None:
    records = tables.confusion(performance.champion(full).confusion)
    english = tables.as_csv(records)
    assert b"Reference label,called pneumonia" in english
    speak(SPANISH)
    shown = Page("Threshold").table("X-rays at threshold")
    assert shown[0][0] == "Etiqueta de referencia"
    assert re.fullmatch(r"\d+ detectadas", shown[1][1])
    assert tables.as_csv(records) == english
