"""Model versions: which there are, and which one reads.

    registry.hand_over(run_id, bundle_folder, job_id, curves)      # a training has ended
    registry.versions()                                            # the shipped one is number 1
    registry.promote(actor, model_version, expected=served_now)    # from the next reading on
    registry.rollback(actor, model_version, expected=served_now)   # back to one that has read

MLflow keeps the versions (tracking.py). Which one reads says champion.json alone
(champion.py): a version is copied, then MLflow's alias is moved, then champion.json is
switched in the transaction that adds it to the audit trail. Whatever dies in between, champion.json
names the old or the new version, whole; `versions` brings alias and audit trail up to it.
"""

import contextlib
import json
import logging
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from model.bundle import CARD, Bundle, open_bundle, read_card, sha256_of
from model.errors import BundleError, InputError, StoreError
from model.language import N_, _
from model.people.access import Actor, require
from model.phrases import translated
from model.versions import champion as serving
from model.versions import version_comparison
from model.versions.registered import (
    Version,
    here,
    named,
    register,
    register_shipped,
    registered,
    served_version,
    set_alias,
    shipped_version,
    with_aliases_right,
)
from model.versions.tracking import (
    CHALLENGER,
    CHAMPION,
    asked,
    end_run,
    fetch,
    log_epoch,
    start_run,
)

__all__ = (
    "Version", "bundle_of", "challenger", "champion", "end_run", "hand_over", "log_epoch",
    "promote", "rollback", "served_version", "start_run", "versions", "was_served",
)  # fmt: skip

PROMOTED, ROLLED_BACK = "model version promoted", "model version taken back"
REPAIRED = "model version served"  # recorded later: the program died before it had been
PAUSES = (5, 15, 30, 60)  # seconds between attempts to hand a bundle over
NO_VERSION = N_("no version")
SAFE = N_(
    "The training is finished and its bundle is safe in the folder of the job: retry the job, "
    "which only hands it over again."
)


def hand_over(
    run_id: str, bundle_folder: Path, job_id: str, curves: Sequence[Mapping[str, Any]]
) -> str:
    """Registers the bundle of a training as the challenger; the id of its run in MLflow.

    run_id: what `start_run` gave, "" too. Tries for two minutes; the same bundle may be handed
    over again. Raises BundleError for one that does not check, StoreError while MLflow is down.
    """
    bundle = open_bundle(bundle_folder)
    for pause in (*PAUSES, None):
        try:
            with asked() as client:
                register_shipped(client)
                return register(client, run_id, bundle, job_id, curves, CHALLENGER)
        except StoreError as error:
            if pause is None:
                raise StoreError(error.expected, error.received, _(SAFE)) from None
            time.sleep(pause)
    raise AssertionError  # the last pause is None


def versions() -> list[Version]:
    """All versions, oldest first. Raises StoreError while MLflow is down.

    What a promotion that died has left behind is put right first.
    """
    serving.tidy()
    _record_again()
    with asked() as client:
        register_shipped(client)
        found = registered(client)
        if not serving.is_fixed():
            found = with_aliases_right(client, found)
    now = served_version()
    return [
        replace(
            one,
            aliases=(
                *((CHAMPION,) if one.model_version == now else ()),
                *((CHALLENGER,) if CHALLENGER in one.aliases else ()),
            ),
        )
        for one in found
    ]


def champion() -> Version | None:
    """The version that is served; None if it is not registered. Raises StoreError."""
    return next((one for one in versions() if CHAMPION in one.aliases), None)


def challenger() -> Version | None:
    """The version that was handed over last, until it is promoted. Raises StoreError."""
    return next((one for one in versions() if CHALLENGER in one.aliases), None)


def bundle_of(model_version: str) -> Path:
    """A folder here with that version, fetched if need be, as it was registered.

    Raises StoreError while MLflow is down, BundleError for one that does not check, InputError for
    one that does not exist.
    """
    with asked() as client:
        version = named(registered(client), model_version)
        found = here(model_version, version.card_sha256)
        if found:
            return found
        with tempfile.TemporaryDirectory() as folder:
            fetched = fetch(client, version.run_id, Path(folder))
            if read_card(fetched / CARD) and sha256_of(fetched / CARD) != version.card_sha256:
                raise BundleError(
                    _("the card of {version} as it was registered", version=model_version),
                    _("another one"),
                    _("This version cannot be used: train it again."),
                )
            return serving.materialise(fetched)


