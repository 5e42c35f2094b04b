"""What to do after a comparison: what to use now, and what would decide the rest, each with a command to copy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from experiments.comparison.compare_arms import Comparison
from experiments.inference.paired_difference import MIN_SEEDS
from experiments.inference.words import CROSSES, MOVES_OUT, UNDECIDED
from experiments.report.text.answer import noun_of
from experiments.report.text.commands import predict_command, seeds_command, train_command, tune_command
from experiments.report.text.verdicts import verdict_gain, verdict_interval
from experiments.report.text.wording import listed, number
from experiments.runs.study import StudyRuns, short_names

_MOST_NAMED = 3
_SAME_F1 = 0.005  # less would not show in two digits


@dataclass(frozen=True)
class Recommendation:
    """One thing to do.

    Args:
        text: In one or two sentences, names in `**bold**`.
        command: To copy; empty where there is none.
    """

    text: str
    command: str = ""


def recommendations(study: StudyRuns, comparison: Comparison) -> tuple[Recommendation, ...]:
    """Say what to use now, and behind it what would decide the undecided arms, if anything would.

    The first of these rules that holds says what to use:

    1. The baseline is not trained: nothing; train it longer.
    2. An arm moves out: the one that gains most.
    3. An arm's tuned F1 alone moves out: that arm, where one operating point is all that is needed; else the baseline.
    4. An arm crosses: choose by the recall that is needed; else the baseline.
    5. The baseline, at its tuned threshold if that has a better F1 on test.
    """
    names = short_names(list(study.complete))
    untrained = _untrained(study, comparison, names)
    if untrained is not None:
        return (untrained,)
    return (*_use(study, comparison, names), *_decides(study, comparison, names))


def _untrained(study: StudyRuns, comparison: Comparison, names: Mapping[str, str]) -> Recommendation | None:
    scores = comparison.scores
    own = scores[scores["arm"] == comparison.baseline] if len(scores) else scores
    lost = own[~own["trained"].astype(bool)] if len(own) else own
    if not len(lost):
        return None
    masks = listed([str(mask) for mask in dict.fromkeys(lost["mask"])])
    text = (
        f"Train **{names[comparison.baseline]}** before comparing: on {masks} it is not shown to be better than random "
        "scores. Train longer, or try another learning rate."
    )
    updates = study.reference.info.get("updates")
    longer = [f"trainer.max_steps={4 * updates}"] if isinstance(updates, int) else []
    return Recommendation(text, train_command(study.reference, "outputs/longer", *longer) if longer else "")


def _use(study: StudyRuns, comparison: Comparison, names: Mapping[str, str]) -> list[Recommendation]:
    table = comparison.arm_verdicts
    keep, otherwise = (
        Recommendation(_keep(comparison, names, verb), tune_command(study)) for verb in ("Keep", "Else keep")
    )
    if not len(table):
        return [keep]
    best = _most(table[table["verdict"] == MOVES_OUT], "headline_gain")
    if best is not None:
        gain = f"{comparison.settings.headline_name} {_gain(best, 'headline_gain', '')}"
        return [_chosen(study, comparison, names, best, "Use", gain)]
    best = _most(table[table["verdict_f1"] == MOVES_OUT], "f1_gain")
    if best is not None:
        gain = f"tuned F1 {_gain(best, 'f1_gain', 'f1_')}"
        return [_chosen(study, comparison, names, best, "For one operating point, use", gain), otherwise]
    crossing = [
        Recommendation(f"Choose by the recall you need: **{names[str(row['arm'])]}** is {row['reason']}.")
        for _, row in table[table["verdict"] == CROSSES].head(1).iterrows()
    ]
    return [*crossing, otherwise] if crossing else [keep]


def _gain(row: pd.Series, column: str, prefix: str) -> str:
    """Write a gain with the interval that its verdict rests on, as the table of verdicts does."""
    return f"{verdict_gain(row, column, prefix)} {verdict_interval(row, prefix)}"


def _chosen(
    study: StudyRuns, comparison: Comparison, names: Mapping[str, str], row: pd.Series, lead: str, gain: str
) -> Recommendation:
    arm = str(row["arm"])
    text, threshold = f"{lead} **{names[arm]}**: {gain} against **{names[comparison.baseline]}**.", "natural"
    tuned, run = _tuned(comparison, arm), next(iter(study.complete[arm].values()))
    if tuned is None or tuned.gain < _SAME_F1:
        text += " Keep its threshold of 0.50."
    else:
        move, threshold = _threshold_text(tuned.thresholds), "tuned"
        text += f" {move[:1].upper()}{move[1:]}: F1 {number(tuned.natural_f1)} -> {number(tuned.f1)}."
    if row["worse_at_recall"]:
        text += f" At recall {listed(str(row['worse_at_recall']).split(', '))} its precision is lower."
    return Recommendation(text, predict_command(run, threshold) or train_command(run, "outputs/chosen"))


def _most(rows: pd.DataFrame, column: str) -> pd.Series | None:
    return rows.sort_values(column).iloc[-1] if len(rows) else None


def _keep(comparison: Comparison, names: Mapping[str, str], verb: str) -> str:
    """Say at which threshold to keep the baseline, and what that does to its F1 on test, mean over seeds and masks."""
    lead, tuned = f"{verb} **{names[comparison.baseline]}**", _tuned(comparison, comparison.baseline)
    if tuned is None:
        return f"{lead} at threshold 0.50."
    natural, best = number(tuned.natural_f1), number(tuned.f1)
    if tuned.gain < _SAME_F1:
        told = f"leaves F1 at {natural}" if tuned.gain > -_SAME_F1 else f"takes F1 from {natural} to {best}"
        return f"{lead} at threshold 0.50; the one tuned on validation {told}."
    return f"{lead} and {_threshold_text(tuned.thresholds)}: F1 {natural} -> {best}, no retraining."


@dataclass(frozen=True)
class _Tuned:
    """An arm at its tuned thresholds.

    Args:
        thresholds: Mask -> probability, mean over seeds.
        natural_f1: On test at probability 0.5, mean over seeds and masks.
        f1: At the tuned thresholds.
    """

    thresholds: Mapping[str, float]
    natural_f1: float
    f1: float

    @property
    def gain(self) -> float:
        """What tuning adds to F1."""
        return self.f1 - self.natural_f1


def _tuned(comparison: Comparison, arm: str) -> _Tuned | None:
    """Return an arm's tuned thresholds; None if a threshold or F1 is undefined."""
    points = comparison.points
    rows = points[(points["arm"] == arm) & points["mask"].isin(comparison.masks)]
    f1 = {point: rows.loc[rows["operating_point"] == point, "f1"] for point in ("natural", "tuned")}
    logits = rows[rows["operating_point"] == "tuned"].groupby("mask", sort=False)["threshold"].apply(_mean)
    if not len(f1["tuned"]) or any(each.isna().any() for each in f1.values()) or not np.isfinite(logits).all():
        return None
    probability = {str(mask): float(0.5 * (1 + np.tanh(0.5 * logit))) for mask, logit in logits.items()}
    return _Tuned(probability, float(f1["natural"].mean()), float(f1["tuned"].mean()))


