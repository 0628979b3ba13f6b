"""python -m model retraining-set ...: freezes labelled X-rays and reviews from the command line."""

import sys
from pathlib import Path

from model.retraining.manifest import LABELS, SPLITS


def freeze(data: Path, name: str) -> int:
    """Freezes a set, says what was left out and why, and prints the set's hash last."""
    from rich.console import Console
    from rich.progress import Progress

    from model.people.access import COMMAND_LINE
    from model.retraining import retraining_set  # SQLAlchemy takes a second

    with Progress(console=Console(stderr=True)) as progress:
        looking = progress.add_task("Looking at the X-rays", total=1)
        writing = progress.add_task("Writing the set", total=1)
        found = retraining_set.propose(
            COMMAND_LINE, data, lambda share: progress.update(looking, completed=share)
        )
        for kind in ("conflicts", "waiting", "refused", "bad"):
            for left in getattr(found, kind):
                progress.console.print(f"{left.file}: {left.reason}", markup=False, soft_wrap=True)
        frozen = retraining_set.freeze(
            COMMAND_LINE, found, name, lambda share: progress.update(writing, completed=share)
        )
    if found.warning:
        print(found.warning, file=sys.stderr)
    for split in SPLITS:
        here = [entry for entry in found.entries if entry.split == split]
        counts = [f"{sum(e.label == label for e in here)} {label}" for label in LABELS]
        print(f"{split:<12}{', '.join(counts)}")
    print(frozen.sha256)
    return 0
