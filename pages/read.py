"""One X-ray: upload or sample -> probability, heatmap, decision at the threshold."""

import base64

import streamlit as st

from model.errors import PneumoscopeError
from model.language import N_, _
from model.people.access import may
from model.phrases import translated
from pages.shared import auth, decision, film, frame, services
from pages.shared.drawing import plain
from pages.shared.services import Reading

KEPT = 8  # readings a session holds; the oldest is let go
REVIEW = N_("Review this film")
GATE, OVERRULED = N_("gate: {status}"), N_("gate: {status}, overruled")
EARLIER = N_(
    "Read by version {version}. Another version is served by now: all figures here are of the one "
    "that has read the film."
)
WHAT_COMES = N_(
    "You will see the film, where the classifier found evidence for pneumonia, its "
    "probability, and what a decision at your threshold means."
)
LOADING = N_("The classifier is loading. This happens once, after the server's start.")
AGAIN = N_("Read it again with the version that is served")


def page() -> None:
    """Lays the page out; everything that depends on the threshold is in `decision.panel`."""
    frame.heading(_("Read an X-ray"))
    inbox, strip = st.columns([2, 3], vertical_alignment="center")
    with inbox:
        uploads = st.file_uploader(
            _("Drop chest X-rays here: JPEG, PNG, TIFF, BMP, WebP or DICOM"),
            accept_multiple_files=True,
            key="read.upload",
            help=_("Files stay in this session's memory and are gone when you close the page."),
        )
    _take_in(uploads)
    with strip:
        _samples()
    _choose()
    reading = _readings().get(st.session_state.get("read.shown", ""))
    if reading is None:
        st.html(
            f'<div class="empty-film"><p>{_("Drop an X-ray above or choose a sample.")}</p>'
            f"<p>{_(WHAT_COMES)}</p></div>"
        )
    else:
        _show(reading)
    services.classifier_ready()  # from here on it loads while the visitor looks around


def _readings() -> dict[str, Reading]:
    return st.session_state.setdefault("read.readings", {})


def _add(reading: Reading) -> None:
    readings = _readings()
    readings.pop(reading.id, None)
    # `st.pills` tells its options apart by their words alone: no name twice.
    name, number = reading.name, 1
    while any(kept.name == reading.name for kept in readings.values()):
        number += 1
        reading.name = f"{name} ({number})"
    readings[reading.id] = reading
    while len(readings) > KEPT:
        readings.pop(next(iter(readings)))
    st.session_state["read.shown"] = reading.id


def _take_in(uploads: list) -> None:
    """Decodes what was uploaded since the last run; says what is wrong with unreadable files."""
    taken: dict[str, str] = st.session_state.setdefault("read.taken", {})  # file id -> error
    for upload in reversed(uploads):  # so that the first of several is selected
        if upload.file_id in taken:
            continue
        try:
            _add(services.decode(upload.getvalue(), upload.name))
            taken[upload.file_id] = ""
        except PneumoscopeError as error:
            taken[upload.file_id] = str(error)
    for upload in uploads:
        if taken[upload.file_id]:
            st.error(plain(taken[upload.file_id]), icon=":material/broken_image:")


def _samples() -> None:
    """A strip of thumbnails: a click reads the sample like an upload."""
    st.caption(_("Samples: synthetic films, made by a program"))
    thumbnails = services.sample_thumbnails()
    with st.container(key="read-samples", horizontal=True, gap="small"):
        for sample, thumbnail in zip(services.samples(), thumbnails, strict=True):
            picture = base64.b64encode(thumbnail).decode()
            if st.button(
                f"![](data:image/png;base64,{picture}) {_(sample.label)}",
                key=f"read.sample.{sample.path.name}",
                help=_("{title} (synthetic)", title=_(sample.title)),
            ):
                _add(services.decode(sample.path.read_bytes(), sample.path.name, synthetic=True))


def _choose() -> None:
    """Which of several films is shown."""
    readings = _readings()
    if len(readings) < 2:
        return
    # Widgets of a page that was left lose their keys, so what is shown is kept under another.
    st.session_state["read.chosen"] = st.session_state["read.shown"]
    st.pills(
        _("Film"),
        list(reversed(readings)),
        format_func=lambda id_: plain(readings[id_].name),
        key="read.chosen",
        on_change=_show_chosen,
        label_visibility="collapsed",
        required=True,
    )


def _show_chosen() -> None:
    st.session_state["read.shown"] = st.session_state["read.chosen"]


def _show(reading: Reading) -> None:
    services.take_up(reading)
    if services.classifier_ready():
        services.predict(reading)
    left, right = st.columns([5, 3], gap="medium")
    with left:
        film.show(reading, key="read.viewer", height_px=600)
        _facts(reading)
    with right:
        if reading.error:
            st.error(translated(reading.error), icon=":material/error:")
        elif reading.prediction:
            _offer_again(reading)
            decision.panel(reading)
            _to_review(reading)
        else:
            _wait()


def _offer_again(reading: Reading) -> None:
    """Another version is served since this film was read: what is shown stays with its own."""
    if services.is_outdated(reading):
        assert reading.prediction
        st.info(
            _(EARLIER, version=plain(reading.prediction.model_version)), icon=":material/history:"
        )
        again = _(AGAIN)
        st.button(again, key="read.again", on_click=services.read_again, args=(reading,))


def _to_review(reading: Reading) -> None:
    """For clinicians: the same film on the page Review."""
    if may(auth.actor(), "clinician") and st.button(
        _(REVIEW), icon=":material/rate_review:", key="read.review"
    ):
        st.session_state["review.shown"] = reading.id
        st.switch_page("pages/review.py")


def _wait() -> None:
    """Holds this run until the classifier has loaded, then starts the next one.

    The film is on the screen meanwhile. Waiting inside one run, not by reruns on a timer: Streamlit
    collects garbage after every run, and that holds up the very loading that is waited for.
    """
    st.subheader(_(film.PENDING))
    status = st.empty()
    while not services.classifier_ready(wait_seconds=0.2):
        # A call to Streamlit is where it can end this run when the visitor does something else.
        status.caption(_(LOADING))
    st.rerun()


def _facts(reading: Reading) -> None:
    """What is known of the file, in one quiet line, and the reader's notes."""
    xray = reading.xray
    height, width = xray.pixels.shape
    facts = [xray.kind, f"{width} x {height} px", f"{xray.num_bytes / 1e6:.1f} MB"]
    facts += [fact for fact in (xray.modality, xray.view) if fact]
    if xray.age_years is not None:
        facts.append(_("age {years:.1f} years", years=xray.age_years))
    if xray.pixel_spacing_mm:
        facts.append(_("{mm:.2f} mm a pixel", mm=xray.pixel_spacing_mm[0]))
    if reading.prediction:
        said = OVERRULED if reading.prediction.overruled else GATE
        facts.append(_(said, status=_(reading.prediction.gate.status)))
        facts.append(_("model {version}", version=reading.prediction.model_version))
    st.caption(" · ".join(facts))
    for note in (*xray.notes, *services.preparation_notes(reading)):
        st.caption(f":material/info: {translated(note)}")


page()
