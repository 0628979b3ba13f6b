"""Storage: what is kept, and deleting an image of it for good."""

import streamlit as st

from model import kept_images, overlay, storage
from model.access import Actor
from model.errors import PneumoscopeError
from model.kept_images import KeptImage
from pages.shared import auth
from pages.shared.drawing import plain
from pages.shared.manage import Saying, listing, said, size, when

SHOWN = 8  # images at a time
THUMBNAIL_PX = 120
WHAT = (
    "Only images that a reader has ticked “keep for retraining” are kept: their pixels, never the "
    "uploaded file. Films that are merely read stay in the reader's session and go with it."
)
NONE_KEPT = "No image is kept."
DELETED = "The image is deleted; the record of it stays below."
WHOLE = "All kept images are there and unchanged."
STRAY = "A file that no record knows"
FOR_GOOD = "It cannot be brought back. Who deleted it, when and why stays on record."


def draw(actor: Actor) -> None:
    """Numbers, kept images, deletions."""
    said()
    images = kept_images.kept(actor)
    _numbers(actor, images)
    st.caption(WHAT)
    st.subheader("Kept images")
    if st.button("Check the kept images", icon=":material/verified_user:"):
        problems = kept_images.check()
        for problem in problems:
            st.error(problem, icon=":material/broken_image:")
        if not problems:
            st.success(WHOLE, icon=":material/verified_user:")
    _images(actor, images)
    for name in storage.stray_images(actor):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.write(f"{STRAY}: {name[:12]}")
            _deletion(name)
    records = [
        {
            "Time (UTC)": when(deletion.time),
            "Image": deletion.image_sha256[:12],
            "By": deletion.admin,
            "Reason": deletion.reason,
        }
        for deletion in kept_images.deletions(actor)
    ]
    st.subheader("Deletions on record")
    listing(f"Deletions, newest first: {len(records)}", records, "None.")


def _numbers(actor: Actor, images: list[KeptImage]) -> None:
    found = storage.stored(actor)
    with st.container(horizontal=True):
        for label, value, more in (
            ("Kept images", len(images), size(sum(image.num_bytes for image in images))),
            ("Reviews", found.num_reviews, "never deleted"),
            ("Worklists", found.num_worklists, f"{found.num_worklist_files:,} files"),
            ("Readings", found.num_readings, "of worklists"),
            ("Audit records", found.num_audit_records, "never deleted"),
            ("Database", size(found.database_bytes), found.database),
        ):
            shown = value if isinstance(value, str) else f"{value:,}"
            st.metric(label, shown, more, delta_color="off", delta_arrow="off", width=150)


def _images(actor: Actor, images: list[KeptImage]) -> None:
    if not images:
        st.caption(NONE_KEPT)
        return
    num_pages = -(-len(images) // SHOWN)
    page = 1
    if num_pages > 1:
        page = st.number_input(f"Page of {num_pages}", 1, num_pages, key="admin.images", width=160)
    for image in images[SHOWN * (page - 1) : SHOWN * page]:
        film, facts = st.columns([1, 4], vertical_alignment="center")
        with film:
            _thumbnail(actor, image)
        with facts:
            st.markdown(
                f"Kept by **{plain(image.reader)}** at {when(image.time)} UTC  \n"
                f"{image.width_px} x {image.height_px} px, {size(image.num_bytes)}, "
                f"number {image.image_sha256[:12]}"
            )
            _deletion(image.image_sha256)


def _thumbnail(actor: Actor, image: KeptImage) -> None:
    try:
        film = kept_images.film(actor, image.image_sha256)
    except PneumoscopeError as error:
        st.error(str(error), icon=":material/broken_image:")
    else:
        st.image(
            overlay.png(overlay.thumbnail(film, THUMBNAIL_PX)),
            alt=f"Kept film {image.image_sha256[:12]}",
        )


def _deletion(sha256: str) -> None:
    """Two deliberate steps, the second with a reason; keys hold the image."""
    with st.popover("Delete", icon=":material/delete:"):
        st.write(FOR_GOOD)
        with st.form(f"admin.delete.{sha256}", border=False):
            reason = st.text_input("Reason", key=f"admin.reason.{sha256}")
            deleted = st.form_submit_button("Delete this image for good", type="primary")
        if deleted:
            with Saying(DELETED):
                kept_images.delete(auth.require("admin"), sha256, reason)
            st.rerun()
