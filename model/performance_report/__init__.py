"""The performance of a model version for those who read rather than click.

`write` puts into a folder `report.pdf`, the figures as PNG and the tables as CSV. ReportLab and
matplotlib take a second to import, so commands import this package when they need it.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from model.bundle import Bundle
from model.errors import ConfigError
from model.performance_report import figures, pages, tables
from model.performance_report.content import PREVALENCE, Content, Source, gather
from model.performance_report.table import Table

__all__ = ["Source", "check_folder", "write"]

PDF = "report.pdf"
# All names a report may write. What is left of another report goes, lest it pass for this one's.
TABLES = (
    "figures", "confusion", "subgroups", "operating_points", "calibration", "threshold_choice",
    "robustness", "networks", "shortcuts", "heatmaps", "gate",
)  # fmt: skip
FIGURES = (
    "children", "roc", "confusion", "subgroups", "threshold", "calibration", "robustness",
    "networks",
)  # fmt: skip


def check_folder(folder: Path) -> None:
    """Raises ConfigError when no files can be written there; makes the folder if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise _unwritable(folder, error) from None


def write(folder: Path, bundle: Bundle, source: Source) -> list[Path]:
    """Writes the report of an evaluation of `bundle`, all files or none; gives their paths.

    The bundle's evaluation of `source.split` need not be kept in its card. Raises DataError when
    all its X-rays have one label, ConfigError when the folder cannot be written.
    """
    content = gather(bundle, source)
    shown = _tables(content)
    pictures = _pictures(content, shown)
    files = {f"{name}.csv": table.csv().encode() for name, table in shown.items()}
    files |= {f"{name}.png": data for name, data in pictures.items()}
    files[PDF] = pages.render(content, shown, pictures)
    check_folder(folder)
    try:
        return _put(folder, files)
    except OSError as error:
        raise _unwritable(folder, error) from None


def _tables(content: Content) -> dict[str, Table]:
    row = content.row
    found = [
        tables.figures(row),
        tables.confusion(row.confusion),
        tables.subgroups(content.subgroups),
        tables.operating_points(content.bundle, row, PREVALENCE),
        tables.calibration(content.calibration),
    ]
    if content.choices:
        found.append(tables.threshold_choice(content.choices))
    if content.changes:
        found.append(tables.robustness(content.changes))
    if content.networks:
        found.append(tables.networks(content.networks))
    if content.shortcuts:
        found.append(tables.shortcuts(content.shortcuts))
    if content.heatmaps:
        found.append(tables.heatmaps(content.heatmaps))
    if content.gate:
        found.append(tables.gate(content.gate))
    return {table.name: table for table in found}


def _pictures(content: Content, shown: Mapping[str, Table]) -> dict[str, bytes]:
    row = content.row
    found = {
        "children": figures.children(tables.children(row.confusion, PREVALENCE)),
        "roc": figures.roc(row),
        "confusion": figures.confusion(row),
        "subgroups": figures.intervals(shown["subgroups"], ("sensitivity", "auroc")),
        "threshold": figures.threshold(row, content.bundle.operating_points),
        "calibration": figures.calibration(content.calibration),
    }
    if content.changes:
        found["robustness"] = figures.intervals(
            shown["robustness"], ("sensitivity", "specificity", "auroc"), reference=True
        )
    if content.networks:
        compared = figures.named(shown["networks"])
        found["networks"] = figures.intervals(compared, ("accuracy", "auroc"))
    return found


def _put(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """All files are written beside their places before the first takes its own."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as temporary:
        for name, data in files.items():
            (Path(temporary) / name).write_bytes(data)
        for name in files:
            (Path(temporary) / name).replace(folder / name)
    ours = [f"{name}.csv" for name in TABLES] + [f"{name}.png" for name in FIGURES]
    for name in set(ours) - set(files):
        (folder / name).unlink(missing_ok=True)
    return [folder / name for name in sorted(files)]


def _unwritable(folder: Path, error: OSError) -> ConfigError:
    return ConfigError(
        "a folder for the report that can be written",
        f"{folder.name} ({error.strerror or type(error).__name__})",
        "Give another folder to --report.",
    )
