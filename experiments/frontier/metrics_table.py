"""The table of one run: precision, recall and F1 per split, mask and operating point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from experiments.frontier.curve import average_precision, pr_curve
from experiments.frontier.histogram import ScoreHistograms
from experiments.frontier.operating_point import (
    OperatingPoint,
    background_point,
    frame_accuracy,
    natural_point,
    operating_point,
    tuned_codes,
)

BACKGROUND = "background"


def metrics_table(scores: Mapping[str, ScoreHistograms]) -> pd.DataFrame:
    """Measure each mask, and the background as a sanity check, at the natural and the tuned operating point.

    Args:
        scores: Histograms of `val`, which tunes the threshold (maximal F1), and of `test`. Without `val` there are no
            rows of the tuned point.

    Returns:
        One row per split x mask x operating point: `threshold` is a logit, `probability` the same as a probability;
        counts and ratios are pooled over the split's pixels; `frame_accuracy` is the mean over images of the share of
        pixels where every mask is right, the same in all rows of a split and point. The background row (pixels of no
        mask) has no threshold of its own and no average precision. Undefined ratios are empty.
    """
    codes = tuned_codes(scores["val"]) if "val" in scores else None
    rows: list[dict[str, Any]] = []
    for split, histograms in scores.items():
        for point_name in ("natural", "tuned"):
            if point_name == "tuned" and codes is None:
                continue
            counted = point_name in histograms.points
            accuracy = frame_accuracy(histograms, point_name) if counted else float("nan")
            for mask, name in enumerate(histograms.masks):
                point = (
                    natural_point(histograms, mask)
                    if codes is None or point_name == "natural"
                    else operating_point(histograms, mask, codes[mask], name=point_name)
                )
                ap = average_precision(pr_curve(*histograms.pooled(mask)))
                rows.append(_row(split, name, point, ap, accuracy, histograms.n_images))
            if counted:
                point = background_point(histograms, point_name)
                rows.append(_row(split, BACKGROUND, point, float("nan"), accuracy, histograms.n_images))
    return pd.DataFrame(rows)


def metrics_of_all(runs: Mapping[str, Mapping[int, Mapping[str, ScoreHistograms]]]) -> pd.DataFrame:
    """Put the metrics of all runs under each other, arm and seed in front.

    Args:
        runs: Arm -> seed -> split -> histograms.
    """
    frames = []
    for arm, seeds in runs.items():
        for seed, scores in seeds.items():
            frame = metrics_table({split: scores[split] for split in ("val", "test") if split in scores})
            frame.insert(0, "arm", arm)
            frame.insert(1, "seed", seed)
            frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _row(split: str, mask: str, point: OperatingPoint, ap: float, accuracy: float, images: int) -> dict[str, Any]:
    pixels = point.tp + point.fp + point.fn + point.tn
    return {
        "split": split,
        "mask": mask,
        "operating_point": point.name,
        "threshold": point.threshold,
        "probability": point.probability,
        "precision": point.precision,
        "recall": point.recall,
        "f1": point.f_beta(),
        "ap": ap,
        "accuracy": point.accuracy,
        "frame_accuracy": accuracy,
        "prevalence": (point.tp + point.fn) / pixels if pixels else float("nan"),
        "tp": point.tp,
        "fp": point.fp,
        "fn": point.fn,
        "tn": point.tn,
        "n_images": images,
    }
