"""The images that readers have ticked "keep for retraining": pixels only, never the uploaded file.

An image is kept as an 8-bit grey PNG of what `XRay.display` shows, which is what the network reads,
in `XRAY_HOME/images/aa/SHA.png`, named by the SHA-256 of the uploaded content. It holds no text or
metadata; a name that is burned into the pixels stays in them, so the reader looks before ticking.

All or nothing, wherever the process is killed: the file is written to `images/staged/` in the
transaction that records it and moved to its place after the commit; `recover` ends what was
begun. Servers that share a database must share the home folder too.
"""

import contextlib
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from model import store
from model.config import settings
from model.errors import InputError, StoreError, plain_faults
from model.files import sync, write_whole
from model.language import N_, _
from model.people import audit
from model.people.access import Actor, require
from model.tables import kept_images
from model.xray import XRay

FAULTY = N_("Kept image {number}: {fault}. Restore it or delete it.")
STRAY = N_("Image file {number} is in no record. Delete it on the Admin page.")


@dataclass(frozen=True)
class KeptImage:
    """One image that is kept. image_sha256: of the uploaded content. time: UTC."""

    image_sha256: str
    time: str
    reader: str
    width_px: int
    height_px: int
    num_bytes: int


@dataclass(frozen=True)
class Deletion:
    """The record of an image that was kept and deleted. time: UTC."""

    image_sha256: str
    time: str
    admin: str
    reason: str


def keep(connection: Connection, actor: Actor, xray: XRay, review_id: int) -> None:
    """Stages the film and records it, in the transaction of its review; then call `recover`.

    Nothing happens if it is kept already. Raises StoreError when it cannot be written.
    """
    require(actor, "clinician")
    sha256 = _checked(xray.sha256)
    if _is_kept(_last(connection, sha256).get(sha256)):
        return
    png = cv2.imencode(".png", xray.display())[1].tobytes()
    with _disk():
        write_whole(_staged(sha256), lambda path: path.write_bytes(png))
        sync(_staged(sha256).parent)
    height, width = xray.pixels.shape
    values = {"width_px": width, "height_px": height, "review_id": review_id}
    _record(connection, sha256, "kept", actor, hashlib.sha256(png).hexdigest(), **values)


def kept(actor: Actor) -> list[KeptImage]:
    """All images that are kept, newest first; for a clinician."""
    require(actor, "clinician")
    recover()
    with store.reading() as connection:
        rows = sorted(_last(connection).values(), key=lambda row: -row.id)
    return [
        KeptImage(row.image_sha256, row.time, row.actor, row.width_px, row.height_px, _size(row))
        for row in rows
        if _is_kept(row)
    ]


def film(actor: Actor, image_sha256: str) -> np.ndarray:
    """The kept film (H, W) uint8; for a clinician.

    Raises InputError when it is not kept, StoreError when its file is gone or damaged.
    """
    require(actor, "clinician")
    if _staged(_checked(image_sha256)).exists():
        recover()
    with store.reading() as connection:
        row = _last(connection, image_sha256).get(image_sha256)
    if row is None or not _is_kept(row):
        raise InputError(
            _("an image that is kept"), _("another one"), _("Choose one from the list.")
        )
    shown = cv2.imread(str(path_of(image_sha256)), cv2.IMREAD_GRAYSCALE)
    fault = _fault(row)
    if fault or shown is None:
        raise StoreError(_("the file of a kept image"), fault, _("Restore it from a backup."))
    return shown


def path_of(image_sha256: str) -> Path:
    """Where the PNG of a kept image is."""
    return _folder() / image_sha256[:2] / f"{_checked(image_sha256)}.png"


def delete(actor: Actor, image_sha256: str, reason: str) -> None:
    """Deletes the image, or a file that no record knows; by an admin. The record of it stays."""
    require(actor, "admin")
    sha256, reason = _checked(image_sha256), reason.strip()
    if not reason:
        raise InputError(_("a reason for the deletion"), _("none"), _("Type why it is deleted."))
    recover()
    with store.writing() as connection:
        if not _is_kept(_last(connection).get(sha256)) and not path_of(sha256).exists():
            raise InputError(
                _("an image that is kept"), _("another one"), _("Choose one from the list.")
            )
        _record(connection, sha256, "deleted", actor, reason=store.text(reason))
        audit.append(connection, actor.name, "image deleted", sha256, reason=reason)
    recover()