def promote(actor: Actor, model_version: str, expected: str, reason: str = "") -> Version:
    """Has this version read from now on; for an admin.

    expected: the version that was served when the admin decided. reason: needed if sensitivity is
    worse by more than MARGIN. Raises AccessError, InputError for what forbids it, BundleError for
    a version that does not check, StoreError while MLflow is down: nothing has changed then.
    """
    require(actor, "admin")
    _check_free(model_version, expected)
    versions()
    new = open_bundle(bundle_of(model_version))
    found = version_comparison.compare(serving.look().open(), new)
    if found.problems:
        raise InputError(
            _("a version that was judged on the films on which {expected} was", expected=expected),
            translated(found.problems[0]),
            _("Nothing has changed. Train it again with the locked test set, or choose another."),
        )
    assert found.sensitivity
    lower = -found.sensitivity.difference.value
    if found.needs_reason and not reason.strip():
        raise InputError(
            _("a reason, for it finds fewer of those with pneumonia"),
            _("none, and a sensitivity that is {n:.1f} points lower", n=100 * lower),
            _("Type why it is to be served nevertheless, or keep the version that is served."),
        )
    copy = replace(new, folder=serving.materialise(new.folder))
    with asked() as client:
        number = named(registered(client), model_version).number
        set_alias(client, CHAMPION, number)
    if found.note:
        logging.getLogger(__name__).warning("%s", found.note)
    told = {"sensitivity_change": round(-lower, 4), "note": found.note}
    return _serve(actor, PROMOTED, copy, expected, reason, **told)


def rollback(actor: Actor, model_version: str, expected: str, reason: str = "") -> Version:
    """Has a version read that has been served before, or the shipped one; for an admin.

    Works while MLflow is down, if the version is still here. Raises as `promote`.
    """
    require(actor, "admin")
    _check_free(model_version, expected)
    recorded = _recorded_card(model_version)
    if not was_served(model_version):
        raise InputError(
            _("a version that was served before"),
            _("{version}, which was not", version=model_version),
            _("Promote it, which compares it first."),
        )
    folder = here(model_version, recorded or "") or bundle_of(model_version)
    copy = open_bundle(serving.materialise(folder))
    return _serve(actor, ROLLED_BACK, copy, expected, reason)


def was_served(model_version: str) -> bool:
    """Whether `rollback` may go back to it: it has been served, or came with the program."""
    with contextlib.suppress(BundleError):  # the shipped one is damaged: others may be sound
        if model_version == shipped_version():
            return True
    return _recorded_card(model_version) is not None


def _serve(
    actor: Actor, action: str, copy: Bundle, expected: str, reason: str, **details: Any
) -> Version:
    """The switch and its record, both or none: the last step of the transaction is a rename."""
    from model import store
    from model.people import audit

    since, undo = store.now(), None
    told = {"previous": expected, "reason": reason.strip(), "since": since, **details}
    try:
        with store.writing() as connection:
            _check_expected(expected)
            told["card_sha256"] = sha256_of(copy.folder / CARD)
            audit.append(connection, actor.name, action, copy.model_version, **told)
            undo = serving.switch(copy, actor.name, since, expected)
    except BaseException as error:
        if undo:
            undo()
        if isinstance(error, OSError):
            raise StoreError(
                _("a switch that can be written"), error.strerror or type(error).__name__,
                _("Nothing has changed. Free some space on the server's disk, then try again."),
            ) from None  # fmt: skip
        raise
    served = Version(0, copy.model_version, (CHAMPION,), since)
    with contextlib.suppress(StoreError):  # its alias is moved by the next `versions`
        return next((v for v in versions() if v.model_version == served.model_version), served)
    return served


def _check_free(model_version: str, expected: str) -> None:
    if serving.is_fixed():
        raise InputError(
            _("a server whose version is chosen here"),
            _("one where XRAY_BUNDLE says what is served"),
            _("Start it without XRAY_BUNDLE to promote versions."),
        )
    _check_expected(expected)
    if model_version != expected:
        return
    with contextlib.suppress(BundleError):
        serving.look().open()
        raise InputError(
            _("another version"), f"{model_version}", _("It is the one that is served.")
        )


def _check_expected(expected: str) -> None:
    """Of two admins at once the second one has not seen what is served by now."""
    now = served_version()
    if now != expected:
        raise InputError(
            _("that {version} is still served, as you saw it", version=expected or _(NO_VERSION)),
            _("{version}: somebody else was faster", version=now or _(NO_VERSION)),
            _("Nothing has changed. Load the page anew, and look at the versions again."),
        )


def _recorded_card(model_version: str) -> str | None:
    """Hash of its card when it was served last, by the audit trail; None if it never was."""
    found = [one for one in _records() if one["subject"] == model_version]
    return str(found[-1]["card_sha256"]) if found else None


def _records() -> list[dict[str, Any]]:
    """What the audit trail says of versions that were served, oldest first."""
    from model import store, tables

    columns = tables.audit.c
    chosen = tables.audit.select().where(columns.action.in_((PROMOTED, ROLLED_BACK, REPAIRED)))
    with store.reading() as connection:
        rows = connection.execute(chosen.order_by(columns.id)).all()
    return [{**json.loads(row.details), "subject": row.subject} for row in rows]


def _record_again() -> None:
    """Adds to the audit trail the switch before whose record the program died."""
    from model import store
    from model.people import audit

    def missing() -> serving.Served | None:
        now = serving.look()
        last = _records()[-1:]
        recorded = last[0]["since"] if last else ""
        return now if now.since and now.since != recorded else None

    with contextlib.suppress(BundleError):
        if not missing():
            return
        with store.writing() as connection:
            now = missing()
            if now:
                told = {"previous": now.previous, "since": now.since, "interrupted": True}
                told["card_sha256"] = now.card_sha256
                audit.append(connection, now.by, REPAIRED, now.model_version, **told)
