"""Sentences in the reader's language: how they are found, translated, and kept up to date."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from model import language, phrases
from model.language import ENGLISH, N_, _
from tests.model.sentences import not_found

ROOT = Path(__file__).resolve().parents[2]
SPANISH = """
msgid "Read {n} films"
msgstr "{n} radiografías leídas"

msgid "{split} split ({n} X-rays)"
msgstr "conjunto de {split} ({n} radiografías)"

msgid "test"
msgstr "prueba"

msgid "Not translated yet"
msgstr ""
"""


@pytest.fixture
def spanish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder of languages that has some Spanish, which the reader has chosen."""
    (tmp_path / "es.po").write_text(SPANISH)
    monkeypatch.setattr(language, "FOLDER", tmp_path)
    monkeypatch.setattr(language, "_choose", lambda: "es")
    _forget()
    yield
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    language._sentences.cache_clear()
    language.languages.cache_clear()


def test_a_sentence_takes_its_values_by_name(spanish: None) -> None:
    assert _("Read {n} films", n=3) == "3 radiografías leídas"
    language.use(lambda: ENGLISH)
    assert _("Read {n} films", n=3) == "Read 3 films"
    assert _("{share:.0%} of {n:,}", share=0.5, n=1234) == "50% of 1,234"
    assert _("{as it is}") == "{as it is}"


def test_a_sentence_without_translation_is_english(spanish: None) -> None:
    assert _("Not translated yet") == "Not translated yet"
    assert _("Never heard of {name}", name="it") == "Never heard of it"


@pytest.mark.parametrize("unknown", ["xx", "", "../es", "es_MX"])
def test_a_language_that_is_not_there_is_english(spanish: None, unknown: str) -> None:
    language.use(lambda: unknown)
    assert _("Read {n} films", n=3) == "Read 3 films"


def test_languages_are_named_in_themselves(spanish: None) -> None:
    assert dict(language.languages()) == {"en": "English", "es": "Español"}


@pytest.mark.parametrize(
    ("asked", "given"),
    [("es-MX", "es"), ("es_ES", "es"), ("ES", "es"), ("fr-FR", "en"), ("", "en"), (None, "en")],
)
def test_a_browser_begins_with_its_own_language(
    spanish: None, asked: str | None, given: str
) -> None:
    assert language.best(asked) == given


def test_a_marked_sentence_is_the_sentence() -> None:
    assert N_("Read {n} films") == "Read {n} films"


# What files say in English


def test_what_a_card_says_is_said_in_the_language_of_the_reader(spanish: None) -> None:
    assert phrases.translated("test split (623 X-rays)") == "conjunto de prueba (623 radiografías)"
    assert phrases.translated("a split of my own") == "a split of my own"
    language.use(lambda: ENGLISH)
    assert phrases.translated("test split (623 X-rays)") == "test split (623 X-rays)"


@pytest.mark.parametrize(
    "written",
    [
        "test split (624 X-rays) under changes that hospitals make",
        "validation fold (522 X-rays, patients apart, as they are and each under a change that "
        "hospitals make)",
        "highest threshold with sensitivity of at least 99 %",
        "Rule-in: lowest threshold from the default on with specificity of at least 99 %",
        "Originals of 1.5 megapixels and more",
        "1,204 found",
        "-0.1 points",
        "First of 12 frames.",
        "The image is 40 x 90 px; a chest X-ray needs at least 64 px on each side.",
        "900 x 100 px is no shape of a chest X-ray: upload the film alone.",
    ],
)
def test_a_phrase_with_its_values_is_known(written: str) -> None:
    [pattern] = {p for p in phrases.PATTERNS if phrases._compiled(p).fullmatch(written)}
    found = phrases._compiled(pattern).fullmatch(written)
    assert found
    assert pattern.format(**found.groupdict()) == written


# The code: every sentence can be found


@pytest.mark.parametrize(
    "source",
    [
        '_(f"Read {n} films")', '_("Read " + kind)', '_("Read %s" % kind)', "_()",
        'N_(f"Read {n}")', "N_(TITLE)", '_("Read", "films")',
        'title = f"Read {n}"\n_(title)', '_("Read {}".format(n))',
        'title = "Read " + kind\n_(title)',
        '_(TITLE if found else f"Read {n}")', '_("Found" if found else "Not found")',
        'for _ in range(3): print(_("Read"))', 'first, _ = 1, _("Read")', 'lambda _: _("Read")',
    ],
)  # fmt: skip
def test_what_cannot_be_found_is_noticed(source: str) -> None:
    assert not_found(source)


