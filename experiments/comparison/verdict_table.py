"""The tables of verdicts: a row per arm, and one per arm and mask; estimates with intervals beside every word."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from experiments.comparison.curve_space.numbers import problem_of_rows
from experiments.comparison.pairing import SINGLE_VALUES, MeasuredStudy, PairedRuns, over_masks, untrained_masks
from experiments.comparison.settings import CURVE_SPACE, OF_CURVE, TOLERANT, CompareSettings
from experiments.inference.claims import Evidence
from experiments.inference.paired_difference import PairedDifference
from experiments.inference.simultaneous_band import RecallBand, recall_band
from experiments.inference.verdict import Verdict, decide_arms
from experiments.process.parallel import in_parallel

_FEW_GROUPS = 5.0
"""Fewer effective test groups than this get a warning."""


def arm_bands(study: MeasuredStudy, pairs: Sequence[PairedRuns]) -> list[RecallBand]:
    """Simultaneous band of every row, over the recalls that every paired run reaches.

    If the headline is mean precision over a recall band, only recalls inside that count.
    """
    settings = study.settings
    levels = np.asarray(settings.recalls)
    inside = np.ones(len(levels), bool)
    if settings.headline == "mean_precision":
        low, high = settings.recall_band
        inside = (levels >= low - 1e-9) & (levels <= high + 1e-9)

    def band(index: int) -> RecallBand:
        pair = pairs[index]
        used = inside & pair.reached.all(axis=0) & pair.baseline_reached.all(axis=0)
        gains = pair.gains()[:, :, pair.recall_columns][:, :, used]
        if not pair.seeds:
            used, gains = np.zeros(len(levels), bool), np.full((1, pair.n_groups + 1, 0), np.nan)
        return recall_band(
            levels[used],
            gains[:, 0],
            gains[:, 1:],
            margin=settings.margin,
            level=settings.level,
            n_draws=settings.n_draws,
            rng=np.random.default_rng([settings.seed, index]),
            df_group=float(pair.df_group[0]),
        )

    return in_parallel(band, range(len(pairs)), study.checked.worth_workers(settings.workers))


@dataclass(frozen=True)
class VerdictTables:
    """What is said of the arms, and of their masks behind them.

    Args:
        arms: a row per arm, over its masks.
        masks: a row per arm and mask.
    """

    arms: pd.DataFrame
    masks: pd.DataFrame


def verdict_tables(study: MeasuredStudy, pairs: Sequence[PairedRuns], bands: Sequence[RecallBand]) -> VerdictTables:
    """Verdicts for the headline (`verdict`) and for tuned F1 (`verdict_f1`), with the numbers behind them.

    The first verdict is that of an arm over its masks: of the mean of the gains. An arm that did not train in one of
    them is not trained; the numbers of its row, and its tests, are those of the others. Verdicts of masks
    come second, and are adjusted together with those of the arms (`decide_arms`).

    Intervals cover 1 - level each by itself: they are not adjusted for the number of arms and masks. Those that the
    verdicts rest on are `verdict_low` to `verdict_high`, of `headline_gain`, and `f1_verdict_low` to
    `f1_verdict_high`, of `f1_gain`. `df`, `v_seed`, `v_group` and the p values belong to the headline, those that
    begin with `f1_` to tuned F1. `p_difference` rests on `v_seed_steadied` with `seed_df` degrees of freedom, the seed
    variance: that of an arm is raised towards the median arm's if it is below that (`raised_seed_variances`), that of a
    mask among several is drawn towards the mean of all (`steady_seed_variances`). `p_equivalence` rests on `v_seed`.

    Args:
        study: measured.
        pairs: every arm in every mask, an arm's masks behind each other.
        bands: of the pairs.
    """
    settings, n_masks = study.settings, len(study.checked.masks)
    by_arm = [list(pairs[start : start + n_masks]) for start in range(0, len(pairs), n_masks)]
    of_curve = settings.headline in OF_CURVE
    headline = decided_about(study, by_arm, settings.headline, settings.headline_name, bands, of_curve=of_curve)
    f1 = decided_about(study, by_arm, "f1", "tuned F1", ())
    rows = [
        [
            _row(study, pair, band, (item, verdict), (f1_item, f1_verdict))
            for pair, band, item, verdict, f1_item, f1_verdict in zip(*columns, strict=True)
        ]
        for columns in (
            (headline.pairs, headline.bands, headline.arms, headline.of_arms, f1.arms, f1.of_arms),
            (headline.mask_pairs, bands, headline.masks, headline.of_masks, f1.masks, f1.of_masks),
        )
    ]
    if settings.exact_and_tolerant is not None:
        known = {settings.headline: headline, "f1": f1}
        both = [
            known.get(name)
            or decided_about(study, by_arm, name, settings.name_of(name), bands, of_curve=name in OF_CURVE)
            for name in settings.exact_and_tolerant
        ]
        beside = (_beside(settings, both, of_arms=True), _beside(settings, both, of_arms=False))
        rows = [[a | b for a, b in zip(*each, strict=True)] for each in zip(rows, beside, strict=True)]
    return VerdictTables(*(pd.DataFrame(each) for each in rows))


@dataclass(frozen=True)
class Decided:
    """Evidence and verdicts about one statistic: of A arms, and of A times M masks."""

    pairs: list[PairedRuns]
    mask_pairs: list[PairedRuns]
    bands: list[RecallBand]
    arms: list[Evidence]
    of_arms: list[Verdict]
    masks: list[Evidence]
    of_masks: list[Verdict]


def _beside(settings: CompareSettings, both: Sequence[Decided], *, of_arms: bool) -> list[dict[str, Any]]:
    """Columns of the verdicts without and within the tolerance, a row per arm, or per arm and mask."""
    n_rows = len(both[0].arms if of_arms else both[0].masks)
    rows: list[dict[str, Any]] = [{"tolerance": settings.tolerance} for _ in range(n_rows)]
    for name, found in zip(("exact", "tolerant"), both, strict=True):
        evidence, verdicts = (found.arms, found.of_arms) if of_arms else (found.masks, found.of_masks)
        for row, item, verdict in zip(rows, evidence, verdicts, strict=True):
            row |= {
                f"verdict_{name}": verdict.word,
                **interval_columns(f"{name}_gain", item.gain, settings.level),
                f"{name}_verdict_low": verdict.low,
                f"{name}_verdict_high": verdict.high,
                f"reason_{name}": verdict.reason,
            }
    return rows


def decided_about(
    study: MeasuredStudy,
    by_arm: Sequence[Sequence[PairedRuns]],
    column: str,
    name: str,
    bands: Sequence[RecallBand],
    *,
    of_curve: bool = False,
) -> Decided:
    """Decide about one statistic.

    Args:
        study: measured.
        by_arm: pairs of each arm, mask by mask.
        column: of the statistic.
        name: of the statistic, in sentences.
        bands: of every arm and mask; without them none is made of an arm either.
        of_curve: whether curves can be said to cross; else the bands are only shown.
    """
    n_masks = len(study.checked.masks)
    counted = counted_masks(study, column)
    by_arm = [[study.judged_by(pair, column) for pair in row] for row in by_arm]
    whole = [[row[mask] for mask in counted or range(n_masks)] for row in by_arm]
    trained = [[pair for pair in row if not pair.untrained] or row for row in whole]
    of_arms = [over_masks(row, study.checked.masks) for row in trained]
    over_arms = arm_bands(study, of_arms) if bands else []
    flat = [pair for row in by_arm for pair in row]
    failed = [
        "" if rest[0].untrained else untrained_masks(row, study.checked.masks)
        for row, rest in zip(whole, trained, strict=True)
    ]
    arms = [
        replace(_evidence(study, pair, column, over_arms[i] if of_curve else None), failed=failed[i])
        for i, pair in enumerate(of_arms)
    ]
    masks = [_evidence(study, pair, column, bands[i] if of_curve else None) for i, pair in enumerate(flat)]
    by_mask = [masks[start : start + n_masks] for start in range(0, len(masks), n_masks)]
    decided, behind = decide_arms(
        arms, by_mask, study.settings.rule(name), counted=counted, mask_names=study.checked.masks
    )
    return Decided(of_arms, flat, over_arms, arms, decided, masks, [verdict for row in behind for verdict in row])


def counted_masks(study: MeasuredStudy, column: str) -> tuple[int, ...]:
    """Masks that an arm's mean is over: those of which a verdict can be had and of which the baseline is trained.

    The same for every arm: a mask that only one arm fails at counts.
    """
    checked = study.checked
    seeds = sorted(checked.runs[checked.baseline])
    return tuple(
        mask
        for mask in range(len(checked.masks))
        if not any(study.levels_of(column)[checked.baseline, seed][mask].untrained for seed in seeds)
        and not _mask_problem(study, mask, column, [(checked.baseline, seed) for seed in seeds])
    )


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
        "mask": mask_name(checked.masks, pair.masks),
        "baseline": checked.baseline,
        "headline": settings.headline,
        "verdict": verdict.word,
        "verdict_f1": f1_verdict.word,
        **interval_columns("headline_gain", item.gain, settings.level),
        "verdict_low": verdict.low,
        "verdict_high": verdict.high,
        "rests_on": verdict.rests_on,
        "smallest_margin": verdict.smallest_margin,
        **interval_columns("ap_gain", pair.difference(["ap"]), settings.level),
        **interval_columns("f1_gain", f1_item.gain, settings.level),
        "f1_verdict_low": f1_verdict.low,
        "f1_verdict_high": f1_verdict.high,
        "f1_rests_on": f1_verdict.rests_on,
        "f1_smallest_margin": f1_verdict.smallest_margin,
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
        "n_masks": len(pair.masks),
        "n_seeds": len(pair.seeds),
        "n_groups": pair.n_groups,
        "effective_groups": float(item.gain.effective_groups[0]),
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
        **_of_trained_seeds(study, pair),
    }


def mask_name(names: Sequence[str], masks: Sequence[int]) -> str:
    """Name of a mask, or "mean of a, b and c"."""
    chosen = [names[mask] for mask in masks]
    return chosen[0] if len(chosen) == 1 else f"mean of {', '.join(chosen[:-1])} and {chosen[-1]}"


def _of_trained_seeds(study: MeasuredStudy, pair: PairedRuns) -> dict[str, Any]:
    """Columns of the seeds of which both runs trained, and of what is known of collapses.

    collapse_excluded: the share of collapsing seeds that n clean seeds exclude at the level, 1 - level^(1/n).
    """
    known = pair.trained_seeds_only([study.settings.headline])
    n_bad = sum(level.untrained for level in pair.levels)
    n = len(pair.seeds)
    return {
        "n_trained_seeds": known.n_seeds,
        **interval_columns("trained_seeds_gain", known, study.settings.level),
        "n_collapsed": n_bad,
        "collapse_excluded": 1.0 - study.settings.level ** (1.0 / n) if n and not n_bad else float("nan"),
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
    kind = "tolerant_" if column in TOLERANT else ""
    point = [f"{kind}recall_natural", f"{kind}precision_natural"]
    place = SINGLE_VALUES.index(point[1])
    undefined = [np.isnan(rows[:, 0, place]).all() for rows in (pair.rows, pair.baseline_rows)]
    shares = pair.near_shares if kind else pair.prevalences
    at_chance = np.mean([_at_chance(column, share, study.settings.beta) for share in shares])
    untrained = pair.untrained
    if untrained:
        known = pair.trained_seeds_only([column])
        if 0 < known.n_seeds < len(pair.seeds):
            untrained += _conditional(known, study.settings)
    return Evidence(
        gain=pair.difference([column]),
        point=pair.difference(point),
        point_undefined_alike=bool(pair.seeds) and all(undefined),
        band=band,
        problem=_problem(study, pair, column),
        untrained=untrained,
        lead=pair.mean(column)[1] - float(at_chance),
    )


def _conditional(known: PairedDifference, settings: CompareSettings) -> str:
    """Say what the seeds show of which both runs trained."""
    low, high = (float(end[0]) for end in known.shown_interval(settings.level))
    interval = "" if np.isnan(low) else f" ({low:+.3f} to {high:+.3f})"
    seeds = "the seed" if known.n_seeds == 1 else f"the {known.n_seeds} seeds"
    return f"; {seeds} that did train: {settings.headline_name} {float(known.estimate[0]):+.3f}{interval}, if it trains"


def _at_chance(column: str, prevalence: float, beta: float) -> float:
    """Return the headline statistic of random scores; for F, at its best threshold, which is below all scores."""
    if column in ("ap", "mean_precision", "tolerant_ap"):
        return prevalence
    if column == "prg":
        return 0.0
    if column in CURVE_SPACE:
        return float("nan")  # depends on where the curves run
    squared = beta**2 if column == "fbeta" else 1.0
    return (1.0 + squared) * prevalence / (squared * prevalence + 1.0)


def _problem(study: MeasuredStudy, pair: PairedRuns, column: str) -> str:
    """Why a row cannot have a verdict; empty where it can."""
    base = study.checked.baseline
    if not pair.seeds:
        return f"no seed was run for both {pair.arm} and {base}"
    keys = [(name, seed) for name in (pair.arm, base) for seed in pair.seeds]
    found = [_mask_problem(study, mask, column, keys) for mask in pair.masks]
    if all(found):
        return found[0] if len(found) == 1 else f"none of the masks can have a verdict: {found[0]}"
    if pair.n_groups < 2:
        return "one test group: how much the test set matters is unknown; a verdict needs at least 2 groups"
    if len(pair.seeds) < 2:
        return "one seed: how much the seed matters is unknown; a verdict needs at least 2 seeds"
    return ""


def _mask_problem(study: MeasuredStudy, mask: int, column: str, keys: Sequence[tuple[str, int]]) -> str:
    """Why one mask cannot have a verdict, whatever the arm; empty where it can.

    Args:
        study: measured.
        mask: index.
        column: of the statistic.
        keys: arms and seeds to look at.
    """
    counts = study.points[keys[0]].points["natural"]
    if counts.n_positive[0, mask] == 0:
        return "no positive pixel of this mask in the test set"
    if column in ("f1", "fbeta", "tolerant_f1", *CURVE_SPACE):
        without = dict.fromkeys(arm for arm, seed in keys if study.checked.runs[arm][seed].val is None)
        if without:
            return f"no threshold could be tuned: no validation scores of {', '.join(without)}"
        if any(study.points[key].points["tuned"].codes[mask] is None for key in keys):
            return "no threshold could be tuned: no positive pixel of this mask in validation"
    curve = study.numbers[keys[0]][mask].curve
    if column in CURVE_SPACE and curve is not None:
        return problem_of_rows(curve, study.checked.group_names)
    sole = np.flatnonzero(counts.n_positive[1:, mask] == 0)
    if len(sole) and len(counts.n_positive) > 2:
        return f"all positive pixels of this mask lie in one test group, {study.checked.group_names[sole[0]]}"
    return ""


def _warning(study: MeasuredStudy, pair: PairedRuns) -> str:
    """Return a warning about this row for readers; empty if there is none."""
    warnings = []
    if len(pair.seeds) == 2:
        warnings.append("2 seeds: too few for an interval, and the variance over seeds is hardly known; take 3 or more")
    effective = float(pair.df_group[0]) + 1.0
    if pair.n_groups >= 2 and effective < _FEW_GROUPS:
        unequal = effective < pair.n_groups - 0.05
        counted = f"{pair.n_groups} test groups" + (f" that weigh like {effective:.1f} equal ones" if unequal else "")
        warnings.append(f"{counted}: the variance over groups is hardly known")
    for name in (pair.arm, study.checked.baseline):
        for seed in pair.seeds:
            if any(study.numbers[name, seed][mask].saturation.n_codes == 1 for mask in pair.masks):
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
