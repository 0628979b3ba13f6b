"""The drawings beside the film: what is drawn is what was counted."""

import re
from typing import Literal
from xml.etree import ElementTree

import numpy as np
import pytest

from model.metrics import Estimate, wilson
from model.prediction import Decision, Gate, Prediction
from model.prevalence import natural_numbers
from pages.shared import drawing
from pages.shared.services import Consequences

LABELS = np.array([0, 0, 0, 0, 1, 1])
PROBABILITIES = np.array([0.01, 0.01, 0.01, 0.31, 0.31, 0.99])
WIDTH = 400  # of the scale


def parse(html: str) -> ElementTree.Element:
    """Fails where the markup is not well-formed; one element around several."""
    return ElementTree.fromstring(f"<all>{html}</all>")


def words(html: str) -> str:
    return re.sub(r"\s+", " ", " ".join(parse(html).itertext())).strip()


def of_class(html: str, name: str, tag: str = "*") -> list[ElementTree.Element]:
    return [e for e in parse(html).iter() if e.get("class") == name and tag in ("*", e.tag)]


def scale(
    probability: float = 0.31,
    threshold: float = 0.5,
    band: float = 0.0,
    label: Literal["pneumonia", "normal", "refer"] = "normal",
) -> str:
    decided = Decision(label, threshold, band, probability)
    return drawing.scale(decided, LABELS, PROBABILITIES)


@pytest.mark.parametrize("position", [0.0, 0.25, 0.8019, 1.0])
def test_marker_and_threshold_stand_where_their_numbers_are(position: float) -> None:
    [here] = of_class(scale(probability=position), "here")
    assert float(here.get("cx", "")) == pytest.approx(position * WIDTH, abs=0.05)
    [cut] = of_class(scale(threshold=position), "cut")
    assert float(cut.get("d", "").split()[0][1:]) == pytest.approx(position * WIDTH, abs=0.05)


@pytest.mark.parametrize(
    ("threshold", "band", "low", "high"),
    [(0.5, 0.1, 160, 240), (0.05, 0.2, 0, 100), (0.9, 0.2, 280, 400), (0.5, 0.0, 200, 200)],
)
def test_the_band_ends_with_the_axis(threshold: float, band: float, low: int, high: int) -> None:
    [drawn] = of_class(scale(threshold=threshold, band=band), "band")
    left, width = float(drawn.get("x", "")), float(drawn.get("width", ""))
    assert (left, left + width) == pytest.approx((low, high))


