"""What to try next, by fixed rules on the verdicts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files

import numpy as np
import pandas as pd

from experiments.comparison.slide import AT_TUNED
from experiments.inference.paired_difference import MIN_SEEDS
from experiments.inference.words import CROSSES, MOVES_IN, MOVES_OUT, NOT_TRAINED, SLIDES, UNDECIDED
from experiments.report.checklist.evidence import StudyEvidence
from experiments.report.text.not_trained import not_trained
from experiments.report.text.verdicts import row_of
from experiments.report.text.wording import number, signed, with_interval
from experiments.runs.fingerprint import result_config

LEVERS = {"sampling": r"sampling(\..*)?", "losses": "loss"}
"""Study that pulls a lever -> the axes (regular expression) of one that has; in the order in which they are proposed.

A weight, `loss.pos_weight`, is not another loss.
"""

_MOST_LISTED = 12


def next_sentences(studies: Sequence[StudyEvidence], *, name_studies: bool) -> list[str]:
    """Apply the rules, cheapest remedy first.

    0. Runs that are not trained: train them; neither thresholds nor seeds help.
    1. No arm moves the frontier of a mask out, and the baseline's tuned F1 exceeds its natural F1 by more than the
       margin, or an arm only slides: tune the threshold, without training.
    2. An arm crosses: choose by the recall that you need.
    3. Arms are undecided: use, once, the number of seeds that gives an even chance of deciding to half of those that
       seeds can decide.
    4. No arm of any study moves out, by the headline or by tuned F1: try the next lever that no study has tried.

    Rules 2 and 3 look at arms over all masks first; rules 0, 1 and 4 at every mask.

    Args:
        studies: On the same data.
        name_studies: Whether a sentence names its study.
    """
    sentences = [*_training(studies, name_studies), *_thresholds(studies, name_studies)]
    for item in studies:
        lead = f"{item.name}: " if name_studies else ""
        sentences += [f"**Next: {lead}{text}" for text in (*_crossings(item), *_seeds(item))]
    return sentences + [f"**Next: {text}" for text in _levers(studies)]


def _training(studies: Sequence[StudyEvidence], name_studies: bool) -> list[str]:
    """Rule 0."""
    sentences = []
    for item in studies:
        told = not_trained(item.comparison, item.arm_names)
        if told:
            lead = f"{item.name}: " if name_studies else ""
            sentences.append(
                f"**Next: {lead}train what is not trained.** {told.replace('**', '')} More seeds or test images "
                "would not change that: look at the loss in `history.csv`, train longer (`trainer.max_steps`), or "
                "change the learning rate (`optimizer.lr`)."
            )
    return sentences


def _thresholds(studies: Sequence[StudyEvidence], name_studies: bool) -> list[str]:
    sentences, told = [], []
    for item in studies:
        facts = result_config(item.study.reference.config, ("seed",))
        if facts in told:  # the same baseline on the same data, in another study
            continue
        told.append(facts)
        parts = [part for mask in item.comparison.masks for part in _threshold(item, mask)]
        if parts:
            lead = f"{item.name}: " if name_studies else ""
            sentences.append(f"**Next: {lead}tune the threshold, which needs no training.** {' '.join(parts)}")
    return sentences


def _threshold(item: StudyEvidence, mask: str) -> list[str]:
    """Rule 1 for one mask."""
    verdicts = item.comparison.verdicts
    own = verdicts[verdicts["mask"] == mask] if len(verdicts) else verdicts
    if len(own) and (own["verdict"] == MOVES_OUT).any():
        return []
    scores = item.comparison.scores
    if not scores["trained"][(scores["arm"] == item.study.baseline) & (scores["mask"] == mask)].all():
        return []
    points = item.comparison.points
    rows = points[(points["arm"] == item.study.baseline) & (points["mask"] == mask)]
    wide = rows.pivot_table(index="seed", columns="operating_point", values=["f1", "threshold"])
    if not {("f1", "natural"), ("f1", "tuned"), ("threshold", "tuned")} <= set(wide.columns):
        return []
    natural, tuned = (wide["f1", point].to_numpy(dtype=np.float64) for point in ("natural", "tuned"))
    change = tuned - natural
    slides = own[own["verdict"] == SLIDES] if len(own) else own
    if np.isnan(change).any() or not (change.mean() > item.comparison.settings.margin or len(slides)):
        return []
    names = item.arm_names
    threshold = float(wide["threshold", "tuned"].mean())
    spread = f", {signed(change.min())} to {signed(change.max())} over {len(change)} seeds" if len(change) > 1 else ""
    text = (
        f"{mask}: {names[item.study.baseline]} has F1 {number(natural.mean())} at probability 0.5 and "
        f"{number(tuned.mean())} at {0.5 * (1 + np.tanh(0.5 * threshold)):.2g}, tuned on validation "
        f"({signed(change.mean())}{spread})."
    )
    if len(slides):
        weights = {} if item.sweep is None else item.sweep.weights
        arms = sorted(slides["arm"], key=lambda arm: weights.get(arm, 0.0))
        controls = item.comparison.controls[item.comparison.controls["control"] == AT_TUNED]
        listed = [f"{names[arm]} by {with_interval(row_of(controls, arm, mask), 'f1_gain')}" for arm in arms]
        text += (
            f" What only slides (gain inside ±{item.comparison.settings.margin:g}) differs from that, at its own tuned "
            f"threshold: {', '.join(listed)}."
        )
    return [text]


def _crossings(item: StudyEvidence) -> list[str]:
    """Rule 2: the arms over all masks, then each mask."""
    arms, masks, names = item.comparison.arm_verdicts, item.comparison.verdicts, item.arm_names
    if not len(arms):
        return []
    several = len(item.comparison.masks) > 1
    rows = [(row, " over all masks") for _, row in arms.iterrows()] if several else []
    rows += [(row, f" on {row['mask']}") for _, row in masks.iterrows()]
    return [
        f"choose {names[row['arm']]} or {names[row['baseline']]}{where} by the recall you need.** Their "
        f"frontiers cross: {names[row['arm']]} is {row['reason']}.{_best_point(row)}"
        for row, where in rows
        if row["verdict"] == CROSSES
    ]


def _best_point(row: pd.Series) -> str:
    """Say which of two crossing frontiers has the better F1, if that is shown."""
    if row["verdict_f1"] not in (MOVES_OUT, MOVES_IN):
        return ""
    better = "higher" if row["verdict_f1"] == MOVES_OUT else "lower"
    return f" Its tuned F1 is {better}, by {with_interval(row, 'f1_gain')}."


def _seeds(item: StudyEvidence) -> list[str]:
    """Rule 3."""
    arms, names = item.comparison.arm_verdicts, item.arm_names
    if not len(arms):
        return []
    rows = arms[arms["verdict"] == UNDECIDED]
    have = int(arms["n_seeds"].max())
    if (item.comparison.verdicts["verdict"] == NOT_TRAINED).all():
        return []
    if have == 1:
        return [f"a second and a third seed.** One seed decides nothing; finish the study with {_seed_list(3)}."]
    if not len(rows):
        return []
    if item.comparison.settings.looks is not None:
        return _in_stages(item, rows)
    can = rows[np.isfinite(rows["needed_seeds"])].sort_values("needed_seeds", kind="stable")
    if not len(can):
        return _groups(item, rows)
    half = int(can["needed_seeds"].iloc[(len(can) - 1) // 2])
    listed = [f"{names[row['arm']]} {row['needed_seeds']:.0f}" for _, row in can.iterrows()]
    shown = ", ".join(listed[:_MOST_LISTED]) + (", ..." if len(listed) > _MOST_LISTED else "")
    others = len(rows) - len(can)
    rest = f" For {others} more, seeds alone would not do." if others else ""
    within = int((can["needed_seeds"] <= half).sum())
    return [
        f"more seeds, once.** {_undecided(item, rows)} with {have} seeds. Seeds in all that would give an even chance "
        f"of deciding, if the gains stay as they are: {shown}.{rest} The same command with {_seed_list(half)} gives "
        f"that chance to {within} of these {len(can)}; finished runs are kept. Fix the number before you look: "
        f"looking again after every few seeds makes false claims more often than at level "
        f"{item.comparison.settings.level:g}. A new study may look twice at that level if it declares both looks "
        f"before it starts, such as `study.stages=[{MIN_SEEDS},{max(half, MIN_SEEDS + 1)}]`."
    ]


def _in_stages(item: StudyEvidence, rows: pd.DataFrame) -> list[str]:
    """Say what to do about arms that are undecided in a study that declared its looks: finish them, and no more."""
    looks = item.comparison.settings.n_looks
    waiting = rows[rows["look"] < looks]
    if len(waiting):
        arms = ", ".join(item.arm_names[arm] for arm in waiting["arm"])
        return [
            f"finish the {looks} looks that this study declared.** Undecided so far: {arms}. Run its command again."
        ]
    return [
        f"no more seeds for this study.** {_undecided(item, rows)} after the {looks} looks that it declared; one more "
        f"would make false claims more often than at level {item.comparison.settings.level:g}. A new study, with other "
        "seeds, may decide them."
    ]


def _undecided(item: StudyEvidence, rows: pd.DataFrame) -> str:
    """Count the arms that are undecided, and behind them the masks."""
    text = f"{len(rows)} of {len(item.comparison.arm_verdicts)} arms are undecided"
    if len(item.comparison.masks) > 1:
        masks = item.comparison.verdicts["verdict"]
        text += f" over all masks ({(masks == UNDECIDED).sum()} of {len(masks)} arms x masks)"
    return text


def _groups(item: StudyEvidence, rows: pd.DataFrame) -> list[str]:
    """Say what would decide arms that no number of seeds decides."""
    can = rows[np.isfinite(rows["needed_groups"])]
    if not len(can):
        return []
    best = can.sort_values("needed_groups", kind="stable").iloc[0]
    return [
        f"more test images.** {_undecided(item, rows)}, and seeds alone would not do. About "
        f"{best['needed_groups']:.0f} test groups in all, in place of {best['n_groups']}, would give an even chance of "
        f"deciding the nearest, {item.arm_names[best['arm']]}."
    ]


def _seed_list(count: int) -> str:
    if count > _MOST_LISTED:
        return f"`'seed=range(0,{count})'`"
    return f"`seed={','.join(map(str, range(count)))}`"


def _levers(studies: Sequence[StudyEvidence]) -> list[str]:
    """Rule 4."""
    arms = pd.concat([item.comparison.arm_verdicts for item in studies], ignore_index=True)
    masks = pd.concat([item.comparison.verdicts for item in studies], ignore_index=True)
    arms, masks = (each[each["verdict"] != NOT_TRAINED] if len(each) else each for each in (arms, masks))
    words = ["verdict", "verdict_f1"]
    if not len(masks) or any((each[words] == MOVES_OUT).any(axis=None) for each in (arms, masks) if len(each)):
        return []
    axes = sorted({axis.split("@")[0] for item in studies for axis in item.study.axes})
    untried = [name for name, keys in LEVERS.items() if not any(re.fullmatch(keys, axis) for axis in axes)]
    commands = [f"`python -m experiments.train study={name}`" for name in untried if _exists(name)]
    if not commands:
        return []
    counted = f"{len(arms)} arms" if len(arms) else f"{len(masks)} arms x masks"
    return [
        f"another lever.** None of {counted} moves the frontier out; changed: {', '.join(axes)}. "
        f"Not tried on these data: {' or '.join(commands)}, with the data and model settings of {studies[0].name}."
    ]


def _exists(study: str) -> bool:
    return files("experiments.conf").joinpath("study", f"{study}.yaml").is_file()
