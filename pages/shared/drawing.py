"""Small drawings as HTML and SVG: quick enough to follow the threshold, no chart library."""

import re
from dataclasses import asdict
from html import escape

import numpy as np
import streamlit as st

from model.language import N_, _
from model.metrics import Estimate, Rate
from model.phrases import translated
from model.prediction import Decision, Prediction, probability_text
from model.prevalence import NaturalNumbers
from pages.shared.services import Consequences

_BINS = 50
_WIDTH, _HEIGHT = 400, 92  # of the scale, in SVG units
_AXIS = 46
SCALE = N_("Probability {probability}, threshold {threshold:g}, among X-rays of known label")
HEAT = N_("<b>{share}</b> of the heat lies in the lungs, which cover <b>{area}</b> of the film.")
OUTSIDE = N_("The heat lies mostly outside the lungs: do not rely on it.")
# What it does, the name of the figure, and the counts behind it.
_RATES = (
    (N_("finds"), N_("sensitivity"), N_("{n} of {of} with pneumonia")),
    (N_("clears"), N_("specificity"), N_("{n} of {of} without")),
    (N_("right if positive"), N_("PPV"), N_("{n} of {of} called pneumonia")),
    (N_("right if negative"), N_("NPV"), N_("{n} of {of} called normal")),
    (N_("refers"), N_("in the band"), N_("{n} of {of} counted above as decided")),
)
MEASURED = N_("At this threshold, on the {films}, {share} of them with pneumonia; 95 % interval")
# For one child, and for any other number of them.
ILL = (
    N_(
        "Of 100 children like these, <b>{ill}</b> has pneumonia: <b>{found}</b> found, "
        "<b>{missed}</b> missed."
    ),
    N_(
        "Of 100 children like these, <b>{ill}</b> have pneumonia: <b>{found}</b> found, "
        "<b>{missed}</b> missed."
    ),
)
WELL = (
    N_("Of the others <b>{called_back}</b> is called back, <b>{cleared}</b> cleared."),
    N_("Of the others <b>{called_back}</b> are called back, <b>{cleared}</b> cleared."),
)
DOTS = N_("{found} found, {missed} missed, {called_back} called back, {cleared} cleared")
RIGHT = N_(
    "A positive verdict is right in {ppv}, a negative one in {npv} (PPV and NPV at this "
    "prevalence)."
)


def show(html: str) -> None:
    """Puts a drawing on the page; `st.html` would take the SVG out. No visitor's text in it."""
    st.markdown(html, unsafe_allow_html=True)


def plain(text: str) -> str:
    """Text as it stands, where Streamlit would read Markdown in a file's name."""
    return re.sub(r"([\\`*_{}\[\]<>()#+\-.!|~$:])", r"\\\1", text)


def sign(label: str) -> str:
    """A sign for each verdict, so that colour is never the only one."""
    path = {
        "pneumonia": "M12 3 22 20H2zM12 9v5M12 16.500v1",
        "normal": "M12 2a10 10 0 1 0 .1 0zM7 12l3.500 3.500L17 9",
        "refer": "M12 2a10 10 0 1 0 .1 0zM9 9.500a3 3 0 1 1 4 2.800c-.7.4-1 1-1 1.700M12 16.500v1",
    }[label]
    return f'<svg class="sign" viewBox="0 0 24 24" aria-hidden="true"><path d="{path}"/></svg>'


def scale(decided: Decision, labels: np.ndarray, probabilities: np.ndarray) -> str:
    """This X-ray, the threshold and the band among X-rays whose reference label is known.

    Bars above the axis are X-rays with pneumonia, below it those without; their height is the
    square root of the count, so that single ones still show.
    """
    bars = []
    for label, name in ((1, "ill"), (0, "well")):
        counts = np.histogram(probabilities[labels == label], _BINS, (0, 1))[0]
        heights = 30 * np.sqrt(counts / max(counts.max(), 1))
        for i, height in enumerate(heights):
            if height:
                top = _AXIS - 1 - height if label else _AXIS + 1
                bars.append(
                    f'<rect class="{name}" x="{i * _WIDTH / _BINS + 0.5:.1f}" y="{top:.1f}" '
                    f'width="{_WIDTH / _BINS - 1:.1f}" height="{height:.1f}"/>'
                )
    at, cut = decided.probability * _WIDTH, decided.threshold * _WIDTH
    low = max(0.0, cut - decided.band * _WIDTH)
    wide = min(_WIDTH, cut + decided.band * _WIDTH) - low
    said = probability(decided.probability)
    caption = _(SCALE, probability=said, threshold=decided.threshold)
    return (
        f'<svg class="scale" viewBox="-8 0 {_WIDTH + 16} {_HEIGHT}" role="img" '
        f'aria-label="{caption}">'
        f'<rect class="band" x="{low:.1f}" y="12" width="{wide:.1f}" height="68"/>{"".join(bars)}'
        f'<path class="axis" d="M0 {_AXIS}H{_WIDTH}"/>'
        f'<path class="cut" d="M{cut:.1f} 10V82"/>'
        f'<circle class="here" cx="{at:.1f}" cy="{_AXIS}" r="6"/>'
        f'<text x="0" y="9">{_("with pneumonia")}</text>'
        f'<text x="0" y="91">{_("without")}</text></svg>'
    )


