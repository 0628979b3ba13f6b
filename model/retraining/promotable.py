"""Can a version that is trained on a set ever take the place of the served one?

Only versions that were judged on the same films are compared (`version_comparison`), so one that is
trained on a set with another test part, or with none, is never promoted: better said before it has
trained for hours. Films are told apart by label and file name, as there, and by what they show
where that is known.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from model.bundle import CARD, Bundle, read_card
from model.errors import BundleError, DataError
from model.evaluated import refused
from model.language import N_, _
from model.retraining import locked_test, retraining_files
from model.retraining.manifest import LABELS, TEST
from model.retraining.near_duplicates import Fingerprint
from model.versions import champion, version_comparison

IN_VAIN = N_("As things are, a version that is trained on this set cannot be promoted.")
NO_TEST = N_(
    "It has no test part to judge the version on. Set XRAY_DATA to the folder whose test/ the "
    "served version was judged on, or take base data with that test/."
)
OTHER_TEST = N_(
    "The served version was judged on other films: {missing} of its {n} X-rays are missing in the "
    "test part, {others} are others or have another label. Take the test/ that it was judged on."
)
UNJUDGED = N_(
    "The served version was not judged on a test set, so there is nothing to compare with. Judge "
    "it with `python -m model evaluate --split test --keep`."
)


class Film(NamedTuple):
    """A film of a test part. label: one of LABELS. file: its name without folders."""

    label: str
    file: str


def warning(films: Collection[Film], seen: Sequence[Fingerprint] = ()) -> str:
    """Why a version that is judged on these films could not be promoted now; "" if it could.

    seen: their fingerprints, where they are known.
    """
    try:
        served = read_card(champion.served() / CARD)
        why = _why(served, set(films), seen)
    except BundleError:  # whoever reads a film or starts a training is told
        return ""
    return f"{_(IN_VAIN)} {why}" if why else ""


def warning_of(set_sha256: str) -> str:
    """The same for a frozen set; "" for one that cannot be read, as who opens it is told."""
    try:
        entries = retraining_files.manifest_of(set_sha256).entries
    except DataError:
        return ""
    return warning([Film(e.label, e.path.split("/")[-1]) for e in entries if e.split == TEST])


def _why(served: Bundle, films: set[Film], seen: Sequence[Fingerprint]) -> str:
    judged = served.evaluations.get(TEST)
    if judged is None:
        return _(UNJUDGED)
    if not films:
        return _(NO_TEST)
    keys = {*zip(judged.labels.tolist(), judged.files, strict=True), *refused(served)}
    own = {Film(LABELS[label], file) for label, file in keys}
    others = len(films - own) or _num_others(served, seen)
    missing = len(own - films)
    if not (missing or others):
        return ""
    return _(OTHER_TEST, missing=missing, n=len(own), others=others)


def _num_others(served: Bundle, seen: Sequence[Fingerprint]) -> int:
    """How many show something else than the films that the served version was judged on."""
    judged = locked_test.read_list(served.folder)
    unlike = version_comparison.num_unlike(seen, judged) if judged else 0
    return unlike if unlike > version_comparison.TOLERATED * len(seen) else 0
