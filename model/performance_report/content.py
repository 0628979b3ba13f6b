"""What a performance report is made from, gathered once from the bundle and the files beside it."""

from dataclasses import dataclass, replace
from datetime import date

from model import performance
from model.bundle import Bundle
from model.errors import DataError
from model.looks import GateFigures, Heatmaps, Shortcuts
from model.performance import Calibration, Change, ChangeFigures, Choice, Row, Subgroup

# What is measured of where it looks: the table, and the question that it answers.
LOOKS = {
    "shortcuts": "Does it read the lungs, or what is beside them?",
    "heatmaps": "Can the heatmap be believed?",
    "gate": "Does it refuse what is no chest X-ray?",
}
PREVALENCE = 0.12  # with which the page "Read an X-ray" starts


@dataclass(frozen=True)
class Source:
    """Where the evaluation comes from. data_sha256: of the X-rays of the split, "" if unknown."""

    split: str
    measured_on: date
    data_sha256: str = ""
    num_refused: int = 0


@dataclass(frozen=True, eq=False)
class Content:
    """All figures of one report. What has no file is empty; `missing` then says why."""

    bundle: Bundle
    source: Source
    row: Row
    subgroups: list[Subgroup]
    choices: list[Choice]
    calibration: Calibration
    changes: list[tuple[Change, ChangeFigures]]
    networks: list[Row]
    shortcuts: Shortcuts | None
    heatmaps: Heatmaps | None
    gate: GateFigures | None
    missing: dict[str, str]

    @property
    def prevalence(self) -> float:
        """Of pneumonia in the split."""
        return self.row.n_positive / self.row.n


def gather(bundle: Bundle, source: Source) -> Content:
    """The figures of `source.split`, which must be among the bundle's evaluations.

    All that other commands measure is of the test split, so a report of another split leaves it
    out. Raises DataError when all X-rays have the same label.
    """
    evaluation = bundle.evaluations[source.split]
    if len(set(evaluation.labels.tolist())) < 2:
        raise DataError(
            "X-rays with and without pneumonia for a report",
            f"{len(evaluation.labels)} of one kind that were not refused",
            "Give a split that has both.",
        )
    # The champion's row is that of the only evaluation here.
    row = performance.champion(replace(bundle, evaluations={source.split: evaluation}))
    is_test = source.split == "test"
    changes = performance.robustness(bundle) if is_test else []
    networks = performance.rows(bundle) if is_test else []
    choices = performance.threshold_choice(bundle) if is_test else []
    others = [each for each in networks if not each.is_champion and not each.missing]
    shortcuts = performance.shortcuts(bundle) if is_test else None
    heatmaps = performance.heatmaps(bundle) if is_test else None
    gate = performance.gate(bundle) if is_test else None
    found = {
        "robustness": changes, "networks": others, "choices": choices, "shortcuts": shortcuts,
        "heatmaps": heatmaps, "gate": gate,
    }  # fmt: skip
    return Content(
        bundle=bundle,
        source=source,
        row=row,
        subgroups=performance.subgroups(bundle, source.split, row.threshold),
        choices=choices,
        calibration=performance.calibration(bundle, source.split),
        changes=[(change, change.figures(row.threshold)) for change in changes],
        networks=networks if others else [],
        shortcuts=shortcuts,
        heatmaps=heatmaps,
        gate=gate,
        missing={name: _why(name, bundle, is_test) for name, value in found.items() if not value},
    )


def _why(name: str, bundle: Bundle, is_test: bool) -> str:
    if not is_test:
        return "Not in this report: it is measured on the test split only."
    if f"{name}.json" in performance.FILES:
        return performance.why_missing(bundle, f"{name}.json") or "Nothing was measured."
    if name == "networks":
        return "No other network has been measured yet: run `python -m model compare`."
    return (
        "This model version keeps no validation X-rays under changes, so the two ways to choose "
        "a threshold cannot be compared."
    )
