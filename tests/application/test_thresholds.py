"""A threshold, exported for logits that are not rounded, fires where the rounded ones do."""

import numpy as np
import pytest

from experiments.application.settings import Rule
from experiments.application.thresholds import MaskThreshold, choose_thresholds
from experiments.application.written_image import scores_of_codes
from experiments.frontier import from_images
from experiments.frontier.codes import HIGHEST_CODE, LOWEST_CODE, NATURAL_CODE, code_to_logit, logit_to_code

AROUND_ZERO = range(NATURAL_CODE - 3, NATURAL_CODE + 4)


@pytest.mark.parametrize("code", [LOWEST_CODE + 1, *AROUND_ZERO, *range(20_000, 64_000, 997), HIGHEST_CODE])
def test_at_least_is_the_first_logit_that_rounds_to_the_threshold(code):
    threshold = MaskThreshold("a", code, {})
    first = np.float32(threshold.at_least)
    assert logit_to_code(first) >= code
    if code != NATURAL_CODE:  # below 0 comes -0, and then the smallest number that single precision has
        assert logit_to_code(np.nextafter(first, np.float32(-np.inf))) < code
    else:
        assert logit_to_code(np.nextafter(np.float32(0), np.float32(-np.inf))) < code


def test_maps_of_logits_reach_the_threshold_exactly_where_their_codes_do():
    codes = np.arange(LOWEST_CODE, HIGHEST_CODE + 1).astype(np.uint16)
    values = scores_of_codes(codes, "logits")
    for code in (LOWEST_CODE, *AROUND_ZERO, 30_000, 40_000, HIGHEST_CODE):
        if code != NATURAL_CODE - 1:  # -0 is no threshold of its own
            np.testing.assert_array_equal(values >= np.float32(code_to_logit(code)), codes >= code)


def test_a_mask_without_positives_on_validation_has_no_tuned_threshold():
    rng = np.random.default_rng(0)
    logits, truth = rng.normal(size=(1, 2, 9, 9)), np.zeros((1, 2, 9, 9), bool)
    truth[0, 0, :2] = True
    both = from_images(list(logits), list(truth), masks=["full", "none"])
    scores = {"val": both, "test": both}
    assert [each.mask for each in choose_thresholds(Rule.of("natural"), scores)[0]] == ["full", "none"]
    for rule in ("tuned", "recall:0.9"):
        _, problems = choose_thresholds(Rule.of(rule), scores)
        assert problems == [
            f"threshold={rule}: expected scores of none that choose one: has no positive pixel on validation"
        ]
