"""A Ray cluster as a host of jobs: `XRAY_RAY_ADDRESS` is its job server, http://127.0.0.1:8265.

An attempt at a job is one Ray job, named JOB-ATTEMPT, so it is found again by its name alone. Code,
films and the served version travel with it (ray_package.py); its folder is on the GPU host,
where a retry goes on; the bundle comes back through the MLflow server.
"""

import contextlib
import json
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from model.config import settings
from model.errors import ConfigError, PneumoscopeError, StoreError
from model.files import write_whole
from model.language import N_, _
from model.training import ray_checks, runs
from model.training.job_host import (
    CANCELLED,
    ENDED,
    FAILED,
    LOG,
    LOST,
    QUEUED,
    RUNNING,
    SPEC,
    Check,
    Seen,
    seen_in_log,
)  # fmt: skip
from model.training.job_store import JobSpec
from model.training.ray_client import asked, details
from model.training.ray_package import packed

WORK = "python -m model.training.ray_work"
STOP_SECONDS = 15  # Ray kills after 3 what does not end by itself
_KILLED = (-9, -15, 137, 143)  # exit status by SIGKILL and SIGTERM, without and with a shell
# Ray gives each worker one thread unless it asks for processors; a training takes what is there.
_ENTRYPOINT = f"env -u OMP_NUM_THREADS {WORK}"

FORGOTTEN = N_(
    "The Ray cluster was started anew and no longer knows this training. Retry goes on after the "
    "last finished epoch."
)
_ENDED_OUTSIDE = N_(
    "The training was ended from outside, perhaps because the memory of the GPU host was full. "
    "Retry goes on after the last finished epoch."
)
_ANEW = N_(
    "The computer that did the attempt before is away or no longer known: the training begins "
    "anew, unless XRAY_HOME is on a disk that all computers of the cluster share."
)
_UNREADABLE = N_("The training has ended, but the cluster does not give its log now.")
# Ray's error types of jobs that never began.
_NOT_BEGUN = {
    "RUNTIME_ENV_SETUP_FAILURE": N_(
        "The GPU host could not unpack the code and the films: free some space on its disk, then "
        "retry."
    ),
    "JOB_SUPERVISOR_ACTOR_START_TIMEOUT": N_(
        "The training waited for a free GPU for longer than the cluster allows. Start the cluster "
        "with RAY_JOB_START_TIMEOUT_SECONDS as the README says, or retry when the trainings before "
        "it have ended."
    ),
    "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE": N_(
        "No computer of the cluster has what the training asks for. Run `python -m model doctor`, "
        "then retry."
    ),
}


@dataclass(frozen=True)
class RayHost:
    """`job_host.Host` on a Ray cluster. entrypoint: the command, given the job's id."""

    entrypoint: str = _ENTRYPOINT

    def start(self, job_id: str, attempt: int, folder: Path) -> str:
        """See `Host`. Raises ConfigError without an MLflow server, by which the bundle comes back,
        DataError for films that are too large to travel, StoreError while the cluster is away.
        """
        if not (folder / SPEC).exists():
            raise StoreError(
                _("the folder of the job"), _("none"), _("Start a new training instead.")
            )
        url = _mlflow_url()
        handle = f"{job_id}-{attempt}"
        with asked() as client:
            if details(client, handle) is None:
                before = _ended(client, job_id, attempt)
                _register_shipped()
                with packed(folder) as runtime_env:
                    runtime_env["env_vars"] = {
                        "XRAY_MLFLOW_URL": url, "XRAY_RAY_DATA": os.environ.get("XRAY_RAY_DATA", "")
                    }  # fmt: skip
                    needs = ray_checks.needs(client, _num_runs(folder), before)
                    self._submit(client, handle, job_id, runtime_env=runtime_env, **needs)
        return handle

    def _submit(self, client: Any, handle: str, job_id: str, **asked_for: Any) -> None:
        try:
            client.submit_job(
                entrypoint=f"{self.entrypoint} {job_id}", submission_id=handle, **asked_for
            )
        except (RuntimeError, OSError):
            # The answer may be lost, or another process may have asked at the same time.
            if details(client, handle) is None:
                raise

    def look(self, handle: str) -> Seen:
        """See `Host`. A job that has ended is seen in its log, which is then kept here too."""
        try:
            with asked() as client:
                known = details(client, handle)
                if known is None:
                    return Seen(LOST, FORGOTTEN)
                seen = _seen(client, handle, known)
                if seen.state in ENDED and seen.message != _UNREADABLE:
                    _keep_log(handle, _log(client, handle))
        except PneumoscopeError as error:
            return Seen(LOST, str(error))
        return seen

    def log(self, handle: str) -> str:
        """See `Host`. What the cluster has forgotten is given from the copy here."""
        job_id, _dash, attempt = handle.rpartition("-")
        names = [f"{job_id}-{number}" for number in range(1, int(attempt) + 1)]
        try:
            with asked() as client:
                return "".join(_log(client, name) or _kept_log(name) for name in names)
        except PneumoscopeError:
            if not (kept := "".join(map(_kept_log, names))):
                raise
            return kept

    def cancel(self, handle: str) -> None:
        """See `Host`; waits until it has ended, unless it still waits for a GPU."""
        with asked() as client:
            _stop(client, handle)

    def check(self) -> list[Check]:
        """See `Host`; runs a small job on the cluster, which takes some seconds."""
        try:
            url = _mlflow_url() if settings().mlflow_url else None
        except ConfigError as error:
            return [Check("mlflow", False, error.received, error.todo)]
        try:
            with asked() as client:
                return ray_checks.check(client, url)
        except PneumoscopeError as error:
            return [Check("cluster", False, error.received, error.todo)]


