"""The tables of the performance report; figures come from `model.performance`."""

import math
from collections.abc import Sequence
from typing import Any

from model import metrics
from model.bundle import Bundle
from model.curves import Bin, reliability
from model.looks import GateFigures, Heatmaps, Shortcuts
from model.metrics import Confusion, Estimate, Rate
from model.performance import Calibration, Change, ChangeFigures, Choice, Row, Subgroup
from model.performance_report.table import (
    COUNTS,
    INTERVAL,
    Column,
    Table,
    count,
    decimal,
    decimal_interval,
    estimate,
    number,
    p_value,
    percent_interval,
    rate,
    text,
    threshold_text,
)
from model.prevalence import NaturalNumbers, natural_numbers


def figures(row: Row) -> Table:
    """Every figure of the champion, one a line."""
    return Table(
        "figures",
        (
            text("figure", "Figure", 1),
            text("meaning", "In words", 3),
            Column("value", "Value (95 % interval)", _any_figure, INTERVAL + COUNTS, 1.6),
            number("n", "X-rays"),
        ),
        [
            ("sensitivity", "of those with pneumonia, how many are found", row.recall,
             row.recall.denominator),
            ("specificity", "of those without, how many are cleared", row.specificity,
             row.specificity.denominator),
            ("PPV", "of those called pneumonia, how many have it, at the prevalence of this split",
             row.precision, row.precision.denominator),
            ("NPV", "of those called normal, how many are, at the prevalence of this split",
             row.npv, row.npv.denominator),
            ("accuracy", "of all, how many are called right", row.accuracy, row.n),
            ("F1", "balance of PPV and sensitivity, 0 to 1", row.f1, row.n),
            ("AUROC", "how often an X-ray with pneumonia gets a higher probability than one "
             "without; 0.5 is guessing, 1 perfect", row.auroc, row.n),
            ("ECE", "how far the probability is from what happened, on average",
             _alone(row.ece), row.n),
        ],
    )  # fmt: skip


def _alone(value: float) -> Estimate:
    """A figure without an interval."""
    return Estimate(value, math.nan, math.nan)


def _any_figure(value: Estimate) -> str:
    if isinstance(value, Rate):
        return percent_interval(value)
    return decimal(value.value) if math.isnan(value.low) else decimal_interval(value)


def confusion(counts: Confusion) -> Table:
    """Reference label against verdict."""
    columns = (
        text("reference_label", "Reference label", 2),
        number("called_pneumonia", "Called pneumonia"),
        number("called_normal", "Called normal"),
    )
    ill = ("pneumonia", counts.true_positives, counts.false_negatives)
    return Table(
        "confusion", columns, [ill, ("normal", counts.false_positives, counts.true_negatives)]
    )


def subgroups(found: Sequence[Subgroup]) -> Table:
    """One group a line."""
    columns = (
        text("group", "Group", 2),
        number("n", "X-rays"),
        Column("n_positive", "With pneumonia", count, (), 0.95),
        rate("sensitivity", "Sensitivity"),
        rate("specificity", "Specificity"),
        estimate("auroc", "AUROC"),
    )
    rows = [(g.name, g.n, g.n_positive, g.sensitivity, g.specificity, g.auroc) for g in found]
    return Table("subgroups", columns, rows)


def operating_points(bundle: Bundle, row: Row, prevalence: float) -> Table:
    """What each named operating point finds and costs, also for 1,000 children at a prevalence."""
    columns = (
        text("operating_point", "Operating point", 1.1),
        Column("threshold", "Threshold", threshold_text, (), 0.9),
        rate("sensitivity", "Sensitivity"),
        rate("specificity", "Specificity"),
        *(Column(f"of_1000_{key}", title, count, (), 0.65)
          for key, title in (("found", "Found"), ("missed", "Missed"),
                             ("called_back", "Called back"), ("cleared", "Cleared"))),
    )  # fmt: skip
    rows = []
    for point in bundle.operating_points:
        counts = metrics.confusion(row.labels, row.probabilities, point.threshold)
        of_1000 = children(counts, prevalence, 1000)
        rows.append(
            (point.name, point.threshold, counts.sensitivity, counts.specificity,
             of_1000.found, of_1000.missed, of_1000.called_back, of_1000.cleared)
        )  # fmt: skip
    return Table("operating_points", columns, rows)


def children(counts: Confusion, prevalence: float, out_of: int = 100) -> NaturalNumbers:
    """The counts as found, missed, called back and cleared of so many children."""
    return natural_numbers(counts.sensitivity.value, counts.specificity.value, prevalence, out_of)


def threshold_choice(choices: Sequence[Choice]) -> Table:
    """Each operating point chosen on the plain fold and as served, both on the test split."""
    columns = (
        text("operating_point", "Operating point", 1),
        text("chosen_on", "Threshold chosen on", 1.7),
        Column("threshold", "Threshold", threshold_text, (), 0.9),
        rate("sensitivity", "Sensitivity"),
        rate("specificity", "Specificity"),
    )
    rows = []
    for choice in choices:
        for said, point, counts in (
            ("X-rays as they are", choice.plain, choice.on_plain),
            ("also changed X-rays (served)", choice.shipped, choice.on_shipped),
        ):
            rows.append(
                (choice.name, said, point.threshold, counts.sensitivity, counts.specificity)
            )
    return Table("threshold_choice", columns, rows)


