"""The weight sweep: the effect of a positive weight on recall, precision and F1, and the effect that theory predicts.

It also tests, step by step, whether natural F1 still rises from each positive weight to the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.comparison.compare_arms import Comparison
from experiments.comparison.verdict_table import interval_columns
from experiments.frontier.codes import NATURAL_CODE, logit_to_code
from experiments.frontier.curve import f_beta, ratio
from experiments.frontier.histogram import ScoreHistograms
from experiments.frontier.leave_one_out import group_counts, positives_per_group
from experiments.frontier.theory import right_weight
from experiments.inference.multiplicity import holm, steady_seed_variances
from experiments.inference.paired_difference import PairedDifference, group_df, rows_difference
from experiments.process.on_demand import Mapped
from experiments.runs import store
from experiments.runs.fingerprint import result_config
from experiments.runs.study import StudyRuns

KEY = "loss.pos_weight"
FEWEST_ARMS = 3
_TO: tuple[Literal["next", "heaviest"], ...] = ("next", "heaviest")
_GRID = 49  # weights of theory's drawn curves, in addition to the measured ones


@dataclass(frozen=True)
class WeightSweep:
    """The numbers of arms that differ only in the positive weight; each table is documented at its function.

    Args:
        weights: arm -> weight, ascending.
        baseline: the baseline arm, one of them.
        points: operating points (`weight_table`).
        predicted: natural points that theory predicts from the baseline alone, at the measured weights and in between
            (`predicted_table`).
        marks: recommended weights, per mask (`mark_table`).
        steps: changes of natural F1 from each weight to the next (`step_table`).
        to_heaviest: changes of natural F1 from each weight to the heaviest (`step_table`).
        humps: whether F1 has stopped rising, per mask (`hump_table`).
        masks: names of the masks.
    """

    weights: dict[str, float]
    baseline: str
    points: pd.DataFrame
    predicted: pd.DataFrame
    marks: pd.DataFrame
    steps: pd.DataFrame
    to_heaviest: pd.DataFrame
    humps: pd.DataFrame
    masks: tuple[str, ...]

    @classmethod
    def of(cls, study: StudyRuns, comparison: Comparison) -> WeightSweep | None:
        """Count from the runs' histograms; None unless at least three arms differ only in the weight."""
        weights = arm_weights(study)
        if weights is None:
            return None
        settings = comparison.settings
        tests = {arm: Mapped(study.complete[arm], lambda run: run.scores["test"]) for arm in weights}
        own = weights[study.baseline]
        values = list(weights.values())
        grid = np.unique(np.concatenate([values, np.geomspace(min(values), max(values), _GRID)]))
        prevalence = study.reference.info.get("prevalence") or {}
        points = weight_table(comparison.points, weights)
        scores = {arm: {seed: natural_f1(test) for seed, test in seeds.items()} for arm, seeds in tests.items()}
        shared = tests[study.baseline]
        test = shared[next(iter(shared))]
        group_of = test.groups()[1]
        df = [group_df(positives_per_group(test, mask, group_of)) for mask in range(len(comparison.masks))]
        steps, to_heaviest = (
            step_table(
                scores, weights, comparison.masks, to=to, level=settings.level, margin=settings.margin, df_group=df
            )
            for to in _TO
        )
        return cls(
            weights=weights,
            baseline=study.baseline,
            points=points,
            predicted=predicted_table(tests[study.baseline], grid.tolist(), baseline_weight=own),
            marks=mark_table(points, study.baseline, prevalence),
            steps=steps,
            to_heaviest=to_heaviest,
            humps=hump_table(steps, to_heaviest),
            masks=comparison.masks,
        )


