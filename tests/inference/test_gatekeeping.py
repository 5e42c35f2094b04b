"""Arms first, masks second: Holm over arms where there is one mask, shares by hand, one level for all claims."""

import numpy as np
import pytest

from experiments.inference.gatekeeping import FOR_MASKS, TO_MASKS, gated_holm
from experiments.inference.multiplicity import holm


@pytest.mark.parametrize("n", [1, 2, 5])
def test_with_one_mask_it_is_holm_over_the_arms(n: int) -> None:
    p = np.random.default_rng(n).random(n) / 4
    arms, masks = gated_holm(p, p[:, None])
    np.testing.assert_allclose(arms, holm(p, cut=False), rtol=1e-6)
    np.testing.assert_array_equal(masks[:, 0], arms)


def test_the_whole_level_of_one_arm_goes_to_its_masks_by_holm() -> None:
    masks = np.array([[0.001, 0.02, 0.3]])
    arm, adjusted = gated_holm([1e-6], masks)
    assert arm[0] == pytest.approx(1e-6 / (1 - FOR_MASKS))
    np.testing.assert_allclose(adjusted[0], holm(masks[0], cut=False), rtol=1e-6)


def test_a_mask_behind_an_arm_without_a_gain_has_a_small_share() -> None:
    arms, masks = gated_holm([0.9, 0.8], [[1e-5, 0.9], [0.9, 0.9]])
    assert masks[0, 0] == pytest.approx(1e-5 / (FOR_MASKS / 4))
    assert arms.min() > 0.8


def test_shares_by_hand() -> None:
    # The arm at .001 is rejected first, with half of the arms' share. TO_MASKS of that goes on to its two masks.
    arms, masks = gated_holm([0.001, 0.5], [[0.002, 0.9], [0.9, 0.9]])
    share = (1 - FOR_MASKS) / 2
    assert arms[0] == pytest.approx(0.001 / share)
    assert masks[0, 0] == pytest.approx(0.002 / (FOR_MASKS / 4 + share * TO_MASKS / 2))


def test_what_is_not_tested_takes_no_share() -> None:
    with_hole = gated_holm([0.01, np.nan, 0.03], [[0.01, np.nan, 0.2], [0.1, 0.1, 0.1], [0.03, 0.04, 0.05]])
    without = gated_holm([0.01, 0.03], [[0.01, np.nan, 0.2], [0.03, 0.04, 0.05]])
    np.testing.assert_allclose(with_hole[0][[0, 2]], without[0])
    np.testing.assert_allclose(with_hole[1][[0, 2]], without[1])
    assert np.isnan(with_hole[0][1])
    assert np.isnan(with_hole[1][1]).all()


@pytest.mark.parametrize(
    ("true_arms", "true_masks"),
    [
        ([1, 1, 1, 1], [[1, 1, 1]] * 4),
        ([0, 0, 0, 1], [[0, 0, 1]] * 3 + [[1, 1, 1]]),
        ([0, 0, 0, 0], [[0, 1, 1]] * 4),
        ([0, 1, 1, 1], [[1, 1, 1]] * 4),
    ],
)
def test_any_false_claim_keeps_the_level(true_arms: list[int], true_masks: list[list[int]]) -> None:
    """What is false is rejected for sure, what is true has uniform p values: no other case is worse for the level."""
    rng, n, level = np.random.default_rng(1), 1000, 0.2
    arms_true, masks_true = np.array(true_arms, bool), np.array(true_masks, bool)
    false = 0
    for _ in range(n):
        arms = np.where(arms_true, rng.random(4), 0.0)
        masks = np.where(masks_true, rng.random((4, 3)), 0.0)
        of_arms, of_masks = gated_holm(arms, masks)
        false += bool((of_arms[arms_true] < level).any() or (of_masks[masks_true] < level).any())
    # Four standard errors: the level is exact, so a procedure that spends it twice fails by far.
    assert false / n <= level + 4 * np.sqrt(level * (1 - level) / n)
