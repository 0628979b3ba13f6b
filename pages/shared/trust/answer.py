"""What the figures of a tab mean, before the figures: one sentence for a reader in a hurry."""

from collections.abc import Sequence
from html import escape

import streamlit as st


def show(sentences: Sequence[str], source: str) -> None:
    """The first sentence in bold, the others under it, and in small where they are from."""
    first, *others, last = map(_html, [*sentences, source])
    said = "".join(f"<p>{sentence}</p>" for sentence in [f"<b>{first}</b>", *others])
    st.html(f'<div class="answer">{said}<p class="source">{last}</p></div>')


def _html(sentence: str) -> str:
    """A line must not end between a number and its sign."""
    return escape(sentence).replace(" %", "&nbsp;%")
