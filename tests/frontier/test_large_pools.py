"""A pool of 10^11 pixels loses no count, compared with Python's unbounded integers and fractions."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate

import numpy as np
import pytest

from experiments.frontier.arithmetic import add_rows, from_rows, merge, recode, sparse_row
from experiments.frontier.calibration import calibration, code_probabilities, reliability_curve, saturation
from experiments.frontier.codes import N_CODES, NATURAL_CODE
from experiments.frontier.curve import average_precision, f_beta, mean_precision, pr_curve
from experiments.frontier.histogram import ScoreHistograms
from experiments.frontier.leave_one_out import SweepGrid, group_sweep
from experiments.frontier.operating_point import natural_point, operating_point, tuned_code
from experiments.frontier.per_image import ImageCounts
from experiments.frontier.roc import achievable_average_precision, roc_auc, roc_hull, tpr_at_fpr
from experiments.inference.above_chance import chance_average_precision

MOST = 2**32 - 1
BINS = np.array([20_000, 25_000, 30_000, NATURAL_CODE, 34_000, 36_000], np.uint16)


def _pool(n_images: int = 6) -> ScoreHistograms:
    """Six images of 1.7 · 10^10 pixels each, in three groups; odd counts, so that a lost unit shows."""
    rng = np.random.default_rng(0)
    rows = []
    for image in range(n_images):
        positives = rng.integers(1, 2**27, len(BINS)).astype(np.uint32) | np.uint32(1)
        negatives = rng.integers(2**31, MOST, len(BINS)).astype(np.uint32) | np.uint32(1)
        positives[0], negatives[0] = (0, MOST) if image else (MOST, MOST)
        rows.append((BINS, positives, negatives))
    names = tuple(f"i{k}" for k in range(n_images))
    return from_rows(["m"], names, [f"g{k // 2}" for k in range(n_images)], rows)


def _exact(pool: ScoreHistograms, images: range) -> tuple[list[int], list[int]]:
    """Positives and negatives per bin, from the highest score down, as Python's integers."""
    rows = [pool.row(image, 0) for image in images]
    return tuple([sum(int(row[side][k]) for row in rows) for k in range(len(BINS))][::-1] for side in (1, 2))


def _exact_ap(positives: list[int], negatives: list[int]) -> Fraction:
    tp, fp = list(accumulate(positives)), list(accumulate(negatives))
    return sum((Fraction(p * t, t + f) for p, t, f in zip(positives, tp, fp, strict=True)), Fraction(0)) / tp[-1]


def test_the_pool_is_as_large_as_is_said() -> None:
    positives, negatives = _exact(_pool(), range(6))
    assert sum(positives) + sum(negatives) > 10**11
    assert max(negatives) > 6 * 2**31


def test_counts_are_exact() -> None:
    pool = _pool()
    positives, negatives = _exact(pool, range(6))
    dense = pool.pooled(0)
    assert [int(dense[0][code]) for code in BINS[::-1]] == positives
    assert [int(dense[1][code]) for code in BINS[::-1]] == negatives
    assert pool.pixel_counts()[0].sum() == sum(positives)
    curve = pr_curve(*dense)
    assert curve.tp.tolist() == list(accumulate(positives))
    assert curve.fp.tolist() == list(accumulate(negatives))
    assert (curve.n_positive, curve.n_negative) == (sum(positives), sum(negatives))
    natural = natural_point(pool, 0)
    assert (natural.tp, natural.fp) == (sum(positives[:3]), sum(negatives[:3]))
    assert (natural.fn, natural.tn) == (sum(positives[3:]), sum(negatives[3:]))
    per_image = ImageCounts(pool)
    tp, fp = per_image.above([NATURAL_CODE])
    assert (tp.sum(), fp.sum()) == (natural.tp, natural.fp)
    assert per_image.totals[1].sum() == sum(negatives)


def test_curves_agree_with_fractions() -> None:
    pool = _pool()
    positives, negatives = _exact(pool, range(6))
    curve = pr_curve(*pool.pooled(0))
    exact = float(_exact_ap(positives, negatives))
    assert average_precision(curve) == pytest.approx(exact, rel=1e-14)
    assert mean_precision(curve, low=0.0, high=1.0) == pytest.approx(exact, rel=1e-14)
    total = sum(positives)
    exact_f = [
        Fraction(2 * t, t + f + total) for t, f in zip(accumulate(positives), accumulate(negatives), strict=True)
    ]
    best = max(range(len(exact_f)), key=exact_f.__getitem__)
    code = tuned_code(curve)
    assert code == BINS[::-1][best]
    assert operating_point(pool, 0, code, name="tuned").f_beta() == pytest.approx(float(exact_f[best]), rel=1e-15)
    assert f_beta(curve.tp, curve.fp, total - curve.tp) == pytest.approx([float(f) for f in exact_f], rel=1e-15)


