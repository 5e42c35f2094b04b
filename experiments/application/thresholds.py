"""Chooses a threshold for each mask from a run's validation scores, and says what precision and recall it had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.application.settings import NATURAL, TUNED, Rule
from experiments.frontier.codes import LOWEST_CODE, NATURAL_CODE, code_to_logit, logit_to_code
from experiments.frontier.curve import pr_curve
from experiments.frontier.histogram import ScoreHistograms
from experiments.frontier.operating_point import OperatingPoint, operating_point, recall_code, tuned_code


@dataclass(frozen=True)
class MaskThreshold:
    """The threshold of one mask, and what it did.

    Args:
        mask: Its name.
        code: Pixels with at least this score code are in the mask.
        points: Split -> the operating point there.
    """

    mask: str
    code: int
    points: Mapping[str, OperatingPoint]

    @property
    def logit(self) -> float:
        """The threshold as a logit in half precision."""
        return float(code_to_logit(self.code))

    @property
    def at_least(self) -> float:
        """The least single-precision logit that rounds to the threshold or above."""
        if self.code == NATURAL_CODE:
            return 0.0
        if self.code <= LOWEST_CODE:
            return float(np.finfo(np.float32).min)
        below, here = code_to_logit([self.code - 1, self.code])
        middle = np.float32((below + here) / 2)  # exact: 12 bits; it rounds to the even neighbour
        reached = int(logit_to_code(middle)) >= self.code
        return float(middle if reached else np.nextafter(middle, np.float32(np.inf)))

    def to_json(self) -> dict[str, Any]:
        """Return it for `weights.json`; a ratio that is undefined, such as precision without a prediction, is null."""
        point = next(iter(self.points.values()))
        return {
            "logit": self.logit,
            "at_least": self.at_least,
            "probability": point.probability,
            **{
                split: {
                    "precision": _or_none(point.precision),
                    "recall": _or_none(point.recall),
                    "tp": point.tp,
                    "fp": point.fp,
                }
                | {"fn": point.fn, "tn": point.tn}
                for split, point in self.points.items()
            },
        }


def choose_thresholds(rule: Rule, scores: Mapping[str, ScoreHistograms]) -> tuple[tuple[MaskThreshold, ...], list[str]]:
    """Choose a threshold for each mask.

    Args:
        rule: How.
        scores: Histograms of "val" and "test", by which the threshold is chosen and measured.

    Returns:
        Thresholds in the order of the masks; a sentence for every mask for which validation gives none.
    """
    if "val" not in scores and rule.name != NATURAL:
        return (), [f"threshold={rule.text}: expected validation scores to choose by, and this run has none"]
    chosen, problems = [], []
    for place, mask in enumerate(scores["test"].masks):
        code = _code(rule, scores, place)
        if code is None:
            empty = not scores["val"].pooled(place)[0].sum()
            why = "has no positive pixel on validation" if empty else "only predicting every pixel positive reaches it"
            problems.append(f"threshold={rule.text}: expected scores of {mask} that choose one: {why}")
            continue
        points = {
            split: operating_point(scores[split], place, code, name=rule.text)
            for split in ("val", "test")
            if split in scores
        }
        chosen.append(MaskThreshold(mask, code, points))
    return tuple(chosen), problems


def _code(rule: Rule, scores: Mapping[str, ScoreHistograms], mask: int) -> int | None:
    if rule.name == NATURAL:
        return NATURAL_CODE
    curve = pr_curve(*scores["val"].pooled(mask))
    return tuned_code(curve) if rule.name == TUNED else recall_code(curve, rule.recall)


def _or_none(ratio: float) -> float | None:
    return None if np.isnan(ratio) else ratio
