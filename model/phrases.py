"""What programs have written down in English, in the language of who reads it.

Cards, the files beside them and CSV stay English, whatever the language of who wrote them: "test
split (623 X-rays)", "12 found". `translated` says them when they are shown: as they are where they
are marked with `N_` anywhere, else by one of the patterns here, else in English.
"""

import re
from functools import cache

from model import language
from model.language import N_

# The first that fits counts. `{n...}` is a number.
PATTERNS = (
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
)
# Single words of the same.
WORDS = (
    N_("train"), N_("val"), N_("validation"), N_("test"), N_("left"), N_("right"),
    N_("deletion"), N_("insertion"), N_("screening"), N_("default"), N_("balanced"), N_("rule-in"),
    N_("largest sum of sensitivity and specificity (Youden's J)"),
)  # fmt: skip


def translated(text: str) -> str:
    """The text in the chosen language; as it is where no translation is known."""
    said = language._(text)
    if said != text:
        return said
    for pattern in PATTERNS:
        if found := _compiled(pattern).fullmatch(text):
            values = {name: translated(value) for name, value in found.groupdict().items()}
            return language._(pattern, **values)
    return text


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """With a group for each value."""
    literal, *rest = re.split(r"\{(\w+)\}", pattern)
    parts = [re.escape(literal)]
    for name, text in zip(rest[::2], rest[1::2], strict=True):
        kind = r"[-+]?\d[\d.,]*" if name.startswith("n") and name != "network" else ".+"
        parts.append(f"(?P<{name}>{kind}){re.escape(text)}")
    return re.compile("".join(parts), re.DOTALL)
