"""What goes into a report, and the sentences that follow from it."""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from model.bundle import Bundle
from model.errors import BundleError, ConfigError
from model.language import N_, _
from model.metrics import Confusion, Rate, confusion, wilson
from model.phrases import translated
from model.prediction import OVERRULED, WORDS, Decision, Prediction, decide, probability_text
from model.xray import XRay

NO_DIAGNOSIS = N_(
    "This is not a diagnosis. Pneumoscope is decision support for research and teaching, not a "
    "medical device: a person reads every X-ray."
)
REFUSED = N_("Refused: no probability is given")
POINT = N_("{threshold:g}, operating point “{name}”: {rule}, chosen on the {films}")
BAND = N_("between {low:g} and {high:g}; there lay {rate} X-rays of the set below")
HEAT = N_("{share:.0f} % of the heat lies in the lungs")
HEAT_AND_AREA = N_(
    "{share:.0f} % of the heat lies in the lungs; the lungs cover {area:.0f} % of the film"
)
NO_HEATMAP = N_("No heatmap: the X-ray was refused.")
NO_EVIDENCE = N_("Overlay: the classifier found no evidence for pneumonia to show.")
EVIDENCE = N_(
    "Overlay: where the classifier found evidence for pneumonia (Grad-CAM); where, not why."
)
_LONGEST_NAME = 120  # characters


@dataclass(frozen=True, eq=False)
class ReadingContent:
    """One reading and what is said about it.

    read_at: with a time zone; reports give it in UTC.
    band: of the decision, see `model.prediction.decide`.
    file_name, reader_label, comment: as the caller gives them; "" is left out.

    Raises BundleError when the prediction is of another model version than the bundle, and
    ConfigError for a time without zone or a threshold or band out of range.
    """

    xray: XRay
    prediction: Prediction
    bundle: Bundle
    threshold: float
    read_at: datetime
    band: float = 0.0
    file_name: str = ""
    reader_label: str = ""
    comment: str = ""

    def __post_init__(self) -> None:
        if self.prediction.model_version != self.bundle.model_version:
            raise BundleError(
                _("a prediction of model version {version}", version=self.bundle.model_version),
                _("one of {version}", version=self.prediction.model_version),
                _("Read the X-ray again: another model version serves now."),
            )
        if self.read_at.tzinfo is None:
            raise ConfigError("a time with its zone", str(self.read_at), "Use datetime.now(UTC).")
        decide(self.prediction, self.threshold, self.band)

    @cached_property
    def decision(self) -> Decision | None:
        """None when the gate refused and nobody overruled it."""
        return decide(self.prediction, self.threshold, self.band)

    @property
    def time(self) -> str:
        """To the second, in UTC."""
        return f"{self.read_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"

    @property
    def split(self) -> str:
        """The split of the figures: the one that chose nothing, where the bundle has it."""
        evaluations = self.bundle.evaluations
        return "test" if "test" in evaluations else next(iter(evaluations))

    @cached_property
    def counts(self) -> Confusion:
        """What the threshold did on that split."""
        labels = self.bundle.evaluations[self.split].labels
        return confusion(labels, self.bundle.probabilities(self.split), self.threshold)

    @property
    def referred(self) -> Rate:
        """The share of that split in the uncertain band."""
        gaps = abs(self.bundle.probabilities(self.split) - self.threshold)  # (N,)
        return wilson(int((gaps < self.band).sum()), gaps.size)


def verdict(content: ReadingContent) -> str:
    """The decision in two or three words, or that there is none."""
    return _(WORDS[content.decision.label] if content.decision else REFUSED)


def threshold(content: ReadingContent) -> str:
    """The threshold, with the name and the rule of the operating point where it is one."""
    for point in content.bundle.operating_points:
        if math.isclose(point.threshold, content.threshold, abs_tol=1e-9):
            return _(
                POINT,
                threshold=content.threshold,
                name=translated(point.name),
                rule=translated(point.rule),
                films=translated(point.chosen_on),
            )
    return _("{threshold:g}, set by the reader", threshold=content.threshold)


