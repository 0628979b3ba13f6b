"""Every sentence that people read, in their language.

    from model.language import _
    _("Read {n} films", n=3)

The English sentence is its own key, with its values by name: never an f-string, so that the
sentence can be found. Sentences in tables are marked with `N_` and translated where they are
shown. `languages/LANGUAGE.po` holds all sentences with their translation, as translators and their
tools know it (GNU gettext). `python -m model.language [NEW]` brings these files up to date with the
code, `NEW` begins another one.
"""

import ast
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any

from model.config import ROOT

if TYPE_CHECKING:
    from babel.messages import Catalog

FOLDER = ROOT / "model" / "languages"
ENGLISH = "en"

_to_be_stored: ContextVar[bool] = ContextVar("_to_be_stored", default=False)
_choose: Callable[[], str] = lambda: ENGLISH  # noqa: E731


def use(choose: Callable[[], str]) -> None:
    """From now on `choose()` says the language, such as "es", whenever a sentence is needed."""
    global _choose
    _choose = choose


def chosen() -> str:
    """The code of the language that sentences are said in now."""
    return ENGLISH if _to_be_stored.get() else _choose()


def _(sentence: str, **values: Any) -> str:
    """The sentence in the chosen language, with its values; English where it has no translation."""
    said = _sentences(chosen()).get(sentence) or sentence
    return said.format(**values) if values else said


def sentences() -> Mapping[str, str]:
    """English sentence -> the same in the chosen language; empty for English."""
    return _sentences(chosen())


def N_(sentence: str) -> str:  # noqa: N802 - its name in every gettext project
    """Marks a sentence that is translated later, where it is shown."""
    return sentence


@contextmanager
def in_english() -> Iterator[None]:
    """What is said meanwhile is to be stored, and read in any language: see `model.phrases`."""
    before = _to_be_stored.set(True)
    try:
        yield
    finally:
        _to_be_stored.reset(before)


@cache
def languages() -> Mapping[str, str]:
    """Code -> its name in that language itself, English first."""
    from babel import Locale

    codes = [ENGLISH, *sorted(path.stem for path in FOLDER.glob("*.po"))]
    return {code: str(Locale.parse(code).display_name).capitalize() for code in codes}


def best(locale: str | None) -> str:
    """The language to begin with for a browser that asks for `locale`, such as "es-MX"."""
    code = (locale or "").replace("_", "-").split("-")[0].lower()
    return code if code.isalpha() and (FOLDER / f"{code}.po").is_file() else ENGLISH


@cache
def _sentences(language: str) -> Mapping[str, str]:
    if language == ENGLISH or language not in languages():
        return {}
    return {str(message.id): str(message.string) for message in _read(language) if message.id}


def _read(language: str) -> "Catalog":
    from babel.messages.pofile import read_po

    with (FOLDER / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language)


def found_in_code() -> "Catalog":
    """All sentences that the code marks, with the files that they are in.

    Read from the syntax tree: Babel's own search overlooks what stands inside of an f-string.
    """
    from babel.messages import Catalog

    catalog = Catalog(project="Pneumoscope", charset="utf-8")
    files = [path for folder in ("model", "pages") for path in (ROOT / folder).rglob("*.py")]
    for path in sorted([ROOT / "app.py", *files]):
        calls = [n for n in ast.walk(ast.parse(path.read_bytes())) if isinstance(n, ast.Call)]
        for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
            match call:
                case ast.Call(func=ast.Name("_" | "N_"), args=[ast.Constant(str(sentence)), *_]):
                    catalog.add(sentence, locations=[(path.relative_to(ROOT).as_posix(), 0)])
    return catalog


def update(language: str) -> list[str]:
    """Brings the file of a language up to date; returns the sentences it has no translation for."""
    from io import BytesIO

    from babel.messages import Catalog
    from babel.messages.pofile import write_po

    from model.files import write_whole

    path = FOLDER / f"{language}.po"
    catalog = _read(language) if path.exists() else Catalog(language)
    catalog.update(found_in_code(), no_fuzzy_matching=True)
    catalog.obsolete.clear()
    text = BytesIO()
    write_po(text, catalog, width=100, omit_header=True, include_lineno=False, sort_by_file=True)
    write_whole(path, lambda temporary: temporary.write_bytes(text.getvalue()))
    return [str(message.id) for message in catalog if message.id and not message.string]


def main(new: list[str]) -> int:
    """Updates every language and prints what is not translated yet; 1 if that is anything."""
    missing = 0
    for code in sorted({*(path.stem for path in FOLDER.glob("*.po")), *new}):
        untranslated = update(code)
        missing += len(untranslated)
        print(
            f"{code}: {len(untranslated)} sentences without translation", *untranslated, sep="\n  "
        )
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
