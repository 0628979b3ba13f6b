"""The keys of the page: one for each answer, and the list of them."""

from pathlib import Path

import streamlit as st

from model.language import N_, _
from pages.shared import review_services, shortcuts

TITLE = N_("Keys")
NOTE = N_(
    "The keys also work while the film has the focus; there ? lists the viewer's own. In the "
    "comment and the case list they write instead."
)
LABELS = dict(zip("123456", review_services.LABELS, strict=True))
CONFIDENCES = dict(zip("qwe", review_services.CONFIDENCES, strict=True))
VERDICTS = dict(zip("ad", review_services.VERDICTS, strict=True))
HEATMAPS = dict(zip("789n", review_services.HEATMAPS, strict=True))
# Names of containers on the page, and what their keys choose.
_GROUPS = {
    "review-label": LABELS,
    "review-confidence": CONFIDENCES,
    "review-verdict": VERDICTS,
    "review-heatmap": HEATMAPS,
}
_OTHERS = {
    "t": ("review-comment", N_("write the comment")),
    "x": ("review-keep", N_("keep the image, or not")),
    "j": ("review-next", N_("next case")),
    "k": ("review-previous", N_("case before")),
    "?": ("review-keys", N_("open this list")),
}
_component = st.components.v2.component(
    "pneumoscope_review_keys",
    js=Path(__file__).with_name("keys.js").read_text(encoding="utf-8"),
)


def listen() -> None:
    """Has the browser listen to the keys."""
    data = {
        key: [name, index] for name, options in _GROUPS.items() for index, key in enumerate(options)
    }
    _component(
        key="review.listen", data=data | {key: [n, 0] for key, (n, _says) in _OTHERS.items()}
    )


def of(options: dict[str, str], option: str) -> str:
    """The option with its key, as Markdown."""
    key = next(key for key, known in options.items() if known == option)
    said = review_services.words(option)
    return f"{said[0].upper()}{said[1:]} `{key.upper()}`"


def help_list() -> None:
    """All keys, behind a button."""
    with (
        st.container(key="review-keys", width="content"),
        st.popover(_(TITLE), icon=":material/keyboard:"),
    ):
        shortcuts.switch()
        rows = [(key, what) for options in _GROUPS.values() for key, what in options.items()]
        rows += [(key, what) for key, (_name, what) in _OTHERS.items()]
        rows.append(("ctrl + enter", N_("store")))
        st.markdown(
            "  \n".join(f"`{key.upper()}` {review_services.words(what)}" for key, what in rows)
        )
        st.caption(_(NOTE))
