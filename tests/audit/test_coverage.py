"""Coverage on small simulations; intervals with only one source of variance must fail the same check."""

import numpy as np
import pytest

from experiments.audit.coverage import (
    coverage_row,
    coverage_tasks,
    histogram_differences,
    one_way_coverage,
    two_part_studies,
)
from experiments.audit.observed_share import ObservedShare
from experiments.audit.simulation.gaussian import Spread, gaussian_studies
from experiments.audit.simulation.histograms import ScoreModel
from experiments.audit.task import run_tasks
from experiments.inference.paired_difference import PairedDifference, difference_of

BOTH = Spread("both", 0.02, 0.063, 0.02)


def _two_way(studies: PairedDifference, truth: float) -> ObservedShare:
    low, high = studies.interval(0.05)
    return ObservedShare.of((low <= truth) & (truth <= high))


@pytest.mark.parametrize(("n_seeds", "n_groups"), [(3, 20), (5, 50), (10, 200)])
def test_the_two_way_interval_covers_and_its_parts_do_not(n_seeds: int, n_groups: int) -> None:
    rng = np.random.default_rng(n_seeds)
    studies = gaussian_studies(BOTH, gain=0.03, n_seeds=n_seeds, n_groups=n_groups, n_studies=1500, rng=rng)
    assert not _two_way(studies, 0.03).is_below(0.92)
    assert one_way_coverage(studies, 0.03, 0.05, of="groups").is_below(0.92)
    if n_groups < 200:
        assert one_way_coverage(studies, 0.03, 0.05, of="seeds").is_below(0.92)


def test_a_bootstrap_of_images_fails_the_check() -> None:
    """Negative control: percentiles of the mean over resampled groups, seeds as they are."""
    rng = np.random.default_rng(0)
    n, n_seeds, n_groups = 400, 3, 30
    effects = BOTH.seed * rng.standard_normal((n, n_seeds, 1)) + BOTH.group * rng.standard_normal((n, 1, n_groups))
    effects = effects + BOTH.interaction * rng.standard_normal((n, n_seeds, n_groups))
    of_groups = effects.mean(axis=1)
    weights = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=500) / n_groups
    low, high = np.quantile(of_groups @ weights.T, [0.025, 0.975], axis=1)
    assert ObservedShare.of((low <= 0) & (high >= 0)).is_below(0.92)
    means = effects.mean(axis=2)
    left_out = (n_groups * means[:, :, None] - effects) / (n_groups - 1)
    assert not _two_way(difference_of(means.T, left_out.transpose(1, 2, 0)), 0.0).is_below(0.92)


@pytest.mark.parametrize("separation", [0.0, 0.3])
def test_coverage_with_histograms(separation: float) -> None:
    model, spread = ScoreModel(), Spread("both", 0.12, 0.5, 0.3)
    truth = model.true_average_precision(separation, spread) - model.true_average_precision(0.0, spread)
    studies = histogram_differences(
        model, spread, separation, [(3, 20)], 400, np.random.default_rng(2), lambda done: None
    )
    item = studies[3, 20]
    assert not _two_way(item, truth).is_below(0.92)
    assert _two_way(item, truth + 0.05).is_below(0.92)
    # The mean of the gains agrees with the closed form within its own error.
    assert abs(item.estimate.mean() - truth) < 4 * item.estimate.std() / 20


def test_the_jackknife_variances_are_the_true_ones() -> None:
    studies = gaussian_studies(BOTH, gain=0.0, n_seeds=4, n_groups=30, n_studies=4000, rng=np.random.default_rng(3))
    assert studies.v_seed.mean() == pytest.approx(BOTH.expected_v_seed(4, 30), rel=0.06)
    assert studies.v_group.mean() == pytest.approx(BOTH.expected_v_group(4, 30), rel=0.03)
    # The interaction is in both.
    overlap = BOTH.interaction**2 / 120
    assert studies.estimate.var() == pytest.approx((studies.v_seed + studies.v_group).mean() - overlap, rel=0.1)


def test_two_seeds_cover_less_and_three_just_enough() -> None:
    rng = np.random.default_rng(4)
    two, three = (two_part_studies(3.0, n_seeds=s, n_groups=200, n_studies=20_000, rng=rng) for s in (2, 3))
    assert _two_way(two, 0.0).is_below(0.92)
    assert not _two_way(three, 0.0).is_below(0.92)


def test_a_row_by_hand() -> None:
    studies = PairedDifference(np.array([0.0, 1.0, 9.0, 0.5]), np.full(4, 0.5), np.full(4, 0.5), 11, 11)
    # Standard error 1, 20 degrees of freedom: t = 2.086; one way: 2.228 * .707 = 1.575.
    row = coverage_row("m", "s", studies, truth=0.0, level=0.05)
    assert (row["coverage"], row["images_only"], row["seeds_only"], row["claims"]) == (0.75, 0.75, 0.75, 0.25)
    shifted = coverage_row("m", "s", studies, truth=-1.0, level=0.05)
    assert (shifted["coverage"], shifted["images_only"]) == (0.75, 0.5)
    with pytest.raises(ValueError, match="of: expected 'groups' or 'seeds', got 'images'"):
        one_way_coverage(studies, 0.0, 0.05, of="images")


def test_results_do_not_depend_on_threads() -> None:
    def table(threads: int):
        tasks = coverage_tasks(seeds=(3,), groups=(5, 8), n_gaussian=50, n_histogram=3, level=0.05)
        return run_tasks(tasks, seed=(7, 0), threads=threads, description="coverage")

    one = table(1)
    assert one.equals(table(3))
    assert len(one) == len(one[["model", "spread", "true_gain", "n_seeds", "n_groups"]].drop_duplicates())
