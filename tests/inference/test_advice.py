"""How many more seeds or groups would decide: by hand, and by simulating studies of the advised size."""

import numpy as np
import pytest

from experiments.inference.advice import Advice, advise
from experiments.inference.paired_difference import PairedDifference, SeedVariance, difference_of
from experiments.inference.words import advice_sentence

_DRAWS = 8_000
"""A share of one half has a standard error of .006."""


def _advise(estimate: float, v_seed: float, v_group: float, n_seeds: int = 3, n_groups: int = 40) -> Advice:
    return advise(
        estimate=estimate,
        v_seed=v_seed,
        v_group=v_group,
        n_seeds=n_seeds,
        n_groups=n_groups,
        margin=0.01,
        level_difference=0.05,
        level_equivalence=0.05,
    )


def _reference_chance(
    estimate: float, v_seed: float, v_group: float, n_seeds: float, n_groups: float, rng: np.random.Generator
) -> float:
    """Chance that a study of that size decides, drawn: the truth from the t around the estimate, then the study."""
    df_now = (v_seed + v_group) ** 2 / (v_seed**2 / 2 + v_group**2 / 39)
    truth = estimate + np.sqrt(v_seed + v_group) * rng.standard_t(df_now, _DRAWS)
    seed_part, group_part = v_seed * 3 / n_seeds, v_group * 40 / n_groups
    found = truth + np.sqrt(seed_part + group_part) * rng.standard_normal(_DRAWS)
    study = PairedDifference(
        found, np.full(_DRAWS, seed_part), np.full(_DRAWS, group_part), round(n_seeds), round(n_groups)
    )
    return float(_decided(study).mean())


@pytest.mark.parametrize(
    ("estimate", "v_seed", "v_group"), [(0.03, 2e-4, 1e-5), (0.0, 3e-5, 1e-6), (-0.02, 1e-6, 2e-4), (0.004, 1e-6, 2e-5)]
)
def test_the_advised_size_is_where_the_chance_passes_one_half(estimate: float, v_seed: float, v_group: float) -> None:
    rng = np.random.default_rng(4)
    advice = _advise(estimate, v_seed, v_group)
    if np.isfinite(advice.seeds):
        assert _reference_chance(estimate, v_seed, v_group, advice.seeds, 40, rng) > 0.48
        if advice.seeds > 4:
            assert _reference_chance(estimate, v_seed, v_group, advice.seeds - 1, 40, rng) < 0.52
    if np.isfinite(advice.groups):
        assert _reference_chance(estimate, v_seed, v_group, 3, advice.groups, rng) > 0.48
        # Steps between large numbers are up to 4 %.
        assert _reference_chance(estimate, v_seed, v_group, 3, 0.95 * advice.groups, rng) < 0.52
    assert np.isfinite(advice.seeds) or np.isfinite(advice.groups)
    assert advice.dominates == ("seeds" if v_seed > v_group else "groups")
    assert advice.share == pytest.approx(max(v_seed, v_group) / (v_seed + v_group))
    mirrored = _advise(-estimate, v_seed, v_group)
    assert (mirrored.seeds, mirrored.groups, mirrored.both) == (advice.seeds, advice.groups, advice.both)


def test_when_the_other_component_alone_prevents_it() -> None:
    advice = _advise(0.002, 1e-4, 1e-4)
    assert (advice.seeds, advice.groups) == (np.inf, np.inf)
    assert 2 < advice.both < 20
    told = advice_sentence(advice, 3, 40)
    assert told.startswith("more seeds alone will not settle it, nor more test groups, but about ")


def test_seeds_without_variance_cannot_help() -> None:
    advice = _advise(0.0, 0.0, 1e-4)
    assert (advice.seeds, advice.dominates, advice.share) == (np.inf, "groups", 1.0)
    assert np.isfinite(advice.groups)


def test_a_study_that_knows_the_seed_variance_better_needs_fewer_seeds() -> None:
    options = {"estimate": 0.03, "v_seed": 2e-4, "v_group": 1e-5, "n_seeds": 3, "n_groups": 40, "margin": 0.01}
    levels = {"level_difference": 0.01, "level_equivalence": 0.01}
    alone = advise(**options, **levels)
    own = advise(**options, **levels, steady=SeedVariance(np.array([2e-4]), 2.0))
    steady = advise(**options, **levels, steady=SeedVariance(np.array([2e-4]), 4.0))
    assert own == alone
    assert steady.seeds <= alone.seeds
    assert steady.both < alone.both


def test_the_sentence() -> None:
    text = advice_sentence(Advice("groups", 0.8, 9.0, 120.0, 2.0), 3, 40)
    assert text == (
        "an even chance of settling it takes about 9 seeds in all (6 more), or about 120 test groups in all (80 more); "
        "80% of the variance comes from test groups"
    )


def _studies(
    rng: np.random.Generator, n_seeds: int, n_groups: int, truth: tuple[float, float, float], n: int
) -> PairedDifference:
    """Simulated studies, one per column; truth is the gain and the spread over seeds and over groups."""
    gain, seed_sd, group_sd = truth
    seed = seed_sd * rng.standard_normal((n, n_seeds, 1))
    group = group_sd * rng.standard_normal((n, 1, n_groups))
    effects = gain + seed + group + 0.02 * rng.standard_normal((n, n_seeds, n_groups))
    left_out = (effects.sum(axis=2, keepdims=True) - effects) / (n_groups - 1)
    return difference_of(effects.mean(axis=2).T, left_out.transpose(1, 2, 0))


def _decided(difference: PairedDifference) -> np.ndarray:
    return (difference.p_difference() < 0.05) | (difference.p_equivalence(0.01) < 0.05)


@pytest.mark.parametrize(
    ("truth", "what"),
    [
        ((0.02, 0.03, 0.02), "seeds"),
        ((0.04, 0.06, 0.02), "seeds"),
        ((0.0, 0.012, 0.005), "seeds"),
        ((0.02, 0.005, 0.12), "groups"),
        ((0.0, 0.001, 0.05), "groups"),
    ],
)
def test_the_median_advice_is_the_size_that_decides_half_of_the_studies(
    truth: tuple[float, float, float], what: str
) -> None:
    """Within a factor of 1.5, for studies of 4 seeds and 40 groups that are mostly undecided."""
    rng = np.random.default_rng(8)
    start = {"seeds": 4, "groups": 40}
    studies = _studies(rng, 4, 40, truth, 48)
    undecided = np.flatnonzero(~_decided(studies))
    assert len(undecided) > 30
    advice = [
        _advise(float(studies.estimate[k]), float(studies.v_seed[k]), float(studies.v_group[k]), 4, 40)
        for k in undecided
    ]
    median = float(np.median([getattr(item, what) for item in advice]))

    def power(size: float) -> float:
        return float(_decided(_studies(rng, **_sized(start, what, round(size)), truth=truth, n=600)).mean())

    assert power(median / 1.5) < 0.52
    assert power(median * 1.5) > 0.48


def _sized(start: dict[str, int], what: str, size: int) -> dict[str, int]:
    sizes = start | {what: int(size)}
    return {"n_seeds": sizes["seeds"], "n_groups": sizes["groups"]}
