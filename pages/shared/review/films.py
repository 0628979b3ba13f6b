"""Where the film of a case comes from: this session, the kept images, or the reader's file."""

import streamlit as st

from model.errors import PneumoscopeError
from model.language import N_, _
from model.people.access import Actor
from pages.shared import review_services, services
from pages.shared.drawing import plain
from pages.shared.services import Reading

HELD = 8  # films in a session; the oldest is let go
GONE = N_(
    "**The film is not at hand.** Nobody has ticked that it be kept, and it is not open in this "
    "session. Give its file again to review it."
)
OTHER = N_("This is another film than the one of this case. Open the file that was read then.")
LOADING = N_("The classifier is loading. This happens once, after the server's start.")


def opened() -> dict[str, Reading]:
    """The films of this session: those of the page Read and those given again here."""
    return {**_held(), **st.session_state.get("read.readings", {})}


def _held() -> dict[str, Reading]:
    return st.session_state.setdefault("review.films", {})


def _hold(reading: Reading) -> Reading:
    held = _held()
    held[reading.id] = reading
    while len(held) > HELD:
        held.pop(next(iter(held)))
    return reading


def find(actor: Actor, image: str) -> Reading | None:
    """The film of a case; where it is not at hand this is said, and asked for."""
    found = opened().get(image)
    if found:
        return found
    try:
        kept = review_services.kept_film(actor, image)
    except PneumoscopeError as error:
        st.error(plain(str(error)), icon=":material/broken_image:")
        kept = None
    return _hold(kept) if kept else _ask(image)


def _ask(image: str) -> Reading | None:
    st.info(_(GONE), icon=":material/image_not_supported:")
    file = st.file_uploader(_("File of this film"), key=f"review.file.{image}")
    if file is None:
        return None
    try:
        reading = services.decode(file.getvalue(), review_services.name_of(image))
    except PneumoscopeError as error:
        st.error(plain(str(error)), icon=":material/broken_image:")
        return None
    if reading.id != image:
        st.error(_(OTHER), icon=":material/error:")
        return None
    _hold(reading)
    st.rerun()


def read(reading: Reading) -> bool:
    """Fills in the prediction; False while the classifier loads, or when it could not read it."""
    services.take_up(reading)
    if services.classifier_ready():
        services.predict(reading)
    return reading.prediction is not None


def wait() -> None:
    """Holds this run until the classifier has loaded, then starts the next one."""
    status = st.empty()
    while not services.classifier_ready(wait_seconds=0.2):
        status.caption(_(LOADING))
    st.rerun()
