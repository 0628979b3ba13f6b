"""What travels to a Ray cluster with a job: the code, its folder's small files, the films.

Ray takes at most 100 MiB in one request, so the films are cut into pieces, each a package of its
own, which `model.training.ray_work` joins again there.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from model.bundle import sha256_of
from model.config import ROOT
from model.errors import DataError
from model.language import _
from model.training.job_host import CHAMPION, FILMS, SPEC
from model.training.job_store import JobSpec

PIECE_BYTES = 64 * 1024**2
TRAVEL_BYTES = 1024**3  # the head of the cluster holds them in memory
JOB, PIECE, HASH = "job", "films_", "films.sha256"
_LEFT_HERE = shutil.ignore_patterns("weights", "__pycache__", ".*")


def copy_code(target: Path) -> None:
    """The package `model` without its weights, and the samples by which a version is judged."""
    for folder in ("model", "assets/samples"):
        shutil.copytree(ROOT / folder, target / folder, ignore=_LEFT_HERE)


@contextmanager
def packed(folder: Path) -> Iterator[dict[str, Any]]:
    """The folder of a job as `runtime_env` of Ray, as long as it is uploaded.

    Films over TRAVEL_BYTES stay here and are looked for on the host in the folder XRAY_RAY_DATA.
    Raises DataError when that is not set.
    """
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        code = top / "code"
        copy_code(code)
        (code / JOB).mkdir()
        shutil.copyfile(folder / SPEC, code / JOB / SPEC)
        shutil.copytree(folder / CHAMPION, code / JOB / CHAMPION)
        (code / JOB / HASH).write_text(sha256_of(folder / FILMS))
        pieces = _pieces(folder, top)
        yield {"working_dir": str(code), **({"py_modules": pieces} if pieces else {})}


def _pieces(folder: Path, top: Path) -> list[str]:
    size = (folder / FILMS).stat().st_size
    if size > TRAVEL_BYTES:
        _expect_on_host(folder, size)
        return []
    pieces: list[str] = []
    with (folder / FILMS).open("rb") as films:
        while data := films.read(PIECE_BYTES):
            # Ray unpacks each package into a folder of its own, whose name is its hash.
            piece = top / f"{PIECE}{len(pieces):04d}"
            piece.mkdir()
            (piece / "piece").write_bytes(data)
            pieces.append(str(piece))
    return pieces


def _expect_on_host(folder: Path, size: int) -> None:
    if os.environ.get("XRAY_RAY_DATA"):
        return
    sha256 = JobSpec.parse(json.loads((folder / SPEC).read_text())).set_sha256
    raise DataError(
        _("films of at most {n} MB, which travel with the training", n=TRAVEL_BYTES // 1024**2),
        f"{size // 1024**2} MB",
        _(
            "Copy films.zip of the set into a folder of the GPU host, as {sha256}.zip, and set "
            "XRAY_RAY_DATA to that folder.",
            sha256=sha256,
        ),
    )