def probability(value: float) -> str:
    """As `probability_text`, for a drawing."""
    return escape(probability_text(value))


def heat_in_lungs(prediction: Prediction) -> str:
    """How much of the heat lies in the lungs: no more than chance has speaks against the map."""
    share, area = prediction.heat_in_lungs, prediction.lungs_area
    if prediction.lungs is None:
        words = _("Lungs not found: how much of the heat lies in them is unknown.")
    elif share is None or area is None or np.isnan(share):
        return ""  # no heat, which the viewer says
    else:
        words = _(HEAT, share=_percent(share), area=_percent(area))
        if share < area:
            words += f" <strong>{_(OUTSIDE)}</strong>"
    return f'<p class="heat-in-lungs">{words}</p>'


def rates(shown: Consequences, description: str) -> str:
    """Sensitivity, specificity, PPV and NPV with 95 % Wilson intervals and counts, as a table."""
    found = (shown.sensitivity, shown.specificity, shown.ppv, shown.npv, shown.referred)
    body = "".join(
        f'<tr><th scope="row">{_(verb)} <span>{_(name)}</span></th>'
        f"<td><b>{_percent(rate.value)}</b></td><td>{_interval(rate)}</td>"
        f"<td>{_(count, n=rate.numerator, of=rate.denominator)}</td></tr>"
        for (verb, name, count), rate in zip(_RATES, found, strict=True)
        if rate is not shown.referred or rate.numerator
    )
    ill, well = shown.sensitivity.denominator, shown.specificity.denominator
    share = _percent(ill / (ill + well))
    caption = _(MEASURED, films=escape(translated(description)), share=share)
    return f'<table class="rates"><caption>{caption}</caption>{body}</table>'


def children(numbers: NaturalNumbers, ppv: Estimate, npv: Estimate) -> str:
    """One hundred children as dots: found, missed, called back, cleared."""
    kinds = (
        ["found"] * numbers.found
        + ["missed"] * numbers.missed
        + ["called-back"] * numbers.called_back
        + ["cleared"] * numbers.cleared
    )
    dots = "".join(_dot(kind, i) for i, kind in enumerate(kinds))
    values = asdict(numbers)
    ill = _(ILL[numbers.ill != 1], **values)
    well = _(WELL[numbers.called_back != 1], **values)
    right = _(
        RIGHT,
        ppv=f"{_percent(ppv.value)} {_interval(ppv)}",
        npv=f"{_percent(npv.value)} {_interval(npv)}",
    )
    return (
        f'<div class="children"><p>{ill} {well}</p>'
        f'<svg viewBox="0 0 400 80" role="img" aria-label="{_(DOTS, **values)}">{dots}</svg>'
        f'<p class="legend"><i class="found"></i>{_("found")} <i class="missed"></i>{_("missed")} '
        f'<i class="called-back"></i>{_("called back")} <i class="cleared"></i>{_("cleared")}</p>'
        f"<p>{right}</p></div>"
    )


def _dot(kind: str, index: int) -> str:
    x, y = 8 + 16 * (index % 25), 10 + 20 * (index // 25)
    cross = f'<path d="M{x - 3} {y - 3}l6 6m0-6l-6 6"/>' if kind == "missed" else ""
    return f'<g class="{kind}"><circle cx="{x}" cy="{y}" r="5.500"/>{cross}</g>'


def _percent(share: float) -> str:
    return _("unknown") if np.isnan(share) else f"{100 * share:.0f} %"


def _interval(estimate: Estimate | Rate) -> str:
    return f"({100 * estimate.low:.0f}–{100 * estimate.high:.0f})"
