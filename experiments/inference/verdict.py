"""The verdict of an arm and mask: a claim about two frontiers, "undecided", or "not trained"."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.inference.advice import advise
from experiments.inference.claims import Evidence, PValues, Rule, p_values
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


@dataclass(frozen=True)
class Verdict:
    """A verdict, its reason, and the tests behind it.

    Args:
        word: the verdict.
        reason: its reason, as text.
        p: the tests.
        advice: for "undecided": which variance dominates and what would decide; else empty.
        needed_seeds: total number of seeds that would decide; NaN unless undecided.
        needed_groups: total number of groups that would decide; NaN unless undecided.
    """

    word: Word
    reason: str
    p: PValues
    advice: str = ""
    needed_seeds: float = float("nan")
    needed_groups: float = float("nan")


def decide(evidence: Sequence[Evidence], rule: Rule) -> list[Verdict]:
    """Decide the verdict of every arm and mask; a call must contain the whole family over which Holm adjusts.

    Holm adjusts five families, each by itself over all arms and masks at `rule.level`: difference, equivalence,
    crossing, operating point moved, operating point unchanged. A claim such as "slides" needs rejections in two of
    them, which only makes it rarer.

    The first that holds:
    not trained: some run's AP is not shown to be above chance, so that there is no frontier to compare;
    crosses: better by more than the margin at some recall and worse by more than it at another;
    slides: gain inside the margin; natural recall or precision changed, by more than the point margin;
    stays: gain inside the margin; both natural recall and precision inside the point margin;
    moves out (in): gain significantly above (below) 0, and not shown to be inside the margin;
    undecided: otherwise, and also for a gain inside the margin if the baseline itself lies within the margin of chance,
    because an untrained model would be "the same".
    """
    tests = p_values(evidence, rule)
    return [_decide_one(item, p, rule) for item, p in zip(evidence, tests, strict=True)]


def _decide_one(item: Evidence, p: PValues, rule: Rule) -> Verdict:
    if item.untrained:
        return Verdict(NOT_TRAINED, item.untrained, p)
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
        f"{name} gain {round(gain, 3) + 0.0:+.3f} is neither shown to differ from 0 nor to lie inside ±{rule.margin:g} "
        f"(p {min(p.difference_holm, 1):.2g} if it is 0, {min(p.equivalence_holm, 1):.2g} if it is outside, after Holm)"
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
