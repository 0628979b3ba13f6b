"""Several runs of one training: how much do chance and the choice of patients matter?

A job may ask for more seeds and for a cross-validation. Run 0 of both is the training as the
retraining set divides it. Of the runs of that division (fold 0), one for each seed, the one with
the highest AUROC on the validation becomes the version; the test split is not looked at for that
choice. The other folds become nothing: with all runs they only tell how far such figures scatter,
in the card of the version under `repeats`. They validate on children of the set's training part,
so they cannot start from weights that may have learned from these, such as the champion's.
"""

import shutil
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from model import metrics
from model.bundle import Bundle, open_bundle, write_card
from model.errors import ConfigError
from model.language import _
from model.nn.recipe import FRESH as FRESH
from model.training.job_host import BUNDLE
from model.training.job_store import JobSpec

MOST = 10  # folds, and seeds
FOLDS = (1, *range(3, MOST + 1))  # of two the second would train on the validation alone
RUNS = "runs"  # in a job's folder: a folder for each run, where there are several


@dataclass(frozen=True)
class Run:
    """One training of a job. fold: see `model.nn.dataset.turned`, 0 is the set's own division."""

    fold: int
    seed: int

    def __str__(self) -> str:
        return f"fold {self.fold}, seed {self.seed}"


Train = Callable[[Run], object]
# Does all of these runs with a function that does one; gives those that failed, and why.
Many = Callable[[Sequence[Run], Train], Mapping[Run, Exception]]


class WorkerLost(Exception):
    """Who did a run is gone; another one may go on with it."""


def of(spec: JobSpec) -> list[Run]:
    """All runs that a job asks for, at least one.

    Raises ConfigError for a number out of range, for a protocol that trains on films of the locked
    test set, and for folds whose start has seen the children whom they are judged on.
    """
    from model.nn.recipe import recipe

    chosen = recipe(spec.config, spec.settings())
    if chosen.protocol != "official":
        raise ConfigError(
            _("protocol=official, which leaves the locked test set alone"),
            f"protocol={chosen.protocol}",
            _("Choose another config, and no protocol among the settings."),
        )
    if spec.folds not in FOLDS or spec.seeds not in range(1, MOST + 1):
        raise ConfigError(
            _("1 fold or 3 to {n}, and 1 to {n} seeds", n=MOST),
            _("{folds} folds, {seeds} seeds", folds=spec.folds, seeds=spec.seeds),
            _("Correct the numbers."),
        )
    if spec.folds > 1 and chosen.init not in FRESH:
        raise ConfigError(
            _("init=scratch or init=imagenet for a cross-validation"),
            f"init={chosen.init}",
            _(
                "Other weights have learned from children whom the folds are judged on, which "
                "would make the figures too good. Choose another start, or 1 fold."
            ),
        )
    seeds = [Run(0, chosen.seed + number) for number in range(spec.seeds)]
    return [*seeds, *(Run(fold, chosen.seed) for fold in range(1, spec.folds))]


def place(folder: Path, run: Run) -> Path:
    """Where in a job's folder one of several runs keeps what it writes."""
    return folder / RUNS / f"{run.fold}-{run.seed}"


def one_after_another(todo: Sequence[Run], train: Train) -> Mapping[Run, Exception]:
    """A single training already uses all of a computer."""
    left = Left(todo)
    left.pull(train)
    return left.failed


class Left:
    """Runs that are still to be done, for several who pull from it at the same time."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs, self._busy = deque(runs), 0
        self._changed = threading.Condition()
        self.failed: dict[Run, Exception] = {}

    def pull(self, train: Train, is_helper: bool = False) -> None:
        """Does one run after another; what fails is noted, and the others are done all the same.

        A helper ends when nothing is left, and when it is lost: then it gives its run back. Who is
        none waits until the helpers have ended theirs, and does what they have given back.
        """
        while (run := self._take(waits=not is_helper)) is not None:
            try:
                train(run)
            except WorkerLost:
                self._end(run, is_back=True)
                return
            except Exception as error:
                print(f"{run} failed: {error}\n", end="", flush=True)
                self.failed[run] = error
            self._end(run)

    def _take(self, waits: bool) -> Run | None:
        with self._changed:
            while waits and self._busy and not self._runs:
                self._changed.wait()
            if not self._runs:
                return None
            self._busy += 1
            return self._runs.popleft()

    def _end(self, run: Run, is_back: bool = False) -> None:
        with self._changed:
            if is_back:
                self._runs.append(run)
            self._busy -= 1
            self._changed.notify_all()


def settle(folder: Path, runs: Sequence[Run]) -> Bundle:
    """Makes the version of a job of the runs that are all finished; the others stay where they are.

    It is one of fold 0, see above. Its card, which comes to hold the figures of all, and then its
    folder are put in their place whole, so this may be done again.
    """
    bundles = {run: open_bundle(place(folder, run) / BUNDLE) for run in runs}
    aurocs = {run: _validation_auroc(bundle) for run, bundle in bundles.items()}
    best = max((run for run in runs if run.fold == 0), key=aurocs.__getitem__)
    repeats = [
        {"fold": run.fold, "seed": run.seed, "validation_auroc": round(aurocs[run], 4)}
        for run in runs
    ]
    chosen = bundles[best]
    write_card(replace(chosen, training={**chosen.training, "repeats": repeats}))
    shutil.rmtree(folder / BUNDLE, ignore_errors=True)
    chosen.folder.rename(folder / BUNDLE)
    print(f"The version is that of {best}", flush=True)
    return open_bundle(folder / BUNDLE)


def _validation_auroc(bundle: Bundle) -> float:
    labels = bundle.evaluations["validation"].labels
    return metrics.auroc(labels, bundle.probabilities("validation")).value
