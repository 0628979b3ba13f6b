"""Which films count where the probabilities now are compared with those of the validation."""

from pathlib import Path

from model.clinic import reviews, worklists
from pages.shared import review_services, services
from tests.model.review_cases import ANN, reading, review


def read(**said: object) -> None:
    number = worklists.create(ANN, "Monday", ["a.png"])
    worklists.save_readings(ANN, number, {0: reading(**said)})


def test_those_that_the_served_version_has_read_and_its_gate_has_not_refused(
    sqlite_home: Path,
) -> None:
    served = services.bundle().model_version
    read(image="a", model_version=served, probability=0.3)
    read(image="a", model_version="v2", probability=0.9)  # which was taken back
    read(image="b", model_version="v2")
    read(image="c", model_version=served, gate_status="refused", overruled=True)
    read(image="d", model_version=served, gate_status="refused", probability=None, logit=None)
    for image, gate in (("e", "unusual"), ("f", "refused")):
        said = review(image, model_version=served, probability=0.6, gate_status=gate)
        reviews.add(ANN, said, image)
    found = review_services.probabilities(ANN)
    assert sorted(found.now) == [0.3, 0.6]
    assert found.drift.num_now == 2
