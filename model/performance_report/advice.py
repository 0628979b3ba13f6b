"""Recommendations of the performance report: each follows from figures by a plain rule.

The limits are those that the model version promises or that its makers asked for, so another
version gets other advice. Markup for ReportLab paragraphs: <b> only.
"""

import math
from collections.abc import Iterator
from xml.sax.saxutils import escape

from model.metrics import Estimate, auroc_difference
from model.performance import Row
from model.performance_report.content import PREVALENCE, Content
from model.performance_report.table import (
    decimal,
    decimal_interval,
    percent,
    percent_interval,
    threshold_text,
)
from model.performance_report.tables import children
from model.performance_report.words import SPECIFICITY_KEPT, named, operating_points, whole

SENSITIVITY_WANTED = 0.95  # what the default operating point is chosen for
ECE_GOOD = 0.03
AUROC_LOSS = 0.02  # allowed under a change that a hospital makes
SUM_DIFFERS = 0.01  # of sensitivity and specificity: less is not worth a word
PREDECESSOR = "default"  # of `performance.COMPARED`


def recommendations(content: Content) -> list[str]:
    """What to do, each followed from figures by a plain rule."""
    advice = [
        _finding(content),
        _calling_back(content),
        _reading(content.calibration.ece_after),
        _kinds(content),
        *_changes(content),
        *_fold(content),
        *_network(content),
        *_leak(content),
    ]
    return [each for each in advice if each]


def headlines(content: Content) -> list[str]:
    """The first words of each recommendation."""
    return [each[: each.index("</b>")].removeprefix("<b>") for each in recommendations(content)]


def _finding(content: Content) -> str:
    recall, wanted = content.row.recall, whole(SENSITIVITY_WANTED)
    said = f"Sensitivity is {percent_interval(recall)}."
    if recall.low >= SENSITIVITY_WANTED:
        return (
            f"<b>The default threshold keeps its promise.</b> {said} Even the lower end of the "
            f"interval is not below the {wanted} that it was chosen for."
        )
    if recall.value >= SENSITIVITY_WANTED:
        return (
            f"<b>Do not promise a sensitivity of {wanted} yet.</b> {said} The measured value "
            "reaches it, the lower end of the interval does not: measure on more X-rays."
            f"{_screening(content)}"
        )
    return (
        f"<b>Do not rely on the default threshold to find pneumonia.</b> {said} That is below the "
        f"{wanted} that it was chosen for.{_screening(content)}"
    )


def _screening(content: Content) -> str:
    """What the operating point with the highest sensitivity would give, and cost."""
    name, best = max(operating_points(content), key=lambda pair: pair[1].sensitivity.value)
    if best.sensitivity.value <= content.row.recall.value:
        return ""
    return (
        f" The operating point {escape(name)} gives {percent_interval(best.sensitivity)} at a "
        f"specificity of {percent_interval(best.specificity)}."
    )


def _calling_back(content: Content) -> str:
    n = children(content.row.confusion, PREVALENCE, 1000)
    basis = (
        f"Of 1,000 children of whom {n.ill} have pneumonia, {n.found} are found and "
        f"{n.called_back} called back without need."
    )
    if n.called_back <= n.found:
        return f"<b>Have every call read by a person.</b> {basis} Most calls are right, not all."
    found = {name: children(c, PREVALENCE, 1000) for name, c in operating_points(content)}
    name, fewest = min(found.items(), key=lambda item: item[1].called_back)
    other = (
        f" At the operating point {escape(name)} it would be {fewest.called_back}, with "
        f"{fewest.missed} missed instead of {n.missed}."
        if fewest.called_back < n.called_back
        else ""
    )
    return f"<b>Plan for the second look.</b> {basis} More than half of the calls are wrong.{other}"


def _reading(ece: float) -> str:
    if ece <= ECE_GOOD:
        return (
            f"<b>The probability may be read as a probability</b> on X-rays like these: ECE is "
            f"{decimal(ece)}, not above {decimal(ECE_GOOD)}."
        )
    return (
        f"<b>Read the probability as an order, not as a percentage.</b> ECE is {decimal(ece)}, "
        f"above {decimal(ECE_GOOD)}: calibrate on X-rays of the place of use first."
    )


def _kinds(content: Content) -> str:
    """Compares the sensitivity of the kinds of pneumonia by their intervals."""
    kinds = [group for group in content.subgroups if "pneumonia" in group.name]
    if len(kinds) < 2:
        return ""
    low, high = sorted(kinds, key=lambda group: group.sensitivity.value)[:: len(kinds) - 1]
    first, second = (escape(g.name.split(" against")[0].lower()) for g in (low, high))
    said = (
        f"Sensitivity: {first} {percent_interval(low.sensitivity)}, "
        f"{second} {percent_interval(high.sensitivity)}"
    )
    if low.sensitivity.high < high.sensitivity.low:
        return f"<b>Expect {first} to be missed more often.</b> {said}."
    return (
        f"<b>No difference between {first} and {second} is shown.</b> {said}; the intervals "
        "overlap."
    )


