"""What `python -m experiments.score` prints: a row per run and mask, ties, hard masks, and the next command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from experiments.frontier.curve import average_precision, pr_curve
from experiments.frontier.histogram import ScoreHistograms
from experiments.frontier.operating_point import natural_point, operating_point, tuned_codes
from experiments.predictions.count_maps import distinct_scores
from experiments.predictions.score_folder import ScoredRun
from experiments.report.elsewhere import FEW_SCORES
from experiments.report.text.tables import text_table
from experiments.report.text.wording import listed, number


def scored_text(runs: Sequence[ScoredRun], study_dir: Path, baseline: str | None) -> str:
    """Write the test numbers of every run, what is to be known of them, and the command that compares them.

    Args:
        runs: What was written.
        study_dir: Where it is.
        baseline: The arm that was named as baseline.
    """
    headers = ["arm", "seed", "mask", "AP (prevalence)", "recall", "precision", "F1", "tuned F1", "different scores"]
    test = runs[0].scores["test"]
    groups = len(set(test.group_ids))
    parts = [text_table(headers, [row for run in runs for row in _rows(run)]), ""]
    parts.append(f"{test.n_images} test images in {groups} groups; recall, precision, F1 at probability 0.5.")
    parts += [*_ties(runs), *_hard(runs), *_one_sided(runs), *_majority(test)]
    if not any("val" in run.scores for run in runs):
        parts.append("No validation scores, so no tuned points: give val_predictions=DIR, or {split} in the pattern.")
    named = "" if baseline is not None else " (baseline=ARM, if no run there declares one)"
    parts.append(f"Compare: python -m experiments.compare study_dir={study_dir}{named}")
    return "\n".join(parts)


def _rows(run: ScoredRun) -> Iterator[list[str]]:
    test, distinct = run.scores["test"], distinct_scores(run.scores["test"])
    codes = tuned_codes(run.scores["val"]) if "val" in run.scores else None
    for place, mask in enumerate(test.masks):
        point, ap = natural_point(test, place), _average_precision(test, place)
        prevalence = (point.tp + point.fn) / max(point.tp + point.fp + point.fn + point.tn, 1)
        tuned = "-" if codes is None else number(operating_point(test, place, codes[place], name="tuned").f_beta())
        yield [
            run.arm,
            str(run.seed),
            mask,
            f"- ({prevalence:.3g})" if run.hard else f"{ap:.3f} ({prevalence:.3g})",
            *(number(value) for value in (point.recall, point.precision, point.f_beta())),
            "-" if run.hard else tuned,
            "0 and 1" if run.hard else f"{distinct[mask][0]:,}",
        ]


def _average_precision(test: ScoreHistograms, mask: int) -> float:
    return average_precision(pr_curve(*test.pooled(mask)))


def _ties(runs: Sequence[ScoredRun]) -> list[str]:
    """Tell the arms whose scores are few: what ties do to a frontier."""
    lines = []
    for arm in dict.fromkeys(run.arm for run in runs if not run.hard):
        found = [pair for run in runs if run.arm == arm for pair in distinct_scores(run.scores["test"]).values()]
        low, high = min(count for count, _ in found), max(count for count, _ in found)
        if low <= FEW_SCORES:
            counts = f"{low}" if low == high else f"{low} to {high}"
            share = max(share for _, share in found)
            lines.append(
                f"Ties: {arm} has {counts} different scores; up to {share:.1%} of the pixels share one. Pixels that "
                "share a score enter the frontier as one step."
            )
    return lines


def _hard(runs: Sequence[ScoredRun]) -> list[str]:
    arms = list(dict.fromkeys(run.arm for run in runs if run.hard))
    if not arms:
        return []
    have = "has" if len(arms) == 1 else "have"
    return [f"Hard masks: {listed(arms)} {have} 0 and 1 alone, so an operating point and no frontier, and no verdict."]


def _one_sided(runs: Sequence[ScoredRun]) -> list[str]:
    """Tell the arms of which no pixel, or every one, reaches probability 0.5, as if their kind were another."""
    none, every = [], []
    for arm in dict.fromkeys(run.arm for run in runs):
        tests = [run.scores["test"] for run in runs if run.arm == arm]
        points = [natural_point(test, place) for test in tests for place in range(test.n_masks)]
        if not any(point.tp + point.fp for point in points):
            none.append(arm)
        if not any(point.fn + point.tn for point in points):
            every.append(arm)
    told = (("no pixel", none), ("every pixel", every))
    return [
        f"Worth a look: {who} of {listed(arms)} reaches probability 0.5. Is kind= right?" for who, arms in told if arms
    ]


def _majority(test: ScoreHistograms) -> list[str]:
    """Tell the masks that fill more than half of the pixels, as if they were inverted."""
    positives, negatives = (counts.sum(axis=0) for counts in test.pixel_counts())
    return [
        f"Worth a look: {mask} fills {positives[place] / (positives[place] + negatives[place]):.0%} of the pixels. Is "
        "the truth inverted?"
        for place, mask in enumerate(test.masks)
        if positives[place] > negatives[place]
    ]
