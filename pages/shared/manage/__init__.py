"""The tabs of the page Admin: each module has `draw(actor)`. Rights are checked again in model/."""

from collections.abc import Mapping, Sequence
from html import escape

import streamlit as st

from model.errors import PneumoscopeError


def listing(caption: str, records: Sequence[Mapping[str, object]], empty: str) -> None:
    """A table of what people have entered, as text: neither HTML nor Markdown in it counts."""
    if not records:
        st.caption(empty)
        return
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in records[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in record.values()) + "</tr>"
        for record in records
    )
    st.html(
        f'<figure class="figures listing"><figcaption>{escape(caption)}</figcaption>'
        f'<div tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></figure>"
    )


def when(time: str) -> str:
    """A time of the store, to the second: `2026-11-21 07:48:18`."""
    return time[:19].replace("T", " ")


def size(num_bytes: int) -> str:
    """Megabytes in words."""
    return f"{num_bytes / 1e6:,.1f} MB"


def say(text: str, ok: bool = True) -> None:
    """Has `said` show this in the next run."""
    st.session_state["admin.said"] = text, ok


def said() -> None:
    """What became of the last thing that was done."""
    text, ok = st.session_state.pop("admin.said", ("", True))
    if text:
        from pages.shared.drawing import plain

        show, icon = (st.success, "check") if ok else (st.error, "error")
        show(plain(text), icon=f":material/{icon}:")


class Saying:
    """with Saying("Done."): ...  says this after the block, or what it raised on purpose.

    text: may be set inside; "" says nothing.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def __enter__(self) -> "Saying":
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> bool:
        if error is None:
            say(self.text)
        elif isinstance(error, PneumoscopeError):
            say(str(error), ok=False)
            return True
        return False
