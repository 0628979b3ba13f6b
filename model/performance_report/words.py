"""What the performance report says: what is always said, and what follows from the figures.

Markup for ReportLab paragraphs: <b> and <br/> only.
"""

import re
from collections.abc import Iterator
from xml.sax.saxutils import escape

from model import looks_said
from model.metrics import Confusion, confusion
from model.performance import Change
from model.performance_report.content import PREVALENCE, Content
from model.performance_report.table import (
    NOT_KNOWN,
    count,
    decimal,
    percent,
    percent_interval,
    threshold_text,
)
from model.performance_report.tables import children
from model.prevalence import NaturalNumbers

SPECIFICITY_KEPT = 0.80  # wanted under a change that a hospital makes

PURPOSE = (
    "Pneumoscope reads a chest X-ray of a child and gives the probability that it shows pneumonia, "
    "and a heatmap of where it found evidence. It is decision support for research and teaching. "
    "<b>It is not a medical device</b>, it has not been tested in a clinic, and a person reads "
    "every X-ray. It was trained and measured on X-rays of children of one to five years from one "
    "hospital; elsewhere its figures may not hold."
)
GLOSSARY = [
    "<b>Found</b>: pneumonia that is called pneumonia. <b>Missed</b>: pneumonia that is called "
    "normal. <b>Called back</b>: normal, but called pneumonia, so looked at again. "
    "<b>Cleared</b>: normal and called normal.",
    "<b>Sensitivity</b>: of those with pneumonia, the share found. <b>Specificity</b>: of those "
    "without, the share cleared. Raising one lowers the other.",
    "<b>Threshold</b>: from this probability on, an X-ray is called pneumonia. A threshold with a "
    "name and a rule is an <b>operating point</b>.",
    "<b>Reference label</b>: what experts said about the X-ray. Right and wrong mean agreement "
    "with it.",
]
ROC = (
    "Left: each point of the curve is a threshold; the nearer to the upper left corner, the "
    "better. Right: of the X-rays called pneumonia, how many have it. The dot is the default "
    "operating point."
)
GROUPS = (
    "By kind of pneumonia, each against all X-rays without; by size of the original where that is "
    "known. Specificity is the same in each group that is compared with the same normal X-rays."
)
THRESHOLD = (
    "Nobody can have both: a lower threshold finds more pneumonia and calls back more children "
    "without; a higher one spares them and misses more. The user of Pneumoscope sets it."
)
THRESHOLD_FIGURE = "Dotted lines: the named operating points and their thresholds."
CHOICE = (
    "Validation X-rays as they are may be too easy to choose a threshold on. Those served were "
    "chosen on them and on the same X-rays under changes that hospitals make. What both choices "
    "give on the test split:"
)
PROTOCOLS = (
    "official: the data set's own test split. grouped: a tenth of all X-rays, no child on both "
    "sides of the split. ungrouped: the same without regard to children, which may flatter."
)
ADVICE = (
    "Each follows from the figures above by a fixed rule; another model version may get others."
)
LIMITS = [
    "One question only: pneumonia or not. Other findings are neither seen nor excluded.",
    "Antero-posterior X-rays of children of one to five years from one hospital in Guangzhou. For "
    "other ages, hospitals, machines and views nothing is shown here.",
    "The intervals say how far chance may carry the figures, not how far another hospital may.",
    "Rates count X-rays; several may be of one child, so their intervals are a little narrow. "
    "Intervals of AUROC and F1 draw whole children.",
    "The reference labels are those of the data set; they were read from X-rays, not proved by "
    "other tests.",
]


