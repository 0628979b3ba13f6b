"""Kills a process at every step of adding a review with its film, and of deleting the film.

A step is before a statement of the database that writes, before a commit, before a change of a
file or folder, and at half of a file's content: between any two writes, so to say. For each a child
is forked that dies there; then it is looked at what is left.
Prints {"add" | "delete": ["nothing" | "all" | what is wrong, for each step], "problems": [...]}.
"""

import itertools
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from model import store
from model.clinic import kept_images, reviews
from model.clinic.reviews import Review
from model.config import settings
from model.people import audit
from model.xray import XRay
from tests.model.review_cases import ADMIN, ANN, film, review

DIED = 7


def die_at(step: int) -> None:
    """Has this process exit at once at this step from now."""
    left = step

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os._exit(DIED)

    def before(name: str) -> None:
        original = getattr(os, name)

        def counted(*arguments: Any, **options: Any) -> Any:
            count()
            return original(*arguments, **options)

        setattr(os, name, counted)

    def write_bytes(path: Path, data: bytes) -> None:
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
            file.flush()
            count()
            file.write(data[len(data) // 2 :])

    def execute(_: Any, __: Any, statement: str, *___: Any) -> None:
        if not statement.lstrip().upper().startswith(("SELECT", "PRAGMA", "BEGIN", "SET")):
            count()

    Path.write_bytes = write_bytes
    for name in ("fsync", "replace", "unlink", "mkdir"):
        before(name)
    sa.event.listen(sa.Engine, "before_cursor_execute", execute)
    sa.event.listen(sa.Engine, "commit", lambda _: count())


def dies(step: int, act: Callable[[], Any]) -> bool:
    """Whether a child that does it dies at this step; else it has come to the end."""
    store.close()  # a connection must not be shared with a child
    child = os.fork()
    if child == 0:
        die_at(step)
        act()
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, DIED), status
    return status == DIED


def left_of_review(image: str) -> str:
    """What there is of a review, the record of its film and the film."""
    is_kept = image in [one.image_sha256 for one in kept_images.kept(ANN)]
    found = {is_kept, kept_images.path_of(image).exists(), len(reviews.history(ANN, image)) == 1}
    if any((settings().home / "images" / "staged").glob("*")):
        return "a file in between"
    return {True: "all", False: "nothing"}[found.pop()] if len(found) == 1 else "half"


def add() -> Iterator[str]:
    for step in itertools.count(1):
        xray = film(step)
        given = review(image_sha256=xray.sha256)

        def act(xray: XRay = xray, given: Review = given) -> None:
            reviews.add(ANN, given, given.image_sha256, xray)

        died = dies(step, act)
        yield left_of_review(xray.sha256)
        act()  # the reader sends it again: as if nothing had happened
        if left_of_review(xray.sha256) != "all":
            yield "not whole after a second try"
        if (kept_images.film(ANN, xray.sha256) != xray.pixels).any():
            yield "another film"
        if not died:
            return


def left_of_deletion(image: str) -> str:
    done = (
        image not in [one.image_sha256 for one in kept_images.kept(ANN)],
        not kept_images.path_of(image).exists(),
        image in [one.image_sha256 for one in kept_images.deletions(ANN)],
        image in [entry.subject for entry in audit.entries(ADMIN)],
    )
    return {True: "all", False: "nothing"}[done[0]] if len(set(done)) == 1 else "half"


def delete() -> Iterator[str]:
    audit.record("ann", "signed in")  # from the second on, all take as many steps
    for step in itertools.count(1):
        xray = film(1000 + step)
        reviews.add(ANN, review(image_sha256=xray.sha256), xray.sha256, xray)
        died = dies(step, lambda image=xray.sha256: kept_images.delete(ADMIN, image, "asked for"))
        yield left_of_deletion(xray.sha256)
        if not died:
            return


if __name__ == "__main__":
    store.description()  # the tables are there
    found = {"add": list(add()), "delete": list(delete())}
    json.dump({**found, "problems": kept_images.check() + audit.check()}, sys.stdout)