def _mean(values: pd.Series) -> float:
    """Return the mean; NaN if any value is."""
    return float(values.mean(skipna=False))


def _threshold_text(thresholds: Mapping[str, float]) -> str:
    """Say how to move the thresholds: "lower its threshold to 0.38"."""
    values = list(thresholds.values())
    verb = "lower" if max(values) <= 0.5 else "raise" if min(values) >= 0.5 else "move"
    if len(values) == 1:
        return f"{verb} its threshold to {_probability(values[0])}"
    if len(values) <= _MOST_NAMED:
        each = [f"{_probability(value)} ({mask})" for mask, value in thresholds.items()]
        return f"{verb} its thresholds to {listed(each)}"
    return f"{verb} its thresholds, mask by mask, to {_probability(min(values))} to {_probability(max(values))}"


def _probability(threshold: float) -> str:
    """Format a threshold with two digits, more where it is near 0 or 1."""
    return f"{threshold:.2f}" if 0.01 <= threshold <= 0.99 else f"{threshold:.4g}"


def _decides(study: StudyRuns, comparison: Comparison, names: Mapping[str, str]) -> list[Recommendation]:
    """Say how many seeds, or else test groups, give an even chance of deciding the nearest undecided arms.

    Arms that gain so far are worth the seeds; those behind the baseline are named only where none is ahead.
    """
    table, looks = comparison.arm_verdicts, comparison.settings.looks
    rows = table[table["verdict"] == UNDECIDED] if len(table) else table
    if not len(rows):
        return []
    seeds = sorted({seed for runs in study.complete.values() for seed in runs})
    if rows["n_seeds"].max() < MIN_SEEDS:
        text = f"Train {MIN_SEEDS} seeds of every {noun_of(names)}: fewer have no interval."
        return [Recommendation(text, seeds_command(study, _extended(seeds, MIN_SEEDS)))]
    if looks is not None and (rows["look"] < len(looks.seeds)).any():
        waiting = [f"**{names[str(arm)]}**" for arm in rows.loc[rows["look"] < len(looks.seeds), "arm"]]
        whom = listed(waiting) if len(waiting) <= _MOST_NAMED else f"{len(waiting)} undecided"
        text = f"Run the study's command again: of the {len(looks.seeds)} looks that it declared, {whom} lack one."
        return [Recommendation(text)]
    of, rows = _ahead(rows)
    can = rows[np.isfinite(rows["needed_seeds"].astype(float))].sort_values("needed_seeds", kind="stable")
    if not len(can):
        return _groups(rows, names)
    nearest = can.head(_MOST_NAMED)
    needed = [f"{row['needed_seeds']:.0f} (**{names[str(row['arm'])]}**)" for _, row in nearest.iterrows()]
    told = f"Seeds in all for an even chance of a verdict: {', '.join(needed)}."
    fewest = int(nearest["needed_seeds"].iloc[0])
    arms = [str(arm) for arm in nearest["arm"][nearest["needed_seeds"] <= fewest]]
    if looks is None:
        count = _extended(seeds, fewest)
        command, of_all = seeds_command(study, count, arms), seeds_command(study, count)
        whom = listed([f"**{names[arm]}**" for arm in arms])
        only = "" if len(can) == len(arms) or command == of_all else f" The command is for {whom}."
        return [Recommendation(f"To decide more{of}, train more seeds, once. {told}{only}", command)]
    fresh = range(seeds[-1] + 1, seeds[-1] + 1 + fewest)
    text = f"To decide more{of}, start a new study; this one has made its {len(looks.seeds)} looks. {told}"
    return [Recommendation(text, seeds_command(study, fresh, arms, study_dir="outputs/more_seeds"))]


def _groups(rows: pd.DataFrame, names: Mapping[str, str]) -> list[Recommendation]:
    can = rows[np.isfinite(rows["needed_groups"].astype(float))].sort_values("needed_groups", kind="stable")
    return [
        Recommendation(
            f"More seeds decide nothing here. About {row['needed_groups']:.0f} test groups instead of "
            f"{row['n_groups']} would give **{names[str(row['arm'])]}** an even chance."
        )
        for _, row in can.head(1).iterrows()
    ]


def _ahead(rows: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """Return the arms that gain so far, and words for that; all of them, and no words, where none or each does."""
    gains = rows[rows["headline_gain"] > 0]
    return (" of what gains so far", gains) if 0 < len(gains) < len(rows) else ("", rows)


def _extended(seeds: list[int], count: int) -> list[int]:
    """Add the next seeds until there are `count`."""
    return [*seeds, *range(seeds[-1] + 1, seeds[-1] + 1 + max(0, count - len(seeds)))]