def arm_weights(study: StudyRuns) -> dict[str, float] | None:
    """Find the arms whose configuration differs from the baseline's only in `loss.pos_weight`, a single number.

    Keys that a study tunes for each arm (`nuisance`) may differ too.

    Returns:
        Arm -> weight, ascending; None unless there are at least three, including the baseline.
    """
    reference = _compared_facts(study.reference)
    found: dict[str, float] = {}
    for arm, seeds in study.complete.items():
        if not seeds:
            continue
        run = next(iter(seeds.values()))
        weight = (run.config.get("loss") or {}).get("pos_weight")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < np.inf:
            continue
        if _compared_facts(run) == reference and float(weight) not in found.values():
            found[arm] = float(weight)
    if len(found) < FEWEST_ARMS or study.baseline not in found:
        return None
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _compared_facts(run: store.Run) -> dict[str, object]:
    """Collect a run's configuration without its seed, its weight and the keys that the study tunes."""
    return result_config(run.config, ("seed", KEY, *run.info.get("nuisance", [])))


def weight_table(points: pd.DataFrame, weights: Mapping[str, float]) -> pd.DataFrame:
    """Tabulate the operating points of a weight sweep, in ascending order of the weight.

    Args:
        points: from `point_table`.
        weights: arm -> weight, above 0; other arms are left out.

    Returns:
        A row per arm, mask, seed and point ("natural", "tuned"): `weight, arm, mask, seed, operating_point,
        recall, precision, f1, ap`.
    """
    wanted = points[points["arm"].isin(list(weights)) & points["operating_point"].isin(["natural", "tuned"])]
    table = wanted[wanted["mask"] != "background"].assign(weight=lambda rows: rows["arm"].map(dict(weights)))
    columns = ["weight", "arm", "mask", "seed", "operating_point", "recall", "precision", "f1", "ap"]
    return table.sort_values("weight", kind="stable", ignore_index=True)[columns]


def predicted_table(
    baseline: Mapping[int, ScoreHistograms], weights: Sequence[float], *, baseline_weight: float = 1.0
) -> pd.DataFrame:
    """Tabulate the natural points that theory predicts for each weight, from the baseline's scores.

    Weight w shifts the logits by ln w and keeps their order, so its natural point is plain BCE's at the probability
    1 / (1 + w). For a baseline trained with weight w0, w / w0 takes the place of w.

    Args:
        baseline: seed -> test histograms of the baseline.
        weights: above 0.
        baseline_weight: w0, above 0.

    Returns:
        A row per mask, seed and weight: `mask, seed, weight, threshold, recall, precision, f1`; `threshold` is the
        baseline's, as a probability. Undefined values are NaN.

    Reference: Elkan 2001.
    """
    ratios = np.asarray(weights, dtype=np.float64) / baseline_weight
    if not (np.isfinite(ratios) & (ratios > 0)).all():
        raise ValueError(f"weights: expected finite numbers above 0, got {list(weights)} over {baseline_weight}")
    codes = logit_to_code(-np.log(ratios)).astype(np.intp)
    frames = []
    for seed in sorted(baseline):
        test = baseline[seed]
        for mask, name in enumerate(test.masks):
            above = [np.cumsum(counts[::-1])[::-1] for counts in test.pooled(mask)]
            (tp, fp), total = (counts[codes] for counts in above), int(above[0][0])
            f1 = f_beta(tp, fp, total - tp)
            frames.append(
                pd.DataFrame(
                    {
                        "mask": name,
                        "seed": seed,
                        "weight": np.asarray(weights, dtype=np.float64),
                        "threshold": 1.0 / (1.0 + ratios),
                        "recall": ratio(tp, total),
                        "precision": ratio(tp, tp + fp),
                        "f1": f1 if total else np.full(f1.shape, np.nan),
                    }
                )
            )
    return pd.concat(frames, ignore_index=True)


