"""Measure how often untrained runs pass as trained, and weakly trained runs do not, on scores of known origin.

    python -m experiments.audit.untrained            # 100 studies per setting
    python -m experiments.audit.untrained 20 7       # 20 studies, seed 7

A study has 15 rows (3 masks, 5 arms besides the baseline) with 3 seeds. A row passes if all six of its runs do.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.frontier.leave_one_out import with_each_left_out
from experiments.inference.above_chance import above_chance

N_BINS = 128
_N_MASKS, _N_ARMS, _N_SEEDS = 3, 6, 3
_EDGES = np.linspace(4.0, -4.0, N_BINS)
_PATCHES = (2, 40)
"""Numbers of patches, each with one score, that hold an image's positives and its negatives."""


@dataclass(frozen=True)
class Setting:
    """How scores are drawn.

    Args:
        groups: G, one image each.
        pixels: per image.
        prevalence: mean share of positives.
        scores: `pixel`, each pixel by itself; `image`, one score for all pixels of an image; `both`, their sum;
            `patch`, a few smooth patches per image, two of which hold its positives.
        sizes: how images differ: the same size, the first three 50 times as large, or log-normal.
        spread: standard deviation over images of the log of their share of positives.
        empty: share of images without a positive.
        shared: share of the variance of an image's scores that all runs of a mask have in common.
        signal: added to the scores of positives, in standard deviations; 0 is no signal.
    """

    groups: int = 30
    pixels: int = 1_000
    prevalence: float = 0.02
    scores: Literal["pixel", "image", "both", "patch"] = "pixel"
    sizes: Literal["equal", "three", "lognormal"] = "equal"
    spread: float = 0.5
    empty: float = 0.0
    shared: float = 0.0
    signal: float = 0.0


NULLS = (
    Setting(),
    Setting(groups=2, pixels=5_000),
    Setting(groups=6),
    Setting(groups=6, scores="image"),
    Setting(scores="image"),
    Setting(scores="image", shared=1.0),
    Setting(scores="image", empty=0.7),
    Setting(groups=10, scores="image", empty=0.7, shared=1.0),
    Setting(scores="both", shared=0.5),
    Setting(scores="both", sizes="three", shared=0.5),
    Setting(scores="both", sizes="lognormal", shared=0.5),
    Setting(scores="patch"),
    Setting(groups=3, scores="patch"),
    Setting(scores="patch", spread=1.5, sizes="lognormal"),
    Setting(pixels=500, prevalence=0.002),
    Setting(pixels=500, prevalence=0.002, scores="patch"),
    Setting(groups=20, prevalence=0.3, spread=1.0, scores="both", shared=0.5),
)
WEAK = tuple(
    replace(setting, signal=signal)
    for setting in (Setting(groups=3, pixels=5_000), Setting(groups=6, pixels=2_000), Setting(), Setting(sizes="three"))
    for signal in (0.6, 1.0)
)


def average_precisions(positives: NDArray[np.int64], negatives: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the average precision of all groups together, then without each group: (1+G,).

    Args:
        positives: (G, K), counts per group and score, highest score first.
        negatives: (G, K).
    """
    hits, others = with_each_left_out(positives), with_each_left_out(negatives)
    tp, fp = hits.cumsum(axis=1), others.cumsum(axis=1)
    precision = tp / np.maximum(tp + fp, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((hits * precision).sum(axis=1) / tp[:, -1])


def pass_rates(setting: Setting, n_studies: int, rng: np.random.Generator) -> dict[str, float]:
    """Return the shares of runs and of rows that pass as trained, and their mean AP divided by the prevalence."""
    runs, rows, ratios = [], [], []
    for _ in range(n_studies * _N_MASKS):
        sizes = _sizes(setting, rng)
        share = setting.prevalence * np.exp(rng.normal(0, setting.spread, setting.groups) - setting.spread**2 / 2)
        share = np.where(rng.random(setting.groups) < setting.empty, 0.0, share / (1.0 - setting.empty))
        n_positive = rng.binomial(sizes, np.clip(share, 0.0, 0.9))
        if not n_positive.any():
            continue
        common = rng.normal(0, 1, setting.groups)
        passed = np.zeros((_N_ARMS, _N_SEEDS), bool)
        totals = [with_each_left_out(counts) for counts in (n_positive, sizes - n_positive)]
        for place in np.ndindex(passed.shape):
            counts = _scores(setting, n_positive, sizes - n_positive, common, rng)
            level = above_chance(average_precisions(*counts), *totals)
            passed[place] = not level.untrained
            ratios.append(level.average_precision / level.prevalence)
        runs.append(passed.mean())
        rows.append((passed[1:].all(axis=1) & passed[0].all()).mean())
    return {"ap_over_prevalence": float(np.mean(ratios)), "runs": float(np.mean(runs)), "rows": float(np.mean(rows))}


def _sizes(setting: Setting, rng: np.random.Generator) -> NDArray[np.int64]:
    sizes = np.full(setting.groups, setting.pixels)
    if setting.sizes == "three":
        sizes[:3] *= 50
    elif setting.sizes == "lognormal":
        sizes = np.maximum(20, sizes * np.exp(rng.normal(0, 1.2, setting.groups))).astype(np.int64)
    return sizes


def _scores(
    setting: Setting,
    n_positive: NDArray[np.int64],
    n_negative: NDArray[np.int64],
    common: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw one run's scores: counts (G, K) of positives and of negatives."""
    own = rng.normal(0, 1, setting.groups)
    image = np.sqrt(setting.shared) * common + np.sqrt(1.0 - setting.shared) * own
    drawn = []
    for counts, signal, patches in zip((n_positive, n_negative), (setting.signal, 0.0), _PATCHES, strict=True):
        if setting.scores == "image":
            table = np.zeros((setting.groups, N_BINS), np.int64)
            table[np.arange(setting.groups), np.abs(_EDGES - image[:, None]).argmin(axis=1)] = counts
            drawn.append(table)
            continue
        if setting.scores == "patch":
            centres, width = rng.normal(signal, 1, (setting.groups, patches)), 0.15
        else:
            centres = np.full((setting.groups, 1), signal) if setting.scores == "pixel" else image[:, None] + signal
            width = 1.0 if setting.scores == "pixel" else 0.5
        weight = np.exp(-0.5 * ((_EDGES - centres[..., None]) / width) ** 2).sum(axis=1)
        drawn.append(rng.multinomial(counts, weight / weight.sum(axis=1, keepdims=True)))
    return drawn[0], drawn[1]


def rate_table(n_studies: int, seed: int) -> pd.DataFrame:
    """Return the rates of every setting, a row each, after the columns of the setting."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame([vars(setting) | pass_rates(setting, n_studies, rng) for setting in (*NULLS, *WEAK)])


def main() -> None:
    """Print the rates; the arguments are the number of studies and the seed."""
    n_studies, seed = (int(given) for given in (*sys.argv[1:3], *("100", "0")[len(sys.argv) - 1 :]))
    print(rate_table(n_studies, seed).to_string(index=False, float_format="%.3g"))


if __name__ == "__main__":
    main()
