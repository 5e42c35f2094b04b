"""The table of verdicts: a row per arm and mask, with estimates and intervals."""

from typing import Any

import numpy as np
import pandas as pd

from experiments.comparison.pairing import SINGLE_VALUES, MeasuredStudy, PairedRuns
from experiments.inference.claims import Evidence
from experiments.inference.paired_difference import PairedDifference
from experiments.inference.simultaneous_band import RecallBand, recall_band
from experiments.inference.verdict import Verdict, decide


def arm_bands(study: MeasuredStudy, pairs: list[PairedRuns]) -> list[RecallBand]:
    """Compute the simultaneous band of every arm and mask, over the recalls that every paired run reaches.

    If the headline is mean precision over a recall band, only recalls inside that count.
    """
    settings = study.settings
    levels = np.asarray(settings.recalls)
    inside = np.ones(len(levels), bool)
    if settings.headline == "mean_precision":
        low, high = settings.recall_band
        inside = (levels >= low - 1e-9) & (levels <= high + 1e-9)
    bands = []
    for index, pair in enumerate(pairs):
        used = inside & pair.reached.all(axis=0) & pair.baseline_reached.all(axis=0)
        gains = pair.gains()[:, :, pair.recall_columns][:, :, used]
        if not pair.seeds:
            used, gains = np.zeros(len(levels), bool), np.full((1, pair.n_groups + 1, 0), np.nan)
        bands.append(
            recall_band(
                levels[used],
                gains[:, 0],
                gains[:, 1:],
                margin=settings.margin,
                level=settings.level,
                n_draws=settings.n_draws,
                rng=np.random.default_rng([settings.seed, index]),
            )
        )
    return bands


def verdict_table(study: MeasuredStudy, pairs: list[PairedRuns], bands: list[RecallBand]) -> pd.DataFrame:
    """Tabulate verdicts for the headline (`verdict`) and for tuned F1 (`verdict_f1`), with the numbers behind them.

    Each interval covers 1 - level by itself. Unlike verdicts, intervals are not adjusted for the number of arms and
    masks. `df`, `v_seed`, `v_group` and the p values belong to the headline, columns that begin with `f1_` to tuned F1.
    `p_difference` uses `v_seed_steadied` with `seed_df` degrees of freedom, the seed variance shrunk towards that of
    the study (`steady_seed_variances`); `p_equivalence` uses `v_seed`.
    """
    settings = study.settings
    of_curve = settings.headline in ("ap", "mean_precision")
    headline = [
        _evidence(study, pair, settings.headline, band if of_curve else None)
        for pair, band in zip(pairs, bands, strict=True)
    ]
    f1 = [_evidence(study, pair, "f1", None) for pair in pairs]
    verdicts = decide(headline, settings.rule(settings.headline_name))
    f1_verdicts = decide(f1, settings.rule("tuned F1"))
    rows = [
        _row(study, pair, band, (item, verdict), (f1_item, f1_verdict))
        for pair, band, item, verdict, f1_item, f1_verdict in zip(
            pairs, bands, headline, verdicts, f1, f1_verdicts, strict=True
        )
    ]
    return pd.DataFrame(rows)


def _row(
    study: MeasuredStudy,
    pair: PairedRuns,
    band: RecallBand,
    headline: tuple[Evidence, Verdict],
    f1: tuple[Evidence, Verdict],
) -> dict[str, Any]:
    settings, checked = study.settings, study.checked
    (item, verdict), (f1_item, f1_verdict) = headline, f1
    missed = [
        f"{level:.2f}"
        for level, mine, theirs in zip(settings.recalls, pair.reached.T, pair.baseline_reached.T, strict=True)
        if not (mine.all() and theirs.all())
    ]
    return {
        "arm": pair.arm,
        "mask": checked.masks[pair.mask],
        "baseline": checked.baseline,
        "headline": settings.headline,
        "verdict": verdict.word,
        "verdict_f1": f1_verdict.word,
        **interval_columns("headline_gain", item.gain, settings.level),
        **interval_columns("ap_gain", pair.difference(["ap"]), settings.level),
        **interval_columns("f1_gain", f1_item.gain, settings.level),
        **interval_columns("fbeta_gain", pair.difference(["fbeta"]), settings.level),
        **interval_columns("natural_recall_gain", pair.difference(["recall_natural"]), settings.level),
        **interval_columns("natural_precision_gain", pair.difference(["precision_natural"]), settings.level),
        **_spread("", item.gain),
        "v_seed_steadied": float(verdict.p.steady.variance[0]),
        "seed_df": float(verdict.p.steady.df),
        **_tests("", verdict),
        "p_crosses_holm": verdict.p.crosses_holm,
        "p_point_moved_holm": verdict.p.moved_holm,
        "p_point_same_holm": verdict.p.same_holm,
        **_spread("f1_", f1_item.gain),
        **_tests("f1_", f1_verdict),
        "n_seeds": len(pair.seeds),
        "n_groups": pair.n_groups,
        "n_images": len(checked.image_ids),
        "seeds_left_out": checked.left_out(pair.arm),
        "better_at_recall": ", ".join(f"{level:.2f}" for level in band.better),
        "worse_at_recall": ", ".join(f"{level:.2f}" for level in band.worse),
        "unreached_recalls": ", ".join(missed) if pair.seeds else "",
        "reason": verdict.reason,
        "advice": verdict.advice,
        "needed_seeds": verdict.needed_seeds,
        "needed_groups": verdict.needed_groups,
        "reason_f1": f1_verdict.reason,
        "advice_f1": f1_verdict.advice,
        "warning": _warning(study, pair),
        "arm_ap": pair.mean("ap")[0],
        "baseline_ap": pair.mean("ap")[1],
        "prevalence": pair.prevalence,
        "untrained_runs": ", ".join(_untrained_runs(study, pair)),
    }


