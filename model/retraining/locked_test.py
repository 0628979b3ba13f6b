"""The list of the locked test set: fingerprints of films that no version may be trained on.

`python -m model evaluate --keep` writes it beside the bundle for the split "test", so that the
films are known, and refused, where the films themselves are not. It names no film.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from model import xray
from model.config import ROOT, settings
from model.errors import BundleError
from model.files import write_json
from model.language import N_, _
from model.retraining import near_duplicates
from model.retraining.near_duplicates import NUM_BITS, Fingerprint, fingerprint

SPLIT = "test"
FILE = "locked_test.json"
NEARLY = N_("Nearly the same picture is in the locked test set ({bits} of {of} bits).")
FORMAT = 1
SHIPPED = ROOT / "model" / "weights"
_DIGITS = (64, 64, NUM_BITS // 4)


def write(bundle_folder: Path, films: Iterable[Path]) -> None:
    """Writes the list of these files beside a bundle, in an order that tells nothing.

    Raises XRayError for a file that cannot be read.
    """
    found = {fingerprint(xray.read(path.read_bytes(), path.name)) for path in films}
    rows = sorted([one.sha256, one.pixels, one.perceptual] for one in found)
    write_json(bundle_folder / FILE, {"format": FORMAT, "films": rows})


def read() -> list[Fingerprint]:
    """The lists beside the shipped version and beside one that XRAY_BUNDLE names, together.

    Not that of the served version: one is only promoted when it was judged on the same films.
    A folder without a list adds nothing. Raises BundleError for a list that is damaged.
    """
    folders = {settings().bundle.resolve(), SHIPPED.resolve()}
    return sorted({one for folder in folders for one in read_list(folder)}, key=str)


def read_list(folder: Path) -> list[Fingerprint]:
    """The list beside one bundle, [] where there is none. Raises BundleError for a damaged one."""
    path = folder / FILE
    if not path.is_file():
        return []
    try:
        told = json.loads(path.read_text())
        if told["format"] != FORMAT:
            raise ValueError
        return [_checked(row) for row in told["films"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise BundleError(
            _("a list of the locked test set that can be read ({name})", name=path.name),
            _("a damaged one"),
            _(
                "Restore the file, or write it again with `python -m model evaluate --keep`: "
                "without it test films could be trained on."
            ),
        ) from None


def why_refused(films: Sequence[Fingerprint], locked: Sequence[Fingerprint]) -> list[str]:
    """For each film in which way it is one of the locked test set, "" if it is not."""
    files, pixels = {one.sha256 for one in locked}, {one.pixels for one in locked}
    hashes = [one.perceptual for one in films]
    near = near_duplicates.nearest(hashes, [one.perceptual for one in locked])
    return [
        _reason(film.sha256 in files, film.pixels in pixels, bits)
        for film, bits in zip(films, near, strict=True)
    ]


def _reason(same_file: bool, same_picture: bool, bits: int | None) -> str:
    if same_file:
        return _("The same file is in the locked test set.")
    if same_picture:
        return _("The same picture is in the locked test set.")
    if bits is not None:
        return _(NEARLY, bits=bits, of=NUM_BITS)
    return ""


def _checked(row: Sequence[str]) -> Fingerprint:
    if tuple(map(len, row)) != _DIGITS or not all(int(value, 16) >= 0 for value in row):
        raise ValueError
    return Fingerprint(*row)
