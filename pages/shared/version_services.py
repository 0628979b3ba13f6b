"""Wires model versions to the page Admin: figures and films of two of them, promote, roll back.

The rights are checked below it. MLflow and Keras are imported when they are asked for.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from model import overlay
from model.bundle import Bundle, open_bundle
from model.config import settings
from model.errors import PneumoscopeError
from model.language import N_, _
from model.people.access import Actor, require
from pages.shared import services

if TYPE_CHECKING:
    from model.versions.registered import Version
    from model.versions.version_comparison import Comparison

SHIPPED = N_("The shipped version")
NOT_HERE = N_("{version} cannot be gone back to: its files here are missing or damaged.")


@dataclass(frozen=True)
class Champion:
    """What is served. name: "" if that cannot be known. problem: why it reads no film, or ""."""

    name: str
    since: str
    by: str
    problem: str
    is_fixed: bool


def champion() -> Champion:
    """As champion.json, or the setting XRAY_BUNDLE, says it; checked as a reading checks it."""
    from model.versions import champion, registered

    name = registered.served_version()
    try:
        services.bundle()
        look = champion.look()
        return Champion(name, look.since, look.by, "", champion.is_fixed())
    except PneumoscopeError as error:
        return Champion(name, "", "", str(error), champion.is_fixed())


def versions(actor: Actor) -> list["Version"]:
    """All that are registered, newest first. Raises StoreError while MLflow does not answer."""
    from model.versions import registry

    require(actor, "admin")
    return registry.versions()[::-1]


def versions_here(actor: Actor) -> tuple[list["Version"], list[str]]:
    """Without MLflow: the version before and the shipped one, if they are here and whole.

    Second, in a sentence each, which of them cannot be gone back to.
    """
    from model.versions import champion, registered

    require(actor, "admin")
    before, shipped = "", ""
    with contextlib.suppress(PneumoscopeError):
        before = champion.look().previous
    with contextlib.suppress(PneumoscopeError):
        shipped = registered.shipped_version()
    titles = {**({before: before} if before else {}), shipped: _(SHIPPED)}
    sound = [name for name in titles if name and registered.here(name, "")]
    problems = [_(NOT_HERE, version=titles[name]) for name in titles if name not in sound]
    return [registered.Version(0, name) for name in sound], problems


def was_served(model_version: str) -> bool:
    """Whether it can be gone back to."""
    from model.versions import registry

    return registry.was_served(model_version)


@st.cache_resource(show_spinner=False, max_entries=8, ttl=60)
def bundle_of(model_version: str) -> Bundle:
    """A version, fetched and checked; promotion checks it again. Raises BundleError, StoreError."""
    from model.versions import registered, registry

    folder = registered.here(model_version, "") or registry.bundle_of(model_version)
    return open_bundle(folder)


@st.cache_resource(show_spinner=False, max_entries=8, ttl=60)
def comparison(champion: str, challenger: str) -> "Comparison":
    """The two on the same films; some bootstraps, once."""
    from model.versions import version_comparison

    return version_comparison.compare(bundle_of(champion), bundle_of(challenger))


def promote(actor: Actor, model_version: str, expected: str, reason: str) -> None:
    """Serves this version from the next reading on, unless another than `expected` is served."""
    from model.versions import registry

    registry.promote(actor, model_version, expected, reason)


def roll_back(actor: Actor, model_version: str, expected: str, reason: str) -> None:
    """The same to a version that was served before."""
    from model.versions import registry

    registry.rollback(actor, model_version, expected, reason)


def film_path(label: int, name: str) -> Path | None:
    """A film of the locked test set on this server; names of a card stay inside its folder."""
    folder = settings().data
    if folder is None:
        return None
    path = folder / "test" / ("PNEUMONIA" if label else "NORMAL") / Path(name).name
    return path if path.is_file() else None


@st.cache_resource(show_spinner=False, max_entries=64)
def heated(model_version: str, path: Path, height_px: int = 320) -> tuple[bytes, bool] | None:
    """A film with the heatmap of this version, as a small PNG, and whether there is any heat.

    None when there is no heatmap.
    """
    try:
        film = services.decode(path.read_bytes(), "").xray
    except (OSError, PneumoscopeError):
        return None
    [prediction] = _classifier(model_version).predict([film], overruled=True)
    if prediction.heatmap is None:
        return None
    grey = overlay.thumbnail(film.display(), height_px)
    picture = overlay.png(overlay.overlay(grey, prediction.heatmap))
    return picture, bool(prediction.heatmap.any())


def _classifier(model_version: str) -> Any:
    if model_version == services.bundle().model_version:
        return services.classifier().result()
    return _challenger(bundle_of(model_version).folder)


@st.cache_resource(show_spinner=False, max_entries=1)
def _challenger(folder: Path) -> Any:
    return services.load(folder)
