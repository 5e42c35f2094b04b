"""The verdict of an arm and mask: a claim about two frontiers, "undecided", or "not trained"."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from experiments.inference.advice import advise
from experiments.inference.behrens_fisher import two_way_isf
from experiments.inference.claims import Evidence, PValues, arm_and_mask_p_values, p_values
from experiments.inference.paired_difference import MIN_SEEDS
from experiments.inference.rule import Rule
from experiments.inference.words import (
    CROSSES,
    MOVES_IN,
    MOVES_OUT,
    NOT_TRAINED,
    SLIDES,
    STAYS,
    UNDECIDED,
    Word,
    advice_sentence,
    band_sentence,
)

_CLOSE = 1e-9
"""Relative error of the quantiles of shown intervals: these must agree with the p values that words rest on."""

_LEAST_LEVEL = 1e-12
"""Of an interval; the quantiles of a t variable with one degree of freedom go no further."""


@dataclass(frozen=True)
class Verdict:
    """A verdict, its reason, and the tests behind it.

    Args:
        word: the verdict.
        reason: its reason, as text.
        p: the tests.
        advice: for "undecided": which variance dominates and what would decide; else empty.
        needed_seeds: seeds in all that would give an even chance of deciding; NaN unless undecided.
        needed_groups: the same of test groups.
        rests_on: what a decided word, or its lack, is read from: "gain"; "band" where curves cross; "further
            conditions" where the gain lies inside the margin and still is undecided; "" where there is no test.
        low: lower end of the interval that the word rests on, of the gain; NaN where there is none.
        high: its upper end. Above or below 0 as a whole where the gain moves, inside the margin where it slides or
            stays, neither where it is undecided.
        smallest_margin: the least margin inside which a gain of 0 would be shown with these seeds and groups.
    """

    word: Word
    reason: str
    p: PValues
    advice: str = ""
    needed_seeds: float = float("nan")
    needed_groups: float = float("nan")
    rests_on: str = ""
    low: float = float("nan")
    high: float = float("nan")
    smallest_margin: float = float("nan")


def decide(evidence: Sequence[Evidence], rule: Rule) -> list[Verdict]:
    """Verdict of every row; one call holds the whole family over which Holm adjusts.

    Five families are adjusted, each by itself at `rule.level`: difference, equivalence, crossing, operating point
    moved, operating point unchanged. A claim such as "slides" needs two of them to reject, which only makes it rarer.

    The first that holds:
    not trained: some run's AP is not shown to be above chance, so that there is no frontier to compare;
    crosses: better by more than the margin at some recall and worse by more than it at another;
    slides: gain inside the margin; natural recall or precision shown to have changed by more than the point margin;
    stays: gain inside the margin; both natural recall and precision inside the point margin;
    moves out (in): gain significantly above (below) 0, and not shown to be inside the margin;
    undecided: otherwise, and also for a gain inside the margin if the baseline itself lies within the margin of chance,
    because an untrained model would be "the same".
    """
    tests = p_values(evidence, rule)
    return [_with_interval(item, _decide_one(item, p, rule), rule) for item, p in zip(evidence, tests, strict=True)]


def decide_arms(
    arms: Sequence[Evidence],
    masks: Sequence[Sequence[Evidence]],
    rule: Rule,
    *,
    counted: Sequence[int],
    mask_names: Sequence[str],
) -> tuple[list[Verdict], list[list[Verdict]]]:
    """Verdict of every arm, over its masks, and behind it the verdict of each mask; rules as in `decide`.

    The p values of arms and masks are adjusted together (`arm_and_mask_p_values`), arms first: any false claim about an
    arm or a mask has the level of `rule`, family by family. An arm whose mean gain
    lies inside the margin while a mask's own interval lies beyond it is undecided: its masks disagree.

    Args:
        arms: A, of the mean over the counted masks.
        masks: A times M.
        rule: margins and level.
        counted: masks that the arms' means are over.
        mask_names: M.
    """
    arm_tests, mask_tests = arm_and_mask_p_values(arms, masks, counted, rule)
    decided = []
    for item, p, row in zip(arms, arm_tests, masks, strict=True):
        verdict = _decide_one(item, p, rule)
        apart = [mask_names[m] for m in counted if _beyond(row[m], rule)]
        if verdict.word in (SLIDES, STAYS) and apart:
            reason = f"{verdict.reason}, but the masks disagree: that of {', '.join(apart)} lies beyond the margin"
            verdict = Verdict(UNDECIDED, reason, p)
        decided.append(_with_interval(item, verdict, rule))
    return decided, [
        [_with_interval(item, _decide_one(item, p, rule), rule) for item, p in zip(row, tests, strict=True)]
        for row, tests in zip(masks, mask_tests, strict=True)
    ]


def _beyond(item: Evidence, rule: Rule) -> bool:
    """Whether a row's own interval lies beyond the margin as a whole."""
    low, high = (float(end[0]) for end in item.gain.interval(rule.level))
    return low > rule.margin or high < -rule.margin


