"""The data for the page's script: one JSON object with packed arrays and unchanged names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_hex

from experiments.comparison.ceiling import Ceiling, without_holes
from experiments.comparison.compare_arms import Comparison
from experiments.frontier.codes import logit_to_code
from experiments.report.figures.style import arm_styles
from experiments.report.page.examples import OUTCOMES, PageExample, example_payload
from experiments.report.page.numbers.study import PageNumbers
from experiments.report.page.packed import narrow_counts, packed
from experiments.report.published import PublishedPoint
from experiments.report.text.wording import why_none
from experiments.runs.study import StudyRuns, short_names


def payload(
    study: StudyRuns,
    comparison: Comparison,
    numbers: PageNumbers,
    *,
    weights: Mapping[str, float] | None = None,
    ceiling: Ceiling | None = None,
    examples: Sequence[PageExample] = (),
    published: Sequence[PublishedPoint] = (),
) -> dict[str, Any]:
    """Collect the script's data; every array is packed, and every scalar is finite or null.

    Args:
        study: The runs.
        comparison: Their comparison.
        numbers: Counts and intervals of every arm and mask.
        weights: Arm -> positive weight, if the arms differ only in that.
        ceiling: The best possible frontier, if known.
        examples: Images with predictions to show.
        published: Pairs that others reported.
    """
    names = short_names(list(study.complete))
    arms = list(numbers.seeds)
    styles = arm_styles(list(names), study.baseline)
    return {
        "arms": [
            {
                "id": arm,
                "name": names[arm],
                "baseline": arm == study.baseline,
                "colour": to_hex(styles[arm].colour),
                "marker": styles[arm].marker,
                "dashes": dash_array(styles[arm].dashes, styles[arm].width),
                "seeds": numbers.seeds[arm],
                "weight": (weights or {}).get(arm),
                "whyNone": why_none(len(numbers.seeds[arm]), numbers.n_groups),
                "whyNoGain": why_none(len(set(numbers.seeds[arm]) & set(numbers.seeds[study.baseline])), 2),
            }
            for arm in arms
        ],
        "recalls": [float(recall) for recall in numbers.recalls],
        "interval": f"{100 * (1 - comparison.settings.level):g} %",
        "masks": [
            {
                "name": mask,
                "positives": numbers.n_positive[index],
                "pixels": numbers.n_pixels[index],
                "arms": [
                    {**_arm(numbers, index, arm), "theory": _theory(comparison, numbers, index, arm)} for arm in arms
                ],
                "ceiling": _ceiling(ceiling, mask),
                "published": [
                    {"label": point.label, "recall": point.recall, "precision": point.precision}
                    for point in published
                    if point.beside(mask)
                ],
            }
            for index, mask in enumerate(comparison.masks)
        ],
        "outcomes": OUTCOMES,
        "examples": example_payload(examples, numbers.by_threshold, numbers.seeds),
    }


def _arm(numbers: PageNumbers, mask: int, arm: str) -> dict[str, Any]:
    slider, line = numbers.by_threshold[mask, arm], numbers.by_recall[mask, arm]
    return {
        "codes": packed(slider.codes),
        "tp": packed(narrow_counts(slider.tp)),
        "fp": packed(narrow_counts(slider.fp)),
        "bounds": packed(slider.bounds),
        "natural": slider.natural,
        "tuned": {
            "codes": packed(slider.tuned_codes.astype(np.uint32)),
            "tp": packed(narrow_counts(slider.tuned_tp)),
            "fp": packed(narrow_counts(slider.tuned_fp)),
            "bounds": packed(slider.tuned_bounds),
        },
        "line": {
            "codes": packed(line.codes),
            "tp": packed(narrow_counts(line.tp)),
            "fp": packed(narrow_counts(line.fp)),
            "reached": packed(line.n_reached),
            "bounds": packed(line.bounds),
            "gain": packed(line.gain),
        },
    }


def _theory(comparison: Comparison, numbers: PageNumbers, mask: int, arm: str) -> dict[str, Any] | None:
    """Count the baseline at the threshold where theory expects the arm's natural point; None without such a one."""
    base = comparison.baseline
    logits = comparison.settings.predicted_thresholds(arm, base, len(comparison.masks))
    if logits is None or not np.isfinite(logits[mask]) or logits[mask] == 0.0:
        return None
    code = int(logit_to_code(logits[mask]))
    runs = numbers.checked.runs[base]
    counts = [runs[seed].test.pooled(mask) for seed in numbers.seeds[arm] if seed in runs]
    tp, fp = (np.array([each[which][code:].sum() for each in counts], dtype=np.int64) for which in (0, 1))
    return {"code": code, "tp": packed(narrow_counts(tp)), "fp": packed(narrow_counts(fp))}


def _ceiling(ceiling: Ceiling | None, mask: str) -> list[list[float]] | None:
    if ceiling is None:
        return None
    curve = without_holes(ceiling.curve[ceiling.curve["mask"] == mask])
    return [[float(value) for value in row] for row in curve[["recall", "precision"]].to_numpy()]


def dash_array(dashes: Any, width: float) -> str:
    """Write a line style of the figures as SVG's stroke-dasharray; empty for a full line."""
    if isinstance(dashes, str):
        return ""
    return " ".join(f"{length * max(width, 1.6):.1f}" for length in dashes[1])
