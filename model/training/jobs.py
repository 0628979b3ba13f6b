"""Trainings: asked for here, done by a host, found again after any restart.

    job = jobs.submit(actor, JobSpec(set_sha256="..."))
    jobs.job(actor, job.id).state  # looks at the host first

What was asked for is in the store and in the job's folder before a host is asked; every look hands
over to the host what it has not taken yet, so nothing is lost when a process dies in between, and
hosts take the same attempt only once. Nothing of a job is in the memory of a process.
"""

import secrets
import shutil
import tempfile
import threading
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from model.config import settings
from model.errors import ConfigError, InputError, PneumoscopeError, StoreError, plain_faults
from model.files import write_json
from model.language import _, in_english
from model.people.access import Actor, require
from model.training import job_store, runs
from model.training.job_host import (
    CANCELLED,
    CHAMPION,
    ENDED,
    FAILED,
    FILMS,
    LOST,
    QUEUED,
    SPEC,
    SUCCEEDED,
    Host,
    Seen,
    epochs_in_log,
    run_in_log,
)  # fmt: skip
from model.training.job_store import Job, JobSpec
from model.versions import champion, tracking

__all__ = ["Job", "JobSpec", "cancel", "curves", "hosts", "job", "jobs", "log", "retry", "submit"]

LOG_CHARACTERS = 64 * 1024
LOOK_SECONDS = 1.0  # a host that took longer and has lost a job is not asked for others at once
_FINAL = (SUCCEEDED, FAILED, CANCELLED)  # a job that is LOST may be found again


def submit(actor: Actor, spec: JobSpec, host: str = "local") -> Job:
    """Has a host train on a retraining set; only for an admin.

    A job that the host did not take now is QUEUED and says why; the next look tries again.
    Raises ConfigError for an unknown host or setting and what `runs.of` refuses, DataError and
    StoreError for a set that is not whole.
    """
    require(actor, "admin")
    from model import store
    from model.nn.recipe import recipe
    from model.retraining import retraining_set

    host_of(host)
    runs.of(spec)
    chosen, served = recipe(spec.config, spec.settings()), champion.look().open()
    if chosen.init == "champion" and chosen.network != served.network:
        todo = _("Choose init=scratch, or that network.")
        raise ConfigError(
            _(
                "the network of the served version, {network}, to go on from",
                network=served.network,
            ),
            chosen.network,
            todo,
        )
    films = retraining_set.open_set(spec.set_sha256).films
    job_id = secrets.token_hex(4)
    _prepare(job_id, spec, films, served.folder)
    job_store.add(Job(job_id, spec, host, QUEUED, store.now(), actor.name, attempt=1))
    return _hand_over(job_store.get(job_id))


def jobs(actor: Actor) -> list[Job]:
    """All jobs, newest first, each looked at; for a clinician."""
    require(actor, "clinician")
    slow: set[str] = set()
    found = []
    for one in job_store.newest_first():
        if one.host not in slow:
            began = time.monotonic()
            one = _looked_at(one)
            if one.state == LOST and time.monotonic() - began > LOOK_SECONDS:
                slow.add(one.host)
        found.append(one)
    return found


def job(actor: Actor, job_id: str) -> Job:
    """The job, after a look at its host. Raises InputError for an id that no job has."""
    require(actor, "clinician")
    return _looked_at(job_store.get(job_id))


def log(actor: Actor, job_id: str) -> str:
    """The end of what it has printed, at most LOG_CHARACTERS; "" before it begins."""
    require(actor, "clinician")
    return _log(job_store.get(job_id))[-LOG_CHARACTERS:]


def curves(actor: Actor, job_id: str) -> list[dict[str, object]]:
    """One line an epoch, oldest first, see `job_host.epochs_in_log`."""
    require(actor, "clinician")
    return epochs_in_log(_log(job_store.get(job_id)))


def cancel(actor: Actor, job_id: str) -> Job:
    """Stops it, or takes it out of the queue; one that has ended stays as it is.

    Raises StoreError if the host does not answer: the job is then as it was.
    """
    require(actor, "admin")
    one = _looked_at(job_store.get(job_id))
    if one.state in _FINAL:
        return one
    seen = Seen(CANCELLED)
    if one.handle:
        host = host_of(one.host)
        host.cancel(one.handle)
        with in_english():
            seen = host.look(one.handle)
        if seen.state in (LOST, QUEUED):
            seen = replace(seen, state=CANCELLED, message="")
    return _store(one, seen, actor.name, "training cancelled")


