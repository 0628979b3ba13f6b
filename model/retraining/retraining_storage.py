"""What retraining keeps on the disk of this server, and deleting of it what nothing needs.

Registered versions stay in MLflow whatever is deleted here, and are fetched anew when they are
served again. The version that is served, the one before it and the shipped one are never deleted.

A frozen set keeps its own copy of each film, and so does a job: of an image that an admin has
deleted `items` says where it still is.
"""

import contextlib
import json
import os
import shutil
import zipfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from model import store
from model.bundle import CARD
from model.clinic import kept_images
from model.config import settings
from model.errors import InputError, plain_faults
from model.language import _
from model.people import audit
from model.people.access import Actor, require
from model.retraining import manifest
from model.training import jobs
from model.training.job_host import BUNDLE, ENDED, FILMS, SUCCEEDED
from model.versions import champion

SET, JOB, VERSION, UPLOAD = KINDS = ("retraining set", "job", "version", "upload")
_FOLDERS = {SET: "retraining", JOB: "jobs", VERSION: champion.VERSIONS, UPLOAD: "uploads"}
_GONE = ".gone-"
_Key = tuple[str, str]  # kind and name


@dataclass(frozen=True)
class Item:
    """One folder or file. needed: in a sentence why it stays, "" for what may be deleted.

    num_deleted: how many images that an admin has deleted are still in it; set_name: then, what
    people call the retraining set that holds them.
    """

    kind: str
    name: str
    num_bytes: int
    needed: str
    num_deleted: int = 0
    set_name: str = ""


def items(actor: Actor) -> list[Item]:
    """Everything that retraining keeps here, by kind and name; for an admin.

    What still holds images that were deleted comes first.
    """
    require(actor, "admin")
    paths = {(kind, path.name): path for kind in KINDS for path in _paths(kind)}
    holding = _holding(actor, paths)
    needed = _needed(actor, holding)
    found = [
        Item(*key, _num_bytes(path), needed.get(key, ""), *holding.get(key, (0, "")))
        for key, path in paths.items()
    ]
    return sorted(found, key=lambda item: not item.num_deleted)


def delete(actor: Actor, kind: str, name: str, reason: str) -> None:
    """Deletes one for good; by an admin, for a reason, on record.

    Raises InputError for what is needed or not there, StoreError when the disk does not let it.
    """
    reason = store.text(reason).strip()
    if not reason:
        raise InputError(_("a reason for the deletion"), _("none"), _("Type why it is deleted."))
    found = {(item.kind, item.name): item for item in items(actor)}.get((kind, name))
    if found is None:
        raise InputError(
            _("something that is kept"), _("another name"), _("Choose it from the list.")
        )
    _check_free(found.needed)
    path = _folder(kind) / name
    gone = path.with_name(f"{_GONE}{name}")
    with plain_faults(
        _("a folder of runtime data that can be changed"),
        _("Correct the rights of the folder on the server, then delete it again."),
    ):
        _remove(gone)  # it may have been there before, and the process that deleted it killed
        try:
            # A promotion switches inside such a transaction: none does while this one is open.
            with store.writing() as connection:
                _check_free(_served().get((kind, name), ""))
                told = {"reason": reason, "num_bytes": found.num_bytes}
                audit.append(connection, actor.name, f"{kind} deleted", name, **told)
                path.rename(gone)  # at once: no half of it is ever used
        except BaseException:
            if gone.exists():  # not on record, so not deleted
                gone.rename(path)
            raise
        for left in path.parent.glob(f"{_GONE}*"):
            _remove(left)


def _check_free(needed: str) -> None:
    if needed:
        raise InputError(_("something that nothing needs"), needed, _("Nothing was deleted."))


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _paths(kind: str) -> Iterator[Path]:
    folder = settings().home / _FOLDERS[kind]
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if path.is_dir() != (kind == UPLOAD) and not path.name.startswith("."):
                yield path


def _holding(actor: Actor, paths: Mapping[_Key, Path]) -> dict[_Key, tuple[int, str]]:
    """How many deleted images sets and jobs hold, where they hold any, and the name of the set."""
    gone = {one.image_sha256 for one in kept_images.deletions(actor)}
    gone -= {one.image_sha256 for one in kept_images.kept(actor)}  # kept again, by another review
    found = {}
    for key, path in paths.items() if gone else ():
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError, zipfile.BadZipFile):
            # Not `manifest.read`: that a set was changed or is an older one does not matter here.
            with zipfile.ZipFile(path / FILMS) as archive:
                told = json.loads(archive.read(manifest.FILE))
            column = told["columns"].index("image_sha256")
            num = len(gone & {entry[column] for entry in told["entries"]})
            if num:
                found[key] = num, str(told["name"])
    return found


def _needed(actor: Actor, holding: Collection[_Key]) -> dict[_Key, str]:
    """holding: what holds deleted images; that a version came of it keeps none of these."""
    needed: dict[_Key, str] = {}
    served = champion.look()
    for job in jobs.jobs(actor):
        if job.state not in ENDED:
            needed[SET, job.spec.set_sha256] = _("job {id} trains with it", id=job.id)
            needed[JOB, job.id] = _("it has not ended")
        elif job.state != SUCCEEDED and (_folder(JOB) / job.id / BUNDLE / CARD).exists():
            needed[JOB, job.id] = _("it holds a finished network that the registry does not have")
        elif (
            served.model_version
            and job.model_version == served.model_version
            and (SET, job.spec.set_sha256) not in holding
        ):
            needed[SET, job.spec.set_sha256] = _("the version that is served was trained with it")
    return needed | _served()


def _served() -> dict[_Key, str]:
    """The copies of versions that readings may need."""
    served = champion.look()
    needed = {(VERSION, served.folder.name): _("it is served")}
    if served.previous:
        needed[VERSION, champion.folder_of(served.previous).name] = _(
            "it was served before, and is gone back to while the registry does not answer"
        )
    return needed


def _folder(kind: str) -> Path:
    return settings().home / _FOLDERS[kind]


def _num_bytes(path: Path) -> int:
    total = 0
    # Not `rglob`, which fails at a folder that a training removes meanwhile.
    inside = (Path(folder) / name for folder, _folders, names in os.walk(path) for name in names)
    for file in [path, *inside]:
        with contextlib.suppress(OSError):  # gone meanwhile
            total += 0 if file.is_dir() else file.stat().st_size
    return total
