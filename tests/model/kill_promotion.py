"""Kills a process at every step of serving another version, and looks at what is left.

A step is as in tests/model/kill_review.py: before what writes to a file, a folder or a database.
For each a child is forked that dies there. Prints how many steps there were, and what is wrong.
"""

import itertools
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from model import audit, champion, registry, store, tracking
from model.access import Actor
from model.config import settings
from tests.model.kill_review import DIED, die_at
from tests.model.versions import epochs, write_version

ZOE = Actor("zoe", "admin")
FAILED = 8


def in_child(act: Callable[[], Any], step: int = 0) -> int:
    """The exit status of a child that does it, and dies at this step if one is given.

    All use of the databases is in children: no connection is shared.
    """
    child = os.fork()
    if child == 0:
        status = 0
        try:
            if step:
                die_at(step)
            act()
        except Exception as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            status = FAILED
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def begin(folder: Path) -> None:
    """A version that is served, and another one."""
    new = write_version(folder / "new", model_version="new")
    registry.hand_over("", new.folder, "job-1", epochs())


def look(step: int) -> None:
    """Raises unless one of the two is served, whole, and a look at the versions puts all right."""
    served = champion.look().open().model_version
    assert served in ("old", "new"), served
    versions = registry.versions()
    named = {one.model_version: one.aliases for one in versions}
    assert "champion" in named[served], (step, named)
    with tracking.asked() as client:
        alias = client.get_registered_model("pneumoscope").aliases["champion"]
    numbers = {one.model_version: one.number for one in versions}
    assert int(alias) == numbers[served], (step, alias)
    told = [e.subject for e in audit.entries(ZOE, 1000) if e.action.startswith("model version")]
    assert served == (told[0] if told else "old"), (step, told)
    left = [path.name for path in (settings().home / "versions").glob(".*")]
    assert left == [], (step, left)
    assert audit.check() == []


def back() -> None:
    """The old version is served, and no copy of the new one is here."""
    if registry.served_version() == "new":
        registry.rollback(ZOE, "old", "new")
    shutil.rmtree(champion.folder_of("new"), ignore_errors=True)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    os.environ.update(tracking._QUIET)
    # Imported once, not in each child; connected to nothing.
    import mlflow.store.model_registry.sqlalchemy_store
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
    import scipy.stats  # noqa: F401

    champion.SHIPPED = write_version(folder / "shipped", model_version="old").folder
    registry.PAUSES = ()
    assert in_child(store.description) == 0
    assert in_child(lambda: begin(folder)) == 0
    wrong = []
    for step in itertools.count(1):
        status = in_child(lambda: registry.promote(ZOE, "new", "old"), step)
        checked = in_child(lambda step=step: (look(step), back()))
        if checked or status not in (0, DIED):
            wrong.append({"step": step, "status": status, "checked": checked})
        if status != DIED:
            break
    json.dump({"steps": step, "wrong": wrong}, sys.stdout)