def test_bars_are_where_the_x_rays_of_known_label_are() -> None:
    well, ill = of_class(scale(), "well"), of_class(scale(), "ill")
    # 50 bins: .01 is in the first, .31 in the sixteenth, .99 in the last.
    assert [float(bar.get("x", "")) // 8 for bar in well] == [0, 15]
    assert [float(bar.get("x", "")) // 8 for bar in ill] == [15, 49]
    tall, low = (float(bar.get("height", "")) for bar in well)
    assert low / tall == pytest.approx(np.sqrt(1 / 3), abs=0.01)
    axis = 46
    assert all(float(b.get("y", "")) + float(b.get("height", "")) < axis for b in ill)
    assert all(float(b.get("y", "")) > axis for b in well)


def test_a_set_without_one_class_can_be_drawn() -> None:
    decided = Decision("normal", 0.5, 0.0, 0.2)
    html = drawing.scale(decided, np.zeros(3, int), np.array([0.0, 0.5, 1.0]))
    assert not of_class(html, "ill")
    assert len(of_class(html, "well")) == 3
    assert "nan" not in html


def test_the_scale_is_told_to_those_who_do_not_see_it() -> None:
    [svg] = of_class(scale(probability=0.314, threshold=0.8019), "scale")
    assert svg.get("role") == "img"
    assert "Probability 0.31, threshold 0.8019" in svg.get("aria-label", "")


@pytest.mark.parametrize(("probability", "told"), [(0.9961, "> 0.99"), (0.003, "< 0.01")])
def test_the_scale_says_no_certainty(probability: float, told: str) -> None:
    [svg] = of_class(scale(probability), "scale")
    assert f"Probability {told}, threshold" in svg.get("aria-label", "")


@pytest.mark.parametrize("label", ["pneumonia", "normal", "refer"])
def test_each_verdict_has_a_sign_of_its_own(label: str) -> None:
    signs = {drawing.sign(name) for name in ("pneumonia", "normal", "refer")}
    assert len(signs) == 3
    assert 'aria-hidden="true"' in drawing.sign(label)  # the words beside it say it
    parse(drawing.sign(label))


@pytest.mark.parametrize(
    ("prevalence", "specificity", "says"),
    [
        (0.01, 0.99, "1 has pneumonia: 1 found, 0 missed. Of the others 1 is called back, 98"),
        (0.02, 0.98, "2 have pneumonia: 2 found, 0 missed. Of the others 2 are called back, 96"),
    ],
)
def test_one_child_is_one_child(prevalence: float, specificity: float, says: str) -> None:
    numbers = natural_numbers(1.0, specificity, prevalence)
    unknown = Estimate(0.5, 0.4, 0.6)
    assert says in words(drawing.children(numbers, unknown, unknown))


@pytest.mark.parametrize(
    ("sensitivity", "specificity", "prevalence"),
    [(0.96, 0.91, 0.12), (1.0, 0.0, 0.5), (0.0, 1.0, 0.001), (0.995, 0.335, 0.999), (1, 1, 0.333)],
)
def test_a_hundred_children_are_a_hundred_dots(
    sensitivity: float, specificity: float, prevalence: float
) -> None:
    numbers = natural_numbers(sensitivity, specificity, prevalence)
    html = drawing.children(numbers, Estimate(0.5, 0.4, 0.6), Estimate(0.9, 0.8, 0.95))
    drawn = {
        kind: len(of_class(html, kind, "g"))
        for kind in ("found", "missed", "called-back", "cleared")
    }
    assert drawn == {
        "found": numbers.found,
        "missed": numbers.missed,
        "called-back": numbers.called_back,
        "cleared": numbers.cleared,
    }
    assert sum(drawn.values()) == 100
    places = [(c.get("cx"), c.get("cy")) for c in parse(html).iter("circle")]
    assert len(set(places)) == 100
    assert all(0 < float(x or 0) < 400 and 0 < float(y or 0) < 80 for x, y in places)
    # Colour is not the only sign of a missed child.
    assert len([g for g in of_class(html, "missed", "g") if g.find("path") is not None]) == (
        numbers.missed
    )
    [svg] = parse(html).iter("svg")
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == (
        f"{numbers.found} found, {numbers.missed} missed, {numbers.called_back} called back, "
        f"{numbers.cleared} cleared"
    )


def test_children_are_counted_in_words_too() -> None:
    numbers = natural_numbers(0.75, 0.5, 0.12)
    html = drawing.children(numbers, Estimate(0.17, 0.1, 0.3), Estimate(float("nan"), 0, 1))
    text = words(html)
    assert "Of 100 children like these, 12 have pneumonia: 9 found, 3 missed" in text
    assert "44 are called back, 44 cleared" in text
    assert "right in 17 % (10–30)" in text
    assert "a negative one in unknown (0–100)" in text
    assert "nan" not in text


def test_rates_come_with_interval_and_counts_and_an_escaped_description() -> None:
    four = (wilson(96, 100), wilson(180, 200), wilson(96, 116), wilson(0, 0))
    shown = Consequences(*four, referred=wilson(0, 300))
    html = drawing.rates(shown, 'fold <script>alert("1")</script> & more')
    assert "<script" not in html
    assert "fold <script>alert(" in words(html)  # as text
    rows = [" ".join("".join(cell.itertext()) for cell in row) for row in parse(html).iter("tr")]
    assert rows == [
        "finds sensitivity 96 % (90–98) 96 of 100 with pneumonia",
        "clears specificity 90 % (85–93) 180 of 200 without",
        "right if positive PPV 83 % (75–89) 96 of 116 called pneumonia",
        "right if negative NPV unknown (0–100) 0 of 0 called normal",
    ]
    assert all(cell.get("scope") == "row" for cell in parse(html).iter("th"))
    assert "33 % of them with pneumonia; 95 % interval" in words(html)
    with_band = drawing.rates(Consequences(*four, referred=wilson(30, 300)), "fold")
    assert "refers in the band" in words(with_band)
    assert "30 of 300" in words(with_band)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "&lt; 0.01"),
        (0.0099, "&lt; 0.01"),
        (0.424, "0.42"),
        (0.99, "0.99"),
        (1.0, "&gt; 0.99"),
    ],
)
def test_a_probability_is_never_a_certainty(value: float, shown: str) -> None:
    assert drawing.probability(value) == shown


@pytest.mark.parametrize(
    "name",
    ["a*b*_c_.png", "[x](http://y).jpg", "$a$ :smile: :red[r].dcm", "Müller 1.jpg", "a\\b|c"],
)
def test_a_file_name_is_no_markdown(name: str) -> None:
    shown = drawing.plain(name)
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", shown) == name
    assert not re.search(r"(?<!\\)(\\\\)*[*_\[\]$:`<|]", re.sub(r"\\.", "", shown))


@pytest.mark.parametrize(
    ("share", "area", "says", "warns"),
    [
        (0.614, 0.23, "61 % of the heat lies in the lungs, which cover 23 % of the film.", False),
        (0.12, 0.3, "12 % of the heat lies in the lungs, which cover 30 % of the film.", True),
        (0.3, 0.3, "30 % of the heat lies in the lungs, which cover 30 % of the film.", False),
        (0.0, 0.3, "0 % of the heat lies in the lungs, which cover 30 % of the film.", True),
        (None, 0.3, "", False),
        (float("nan"), 0.3, "", False),
        (None, None, "Lungs not found", False),
    ],
)
def test_heat_outside_of_the_lungs_is_warned_of(
    share: float | None, area: float | None, says: str, warns: bool
) -> None:
    lungs = None if area is None else np.ones((4, 4), bool)
    heat = np.ones((4, 4), np.float32)
    prediction = Prediction(
        0.7,
        0.9,
        heat,
        Gate("accepted", 0, ""),
        "v1",
        lungs=lungs,
        heat_in_lungs=share,
        lungs_area=area,
    )
    shown = words(drawing.heat_in_lungs(prediction))
    assert says in shown
    assert bool(shown) == bool(says)
    assert ("mostly outside the lungs: do not rely on it" in shown) == warns
