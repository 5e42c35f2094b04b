"""Simulated runs whose truth is known: histograms of scores with seed, group and interaction effects.

The verdict is calibrated on them. An arm's model sets its true frontier, and its runs scatter around it as real ones
do: over seeds, over test groups, over both together, and from pixel to pixel.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.comparison.checked_runs import RunScores
from experiments.frontier.arithmetic import from_pixels, recode
from experiments.frontier.codes import logit_to_code, ordered_logits
from experiments.frontier.histogram import ScoreHistograms


@dataclass(frozen=True)
class ArmModel:
    """How an arm scores pixels: logit = shift + scale (y separation + noise), noise of a positive stretched.

    Args:
        separation: distance of the classes in standard deviations of a negative's noise; sets the frontier.
        positive_spread: standard deviation of a positive's noise; arms that differ in it have curves that cross.
        scale: slope; an increasing map does not change the frontier.
        shift: added to every logit; slides the natural point.
    """

    separation: float = 3.0
    positive_spread: float = 1.0
    scale: float = 2.0
    shift: float = -6.0


@dataclass(frozen=True)
class Effects:
    """Standard deviations of random effects on the separation.

    Args:
        seed: of an arm's seed, the same in all images.
        group: of a test group, the same in all arms and seeds.
        arm_group: of a test group for one arm, the same in all its seeds.
        interaction: of one seed of one arm in one group.
        shared_noise: share of the pixel noise that all runs have in common: hard pixels are hard for everyone.
    """

    seed: float = 0.1
    group: float = 0.5
    arm_group: float = 0.1
    interaction: float = 0.1
    shared_noise: float = 0.7


@dataclass(frozen=True)
class TestSet:
    """Size of a simulated split.

    Args:
        n_groups: G.
        images_per_group: images of each group.
        pixels: pixels per image.
        prevalence: mean share of positives; each image has its own, log-normal around it.
    """

    __test__ = False  # the name begins like that of a test

    n_groups: int = 30
    images_per_group: int = 1
    pixels: int = 1000
    prevalence: float = 0.03


def simulate_runs(
    arms: Mapping[str, ArmModel],
    seeds: Sequence[int],
    *,
    test: TestSet,
    effects: Effects,
    rng: np.random.Generator,
    masks: Sequence[str] = ("mask",),
    val: TestSet | None = None,
) -> dict[str, dict[int, RunScores]]:
    """Draw a study: fresh test groups, fresh seeds, and every run's scores.

    Args:
        arms: name -> model.
        seeds: names of the seeds; each is an independent draw.
        test: size of the test split.
        effects: sizes of the random effects.
        rng: generator of everything.
        masks: each is an independent problem with the same models.
        val: size of the validation split; None takes that of the test split.

    Returns:
        arm -> seed -> scores. A run's seed effect is the same in both splits.
    """
    shifts = {(arm, seed): effects.seed * rng.standard_normal(len(masks)) for arm in arms for seed in seeds}
    splits = [
        _simulate_split(arms, seeds, shifts, size, effects, rng, masks, name)
        for name, size in (("val", val or test), ("test", test))
    ]
    return {arm: {seed: RunScores(splits[0][arm, seed], splits[1][arm, seed]) for seed in seeds} for arm in arms}


def _simulate_split(
    arms: Mapping[str, ArmModel],
    seeds: Sequence[int],
    shifts: Mapping[tuple[str, int], NDArray[np.float64]],
    size: TestSet,
    effects: Effects,
    rng: np.random.Generator,
    masks: Sequence[str],
    name: str,
) -> dict[tuple[str, int], ScoreHistograms]:
    n_images = size.n_groups * size.images_per_group
    shape = (n_images, len(masks), size.pixels)
    group_of = np.repeat(np.arange(size.n_groups), size.images_per_group)
    image_ids = [f"{name}-{index:05d}" for index in range(n_images)]
    group_ids = [f"{name}-group-{index:05d}" for index in group_of]

    def per_group(spread: float) -> NDArray[np.float64]:
        return spread * rng.standard_normal((size.n_groups, len(masks)))[group_of]

    rates = np.minimum(0.5, size.prevalence * np.exp(0.5 * rng.standard_normal((n_images, len(masks), 1)) - 0.125))
    labels = rng.random(shape) < rates
    common = np.sqrt(effects.shared_noise) * rng.standard_normal(shape, dtype=np.float32)
    own_share = np.float32(np.sqrt(1.0 - effects.shared_noise))
    group_effect = per_group(effects.group)
    out = {}
    for arm, model in arms.items():
        arm_effect = group_effect + per_group(effects.arm_group)
        for seed in seeds:
            effect = arm_effect + shifts[arm, seed] + per_group(effects.interaction)
            noise = common + own_share * rng.standard_normal(shape, dtype=np.float32)
            positive = model.separation + effect[:, :, None] + model.positive_spread * noise
            logits = model.shift + model.scale * np.where(labels, positive, noise)
            out[arm, seed] = from_pixels(masks, image_ids, group_ids, logits, labels)
    return out


def mapped_run(run: RunScores, increasing: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> RunScores:
    """Return a run with every logit mapped by an increasing function: a pure slide.

    Args:
        run: any run.
        increasing: maps logits to logits, vectorised, never decreasing.
    """
    table = logit_to_code(increasing(ordered_logits()))
    return RunScores(None if run.val is None else recode(run.val, table), recode(run.test, table))
