"""Arms and masks together: how often any of a study's claims is false, and how often a true gain is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from experiments.audit.observed_share import ObservedShare
from experiments.audit.task import Note, Row, Task
from experiments.inference.claims import Evidence, arm_and_mask_p_values, p_values
from experiments.inference.paired_difference import PairedDifference, difference_of
from experiments.inference.rule import Rule

N_ARMS, N_MASKS = 5, 3

SEED, GROUP, INTERACTION = 0.015, 0.06, 0.04
"""Standard deviations of an arm's own effects in one mask, in AP; the baseline's are shared by all."""

SHARED = 0.3
"""Share of each variance that the masks of an arm have in common."""

GAIN = 0.04

FOR_PAGE = ("arm_power", "mask_power", "mask_power_alone")


@dataclass(frozen=True)
class Scenario:
    """True gains of a study, (arms, masks).

    Args:
        name: in tables.
        gains: in AP.
    """

    name: str
    gains: NDArray[np.float64]

    @property
    def arm_is_null(self) -> NDArray[np.bool_]:
        """Whether an arm's mean gain over masks is 0, (arms,)."""
        return np.abs(self.gains.mean(axis=1)) < 1e-12


def _gains(*rows: Sequence[float]) -> NDArray[np.float64]:
    filled = [*rows, *[(0.0, 0.0, 0.0)] * (N_ARMS - len(rows))]
    return GAIN * np.array(filled)


SCENARIOS = (
    Scenario("no arm gains", _gains()),
    Scenario("one arm gains everywhere", _gains((1, 1, 1))),
    Scenario("four arms gain everywhere", _gains(*[(1, 1, 1)] * 4)),
    Scenario("four arms gain a lot in one mask", _gains(*[(4, 0, 0)] * 4)),
    Scenario("two arms trade one mask for another", _gains((2, -2, 0), (2, -2, 0))),
)


def family_tasks(*, seeds: Sequence[int], n_groups: int, n_studies: int, level: float, margin: float) -> list[Task]:
    """Tasks whose rows are those of `family_row`.

    Args:
        seeds: numbers of seeds.
        n_groups: G.
        n_studies: per row.
        level: of a family of claims.
        margin: half-width of the equivalence region.
    """
    rule = Rule(margin=margin, level=level)
    return [
        Task(n_studies, partial(_rows, scenario, n_seeds, n_groups, n_studies, rule))
        for scenario in SCENARIOS
        for n_seeds in seeds
    ]


def _rows(
    scenario: Scenario, n_seeds: int, n_groups: int, n: int, rule: Rule, rng: np.random.Generator, note: Note
) -> list[Row]:
    claims = []
    for _ in range(n):
        arms, masks = study_evidence(scenario, n_seeds=n_seeds, n_groups=n_groups, rng=rng)
        of_arms, of_masks = arm_and_mask_p_values(arms, masks, range(N_MASKS), rule)
        alone = p_values([item for row in masks for item in row], rule)
        tests = [*of_arms, *(p for row in of_masks for p in row), *alone]
        claims.append([p.difference_holm < rule.level for p in tests])
        note(1)
    return [family_row(scenario, np.array(claims), n_seeds=n_seeds, n_groups=n_groups, level=rule.level)]


def study_evidence(
    scenario: Scenario, *, n_seeds: int, n_groups: int, rng: np.random.Generator
) -> tuple[list[Evidence], list[list[Evidence]]]:
    """Draw one study: the evidence of each arm over its masks, and of each arm and mask.

    Effects of seed, group and both together; the baseline's are subtracted from every arm's, so arms are correlated.
    """

    def effect(spread: float, shape: tuple[int, ...]) -> NDArray[np.float64]:
        own, common = rng.standard_normal((N_ARMS + 1, N_MASKS, *shape)), rng.standard_normal((N_ARMS + 1, 1, *shape))
        drawn = spread * (np.sqrt(1.0 - SHARED) * own + np.sqrt(SHARED) * common)
        return np.asarray(drawn[1:] - drawn[:1])

    effects = effect(SEED, (n_seeds, 1)) + effect(GROUP, (1, n_groups)) + effect(INTERACTION, (n_seeds, n_groups))
    effects = effects + scenario.gains[:, :, None, None]
    means = effects.mean(axis=3)
    left_out = (n_groups * means[..., None] - effects) / (n_groups - 1)
    masks = [[_evidence(means[a, m], left_out[a, m]) for m in range(N_MASKS)] for a in range(N_ARMS)]
    arms = [_evidence(means[a].mean(axis=0), left_out[a].mean(axis=0)) for a in range(N_ARMS)]
    return arms, masks


def _evidence(per_seed: NDArray[np.float64], left_out: NDArray[np.float64]) -> Evidence:
    nan = np.full(2, np.nan)
    point = PairedDifference(nan, nan, nan, len(per_seed), left_out.shape[1])
    return Evidence(gain=difference_of(per_seed[:, None], left_out[:, :, None]), point=point)


def family_row(scenario: Scenario, claims: NDArray[np.bool_], *, n_seeds: int, n_groups: int, level: float) -> Row:
    """One row of the table.

    Columns: scenario; n_seeds; n_groups; n, studies; false_arm, share of studies with a false claim about an arm, that
    its mean gain differs from 0; false_mask, about a mask; false_any, about either; false_error; above_level, whether
    more than the level is shown of either; arm_power, share of the arms with a gain that are claimed; mask_power, of
    the masks; mask_power_alone, the same by Holm over all arms and masks without arms first; NaN without such.

    Args:
        scenario: true gains.
        claims: (n, arms + masks + masks), of arms, of masks behind them, and of masks by Holm alone.
        n_seeds: S.
        n_groups: G.
        level: of the claims.
    """
    null_arm, null_mask = scenario.arm_is_null, (scenario.gains == 0.0).ravel()
    arms, masks, alone = np.split(claims, [N_ARMS, N_ARMS + N_ARMS * N_MASKS], axis=1)

    def anyone(part: NDArray[np.bool_], null: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.asarray(part[:, null].any(axis=1))

    def power(part: NDArray[np.bool_], null: NDArray[np.bool_]) -> float:
        return float(part[:, ~null].mean()) if (~null).any() else float("nan")

    either = ObservedShare.of(anyone(arms, null_arm) | anyone(masks, null_mask))
    return {
        "scenario": scenario.name,
        "n_seeds": n_seeds,
        "n_groups": n_groups,
        "n": len(claims),
        "false_arm": float(anyone(arms, null_arm).mean()),
        "false_mask": float(anyone(masks, null_mask).mean()),
        "false_any": either.value,
        "false_error": either.error,
        "above_level": either.is_above(level, 1e-3),
        "arm_power": power(arms, null_arm),
        "mask_power": power(masks, null_mask),
        "mask_power_alone": power(alone, null_mask),
    }
