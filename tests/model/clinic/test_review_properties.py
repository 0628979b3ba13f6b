"""Whatever readers do, in whatever order: nothing is lost, changed, doubled or somebody else's."""

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.clinic import reviews
from model.clinic.reviews import LABELS, Review
from model.errors import InputError
from model.people import audit
from tests.model.review_cases import ANN, BOB, CAT, review

EXAMPLES = itertools.count()  # the database is the same for all examples: each has its own images
ACTS = st.tuples(
    st.sampled_from([ANN, BOB, CAT]),
    st.integers(0, 1),  # which image
    st.sampled_from(["first", "correction", "of another's", "twice", "of a corrected one"]),
    st.sampled_from(LABELS),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),  # a comment, whatever it holds
)


def kept(one: Review) -> tuple[Any, ...]:
    return one.id, one.reader, one.image_sha256, one.label, one.comment, one.corrects


@settings(
    max_examples=12,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(acts=st.lists(ACTS, max_size=8))
def test_the_store_holds_what_was_said_and_nothing_else(database: str, acts: list[Any]):
    example = next(EXAMPLES)
    told: list[tuple[Review, str]] = []  # as the tests remember it: records with their keys
    for number, (reader, image, act, label, comment) in enumerate(acts):
        new = review(f"{example}-{image}", label, comment=comment)
        key = f"{database}-{example}-{number}"
        mine = [
            (r, k) for r, k in told if (r.reader, r.image_sha256) == (reader.name, new.image_sha256)
        ]
        theirs = [r for r, _ in told if r.reader != reader.name]
        if act == "first":
            corrects, fits = None, not mine
        elif act == "of another's":
            corrects, fits = (theirs[-1].id if theirs else 10**9), False
        elif act == "of a corrected one":
            corrects, fits = (mine[0][0].id if mine else 10**9), len(mine) == 1
        else:
            corrects, fits = (mine[-1][0].id if mine else 10**9), bool(mine)
        if act == "twice" and mine:  # the same form sent again: nothing new
            assert kept(reviews.add(reader, new, mine[-1][1])) == kept(mine[-1][0])
            continue
        asked = review(f"{example}-{image}", label, comment=comment, corrects=corrects)
        if fits:
            told.append((reviews.add(reader, asked, key), key))
            assert (told[-1][0].reader, told[-1][0].label) == (reader.name, label)
        else:
            with pytest.raises(InputError):
                reviews.add(reader, asked, key)
    for image in {r.image_sha256 for r, _ in told} | {review(f"{example}-0").image_sha256}:
        of_it = [r for r, _ in told if r.image_sha256 == image]
        assert [kept(r) for r in reviews.history(ANN, image)] == [kept(r) for r in of_it]
        last = {r.reader: kept(r) for r in of_it}
        assert {r.reader: kept(r) for r in reviews.latest(BOB, image)} == last
    assert audit.check() == []
