"""The table of a list, how far its reading is, filters and exports."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from model.errors import PneumoscopeError
from model.language import N_, _
from model.people.access import Actor
from model.phrases import translated
from pages.shared import worklist_services
from pages.shared.drawing import plain
from pages.shared.worklist import intake
from pages.shared.worklist_services import DECISIONS, SORTS, Row

ACTIVE = ("waiting", "reading")
ALL = N_("All")
GATES = (N_("accepted"), N_("unusual"), N_("refused"))
_EVERY_SECONDS = 2.0
_ROW_PX, _TABLE_PX = 52, 560


def draw(actor: Actor, number: int, threshold: float, band: float) -> list[Row]:
    """Draws it and returns the rows that are shown, in their order."""
    found = worklist_services.progress(actor, number)
    active = found is not None and found.state in ACTIVE
    every = _EVERY_SECONDS if active else None
    st.fragment(_progress, run_every=every)(actor, number)
    _missing(actor, number, active)
    wanted = _filters()
    st.fragment(_table, run_every=every)(actor, number, threshold, band, wanted)
    _exports(actor, number, threshold, band)
    return st.session_state.get("worklist.rows", [])


def _progress(actor: Actor, number: int) -> None:
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
        words = _("Cancelled after {n} of {total} films", n=found.num_done, total=found.num_files)
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
        return _("{n} of {total} films, the reading begins", **numbers)
    minutes, seconds = divmod(round(found.seconds_left), 60)
    numbers |= {"minutes": minutes, "seconds": seconds}
    if minutes:
        return _("{n} of {total} films, {minutes} min {seconds} s left", **numbers)
    return _("{n} of {total} films, {seconds} s left", **numbers)


def _missing(actor: Actor, number: int, active: bool) -> None:
    num_missing = 0 if active else worklist_services.num_missing(actor, number)
    if num_missing:
        intake.again(actor, number, num_missing)


def _filters() -> dict[str, str]:
    """Values of fields of Row that are wanted, with the sort and the words to search."""
    sort, decision, gate, search = st.columns([3, 3, 2, 3])
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


def _table(
    actor: Actor, number: int, threshold: float, band: float, filters: dict[str, str]
) -> None:
    state = st.session_state
    found = worklist_services.rows(actor, number, threshold, band)
    wanted = {name: filters[name] for name in ("decision", "gate")}
    rows = worklist_services.chosen(found, filters["sort"], wanted, filters["search"])
    state["worklist.rows"] = rows
    st.caption(_counts(found, rows))
    opened = [i for i, row in enumerate(rows) if row.position == state.get("worklist.open")]
    state["worklist.table"] = {"selection": {"rows": opened, "columns": [], "cells": []}}
    st.dataframe(
        _frame(rows, worklist_services.thumbnails(actor, number)),
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


def _frame(rows: Sequence[Row], thumbnails: dict[int, str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "film": [thumbnails.get(row.position) for row in rows],
            "probability": [row.probability for row in rows],
            "decision": [_(DECISIONS[row.decision]) for row in rows],
            "gate": [_(row.gate) for row in rows],
            "review": [row.review for row in rows],
            "file": [row.file for row in rows],
            "remark": [row.remark for row in rows],
        }
    )


def _columns() -> dict[str, Any]:
    config = st.column_config
    return {
        "film": config.ImageColumn(_("Film"), width=64),
        "probability": config.ProgressColumn(
            _("Probability"), min_value=0.0, max_value=1.0, format="%.2f", width=110
        ),
        "decision": config.TextColumn(_("Decision"), width=140),
        "gate": config.TextColumn(_("Gate"), width=80),
        "review": config.TextColumn(_("Review"), width=110),
        "file": config.TextColumn(_("File"), width=170),
        "remark": config.TextColumn(_("Remark"), width=260),
    }


def _exports(actor: Actor, number: int, threshold: float, band: float) -> None:
    with st.container(horizontal=True, gap="small"):
        for kind, mime in (("csv", "text/csv"), ("json", "application/json")):
            st.download_button(
                kind.upper(),
                data=lambda kind=kind: _export(actor, number, kind, threshold, band),  # type: ignore[misc]
                file_name=f"worklist-{number}.{kind}",
                mime=mime,
                icon=":material/download:",
                on_click="ignore",
                key=f"worklist.export.{kind}",
                help=_("The decisions at this threshold. The export is recorded."),
            )


def _export(actor: Actor, number: int, kind: str, threshold: float, band: float) -> str:
    """What went wrong stands in the file: a download cannot say it otherwise."""
    try:
        return worklist_services.export(actor, number, kind, threshold, band)
    except PneumoscopeError as error:
        return f"{error}\n"