def mark_table(points: pd.DataFrame, baseline: str, prevalence: Mapping[str, float]) -> pd.DataFrame:
    """Tabulate two recommended weights per mask.

    `right_weight` = 2 / F1* - 1, with F1* the baseline's tuned F1 (mean over seeds), is the weight whose natural point
    maximises F1, if theory holds. `inverse_frequency` = (1 - p) / p, with the prevalence p of the training split.

    Args:
        points: from `weight_table`.
        baseline: an arm in it.
        prevalence: mask -> share of positive pixels in the training split; a mask may be missing.

    Returns:
        A row per mask: `mask, best_f1, right_weight, right_weight_low, right_weight_high, prevalence,
        inverse_frequency`; low and high come from the seeds with the highest and the lowest F1*. NaN if undefined.

    Reference: Lipton, Elkan and Naryanaswamy 2014.
    """
    own = points[(points["arm"] == baseline) & (points["operating_point"] == "tuned")]
    rows = []
    for mask, seeds in own.groupby("mask", sort=False):
        best = seeds["f1"].mean(skipna=False), seeds["f1"].max(skipna=False), seeds["f1"].min(skipna=False)
        right, low, high = (right_weight(f1) if 0 < f1 <= 1 else float("nan") for f1 in best)
        share = float(prevalence.get(str(mask), float("nan")))
        rows.append(
            {
                "mask": mask,
                "best_f1": best[0],
                "right_weight": right,
                "right_weight_low": low,
                "right_weight_high": high,
                "prevalence": share,
                "inverse_frequency": (1.0 - share) / share if 0 < share < 1 else float("nan"),
            }
        )
    return pd.DataFrame(rows)


Scores = Mapping[str, Mapping[int, NDArray[np.float64]]]
"""Arm -> seed -> natural F1 (1+G, C), from `natural_f1`."""


def natural_f1(test: ScoreHistograms) -> NDArray[np.float64]:
    """Return the natural F1 of every mask, with all groups and without each.

    Returns:
        (1+G, C): row 0 with all G groups, row 1 + g without group g; NaN without positives.
    """
    _, group_of = test.groups()
    natural = np.array([NATURAL_CODE])
    return np.concatenate([group_counts(test, mask, group_of, natural).f1 for mask in range(test.n_masks)], axis=1)


def step_table(
    scores: Scores,
    weights: Mapping[str, float],
    masks: Sequence[str],
    *,
    to: Literal["next", "heaviest"] = "next",
    level: float = 0.05,
    margin: float = 0.01,
    df_group: Sequence[float] | None = None,
) -> pd.DataFrame:
    """Tabulate the change of natural F1 from each weight to a larger one, paired by seed, with its verdict.

    `step` is "flat" if two one-sided tests put the change inside (-margin, margin), else "rises" or "falls" if it
    differs from 0, else "open". Both tests are corrected by Holm over all rows, as for verdicts (`claims`). The
    interval is for the single row, by the two-way t.

    Args:
        scores: arm -> seed -> natural F1, (1+G, C), of the same images.
        weights: arm -> weight; other arms are left out.
        masks: C names.
        to: the weight to compare each with: the next larger one, or the largest of all.
        level: error level; intervals cover 1 - level.
        margin: changes inside it do not matter.
        df_group: degrees of freedom of the test groups, mask by mask (`group_df`); G - 1 when None.

    Returns:
        A row per mask and weight but the heaviest, ascending: `mask, weight, to_weight, arm, to_arm, f1, to_f1,
        f1_change, f1_change_low, f1_change_high, p_difference_holm, p_equivalence_holm, step, n_seeds, n_groups`.
    """
    if to not in ("next", "heaviest"):
        raise ValueError(f"to: expected next or heaviest, got {to!r}")
    arms = [arm for arm in sorted(weights, key=lambda arm: weights[arm]) if scores.get(arm)]
    if len(arms) < 2:
        return pd.DataFrame(columns=_COLUMNS)
    pairs = list(pairwise(arms)) if to == "next" else [(arm, arms[-1]) for arm in arms[:-1]]
    n_values = len(next(iter(scores[arms[0]].values())))
    rows, changes = [], []
    for place, mask in enumerate(masks):
        for arm, other in pairs:
            seeds = sorted(set(scores[arm]) & set(scores[other]))
            before, after = (
                np.array([scores[name][seed][:, place] for seed in seeds]).reshape(len(seeds), n_values)
                for name in (arm, other)
            )
            changes.append(rows_difference((after - before)[:, :, None], None if df_group is None else df_group[place]))
            means = [float(part[:, 0].mean()) if seeds else float("nan") for part in (before, after)]
            rows.append(
                {
                    "mask": mask,
                    "weight": float(weights[arm]),
                    "to_weight": float(weights[other]),
                    "arm": arm,
                    "to_arm": other,
                    "f1": means[0],
                    "to_f1": means[1],
                    **interval_columns("f1_change", changes[-1], level),
                    "n_seeds": len(seeds),
                    "n_groups": changes[-1].n_groups if seeds else 0,
                }
            )
    table = pd.DataFrame(rows)
    table["p_difference_holm"], table["p_equivalence_holm"] = _step_tests(changes, margin)
    tested = zip(table["f1_change"], table["p_difference_holm"], table["p_equivalence_holm"], strict=True)
    table["step"] = [_step_word(change, differs, equal, level) for change, differs, equal in tested]
    return table[_COLUMNS]


