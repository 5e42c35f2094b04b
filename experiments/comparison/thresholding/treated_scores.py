"""Treated scores: a map changes probabilities and threshold, while ranks and ties stay the same.

A histogram cannot be treated by moving pixels to the float16 code of their new logit: two codes may coincide there, and
such a tie, which the map itself does not make, would change the frontier. So a treatment is stored as the treated logit
of each untreated code. If a histogram is needed, codes are renumbered on both sides of the threshold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from experiments.comparison.checked_runs import RunScores
from experiments.frontier.arithmetic import from_rows
from experiments.frontier.calibration import expected_error, probability_gaps
from experiments.frontier.codes import N_CODES, NATURAL_CODE
from experiments.frontier.curve import average_precision, pr_curve, ratio
from experiments.frontier.histogram import ScoreHistograms
from experiments.frontier.leave_one_out import group_counts, with_each_left_out
from experiments.frontier.recalibration import LogitMap, code_logits


@dataclass(frozen=True)
class Treatment:
    """A treatment of the scores of one run and mask.

    Args:
        logits: (65536,), treated logit of each untreated score code; never decreasing, infinities allowed.
        natural_code: lowest untreated code that is predicted positive after treatment; 65536 predicts nothing.
        formula: the map as text.
    """

    logits: NDArray[np.float64]
    natural_code: int
    formula: str

    def __post_init__(self) -> None:
        if self.logits.shape != (N_CODES,) or not (self.logits[1:] >= self.logits[:-1]).all():
            raise ValueError(
                f"logits: expected {N_CODES} values that never decrease, got shape {self.logits.shape}"
                + (f" and {int((~(self.logits[1:] >= self.logits[:-1])).sum())} steps down" if self.logits.size else "")
            )
        if not 0 <= self.natural_code <= N_CODES:
            raise ValueError(f"natural_code: expected 0 to {N_CODES}, got {self.natural_code}")

    @classmethod
    def of_map(cls, mapping: LogitMap, formula: str) -> "Treatment":
        """Treat by a map of the logits: pixels that it brings to logit 0 (probability 0.5) or above are positive.

        Raises:
            ValueError: the map decreases somewhere.
        """
        stated = mapping.to_true_logit(code_logits())
        logits = np.maximum.accumulate(stated)  # interpolation may miss a level by rounding
        if not np.allclose(stated, logits, rtol=1e-9, atol=1e-9):
            raise ValueError("mapping: expected a map that never decreases")
        return cls(logits, int(np.searchsorted(logits, 0.0, side="left")), formula)

    @classmethod
    def of_threshold(cls, code: int, formula: str) -> "Treatment":
        """Keep the scores, and move the threshold to a code."""
        return cls(code_logits(), code, formula)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """The treated probability of each untreated code, (65536,)."""
        return np.asarray(expit(self.logits), dtype=np.float64)


def tied_average_precision(positives: NDArray[np.int64], negatives: NDArray[np.int64], treatment: Treatment) -> float:
    """Return the average precision if pixels with equal treated scores count as tied; isotonic regression ties many.

    Args:
        positives: (65536,), pixels per untreated score code.
        negatives: (65536,).
        treatment: any.
    """
    used = np.flatnonzero(positives + negatives)
    _, level = np.unique(treatment.logits[used], return_inverse=True)
    joined = []
    for counts in (positives, negatives):
        dense = np.zeros(N_CODES, np.int64)
        np.add.at(dense, level, counts[used])
        joined.append(dense)
    return average_precision(pr_curve(*joined))


def new_codes(used: NDArray[np.bool_], natural_code: int) -> NDArray[np.uint16]:
    """Renumber the codes in use, in order, so that `natural_code` becomes `NATURAL_CODE`.

    Args:
        used: bool (65536,), the codes that hold a pixel.
        natural_code: the first code to predict positive.

    Returns:
        New code of each code, (65536,), never decreasing; different for different codes in use.

    Raises:
        ValueError: one side of the threshold has more codes than there are numbers, 32,768.
    """
    below = np.concatenate([[0], np.cumsum(used, dtype=np.int64)])
    table = NATURAL_CODE + below[:-1] - below[natural_code]
    inside = table[used]
    if len(inside) and (inside[0] < 0 or inside[-1] >= N_CODES):
        raise ValueError(
            f"used: expected at most {NATURAL_CODE} score codes in use on each side of the threshold, got "
            f"{below[natural_code]} below it and {below[-1] - below[natural_code]} from it on"
        )
    return np.clip(table, 0, N_CODES - 1).astype(np.uint16)


def of_masks(run: RunScores, masks: Sequence[int]) -> RunScores:
    """Keep some masks of a run, without joint counts, which belong to the untreated thresholds."""

    def chosen(histograms: ScoreHistograms) -> ScoreHistograms:
        names = [histograms.masks[mask] for mask in masks]
        rows = [histograms.row(image, mask) for image in range(histograms.n_images) for mask in masks]
        return from_rows(names, histograms.image_ids, histograms.group_ids, rows)

    return RunScores(None if run.val is None else chosen(run.val), chosen(run.test))


def treated_run(run: RunScores, treatments: Sequence[Treatment]) -> RunScores:
    """Return histograms of a run with the treatments' natural point and the ranks and ties of the untreated run.

    If a treatment ties scores, the untreated score breaks the tie, so that every (recall, precision) point remains.

    Args:
        run: the untreated run.
        treatments: one per mask.

    Returns:
        Histograms over new codes: their thresholds are ranks, not logits. Joint counts are 0.

    Raises:
        ValueError: the number of treatments is not the number of masks, or there are too many codes (`new_codes`).
    """
    if len(treatments) != run.test.n_masks:
        raise ValueError(f"treatments: expected {run.test.n_masks}, one per mask, got {len(treatments)}")
    splits = [run.test] if run.val is None else [run.val, run.test]
    tables = np.empty((len(treatments), N_CODES), np.uint16)
    for mask, treatment in enumerate(treatments):
        used = np.zeros(N_CODES, bool)
        for split in splits:
            used[split.mask_entries(mask)[0]] = True
        tables[mask] = new_codes(used, treatment.natural_code)
    treated = [_recoded(split, tables) for split in splits]
    return RunScores(None if run.val is None else treated[0], treated[-1])


def _recoded(histograms: ScoreHistograms, tables: NDArray[np.uint16]) -> ScoreHistograms:
    """Give each entry its mask's new code; new codes ascend like the old ones, so rows stay sorted."""
    rows = np.arange(len(histograms.row_start) - 1) % histograms.n_masks
    mask_of = np.repeat(rows, np.diff(histograms.row_start))
    bins = tables[mask_of, histograms.bins]
    return replace(histograms, bins=bins, joint=np.zeros_like(histograms.joint))