def answer(content: Content) -> list[str]:
    """The answer for those who read nothing else."""
    counts, share = content.row.confusion, content.prevalence
    of_1000 = children(counts, PREVALENCE, 1000)
    return [
        f"<b>Of 100 children of whom {children(counts, PREVALENCE).ill} have pneumonia:</b> "
        f"{_counted(children(counts, PREVALENCE))} "
        f"(Of 1,000: {of_1000.found} found, {of_1000.missed} missed, "
        f"{of_1000.called_back} called back.)",
        f"<b>Of 100 as in this split, where {percent(share)} have pneumonia:</b> "
        f"{_counted(children(counts, share))}",
    ]


def _counted(n: NaturalNumbers) -> str:
    return (
        f"{n.found} found, {n.missed} missed; of the other {n.called_back + n.cleared}, "
        f"{n.called_back} called back without need and {n.cleared} cleared."
    )


def how_good(content: Content) -> str:
    """Sensitivity, specificity and AUROC in a paragraph."""
    row, source = content.row, content.source
    refused = (
        f" {count(source.num_refused)} more were refused as no chest X-rays and are not counted."
        if source.num_refused
        else ""
    )
    return (
        f"Measured on {count(row.n)} X-rays of the {escape(source.split)} split, "
        f"{count(row.n_positive)} of them with pneumonia, at the default threshold of "
        f"{threshold_text(row.threshold)}.{refused} "
        f"It finds {percent_interval(row.recall)} of the X-rays with pneumonia and clears "
        f"{percent_interval(row.specificity)} of those without. In brackets stands the 95 % "
        "interval: with other children of the same kind the figure may well lie anywhere in it."
    )


def errors(content: Content) -> str:
    """How many are wrong, and of which kind."""
    c = content.row.confusion
    wrong = c.false_negatives + c.false_positives
    return (
        f"Of {count(content.row.n)} X-rays {count(wrong)} are called wrong: "
        f"{count(c.false_negatives)} of {count(content.row.n_positive)} with pneumonia are missed, "
        f"{count(c.false_positives)} of {count(content.row.n - content.row.n_positive)} without are"
        " called back."
    )


def of_1000(content: Content) -> str:
    """What the counts in the table of operating points are of."""
    ill = children(content.row.confusion, PREVALENCE, 1000).ill
    return f"The last four columns: of 1,000 children of whom {ill} have pneumonia."


def price(content: Content) -> str:
    """What each operating point changes against the default, for 100 children."""
    default = children(content.row.confusion, PREVALENCE, 1000)
    said = []
    for name, counts in operating_points(content):
        if name != "default":
            other = children(counts, PREVALENCE, 1000)
            said.append(
                f"<b>{escape(name)}</b> {_more(default.missed - other.missed, 'found')} and "
                f"{_more(other.called_back - default.called_back, 'called back')}"
            )
    if not said:
        return "This model version names one operating point only."
    ill = default.ill
    return (
        f"Against the default, of 1,000 children of whom {ill} have pneumonia: "
        + "; ".join(said)
        + "."
    )


def _more(difference: int, what: str) -> str:
    return f"{abs(difference)} {'more' if difference >= 0 else 'fewer'} {what}"


def operating_points(content: Content) -> Iterator[tuple[str, Confusion]]:
    """Name and counts on this split of each operating point."""
    row = content.row
    for point in content.bundle.operating_points:
        yield point.name, confusion(row.labels, row.probabilities, point.threshold)


def calibration(content: Content) -> str:
    """Whether a probability may be taken at its word."""
    found = content.calibration
    after = f"the expected calibration error (ECE) is {decimal(found.ece_after)}"
    return (
        "A probability of 0.8 should mean that 8 of 10 such X-rays show pneumonia. Dividing the "
        f"network's logit by a temperature of {found.temperature:.2f}, which was fitted on "
        f"validation X-rays, is meant to bring that about. On this split {after}, without the "
        f"temperature it would be {decimal(found.ece_before)}. The dots below should lie on the "
        "dashed line; their bars are 95 % intervals."
    )


