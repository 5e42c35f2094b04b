"""Properties of the statistics behind a verdict: what must not change, what must change sign, and brute force."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import special, stats

from experiments.inference.advice import advise
from experiments.inference.behrens_fisher import two_way_isf, two_way_sf
from experiments.inference.claims import Evidence, p_values
from experiments.inference.multiplicity import holm, steady_seed_variances
from experiments.inference.paired_difference import (
    MIN_SEEDS,
    PairedDifference,
    difference_of,
    paired_difference,
    satterthwaite,
)
from experiments.inference.rule import Rule
from experiments.inference.simultaneous_band import RecallBand, recall_band
from experiments.inference.verdict import decide

# Rounded, so that ties and exact zeros are met.
gains = st.floats(-0.3, 0.3).map(lambda value: round(value, 3))
variances = st.sampled_from([0.0]) | st.floats(-7.0, 0.0).map(lambda power: round(10.0**power, 9))
sizes = st.integers(2, 12) | st.integers(13, 200)
ps = st.floats(0.0, 1.0) | st.floats(-6.0, 0.0).map(lambda power: 10.0**power) | st.sampled_from([0.05, 0.01, 1.0])


@st.composite
def differences(draw: st.DrawFn, *, values: int = 1) -> PairedDifference:
    estimate = draw(st.lists(gains, min_size=values, max_size=values))
    parts = [draw(st.lists(variances, min_size=values, max_size=values)) for _ in range(2)]
    return PairedDifference(np.array(estimate), np.array(parts[0]), np.array(parts[1]), draw(sizes), draw(sizes))


def _turned(difference: PairedDifference) -> PairedDifference:
    return replace(difference, estimate=-difference.estimate)


@given(
    values=hnp.arrays(np.float64, st.tuples(st.integers(2, 5), st.integers(2, 7), st.integers(1, 3)), elements=gains)
)
def test_the_jackknife_is_leaving_out_each_group(values: np.ndarray) -> None:
    """Values of seeds and groups, whose statistic is the mean over groups, against textbook sums in plain Python."""
    n_seeds, n_groups, n_values = values.shape
    left_out = np.stack([np.delete(values, g, axis=1).mean(axis=1) for g in range(n_groups)], axis=1)
    difference = difference_of(values.mean(axis=1), left_out)
    for k in range(n_values):
        per_seed = [sum(values[s, :, k]) / n_groups for s in range(n_seeds)]
        mean = sum(per_seed) / n_seeds
        v_seed = sum((d - mean) ** 2 for d in per_seed) / (n_seeds - 1) / n_seeds
        per_group = [sum(values[:, g, k]) / n_seeds for g in range(n_groups)]
        v_group = sum((d - mean) ** 2 for d in per_group) / (n_groups - 1) / n_groups
        assert difference.estimate[k] == pytest.approx(mean, abs=1e-15)
        assert difference.v_seed[k] == pytest.approx(v_seed, rel=1e-9, abs=1e-30)
        assert difference.v_group[k] == pytest.approx(v_group, rel=1e-9, abs=1e-30)


runs = hnp.arrays(np.float64, st.tuples(st.just(2), st.integers(2, 5), st.integers(3, 8)), elements=gains)


@given(runs=runs, scale=st.floats(0.01, 100), shift=gains, seed=st.integers(0, 1000))
def test_a_difference_knows_no_order_no_common_part_and_one_unit(
    runs: np.ndarray, scale: float, shift: float, seed: int
) -> None:
    """Columns of `runs`: the statistic with all groups, then without each."""
    arm, base = runs[..., None]
    plain = paired_difference(arm[:, 0], base[:, 0], arm[:, 1:], base[:, 1:])
    swapped = paired_difference(base[:, 0], arm[:, 0], base[:, 1:], arm[:, 1:])
    np.testing.assert_array_equal(swapped.estimate, -plain.estimate)
    np.testing.assert_array_equal([swapped.v_seed, swapped.v_group], [plain.v_seed, plain.v_group])
    rng = np.random.default_rng(seed)
    order, groups = rng.permutation(len(arm)), 1 + rng.permutation(arm.shape[1] - 1)
    a, b = scale * (arm[order] + shift), scale * (base[order] + shift)
    moved = paired_difference(a[:, 0], b[:, 0], a[:, groups], b[:, groups])
    np.testing.assert_allclose(moved.estimate, scale * plain.estimate, rtol=0, atol=1e-12 * scale)
    np.testing.assert_allclose(moved.v_seed, scale**2 * plain.v_seed, rtol=1e-9, atol=1e-26 * scale**2)
    np.testing.assert_allclose(moved.v_group, scale**2 * plain.v_group, rtol=1e-9, atol=1e-26 * scale**2)


@given(v_seed=variances, v_group=variances, n_seeds=sizes, n_groups=sizes, scale=st.floats(1e-150, 1e150))
def test_degrees_of_freedom_lie_between_those_of_the_parts(
    v_seed: float, v_group: float, n_seeds: int, n_groups: int, scale: float
) -> None:
    df = float(satterthwaite(v_seed, v_group, n_seeds, n_groups))
    if v_seed == v_group == 0:
        assert df == np.inf
        return
    parts = [n - 1 for v, n in ((v_seed, n_seeds), (v_group, n_groups)) if v > 0]
    assert min(parts) * (1 - 1e-12) <= df <= sum(parts) * (1 + 1e-12)
    assert df == pytest.approx(float(satterthwaite(scale * v_seed, scale * v_group, n_seeds, n_groups)), rel=1e-9)
    assert df == pytest.approx(float(satterthwaite(v_group, v_seed, n_groups, n_seeds)), rel=1e-12)


@given(x=st.floats(-50, 50), v_seed=variances, v_group=variances, n_seeds=sizes, n_groups=sizes)
def test_the_tail_is_one_of_a_symmetric_distribution(
    x: float, v_seed: float, v_group: float, n_seeds: int, n_groups: int
) -> None:
    assume(v_seed + v_group > 0)
    unit = np.sqrt(v_seed + v_group)
    upper, lower = (float(two_way_sf(at * unit, v_seed, v_group, n_seeds, n_groups)) for at in (x, -x))
    assert 0.0 <= upper <= 1.0
    assert upper + lower == pytest.approx(1.0, abs=1e-9)
    assert upper == pytest.approx(float(two_way_sf(x * unit, v_group, v_seed, n_groups, n_seeds)), rel=1e-6, abs=1e-12)
    assert upper >= float(two_way_sf((x + 0.1) * unit, v_seed, v_group, n_seeds, n_groups)) - 1e-12
    assert upper == pytest.approx(float(two_way_sf(1e3 * (x * unit), 1e6 * v_seed, 1e6 * v_group, n_seeds, n_groups)))
    if min(v_seed, v_group) == 0:
        df = (n_seeds if v_seed else n_groups) - 1
        assert upper == pytest.approx(stats.t.sf(x, df), rel=1e-9, abs=1e-300)


@given(x=st.floats(0, 100), share=st.floats(0.001, 0.999), n_seeds=st.integers(2, 10), n_groups=st.integers(2, 60))
def test_the_tail_is_the_convolution_of_two_t(x: float, share: float, n_seeds: int, n_groups: int) -> None:
    place = np.linspace(-20, 20, 20_001)
    t = np.sinh(place)
    weights = stats.t.pdf(t, n_seeds - 1) * np.cosh(place) * (place[1] - place[0])
    exact = weights @ special.stdtr(n_groups - 1, (np.sqrt(share) * t - x) / np.sqrt(1 - share))
    assert float(two_way_sf(x, share, 1 - share, n_seeds, n_groups)) == pytest.approx(exact, rel=2e-3, abs=1e-12)


@given(level=st.floats(1e-6, 0.4), v_seed=variances, v_group=variances, n_seeds=st.integers(2, 30), n_groups=sizes)
def test_a_quantile_has_its_level(level: float, v_seed: float, v_group: float, n_seeds: int, n_groups: int) -> None:
    assume(v_seed + v_group > 0)
    x = two_way_isf(level, v_seed, v_group, n_seeds, n_groups)
    assert x >= 0
    assert float(two_way_sf(x, v_seed, v_group, n_seeds, n_groups)) == pytest.approx(level, rel=0.05)


@given(difference=differences(values=3), margin=st.floats(1e-3, 0.5), wider=st.floats(1.0, 3.0))
def test_p_values_rise_and_fall_as_they_should(difference: PairedDifference, margin: float, wider: float) -> None:
    differs, equal = difference.p_difference(), difference.p_equivalence(margin)
    np.testing.assert_array_equal(_turned(difference).p_difference(), differs)
    np.testing.assert_array_equal(_turned(difference).p_equivalence(margin), equal)
    known = ~np.isnan(differs)
    assert (known == ((difference.standard_error > 0) | (difference.estimate == 0))).all()
    assert ((differs[known] >= 0) & (differs[known] <= 1)).all()
    assert ((equal[known] >= 0) & (equal[known] <= 1)).all()
    further = replace(difference, estimate=wider * difference.estimate)
    assert (further.p_difference()[known] <= differs[known] + 1e-12).all()
    assert (further.p_equivalence(margin)[known] >= equal[known] - 1e-12).all()
    assert (difference.p_equivalence(wider * margin)[known] <= equal[known] + 1e-12).all()
    assert (equal[known & (np.abs(difference.estimate) > margin)] >= 0.5 - 1e-9).all()
    low, high = difference.interval()
    tight_low, tight_high = difference.interval(0.2)
    varies = difference.standard_error > 0
    assert ((low < tight_low) & (tight_low < tight_high) & (tight_high < high))[varies].all()
    np.testing.assert_allclose((low + high)[varies] / 2, difference.estimate[varies], atol=1e-9, rtol=1e-6)


def _reference_closed_testing(p: list[float]) -> list[float]:
    """Closed testing with Bonferroni's test of every intersection: a claim's p is the largest of all that hold it."""
    adjusted = [0.0] * len(p)
    for size in range(1, len(p) + 1):
        for members in itertools.combinations(range(len(p)), size):
            joint = min(1.0, size * min(p[index] for index in members))
            for index in members:
                adjusted[index] = max(adjusted[index], joint)
    return adjusted


@given(p=st.lists(ps, min_size=1, max_size=7), missing=st.lists(st.integers(0, 7), max_size=3), seed=st.integers(0, 99))
def test_holm_is_closed_testing(p: list[float], missing: list[int], seed: int) -> None:
    adjusted = holm(p)
    np.testing.assert_allclose(adjusted, _reference_closed_testing(p), rtol=1e-14)
    assert (adjusted >= p).all() and (adjusted <= 1).all()
    order = np.random.default_rng(seed).permutation(len(p))
    np.testing.assert_array_equal(holm(np.array(p)[order]), adjusted[order])
    with_nan = list(p)
    for place in missing:
        with_nan.insert(min(place, len(with_nan)), float("nan"))
    got = holm(with_nan)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(with_nan))
    np.testing.assert_array_equal(got[~np.isnan(got)], adjusted)


@given(family=st.lists(differences(), min_size=1, max_size=8), scale=st.floats(0.01, 100))
def test_a_steadied_variance_lies_between_its_own_and_the_mean(family: list[PairedDifference], scale: float) -> None:
    steadied = steady_seed_variances(family)
    per_seed = [float(item.v_seed[0]) * item.n_seeds for item in family]
    mean = sum(per_seed) / len(per_seed)
    for item, own, got in zip(family, per_seed, steadied, strict=True):
        ends = sorted([own, mean])
        assert ends[0] * (1 - 1e-12) <= got.variance[0] * item.n_seeds <= ends[1] * (1 + 1e-12)
        assert got.df == item.n_seeds - 1 + min(2.0, (len(family) - 1) / 4)
    scaled = steady_seed_variances([replace(item, v_seed=scale * item.v_seed) for item in family])
    for got, other in zip(steadied, scaled, strict=True):
        assert other.variance[0] == pytest.approx(scale * got.variance[0], rel=1e-12)


@st.composite
def bands(draw: st.DrawFn, points: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Recalls, (S, R) differences and (S, G, R) of them without each group, of a study with a crossing or none."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    truth = np.array(draw(st.lists(gains, min_size=points, max_size=points)))
    n_seeds, n_groups = draw(st.sampled_from([2, 3, 5, 14])), draw(st.sampled_from([2, 6, 20]))
    effects = truth + draw(st.sampled_from([0.0, 0.01, 0.1])) * rng.standard_normal((n_seeds, 1, points))
    effects = effects + draw(st.sampled_from([0.01, 0.3])) * rng.standard_normal((1, n_groups, points))
    left_out = (effects.sum(axis=1, keepdims=True) - effects) / (n_groups - 1)
    return np.linspace(0.2, 0.8, points), effects.mean(axis=1), left_out


def _band(recalls: np.ndarray, per_seed: np.ndarray, left_out: np.ndarray, **options: float) -> RecallBand:
    rng = np.random.default_rng(0)
    return recall_band(recalls, per_seed, left_out, **{"margin": 0.01, "n_draws": 200, "rng": rng, **options})


@given(study=bands(), margin=st.floats(1e-3, 0.1))
def test_a_band_turned_around_is_the_band_of_the_swapped_arms(
    study: tuple[np.ndarray, np.ndarray, np.ndarray], margin: float
) -> None:
    recalls, per_seed, left_out = study
    band = _band(recalls, per_seed, left_out, margin=margin)
    turned = _band(recalls, -per_seed, -left_out, margin=margin)
    np.testing.assert_array_equal(turned.low, -band.high)
    np.testing.assert_array_equal(turned.high, -band.low)
    np.testing.assert_array_equal(turned.better, band.worse)
    assert turned.p_crosses == band.p_crosses
    assert 0 <= band.p_crosses <= 1
    if len(per_seed) < MIN_SEEDS:
        assert np.isnan([band.low, band.high]).all()  # too few seeds for an interval
    else:
        assert (band.low <= band.difference.estimate).all() and (band.difference.estimate <= band.high).all()
        pointwise = band.difference.interval(0.05)
        assert (band.low <= pointwise[0] + 1e-12).all() and (band.high >= pointwise[1] - 1e-12).all()
    assert _band(recalls, per_seed, left_out, margin=2 * margin).p_crosses >= band.p_crosses - 1e-12
    if band.p_crosses < 0.5:
        assert band.difference.estimate.max() > margin and band.difference.estimate.min() < -margin


MIRROR = {"moves out": "moves in", "moves in": "moves out"}


@st.composite
def families(draw: st.DrawFn) -> list[Evidence]:
    """Evidence of several arms and masks of one study: with and without a band, a point, a problem."""
    items = []
    for _ in range(draw(st.integers(1, 4))):
        gain, point = draw(differences()), draw(differences(values=2))
        gain = replace(gain, v_seed=gain.v_seed * 1e-3, v_group=gain.v_group * 1e-3)
        point = replace(point, n_seeds=gain.n_seeds, n_groups=gain.n_groups)
        if draw(st.booleans()):
            point = replace(point, v_seed=point.v_seed * 1e-3, v_group=point.v_group * 1e-3)
        band = None
        if draw(st.booleans()):
            p = draw(ps)
            recalls = np.array([0.2, 0.5, 0.8])
            values = PairedDifference(np.array([0.1, 0.0, -0.1]), np.ones(3), np.ones(3), gain.n_seeds, gain.n_groups)
            band = RecallBand(recalls, values, np.array([0.05, -0.2, -0.3]), np.array([0.3, 0.2, -0.05]), p)
        problem = draw(st.sampled_from(["", "", "", "one seed"]))
        items.append(Evidence(gain, point, draw(st.booleans()), band, problem))
    return items


def _swapped(item: Evidence) -> Evidence:
    band = item.band
    if band is not None:
        band = RecallBand(band.recalls, _turned(band.difference), -band.high, -band.low, band.p_crosses)
    return replace(item, gain=_turned(item.gain), point=_turned(item.point), band=band)


rules = st.builds(Rule, margin=st.floats(1e-3, 0.1), point_margin=st.floats(1e-3, 0.2), level=st.floats(0.01, 0.2))


@given(family=families(), rule=rules)
def test_swapping_arm_and_baseline_turns_every_verdict_around(family: list[Evidence], rule: Rule) -> None:
    verdicts, swapped = decide(family, rule), decide([_swapped(item) for item in family], rule)
    for verdict, other in zip(verdicts, swapped, strict=True):
        assert other.word == MIRROR.get(verdict.word, verdict.word)
        assert (other.needed_seeds, other.needed_groups) == pytest.approx(
            (verdict.needed_seeds, verdict.needed_groups), nan_ok=True
        )


@given(family=families(), rule=rules, seed=st.integers(0, 99))
def test_a_verdict_depends_on_the_family_and_not_on_its_order(family: list[Evidence], rule: Rule, seed: int) -> None:
    verdicts = decide(family, rule)
    order = np.random.default_rng(seed).permutation(len(family))
    shuffled = decide([family[index] for index in order], rule)
    assert [verdict.word for verdict in shuffled] == [verdicts[index].word for index in order]
    hopeless = replace(family[0], problem="no seed was run", gain=_turned(family[0].gain))
    with_hopeless = decide([hopeless, *family], rule)
    assert with_hopeless[0].word == "undecided"
    assert [verdict.word for verdict in with_hopeless[1:]] == [verdict.word for verdict in verdicts]


@given(family=families(), rule=rules)
def test_each_word_says_what_its_tests_showed(family: list[Evidence], rule: Rule) -> None:
    tests = p_values(family, rule)
    raw = [
        _reference_closed_testing([p for p in column if not np.isnan(p)])
        for column in ([t.difference for t in tests], [t.equivalence for t in tests])
    ]
    for column, name in zip(raw, ("difference_holm", "equivalence_holm"), strict=True):
        got = [getattr(t, name) for t in tests if not np.isnan(getattr(t, name))]
        np.testing.assert_allclose(got, column, rtol=1e-12)
    for item, p, verdict in zip(family, tests, decide(family, rule), strict=True):
        gain = float(item.gain.estimate[0])
        match verdict.word:
            case "moves out" | "moves in":
                assert (gain > 0) == (verdict.word == "moves out")
                assert p.difference_holm < rule.level <= p.equivalence_holm
            case "slides":
                assert abs(gain) < rule.margin and p.equivalence_holm < rule.level
                assert np.nanmax(np.abs(item.point.estimate)) > rule.point_margin and p.moved_holm < rule.level
            case "stays":
                assert abs(gain) < rule.margin and p.equivalence_holm < rule.level
                assert abs(item.point.estimate[0]) < rule.point_margin and p.same_holm < rule.level
            case "crosses":
                assert item.band is not None and p.crosses_holm < rule.level
            case word:
                assert word == "undecided"
                assert verdict.reason
        assert not item.problem or verdict.word == "undecided"


@given(estimate=gains, v_seed=variances, v_group=variances, n_seeds=st.integers(2, 8), n_groups=st.integers(2, 80))
def test_advice_asks_for_more_than_there_is(
    estimate: float, v_seed: float, v_group: float, n_seeds: int, n_groups: int
) -> None:
    assume(v_seed + v_group > 1e-9)
    options = {"v_seed": v_seed, "v_group": v_group, "n_seeds": n_seeds, "n_groups": n_groups, "margin": 0.01}
    levels = {"level_difference": 0.05 / 15, "level_equivalence": 0.05 / 15}
    advice = advise(estimate=estimate, **options, **levels)
    assert advice.seeds > n_seeds and advice.groups > n_groups and advice.both > 1
    assert 0.5 <= advice.share <= 1
    assert advice.dominates == ("seeds" if v_seed >= v_group else "groups")
    mirrored = advise(estimate=-estimate, **options, **levels)
    assert (mirrored.seeds, mirrored.groups, mirrored.both) == (advice.seeds, advice.groups, advice.both)
