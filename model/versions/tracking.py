"""Training runs in MLflow: settings, figures of each epoch, and the bundle with all beside it.

By default MLflow keeps them in a SQLite file and a folder below `mlflow` in the home; with
`XRAY_MLFLOW_URL` on a server, which is how a GPU host elsewhere hands back what it has trained.

MLflow takes more than a second to import: it is imported inside, and no page needs it to read.
"""

import contextlib
import logging
import math
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model import metrics
from model.bundle import Bundle
from model.config import settings
from model.errors import StoreError
from model.files import is_full
from model.language import _

if TYPE_CHECKING:
    from mlflow import MlflowClient

NAME = "pneumoscope"  # of the experiment and of the registered model
BUNDLE = "bundle"  # the folder among a run's artifacts
CHAMPION, CHALLENGER = "champion", "challenger"
_FILE = "mlflow.db"  # without a server
_DONE = "epochs_done"
_BATCH = 900  # metrics in one request; the server takes 1000
_MAX_VALUE = 6000  # characters of a parameter
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_CONFIGURE_LOGGING": "0",
    # A page that asks a server that is away says so within seconds, not after minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "6",
}
_PATIENT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
_log = logging.getLogger(__name__)


@contextlib.contextmanager
def asked() -> Iterator["MlflowClient"]:
    """A client of the tracking server; whatever it raises leaves here as a StoreError."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError:
        raise StoreError(
            _("the package mlflow"), _("none"), _("Run `pip install mlflow`.")
        ) from None
    try:
        yield _client(_address())
    except (MlflowException, SQLAlchemyError, OSError) as error:
        _log.warning("MLflow: %s", error)
        problem = StoreError("an answer of MLflow", *_received(error))
    else:
        return
    raise problem from None


def _received(error: Exception) -> tuple[str, str]:
    """What happened and what to do. MLflow's own words hold addresses and paths: not shown."""
    said = str(error).lower()
    if is_full(error):
        return _("its disk is full"), _("Free some space there, then try again.")
    if getattr(error, "error_code", "") in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
        todo = _("Correct MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, then try again.")
        return _("it refuses the sign-in"), todo
    if "500 error" in said or "error code 500" in said:
        todo = _("Look into its log, free some space there, then try again.")
        return _("a fault of its server, whose disk may be full"), todo
    if settings().mlflow_url:
        return (
            _("none that can be used"),
            _(
                "Readings go on. Check that MLflow and the tunnel to it run and that "
                "XRAY_MLFLOW_URL is right, then try again."
            ),
        )
    code = getattr(error, "error_code", type(error).__name__)
    todo = _("Check the folder of runtime data and its rights, then try again.")
    return _("a fault ({kind})", kind=code), todo


def _address() -> str:
    url = settings().mlflow_url
    if url:
        return url
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{folder / _FILE}"


def _folder() -> Path:
    return (settings().home / "mlflow").resolve()


@cache
def _client(address: str) -> "MlflowClient":
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if not settings().mlflow_url:
        _settle_in(_folder())
    return MlflowClient(address, address)


def _settle_in(folder: Path) -> None:
    """Has MLflow look where its files are: it notes whole addresses, and a home may be moved."""
    now = (folder / "artifacts").as_uri()
    if not (folder / _FILE).exists():
        return
    try:
        with contextlib.closing(sqlite3.connect(folder / _FILE)) as database, database:
            asked = "SELECT artifact_location FROM experiments WHERE name = ?"
            before = next(iter(database.execute(asked, (NAME,)).fetchone() or ()), now)
            if before == now:
                return
            said = "UPDATE experiments SET artifact_location = ? WHERE name = ?"
            database.execute(said, (now, NAME))
            said = "UPDATE runs SET artifact_uri = replace(artifact_uri, ?, ?)"
            database.execute(said, (f"{before}/", f"{now}/"))
    except sqlite3.Error as error:  # MLflow will say it, if it lasts
        _log.warning("MLflow's files may be elsewhere: %s", error)


def check() -> str:
    """Where runs and versions are kept, in words; answers within seconds.

    Raises StoreError for one that does not answer to this computer.
    """
    if not settings().mlflow_url and not (_folder() / _FILE).exists():
        return "begins with the first training, in the folder of runtime data"
    with asked() as client:
        client.search_registered_models(max_results=1)
    place = "the server of XRAY_MLFLOW_URL" if settings().mlflow_url else "files here"
    return f"{place} can be used from here"


def be_patient() -> None:
    """From now on this process, in which nobody waits for a page, gives MLflow more time."""
    os.environ.update(_PATIENT)


def start_run(job_id: str, params: Mapping[str, Any], run_id: str = "") -> str:
    """A run of a training that begins, or of one that goes on, whose `run_id` is given.

    Returns its id, or `run_id` while MLflow is down, which ends no training.
    """
    try:
        with asked() as client:
            if not run_id:
                return _create(client, job_id, params)
            client.update_run(run_id, status="RUNNING")
    except Exception as error:
        _log.warning("This training is not tracked from its start: %s", error)
    return run_id


