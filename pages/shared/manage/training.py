"""A new training of a frozen retraining set: presets first, the rest folded away."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from model.errors import PneumoscopeError
from model.language import N_, _
from model.people.access import Actor
from model.training.runs import FOLDS, FRESH, MOST
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
ABOUT = N_("About {time}, by earlier trainings on this host.")
TOGETHER = N_("Less where the cluster has room for several trainings at a time.")
LOCAL, RAY = N_("This server"), N_("GPU host (Ray)")
HOSTS = {"local": LOCAL, "ray": RAY}
SETTINGS_HELP = N_(
    "One setting a line, such as epochs=4,4. The tab Jobs says what is wrong with it."
)
BUDGET_HELP = N_(
    "The training ends after the epoch in which this time is over, with the best network so far. "
    "0: no limit."
)
FOLDS_HELP = N_(
    "So many trainings, each judged on patients that it has not seen: shows how much the choice of "
    "patients matters. 1: no cross-validation."
)
NO_FOLDS = N_(
    "No cross-validation from the version that is served: it has learned from the patients that "
    "the folds would be judged on, so the figures would be too good."
)
SEEDS_HELP = N_(
    "So many trainings that differ by chance. The version is the one with the highest AUROC on the "
    "validation; the locked test set is not looked at for this choice."
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
    details = _details(config)
    _time(actor, by_hash[chosen], host, config, details)
    if warning := retraining_services.promotion_warning(by_hash[chosen]):
        st.warning(plain(warning), icon=":material/warning:")
    if st.button(_("Start the training"), type="primary", icon=":material/model_training:"):
        _start(host, set_sha256=chosen, config=config, **details)


def _title(one: "RetrainingSet") -> str:
    return f"{one.name}, {when(one.created)}, {one.sha256[:8]}"


def _details(config: str) -> dict[str, Any]:
    """Further fields of a `JobSpec`."""
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
        has_folds = init in FRESH
        folds = left.selectbox(
            _("Cross-validation, folds"), FOLDS if has_folds else (1,), disabled=not has_folds,
            key=f"admin.train.folds.{has_folds}", help=_(FOLDS_HELP),
        )  # fmt: skip
        seeds = right.number_input(
            _("Seeds"), 1, MOST, 1, key="admin.train.seeds", help=_(SEEDS_HELP)
        )
        if not has_folds:
            st.caption(_(NO_FOLDS))
        text = st.text_area(
            _("Other settings"), key="admin.train.changes", help=_(SETTINGS_HELP), height=90,
            placeholder="epochs=4,4",
        )  # fmt: skip
    changes = tuple(line.strip() for line in text.splitlines() if line.strip())
    return {
        "init": init, "seed": seed, "budget_minutes": budget, "changes": changes,
        "folds": folds, "seeds": seeds,
    }  # fmt: skip


def _time(
    actor: Actor, chosen: "RetrainingSet", host: str, config: str, details: dict[str, Any]
) -> None:
    changes, runs = details["changes"], details["folds"] + details["seeds"] - 1
    try:
        seconds = retraining_services.estimate(actor, chosen, host, config, changes, runs)
    except PneumoscopeError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    said = _(UNKNOWN) if seconds is None else _(ABOUT, time=_duration(seconds))
    if seconds and runs > 1 and host == "ray":
        said += f" {_(TOGETHER)}"
    st.caption(f":material/schedule: {said}")


def _duration(seconds: float) -> str:
    """In words no more exact than the estimate."""
    minutes = seconds / 60
    if minutes < 1.5:
        return _("a minute")
    if minutes < 90:
        return _("{n} minutes", n=round(minutes))
    return _("{n} hours", n=f"{minutes / 60:.1f}")


def _start(host: str, **spec: Any) -> None:
    with Saying("") as saying:
        job = retraining_services.submit(auth.require("admin"), host, **spec)
        saying.text = _(STARTED, id=job)
    st.rerun()