def retry(actor: Actor, job_id: str) -> Job:
    """Goes on with a job that FAILED, was CANCELLED or LOST, in its folder: nothing is done twice.

    Raises InputError in any other state, StoreError when its folder is gone.
    """
    require(actor, "admin")
    if not (_folder(job_id) / SPEC).exists():
        raise StoreError(_("the folder of the job"), _("none"), _("Start a new training instead."))
    before = _looked_at(job_store.get(job_id))

    def again(now: Job) -> Job:
        if now.state not in ENDED or now.state == SUCCEEDED or now.attempt != before.attempt:
            raise InputError(
                _("a training that failed, was cancelled or lost"),
                now.state,
                _("Nothing is to be done."),
            )
        empty = dict.fromkeys(("handle", "message", "model_version", "started", "ended"), "")
        return replace(now, state=QUEUED, attempt=now.attempt + 1, **empty)  # type: ignore[arg-type]

    queued = job_store.change(job_id, again, actor.name, "training retried")
    return _hand_over(queued)


def hosts() -> list[str]:
    """Names of the hosts that trainings can be given to, the default first."""
    import os

    return ["local", "ray"] if os.environ.get("XRAY_RAY_ADDRESS") else ["local"]


def host_of(name: str) -> Host:
    """The host of this name. Raises ConfigError for one that this installation has not."""
    if name not in hosts():
        raise ConfigError(
            _("a host among {hosts}", hosts=", ".join(hosts())),
            f"{name!r}",
            _("Set XRAY_RAY_ADDRESS to the address of a Ray cluster for the host ray."),
        )
    if name == "ray":
        from model.training.ray_host import RayHost

        return RayHost()
    from model.training.local_host import LocalHost

    return LocalHost()


def _folder(job_id: str) -> Path:
    return settings().home / "jobs" / job_id


def _prepare(job_id: str, spec: JobSpec, films: Path, served: Path) -> None:
    """The job's folder, whole or not at all: what is asked for, films, the version now served."""
    target = _folder(job_id)
    todo = _("Nothing was started. Free some space where XRAY_HOME is, then try again.")
    with plain_faults(_("room for the folder of a training"), todo):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".new-") as name:
            folder = Path(name) / job_id
            (folder / CHAMPION).mkdir(parents=True)
            write_json(folder / SPEC, {"job_id": job_id, **asdict(spec)})
            _link(films, folder / FILMS)
            for path in served.iterdir():
                if path.is_file():
                    shutil.copyfile(path, folder / CHAMPION / path.name)
            folder.rename(target)


def _link(source: Path, target: Path) -> None:
    """A set never changes, so one file may have two names; a copy on another disk."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def _hand_over(one: Job) -> Job:
    """Asks the host to take this attempt; a job that it does not take stays QUEUED and says why."""
    try:
        with in_english():  # what is stored is for everybody
            host = host_of(one.host)
            handle = host.start(one.id, one.attempt, _folder(one.id).resolve())
    except PneumoscopeError as error:
        return _store(one, Seen(QUEUED, str(error)))

    def taken(now: Job) -> Job:
        same = now.attempt == one.attempt and now.state == QUEUED
        return replace(now, handle=handle, message="") if same else now

    now = job_store.change(one.id, taken)
    if now.state == CANCELLED and now.attempt == one.attempt and not now.handle:
        host.cancel(handle)  # somebody did while the host was asked
    return now


def _looked_at(one: Job) -> Job:
    if one.state in _FINAL:
        return one
    if not one.handle:
        return _hand_over(one)
    try:
        with in_english():
            seen = host_of(one.host).look(one.handle)
    except ConfigError as error:
        seen = Seen(LOST, str(error))
    return _store(one, seen)


def _store(one: Job, seen: Seen, by: str = "", action: str = "") -> Job:
    """Keeps what was seen of this attempt, unless the job has gone on since or has ended."""
    if _with(one, seen, one) == one:
        return one  # nothing new: a page that looks every other second writes nothing
    if not action and seen.state in ENDED:
        by, action = one.host, f"training {seen.state.lower()}"
    change = partial(_with, one, seen)
    now = job_store.change(one.id, change, by, action, version=seen.model_version)
    if now.state in (FAILED, CANCELLED, LOST):
        _end_run(now)
    return now


def _end_run(one: Job) -> None:
    """Ends the run in MLflow for a training that was stopped or killed; nobody waits for it.

    Where no log is to be had the training may still go on: then nothing is done.
    """
    if run_id := run_in_log(_log(one)):
        status = "FAILED" if one.state == FAILED else "KILLED"
        threading.Thread(target=tracking.end_run, args=(run_id, status)).start()


def _with(one: Job, seen: Seen, now: Job) -> Job:
    from model import store

    if (now.attempt, now.handle) != (one.attempt, one.handle) or now.state in _FINAL:
        return now
    ended = seen.ended or now.ended or store.now() if seen.state in ENDED else ""
    return replace(
        now,
        state=seen.state,
        message=seen.message,
        model_version=seen.model_version,
        started=seen.started or now.started,
        ended=ended,
    )


def _log(one: Job) -> str:
    try:
        return host_of(one.host).log(one.handle) if one.handle else ""
    except PneumoscopeError:  # of a host that is away; the job's message says so
        return ""