VALUES = ("recall", "precision", "f1", "calibration_error", "mass_ratio")
"""Columns of `treated_values`: the first three at probability 0.5 after treatment, the others as in `Calibration`."""


def treated_values(
    test: ScoreHistograms,
    mask: int,
    treatments: Mapping[str, Treatment],
    group_of: NDArray[np.intp],
    n_groups: int,
) -> dict[str, NDArray[np.float64]]:
    """Measure every treatment of one run and mask on the test split.

    Args:
        test: untreated test histograms.
        mask: index of the mask.
        treatments: name -> treatment.
        group_of: (N,), each image's group.
        n_groups: G.

    Returns:
        Name -> (1+G, 5), columns `VALUES`, row 0 with all groups, row 1 + g without group g; NaN where undefined.
    """
    codes, place = np.unique([treatment.natural_code for treatment in treatments.values()], return_inverse=True)
    counts = group_counts(test, mask, group_of, codes)
    bins, positives, negatives, lengths = test.mask_entries(mask)
    group = np.repeat(group_of, lengths)
    pixels = positives.astype(np.float64) + negatives

    def per_group(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return with_each_left_out(np.asarray(np.bincount(group, weights=weights, minlength=n_groups), np.float64))

    n_pixels = per_group(pixels)
    found = {}
    for (name, treatment), column in zip(treatments.items(), place.tolist(), strict=True):
        stated = treatment.probabilities[bins]
        mass = pixels * stated
        gaps = probability_gaps(positives - mass, stated, group, n_groups)
        columns = [
            counts.recall[:, column],
            counts.precision[:, column],
            counts.f1[:, column],
            expected_error(with_each_left_out(gaps), n_pixels),
            ratio(per_group(mass), counts.n_positive),
        ]
        found[name] = np.stack(columns, axis=1)
    return found
