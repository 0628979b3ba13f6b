"""What programs have written down in English, in the language of who reads it.

Cards, the files beside them and CSV stay English, whatever the language of who wrote them: "test
split (623 X-rays)", "12 found". `translated` says them when they are shown: as they are where they
are marked with `N_` anywhere, else by one of the patterns here, else in English.
"""

import re
from functools import cache

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
    # Rules of operating points: `model.metrics`
    N_("highest threshold with sensitivity of at least {n} %"),
    N_("lowest threshold with specificity of at least {n} %"),
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
)  # fmt: skip


def translated(text: str) -> str:
    """The text in the chosen language; as it is where no translation is known."""
    said = language._(text)
    if said != text or not text:
        return said
    for pattern in PATTERNS:
        if found := _compiled(pattern).fullmatch(text):
            given = found.groupdict()
            values = {name: translated(value) for name, value in given.items()}
            if pattern is ERROR and given.items() & values.items():
                return text
            return language._(pattern, **values)
    return text


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """With a group for each value."""
    literal, *rest = re.split(r"\{(\w+)\}", pattern)
    parts = [re.escape(literal)]
    for name, text in zip(rest[::2], rest[1::2], strict=True):
        kind = {"n": _NUMBER, "split": r"\w+"}.get(name.split("_")[0], ".+?")
        parts.append(f"(?P<{name}>{kind}){re.escape(text)}")
    return re.compile("".join(parts), re.DOTALL)