def deletions(actor: Actor) -> list[Deletion]:
    """All deletions, newest first; for a clinician."""
    require(actor, "clinician")
    chosen = kept_images.select().where(kept_images.c.event == "deleted")
    with store.reading() as connection:
        rows = connection.execute(chosen.order_by(kept_images.c.id.desc())).all()
    return [Deletion(row.image_sha256, row.time, row.actor, row.reason) for row in rows]


def recover() -> None:
    """Ends what a killed process had begun: moves or removes staged files, removes deleted ones."""
    with store.reading() as connection:
        gone = _deleted_with_file(connection)
    if not gone and not any(_listed(_folder() / "staged")):
        return
    with store.writing() as connection, _disk():  # so nobody is staging now
        last = _last(connection)
        for staged in _listed(_folder() / "staged"):
            row = last.get(staged.stem)
            if row is not None and _is_kept(row) and _hash(staged) == row.png_sha256:
                place = path_of(staged.stem)
                place.parent.mkdir(parents=True, exist_ok=True)
                staged.replace(place)
                sync(place.parent)
            else:  # its review was never stored, or it is half a file
                staged.unlink()
        for sha256 in _deleted_with_file(connection):
            path_of(sha256).unlink()


def check() -> list[str]:
    """What does not fit between records and files, one sentence each; [] if all does."""
    recover()
    with store.writing() as connection:  # nobody adds or deletes while both are listed
        last = _last(connection)
        files = {file.stem for file in _folder().glob("[0-9a-f][0-9a-f]/*")}
    problems = []
    for sha256, row in last.items():
        fault = _fault(row) if _is_kept(row) else ""
        if fault:
            problems.append(_(FAULTY, number=sha256[:12], fault=fault))
    for stem in sorted(files - {sha256 for sha256, row in last.items() if _is_kept(row)}):
        problems.append(_(STRAY, number=stem[:12]))
    return problems


def _record(
    connection: Connection, sha256: str, event: str, actor: Actor, png: str = "", **values: Any
) -> None:
    fixed = {"time": store.now(), "image_sha256": sha256, "event": event, "actor": actor.name}
    row = {**fixed, "reason": "", "png_sha256": png, **values}
    connection.execute(kept_images.insert().values(**row))


def _last(connection: Connection, image_sha256: str | None = None) -> dict[str, "Row[Any]"]:
    """The last event of each image, or of one."""
    chosen = kept_images.select().order_by(kept_images.c.id)
    if image_sha256 is not None:
        chosen = chosen.where(kept_images.c.image_sha256 == image_sha256)
    return {row.image_sha256: row for row in connection.execute(chosen)}


def _is_kept(row: "Row[Any] | None") -> bool:
    return row is not None and row.event == "kept"


def _deleted_with_file(connection: Connection) -> list[str]:
    newest = sa.select(sa.func.max(kept_images.c.id)).group_by(kept_images.c.image_sha256)
    chosen = sa.select(kept_images.c.image_sha256).where(
        kept_images.c.event == "deleted", kept_images.c.id.in_(newest)
    )
    return [sha for sha in connection.execute(chosen).scalars() if path_of(sha).exists()]


def _fault(row: "Row[Any]") -> str:
    try:
        found = _hash(path_of(row.image_sha256))
    except OSError:
        return _("its file is missing")
    return "" if found == row.png_sha256 else _("its file was changed")


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(row: "Row[Any]") -> int:
    path = path_of(row.image_sha256)
    return path.stat().st_size if path.exists() else 0


def _folder() -> Path:
    return settings().home / "images"


def _staged(sha256: str) -> Path:
    return _folder() / "staged" / f"{sha256}.png"


def _listed(folder: Path) -> list[Path]:
    """Also the temporary files that a killed `write_whole` leaves."""
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _checked(sha256: str) -> str:
    if not re.fullmatch("[0-9a-f]{64}", sha256):  # it becomes a path
        raise InputError(
            _("the SHA-256 of an image"), _("something else"), _("Choose one from the list.")
        )
    return sha256


def _disk() -> contextlib.AbstractContextManager[None]:
    return plain_faults(
        _("a folder for kept images that can be written"),
        _("Nothing was stored. Free some disk space or give the server the right to write."),
    )
