"""Who may promote a version and take it back, and what is then served."""

import threading
from pathlib import Path

import pytest

from model.bundle import CARD, Bundle
from model.config import settings
from model.errors import AccessError, BundleError, InputError
from model.people import audit
from model.people.access import Actor
from model.versions import champion, registry, tracking
from tests.model.version_cases import change_json, write_version
from tests.model.versions.registry_cases import (
    MAX,
    NEW,
    OLD,
    WORSE,
    ZOE,
    aliases,
    hand_over,
    served_in_trail,
    serving,
)
from tests.model.versions.registry_cases import shipped as shipped
from tests.model.versions.registry_cases import trained as trained
from tests.model.versions.registry_cases import worse as worse

# Promotion


def test_promoted_it_reads_and_is_in_the_audit_trail(trained: Bundle) -> None:
    hand_over(trained)
    version = registry.promote(ZOE, NEW, expected=OLD)
    assert (version.number, version.aliases) == (2, ("champion",))
    assert serving() == NEW
    assert champion.look().by == "zoe"
    assert aliases() == {OLD: (), NEW: ("champion",)}
    assert served_in_trail() == [("zoe", "model version promoted", NEW)]
    with tracking.asked() as client:
        named = client.get_registered_model("pneumoscope").aliases
    assert {alias: int(number) for alias, number in named.items()} == {"champion": 2}


@pytest.mark.parametrize("role", ["visitor", "clinician"])
def test_only_an_admin_may(trained: Bundle, role: str) -> None:
    hand_over(trained)
    for act in (registry.promote, registry.rollback):
        with pytest.raises(AccessError):
            act(Actor("ann", role), NEW, OLD)
    assert serving() == OLD


def test_worse_sensitivity_needs_a_typed_reason(worse: Bundle) -> None:
    hand_over(worse)
    for reason in ("", "  \n"):
        with pytest.raises(InputError, match=r"10\.0 points lower"):
            registry.promote(ZOE, WORSE, OLD, reason)
    assert serving() == OLD
    registry.promote(ZOE, WORSE, OLD, "a study of false alarms")
    assert serving() == WORSE
    [entry] = [e for e in audit.entries(ZOE) if e.action == "model version promoted"]
    assert entry.details["reason"] == "a study of false alarms"
    assert entry.details["previous"] == OLD
    assert entry.details["sensitivity_change"] == -0.1
    assert "by name and label only" in entry.details["note"]


def test_without_the_locked_test_set_it_is_not_promoted(shipped: Bundle, tmp_path: Path) -> None:
    told = {"validation": shipped.evaluations["validation"]}
    hand_over(write_version(tmp_path / "new", model_version=NEW, evaluations=told))
    with pytest.raises(InputError, match="not evaluated on the locked test set"):
        registry.promote(ZOE, NEW, OLD, "a reason does not help")
    assert serving() == OLD
    assert served_in_trail() == []


def test_what_was_changed_in_the_registry_is_not_promoted(
    trained: Bundle, sqlite_home: Path
) -> None:
    hand_over(trained)
    [weights] = (sqlite_home / "mlflow" / "artifacts").glob(f"{_run_of(NEW)}/**/model.keras")
    weights.write_bytes(b"another")
    with pytest.raises(BundleError, match="SHA-256"):
        registry.promote(ZOE, NEW, OLD)
    change_json(weights.with_name(CARD), temperature=0.9)
    with pytest.raises(BundleError, match="as it was registered"):
        registry.promote(ZOE, NEW, OLD)
    assert serving() == OLD


def _run_of(model_version: str) -> str:
    return next(v.run_id for v in registry.versions() if v.model_version == model_version)


def test_of_two_admins_at_once_one_is_refused(trained: Bundle, worse: Bundle) -> None:
    hand_over(trained)
    hand_over(worse, "job-2")
    at_once, said = threading.Barrier(2), {}

    def decide(actor: Actor, model_version: str) -> None:
        at_once.wait()
        try:
            registry.promote(actor, model_version, OLD, "a reason")
            said[actor.name] = model_version
        except InputError as error:
            said[actor.name] = str(error)

    both = [threading.Thread(target=decide, args=a) for a in ((ZOE, NEW), (MAX, WORSE))]
    for one in both:
        one.start()
    for one in both:
        one.join()
    [refused] = [words for words in said.values() if "somebody else was faster" in words]
    [done] = [words for words in said.values() if words != refused]
    assert serving() == done
    assert [version for version, named in aliases().items() if "champion" in named] == [done]
    assert [subject for _, _, subject in served_in_trail()] == [done]


def test_what_is_served_already_is_not_promoted_again() -> None:
    with pytest.raises(InputError, match="the one that is served"):
        registry.promote(ZOE, OLD, OLD)


def test_where_the_server_says_what_is_served_nothing_is_promoted(
    trained: Bundle, shipped: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_over(trained)
    monkeypatch.setenv("XRAY_BUNDLE", str(shipped.folder))
    settings.cache_clear()
    with pytest.raises(InputError, match="XRAY_BUNDLE"):
        registry.promote(ZOE, NEW, OLD)


# Back


def test_taken_back_the_version_before_reads(trained: Bundle) -> None:
    hand_over(trained)
    registry.promote(ZOE, NEW, OLD)
    registry.rollback(MAX, OLD, NEW, "misses effusions")
    assert serving() == OLD
    assert aliases() == {OLD: ("champion",), NEW: ()}
    registry.rollback(MAX, NEW, OLD)  # it has been served: the same way forward
    assert serving() == NEW
    assert [action for _, action, _ in served_in_trail()] == [
        "model version promoted", "model version taken back", "model version taken back",
    ]  # fmt: skip


def test_what_was_never_served_is_promoted_not_taken_back(trained: Bundle) -> None:
    hand_over(trained)
    with pytest.raises(InputError, match="served before"):
        registry.rollback(ZOE, NEW, OLD)
    assert not registry.was_served(NEW)
    assert registry.was_served(OLD)


@pytest.mark.parametrize("how", ["damaged champion.json", "damaged weights", "changed card"])
def test_from_a_champion_that_gives_no_verdict_the_shipped_one_is_gone_back_to(
    trained: Bundle, sqlite_home: Path, how: str
) -> None:
    hand_over(trained)
    registry.promote(ZOE, NEW, OLD)
    folder, expected = champion.served(), NEW
    if how == "damaged champion.json":
        (sqlite_home / "champion.json").write_text("{")
        expected = ""
    elif how == "damaged weights":
        (folder / "model.keras").write_bytes(b"another")
    else:
        change_json(folder / CARD, temperature=0.9)
    with pytest.raises(BundleError):
        serving()
    assert registry.served_version() == expected
    registry.rollback(ZOE, OLD, expected)
    assert serving() == OLD


def test_a_champion_damaged_on_disk_is_restored_from_the_registry(trained: Bundle) -> None:
    hand_over(trained)
    registry.promote(ZOE, NEW, OLD)
    (champion.served() / "gate.npz").write_bytes(b"another")
    registry.rollback(ZOE, NEW, NEW, "damaged on disk")
    assert serving() == NEW
