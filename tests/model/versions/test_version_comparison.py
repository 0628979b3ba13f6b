from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from model import metrics, xray
from model.bundle import Bundle, Evaluation
from model.files import write_json
from model.retraining import locked_test
from model.retraining.near_duplicates import fingerprint
from model.versions.version_comparison import MARGIN, compare, mcnemar, num_unlike
from tests.model.version_cases import VERSION, evaluation, write_robustness, write_version


def of(tmp_path, name, **changes) -> Bundle:
    return write_version(tmp_path / name, model_version=name, **changes)


def with_test(told: Evaluation) -> dict[str, dict[str, Evaluation]]:
    return {"evaluations": {"test": told}}


@pytest.fixture
def champion(tmp_path):
    return of(tmp_path, "old")


def missing_ill(bundle: Bundle, count: int) -> Evaluation:
    """As the champion says, but for `count` films with pneumonia that were found and are not."""
    test = bundle.evaluations["test"]
    found = bundle.probabilities("test") >= bundle.operating_point().threshold
    lost = np.flatnonzero(found & (test.labels == 1))[:count]
    logits = test.logits.copy()
    logits[lost] = -20
    return replace(test, logits=logits)


def test_a_version_that_says_the_same_differs_in_nothing(tmp_path, champion):
    found = compare(champion, of(tmp_path, "new"))
    assert found.problems == ()
    assert found.n == 60
    for change in (found.auroc, found.sensitivity, found.specificity):
        told = change.difference
        assert (told.value, told.low, told.high) == (0, 0, 0)
        assert change.champion == change.challenger
    assert found.sensitivity.p == found.specificity.p == 1
    assert found.differing == ()
    assert not found.needs_reason


def test_figures_are_those_of_each_version_alone(tmp_path, champion):
    new = of(tmp_path, "new", evaluations={"test": evaluation("test", 3, distance=4)})
    found = compare(champion, new)
    test = champion.evaluations["test"]
    for bundle, auroc, sensitivity in (
        (champion, found.auroc.champion, found.sensitivity.champion),
        (new, found.auroc.challenger, found.sensitivity.challenger),
    ):
        said = bundle.probabilities("test")
        assert auroc.value == pytest.approx(metrics.auroc(test.labels, said).value)
        counts = metrics.confusion(test.labels, said, 0.4)
        assert sensitivity == counts.sensitivity
    difference = found.auroc.challenger.value - found.auroc.champion.value
    assert found.auroc.difference.value == pytest.approx(difference)
    assert found.auroc.difference.low < difference < found.auroc.difference.high


def test_each_is_judged_at_its_own_default_point(tmp_path, champion):
    points = [replace(p, threshold=p.threshold / 8) for p in champion.operating_points]
    found = compare(champion, of(tmp_path, "new", operating_points=tuple(points)))
    assert [point.threshold for point in found.points] == [0.4, 0.05]
    assert found.auroc.difference.value == 0
    assert found.sensitivity.difference.value > 0 > found.specificity.difference.value
    assert {film.is_gained for film in found.differing if film.label} == {True}
    assert {film.is_gained for film in found.differing if not film.label} == {False}


def test_what_is_no_longer_found_is_named_first_and_needs_a_reason(tmp_path, champion):
    found = compare(champion, of(tmp_path, "new", **with_test(missing_ill(champion, 3))))
    assert (found.sensitivity.lost, found.sensitivity.gained) == (3, 0)
    assert found.sensitivity.difference.value == pytest.approx(-3 / 40)
    assert found.sensitivity.p == pytest.approx(0.25)  # 2 * (1/2) ** 3
    assert found.needs_reason
    assert [film.label for film in found.differing] == [1, 1, 1]
    film = found.differing[0]
    assert film.champion >= 0.4 > film.challenger
    assert not film.is_gained


@pytest.mark.parametrize(("lost", "needs"), [(0, False), (3, False), (4, True)])
def test_a_reason_is_needed_beyond_the_margin_only(tmp_path, lost, needs):
    old = of(tmp_path, "old", **with_test(evaluation("test", 1, num_images=450, distance=5)))
    found = compare(old, of(tmp_path, "new", **with_test(missing_ill(old, lost))))
    assert found.sensitivity.challenger.denominator == 300
    assert MARGIN == 0.01
    assert found.needs_reason is needs


