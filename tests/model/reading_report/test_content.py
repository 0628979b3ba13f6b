"""What a report says has to fit the reading."""

from dataclasses import replace

import pytest

from model.errors import BundleError, ConfigError
from tests.model.report_cases import NOW


def test_a_reading_of_another_version_is_no_report_of_this_one(reading):
    with pytest.raises(BundleError, match="Read the X-ray again"):
        reading(prediction={"model_version": "vgg16-other"})


@pytest.mark.parametrize(
    "wrong", [{"threshold": 1.5}, {"band": -0.1}, {"read_at": NOW.replace(tzinfo=None)}]
)
def test_figures_out_of_range_are_refused(reading, wrong):
    with pytest.raises(ConfigError):
        replace(reading(), **wrong)
