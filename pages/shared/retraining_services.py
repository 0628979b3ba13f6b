"""Wires retraining sets and jobs to the page Admin; the rights are checked below it.

What is heavy (MLflow, Ray, Keras) is imported by the modules of model/, and only when asked for.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from model import overlay
from model.config import settings
from model.errors import PneumoscopeError, plain_faults
from model.files import write_whole
from model.language import _
from model.people.access import Actor, require

if TYPE_CHECKING:
    from model.retraining.retraining_set import Proposal, RetrainingSet
    from model.training.jobs import Job

THUMBNAIL_PX = 140
TRIAL = "quick"  # a configuration that makes no version for use
LOOKED_AT = 5  # earlier trainings that an estimate is made from


# Retraining sets


def came_in(actor: Actor) -> tuple[str, Mapping[str, int]]:
    """When the newest set that was trained on was frozen, "" for none, and what came in since.

    Trial runs do not count. Of a set that was deleted only its training tells how old it may be.
    """
    from model.retraining import retraining_set
    from model.training import jobs

    frozen = {one.sha256: one.created for one in sets(actor)}
    trained = [
        frozen.get(job.spec.set_sha256, job.created)
        for job in jobs.jobs(actor)
        if job.state == "SUCCEEDED" and job.spec.config != TRIAL
    ]
    return max(trained, default=""), retraining_set.since(actor, max(trained, default=None))


def base_folder() -> Path | None:
    """The labelled X-rays of `XRAY_DATA`."""
    return settings().data


def take_in(actor: Actor, upload: Any) -> Path:
    """Where an uploaded ZIP of labelled X-rays lies now, named by its content; for an admin.

    Raises StoreError when the disk does not take it.
    """
    require(actor, "admin")
    path = settings().home / "uploads" / f"{_content_hash(upload.file_id, upload)}.zip"
    with plain_faults(
        _("room for the uploaded ZIP"),
        _("Nothing was taken in. Free some space where XRAY_HOME is, then upload it again."),
    ):
        if not path.exists():
            write_whole(path, lambda temporary: temporary.write_bytes(upload.getbuffer()))
    return path


@st.cache_data(show_spinner=False, max_entries=100)
def _content_hash(file_id: str, _upload: Any) -> str:
    """Up to 2 GB are not read again each time that the page is drawn."""
    return hashlib.sha256(_upload.getbuffer()).hexdigest()


def propose(actor: Actor, base: Path, progress: Callable[..., object]) -> "Proposal":
    """What a set of the base data and the reviews would hold. progress(share of the work)."""
    from model.retraining import retraining_set

    return retraining_set.propose(actor, base, _now_and_then(progress))


def _now_and_then(progress: Callable[[float], object]) -> Callable[[float], None]:
    """A message to the browser for each per cent, not for each of thousands of films."""
    told = -1

    def tell(share: float) -> None:
        nonlocal told
        if int(100 * share) != told:
            told = int(100 * share)
            progress(share)

    return tell


def approve(actor: Actor, image_sha256: str, label: str, reason: str) -> None:
    """An admin stands in for the second reader."""
    from model.retraining import retraining_set

    retraining_set.approve(actor, image_sha256, label, reason)


def freeze(
    actor: Actor, proposal: "Proposal", name: str, progress: Callable[..., object]
) -> "RetrainingSet":
    """Films and labels as they are in the proposal, for good."""
    from model.retraining import retraining_set

    return retraining_set.freeze(actor, proposal, name, _now_and_then(progress))


def sets(actor: Actor) -> list["RetrainingSet"]:
    """All that are frozen, newest first."""
    from model.retraining import retraining_set

    return retraining_set.sets(actor)


def promotion_warning(one: "RetrainingSet") -> str:
    """Why a version that is trained on it could not be promoted now; "" if it could."""
    from model.retraining import promotable

    return promotable.warning_of(one.sha256)


def kept_hashes(actor: Actor) -> set[str]:
    """Of the films that clinicians have kept for retraining."""
    from model.clinic import kept_images

    return {image.image_sha256 for image in kept_images.kept(actor)}


def kept_thumbnail(actor: Actor, image_sha256: str) -> bytes | None:
    """A small PNG of a kept film; None when its file is gone."""
    from model.clinic import kept_images

    try:
        return overlay.png(overlay.thumbnail(kept_images.film(actor, image_sha256), THUMBNAIL_PX))
    except PneumoscopeError:
        return None


# Jobs


def hosts() -> list[str]:
    """Where a training may run; the first is this server."""
    from model.training import jobs

    return jobs.hosts()


def submit(actor: Actor, host: str, **spec: Any) -> str:
    """Puts a training into the queue of a host; its id. spec: fields of JobSpec."""
    from model.training import jobs

    return jobs.submit(actor, jobs.JobSpec(**spec), host).id


def jobs(actor: Actor) -> list["Job"]:
    """All of them, newest first."""
    from model.training import jobs

    return jobs.jobs(actor)


def job(actor: Actor, id: str) -> "Job":
    """As its host sees it now."""
    from model.training import jobs

    return jobs.job(actor, id)


def log(actor: Actor, id: str) -> str:
    """The end of what it has printed."""
    from model.training import jobs

    return jobs.log(actor, id)


def curves(actor: Actor, id: str) -> Sequence[Mapping[str, Any]]:
    """One line an epoch."""
    from model.training import jobs

    return jobs.curves(actor, id)


def cancel(actor: Actor, id: str) -> None:
    """Stops it."""
    from model.training import jobs

    jobs.cancel(actor, id)


def retry(actor: Actor, id: str) -> None:
    """Goes on after the last epoch that was finished."""
    from model.training import jobs

    jobs.retry(actor, id)


def estimate(
    actor: Actor,
    chosen: "RetrainingSet",
    host: str,
    config: str,
    changes: Sequence[str],
    runs: int = 1,
) -> float | None:
    """Seconds that a training may take, by earlier ones on this host; None when there are none.

    runs: how many times it is trained, one after another. Raises ConfigError for changes that are
    none.
    """
    from model.training import jobs, training_time

    ended = [job for job in jobs.jobs(actor) if job.state == "SUCCEEDED" and job.host == host]
    ended.sort(key=lambda job: job.spec.config != config)  # of the same kind first
    sizes = {one.sha256: num_images(one) for one in sets(actor)}
    known: list[training_time.Pace] = []
    beside = 0.0
    for job in ended[:LOOKED_AT]:
        if not (known and beside) and (size := sizes.get(job.spec.set_sha256)):
            curves = _ended_curves(actor, job.id)
            known = known or training_time.paces(curves, size)
            beside = beside or training_time.beside_epochs(job, curves) / size
    return training_time.estimate(config, changes, num_images(chosen), known, beside, runs)


def num_images(one: "RetrainingSet") -> int:
    """Films that an epoch goes through: to train on and to choose on, not the test set."""
    from model.retraining.manifest import TRAINING, VALIDATION

    return one.counts[TRAINING] + one.counts[VALIDATION]


@st.cache_resource(show_spinner=False, max_entries=100)
def _ended_curves(_actor: Actor, id: str) -> Sequence[Mapping[str, Any]]:
    """Those of a job that has ended: they stay as they are."""
    return curves(_actor, id)
