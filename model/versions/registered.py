"""Model versions as MLflow has them, and where a copy of one lies here; see registry.py."""

import contextlib
import datetime
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.bundle import CARD, Bundle, open_bundle, read_card, sha256_of
from model.errors import BundleError, InputError
from model.language import N_, _
from model.versions import champion as serving
from model.versions.tracking import BUNDLE, CHALLENGER, CHAMPION, NAME, finish

if TYPE_CHECKING:
    from mlflow import MlflowClient

SHIPPED = N_("shipped with the program")


@dataclass(frozen=True)
class Version:
    """A registered model version. aliases: "champion", "challenger". created: UTC text."""

    number: int
    model_version: str
    aliases: tuple[str, ...] = ()
    created: str = ""
    run_id: str = ""
    job_id: str = ""
    note: str = ""
    card_sha256: str = ""


def served_version() -> str:
    """Name of the version that is served; "" if that cannot be known."""
    try:
        found = serving.look()
        return found.model_version or read_card(found.folder / CARD).model_version
    except BundleError:
        return ""


def registered(client: "MlflowClient") -> list[Version]:
    """As MLflow has them, oldest first; a bundle that was registered twice, once."""
    from model import store

    rows = client.search_model_versions(f"name='{NAME}'", max_results=10_000)
    aliases: Mapping[str, Any] = client.get_registered_model(NAME).aliases if rows else {}
    found: dict[str, Version] = {}
    for row in sorted(rows, key=lambda row: int(row.version)):
        created = datetime.datetime.fromtimestamp(row.creation_timestamp / 1000, datetime.UTC)
        model_version = row.tags.get("model_version", "")
        version = Version(
            int(row.version),
            model_version,
            tuple(alias for alias, number in aliases.items() if int(number) == int(row.version)),
            store.time_text(created),
            row.run_id or "",
            row.tags.get("job_id", ""),
            row.tags.get("note", ""),
            row.tags.get("card_sha256", ""),
        )
        if model_version:  # else it is none of ours
            found.setdefault(model_version, version)
    return list(found.values())


def set_alias(client: "MlflowClient", alias: str, number: int) -> None:
    """Moves an alias to a version; two that do so at once collide in MLflow's table."""
    from mlflow.exceptions import MlflowException

    for left in (2, 1, 0):
        try:
            client.set_registered_model_alias(NAME, alias, str(number))
            return
        except MlflowException:
            if not left:
                raise
            time.sleep(0.1)


def named(found: Sequence[Version], model_version: str) -> Version:
    """The one of that name. Raises InputError if there is none."""
    for version in found:
        if version.model_version == model_version:
            return version
    raise InputError(
        _("a version of the registry"), repr(model_version), _("Choose one of its list.")
    )


def register(
    client: "MlflowClient",
    run_id: str,
    bundle: Bundle,
    job_id: str,
    curves: Sequence[Any],
    alias: str,
    note: str = "",
) -> str:
    """The run and the version of a bundle; nothing twice. The id of the run."""
    version = next((v for v in registered(client) if v.model_version == bundle.model_version), None)
    if version is None:
        run_id = finish(client, run_id, bundle, job_id, curves)
        _make_model(client)
        tags = {"model_version": bundle.model_version, "job_id": job_id, "note": note}
        tags["card_sha256"] = sha256_of(bundle.folder / CARD)
        row = client.create_model_version(NAME, f"runs:/{run_id}/{BUNDLE}", run_id, tags=tags)
        version = Version(int(row.version), bundle.model_version, run_id=run_id)
    if alias and version.model_version != served_version():
        set_alias(client, alias, version.number)
    return version.run_id


def _make_model(client: "MlflowClient") -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(NAME)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def register_shipped(client: "MlflowClient") -> None:
    """The version that came with the program, unless it does not check or is there already."""
    with contextlib.suppress(BundleError):
        known = [version.model_version for version in registered(client)]
        if shipped_version() not in known:
            shipped = open_bundle(serving.SHIPPED)
            curves = shipped.training.get("curves") or []
            register(client, "", shipped, "", curves, "", SHIPPED)


def shipped_version() -> str:
    """Name of the version that came with the program. Raises BundleError."""
    return read_card(serving.SHIPPED / CARD).model_version


def here(model_version: str, card_sha256: str) -> Path | None:
    """A sound copy on this machine, with that card if one is named."""
    for folder_of in (lambda _: serving.SHIPPED, serving.folder_of):
        with contextlib.suppress(BundleError):
            folder = folder_of(model_version)
            if read_card(folder / CARD).model_version != model_version:
                continue
            if not card_sha256 or sha256_of(folder / CARD) == card_sha256:
                return open_bundle(folder).folder
    return None


def with_aliases_right(client: "MlflowClient", found: list[Version]) -> list[Version]:
    """MLflow's aliases as champion.json says; what is served is challenged by another."""
    now = served_version()
    for version in found:
        if version.model_version == now and CHAMPION not in version.aliases:
            set_alias(client, CHAMPION, version.number)
        if version.model_version == now and CHALLENGER in version.aliases:
            client.delete_registered_model_alias(NAME, CHALLENGER)
    return [
        replace(version, aliases=()) if version.model_version == now else version
        for version in found
    ]
