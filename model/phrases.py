"""What programs have written down in English, in the language of who reads it.

Cards, the files beside them, CSV and what a thread of the server has said stay English, whatever
the language of who reads it: "test split (623 X-rays)", "one of 41.2 MB". `translated` says them
when they are shown. A sentence with values is told by what stands around these, be it one of the
patterns here or any other that the code marks; what nobody knows stays English.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache

from model import language
from model.language import N_

# `model.errors`; shown in two languages it would be harder to read than in one.
ERROR = N_("Expected {expected}. Received: {received}. {todo}")
# The first that fits counts. `{split}` is one word, `{n}` and `{n_...}` are numbers.
PATTERNS = (
    # Why a sign-in counts no more: `pages/shared/auth.py`
    N_("Your sign-in is older than {n_hours} hours. Sign in again."),
    # What the gate and the reading of a file say: `model.nn.gate`, `model.dicom`
    N_(
        "The image is {n_width} x {n_height} px; a chest X-ray needs at least {n_least} px on each "
        "side."
    ),
    N_("{n_width} x {n_height} px is no shape of a chest X-ray: upload the film alone."),
    N_("First of {n} frames."),
    # Descriptions of a set of X-rays: `model.nn.evaluate`, `release` and `dataset_facts`
    N_("{split} split ({n} X-rays) under changes that hospitals make"),
    N_("{split} split ({n} X-rays)"),
    N_("{split} split"),
    N_("The {split} split"),
    N_("validation fold ({n} X-rays, patients apart)"),
    N_("validation fold ({n} X-rays, patients apart, each under a change that hospitals make)"),
    N_(
        "validation fold ({n} X-rays, patients apart, as they are and each under a change that "
        "hospitals make)"
    ),
    N_("{n} X-rays ({splits})"),
    # Rules of operating points: `model.operating_points`
    N_("highest threshold with sensitivity of at least {n} %"),
    N_("lowest threshold from the default on with specificity of at least {n} %"),
    N_("Screening: {rule}"),
    N_("Default: {rule}"),
    N_("Balanced: {rule}"),
    N_("Rule-in: {rule}"),
    # Rows and groups: `model.performance`
    N_("{network}, as served"),
    N_("Originals below {n} megapixels"),
    N_("Originals of {n} megapixels and more"),
    N_("Its card, {file}, is damaged or of another format."),
    # Cells and headings of the tables of the page Performance
    N_("{n} X-rays of the training split"),
    N_("{n_low} to {n_high}"),
    N_("{n} found"),
    N_("{n} missed"),
    N_("{n} false alarms"),
    N_("{n} cleared"),
    N_("{n} points"),
    N_("{map} (offered)"),
    N_("p against {map}"),
    # Cells of the page Review: `model.clinic.agreement`
    N_("cannot be computed: {who} said the same of every film"),
    # Why versions cannot be compared: `model.versions.version_comparison`
    N_("{version} was not evaluated on the locked test set."),
    N_(
        "The evaluation of {version} is not complete: {n_missing} of {n_all} X-rays of the locked "
        "test set are missing."
    ),
    N_(
        "{version} was evaluated on another test set: {n_missing} X-rays of the champion's are "
        "missing, {n_other} are others or have another label."
    ),
    N_("The fingerprints of the test films of {version} are damaged: restore its {file}."),
    N_(
        "That the films are the same was checked by name and label only, for {version} keeps no "
        "fingerprints of its test films."
    ),
    N_(
        "{version} was evaluated on other pictures under the same names: {n_missing} X-rays of the "
        "champion's are missing, {n_other} are others."
    ),
    N_(
        "{n_missing} of the champion's X-rays and {n_other} of {version} look different under the "
        "same names, as a few do at another size."
    ),
    # What hosts say of jobs: `model.training.local_host`, `model.training.job_work`
    N_("The job ended with exit status {n} before it could say why; see its log."),
    N_("The job's process was stopped from outside (signal {n})."),
    N_(
        "The job's process was stopped from outside (signal {n}). When nobody did that, the memory "
        "of this computer has run out."
    ),
    N_("The program has a fault ({kind}); its log tells more."),
    ERROR,
)
_NUMBER = r"[-+]?\d[\d.,]*"
_VALUE = re.compile(r"\{(\w+)(:[^}]*)?\}")
_OWN = ("file", "name", "reader")  # these values are people's own words: never translated
_FEWEST_LETTERS = 6  # around values that may be anything: with less, any text would fit
_NEXT = re.compile(r"(?<=[.!?]) (?=[A-Z\d])")  # between two sentences
# Single words of the same.
WORDS = (
    N_("train"), N_("val"), N_("validation"), N_("test"), N_("left"), N_("right"),
    N_("deletion"), N_("insertion"), N_("screening"), N_("default"), N_("balanced"), N_("rule-in"),
    N_("visitor"), N_("clinician"), N_("admin"),
    N_("threshold"), N_("band"), N_("sensitivity"), N_("specificity"), N_("prevalence"),
    N_("accepted"), N_("unusual"), N_("refused"), N_("normal"), N_("pneumonia"),
    # The synthetic X-rays: assets/samples/samples.json
    N_("Normal chest"), N_("Normal chest, slightly turned"), N_("Normal chest, deep breath"),
    N_("Lobar pneumonia, right upper lobe"), N_("Bronchopneumonia, mostly right"),
    N_("Viral pneumonia, mostly left"), N_("Lobar pneumonia, left lower lobe (DICOM)"),
    N_("largest sum of sensitivity and specificity (Youden's J)"),
    # What was done: `model.people.audit`
    N_("account added"), N_("account activated"), N_("account deactivated"), N_("role changed"),
    N_("password changed"), N_("signed in"), N_("sign-in refused"), N_("gate overruled"),
    N_("report exported"), N_("reviews exported"), N_("worklist exported"),
    N_("worklist deleted"), N_("image deleted"), N_("label approved"),
    N_("retraining set frozen"), N_("retraining set deleted"), N_("training asked for"),
    N_("training retried"), N_("training cancelled"), N_("training succeeded"),
    N_("training failed"), N_("training lost"), N_("model version promoted"),
    N_("model version taken back"), N_("model version served"), N_("audit trail exported"),
    # What the system says of a file or a folder: `OSError.strerror`
    N_("Permission denied"), N_("No such file or directory"), N_("No space left on device"),
    N_("Input/output error"), N_("Read-only file system"), N_("Too many open files"),
)  # fmt: skip


def translated(text: str) -> str:
    """The text in the chosen language; as it is where no translation is known."""
    if text and (said := _one(text)) is not None:
        return said
    for gap in _NEXT.finditer(text):  # or several sentences, each of them known
        first, rest = _one(text[: gap.start()]), text[gap.end() :]
        if first is not None and (others := translated(rest)) != rest:
            return f"{first} {others}"
    return text


def _one(text: str) -> str | None:
    """A text that is marked as a whole, or with values in it."""
    said, sentences = language._(text), language.sentences()
    if said != text or text in sentences:
        return said
    for pattern in (*PATTERNS, *_with_values(tuple(one for one in sentences if "{" in one))):
        start, *_, end = _split(pattern)
        if not (text.startswith(start) and text.endswith(end)):  # most of them, at once
            continue
        if found := _compiled(pattern).fullmatch(text):
            values = {name: _value(name, value) for name, value in found.groupdict().items()}
            if pattern is ERROR and None in values.values():
                return text
            known = {name: value for name, value in values.items() if value is not None}
            return _filled(language._(pattern), found.groupdict() | known)
    return None


def _value(name: str, value: str) -> str | None:
    """A value of a sentence as it is to be shown, None where nobody knows it."""
    if name in _OWN:
        return value
    said = translated(value)
    return None if said == value and value not in language.sentences() else said


def _filled(pattern: str, values: Mapping[str, str]) -> str:
    """As `format` does it, for values that are texts by now, whatever form the pattern asks for."""
    return _VALUE.sub(lambda place: values[place[1]], pattern)


@lru_cache(4)
def _with_values(sentences: Sequence[str]) -> list[str]:
    """Those that can be told by their own words, the ones with most of these first."""
    letters = {one: sum(map(str.isalpha, _VALUE.sub("", one))) for one in sentences}
    told = [
        one
        for one, num in letters.items()
        if num >= (_FEWEST_LETTERS if ".+?" in _compiled(one).pattern else 1)
    ]
    return sorted(told, key=lambda one: -letters[one])


@cache
def _split(pattern: str) -> list[str]:
    """The words before the first value; then name, form and the words behind it, for each."""
    return [part or "" for part in _VALUE.split(pattern)]


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """With a group for each value."""
    literal, *rest = _split(pattern)
    parts, seen = [re.escape(literal)], set()
    for name, form, text in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        kind = {"n": _NUMBER, "split": r"\w+"}.get(name.split("_")[0], ".+?")
        kind = _NUMBER if form and "%" not in form else kind
        parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{kind})")
        parts.append(re.escape(text))
        seen.add(name)
    return re.compile("".join(parts), re.DOTALL)