_COLUMNS = ["mask", "weight", "to_weight", "arm", "to_arm", "f1", "to_f1", "f1_change", "f1_change_low"]
_COLUMNS += ["f1_change_high", "p_difference_holm", "p_equivalence_holm", "step", "n_seeds", "n_groups"]


def hump_table(steps: pd.DataFrame, to_heaviest: pd.DataFrame) -> pd.DataFrame:
    """Tell whether natural F1 has stopped rising with the weight.

    `state` is "rising" if the last step rises. It is "stopped" if, after the last rising step, some step falls or is
    flat, or some weight's F1 is shown to be above that of the largest weight. Otherwise it is "open". The peak is the
    weight with the highest mean F1, which need not be significantly above its neighbours.

    Args:
        steps: from `step_table`.
        to_heaviest: from `step_table` with `to="heaviest"`.

    Returns:
        A row per mask: `mask, state, peak_weight, peak_f1, last_weight, last_f1, last_rise, first_end`: the rows of
        `steps` (by index) of the last rising step and of the first one after it that falls or is flat; -1 for none.
    """
    rows = []
    for mask, own in steps.groupby("mask", sort=False):
        f1 = np.append(own["f1"].to_numpy(), own["to_f1"].iloc[-1])
        weight = np.append(own["weight"].to_numpy(), own["to_weight"].iloc[-1])
        rises = list(own.index[own["step"] == "rises"])
        last_rise = int(rises[-1]) if rises else -1
        ends = [int(index) for index in own.index[own["step"].isin(["falls", "flat"])] if index > last_rise]
        risen_to = own.loc[last_rise, "to_weight"] if rises else -np.inf
        falls = to_heaviest[(to_heaviest["mask"] == mask) & (to_heaviest["step"] == "falls")]
        stopped = bool(ends) or bool((falls["weight"] >= risen_to).any())
        peak = int(np.nanargmax(f1)) if not np.isnan(f1).all() else 0
        rows.append(
            {
                "mask": mask,
                "state": "rising" if last_rise == own.index[-1] else "stopped" if stopped else "open",
                "peak_weight": float(weight[peak]),
                "peak_f1": float(f1[peak]),
                "last_weight": float(weight[-1]),
                "last_f1": float(f1[-1]),
                "last_rise": last_rise,
                "first_end": ends[0] if ends else -1,
            }
        )
    return pd.DataFrame(rows)


def _step_tests(changes: list[PairedDifference], margin: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Test every step: return adjusted p values for no change and for a change beyond the margin."""
    steady = steady_seed_variances(changes)
    differs = [float(change.p_difference(seeds)[0]) for change, seeds in zip(changes, steady, strict=True)]
    return holm(differs), holm([float(change.p_equivalence(margin)[0]) for change in changes])


def _step_word(change: float, p_difference: float, p_equivalence: float, level: float) -> str:
    if p_equivalence < level:
        return "flat"
    if p_difference < level:
        return "rises" if change > 0 else "falls"
    return "open"
