"""Audit: who did what and when, newest first."""

import json
import re
from typing import TYPE_CHECKING

import streamlit as st

from model.language import N_, _
from model.people import audit
from model.people.access import Actor
from model.phrases import translated
from pages.shared.manage import listing, when

if TYPE_CHECKING:
    from model.people.audit import Entry

SHOWN = 50  # records at a time
LOOKED_AT = 20_000  # records that a search goes through
WHAT = N_(
    "Each record is tied to the one before, so that a record changed, added or taken out by "
    "somebody with access to the database is found by the check."
)
WHOLE = N_("The trail is whole: no record was changed, added or taken out.")
NOTHING = N_("No record fits.")
EXPORTED = N_("That the trail was exported is on record too.")


def draw(actor: Actor) -> None:
    """Search, list, check, export."""
    words, buttons = st.columns([3, 2], vertical_alignment="bottom")
    wanted = words.text_input(
        _("Search"), key="admin.audit.search", type="search",
        placeholder=_("a name, an action ..."),
    )  # fmt: skip
    with buttons, st.container(horizontal=True):
        checked = st.button(_("Check the trail"), icon=":material/verified_user:")
        export = st.button(_("Export"), icon=":material/download:")
    if checked:
        _check()
    if export:
        _export(actor)
    pages = st.session_state.get("admin.audit.pages", {}).get(wanted, 1)
    found = _matching(actor, wanted, SHOWN * pages + 1)
    shown = found[: SHOWN * pages]
    title = _("Records, newest first: {n}", n=len(shown))
    listing(title, [_record(e) for e in shown], _(NOTHING))
    if len(found) > len(shown) and st.button(_("Show older ones"), icon=":material/expand_more:"):
        st.session_state["admin.audit.pages"] = {wanted: pages + 1}
        st.rerun()
    st.caption(_(WHAT))


def _check() -> None:
    problems = audit.check()
    for problem in problems:
        st.error(problem, icon=":material/gpp_bad:")
    if not problems:
        st.success(_(WHOLE), icon=":material/verified_user:")


def _export(actor: Actor) -> None:
    """In two steps, so that the right to it is looked at when it is asked for."""
    lines = list(audit.export(actor))
    st.download_button(
        _("Download {n} records (JSON lines)", n=f"{len(lines):,}"),
        "\n".join([*lines, ""]),
        file_name="audit.jsonl",
        mime="application/x-ndjson",
        on_click="ignore",
        icon=":material/download:",
        help=_(EXPORTED),
    )


def _matching(actor: Actor, wanted: str, number: int) -> list["Entry"]:
    """The newest records that hold the words, at most this many."""
    found: list[Entry] = []
    before = None
    words = wanted.casefold().split()
    for _page in range(0, LOOKED_AT, 500):
        entries = audit.entries(actor, 500, before)
        found += [e for e in entries if all(word in _text(e) for word in words)]
        if len(found) >= number or len(entries) < 500:
            break
        before = entries[-1].id
    return found[:number]


def _text(entry: "Entry") -> str:
    shown = " ".join(str(cell) for cell in _record(entry).values()).casefold()
    return f"{shown} {entry.action} {entry.subject}"


def _record(entry: "Entry") -> dict[str, object]:
    details = ", ".join(
        f"{key}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for key, value in entry.details.items()
    )
    image = re.fullmatch("[0-9a-f]{64}", entry.subject)
    return {
        _("No."): entry.id,
        _("Time (UTC)"): when(entry.time),
        _("Who"): entry.actor,
        _("Did"): translated(entry.action),
        _("To"): f"{entry.subject[:12]}…" if image else entry.subject,
        _("Details"): details,
    }
