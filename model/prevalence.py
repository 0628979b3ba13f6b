"""What sensitivity and specificity mean where another share of the children is ill."""

import math
from dataclasses import dataclass

from model.errors import ConfigError
from model.metrics import Estimate, Rate
from model.prediction import check_range


def predictive_values(
    sensitivity: Rate, specificity: Rate, prevalence: float
) -> tuple[Estimate, Estimate]:
    """PPV and NPV by Bayes' rule where `prevalence` (0..1, ends excluded) of the children are ill.

    Both grow with sensitivity and with specificity, so the interval runs from the two lower limits
    to the two upper limits: simple, and wider rather than narrower than 95 % asks for (Mercaldo
    2007 has the exact methods). Prevalence is taken as known.

    Raises ConfigError for a prevalence out of range.
    """
    if not 0 < prevalence < 1:
        raise ConfigError(
            "a prevalence between 0 and 1, ends excluded", str(prevalence), "12 % is 0.12."
        )

    def ppv(found: float, cleared: float) -> float:
        return _share(found * prevalence, (1 - cleared) * (1 - prevalence))

    def npv(found: float, cleared: float) -> float:
        return _share(cleared * (1 - prevalence), (1 - found) * prevalence)

    corners = [
        (sensitivity.value, specificity.value),
        (sensitivity.low, specificity.low),
        (sensitivity.high, specificity.high),
    ]
    return Estimate(*(ppv(*pair) for pair in corners)), Estimate(*(npv(*pair) for pair in corners))


@dataclass(frozen=True)
class NaturalNumbers:
    """Of so many children: ill = found + missed, and ill + called_back + cleared = all."""

    ill: int
    found: int
    missed: int
    called_back: int
    cleared: int


def natural_numbers(
    sensitivity: float, specificity: float, prevalence: float, out_of: int = 100
) -> NaturalNumbers:
    """Frequencies that people read better than percentages (Gigerenzer 1995), adding up exactly.

    Largest remainder, twice: first ill and well, then each of them in two, so that the number of
    ill children follows from the prevalence alone. A tie counts as ill, missed, called back.

    Raises ConfigError for a share outside 0..1 or fewer than one child.
    """
    for name, share in [
        ("sensitivity", sensitivity),
        ("specificity", specificity),
        ("prevalence", prevalence),
    ]:
        check_range(name, share, 0, 1)
    if out_of < 1:
        raise ConfigError("at least one child", str(out_of), "100 is usual.")
    well = _round_half_down((1 - prevalence) * out_of)
    ill = out_of - well
    found = _round_half_down(sensitivity * ill)
    cleared = _round_half_down(specificity * well)
    return NaturalNumbers(ill, found, ill - found, well - cleared, cleared)


def _share(part: float, rest: float) -> float:
    return part / (part + rest) if part + rest else math.nan


def _round_half_down(value: float) -> int:
    """To the nearest whole number; the first rounding takes off the noise of 0.88 * 100."""
    return math.ceil(round(value, 9) - 0.5)