def _with_interval(item: Evidence, verdict: Verdict, rule: Rule) -> Verdict:
    """Add the interval of the gain that the word rests on, by inverting the adjusted tests behind it.

    A difference is claimed where d +- q(level / (2 factor)) leaves out 0, an equivalence where d +- q(level / factor)
    lies inside the margin, q the quantile of the two-way tail and factor what the adjustment multiplied p by. Where
    neither is claimed the interval is the hull of both.
    """
    p, gain = verdict.p, item.gain
    if item.untrained or item.failed or item.problem or np.isnan(p.difference) or gain.n_seeds < MIN_SEEDS:
        return verdict
    v_group, groups = float(gain.v_group[0]), float(gain.effective_groups[0])
    differs, within = (
        max(rule.level / max(factor, 1.0), _LEAST_LEVEL) for factor in (p.difference_factor, p.equivalence_factor)
    )
    outer = two_way_isf(differs / 2.0, float(p.steady.variance[0]), v_group, p.steady.df + 1.0, groups, rtol=_CLOSE)
    inner = two_way_isf(within, float(gain.v_seed[0]), v_group, gain.n_seeds, groups, rtol=_CLOSE)
    same = p.equivalence_holm < rule.level
    half = inner if same else outer if p.difference_holm < rule.level else max(inner, outer)
    estimate = float(gain.estimate[0])
    if not same and p.difference_holm >= rule.level:
        half = max(half, abs(estimate))  # a mask behind an undecided arm may have too small a level to invert
    further = same and verdict.word == UNDECIDED
    return replace(
        verdict,
        rests_on="band" if verdict.word == CROSSES else "further conditions" if further else "gain",
        low=estimate - half,
        high=estimate + half,
        smallest_margin=inner,
    )


def _decide_one(item: Evidence, p: PValues, rule: Rule) -> Verdict:
    if item.untrained or item.failed:
        return Verdict(NOT_TRAINED, item.untrained or item.failed, p)
    if item.problem:
        return Verdict(UNDECIDED, item.problem, p)
    gain, name = float(item.gain.estimate[0]), rule.statistic
    if np.isnan(p.difference):
        if float(item.gain.standard_error[0]) == 0.0:
            reason = f"{name} differs by {gain:+.4f} and does not vary over seeds or groups: copies of one run?"
            return Verdict(UNDECIDED, reason, p)
        return Verdict(UNDECIDED, f"{name} is undefined in some seed or without some test group", p)
    if p.crosses_holm < rule.level and item.band is not None:
        return Verdict(CROSSES, f"{band_sentence(item.band)}; {name} differs by {gain:+.3f}", p)
    if p.equivalence_holm < rule.level:
        inside = f"{name} gain {gain:+.4f} is inside ±{rule.margin:g}"
        if item.lead <= rule.margin:
            reason = f"{inside}, and so is an untrained model: the baseline lies {item.lead:.2g} above chance"
            return Verdict(UNDECIDED, f"{reason}; a smaller margin would tell them apart", p)
        if p.moved_holm < rule.level:
            return Verdict(SLIDES, f"{inside} and the natural point moved: {_point(item)}", p)
        if p.same_holm < rule.level:
            return Verdict(STAYS, f"{inside} and the natural point stayed: {_point(item)}", p)
        reason = f"the frontier is the same ({inside}), the point's move is not established: {_point(item)}"
        return _undecided_point(item, p, rule, reason)
    if p.difference_holm < rule.level:
        word: Word = MOVES_OUT if gain > 0 else MOVES_IN
        side = "above" if gain > 0 else "below"
        return Verdict(word, f"{name} gain {gain:+.3f} is {side} 0 and not inside ±{rule.margin:g}", p)
    reason = (
        f"{name} gain {round(gain, 3) + 0.0:+.3f}: the data allow both no change and one larger than {rule.margin:g} "
        f"(p {min(p.difference_holm, 1):.2g} if it is 0, {min(p.equivalence_holm, 1):.2g} if it is outside, adjusted)"
    )
    return _undecided_gain(item, p, rule, reason)


def _undecided_gain(item: Evidence, p: PValues, rule: Rule, reason: str) -> Verdict:
    advice = advise(
        estimate=float(item.gain.estimate[0]),
        v_seed=float(item.gain.v_seed[0]),
        v_group=float(item.gain.v_group[0]),
        steady=p.steady,
        n_seeds=item.gain.n_seeds,
        n_groups=item.gain.n_groups,
        df_group=float(item.gain.groups_df[0]),
        margin=rule.margin,
        level_difference=rule.level / p.difference_factor,
        level_equivalence=rule.level / p.equivalence_factor,
    )
    text = advice_sentence(advice, item.gain.n_seeds, item.gain.n_groups)
    return Verdict(UNDECIDED, reason, p, text, advice.seeds, advice.groups)


def _undecided_point(item: Evidence, p: PValues, rule: Rule, reason: str) -> Verdict:
    """Give advice on the coordinate that changed most, if only the operating point is undecided."""
    # Precision may be defined with all groups but undefined without one; then its variance is unknown.
    known = np.where(np.isnan(item.point.standard_error), np.nan, np.abs(item.point.estimate))
    if np.isnan(known).all():
        return Verdict(UNDECIDED, reason, p)
    coordinate = int(np.nanargmax(known))
    advice = advise(
        estimate=float(item.point.estimate[coordinate]),
        v_seed=float(item.point.v_seed[coordinate]),
        v_group=float(item.point.v_group[coordinate]),
        n_seeds=item.point.n_seeds,
        n_groups=item.point.n_groups,
        df_group=float(item.point.groups_df[coordinate]),
        margin=rule.point_margin,
        # Two coordinates are looked at.
        level_difference=rule.level / (2 * p.difference_factor),
        level_equivalence=rule.level / p.equivalence_factor,
    )
    text = "about the operating point: " + advice_sentence(advice, item.point.n_seeds, item.point.n_groups)
    return Verdict(UNDECIDED, reason, p, text, advice.seeds, advice.groups)


def _point(item: Evidence) -> str:
    recall, precision = item.point.estimate
    if np.isnan(precision):
        return f"recall {recall:+.3f}, precision undefined"
    return f"recall {recall:+.3f}, precision {precision:+.3f}"
