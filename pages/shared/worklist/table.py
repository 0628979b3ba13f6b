"""The table of a list, how far its reading is, filters and exports."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from model.language import N_, _
from model.people.access import Actor
from model.phrases import translated
from model.prediction import probability_text
from pages.shared import auth, downloads, worklist_services
from pages.shared.drawing import plain
from pages.shared.operating_points import Thresholds
from pages.shared.worklist import intake
from pages.shared.worklist_services import DECISIONS, SORTS, Row

ACTIVE = ("waiting", "reading")
ALL = N_("All")
EARLIER = N_(
    "**Read by a version that was served earlier: {n} of {total}** ({versions}). Each is decided "
    "at that version's own threshold of the chosen name, the default one for a number that was set "
    "by hand, and not at all where its thresholds are not here, until it is read again."
)
ANOTHER = N_(
    "{file} is not the film that was read under this name, so it was not read in its place. Give "
    "that film again, or make a new worklist."
)
OTHERS = N_(
    "{n} files, such as {file}, are not the films that were read under their names, so they were "
    "not read in their place. Give those films again, or make a new worklist."
)
NOT_KEPT_ONE = N_(
    "The film of {n} of them is not at hand any more: give it again, then it can be read."
)
NOT_KEPT = N_(
    "The films of {n} of them are not at hand any more: give them again, then they can be read."
)
GATES = (N_("accepted"), N_("unusual"), N_("refused"))
_EVERY_SECONDS = 2.0
_ROW_PX, _TABLE_PX = 52, 560


def draw(actor: Actor, number: int, thresholds: Thresholds) -> list[Row]:
    """Draws it and returns the rows that are shown, in their order."""
    found = worklist_services.progress(actor, number)
    active = found is not None and found.state in ACTIVE
    every = _EVERY_SECONDS if active else None
    if found and found.others:
        words = ANOTHER if len(found.others) == 1 else OTHERS
        told = _(words, n=len(found.others), file=found.others[0])
        st.error(plain(told), icon=":material/error:")
    st.fragment(_progress, run_every=every)(number)
    _missing(actor, number, active)
    wanted = _filters()
    st.fragment(_table, run_every=every)(number, thresholds, wanted, active)
    _exports(number, thresholds)
    return st.session_state.get("worklist.rows", [])


def _progress(number: int) -> None:
    actor = auth.require("clinician")
    found = worklist_services.progress(actor, number)
    if found is None or found.state == "done":
        if st.session_state.pop("worklist.active", False):
            st.rerun()  # the last results, and no more looking
        return
    share = found.num_done / max(1, found.num_files)
    bar, button = st.columns([4, 1], vertical_alignment="center")
    if found.state in ACTIVE:
        st.session_state["worklist.active"] = True
        bar.progress(share, _words(found))
        if button.button(_("Cancel"), key="worklist.cancel", width="stretch"):
            worklist_services.cancel(actor, number)
            st.rerun()
        return
    if found.state == "stopped":
        why = plain(translated(found.problem))
        bar.error(_("The reading has stopped. {why}", why=why), icon=":material/error:")
    elif found.num_files:
        words = _("Cancelled. Films read: {n} of {total}", n=found.num_done, total=found.num_files)
        bar.progress(share, words)
    if found.num_done < found.num_files and button.button(_("Go on"), key="worklist.go_on"):
        worklist_services.go_on(actor, number)
        st.rerun()
    if st.session_state.pop("worklist.active", False):
        st.rerun()


def _words(found: Any) -> str:
    if found.state == "waiting":
        return _("Waiting: another list is being read")
    numbers: dict[str, int] = {"n": found.num_done, "total": found.num_files}
    if found.seconds_left is None:
        return _("Films: {n} of {total}, the reading begins", **numbers)
    minutes, seconds = divmod(round(found.seconds_left), 60)
    numbers |= {"minutes": minutes, "seconds": seconds}
    if minutes:
        return _("Films: {n} of {total}, {minutes} min {seconds} s left", **numbers)
    return _("Films: {n} of {total}, {seconds} s left", **numbers)


def _missing(actor: Actor, number: int, active: bool) -> None:
    num_missing = 0 if active else worklist_services.num_missing(actor, number)
    if num_missing:
        intake.again(actor, number, num_missing)


def _filters() -> dict[str, str]:
    """Values of fields of Row that are wanted, with the sort and the words to search."""
    sort, decision, gate, search = st.columns([4.4, 3.2, 2.2, 2.6])
    names = {words: name for name, words in DECISIONS.items()}
    chosen = decision.selectbox(
        _("Decision"), [ALL, *names], format_func=_, key="worklist.decision"
    )
    status = gate.selectbox(_("Gate"), [ALL, *GATES], format_func=_, key="worklist.gate")
    return {
        "sort": sort.selectbox(_("Order"), SORTS, format_func=_, key="worklist.sort"),
        "search": search.text_input(
            _("Search"), key="worklist.search", placeholder=_("file, review")
        ),
        "decision": names.get(chosen, ""),
        "gate": "" if status == ALL else status,
    }


def _table(number: int, thresholds: Thresholds, filters: dict[str, str], active: bool) -> None:
    actor, state = auth.require("clinician"), st.session_state
    if thresholds.is_over:
        st.rerun()  # the slider too is another version's now
    found = worklist_services.rows(actor, number, thresholds)
    earlier = [row for row in found if row.model_version not in ("", thresholds.served)]
    if earlier and not active:
        _earlier(actor, number, earlier, len(found), thresholds.served)
    wanted = {name: filters[name] for name in ("decision", "gate")}
    rows = worklist_services.chosen(found, filters["sort"], wanted, filters["search"])
    state["worklist.rows"] = rows
    st.caption(_counts(found, rows))
    opened = [i for i, row in enumerate(rows) if row.position == state.get("worklist.open")]
    state["worklist.table"] = {"selection": {"rows": opened, "columns": [], "cells": []}}
    st.dataframe(
        _frame(rows, worklist_services.thumbnails(actor, number), bool(earlier)),
        key="worklist.table",
        on_select=_select,
        selection_mode="single-row",
        hide_index=True,
        height=min(_TABLE_PX, _ROW_PX * len(rows) + 48),
        row_height=_ROW_PX,
        column_config=_columns(),
        placeholder="",
        alt=_("Films of the worklist with probability, decision, gate, review state and file"),
    )
    if state.pop("worklist.selected", False):
        st.rerun()  # the film beside the table is outside this fragment
    errors = [row for row in found if row.decision == worklist_services.ERROR]
    if errors:
        with st.expander(_("{n} not readable", n=len(errors)), icon=":material/broken_image:"):
            st.table({_("File"): [plain(row.file) for row in errors],
                      _("Why"): [plain(row.remark) for row in errors]})  # fmt: skip


def _earlier(actor: Actor, number: int, rows: Sequence[Row], num_files: int, served: str) -> None:
    """What another version has read, and the way to have it read by the one that is served."""
    versions = ", ".join(sorted({plain(row.model_version) for row in rows}))
    st.info(_(EARLIER, n=len(rows), total=num_files, versions=versions), icon=":material/history:")
    held = worklist_services.at_hand(actor, number)
    there = [row.position for row in rows if row.position in held]
    if there and st.button(
        _("Read {n} again with {version}", n=len(there), version=plain(served)),
        key="worklist.read_again",
    ):
        worklist_services.go_on(actor, number, there)
        st.rerun()
    if num_missing := len(rows) - len(there):
        st.caption(_(NOT_KEPT_ONE if num_missing == 1 else NOT_KEPT, n=num_missing))
        with st.expander(_("Give the films again")):
            intake.give(actor, number, "earlier")


def _counts(found: Sequence[Row], rows: Sequence[Row]) -> str:
    words = []
    for name, title in DECISIONS.items():
        num = sum(row.decision == name for row in found)
        words += [f"{_(title)}: {num}"] if num else []
    hidden = len(found) - len(rows)
    words += [_("{n} hidden by the filters", n=hidden)] if hidden else []
    return " · ".join(words)


def _select() -> None:
    state = st.session_state
    selected, rows = state["worklist.table"]["selection"]["rows"], state.get("worklist.rows", [])
    if selected and selected[0] < len(rows):
        state["worklist.open"] = rows[selected[0]].position
        state["worklist.selected"] = True


def _frame(rows: Sequence[Row], thumbnails: dict[int, str], mixed: bool) -> pd.DataFrame:
    """mixed: of several versions, each of which is named then."""
    probabilities = [row.probability for row in rows]
    versions = {"version": [row.model_version for row in rows]} if mixed else {}
    return pd.DataFrame(
        {
            "film": [thumbnails.get(row.position) for row in rows],
            "probability": probabilities,
            "said": ["" if p is None else probability_text(p) for p in probabilities],
            "decision": [_(DECISIONS[row.decision]) for row in rows],
            **versions,
            "gate": [_(row.gate) for row in rows],
            "review": [row.review for row in rows],
            "file": [row.file for row in rows],
            "remark": [row.remark for row in rows],
        }
    )


def _columns() -> dict[str, Any]:
    config = st.column_config
    return {
        "film": config.ImageColumn(_("Film"), width=88),
        # The bar alone: its own number would be rounded to a certainty, see `probability_text`.
        "probability": config.ProgressColumn(
            _("Probability"), min_value=0.0, max_value=1.0, format=" ", width=80
        ),
        "said": config.TextColumn(_("Value"), width=70),
        "decision": config.TextColumn(_("Decision"), width=140),
        "version": config.TextColumn(_("Version"), width=170),
        "gate": config.TextColumn(_("Gate"), width=80),
        "review": config.TextColumn(_("Review"), width=110),
        "file": config.TextColumn(_("File"), width=170),
        "remark": config.TextColumn(_("Remark"), width=260),
    }


@st.fragment
def _exports(number: int, thresholds: Thresholds) -> None:
    actor = auth.require("clinician")
    with st.container(horizontal=True, gap="small"):
        for kind, mime in (("csv", "text/csv"), ("json", "application/json")):
            downloads.button(
                kind.upper(),
                partial(_export, actor, number, kind, thresholds),
                f"worklist-{number}.{kind}",
                mime,
                key=f"worklist.export.{kind}",
                help=_("The decisions at this threshold. The export is recorded."),
            )


def _export(actor: Actor, number: int, kind: str, thresholds: Thresholds) -> bytes:
    return worklist_services.export(actor, number, kind, thresholds).encode()
