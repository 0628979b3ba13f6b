"""Storage: what is kept, and deleting an image or a left-over of retraining for good."""

import re
from typing import TYPE_CHECKING

import streamlit as st

from model import overlay
from model.clinic import kept_images, storage
from model.clinic.kept_images import KeptImage
from model.errors import PneumoscopeError
from model.language import N_, _
from model.people.access import Actor
from pages.shared import auth
from pages.shared.drawing import plain
from pages.shared.manage import Saying, listing, said, size, when

if TYPE_CHECKING:
    from model.retraining.retraining_storage import Item

SHOWN = 8  # images at a time
THUMBNAIL_PX = 120
WHAT = N_(
    "Only images that a reader has ticked “keep for retraining” are kept: their pixels, never the "
    "uploaded file. Films that are merely read stay in the reader's session and go with it."
)
NONE_KEPT = N_("No image is kept.")
DELETED = N_("The image is deleted; the record of it stays below.")
WHOLE = N_("All kept images are there and unchanged.")
STRAY = N_("A file that no record knows")
KEPT_BY = N_("Kept by **{who}** at {time} UTC")
NO_RETRAINING = N_("Retraining has left nothing on this server.")
NEEDED = N_(
    "Registered versions stay in the registry whatever is deleted here. The version that is "
    "served, the one before it and the shipped one are never deleted."
)
HOLDING = N_(
    "**Deleted images are still in:** {where}. Delete these too, below. A GPU host has its own "
    "copies of what it has trained on: delete them there. Versions that were trained on them stay."
)
HOLDS = N_("it holds deleted images: {n}")
REMOVED = N_("{what} is deleted; the audit trail says by whom and why.")
KINDS = {
    "retraining set": N_("Retraining set"), "job": N_("Job"),
    "version": N_("Version, copy to serve"), "upload": N_("Uploaded ZIP"),
}  # fmt: skip
FOR_GOOD = N_("It cannot be brought back. Who deleted it, when and why stays on record.")


def draw(actor: Actor) -> None:
    """Numbers, kept images, deletions."""
    said()
    images = kept_images.kept(actor)
    _numbers(actor, images)
    st.caption(_(WHAT))
    st.subheader(_("Retraining"))
    try:
        _retraining(actor)
    except PneumoscopeError as error:
        st.error(plain(str(error)), icon=":material/error:")
    st.subheader(_("Kept images"))
    if st.button(_("Check the kept images"), icon=":material/verified_user:"):
        problems = kept_images.check()
        for problem in problems:
            st.error(problem, icon=":material/broken_image:")
        if not problems:
            st.success(_(WHOLE), icon=":material/verified_user:")
    _images(actor, images)
    for name in storage.stray_images(actor):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.write(f"{_(STRAY)}: {name[:12]}")
            _deletion(name)
    records = [
        {
            _("Time (UTC)"): when(deletion.time),
            _("Image"): deletion.image_sha256[:12],
            _("By"): deletion.admin,
            _("Reason"): deletion.reason,
        }
        for deletion in kept_images.deletions(actor)
    ]
    st.subheader(_("Deletions on record"))
    listing(_("Deletions, newest first: {n}", n=len(records)), records, _("None."))


def _numbers(actor: Actor, images: list[KeptImage]) -> None:
    found = storage.stored(actor)
    files = _("{n} files", n=f"{found.num_worklist_files:,}")
    with st.container(horizontal=True):
        for label, value, more in (
            (_("Kept images"), len(images), size(sum(image.num_bytes for image in images))),
            (_("Reviews"), found.num_reviews, _("never deleted")),
            (_("Worklists"), found.num_worklists, files),
            (_("Readings"), found.num_readings, _("of worklists")),
            (_("Audit records"), found.num_audit_records, _("never deleted")),
            (_("Database"), size(found.database_bytes), found.database),
        ):
            shown = value if isinstance(value, str) else f"{value:,}"
            st.metric(label, shown, more, delta_color="off", delta_arrow="off", width=150)


