"""The findings of a thresholding study: sentences made from its numbers, and none without them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.comparison.thresholding.treatments import TREATMENTS, UNTREATED
from experiments.inference.words import NOT_TRAINED, UNDECIDED
from experiments.report.text.wording import with_interval
from experiments.report.thresholding.treated_study import Thresholding

_MAPS = tuple(name for name in TREATMENTS if name != "tuned_threshold")
_RECALIBRATIONS = ("platt", "isotonic")


def findings(found: Thresholding) -> list[str]:
    """Write sentences about what the numbers show, leaving out those without evidence."""
    return [
        *_not_trained(found),
        *_frontier(found),
        *_extremes(found),
        *_harm(found),
        *_mass(found),
        *_best_threshold(found),
        *_missing(found),
    ]


def _not_trained(found: Thresholding) -> list[str]:
    """Say which arms have no frontier worth tuning a threshold on."""
    verdicts = found.verdicts
    if not len(verdicts):
        return []
    rows = verdicts[verdicts["verdict"] == NOT_TRAINED].drop_duplicates(["source_arm", "mask"])
    arms = [
        f"{found.names[row['source_arm']]}, mask {row['mask']} (AP {row['baseline_ap']:.3g} at a prevalence of "
        f"{row['prevalence']:.3g})"
        for _, row in rows.iterrows()
    ]
    return [f"**Not trained**, in all seeds or in some: {'; '.join(arms)}. No verdict rests on them."] if arms else []


def _frontier(found: Thresholding) -> list[str]:
    """Say whether any frontier moved, and where the natural points moved."""
    verdicts = found.verdicts
    if not len(verdicts):
        return []
    gains = verdicts[["ap_gain", "ap_gain_low", "ap_gain_high"]].to_numpy(dtype=np.float64)
    counts = verdicts["verdict"].value_counts()
    order = sorted(counts.index, key=lambda word: word == UNDECIDED)  # last: a remark on it follows
    told = ", ".join(f"{word} {counts[word]}" for word in order)
    words = f"Verdicts: {told}{_undecided(found)}."
    # Intervals are undefined where a treatment could be fitted in one seed alone.
    if not np.isnan(gains[:, 0]).any() and not np.nan_to_num(gains).any():
        first = (
            "**No treatment moved a frontier**: a map that never decreases keeps the order of the pixels. The AP gain "
            f"is exactly 0 in all {len(verdicts)} comparisons (arm x mask x treatment), every (recall, precision) "
            f"point is still there. {words}"
        )
    else:
        moved = verdicts["ap_gain"][verdicts["ap_gain"] != 0].dropna()
        first = words + (f" The largest change of AP is {moved.abs().max():.2g}." if len(moved) else "")
    kept = found.runs.dropna(subset=["ap_ties_kept"])
    ties = kept["ap_before"] - kept["ap_ties_kept"]
    tied, loss = set(kept["treatment"][ties.abs() > 1e-12]), ties.max()
    if tied != {"isotonic"}:
        return [first]
    return [
        first,
        "Only isotonic regression ties scores. The untreated score breaks the tie; with its ties kept, AP would be up "
        f"to {loss:.3f} lower in a run, because fewer thresholds are left.",
    ]


def _undecided(found: Thresholding) -> str:
    """Say for how many undecided verdicts only the operating point is in doubt."""
    reasons = found.verdicts.loc[found.verdicts["verdict"] == UNDECIDED, "reason"]
    count = int(reasons.str.startswith("the frontier is the same").sum())
    if not count:
        return ""
    which = "only" if count == len(reasons) else f"{count} of them only"
    return f" ({which} whether the point moved by more than {found.settings.point_margin:g})"


def _extremes(found: Thresholding) -> list[str]:
    """State the largest gain of F1 at probability 0.5."""
    changed = found.changes[found.changes["treatment"] != UNTREATED].dropna(subset=["f1_change"])
    if not len(changed):
        return []
    best = changed.sort_values("f1_change").iloc[-1]

    def path(value: str) -> str:
        return f"{best[value] - best[f'{value}_change']:.2f} to {best[value]:.2f}"

    return [
        f"F1 at probability 0.5 rises most for {_where(found, best)}: from {path('f1')} "
        f"({with_interval(best, 'f1_change')}), recall {path('recall')}, precision {path('precision')}."
    ]


def _harm(found: Thresholding) -> list[str]:
    """Say where a treatment is shown to lower F1 by more than the margin."""
    changes = found.changes
    harmed = changes[(changes["f1_change"] < -found.settings.margin) & (changes["f1_change_high"] < 0)]
    lines = []
    for treatment, rows in harmed.groupby("treatment", sort=False):
        worst = rows.sort_values("f1_change").iloc[0]
        arms = ", ".join(dict.fromkeys(found.names[arm] for arm in rows["arm"]))
        why = ""
        if treatment in _RECALIBRATIONS:
            why = " Probability 0.5 is the threshold of fewest errors, not of best F1."
        elif treatment == "prior_frequency":
            why = " One shift for all logits repairs a wrong prior, not scores whose scale is wrong as well."
        name = TREATMENTS[str(treatment)]
        all_of_it = (changes["treatment"] == treatment).sum()
        lines.append(
            f"{name[:1].upper()}{name[1:]} lowers F1 at probability 0.5 in {len(rows)} of {all_of_it} arms and masks "
            f"({arms}), most for {_where(found, worst, False)}: {with_interval(worst, 'f1_change')}.{why}"
        )
    return lines


def _mass(found: Thresholding) -> list[str]:
    """State the effect of each map on the predicted mass that is furthest from the true one."""
    plain = found.changes[found.changes["treatment"] == UNTREATED].dropna(subset=["mass_ratio"])
    if not len(plain):
        return []
    distance = np.log(plain["mass_ratio"].clip(lower=1e-12).to_numpy(dtype=np.float64))
    worst = plain.iloc[int(np.abs(distance).argmax())]
    rows = found.changes[(found.changes["arm"] == worst["arm"]) & (found.changes["mask"] == worst["mask"])]
    after = {str(r["treatment"]): r["mass_ratio"] for r in rows.to_dict("records")}
    told = ", ".join(f"{TREATMENTS[name]} {after[name]:.2f}" for name in _MAPS if name in after)
    return [
        f"Worst calibrated as it is: {found.names[worst['arm']]}, mask {worst['mask']}, whose predicted mass is "
        f"{worst['mass_ratio']:.2g} times the true one. After: {told}."
    ]


def _best_threshold(found: Thresholding) -> list[str]:
    """Compare the tuned threshold on calibrated probabilities with theory's, half of the best F1."""
    f1 = found.changes.pivot_table(index=["arm", "mask"], columns="treatment", values="f1")
    held = found.runs[found.runs["treatment"] == "isotonic"].dropna(subset=["tuned_probability"])
    if not len(held):
        return []
    places = held.groupby(["arm", "mask"], sort=False)["tuned_probability"].mean()
    f1 = f1.loc[places.index]
    gaps = (places - 0.5 * f1["tuned_threshold"]).abs()
    higher = int((f1["tuned_threshold"] > f1["isotonic"]).sum())
    return [
        "On calibrated probabilities theory puts the threshold of best F1 at half of that F1. Measured: after isotonic "
        f"regression the tuned threshold lies at a probability of {places.min():.2f} to {places.max():.2f} (means over "
        f"seeds, per arm and mask), {gaps.mean():.2f} from half of the tuned F1 on average, {gaps.max():.2f} at most. "
        f"F1 at the tuned threshold is above F1 at the calibrated probability 0.5 in {higher} of {len(f1)} arms and "
        "masks."
    ]


def _missing(found: Thresholding) -> list[str]:
    """List treatments that could not be fitted, unless only because theory makes no prediction."""
    lost = found.runs[(found.runs["missing"] != "") & (found.runs["treatment"] != "prior_theory")]
    return [
        f"Not fitted: {TREATMENTS[str(treatment)]} for {found.names[str(arm)]}, mask {mask}, seed"
        f"{'s' if len(rows) > 1 else ''} {', '.join(str(seed) for seed in rows['seed'])}: {rows['missing'].iloc[0]}."
        for (treatment, arm, mask), rows in lost.groupby(["treatment", "arm", "mask"], sort=False)
    ]


def _where(found: Thresholding, row: pd.Series, with_treatment: bool = True) -> str:
    treatment = f", {TREATMENTS[row['treatment']]}" if with_treatment else ""
    return f"{found.names[row['arm']]}, mask {row['mask']}{treatment}"