@pytest.mark.parametrize(
    ("lost", "gained", "p"),
    # 2 * P(X <= least | n, 1/2), by hand: 2 * (1 + 10) / 1024; capped at 1
    [(0, 0, 1.0), (1, 1, 1.0), (9, 1, 22 / 1024), (5, 0, 2 / 32), (0, 5, 2 / 32), (3, 3, 1.0)],
)
def test_mcnemar_is_the_exact_binomial_test(lost, gained, p):
    assert mcnemar(lost, gained) == pytest.approx(p)


def test_a_paired_interval_is_narrower_than_that_of_a_single_figure(tmp_path, champion):
    test = champion.evaluations["test"]
    nearly = test.logits + np.random.default_rng(0).normal(0, 0.05, 60).astype(np.float32)
    found = compare(champion, of(tmp_path, "new", **with_test(replace(test, logits=nearly))))

    def width(told):
        return told.high - told.low

    assert 0 < width(found.auroc.difference) < width(found.auroc.champion) / 5


def test_a_refused_film_is_neither_found_nor_cleared(tmp_path, champion):
    """The new version says the same, but its gate refuses one film of each label that was right."""
    test = champion.evaluations["test"]
    right = (champion.probabilities("test") >= 0.4) == (test.labels == 1)
    refused = [int(np.flatnonzero(right & (test.labels == label))[0]) for label in (0, 1)]
    logits = test.logits.tolist()
    read = [i for i in range(60) if i not in refused]
    rest = Evaluation(
        "test",
        tuple(test.files[i] for i in read),
        test.labels[read],
        test.logits[read],
        tuple(test.patients[i] for i in read),
    )
    new = of(tmp_path, "new", **with_test(rest))
    as_it_is = [None if i in refused else logit for i, logit in enumerate(logits)]
    write_robustness(
        new,
        files=test.files,
        labels=test.labels.tolist(),
        patients=test.patients,
        changes=[{"name": "none", "title": "As it is", "logits": as_it_is}],
    )

    found = compare(champion, new)
    assert found.problems == ()
    assert found.n == 60
    assert found.auroc.difference.value == 0  # on the 58 films that both have read
    for change, of_all in ((found.sensitivity, 40), (found.specificity, 20)):
        assert (change.lost, change.gained) == (1, 0)
        assert change.difference.value == pytest.approx(-1 / of_all)
    assert [film.file for film in found.differing] == [test.files[i] for i in reversed(refused)]
    assert {film.challenger for film in found.differing} == {None}


def test_a_part_of_the_test_set_is_not_complete(tmp_path, champion):
    test = champion.evaluations["test"]
    part = replace(
        test, files=test.files[:50], labels=test.labels[:50], logits=test.logits[:50],
        patients=test.patients[:50],
    )  # fmt: skip
    found = compare(champion, of(tmp_path, "new", **with_test(part)))
    assert found.auroc is None
    assert found.needs_reason
    [problem] = found.problems
    assert problem == (
        "The evaluation of new is not complete: 10 of 60 X-rays of the locked test set are missing."
    )


def test_other_films_or_other_labels_are_another_test_set(tmp_path, champion):
    test = champion.evaluations["test"]
    renamed = replace(test, files=("another.jpeg", *test.files[1:]))
    relabelled = replace(test, labels=np.array([1, *test.labels[1:]]))
    for i, other in enumerate((renamed, relabelled)):
        [problem] = compare(champion, of(tmp_path, f"new-{i}", **with_test(other))).problems
        assert "another test set: 1 X-rays of the champion's are missing, 1 are others" in problem


@pytest.mark.parametrize("which", ["champion", "challenger"])
def test_without_an_evaluation_there_is_no_comparison(tmp_path, champion, which):
    none = of(tmp_path, "none", evaluations={"validation": evaluation("fold", 1)})
    pair = (none, champion) if which == "champion" else (champion, none)
    found = compare(*pair)
    assert found.problems == ("none was not evaluated on the locked test set.",)
    assert found.needs_reason


def test_a_list_of_refusals_of_another_version_counts_for_nothing(tmp_path, champion):
    new = of(tmp_path, "new", **with_test(evaluation("test", 3, num_images=58)))
    write_robustness(new, model_version=VERSION)
    assert "not complete" in compare(champion, new).problems[0]
    write_json(new.folder / "robustness.json", {"format": 1, "model_version": "new"})
    assert "not complete" in compare(champion, new).problems[0]


