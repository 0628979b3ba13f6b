"""Versions: which one is served, how another one compares on the same films, promote, roll back."""

from typing import TYPE_CHECKING

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from model.errors import PneumoscopeError, StoreError
from model.language import N_, _
from model.people.access import Actor
from model.phrases import translated
from pages.shared import auth, version_services
from pages.shared.drawing import plain
from pages.shared.manage import differences, listing, repeats, said, say, when

if TYPE_CHECKING:
    from model.versions.registered import Version
    from model.versions.version_comparison import Comparison
    from pages.shared.version_services import Champion

NO_OTHER = N_(
    "There is no other version yet: train one on the tab Retrain. It then stands here beside the "
    "one that is served, on the same films."
)
DOWN = N_("The registry of the versions does not answer; readings go on with the version below.")
ASKING = N_(
    "Asking the registry of the versions; the first time after the server's start that takes some "
    "seconds ..."
)
FIXED = N_(
    "XRAY_BUNDLE says which version this server serves: whatever is promoted here is taken up only "
    "when that setting is taken away."
)
CHALLENGER, NEWER, EARLIER = N_("Challenger"), N_("Newer version"), N_("Earlier version")
BEFORE = N_("Served before")  # what one rolls back to; the others are promoted
PROMOTE, ROLL_BACK = N_("Promote this version"), N_("Roll back to this version")
DONE = N_("{version} is served now: every open page takes it at its next reading.")
AT_ONCE = N_(
    "From the next reading on every open page is answered by this version. It can be taken back "
    "the same way, and both stay on record."
)
NEEDS_REASON = N_(
    "It finds fewer of the films with pneumonia than the champion, by more than one in a hundred. "
    "Type why it is to be served all the same."
)
FORBIDDEN = N_("It cannot be promoted: {why}")
NOT_COMPARED = N_("The two cannot be compared: {why}")  # which going back does not need


def draw(actor: Actor) -> None:
    """The served version, beside it the one that is looked at, what to do with it, and all."""
    said()
    champion = version_services.champion()
    if champion.is_fixed:
        st.info(_(FIXED), icon=":material/lock:")
    if champion.problem:
        st.error(plain(champion.problem), icon=":material/gpp_bad:")
    above = st.container()
    left, right = st.columns(2, gap="large")
    served = left.empty()
    title = _("Champion: this version is served")
    _card(served, title, champion.name, None, _since(champion))  # while the registry is asked
    with above:
        versions, is_down = _versions(actor)
        other = _other(versions, champion.name)
    if not is_down:
        _card(served, title, champion.name, versions, _since(champion))
    if other is not None:
        goes_back = version_services.was_served(other.model_version)
        name = BEFORE if goes_back else _named(other, champion.name, versions)
        _card(right.empty(), _(name), other.model_version, versions, "")
        _compare(champion, other, name)
    elif not is_down:
        right.info(_(NO_OTHER), icon=":material/model_training:")
    if not is_down:
        st.subheader(_("All versions"))
        caption = _("Versions, newest first: {n}", n=len(versions))
        listing(caption, [_record(version) for version in versions], "")


def _versions(actor: Actor) -> tuple[list["Version"], bool]:
    """The registered ones; while the registry is down those that can be gone back to, and True."""
    try:
        with st.spinner(_(ASKING)):
            return version_services.versions(actor), False
    except StoreError as error:
        st.warning(f"{_(DOWN)} {plain(str(error))}", icon=":material/cloud_off:")
        found, problems = version_services.versions_here(actor)
        for problem in problems:
            st.warning(plain(problem), icon=":material/broken_image:")
        return found, True


def _since(champion: "Champion") -> str:
    if not champion.since:
        return ""
    return _("since {time} UTC, by {who}", time=when(champion.since), who=champion.by)


def _named(other: "Version", served: str, versions: list["Version"]) -> str:
    """What a version that was never served is beside the one that is."""
    if "challenger" in other.aliases:
        return CHALLENGER
    numbers = {one.model_version: one.number for one in versions}
    return NEWER if other.number > numbers.get(served, 0) else EARLIER