def log_epoch(run_id: str, line: Mapping[str, Any]) -> None:
    """The figures of one epoch, as far as MLflow takes them now; `hand_over` adds what is missing.

    line: what model/nn/run_log.py prints.
    """
    if not run_id:
        return
    try:
        with asked() as client:
            done = int(client.get_run(run_id).data.metrics.get(_DONE, 0))
            _log_metrics(client, run_id, [(done, {**line, _DONE: done + 1})])
    except Exception as error:
        _log.warning("An epoch is not tracked yet: %s", error)


def end_run(run_id: str, status: str) -> None:
    """Marks a run that leaves no bundle as "FAILED" or "KILLED", if MLflow answers.

    One that has ended stays as it is: a training may be killed after its version was taken.
    """
    if not run_id:
        return
    try:
        with asked() as client:
            if client.get_run(run_id).info.status == "RUNNING":
                client.set_terminated(run_id, status)
    except Exception as error:
        _log.warning("The end of a training is not tracked: %s", error)


def finish(
    client: "MlflowClient", run_id: str, bundle: Bundle, job_id: str, curves: Sequence[Any]
) -> str:
    """Brings a run to its end: all curves, the figures of the test split, the bundle; its id.

    A run that does not exist, because MLflow was down or is another one now, is made.
    """
    run = _run(client, run_id) or _begun(client, job_id)
    run_id = (
        run.info.run_id if run else _create(client, job_id, bundle.training.get("recipe") or {})
    )
    done = run.data.metrics.get(_DONE, 0) if run else 0
    if done != len(curves):
        lines = [(i, {**line, _DONE: i + 1}) for i, line in enumerate(curves)]
        _log_metrics(client, run_id, lines)
    _log_metrics(client, run_id, [(len(curves), _figures(bundle))])
    for path in sorted([*bundle.folder.glob("*"), *bundle.folder.glob("comparison/*")]):
        if path.is_file() and not path.name.startswith("."):
            below = path.parent.relative_to(bundle.folder)
            client.log_artifact(run_id, str(path), (Path(BUNDLE) / below).as_posix())
    client.set_terminated(run_id, "FINISHED")
    return run_id


def fetch(client: "MlflowClient", run_id: str, to: Path) -> Path:
    """The folder with the bundle of a run: where it lies, or downloaded below `to`."""
    if not settings().mlflow_url:
        # Not by the address in the database: the home may have been moved since.
        return _folder() / "artifacts" / run_id / "artifacts" / BUNDLE
    return Path(client.download_artifacts(run_id, BUNDLE, str(to)))


def _create(client: "MlflowClient", job_id: str, params: Mapping[str, Any]) -> str:
    from mlflow.entities import Param

    found = client.get_experiment_by_name(NAME)
    place = None if settings().mlflow_url else (_folder() / "artifacts").as_uri()
    experiment = found.experiment_id if found else client.create_experiment(NAME, place)
    run = client.create_run(experiment, run_name=_name(job_id), tags={"job_id": job_id})
    run_id: str = run.info.run_id
    told = [Param(str(key), str(value)[:_MAX_VALUE]) for key, value in params.items()]
    client.log_batch(run_id, params=told)
    return run_id


def _name(job_id: str) -> str:
    return f"job {job_id}" if job_id else "shipped"


def _begun(client: "MlflowClient", job_id: str) -> Any:
    """The run that an earlier attempt at `finish` has left unfinished; None if there is none."""
    if not (found := client.get_experiment_by_name(NAME)):
        return None
    named = f"attributes.run_name = '{_name(job_id)}' and attributes.status != 'FINISHED'"
    return next(iter(client.search_runs([found.experiment_id], named, max_results=1)), None)


def _run(client: "MlflowClient", run_id: str) -> Any:
    from mlflow.exceptions import MlflowException

    if not run_id:
        return None
    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def _log_metrics(
    client: "MlflowClient", run_id: str, lines: Sequence[tuple[int, Mapping[str, Any]]]
) -> None:
    """lines: step and figures; what is no finite number is left out."""
    from mlflow.entities import Metric

    now = int(1000 * time.time())
    found = [
        Metric(name, float(value), now, step)
        for step, line in lines
        for name, value in line.items()
        if isinstance(value, int | float) and math.isfinite(value)
    ]
    for start in range(0, len(found), _BATCH):
        client.log_batch(run_id, metrics=found[start : start + _BATCH])


def _figures(bundle: Bundle) -> dict[str, Any]:
    """Of the locked test set, at the default operating point."""
    if "test" not in bundle.evaluations:
        return {}
    test, threshold = bundle.evaluations["test"], bundle.operating_point().threshold
    told = metrics.figures(test.labels, bundle.probabilities("test"), threshold, test.patients)
    return {f"test_{name}": value for name, value in told.items()}
