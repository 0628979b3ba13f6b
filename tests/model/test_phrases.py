"""What was stored in English is read in the language of whoever looks at it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from model.errors import StoreError
from model.language import _, in_english
from model.phrases import translated
from tests.pages.spanish import spanish

SENTENCES = {
    "the folder of the job": "la carpeta de la tarea",
    "none": "ninguna",
    "Start a new training instead.": "Inicie en su lugar un entrenamiento nuevo.",
    "Expected {expected}. Received: {received}. {todo}": (
        "Se esperaba {expected}. Se recibió: {received}. {todo}"
    ),
    "The job's process was stopped from outside (signal {n}).": (
        "El proceso de la tarea se detuvo desde fuera (señal {n})."
    ),
}


def fault(received: str = "none") -> str:
    return str(
        StoreError(_("the folder of the job"), _(received), _("Start a new training instead."))
    )


@pytest.fixture(autouse=True)
def in_spanish(tmp_path: Path) -> Iterator[None]:
    with spanish(tmp_path, SENTENCES):
        yield


def test_what_is_to_be_stored_is_english_and_shown_it_is_spanish() -> None:
    said = "Se esperaba la carpeta de la tarea. Se recibió: ninguna. "
    said += "Inicie en su lugar un entrenamiento nuevo."
    assert fault() == said
    with in_english():
        stored = fault()
    assert stored == (
        "Expected the folder of the job. Received: none. Start a new training instead."
    )
    assert translated(stored) == fault() == said  # and English is over


def test_a_number_in_it_stays() -> None:
    stored = "The job's process was stopped from outside (signal 15)."
    assert translated(stored) == "El proceso de la tarea se detuvo desde fuera (señal 15)."


def test_what_would_be_half_in_spanish_stays_english() -> None:
    with in_english():
        stored = fault("No space left on device")
    assert translated(stored) == stored
    assert translated("something that nobody knows") == "something that nobody knows"
