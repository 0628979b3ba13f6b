"""Jobs: each training, where it runs and how far it is; live while one runs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from model.errors import PneumoscopeError
from model.language import N_, _
from model.people.access import Actor
from model.phrases import translated
from pages.shared import auth, retraining_services
from pages.shared.drawing import plain
from pages.shared.manage import Saying, listing, said, training, when

if TYPE_CHECKING:
    from model.training.jobs import Job

Colour = Literal["red", "orange", "blue", "green", "gray"]
LIVE_SECONDS = 2
LINES = 40  # the last ones of the log
ALIVE = ("QUEUED", "RUNNING")
WATCHED = (*ALIVE, "LOST")  # a host that was gone may come back
STATES: dict[str, tuple[str, str, Colour]] = {
    "QUEUED": (N_("waiting"), "hourglass_empty", "gray"),
    "RUNNING": (N_("running"), "play_circle", "blue"),
    "SUCCEEDED": (N_("finished"), "check_circle", "green"),
    "FAILED": (N_("failed"), "error", "red"),
    "CANCELLED": (N_("cancelled"), "cancel", "gray"),
    "LOST": (N_("lost"), "link_off", "orange"),
}
NONE = N_("No training yet. Start one on the tab Retrain.")
NO_EPOCH = N_("No epoch has ended yet: the curves begin with the first.")
NO_LOG = N_("There is no log yet.")
CANCELLED = N_("Job {id} is cancelled. Its finished epochs are kept.")
AGAIN = N_("Job {id} goes on.")
FIGURES = {"loss": N_("Loss"), "accuracy": N_("Accuracy")}


def draw(actor: Actor) -> None:
    """The list, and one job of it."""
    said()
    jobs = retraining_services.jobs(actor)
    if not jobs:
        st.info(_(NONE), icon=":material/model_training:")
        return
    caption = _("Jobs, newest first: {n}", n=len(jobs))
    listing(caption, [_record(job) for job in jobs], "")
    titles = {job.id: _title(job) for job in jobs}
    chosen = st.selectbox(
        _("Job"), list(titles), format_func=lambda id: titles.get(id, ""), key="admin.job"
    )
    _one(actor, chosen)


def _record(job: "Job") -> dict[str, object]:
    return {
        _("Job"): job.id,
        _("State"): state(job.state),
        _("Training"): training.kind(job.spec.config),
        _("Where"): training.where(job.host),
        _("By"): job.by,
        _("Since (UTC)"): when(job.created),
        _("Attempt"): job.attempt,
        _("Version"): job.model_version or "–",
    }


def _title(job: "Job") -> str:
    # Without its state: the browser keeps the words of what is chosen.
    return f"{job.id}: {training.kind(job.spec.config)}, {when(job.created)}"


def state(name: str) -> str:
    """A state of a job in words."""
    return _(STATES[name][0])


def _one(actor: Actor, id: str) -> None:
    """Asks every other second while the job is alive, and not once more when it has ended."""
    job = retraining_services.job(actor, id)
    st.fragment(_watched, run_every=LIVE_SECONDS if job.state in WATCHED else None)(
        job.id, job.state
    )


def _watched(id: str, before: str) -> None:
    actor = auth.require("admin")
    try:
        job = retraining_services.job(actor, id)
        log, lines = retraining_services.log(actor, id), retraining_services.curves(actor, id)
    except PneumoscopeError as error:
        st.warning(plain(str(error)), icon=":material/cloud_off:")
        return
    if job.state != before:
        st.rerun()  # the list, and whether to ask again
    _state(job)
    _buttons(job)
    _curves(lines, is_alive=job.state in ALIVE)
    if job.state == "RUNNING":
        _gpus(log)
    _log(id, log, is_open=job.state == "FAILED")


def _state(job: "Job") -> None:
    word, icon, colour = STATES[job.state]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(_(word), icon=f":material/{icon}:", color=colour)
        st.markdown(f"**{_('What to do:')}** {plain(job.todo)}")
    if job.message:
        show = st.error if job.state == "FAILED" else st.info
        show(plain(translated(job.message)), icon=f":material/{icon}:")
    times = [_("asked for by {who} at {time} UTC", who=plain(job.by), time=when(job.created))]
    if job.started:
        times.append(_("begun {time}", time=when(job.started)))
    if job.ended:
        times.append(_("ended {time}", time=when(job.ended)))
    st.caption(", ".join(times))


def _buttons(job: "Job") -> None:
    with st.container(horizontal=True):
        if job.state in ALIVE:
            if st.button(_("Cancel"), key=f"admin.cancel.{job.id}", icon=":material/stop_circle:"):
                _do(_(CANCELLED, id=job.id), "cancel", job.id)
        elif job.state != "SUCCEEDED" and st.button(
            _("Retry"), key=f"admin.retry.{job.id}", icon=":material/replay:", type="primary"
        ):
            _do(_(AGAIN, id=job.id), "retry", job.id)


def _do(done: str, what: str, id: str) -> None:
    with Saying(done):
        getattr(retraining_services, what)(auth.require("admin"), id)
    st.rerun()


def _gpus(log: str) -> None:
    """How busy they are, as far as the log tells it."""
    from model.training import gpu_use

    with st.container(horizontal=True):
        for number, gpu in enumerate(gpu_use.told(log), 1):
            used, total = f"{gpu.used_gb:.1f}", f"{gpu.total_gb:.0f}"
            memory = _("{used} of {total} GB", used=used, total=total)
            title = _("GPU {n}", n=number)
            st.metric(title, f"{gpu.percent} %", memory, delta_color="off", delta_arrow="off",
                      width=150)  # fmt: skip


def _curves(lines: Sequence[Mapping[str, Any]], is_alive: bool) -> None:
    from model.performance import Row
    from pages.shared.trust import charts

    if not lines:
        if is_alive:
            st.caption(_(NO_EPOCH))
        return
    _numbers(lines)
    row = Row("job", "", "official", curves=[dict(line) for line in lines])
    for column, (figure, title) in zip(st.columns(2, gap="large"), FIGURES.items(), strict=True):
        chart = charts.training(row, figure)
        if chart is not None:
            with column:
                st.markdown(f"**{_(title)}**")
                st.altair_chart(chart, key=f"admin.chart.{figure}", alt=_(title))


def _numbers(lines: Sequence[Mapping[str, Any]]) -> None:
    last = lines[-1]
    with st.container(horizontal=True):
        if "run" in last:
            st.metric(_("Run"), f"{last['run']} / {last['runs']}", width=100)
        st.metric(_("Epochs done"), len(lines), width=150)
        if "validation_auroc" in last:
            st.metric(_("AUROC, validation"), f"{last['validation_auroc']:.3f}", width=190)
        if "seconds" in last:
            st.metric(_("Last epoch"), f"{last['seconds']:.0f} s", width=150)
        if "images_per_second" in last:
            st.metric(_("Images per second"), f"{last['images_per_second']:.0f}", width=170)


def _log(id: str, text: str, is_open: bool) -> None:
    with st.expander(_("Log"), icon=":material/notes:", expanded=is_open):
        if not text:
            st.caption(_(NO_LOG))
            return
        lines = text.splitlines()
        st.code("\n".join(lines[-LINES:]), language=None, wrap_lines=True)
        if len(lines) > LINES:
            st.download_button(
                _("More of it"), text, file_name=f"job-{id}.txt", mime="text/plain",
                icon=":material/download:", type="tertiary", on_click="ignore",
                key=f"admin.log.{id}",
            )  # fmt: skip
