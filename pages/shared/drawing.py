"""Small drawings as HTML and SVG: quick enough to follow the threshold, no chart library."""

import re
from html import escape

import numpy as np
import streamlit as st

from model.metrics import Estimate, NaturalNumbers, Rate
from model.prediction import Decision, Prediction, probability_text
from pages.shared.services import Consequences

_BINS = 50
_WIDTH, _HEIGHT = 400, 92  # of the scale, in SVG units
_AXIS = 46


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
    return (
        f'<svg class="scale" viewBox="-8 0 {_WIDTH + 16} {_HEIGHT}" role="img" aria-label="'
        f"Probability {decided.probability:.2f}, threshold {decided.threshold:g}, among X-rays of "
        f'known label">'
        f'<rect class="band" x="{low:.1f}" y="12" width="{wide:.1f}" height="68"/>{"".join(bars)}'
        f'<path class="axis" d="M0 {_AXIS}H{_WIDTH}"/>'
        f'<path class="cut" d="M{cut:.1f} 10V82"/>'
        f'<circle class="here" cx="{at:.1f}" cy="{_AXIS}" r="6"/>'
        f'<text x="0" y="9">with pneumonia</text><text x="0" y="91">without</text></svg>'
    )


def probability(value: float) -> str:
    """As `probability_text`, for a drawing."""
    return escape(probability_text(value))


def heat_in_lungs(prediction: Prediction) -> str:
    """How much of the heat lies in the lungs: no more than chance has speaks against the map."""
    share, area = prediction.heat_in_lungs, prediction.lungs_area
    if prediction.lungs is None:
        words = "Lungs not found: how much of the heat lies in them is unknown."
    elif share is None or area is None or np.isnan(share):
        return ""  # no heat, which the viewer says
    else:
        words = (
            f"<b>{_percent(share)}</b> of the heat lies in the lungs, which cover "
            f"<b>{_percent(area)}</b> of the film."
        )
        if share < area:
            words += " <strong>The heat lies mostly outside the lungs: do not rely on it.</strong>"
    return f'<p class="heat-in-lungs">{words}</p>'


def rates(shown: Consequences, description: str) -> str:
    """Sensitivity, specificity, PPV and NPV with 95 % Wilson intervals and counts, as a table."""
    rows = [
        ("finds", "sensitivity", shown.sensitivity, "with pneumonia"),
        ("clears", "specificity", shown.specificity, "without"),
        ("right if positive", "PPV", shown.ppv, "called pneumonia"),
        ("right if negative", "NPV", shown.npv, "called normal"),
    ]
    if shown.referred.numerator:
        rows.append(("refers", "in the band", shown.referred, "counted above as decided"))
    body = "".join(
        f'<tr><th scope="row">{verb} <span>{name}</span></th><td><b>{_percent(rate.value)}</b></td>'
        f"<td>{_interval(rate)}</td><td>{rate.numerator} of {rate.denominator} {whom}</td></tr>"
        for verb, name, rate, whom in rows
    )
    ill, well = shown.sensitivity.denominator, shown.specificity.denominator
    return (
        f'<table class="rates"><caption>At this threshold, on the {escape(description)}, '
        f"{_percent(ill / (ill + well))} of them with pneumonia; 95 % interval</caption>"
        f"{body}</table>"
    )


def children(numbers: NaturalNumbers, ppv: Estimate, npv: Estimate) -> str:
    """One hundred children as dots: found, missed, called back, cleared."""
    kinds = (
        ["found"] * numbers.found
        + ["missed"] * numbers.missed
        + ["called-back"] * numbers.called_back
        + ["cleared"] * numbers.cleared
    )
    dots = "".join(_dot(kind, i) for i, kind in enumerate(kinds))
    return (
        '<div class="children">'
        f"<p>Of 100 children like these, <b>{numbers.ill}</b> have pneumonia: "
        f"<b>{numbers.found}</b> found, <b>{numbers.missed}</b> missed. Of the others "
        f"<b>{numbers.called_back}</b> are called back, <b>{numbers.cleared}</b> cleared.</p>"
        f'<svg viewBox="0 0 400 80" role="img" aria-label="{numbers.found} found, '
        f"{numbers.missed} missed, {numbers.called_back} called back, {numbers.cleared} cleared"
        f'">{dots}</svg>'
        '<p class="legend"><i class="found"></i>found <i class="missed"></i>missed '
        '<i class="called-back"></i>called back <i class="cleared"></i>cleared</p>'
        f"<p>A positive verdict is right in {_percent(ppv.value)} {_interval(ppv)}, a negative one "
        f"in {_percent(npv.value)} {_interval(npv)} (PPV and NPV at this prevalence).</p></div>"
    )


def _dot(kind: str, index: int) -> str:
    x, y = 8 + 16 * (index % 25), 10 + 20 * (index // 25)
    cross = f'<path d="M{x - 3} {y - 3}l6 6m0-6l-6 6"/>' if kind == "missed" else ""
    return f'<g class="{kind}"><circle cx="{x}" cy="{y}" r="5.500"/>{cross}</g>'


def _percent(share: float) -> str:
    return "unknown" if np.isnan(share) else f"{100 * share:.0f} %"


def _interval(estimate: Estimate | Rate) -> str:
    return f"({100 * estimate.low:.0f}–{100 * estimate.high:.0f})"
