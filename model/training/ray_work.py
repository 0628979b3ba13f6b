"""python -m model.training.ray_work JOB: lays out the job's folder on a Ray cluster, works.

The folder is below `XRAY_HOME`, else below `.pneumoscope` in the home of who started Ray there, and
stays between attempts: a retry goes on after the last finished epoch.
"""

import json
import os
import shutil
import sys
import traceback
from functools import partial
from pathlib import Path
from typing import BinaryIO

from model.bundle import sha256_of
from model.errors import DataError
from model.files import write_whole
from model.language import _
from model.training import job_work
from model.training.job_host import CHAMPION, FILMS, SPEC
from model.training.job_store import JobSpec
from model.training.ray_package import HASH, JOB, PIECE


def main(job_id: str) -> int:
    """Exit status as of `job_work.work`; its result is the last line that is printed."""
    from model.training import ray_runs

    folder = folder_of(job_id)
    try:
        lay_out(Path(JOB), folder)
        status = job_work.work(folder, partial(ray_runs.shared, job_id))
    except Exception as error:  # as in job_work, whose result may find no room on the disk
        traceback.print_exc()
        result = {"error": type(error).__name__, "message": job_work.why(error)}
        print(json.dumps({"result": result}), flush=True)
        return job_work.FAILED
    if status == 0:
        (folder / FILMS).unlink(missing_ok=True)  # the largest; the bundle is small
    return status


def folder_of(job_id: str) -> Path:
    """Where this computer keeps the files of a job."""
    home = os.environ.setdefault("XRAY_HOME", str(Path.home() / ".pneumoscope"))
    return Path(home).resolve() / "jobs" / job_id


def lay_out(job: Path, folder: Path) -> None:
    """Puts what has travelled into the job's folder, where it is not there already."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(job / SPEC, folder / SPEC)
    shutil.copytree(job / CHAMPION, folder / CHAMPION, dirs_exist_ok=True)
    sha256 = (job / HASH).read_text()
    films = folder / FILMS
    if films.exists() and sha256_of(films) == sha256:
        return
    write_whole(films, lambda path: _fetch(path, job))
    if sha256_of(films) != sha256:
        films.unlink()
        raise DataError(
            _("the films of the retraining set"),
            _("others"),
            _("Copy films.zip of that set to XRAY_RAY_DATA on the GPU host again, then retry."),
        )


def _fetch(target: Path, job: Path) -> None:
    pieces = sorted(
        (path for top in set(sys.path) for path in Path(top).glob(f"{PIECE}*/piece")),
        key=lambda path: path.parent.name,
    )
    with target.open("wb") as file:
        for piece in pieces or [_on_host(job)]:
            _append(piece, file)


def _append(piece: Path, file: BinaryIO) -> None:
    with piece.open("rb") as source:
        shutil.copyfileobj(source, file)


def _on_host(job: Path) -> Path:
    """The films of a large set, which somebody has copied there."""
    name = f"{JobSpec.parse(json.loads((job / SPEC).read_text())).set_sha256}.zip"
    path = Path(os.environ["XRAY_RAY_DATA"]) / name
    if not path.is_file():
        raise DataError(
            _("{name} in the folder XRAY_RAY_DATA of the GPU host", name=name),
            _("none"),
            _("Copy films.zip of the set there under that name, then retry."),
        )
    return path


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
