"""What was stored in English is read in the language of whoever looks at it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from model.errors import StoreError, TooLarge
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
    "a file of at most {n:.1f} MB": "un archivo de {n:.1f} MB como máximo",
    "one of {n:.1f} MB": "uno de {n:.1f} MB",
    "one of {backend}": "uno de {backend}",
    "Export a single image, or the same one compressed.": "Exporte una sola imagen.",
    "Same film as {file}.": "La misma radiografía que {file}.",
    "The fold {label} is not {kind}.": "{kind} no es el grupo {label}.",
    "Nothing was stored.": "No se ha guardado nada.",
    "{n} of {total}": "{n} de {total}",
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


def test_a_sentence_with_values_is_known_by_the_words_around_them() -> None:
    with in_english():
        stored = str(
            TooLarge(
                _("a file of at most {n:.1f} MB", n=40),
                _("one of {n:.1f} MB", n=41.234),
                _("Export a single image, or the same one compressed."),
            )
        )
    assert stored.startswith("Expected a file of at most 40.0 MB. Received: one of 41.2 MB. ")
    said = "Se esperaba un archivo de 40.0 MB como máximo. Se recibió: uno de 41.2 MB. "
    assert translated(stored) == said + "Exporte una sola imagen."


@pytest.mark.parametrize(
    "file",
    ["{n} {0}", r"a\1(.*)[b-", "none", "one of 3.0 MB", "a. Received: b", "x\ny", "Nothing."],
)
def test_a_name_is_shown_as_it_is(file: str) -> None:
    with in_english():
        stored = _("Same film as {file}.", file=file)
    assert translated(stored) == f"La misma radiografía que {file}."


def test_values_are_words_too_and_change_places() -> None:
    stored = "The fold {kind} is not one of 3.0 MB."
    assert translated(stored) == "uno de 3.0 MB no es el grupo {kind}."


def test_sentences_one_after_another() -> None:
    assert translated("Nothing was stored. Start a new training instead.") == (
        "No se ha guardado nada. Inicie en su lugar un entrenamiento nuevo."
    )
    one_unknown = "Nothing was stored. Nobody knows why."
    assert translated(one_unknown) == one_unknown


def test_too_few_words_fit_nothing() -> None:
    assert translated("what people write, 3 of 5") == "what people write, 3 of 5"


def test_what_would_be_half_in_spanish_stays_english() -> None:
    with in_english():
        stored = fault("No space left on device")
    assert translated(stored) == stored
    assert translated("something that nobody knows") == "something that nobody knows"
