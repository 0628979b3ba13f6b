"""Which films are the same film, which are of one child, and which children are validated on."""

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence

from model.bundle import CARD, read_card
from model.errors import BundleError, DataError
from model.language import N_, _
from model.retraining.manifest import LABELS, SPLITS, TEST, TRAINING, UNKNOWN_CHILD, VALIDATION
from model.retraining.retraining_files import Candidate
from model.versions import champion

SHARE = 0.1  # of the children whose films are validated on


class Together:
    """Keys that belong together; each group is known by the first of its keys."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def join(self, keys: Iterable[str]) -> None:
        """From now on these, and all that they were joined with before, are one group."""
        firsts = sorted({self.first(key) for key in keys})
        self._above.update(dict.fromkeys(firsts[1:], firsts[0]))

    def first(self, key: str) -> str:
        """The first key of the group of this one."""
        while key in self._above:
            key = self._above[key]
        return key


def same(keys: Sequence[tuple[Hashable, ...]]) -> list[list[int]]:
    """Items that share any of their keys, item by item and in their order, as groups of indices.

    keys: for each item its own.
    """
    groups = Together()
    names = [f"{i:09}" for i in range(len(keys))]
    holders: dict[Hashable, list[str]] = defaultdict(list)
    for name, own in zip(names, keys, strict=True):
        for key in own:
            holders[key].append(name)
    for sharing in holders.values():
        groups.join(sharing)
    found: dict[str, list[int]] = defaultdict(list)
    for i, name in enumerate(names):
        found[groups.first(name)].append(i)
    return list(found.values())


def champions_fold() -> frozenset[str]:
    """Children on whom the served version was validated; none when nothing is known."""
    try:
        fold = read_card(champion.served() / CARD).evaluations.get("validation")
    except BundleError:
        return frozenset()
    return frozenset(fold.patients) if fold else frozenset()


def validated(labels: Mapping[str, set[str]], base: set[str], fold: Iterable[str]) -> set[str]:
    """The children who are validated on; the others are trained on.

    labels: those of each child's films. base: children of the base data, the only ones who are
    validated on: of other films nobody knows whether their child is trained on. fold:
    `champions_fold`.

    Base data on which the champion was trained stay divided as they were: a network that goes on
    from it must not be validated on children it knows. Else a child is validated on by a hash of
    its key, which gives the same answer in every set. Where that leaves a label out of one of the
    two parts, as in small sets, the child next in line changes sides.
    """
    chosen = set(fold) & base or {child for child in base if _place(child) < SHARE}
    for label in sorted({label for all_ in labels.values() for label in all_}):
        children = sorted((c for c in labels if label in labels[c]), key=_place)
        known = [child for child in children if child in base]
        if known and not chosen & set(known):
            chosen.add(known[0])
        if chosen >= set(children) and len(children) > 1:
            chosen.remove(children[-1])
    return chosen


def problem(entries: Sequence[Candidate]) -> DataError | None:
    """Why these films cannot be trained on."""
    parts = {split: {entry.label for entry in entries if entry.split == split} for split in SPLITS}
    if not all(parts[split] == set(LABELS) for split in (TRAINING, VALIDATION)):
        known = [e for e in entries if e.split != TEST and e.patient != UNKNOWN_CHILD]
        told = ", ".join(_told(known, label) for label in LABELS)
        return DataError(
            _(
                "base data of both labels, each of two children or more, to train and to choose "
                "on (reviewed films are only trained on)"
            ),
            told,
            _("Add X-rays. Those that were left out are listed with the reason."),
        )
    if len(parts[TEST]) == 1:
        return DataError(
            _("a test part with both labels, or none"),
            _("only {label}", label=parts[TEST].pop()),
            _("Complete it."),
        )
    return None


def _place(child: str) -> float:
    """0..1, even over children."""
    return int(hashlib.sha256(child.encode()).hexdigest()[:8], 16) / 16**8


def _told(entries: Sequence[Candidate], label: str) -> str:
    own = [entry for entry in entries if entry.label == label]
    num_children = len({entry.patient for entry in own})
    words = N_("{n} {label} (1 child)") if num_children == 1 else N_("{n} {label} ({m} children)")
    return _(words, n=len(own), label=label, m=num_children)