def test_products_of_counts_do_not_pass_the_largest_integer() -> None:
    """The pairs of a positive and a negative are 10^21, and 2^63 is 10^19."""
    pool = _pool()
    positives, negatives = _exact(pool, range(6))
    fp = [0, *accumulate(negatives)]
    tp = [0, *accumulate(positives)]
    twice = sum((tp[k] + tp[k + 1]) * negatives[k] for k in range(len(BINS)))
    assert twice > 2**63
    curve = pr_curve(*pool.pooled(0))
    assert roc_auc(curve) == pytest.approx(float(Fraction(twice, 2 * tp[-1] * fp[-1])), rel=1e-13)
    tied = sum(p * n for p, n in zip(positives, negatives, strict=True))
    assert saturation(*pool.pooled(0)).tied_pairs == pytest.approx(float(Fraction(tied, tp[-1] * fp[-1])), rel=1e-13)
    hull = roc_hull(curve)
    assert average_precision(curve) <= achievable_average_precision(hull) <= 1
    assert tpr_at_fpr(curve, [1.0])[0] == 1.0


def test_the_chance_level_of_a_large_pool() -> None:
    """H_N = ln N + gamma + 1 / (2 N), and what follows is below 1e-23; P - 1 of N - 1 must not lose the 1."""
    n = 10**11 + 1
    harmonic = Fraction(np.log(n) + np.euler_gamma + 0.5 / n)
    for positive in (1, 2, 3, n // 1000, n - 1):
        exact = (harmonic + (n - harmonic) * Fraction(positive - 1, n - 1)) / n
        assert float(chance_average_precision(positive, n)) == pytest.approx(float(exact), rel=1e-13)
    assert float(chance_average_precision(n, n)) == 1.0


def test_leaving_a_group_out_is_exact() -> None:
    """Entries of a group hold up to 2^33 pixels of one score, twice what an unsigned 32-bit number holds."""
    pool = _pool()
    group_of = np.repeat(np.arange(3), 2)
    sweep = group_sweep(pool, 0, group_of, SweepGrid(np.array([0.5]), np.array([0.001]), (0.0, 1.0)))
    for row, kept in enumerate([range(6), range(2, 6), [0, 1, 4, 5], range(4)]):
        assert sweep.average_precision[row] == pytest.approx(float(_exact_ap(*_exact(pool, kept))), rel=1e-13)


def test_many_negatives_below_the_lowest_positive() -> None:
    """Above it the counts fit into 32 bits, below it they do not; and nothing warns."""
    few = (np.array([9, 40_000], np.uint16), np.array([0, 3], np.uint32), np.array([MOST, 5], np.uint32))
    pool = from_rows(["m"], ["a", "b"], ["a", "b"], [few, few])
    sweep = group_sweep(pool, 0, np.arange(2), SweepGrid(np.array([1.0]), np.array([0.1])))
    np.testing.assert_allclose(sweep.average_precision, 3 / 8, rtol=1e-15)


def test_a_single_count_that_does_not_fit_is_refused_and_not_wrapped() -> None:
    one = (BINS[:1], np.array([MOST], np.uint32), np.array([0], np.uint32))
    pool = from_rows(["m"], ["i"], ["g"], [one])
    message = rf"at most {MOST} pixels of one image, mask and score, got {2 * MOST}"
    with pytest.raises(ValueError, match=message):
        add_rows(one, one)
    with pytest.raises(ValueError, match=message):
        merge([pool, pool])
    with pytest.raises(ValueError, match=message):
        both = (BINS[:2], np.full(2, MOST, np.uint32), np.zeros(2, np.uint32))
        recode(from_rows(["m"], ["i"], ["g"], [both]), np.zeros(N_CODES, np.int64))
    dense = np.zeros(N_CODES, np.int64)
    dense[7] = MOST + 1
    with pytest.raises(ValueError, match=f"got {MOST + 1}"):
        sparse_row(dense, np.zeros(N_CODES, np.int64))


def test_calibration_and_reliability_count_everything() -> None:
    pool = _pool()
    positives, negatives = _exact(pool, range(6))
    stated = code_probabilities()
    got = calibration(*pool.pooled(0), stated)
    mass = sum(Fraction(stated[c]) * (p + n) for c, p, n in zip(BINS[::-1], positives, negatives, strict=True))
    assert got.mass_ratio == pytest.approx(float(mass / sum(positives)), rel=1e-14)
    curve = reliability_curve(*pool.pooled(0), stated)
    assert curve["n_positive"].sum() == sum(positives)
    assert curve["n_pixels"].sum() == sum(positives) + sum(negatives)