def band(content: ReadingContent) -> str:
    """Which probabilities are referred, and how often that was."""
    low, high = content.threshold - content.band, content.threshold + content.band
    return _(BAND, low=max(0.0, low), high=min(1.0, high), rate=rate(content.referred))


def rate(found: Rate) -> str:
    """'96.2 % (93.7 to 97.7), 375 of 390'."""
    if math.isnan(found.value):
        return _("not known: no such X-ray")
    return _(
        "{share:.1f} % ({low:.1f} to {high:.1f}), {n} of {of}",
        share=100 * found.value,
        low=100 * found.low,
        high=100 * found.high,
        n=found.numerator,
        of=found.denominator,
    )


def facts(content: ReadingContent) -> list[tuple[str, str]]:
    """The rows of the report: what, and what is known of it. Plain text."""
    prediction, film = content.prediction, content.xray
    rows = []
    if prediction.probability is not None and content.decision:
        rows += _figures(content, probability_text(prediction.probability))
    rows.append((_("Gate"), gate(prediction)))
    if prediction.heat_in_lungs is not None and math.isfinite(prediction.heat_in_lungs):
        share, area = 100 * prediction.heat_in_lungs, prediction.lungs_area
        heat = HEAT if area is None else HEAT_AND_AREA
        rows.append((_("Heat in the lungs"), _(heat, share=share, area=100 * (area or 0))))
    rows += [
        (_("Model version"), prediction.model_version),
        (_("SHA-256 of the weights"), content.bundle.weights_sha256),
        (_("X-ray"), _film(film)),
        (_("SHA-256 of the file"), film.sha256),
    ]
    if content.file_name:
        rows.append((_("File"), _short(content.file_name)))
    rows.append((_("Time of the reading"), content.time))
    if content.reader_label:
        rows.append((_("Reader's label"), _short(translated(content.reader_label))))
    return rows


def _figures(content: ReadingContent, probability: str) -> list[tuple[str, str]]:
    """The rows of a reading with a decision: probability, threshold and its price."""
    found = _("{rate} with pneumonia are found", rate=rate(content.counts.sensitivity))
    cleared = _("{rate} without are cleared", rate=rate(content.counts.specificity))
    return [
        (_("Probability of pneumonia"), _("{probability}, calibrated", probability=probability)),
        (_("Threshold"), threshold(content)),
        *([(_("Referred for reading"), band(content))] if content.band else []),
        (_("Its sensitivity"), found),
        (_("Its specificity"), cleared),
        (_("Measured on"), _("{films}; in brackets the 95 % interval", films=_split(content))),
    ]


def gate(prediction: Prediction) -> str:
    """What the gate said, and whether the reader went on against it."""
    return gate_alone(prediction) + (f" {_(OVERRULED)}." if prediction.overruled else "")


def gate_alone(prediction: Prediction) -> str:
    """What the gate said, where it is said beside it that the reader went on."""
    said = prediction.gate
    return f"{_(said.status).capitalize()}. {translated(said.reason)}".strip()


def plain(text: str) -> str:
    """Text without what is no character: control codes, but for line ends, and lone surrogates."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    return re.sub(r"[\0-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "", text).strip()


def heat_caption(prediction: Prediction) -> str:
    """What the picture with the heatmap shows."""
    if prediction.heatmap is None:
        return _(NO_HEATMAP)
    if not prediction.heatmap.any():
        return _(NO_EVIDENCE)
    return _(EVIDENCE)


def _short(text: str) -> str:
    """What a person named, in some three lines: a file may have a name of thousands of letters."""
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]} …"


def _split(content: ReadingContent) -> str:
    description = content.bundle.evaluations[content.split].description
    return f"{translated(description)}, n = {content.counts.accuracy.denominator}"


def _film(film: XRay) -> str:
    height, width = film.pixels.shape
    parts = [film.kind, f"{width} x {height} px", *filter(None, (film.modality, film.view))]
    return ", ".join(parts) + "".join(f". {translated(note).rstrip('.')}" for note in film.notes)
