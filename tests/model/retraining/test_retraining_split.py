"""Which children are validated on, in any data, and what is one film or one child."""

import random
import re
from pathlib import Path

import pytest

from model import xray
from model.config import settings
from model.retraining import manifest, near_duplicates
from model.retraining.manifest import patient_key
from model.retraining.near_duplicates import Fingerprint, fingerprint
from model.retraining.retraining_split import Together, champions_fold, same, validated
from tests.model.retraining_cases import again, propose

COLUMNS = ("patient", "image_sha256")


def read_print(path: Path) -> Fingerprint:
    return fingerprint(xray.read(path.read_bytes()))


@pytest.mark.parametrize("seed", range(20))
def test_both_labels_are_on_both_sides_of_any_data(seed: int):
    rng = random.Random(seed)
    labels = {f"child {i}": {rng.choice(manifest.LABELS)} for i in range(rng.randint(8, 300))}
    for i, label in enumerate(manifest.LABELS * 2):
        labels[f"one more {i}"] = {label}
    chosen = validated(labels, set(labels), ())
    for side in (chosen, set(labels) - chosen):
        assert {label for child in side for label in labels[child]} == set(manifest.LABELS)
    shuffled = list(labels.items())
    rng.shuffle(shuffled)
    assert validated(dict(shuffled), set(labels), ()) == chosen


def test_a_tenth_is_validated_on_and_stays_so_when_more_children_come():
    def some(number: int) -> dict[str, set[str]]:
        return {f"child {i}": {manifest.LABELS[i % 2]} for i in range(number)}

    few, many = (validated(all_, set(all_), ()) for all_ in (some(1000), some(3000)))
    assert len(few) / 1000 == pytest.approx(0.1, abs=0.02)
    assert few == many & set(some(1000))


def test_children_whom_the_champion_was_trained_on_are_not_validated_on():
    old = {f"child {i}": {manifest.LABELS[i % 2]} for i in range(400)}
    fold = {f"child {i}" for i in range(0, 400, 13)}
    new = {f"new {i}": {"NORMAL"} for i in range(300)}
    assert validated(old | new, set(old), fold | {"somebody else"}) == fold
    more = new | {"a": {"PNEUMONIA"}, "b": {"PNEUMONIA"}}
    other = validated(more, set(more), fold)
    assert 0 < len(other & set(new)) < 60  # another hospital's children: nothing is known of them


def test_films_whose_child_is_not_known_are_only_trained_on():
    few = {"a": {"NORMAL"}, "b": {"PNEUMONIA"}, "/": {"NORMAL", "PNEUMONIA"}}
    assert validated(few, {"a", "b"}, ()) == {"a", "b"}
    assert validated(few, {"a"}, {"/"}) == {"a"}  # nobody is left to choose pneumonia on
    assert validated({"/": {"NORMAL"}}, set(), ()) == set()


def test_the_fold_of_the_served_bundle_stays(
    home: Path, base: Path, monkeypatch: pytest.MonkeyPatch
):
    fold = frozenset({"normal2", "person5"})
    monkeypatch.setattr("model.retraining.retraining_proposal.champions_fold", lambda: fold)
    found = propose(base)
    assert {e.patient for e in found.entries if e.split == "validation"} == fold


def test_the_shipped_bundle_tells_its_fold_and_a_bundle_that_is_gone_none(home: Path, monkeypatch):
    assert champions_fold() == frozenset()
    monkeypatch.delenv("XRAY_BUNDLE")
    settings.cache_clear()
    fold = champions_fold()
    assert len(fold) > 100
    assert all(re.fullmatch(r"(person|normal)\d+", child) for child in fold)


@pytest.mark.real_data
def test_the_data_set_itself_keeps_the_fold_of_the_shipped_version(
    sqlite_home: Path, shared_data: Path
):
    """A tenth of the children of the official training split."""
    fold = champions_fold()
    stems = [path.stem for path in (shared_data / "chest_xray_224" / "train").rglob("*.jpeg")]
    children = {manifest.patient_key(stem): {"NORMAL"} for stem in stems}
    assert len(fold) == 263
    assert validated(children, set(children), fold) == fold


@pytest.mark.parametrize("seed", range(4))
def test_no_film_and_no_child_is_on_both_sides_whatever_its_files_are_called(
    home: Path, base: Path, seed: int
):
    rng = random.Random(seed)
    films = sorted((base / "train").rglob("*.jpeg"))
    for i, path in enumerate(rng.choices(films, k=12)):
        name = rng.choice([f"person{rng.randint(1, 9)}_virus_{i}", f"IM-{i:04}-1", f"film {i}"])
        data = rng.choice([path.read_bytes(), again(path)])
        (path.parent / f"{name}.jpg").write_bytes(data)
    found = propose(base)
    parts = [[e for e in found.entries if e.split == s] for s in ("training", "validation")]
    children, files = ([{getattr(e, of) for e in part} for part in parts] for of in COLUMNS)
    assert not children[0] & children[1]
    assert not files[0] & files[1]
    prints = {e.name: read_print(base / e.name) for part in parts for e in part}
    hashes = [[prints[e.name].perceptual for e in part] for part in parts]
    assert near_duplicates.nearest(*hashes) == [None] * len(hashes[0])
    stems = [{patient_key(Path(e.name).stem) for e in part} for part in parts]
    assert not stems[0] & stems[1]


# --- what is one film, and of one child -----------------------------------------------------------


def test_films_that_share_a_key_are_one_whatever_lies_between():
    keys = [("a", 1), ("b", 2), ("c", 3), ("b", 4), ("d", 1), ("e", 4)]
    assert same(keys) == [[0, 4], [1, 3, 5], [2]]
    assert same([]) == []


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_the_same_in_whatever_order_they_were_joined(seed: int):
    pairs = [("d", "c"), ("a", "e"), ("c", "e"), ("x", "y"), ("z", "z")]
    random.Random(seed).shuffle(pairs)
    together = Together()
    for pair in pairs:
        together.join(pair)
    assert [together.first(key) for key in "acdexyzq"] == [*"aaaaxxzq"]