def robustness(content: Content) -> str:
    """How many changes do no harm, and which do."""
    changed = [(c, f) for c, f in content.changes if c.name != "none"]
    harmful = [named(c) for c, f in changed if f.specificity.value < SPECIFICITY_KEPT]
    worst = (
        f"Specificity falls below {whole(SPECIFICITY_KEPT)} under {', '.join(harmful)}."
        if harmful
        else f"Specificity stays at {whole(SPECIFICITY_KEPT)} or more under each of them."
    )
    refused = [f"{named(c)} ({c.num_refused})" for c, _ in changed if c.num_refused]
    if refused:
        worst += f" X-rays were refused instead of read under {', '.join(refused)}."
    return (
        "Hospitals set brightness and contrast differently, compress, crop and mark their X-rays. "
        f"The same X-rays were read again under {len(changed)} such changes, at the same threshold."
        f" {worst} The dashed line is the figure of the X-rays as they are."
    )


def looks(content: Content, name: str) -> str:
    """What one of the tables of LOOKS means."""
    said: list[str] = []
    if name == "shortcuts" and content.shortcuts:
        said = looks_said.lungs(content.shortcuts)
    elif name == "heatmaps" and content.heatmaps:
        said = looks_said.heatmaps(content.heatmaps)
    elif name == "gate" and content.gate:
        said = [*looks_said.gate(content.gate), looks_said.WIDENED]
    return escape(" ".join(said))


def named(change: Change) -> str:
    """The change in quotation marks, as markup."""
    return f"“{escape(change.title)}”"


def networks(content: Content) -> str:
    """What the table of networks shows, and which networks are missing and why."""
    official = [row for row in content.networks if row.protocol == "official" and not row.missing]
    without: dict[str, list[str]] = {}
    for row in content.networks:
        if row.missing:
            protocol = "" if row.protocol == "official" else f" ({row.protocol})"
            without.setdefault(row.missing, []).append(row.title + protocol)
    missing = [f" Without figures: {'; '.join(names)}. {why}" for why, names in without.items()]
    return (
        f"{len(official)} networks were trained on the same X-rays and read on the same test "
        "split by the same code, each at its own default operating point."
        + marked("".join(missing))
    )


def method(content: Content) -> list[str]:
    """How it was measured and how to measure it again."""
    bundle, source = content.bundle, content.source
    split, training = escape(source.split), bundle.training
    hashes = [
        f"SHA-256 of the X-rays of the {split} split: {source.data_sha256 or NOT_KNOWN}",
        f"SHA-256 of the training split: {escape(str(training.get('data_sha256') or NOT_KNOWN))}",
    ]
    return [
        f"Network {escape(bundle.network.upper())}, read at {bundle.input_px} x {bundle.input_px} "
        f"px, trained on {count(training.get('num_training'))} X-rays; recipe, epoch, thresholds "
        f"and temperature chosen on {count(training.get('num_validation'))} validation X-rays of "
        "other children. Intervals of rates after Wilson 1927, of AUROC and F1 by a bootstrap of "
        "patients; temperature scaling after Guo 2017. The data set: D. Kermany, K. Zhang, "
        "M. Goldbaum, Mendeley Data, doi 10.17632/rscbjbr9sj, CC BY 4.0, where it is this one.",
        "To repeat it, with the data set in the folder DATA: <b>python -m model evaluate --data "
        f"DATA --split {split} --report REPORT</b>. It gives this file, the figures as PNG and the "
        "tables as CSV.",
        f"Model version {escape(bundle.model_version)}, released "
        f"{escape(str(training.get('released') or NOT_KNOWN))}; measured on "
        f"{source.measured_on.isoformat()}.<br/>{'<br/>'.join(hashes)}",
    ]


def marked(text: str) -> str:
    """Text as markup, with what stands in backquotes in bold."""
    return re.sub(r"`([^`]*)`", r"<b>\1</b>", escape(text))


def whole(share: float) -> str:
    """`95 %`."""
    return f"{100 * share:.0f} %"