def calibration(found: Calibration) -> Table:
    """Bins of the reliability diagram, before and after temperature scaling."""
    columns = (
        text("temperature_scaling", "Temperature scaling", 1.2),
        Column("low", "Probability from", decimal, (), 1),
        Column("high", "to", decimal, (), 1),
        Column("mean_probability", "On average", decimal, (), 1),
        rate("share", "With pneumonia"),
    )
    bins: list[tuple[str, Bin]] = [
        (name, each)
        for name, probabilities in (("before", found.before), ("after", found.after))
        for each in reliability(found.labels, probabilities)
    ]
    rows = [(name, b.low, b.high, b.mean_probability, b.share) for name, b in bins]
    return Table("calibration", columns, rows)


def robustness(changes: Sequence[tuple[Change, ChangeFigures]]) -> Table:
    """One change a line."""
    columns = (
        text("change", "Change", 1.6),
        number("n", "X-rays"),
        number("n_refused", "Refused"),
        rate("sensitivity", "Sensitivity"),
        rate("specificity", "Specificity"),
        estimate("auroc", "AUROC"),
    )
    rows = [
        (change.title, f.n, change.num_refused, f.sensitivity, f.specificity, f.auroc)
        for change, f in changes
    ]
    return Table("robustness", columns, rows)


def networks(rows: Sequence[Row]) -> Table:
    """One network a line, those without figures too."""
    columns = (
        text("network", "Network", 1.5),
        text("protocol", "Protocol", 1),
        Column("num_parameters", "Parameters", count, (), 1.1),
        number("n", "X-rays"),
        Column("threshold", "Threshold", threshold_text, (), 0),
        rate("accuracy", "Accuracy"),
        rate("sensitivity", "Sensitivity"),
        rate("specificity", "Specificity"),
        Column("precision", "PPV", percent_interval, INTERVAL + COUNTS, 0),
        Column("f1", "F1", decimal_interval, INTERVAL, 0),
        Column("ece", "ECE", decimal, (), 0),
        Column("missing", "Missing", str, (), 0),
        estimate("auroc", "AUROC"),
    )
    return Table(
        "networks",
        columns,
        [
            (r.title, r.protocol, r.num_parameters, r.n, r.threshold, r.accuracy, r.recall,
             r.specificity, r.precision, r.f1, r.ece, r.missing, r.auroc)
            for r in rows
        ],
    )  # fmt: skip


def shortcuts(found: Shortcuts) -> Table:
    """AUROC of each variant, and where the heat is."""
    columns = (
        text("figure", "Figure", 2),
        text("of", "Of", 3),
        Column("value", "Value (95 % interval)", _any_figure, INTERVAL, 1.6),
        number("n", "X-rays"),
    )
    rows: list[tuple[Any, ...]] = [
        ("AUROC", v.title, v.auroc, found.num_xrays) for v in found.variants
    ]
    if found.heat:
        n = len(found.heat.shares)
        rows += [
            ("share in the lungs", "the heat, in X-rays called pneumonia", found.heat.share, n),
            ("share in the lungs", "the film, in the same X-rays", _alone(found.heat.area), n),
            ("ratio", "the one to the other; 1 is chance", found.heat.ratio, n),
        ]
    return Table("shortcuts", columns, rows)


def heatmaps(found: Heatmaps) -> Table:
    """Area under the deletion and insertion curves of each map, with p against each control."""
    controls = [each for each in found.maps if not each.against]
    columns = (
        text("map", "Map", 1.2),
        text("curve", "Curve", 1.6),
        estimate("area", "Area under the curve"),
        *(Column(f"p_{c.name}", f"p against {c.title}", p_value, (), 1.1) for c in controls),
    )
    rows = []
    for each in found.maps:
        for way, better in (("deletion", "lower"), ("insertion", "higher")):
            p = {test.name: getattr(test, f"{way}_p") for test in each.against}
            tested = [p.get(control.name) for control in controls]
            rows.append((each.title, f"{way}, {better} is better", getattr(each, way).auc, *tested))
    return Table("heatmaps", columns, rows)


def gate(found: GateFigures) -> Table:
    """What the gate says of each group of images."""
    columns = (
        text("images", "Images", 1.6),
        text("should_be", "Should be", 0.8),
        number("n", "Number"),
        rate("accepted", "Accepted"),
        rate("unusual", "Unusual"),
        rate("refused", "Refused"),
    )
    rows = [
        (g.title, "read" if g.is_chest else "refused", g.num_images, g.accepted, g.unusual,
         g.refused)
        for g in found.groups
    ]  # fmt: skip
    return Table("gate", columns, rows)
