"""The sizes that a comparison's numbers rest on, in the words that captions and notes share."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.comparison.compare_arms import Comparison
from experiments.inference.paired_difference import MIN_SEEDS
from experiments.runs.study import StudyRuns

CEILING_WORDS = (
    "the frontier of the true probabilities, the best there is; where many pixels share one, ties are broken at random."
)
"""What the drawn ceiling is; after "Dotted: "."""


@dataclass(frozen=True)
class StudySize:
    """The size of a study as text.

    Args:
        seeds: Such as "5 seeds" or "3 to 5 seeds".
        images: Such as "64 test images" or "64 test images in 8 groups".
        level: Intervals cover 1 - level.
        margin: Smallest difference that matters.
        n_comparisons: Number of comparisons in the study, one for each condition.
        n_looks: Number of looks that share the level.
        few_seeds: Whether no arm has enough seeds for an interval.
    """

    seeds: str
    images: str
    level: float
    margin: float
    n_comparisons: int = 1
    n_looks: int = 1
    few_seeds: bool = False

    @classmethod
    def of(cls, study: StudyRuns, comparison: Comparison) -> StudySize:
        """Count seeds, images and groups."""
        test = study.reference.scores["test"]
        groups = len(set(test.group_ids))
        images = counted([test.n_images], "test image")
        return cls(
            seeds=counted([len(seeds) for seeds in study.complete.values() if seeds], "seed"),
            images=images if groups == test.n_images else f"{images} in {counted([groups], 'group')}",
            level=comparison.settings.level,
            margin=comparison.settings.margin,
            n_comparisons=comparison.settings.n_comparisons,
            n_looks=comparison.settings.n_looks,
            few_seeds=max(map(len, study.complete.values())) < MIN_SEEDS,
        )

    @property
    def text(self) -> str:
        """Seeds and images."""
        return f"{self.seeds}, {self.images}"

    @property
    def interval(self) -> str:
        """How intervals are made."""
        if self.few_seeds:
            return f"no intervals (too few seeds for an interval, which takes {MIN_SEEDS})"
        return (
            f"{100 * (1 - self.level):g} % intervals of the paired two-way t (seeds and test groups), "
            "not adjusted for the number of arms and masks"
        )

    @property
    def brackets(self) -> str:
        """The meaning of the brackets after an estimate."""
        if self.few_seeds:
            return f"too few seeds for an interval, which takes {MIN_SEEDS}"
        return f"[{100 * (1 - self.level):g} % intervals] for new seeds and new test images, training set as it is"

    @property
    def corrected(self) -> str:
        """The level of verdicts, and what it is corrected for."""
        return f"level {self.level:g} after {correction(self.n_comparisons, self.n_looks)}"


def counted(counts: list[int], what: str) -> str:
    """Write a count with its noun: "1 seed", "5 seeds", "3 to 5 seeds".

    Args:
        counts: One count, or those of several runs.
        what: The noun in the singular.
    """
    low, high = min(counts), max(counts)
    return f"{low if low == high else f'{low} to {high}'} {what}{'' if high == 1 else 's'}"


def correction(n_comparisons: int, n_looks: int = 1) -> str:
    """Say what a verdict's level is corrected for: arms and masks, and conditions and looks if there are several."""
    several = [f"{count} {what}" for count, what in ((n_comparisons, "conditions"), (n_looks, "looks")) if count > 1]
    others = f" and Bonferroni over {' and '.join(several)}" if several else ""
    return f"Holm over all arms, and over masks behind them{others}"
