"""How long a training will take, from earlier ones."""

import pytest

from model.errors import ConfigError
from model.training.job_store import Job, JobSpec
from model.training.training_time import Pace, beside_epochs, estimate, paces

CURVES = [{"size_px": 64, "seconds": 100.0}] * 3


def test_what_took_an_hour_takes_an_hour_again() -> None:
    curves = [{"size_px": 96, "seconds": 100.0}] * 8 + [{"size_px": 128, "seconds": 350.0}] * 8
    assert estimate("lungs", [], 4694, paces(curves, 4694)) == pytest.approx(3600)


def test_twice_the_images_take_twice_the_time() -> None:
    known = [Pace(64, 0.01)]
    changes = ["size_px=64", "epochs=3"]
    assert estimate("quick", changes, 100, known) == pytest.approx(3.0)
    assert estimate("quick", changes, 200, known) == pytest.approx(6.0)


def ended(spec: JobSpec, attempt: int = 1, started: str = "2026-11-21T10:00:00.000000Z") -> Job:
    ended = "2026-11-21T10:08:20.000000Z"
    return Job("a", spec, "local", "SUCCEEDED", started, "zoe", attempt, "", "v", started, ended)


def test_what_is_done_beside_the_epochs_takes_its_time_too() -> None:
    known = beside_epochs(ended(JobSpec("set")), CURVES)
    assert known == pytest.approx(200)
    whole = estimate("quick", ["size_px=64", "epochs=3"], 50, paces(CURVES, 50), known / 50)
    assert whole == pytest.approx(500)


@pytest.mark.parametrize(
    "job", [ended(JobSpec("set"), attempt=2), ended(JobSpec("set", seeds=2)),
            ended(JobSpec("set"), started="")],
)  # fmt: skip
def test_where_the_times_of_a_training_do_not_tell_it_nothing_is_added(job: Job) -> None:
    assert beside_epochs(job, CURVES) == 0


def test_several_runs_read_the_test_set_once() -> None:
    assert estimate("quick", ["size_px=64", "epochs=3"], 50, [Pace(64, 2.0)], 4.0, runs=4) == 1400


def test_a_size_never_trained_is_told_by_its_area_from_the_nearest() -> None:
    known = [Pace(32, 9.0), Pace(112, 0.02)]
    changes = ["size_px=224", "epochs=1"]
    assert estimate("quick", changes, 1, known) == pytest.approx(0.08)


def test_an_epoch_that_was_held_up_does_not_count() -> None:
    curves = [{"size_px": 64, "seconds": took} for took in (10.0, 11.0, 5000.0)]
    assert paces(curves, 11) == [Pace(64, 1.0)]


def test_nothing_is_known_without_an_epoch() -> None:
    lines = [{"size_px": 64}, {"seconds": 3.0}, {"size_px": 64, "seconds": None}]
    assert paces(lines, 10) == []
    assert estimate("lungs", [], 100, []) is None


def test_a_setting_that_is_none_is_said_even_then() -> None:
    with pytest.raises(ConfigError, match="Correct the name"):
        estimate("lungs", ["epoch=3"], 100, [])
