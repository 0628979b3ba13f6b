"""Settings, read once from the environment and frozen."""

import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    """What an installation may set.

    home: runtime data (`XRAY_HOME`); git-ignored, `.data/` beside the code unless set.
    bundle: folder of a model version (`XRAY_BUNDLE`) that is served whatever is promoted, see
        model/versions/champion.py; else the shipped one.
    data: folder of the labelled X-rays, `train/` and `test/` (`XRAY_DATA`), for showing some of
        them on the Performance page; None shows none.
    database_url: PostgreSQL (`XRAY_DATABASE_URL`, such as postgresql://user:password@host/name);
        None is SQLite, `pneumoscope.sqlite` in the home.
    folders: folders of the server whose X-rays clinicians may read as a worklist (`XRAY_FOLDERS`,
        several separated by a colon as in PATH); none unless set.
    mlflow_url: an MLflow server for training runs and model versions (`XRAY_MLFLOW_URL`, such as
        http://gpu-box:5000); None keeps them in the home.
    max_file_bytes, max_pixels: limits on one uploaded file.
    """

    home: Path
    bundle: Path
    data: Path | None = None
    database_url: str | None = field(default=None, repr=False)  # may hold a password
    folders: tuple[Path, ...] = ()
    mlflow_url: str | None = field(default=None, repr=False)  # may hold a password
    max_file_bytes: int = 50 * 1024 * 1024
    max_pixels: int = 64 * 1000 * 1000


@cache
def settings() -> Settings:
    """The settings of this process."""
    folders = filter(None, os.environ.get("XRAY_FOLDERS", "").split(os.pathsep))
    return Settings(
        home=Path(os.environ.get("XRAY_HOME", ROOT / ".data")),
        bundle=Path(os.environ.get("XRAY_BUNDLE", ROOT / "model" / "weights")),
        data=Path(os.environ["XRAY_DATA"]) if os.environ.get("XRAY_DATA") else None,
        database_url=os.environ.get("XRAY_DATABASE_URL") or None,
        folders=tuple(map(Path, folders)),
        mlflow_url=os.environ.get("XRAY_MLFLOW_URL") or None,
    )