def _untrained_runs(study: MeasuredStudy, pair: PairedRuns) -> list[str]:
    arms = ((study.checked.baseline, pair.baseline_levels), (pair.arm, pair.levels))
    return [
        f"{arm} seed {seed}"
        for arm, levels in arms
        for seed, level in zip(pair.seeds, levels, strict=True)
        if level.untrained
    ]


def _evidence(study: MeasuredStudy, pair: PairedRuns, column: str, band: RecallBand | None) -> Evidence:
    place = SINGLE_VALUES.index("precision_natural")
    undefined = [np.isnan(rows[:, 0, place]).all() for rows in (pair.rows, pair.baseline_rows)]
    return Evidence(
        gain=pair.difference([column]),
        point=pair.difference(["recall_natural", "precision_natural"]),
        point_undefined_alike=bool(pair.seeds) and all(undefined),
        band=band,
        problem=_problem(study, pair, column),
        untrained=pair.untrained,
        lead=pair.mean(column)[1] - _at_chance(column, pair.prevalence, study.settings.beta),
    )


def _at_chance(column: str, prevalence: float, beta: float) -> float:
    """Return the headline statistic of random scores; for F, at its best threshold, which is below all scores."""
    if column in ("ap", "mean_precision"):
        return prevalence
    squared = 1.0 if column == "f1" else beta**2
    return (1.0 + squared) * prevalence / (squared * prevalence + 1.0)


def _problem(study: MeasuredStudy, pair: PairedRuns, column: str) -> str:
    """Say why an arm and mask cannot have a verdict; empty if it can."""
    base = study.checked.baseline
    if not pair.seeds:
        return f"no seed was run for both {pair.arm} and {base}"
    counts = study.points[base, pair.seeds[0]].points["natural"]
    if counts.n_positive[0, pair.mask] == 0:
        return "no positive pixel of this mask in the test set"
    if column in ("f1", "fbeta"):
        for name in (pair.arm, base):
            for seed in pair.seeds:
                if study.points[name, seed].points["tuned"].codes[pair.mask] is None:
                    return "no threshold could be tuned: no positive pixel of this mask in validation"
    if pair.n_groups < 2:
        return "one test group: how much the test set matters is unknown; a verdict needs at least 2 groups"
    if len(pair.seeds) < 2:
        return "one seed: how much the seed matters is unknown; a verdict needs at least 2 seeds"
    sole = np.flatnonzero(counts.n_positive[1:, pair.mask] == 0)
    if len(sole):
        return f"all positive pixels of this mask lie in one test group, {study.checked.group_names[sole[0]]}"
    return ""


def _warning(study: MeasuredStudy, pair: PairedRuns) -> str:
    """Return a warning about this row for readers; empty if there is none."""
    warnings = []
    if len(pair.seeds) == 2:
        warnings.append("2 seeds: too few for an interval, and the variance over seeds is hardly known; take 3 or more")
    if 2 <= pair.n_groups < 5:
        warnings.append(f"{pair.n_groups} test groups: the variance over groups is hardly known")
    for name in (pair.arm, study.checked.baseline):
        for seed in pair.seeds:
            if study.numbers[name, seed][pair.mask].saturation.n_codes == 1:
                warnings.append(f"{name} seed {seed} gives every pixel the same score")
    return "; ".join(warnings)


def interval_columns(name: str, difference: PairedDifference, level: float, *, limit: float = 1.0) -> dict[str, float]:
    """Return estimate and interval of a single difference as three columns.

    Shares differ by at most 1. With few seeds a t interval may reach further, so it is cut at ±`limit`.
    """
    low, high = (np.clip(end[0], -limit, limit) for end in difference.shown_interval(level))
    return {
        name: float(difference.estimate[0]),
        f"{name}_low": float(low),
        f"{name}_high": float(high),
    }


def _spread(prefix: str, difference: PairedDifference) -> dict[str, float]:
    return {
        f"{prefix}df": float(difference.df[0]),
        f"{prefix}v_seed": float(difference.v_seed[0]),
        f"{prefix}v_group": float(difference.v_group[0]),
    }


def _tests(prefix: str, verdict: Verdict) -> dict[str, float]:
    return {
        f"{prefix}p_difference": verdict.p.difference,
        f"{prefix}p_difference_holm": verdict.p.difference_holm,
        f"{prefix}p_equivalence": verdict.p.equivalence,
        f"{prefix}p_equivalence_holm": verdict.p.equivalence_holm,
    }