@pytest.mark.parametrize(
    "source",
    [
        '_("Read {n} films", n=len(films))', '_("Read " "films")', "_(TITLE)", "_(TABLE[key])",
        "_(TABLE.get(key, key))", "_(why(reading))",
        "_(change.title)", "for title in TITLES: _(title)",
        "def one(): title = f'{a}'\ndef other(title): _(title)",
        "_(_ONE if found else _OTHER)",
        'TITLE = N_("Read {n} films")',
        'def one():\n    for _ in range(3): pass\ndef other(): _("Read")',
    ],
)  # fmt: skip
def test_what_can_be_found_is_left_alone(source: str) -> None:
    assert not not_found(source)


def test_every_sentence_in_the_code_can_be_found() -> None:
    folders = (ROOT / "model", ROOT / "pages")
    sources = [ROOT / "app.py", *(path for folder in folders for path in folder.rglob("*.py"))]
    wrong = {str(path.relative_to(ROOT)): not_found(path.read_text()) for path in sources}
    assert {path: found for path, found in wrong.items() if found} == {}


# The translations


def kept(sentence: str) -> list[str]:
    """What a translation must have too, in any order: values by their names, and HTML tags."""
    try:
        names = [name for _text, name, _form, _as in Formatter().parse(sentence) if name]
    except ValueError:  # a single brace, in a sentence that takes no values
        names = []
    return sorted(names + re.findall(r"</?\w+>", sentence))


def languages() -> list[str]:
    return sorted(path.stem for path in language.FOLDER.glob("*.po"))


def test_every_sentence_is_translated_with_its_values() -> None:
    if not languages():
        pytest.skip(f"no languages yet: no .po file in {language.FOLDER.relative_to(ROOT)}/")
    wanted = {str(message.id) for message in language.found_in_code() if message.id}
    for code in languages():
        given = language._sentences(code)
        missing = sorted(sentence for sentence in wanted if not given.get(sentence))
        assert not missing, f"{code}: run `python -m model.language` and translate"
        assert not sorted(given.keys() - wanted), f"{code}: run `python -m model.language`"
        differ = {s: given[s] for s in wanted if kept(given[s]) != kept(s)}
        assert differ == {}


# The files of languages


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The program that keeps languages up to date, in a checkout of two pages."""
    (tmp_path / "model" / "languages").mkdir(parents=True)
    for name in ("language.py", "config.py", "files.py"):
        shutil.copy(ROOT / "model" / name, tmp_path / "model")
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "read.py").write_text('_("Read {n} films", n=3)\nTITLE = N_("A film")\n')
    (tmp_path / "app.py").write_text('_("About")\n')
    return tmp_path


def update(checkout: Path, *new: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "model.language", *new],
        cwd=checkout, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert not done.stderr
    return done.returncode, done.stdout


def test_a_new_language_has_every_sentence_of_the_code(checkout: Path) -> None:
    status, said = update(checkout, "fr")
    assert status == 1
    for sentence in ("Read {n} films", "A film", "About"):
        assert f"\n  {sentence}\n" in said
        assert f'msgid "{sentence}"\nmsgstr ""' in file(checkout, "fr")
    assert "#: pages/read.py" in file(checkout, "fr")


def test_an_update_keeps_translations_and_drops_what_is_gone(checkout: Path) -> None:
    path = checkout / "model" / "languages" / "es.po"
    path.write_text(
        'msgid "Read {n} films"\nmsgstr "{n} radiografías leídas"\n\n'
        'msgid "Gone"\nmsgstr "Se fue"\n'
    )
    status, said = update(checkout)
    assert status == 1
    assert said == "es: 2 sentences without translation\n  About\n  A film\n"
    assert 'msgstr "{n} radiografías leídas"' in file(checkout, "es")
    assert "Gone" not in file(checkout, "es")
    assert 'msgid "About"\nmsgstr ""' in file(checkout, "es")
    before = file(checkout, "es")
    update(checkout)
    assert file(checkout, "es") == before


def test_a_language_with_all_translations_is_finished(checkout: Path) -> None:
    update(checkout, "es")
    text = file(checkout, "es")
    for sentence in sentences(checkout):
        text = text.replace(f'msgid "{sentence}"\nmsgstr ""', f'msgid "{sentence}"\nmsgstr "x"')
    (checkout / "model" / "languages" / "es.po").write_text(text)
    assert update(checkout) == (0, "es: 0 sentences without translation\n")


def file(checkout: Path, code: str) -> str:
    return (checkout / "model" / "languages" / f"{code}.po").read_text()


def sentences(checkout: Path) -> list[str]:
    return [line[7:-1] for line in file(checkout, "es").splitlines() if line.startswith("msgid ")]
