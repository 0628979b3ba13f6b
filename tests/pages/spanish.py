"""A few sentences in Spanish, for tests of pages in another language than English."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from babel.messages import Catalog
from babel.messages.pofile import write_po

from model import language
from pages.shared import frame


@contextmanager
def spanish(folder: Path, sentences: Mapping[str, str]) -> Iterator[None]:
    """Spanish can be chosen and has these sentences alone; their file is in `folder`."""
    catalog = Catalog("es")
    for sentence, said in sentences.items():
        catalog.add(sentence, said)
    with (folder / "es.po").open("wb") as file:
        write_po(file, catalog)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(language, "FOLDER", folder)
        patch.setattr(language, "_choose", _spoken)
        _forget()
        yield
    _forget()


def _spoken() -> str:
    """AppTest asks for the words of options outside of the session, from the test itself."""
    is_test = threading.current_thread() is threading.main_thread()
    return "es" if is_test else frame.spoken()


def _forget() -> None:
    language.languages.cache_clear()
    language._sentences.cache_clear()
