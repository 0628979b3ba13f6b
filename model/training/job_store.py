"""Jobs as the database knows them: what was asked for, and what the host said last."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from model.errors import InputError
from model.language import N_, _
from model.training.job_host import CANCELLED, FAILED, LOST, QUEUED, RUNNING, SUCCEEDED

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Row

WHAT_TO_DO: Mapping[str, str] = {
    QUEUED: N_("Nothing: it begins when the trainings before it have ended."),
    RUNNING: N_("Nothing: it goes on when you close this page."),
    SUCCEEDED: N_("Compare the new version with the one in use, then decide which to use."),
    FAILED: N_("Put right what the message says, then retry: what is finished is not done again."),
    CANCELLED: N_("Retry goes on after the last finished epoch."),
    LOST: N_(
        "If its computer comes back, the training may be found again. Otherwise retry: it goes on "
        "after the last finished epoch."
    ),
}


# QUEUED by a host that does not take it now, and says why in the message.
HINDERED = N_("Put right what the message says: it is tried again whenever somebody looks at it.")


@dataclass(frozen=True)
class JobSpec:
    """What is to be trained.

    set_sha256: of the retraining set. config: a preset of model/nn/recipe.py. init: `champion`,
    the version that was served when it was asked for, `imagenet` or `scratch`. budget_minutes: it
    ends with the epoch in which they are over, 0 for none. changes: further settings, `key=value`.
    folds, seeds: trained so many times, with other parts of the set and with seed, seed + 1, ...
    (runs.py); 1 and 1 for one training.
    """

    set_sha256: str
    config: str = "lungs"
    init: str = "champion"
    seed: int = 0
    budget_minutes: float = 0
    changes: tuple[str, ...] = ()
    folds: int = 1
    seeds: int = 1

    def settings(self) -> list[str]:
        """All settings as `train --set` takes them; a later one counts more."""
        own = (f"init={self.init}", f"seed={self.seed}", f"budget_minutes={self.budget_minutes:g}")
        return [*own, *self.changes]

    @classmethod
    def parse(cls, told: Mapping[str, Any]) -> "JobSpec":
        """From JSON; keys of other versions of this program are left out."""
        known = {field.name for field in fields(cls)}
        values = {name: value for name, value in told.items() if name in known}
        return cls(**{**values, "changes": tuple(values.get("changes", ()))})


@dataclass(frozen=True)
class Job:
    """One training that was asked for. Times are UTC, "" while they are not known.

    by: who asked. attempt: 1, one more with each retry. message: one sentence why, "" while all is
    well. model_version: what it has made, when SUCCEEDED.
    """

    id: str
    spec: JobSpec
    host: str
    state: str
    created: str
    by: str
    attempt: int
    message: str = ""
    model_version: str = ""
    started: str = ""
    ended: str = ""
    handle: str = ""

    @property
    def todo(self) -> str:
        """What to do in this state, in one sentence."""
        return _(HINDERED if self.state == QUEUED and self.message else WHAT_TO_DO[self.state])


def add(job: Job) -> None:
    """Stores a new job, and that it was asked for."""
    from model import store, tables
    from model.people import audit

    values = {**asdict(job), "spec": json.dumps(asdict(job.spec))}
    values["actor"] = values.pop("by")
    with store.writing() as connection:
        connection.execute(tables.jobs.insert().values(**values))
        told = {"set": job.spec.set_sha256, "config": job.spec.config, "init": job.spec.init}
        audit.append(connection, job.by, "training asked for", job.id, host=job.host, **told)


def newest_first() -> list[Job]:
    """All jobs."""
    from model import store, tables

    with store.reading() as connection:
        chosen = tables.jobs.select().order_by(tables.jobs.c.number.desc())
        return [_job(row) for row in connection.execute(chosen)]


def get(job_id: str) -> Job:
    """The job as it is stored. Raises InputError for an id that no job has."""
    from model import store

    with store.reading() as connection:
        return _find(connection, job_id)


def change(
    job_id: str, to: Callable[[Job], Job], by: str = "", action: str = "", **details: Any
) -> Job:
    """Stores `to(job)` of the job as it is now, one after another; returns it.

    action: what the audit trail says, by whom, if anything has changed.
    """
    from model import store, tables
    from model.people import audit

    with store.writing() as connection:
        old = _find(connection, job_id)
        new = to(old)
        if new != old:
            names = (
                "state", "attempt", "handle", "message", "model_version", "started", "ended"
            )  # fmt: skip
            values = {name: getattr(new, name) for name in names}
            chosen = tables.jobs.update().where(tables.jobs.c.id == job_id)
            connection.execute(chosen.values(**values))
            if action:
                audit.append(connection, by, action, job_id, **details)
    return new


def _find(connection: "Connection", job_id: str) -> Job:
    from model import tables

    row = connection.execute(tables.jobs.select().where(tables.jobs.c.id == job_id)).first()
    if row is None:
        raise InputError(
            _("the id of a job"), _("another one"), _("`python -m model jobs list` has them.")
        )
    return _job(row)


def _job(row: "Row[Any]") -> Job:
    values = row._asdict()
    del values["number"]
    values["by"] = values.pop("actor")
    return Job(**{**values, "spec": JobSpec.parse(json.loads(row.spec))})