def _mlflow_url() -> str:
    url = settings().mlflow_url
    if not url:
        raise ConfigError(
            _("the address of an MLflow server, by which a trained version comes back"),
            _("none"),
            _("Set XRAY_MLFLOW_URL as the README says in `Your GPU host in ten minutes`."),
        )
    if "@" in urlsplit(url).netloc:
        raise ConfigError(
            _("an XRAY_MLFLOW_URL without name and password, for Ray shows it to all who look"),
            _("one with them"),
            _(
                "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD instead, here and, "
                "before Ray is started, on the GPU host."
            ),
        )
    return url


def _num_runs(folder: Path) -> int:
    return len(runs.of(JobSpec.parse(json.loads((folder / SPEC).read_text()))))


def _register_shipped() -> None:
    """So that the shipped version is number 1 also when the GPU host registers the first one."""
    from model.versions import registry

    with contextlib.suppress(PneumoscopeError):  # it is done later then
        registry.versions()


def _seen(client: Any, handle: str, known: Any) -> Seen:
    status = str(getattr(known.status, "value", known.status))
    if status == "PENDING":
        return Seen(QUEUED)
    times = _time(known.start_time), _time(known.end_time)
    if status == "RUNNING":
        is_anew = ray_checks.ANEW in (known.metadata or {})
        return Seen(RUNNING, _ANEW if is_anew else "", "", times[0])
    try:
        told = seen_in_log(client.get_job_logs(handle))
    except RuntimeError:  # the computer that ran it is away
        return Seen(LOST, _UNREADABLE, "", *times)
    if told:
        return told
    if status == "STOPPED":
        return Seen(CANCELLED, "", "", *times)
    return Seen(*_why(known), "", *times)


def _why(known: Any) -> tuple[str, str]:
    """State and sentence of a job that ended without saying how."""
    kind = str(getattr(known.error_type, "value", known.error_type) or "")
    if kind in _NOT_BEGUN:
        return FAILED, _NOT_BEGUN[kind]
    code = known.driver_exit_code
    if code in _KILLED or kind.startswith("JOB_SUPERVISOR_ACTOR"):
        return LOST, _ENDED_OUTSIDE
    if code == 127:
        return FAILED, N_(
            "The GPU host has no `python`. Start the cluster in an activated virtual environment, "
            "as the README says, then retry."
        )
    return FAILED, N_("The training did not come to its end; its log tells more.")


def _time(milliseconds: int | None) -> str:
    if not milliseconds:
        return ""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _log(client: Any, handle: str) -> str:
    try:
        return str(client.get_job_logs(handle))
    except RuntimeError:
        return ""


def _stop(client: Any, handle: str) -> None:
    """Ends a job. Raises StoreError if it still runs after STOP_SECONDS."""
    deadline = time.monotonic() + STOP_SECONDS
    while (known := details(client, handle)) and not known.status.is_terminal():
        client.stop_job(handle)
        if str(known.status.value) == "PENDING":
            return  # it ends as soon as it would begin
        if time.monotonic() > deadline:
            raise StoreError(
                _("the end of a training"), _("one that still runs"), _("Try again later.")
            )
        time.sleep(0.3)


def _ended(client: Any, job_id: str, attempt: int) -> str | None:
    """Ends all attempts before this one; the IP address of the computer that was the last to work.

    "" where the cluster knows of none, None for a first attempt. Raises StoreError as `_stop`.
    """
    at = None if attempt == 1 else ""
    for number in range(1, attempt):
        _stop(client, f"{job_id}-{number}")
        known = details(client, f"{job_id}-{number}")
        at = urlsplit(getattr(known, "driver_agent_http_address", "") or "").hostname or at
    return at


def _copy(handle: str) -> Path:
    """Where the log of an attempt that has ended is kept here."""
    job_id, _dash, attempt = handle.rpartition("-")
    return settings().home / "jobs" / job_id / f"{attempt}-{LOG}"


def _keep_log(handle: str, text: str) -> None:
    if text and _copy(handle).parent.is_dir() and text != _kept_log(handle):
        with contextlib.suppress(OSError):  # a full disk: the cluster has it
            write_whole(_copy(handle), lambda path: path.write_text(text))


def _kept_log(handle: str) -> str:
    try:
        return _copy(handle).read_text()
    except OSError:
        return ""
