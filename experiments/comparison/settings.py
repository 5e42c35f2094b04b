"""Settings of a comparison: margins, level, headline, and grids of recall and precision."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from experiments.config import tolerance_problem
from experiments.frontier.curve import RECALL_TOLERANCE
from experiments.frontier.theory import ScoreMap
from experiments.inference.looks import Looks
from experiments.inference.rule import Rule

Headline = Literal["ap", "f1", "fbeta", "mean_precision", "prg", "tolerant_ap", "tolerant_f1", "curve_accuracy"]
Theory = float | ScoreMap | Sequence[float | ScoreMap]

OF_CURVE: tuple[Headline, ...] = ("ap", "mean_precision", "prg")
"""Headlines over all thresholds of the exact frontier, whose curves can cross."""

TOLERANT: tuple[Headline, ...] = ("tolerant_ap", "tolerant_f1")
"""Headlines that forgive distances of up to `CompareSettings.tolerance` pixels."""

CURVE_SPACE: tuple[Headline, ...] = ("curve_accuracy",)
"""Headlines of the curves that tuned masks draw; every run needs the sums of its curves."""

_GRID = tuple(round(0.05 * step, 2) for step in range(1, 20))


@dataclass(frozen=True)
class CompareSettings:
    """What counts as a difference, and at which levels to look for one.

    Args:
        margin: gains of the headline, of F1 and of precision at a recall inside (-margin, margin) do not matter.
        level: error level of each family of tests; intervals cover 1 - level.
        n_comparisons: comparisons that a study makes under different conditions; verdicts are at level / n_comparisons
            (Bonferroni), each adjusted by Holm over arms and masks.
        looks: that the study declared before it started; verdicts are at level / (n_comparisons K) for K looks. None is
            one look at all seeds.
        headline: statistic of `verdict`: average precision, F1 or F-beta at the tuned threshold, or mean precision over
            `recall_band`; "prg": the area under the precision-recall-gain curve; "tolerant_ap" and "tolerant_f1": AP
            and tuned F1 within `tolerance`; "curve_accuracy": 1 - mean error of the curves at the tuned threshold, as
            a share of the image's width (`CurveErrors`).
        tolerance: distance in pixels within which a prediction is right and a true pixel found; every run needs the
            scores within that distance. None: no tolerant frontier.
        curve_scale: units per pixel, of the errors of curves; None gives them in pixels alone.
        beta: of F-beta; recall counts beta times as much as precision.
        recall_band: lowest and highest recall of the mean precision.
        point_margin: the operating point counts as unmoved if natural recall and precision change by less than this.
        recalls: levels of precision at matched recall, and of the simultaneous band.
        precisions: levels of recall at matched precision.
        recall_tolerance: a recall is reached if a threshold exceeds it by at most this much.
        theory: arm -> its loss in theory: a weight w, a `ScoreMap`, or one of these per mask. A baseline that is not
            named counts as plain BCE; None means that theory does not cover it.
        seed: of the generator that simulates the band.
        n_draws: studies simulated for the band.
        workers: processes for measuring a large study and for drawing figures; results do not depend on it.

    Example:
        >>> CompareSettings(margin=0.02, headline="f1").headline_name
        'tuned F1'
    """

    margin: float = 0.01
    level: float = 0.05
    n_comparisons: int = 1
    looks: Looks | None = None
    headline: Headline = "ap"
    tolerance: int | None = None
    curve_scale: float | None = None
    beta: float = 1.0
    recall_band: tuple[float, float] = (0.0, 1.0)
    point_margin: float = 0.05
    recalls: tuple[float, ...] = _GRID
    precisions: tuple[float, ...] = _GRID[9:]
    recall_tolerance: float = RECALL_TOLERANCE
    theory: Mapping[str, Theory | None] = field(default_factory=dict)
    seed: int = 0
    n_draws: int = 3_000
    workers: int = os.cpu_count() or 1

    def __post_init__(self) -> None:
        if self.headline not in get_args(Headline):
            listed = f"{', '.join(get_args(Headline)[:-1])} or {get_args(Headline)[-1]}"
            raise ValueError(f"headline: expected {listed}, got {self.headline!r}")
        wrong = "" if self.tolerance is None else tolerance_problem(self.tolerance)
        if wrong:
            raise ValueError(f"tolerance: {wrong}")
        if self.headline in TOLERANT and self.tolerance is None:
            raise ValueError(f"headline: {self.headline} needs a tolerance in pixels, got none")
        scale = self.curve_scale
        if scale is not None and not (not isinstance(scale, bool) and np.isfinite(scale) and scale > 0):
            raise ValueError(f"curve_scale: expected a finite number of units per pixel above 0, got {scale}")
        if not (np.isfinite(self.beta) and self.beta > 0):
            raise ValueError(f"beta: expected a finite number above 0, got {self.beta}")
        low, high = self.recall_band
        if not 0 <= low < high <= 1:
            raise ValueError(f"recall_band: expected 0 <= low < high <= 1, got {self.recall_band}")
        for name in ("recalls", "precisions"):
            levels = np.asarray(getattr(self, name), dtype=np.float64)
            if (levels <= 0).any() or (levels > 1).any() or (np.diff(levels) <= 0).any():
                raise ValueError(f"{name}: expected ascending levels in (0, 1], got {getattr(self, name)}")
        if not 0 <= self.recall_tolerance < 1:
            raise ValueError(f"recall_tolerance: expected a number in [0, 1), got {self.recall_tolerance}")
        for name, least in (("n_draws", 100), ("workers", 1), ("n_comparisons", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}: expected at least {least}, got {getattr(self, name)}")
        self.rule("AP")

    def rule(self, statistic: str) -> Rule:
        """Return the rule of the verdict for one statistic."""
        return Rule(self.margin, self.point_margin, self.verdict_level, statistic)

    @property
    def n_looks(self) -> int:
        """Number of looks at the study that share its level."""
        return 1 if self.looks is None else len(self.looks.seeds)

    @property
    def verdict_level(self) -> float:
        """Level of each family of verdicts, in one comparison at one look."""
        return self.level / (self.n_comparisons * self.n_looks)

    @property
    def headline_name(self) -> str:
        """The headline's name in sentences."""
        return self.name_of(self.headline)

    @property
    def exact_and_tolerant(self) -> tuple[Headline, Headline] | None:
        """The statistic of which verdicts are given without and within the tolerance; None without one.

        The headline and its counterpart: AP for statistics of curves, tuned F1 for those at one threshold.
        """
        if self.tolerance is None:
            return None
        at_one = self.headline in ("f1", "fbeta", "tolerant_f1", *CURVE_SPACE)
        others = (*TOLERANT, *CURVE_SPACE)
        exact: Headline = self.headline if self.headline not in others else "f1" if at_one else "ap"
        return exact, "tolerant_f1" if at_one else "tolerant_ap"

    def name_of(self, headline: Headline) -> str:
        """Return a headline's name in sentences."""
        low, high = self.recall_band
        within = f"within {self.tolerance} px"
        return {
            "ap": "AP",
            "f1": "tuned F1",
            "fbeta": f"tuned F-{self.beta:g}",
            "mean_precision": f"mean precision over recall {low:g} to {high:g}",
            "prg": "AUPRG",
            "tolerant_ap": f"AP {within}",
            "tolerant_f1": f"tuned F1 {within}",
            "curve_accuracy": "curve accuracy",
        }[headline]

    def score_maps(self, arm: str, n_masks: int) -> tuple[ScoreMap, ...] | None:
        """Return the theory of an arm, one map per mask; None if the settings have none.

        Raises:
            ValueError: the number of maps is not the number of masks.
        """
        theory = self.theory.get(arm)
        if theory is None:
            return None
        each = [theory] * n_masks if isinstance(theory, int | float | ScoreMap) else list(theory)
        if len(each) != n_masks:
            raise ValueError(f"theory: expected one value or {n_masks} for {arm!r}, got {len(each)}")
        return tuple(item if isinstance(item, ScoreMap) else ScoreMap(weight=float(item)) for item in each)

    def predicted_thresholds(self, arm: str, baseline: str, n_masks: int) -> tuple[float, ...] | None:
        """Return the baseline's logits at which theory puts the arm's natural point, one per mask.

        For weights w of the arm and w0 of the baseline they are ln w0 - ln w. None if theory does not cover both, or
        predicts no difference between them.
        """
        maps = self.score_maps(arm, n_masks)
        if maps is None or (baseline in self.theory and self.theory[baseline] is None):
            return None
        references = self.score_maps(baseline, n_masks) or (ScoreMap(),) * n_masks
        if maps == references:
            return None
        pairs = zip(maps, references, strict=True)
        return tuple(float(reference.to_stated_logit(-own.natural_shift)) for own, reference in pairs)