def test_auroc_difference_is_that_of_a_worked_example():
    """Four ill, four well: 15 of 16 pairs ranked right against 12 of 16."""
    labels = [1, 1, 1, 1, 0, 0, 0, 0]
    better = [0.9, 0.8, 0.7, 0.4, 0.5, 0.3, 0.2, 0.1]
    worse = [0.9, 0.8, 0.25, 0.15, 0.5, 0.3, 0.05, 0.1]
    assert metrics.auroc(labels, better).value == 15 / 16
    assert metrics.auroc(labels, worse).value == 12 / 16
    found = metrics.auroc_difference(labels, better, worse)
    assert found.value == pytest.approx(-3 / 16)
    assert found.low < found.value < found.high
    turned = metrics.auroc_difference(labels, worse, better)
    assert (turned.value, turned.low, turned.high) == pytest.approx(
        (-found.value, -found.high, -found.low)
    )
    one_class = metrics.auroc_difference([1, 1], [0.5, 0.6], [0.6, 0.5])
    assert np.isnan(one_class.value)


# --- the films behind the names -------------------------------------------------------------------


def keep(bundle: Bundle, films: Sequence[str]) -> None:
    """What `evaluate --keep` leaves of the films of the locked test set: their hashes, given."""
    rows = [[f"{number:064x}", f"{number:064x}", film] for number, film in enumerate(films)]
    write_json(bundle.folder / locked_test.FILE, {"format": 1, "films": rows})


def pictures(seed: int, count: int = 60) -> list[str]:
    """Perceptual hashes of films that have nothing to do with one another."""
    return [np.random.default_rng((seed, i)).bytes(32).hex() for i in range(count)]


def at_another_size(film: str, bits: int) -> str:
    return f"{int(film, 16) ^ (1 << bits) - 1:064x}"


def test_other_pictures_under_the_same_names_are_another_test_set(tmp_path, champion):
    new = of(tmp_path, "new")
    keep(champion, pictures(1))
    keep(new, pictures(2))
    found = compare(champion, new)
    assert found.problems == (
        "new was evaluated on other pictures under the same names: 60 X-rays of the champion's are "
        "missing, 60 are others.",
    )
    assert found.sensitivity is None
    keep(new, [*pictures(1, 56), *pictures(2, 4)])  # more of them than a border may explain
    assert ": 4 X-rays of the champion's are missing, 4 " in compare(champion, new).problems[0]
    keep(new, [*pictures(1, 50)])
    assert ": 10 X-rays of the champion's are missing, 0 " in compare(champion, new).problems[0]


def test_the_same_films_at_another_size_are_the_same(tmp_path, champion):
    new = of(tmp_path, "new")
    keep(champion, pictures(1))
    keep(new, [at_another_size(film, 32) for film in pictures(1)])
    found = compare(champion, new)
    assert (found.problems, found.note, found.n) == ((), "", 60)
    films = pictures(1)
    keep(new, [at_another_size(films[0], 60), *films[1:]])
    found = compare(champion, new)
    assert (found.problems, found.n) == ((), 60)
    assert found.note == (
        "1 of the champion's X-rays and 1 of new look different under the same names, as a few do "
        "at another size."
    )


def test_a_version_that_keeps_nothing_of_its_films_says_so(tmp_path, champion):
    new = of(tmp_path, "new")
    assert "for old keeps no fingerprints" in compare(champion, new).note
    keep(champion, pictures(1))
    found = compare(champion, new)
    assert (found.problems, "for new keeps no fingerprints" in found.note) == ((), True)


def test_damaged_fingerprints_are_no_reason_to_trust_the_names(tmp_path, champion):
    new = of(tmp_path, "new")
    keep(champion, pictures(1))
    (new.folder / locked_test.FILE).write_text("{")
    [problem] = compare(champion, new).problems
    assert problem == (
        "The fingerprints of the test films of new are damaged: restore its locked_test.json."
    )


@pytest.mark.real_data
def test_full_size_films_look_like_their_copies(shared_data):
    copies = {path.name: path for path in (shared_data / "chest_xray_224").rglob("*.jpeg")}
    full = sorted((shared_data / "originals").rglob("*.jpeg"))[::6]
    seen = [
        [fingerprint(xray.read(path.read_bytes(), path.name)) for path in paths]
        for paths in (full, [copies[path.name] for path in full])
    ]
    assert len(full) == 8
    assert num_unlike(*seen) == 0
    assert num_unlike(seen[0][:4], seen[1][4:]) == 4