def _compare(champion: "Champion", other: "Version", name: str) -> None:
    """What differs, and the way to have the other one served; going back needs no comparison.

    name: what the other one is called beside the champion.
    """
    found = None
    try:
        if not champion.problem:
            found = version_services.comparison(champion.name, other.model_version)
            both = [version_services.bundle_of(n) for n in (champion.name, other.model_version)]
    except PneumoscopeError as error:
        st.error(plain(str(error)), icon=":material/gpp_bad:")
        return
    if found:
        for problem in found.problems:
            words = NOT_COMPARED if name == BEFORE else FORBIDDEN
            st.warning(_(words, why=plain(translated(problem))), icon=":material/block:")
        if found.note:
            st.info(plain(translated(found.note)), icon=":material/info:")
        differences.figures(found, name)
        repeats.draw(both[1])
    _step(champion, other, found, goes_back=name == BEFORE)
    if found and not found.problems:
        differences.charts(both[0], both[1], found.split, name)
        differences.films(found, name)


def _step(
    champion: "Champion", other: "Version", found: "Comparison | None", goes_back: bool
) -> None:
    label = _(ROLL_BACK) if goes_back else _(PROMOTE)
    icon = ":material/undo:" if goes_back else ":material/workspace_premium:"
    forbidden = champion.is_fixed or not (goes_back or (found and not found.problems))
    state, pair = st.session_state, (champion.name, other.model_version)
    if st.button(label, icon=icon, type="primary", disabled=forbidden, key="admin.promote"):
        state["admin.promoting"] = pair
    if state.get("admin.promoting") == pair and not forbidden:
        st.dialog(label, width="medium", on_dismiss=_dismissed)(_confirm)(*pair, found, goes_back)


def _dismissed() -> None:
    st.session_state.pop("admin.promoting", None)


def _confirm(served: str, name: str, found: "Comparison | None", goes_back: bool) -> None:
    """The differences once more, a reason where one is needed, and the step itself."""
    st.markdown(f"{plain(served)} → **{plain(name)}**")
    if found:
        differences.short(found)
    st.caption(_(AT_ONCE))
    with st.form("admin.confirm", border=False):
        if found and found.needs_reason and not goes_back:
            st.warning(_(NEEDS_REASON), icon=":material/trending_down:")
        reason = st.text_input(_("Reason"), key="admin.confirm.reason")
        pressed = st.form_submit_button(
            _("Serve this version from now on"), type="primary", icon=":material/check:"
        )
    if not pressed:
        return
    step = version_services.roll_back if goes_back else version_services.promote
    try:
        step(auth.require("admin"), name, served, reason)
    except PneumoscopeError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    _dismissed()
    say(_(DONE, version=name))
    st.rerun()


def _other(versions: list["Version"], served: str) -> "Version | None":
    """The version to look at: the challenger, unless another one is chosen."""
    others = [version for version in versions if version.model_version != served]
    if not others:
        return None
    first = next((i for i, one in enumerate(others) if "challenger" in one.aliases), 0)
    if len(others) == 1:
        return others[0]
    by_name = {one.model_version: one for one in others}
    name = st.selectbox(
        _("Compare with"), list(by_name), index=first, key="admin.version",
        format_func=lambda name: _title(by_name[name]),
    )  # fmt: skip
    return by_name[name]


def _title(version: "Version") -> str:
    return f"{version.number}: {version.model_version}{_marks(version)}"


def _marks(version: "Version") -> str:
    marks = {"champion": _("champion"), "challenger": _("challenger")}
    named = [marks[alias] for alias in version.aliases if alias in marks]
    return f" ({', '.join(named)})" if named else ""


def _card(
    place: DeltaGenerator,
    title: str,
    model_version: str,
    versions: list["Version"] | None,
    since: str,
) -> None:
    """versions: the registered ones, None while that is not known."""
    version = next((one for one in versions or () if one.model_version == model_version), None)
    number = _("Version {n}", n=version.number) if version and version.number else _("Version")
    born = "" if versions is None else _born(version)
    with place.container(border=True):
        st.caption(title)
        st.markdown(f"**{number}** · {plain(model_version or _('unknown'))}")
        st.caption(" · ".join(plain(words) for words in (since, born) if words))


def _born(version: "Version | None") -> str:
    if version is None:
        return _("not in the registry")
    told = [_("registered {time} UTC", time=when(version.created))] if version.created else []
    told += [_("from job {id}", id=version.job_id)] if version.job_id else []
    told += [_(version.note)] if version.note else []
    return ", ".join(told)


def _record(version: "Version") -> dict[str, object]:
    return {
        _("No."): version.number,
        _("Version"): version.model_version,
        _("Is"): _marks(version).strip(" ()"),
        _("Registered (UTC)"): when(version.created),
        _("Job"): version.job_id or "–",
        _("Note"): _(version.note),
    }