def _short(name: str) -> str:
    """A hash by its beginning."""
    return f"{name[:12]}…" if re.match("[0-9a-f]{64}", name) else name


def _titled(item: "Item") -> str:
    name = f" “{item.set_name}”" if item.set_name else ""
    return f"{_(KINDS[item.kind])} {_short(item.name)}{name}"


def _fate(item: "Item") -> str:
    """Whether it may be deleted, and what speaks for or against it."""
    fate = _("no: {why}", why=item.needed) if item.needed else _("yes")
    return f"{fate}; {_(HOLDS, n=item.num_deleted)}" if item.num_deleted else fate


def _retraining(actor: Actor) -> None:
    """Sets, jobs, copies of versions and uploads: how large, and what nothing needs any more."""
    from model.retraining import retraining_storage

    found = retraining_storage.items(actor)
    holding = ", ".join(plain(_titled(item)) for item in found if item.num_deleted)
    if holding:
        st.warning(_(HOLDING, where=holding), icon=":material/delete_history:")
    total = sum(item.num_bytes for item in found)
    records = [
        {
            _("What"): _(KINDS[item.kind]),
            _("Name"): _short(item.name),
            _("Size"): size(item.num_bytes),
            _("May be deleted"): _fate(item),
        }
        for item in found
    ]
    listing(_("Kept by retraining: {size}", size=size(total)), records, _(NO_RETRAINING))
    free = {_titled(one): one for one in found if not one.needed}
    if free:
        with st.popover(_("Delete one of them"), icon=":material/delete:"):
            chosen = st.selectbox(_("Which"), list(free), key="admin.free")
            st.write(_(FOR_GOOD))
            with st.form(f"admin.free.{chosen}", border=False):
                reason = st.text_input(_("Reason"), key=f"admin.free.reason.{chosen}")
                pressed = st.form_submit_button(_("Delete it for good"), type="primary")
            if pressed:
                with Saying(_(REMOVED, what=chosen)):
                    item = free[chosen]
                    admin = auth.require("admin")
                    retraining_storage.delete(admin, item.kind, item.name, reason)
                st.rerun()
    st.caption(_(NEEDED))


def _images(actor: Actor, images: list[KeptImage]) -> None:
    if not images:
        st.caption(_(NONE_KEPT))
        return
    num_pages = -(-len(images) // SHOWN)
    page = 1
    if num_pages > 1:
        title = _("Page of {n}", n=num_pages)
        page = st.number_input(title, 1, num_pages, key="admin.images", width=160)
    for image in images[SHOWN * (page - 1) : SHOWN * page]:
        film, facts = st.columns([1, 4], vertical_alignment="center")
        with film:
            _thumbnail(actor, image)
        with facts:
            kept = _(KEPT_BY, who=plain(image.reader), time=when(image.time))
            number = _("number {number}", number=image.image_sha256[:12])
            pixels = f"{image.width_px} x {image.height_px} px"
            st.markdown(f"{kept}  \n{pixels}, {size(image.num_bytes)}, {number}")
            _deletion(image.image_sha256)


def _thumbnail(actor: Actor, image: KeptImage) -> None:
    try:
        film = kept_images.film(actor, image.image_sha256)
    except PneumoscopeError as error:
        st.error(str(error), icon=":material/broken_image:")
    else:
        st.image(
            overlay.png(overlay.thumbnail(film, THUMBNAIL_PX)),
            alt=_("Kept film {number}", number=image.image_sha256[:12]),
        )


def _deletion(sha256: str) -> None:
    """Two deliberate steps, the second with a reason; keys hold the image."""
    with st.popover(_("Delete"), icon=":material/delete:"):
        st.write(_(FOR_GOOD))
        with st.form(f"admin.delete.{sha256}", border=False):
            reason = st.text_input(_("Reason"), key=f"admin.reason.{sha256}")
            deleted = st.form_submit_button(_("Delete this image for good"), type="primary")
        if deleted:
            with Saying(_(DELETED)):
                kept_images.delete(auth.require("admin"), sha256, reason)
            st.rerun()