def _changes(content: Content) -> Iterator[str]:
    changed = [
        (c, f) for c, f in content.changes if c.name != "none" and not math.isnan(f.auroc.value)
    ]
    if not changed:
        return
    worst, figures = min(changed, key=lambda pair: pair[1].specificity.value)
    said = f"Specificity is lowest under {named(worst)}: {percent_interval(figures.specificity)}"
    kept = whole(SPECIFICITY_KEPT)
    if figures.specificity.value < SPECIFICITY_KEPT:
        yield (
            f"<b>Do not give it X-rays changed as by {named(worst)}.</b> {said}, below the {kept} "
            "wanted. Send X-rays as the machine made them."
        )
    else:
        yield f"<b>Accept the usual changes of an X-ray.</b> {said}, not below the {kept} wanted."
    worst, figures = min(changed, key=lambda pair: pair[1].auroc.value)
    loss = content.changes[0][1].auroc.value - figures.auroc.value
    if loss > AUROC_LOSS:
        yield (
            f"<b>When retraining, mend {named(worst)} first.</b> Under it AUROC loses "
            f"{decimal(loss)}, more than {decimal(AUROC_LOSS)}."
        )


def _fold(content: Content) -> Iterator[str]:
    """Which choice of the default threshold gave the larger sum of the two rates."""
    for choice in content.choices:
        if choice.name == "default":
            plain, served = choice.on_plain, choice.on_shipped
            gain = served.sensitivity.value + served.specificity.value
            gain -= plain.sensitivity.value + plain.specificity.value
            advice = "Either way to choose the default threshold does as well"
            if abs(gain) > SUM_DIFFERS:
                advice = (
                    "Go on choosing thresholds on changed X-rays too"
                    if gain > 0
                    else "Look again at how the threshold is chosen"
                )
            yield (
                f"<b>{advice}.</b> The default threshold from validation X-rays as they are "
                f"({threshold_text(choice.plain.threshold)}) gives sensitivity "
                f"{percent(plain.sensitivity.value)} and specificity "
                f"{percent(plain.specificity.value)} here, the one that is served "
                f"({threshold_text(choice.shipped.threshold)}) {percent(served.sensitivity.value)} "
                f"and {percent(served.specificity.value)}."
            )


def _network(content: Content) -> Iterator[str]:
    """Keep it or not, by the paired difference to the best other network.

    The same network before it learned to look at the lungs is no other one to change to.
    """
    official = [r for r in content.networks if r.protocol == "official" and not r.missing]
    served = next((row for row in official if row.is_champion), None)
    others = [row for row in official if not row.is_champion and row.name != PREDECESSOR]
    if not served or not others:
        return
    best = max(others, key=lambda row: row.auroc.value)
    difference = _difference(served, best)
    said = (
        f"Its AUROC is {decimal_interval(served.auroc)}, that of the best other network "
        f"({escape(best.title)}) {decimal_interval(best.auroc)}; {_on_the_same(difference)}."
    )
    for before in (row for row in official if row.name == PREDECESSOR):
        said += (
            f" Before it learned to look at the lungs it was {decimal_interval(before.auroc)}; "
            f"{_on_the_same(_difference(served, before))}."
        )
    if difference.low > 0:
        yield f"<b>Keep the network that is served.</b> {said}"
    elif difference.high < 0:
        yield f"<b>Consider the other network.</b> {said}"
    else:
        yield f"<b>The network that is served may stay.</b> {said}"


def _difference(served: Row, other: Row) -> Estimate:
    """AUROC of the served network less that of the other, on the X-rays that both have read."""
    films = zip(other.labels.tolist(), other.files, strict=True)
    found = dict(zip(films, other.probabilities.tolist(), strict=True))
    keys = list(zip(served.labels.tolist(), served.files, strict=True))
    both = [i for i, key in enumerate(keys) if key in found]
    if not both:
        return Estimate(math.nan, -1.0, 1.0)
    before = [found[keys[i]] for i in both]
    patients = [served.patients[i] for i in both]
    return auroc_difference(served.labels[both], before, served.probabilities[both], patients)


def _on_the_same(difference: Estimate) -> str:
    if math.isnan(difference.value):
        return "they were not read on the same X-rays, so they cannot be compared"
    none = "" if difference.low > 0 or difference.high < 0 else ", so none is shown"
    return f"on the same X-rays the difference is {decimal_interval(difference)}{none}"


def _leak(content: Content) -> Iterator[str]:
    """What splits that tear children apart gave, and whether that shows a leak."""
    rows = {(r.name.removesuffix("grouped").removesuffix("un"), r.protocol): r
            for r in content.networks if not r.missing}  # fmt: skip
    pairs = [
        (apart, rows[name, "ungrouped"])
        for (name, protocol), apart in rows.items()
        if protocol == "grouped" and (name, "ungrouped") in rows
    ]
    if not pairs:
        return
    figures = [
        f"{escape(apart.title)}: accuracy {percent_interval(apart.accuracy)} with each child on "
        f"one side of the split, {percent_interval(torn.accuracy)} without "
        f"({100 * (torn.accuracy.value - apart.accuracy.value):+.1f} points)"
        for apart, torn in pairs
    ]
    shown = all(torn.accuracy.low > apart.accuracy.high for apart, torn in pairs)
    said = (
        "The intervals do not overlap."
        if shown
        else "Where intervals overlap no leak is shown, nor excluded: the X-rays that were held "
        "back differ, and each network was trained once."
    )
    yield (
        "<b>Ask of every published figure whether children were kept apart.</b> "
        f"{'; '.join(figures)}. {said}"
    )
