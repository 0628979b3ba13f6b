"""A new training of a frozen retraining set: presets first, the rest folded away."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from model.errors import PneumoscopeError
from model.language import N_, _
from model.people.access import Actor
from pages.shared import auth, retraining_services
from pages.shared.drawing import plain
from pages.shared.manage import Saying, when

if TYPE_CHECKING:
    from model.retraining.retraining_set import RetrainingSet

NO_SET = N_("Freeze a retraining set first.")
STARTED = N_("Job {id} is in the queue. The tab Jobs shows how far it is.")
UNKNOWN = N_(
    "How long it will take is unknown: no training has ended on this host yet. The tab Jobs tells "
    "the time of each epoch."
)
ABOUT = N_(
    "About {time} for its epochs, by those of earlier trainings on this host; then it reads the "
    "locked test set."
)
LOCAL, RAY = N_("This server"), N_("GPU host (Ray)")
HOSTS = {"local": LOCAL, "ray": RAY}
SETTINGS_HELP = N_(
    "One setting a line, such as epochs=4,4. The tab Jobs says what is wrong with it."
)
BUDGET_HELP = N_(
    "The training ends after the epoch in which this time is over, with the best network so far. "
    "0: no limit."
)
INITS = {
    "champion": N_("the version that is served"),
    "imagenet": N_("weights that have seen ImageNet, which Keras downloads"),
    "scratch": N_("nothing"),
}


@dataclass(frozen=True)
class Preset:
    """A configuration of model/nn/recipe.py in the words of an administrator."""

    title: str
    says: str
    init: str


PRESETS = {
    "lungs": Preset(
        N_("Go on from the served version"),
        N_(
            "The usual choice. Keeps what the served version has learned, adds what clinicians "
            "have said, and goes on teaching it to look at the lungs."
        ),
        "champion",
    ),
    "finetune": Preset(
        N_("From ImageNet weights"),
        N_("A new network at the full image size. Wants a GPU and access to the internet."),
        "imagenet",
    ),
    "default": Preset(
        N_("From nothing"),
        N_("A new network that has seen only these X-rays. Takes longest."),
        "scratch",
    ),
    "quick": Preset(
        N_("Trial run"),
        N_("Two epochs at 32 pixels: shows that everything works. Not for use."),
        "scratch",
    ),
}


def where(host: str) -> str:
    """A host in words."""
    return _(HOSTS[host]) if host in HOSTS else host


def kind(config: str) -> str:
    """A configuration in words."""
    return _(PRESETS[config].title) if config in PRESETS else config


def draw(actor: Actor, sets: list["RetrainingSet"]) -> None:
    """The form; nothing is kept until Start is pressed."""
    if not sets:
        st.caption(_(NO_SET))
        return
    by_hash = {one.sha256: one for one in sets}
    chosen = st.selectbox(
        _("Retraining set"),
        list(by_hash),
        format_func=lambda sha256: _title(by_hash[sha256]),
        key="admin.train.set",
    )
    config = st.radio(
        _("Training"),
        list(PRESETS),
        format_func=kind,
        captions=[_(preset.says) for preset in PRESETS.values()],
        key="admin.train.config",
    )
    hosts = retraining_services.hosts()
    host = st.segmented_control(
        _("Where"),
        hosts,
        default=hosts[0],
        required=True,
        format_func=where,
        key="admin.train.host",
    )
    init, seed, budget, changes = _details(config)
    _time(actor, by_hash[chosen], host, config, changes)
    if st.button(_("Start the training"), type="primary", icon=":material/model_training:"):
        _start(chosen, host, config, init, seed, budget, changes)


def _title(one: "RetrainingSet") -> str:
    return f"{one.name}, {when(one.created)}, {one.sha256[:8]}"


def _details(config: str) -> tuple[str, int, int, tuple[str, ...]]:
    with st.expander(_("Details")):
        init = st.selectbox(
            _("Start from"),
            list(INITS),
            index=list(INITS).index(PRESETS[config].init),
            format_func=lambda name: _(INITS[name]),
            key=f"admin.train.init.{config}",
        )
        left, right = st.columns(2)
        budget = left.number_input(
            _("At most, minutes"), 0, 100_000, 0, key="admin.train.budget", help=_(BUDGET_HELP)
        )
        seed = right.number_input(_("Seed"), 0, 1_000_000, 0, key="admin.train.seed")
        text = st.text_area(
            _("Other settings"), key="admin.train.changes", help=_(SETTINGS_HELP), height=90,
            placeholder="epochs=4,4",
        )  # fmt: skip
    return init, seed, budget, tuple(line.strip() for line in text.splitlines() if line.strip())


def _time(
    actor: Actor, chosen: "RetrainingSet", host: str, config: str, changes: tuple[str, ...]
) -> None:
    try:
        seconds = retraining_services.estimate(actor, chosen, host, config, changes)
    except PneumoscopeError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    said = _(UNKNOWN) if seconds is None else _(ABOUT, time=_duration(seconds))
    st.caption(f":material/schedule: {said}")


def _duration(seconds: float) -> str:
    """In words no more exact than the estimate."""
    minutes = seconds / 60
    if minutes < 1.5:
        return _("a minute")
    if minutes < 90:
        return _("{n} minutes", n=round(minutes))
    return _("{n} hours", n=f"{minutes / 60:.1f}")


def _start(
    chosen: str, host: str, config: str, init: str, seed: int, budget: int, changes: tuple[str, ...]
) -> None:
    with Saying("") as saying:
        job = retraining_services.submit(
            auth.require("admin"), host,
            set_sha256=chosen, config=config, init=init, seed=seed, budget_minutes=budget,
            changes=changes,
        )  # fmt: skip
        saying.text = _(STARTED, id=job)
    st.rerun()
