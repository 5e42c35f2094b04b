"""The rule of the verdict, word by word, on evidence set by hand."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.inference.advice import advise
from experiments.inference.claims import Evidence, p_values
from experiments.inference.paired_difference import PairedDifference
from experiments.inference.rule import Rule
from experiments.inference.simultaneous_band import RecallBand
from experiments.inference.verdict import decide
from experiments.inference.words import advice_sentence


def _difference(*values: float, error: float = 0.001, n_seeds: int = 5, n_groups: int = 50) -> PairedDifference:
    v = np.full(len(values), error**2)
    return PairedDifference(np.array(values), 0.3 * v, 0.7 * v, n_seeds, n_groups)


def _evidence(gain: float, point: tuple[float, float] = (0.0, 0.0), error: float = 0.001, **options) -> Evidence:
    return Evidence(_difference(gain, error=error), _difference(*point, error=0.004), **options)


def _band(p: float) -> RecallBand:
    recalls = np.array([0.2, 0.25, 0.8])
    difference = _difference(0.1, 0.05, -0.1)
    return RecallBand(recalls, difference, np.array([0.05, 0.01, -0.15]), np.array([0.15, 0.09, -0.05]), p)


@pytest.mark.parametrize(
    ("item", "word", "words"),
    [
        (_evidence(0.05), "moves out", "AP gain +0.050 is above 0 and not inside ±0.01"),
        (_evidence(-0.05), "moves in", "AP gain -0.050 is below 0 and not inside ±0.01"),
        (_evidence(0.001, (0.4, -0.3)), "slides", "natural point moved: recall +0.400, precision -0.300"),
        (_evidence(0.001, (0.0, -0.3)), "slides", "precision -0.300"),
        (_evidence(0.001, (0.01, -0.01)), "stays", "natural point stayed"),
        (_evidence(0.0, error=0.1), "undecided", "the data allow both no change and one larger than 0.01"),
        (_evidence(0.05, band=_band(0.001)), "crosses", "better at recall 0.20-0.25, worse at recall 0.80"),
        (_evidence(0.001, (0.4, -0.3), band=_band(0.001)), "crosses", "AP differs by +0.001"),
        (_evidence(0.05, band=_band(0.2)), "moves out", "above 0"),
        (_evidence(0.05, problem="one seed"), "undecided", "one seed"),
        # Significant, but shown to be too small to matter: the equivalence goes before.
        (_evidence(0.004, (0.4, -0.3)), "slides", "inside ±0.01"),
        # Neither moved nor shown to stay.
        (_evidence(0.001, (0.05, 0.045)), "undecided", "the frontier is the same"),
    ],
)
def test_each_word(item: Evidence, word: str, words: str) -> None:
    (verdict,) = decide([item], Rule())
    assert verdict.word == word
    assert words in verdict.reason
    assert bool(verdict.advice) == (word == "undecided" and not item.problem)


def test_a_move_smaller_than_the_margin_is_no_slide() -> None:
    """A change of the point that is significant, and smaller than its margin, does not make a slide."""
    (verdict,) = decide([_evidence(0.001, (0.03, -0.03))], Rule())
    assert verdict.p.moved_holm == 1.0
    assert verdict.word == "stays"
    (wider,) = decide([_evidence(0.001, (0.03, -0.03))], Rule(point_margin=0.02))
    assert wider.word == "slides"


def test_the_p_of_a_moved_point_is_twice_the_smaller_of_the_coordinates_beyond_the_margin() -> None:
    point = _difference(0.06, -0.09, error=0.04)
    (p,) = p_values([replace(_evidence(0.001), point=point)], Rule())
    beyond = point.p_beyond(0.05)
    assert p.moved_holm == pytest.approx(2 * float(beyond.min()), rel=1e-12)
    # As surely different from 0 as can be, and not shown to be beyond the margin: no move.
    (p,) = p_values([replace(_evidence(0.001), point=_difference(0.051, 0.0, error=0.002))], Rule())
    assert p.moved_holm > 0.5
    # Both must stay, so the larger p counts.
    (p,) = p_values([replace(_evidence(0.001), point=_difference(0.06, -0.049, error=0.02))], Rule())
    assert p.same_holm == pytest.approx(float(_difference(0.06, -0.049, error=0.02).p_equivalence(0.05)[0]), rel=1e-12)


def test_beyond_the_margin_is_a_one_sided_test_at_its_edge() -> None:
    shifted = _difference(0.06, 0.0, error=0.02)
    alone = _difference(0.01, 0.0, error=0.02).p_difference()[0] / 2
    far = _difference(0.11, 0.0, error=0.02).p_difference()[0] / 2
    assert shifted.p_beyond(0.05)[0] == pytest.approx(float(alone + far), rel=1e-9)
    assert shifted.p_beyond(0.0)[0] == pytest.approx(float(shifted.p_difference()[0]), rel=1e-9)


def test_undefined_precision() -> None:
    nan = float("nan")
    # The baseline predicts nothing: recall alone establishes the move.
    (slides,) = decide([_evidence(0.001, (0.9, nan))], Rule())
    assert slides.word == "slides"
    assert "precision undefined" in slides.reason
    # Undefined in one of the two: that the point stayed cannot be shown.
    (unknown,) = decide([_evidence(0.001, (0.0, nan))], Rule())
    assert unknown.word == "undecided"
    # Neither predicts anything: nothing moved.
    (alike,) = decide([_evidence(0.001, (0.0, nan), point_undefined_alike=True)], Rule())
    assert alike.word == "stays"


def test_a_point_that_varies_over_nothing() -> None:
    still = PairedDifference(np.array([1.0, np.nan]), np.array([0.0, np.nan]), np.array([0.0, np.nan]), 5, 50)
    item = replace(_evidence(0.001), point=still)
    assert decide([item], Rule())[0].word == "slides"


@pytest.mark.parametrize(("moved", "p_same"), [(0.05, 1.0), (0.0499, 0.0)])
def test_a_still_point_at_its_margin_is_not_inside_it(moved: float, p_same: float) -> None:
    """Of what does not vary, recall has moved by the margin and precision not at all."""
    still = _difference(moved, 0.0, error=0.0)
    (p,) = p_values([replace(_evidence(0.001), point=still)], Rule(point_margin=0.05))
    assert (p.same_holm, p.moved_holm) == (p_same, 1.0)


def test_identical_runs_stay_and_copies_that_differ_are_undecided() -> None:
    zero, far = _difference(0.0, error=0.0), _difference(0.3, error=0.0)
    point = _difference(0.0, 0.0, error=0.0)
    same, copies = decide([Evidence(zero, point), Evidence(far, point)], Rule())
    assert same.word == "stays"
    assert copies.word == "undecided"
    assert "copies of one run" in copies.reason


def test_a_gain_that_is_undefined_without_some_group_is_undecided() -> None:
    gain = PairedDifference(np.array([0.2]), np.array([1e-6]), np.array([np.nan]), 5, 50)
    (verdict,) = decide([replace(_evidence(0.0), gain=gain)], Rule(statistic="F1"))
    assert (verdict.word, verdict.advice) == ("undecided", "")
    assert verdict.reason == "F1 is undefined in some seed or without some test group"


def test_holm_over_the_family() -> None:
    """One gain among many: p = .02 holds alone and not among ten."""
    item = _evidence(0.0, error=0.02)
    weak = replace(item, gain=_difference(0.049, error=0.02))
    (alone,) = decide([weak], Rule())
    assert alone.word == "moves out"
    assert 0.01 < alone.p.difference < 0.05
    among = decide([weak, *[item] * 9], Rule())[0]
    assert among.word == "undecided"
    assert among.p.difference_holm == pytest.approx(min(1.0, 10 * among.p.difference))
    # Those without a test count nowhere.
    with_problems = decide([weak, *[replace(item, problem="one seed")] * 9], Rule())[0]
    assert with_problems.word == "moves out"


def test_advice_uses_the_level_that_is_left_after_holm() -> None:
    def many_seeds(gain: float, error: float) -> Evidence:
        v = np.array([error**2])
        return replace(_evidence(gain), gain=PairedDifference(np.array([gain]), 0.05 * v, 0.95 * v, 30, 50))

    item = many_seeds(0.03, 0.02)
    alone = decide([item], Rule())[0]
    among = decide([item, *[many_seeds(0.5, 0.001)] * 3, *[many_seeds(0.0, 0.02)] * 6], Rule())[0]
    assert alone.word == among.word == "undecided"
    assert alone.needed_groups < among.needed_groups < np.inf
    assert p_values([item] * 4, Rule())[0].difference_factor == 4


def test_each_family_has_its_own_factors() -> None:
    """Of two rows the first has the smaller p of a difference, the second of equivalence; a third cannot be tested."""
    rows = [_evidence(0.05, error=0.02), _evidence(0.0, error=0.004), _evidence(0.0, problem="one seed")]
    first, second, problem = p_values(rows, Rule())
    assert first.difference < second.difference
    assert second.equivalence < first.equivalence
    assert (first.difference_factor, first.equivalence_factor) == (2, 1)
    assert (second.difference_factor, second.equivalence_factor) == (1, 2)
    # One without a test is not steadied: it keeps the variance and the degrees of freedom of its own five seeds.
    assert (problem.steady.variance, problem.steady.df) == (rows[2].gain.v_seed, 4)


def test_advice_is_asked_for_at_the_level_of_its_test() -> None:
    """Two equal rows, so that Holm divides by two; the operating point adds two tested coordinates."""
    item = _evidence(0.006, error=0.006)
    verdict = decide([item, item], Rule())[0]
    gain = item.gain
    expected = advise(
        estimate=0.006,
        v_seed=float(gain.v_seed[0]),
        v_group=float(gain.v_group[0]),
        steady=verdict.p.steady,
        n_seeds=5,
        n_groups=50,
        margin=0.01,
        level_difference=0.025,
        level_equivalence=0.025,
    )
    assert verdict.advice == advice_sentence(expected, 5, 50)
    assert (verdict.needed_seeds, verdict.needed_groups) == (expected.seeds, expected.groups)

    item = replace(_evidence(0.001), point=replace(_difference(0.03, -0.045, error=0.02), n_seeds=4, n_groups=40))
    verdict = decide([item, item], Rule())[0]
    expected = advise(
        estimate=-0.045,
        v_seed=float(item.point.v_seed[1]),
        v_group=float(item.point.v_group[1]),
        n_seeds=4,
        n_groups=40,
        margin=0.05,
        level_difference=0.05 / 4,
        level_equivalence=0.05 / 2,
    )
    assert verdict.advice == "about the operating point: " + advice_sentence(expected, 4, 40)
    assert (verdict.needed_seeds, verdict.needed_groups) == (expected.seeds, expected.groups)


@pytest.mark.parametrize(
    ("item", "claim", "p", "instead"),
    [
        (_evidence(0.05, error=0.02), "moves out", "difference_holm", "undecided"),
        (_evidence(0.001, error=0.003), "stays", "equivalence_holm", "undecided"),
        (_evidence(0.05, band=_band(0.03)), "crosses", "crosses_holm", "moves out"),
        (replace(_evidence(0.001), point=_difference(0.12, 0.0, error=0.02)), "slides", "moved_holm", "undecided"),
        (replace(_evidence(0.001), point=_difference(0.01, -0.01, error=0.015)), "stays", "same_holm", "undecided"),
    ],
)
def test_a_p_value_at_the_level_claims_nothing(item: Evidence, claim: str, p: str, instead: str) -> None:
    assert decide([item], Rule())[0].word == claim
    at = getattr(p_values([item], Rule())[0], p)
    assert 1e-3 < at < 0.05
    assert decide([item], Rule(level=at))[0].word == instead
    assert decide([item], Rule(level=np.nextafter(at, 1)))[0].word == claim


def test_a_baseline_a_margin_above_chance_is_too_near_to_it() -> None:
    near, further = (replace(_evidence(0.001), lead=lead) for lead in (0.01, np.nextafter(0.01, 1)))
    assert [verdict.word for verdict in decide([near, further], Rule(margin=0.01))] == ["undecided", "stays"]


def test_level_and_margins_matter() -> None:
    item = _evidence(0.015, error=0.006)
    assert decide([item], Rule())[0].word == "moves out"
    assert decide([item], Rule(level=0.001))[0].word == "undecided"
    assert decide([item], Rule(margin=0.05))[0].word == "stays"


@pytest.mark.parametrize(
    "options",
    [
        {"margin": 0.0},
        {"margin": 1.0},
        {"point_margin": 0.0},
        {"point_margin": 1.0},
        {"level": 0.0},
        {"level": 0.5},
    ],
)
def test_bad_rules_are_named(options: dict) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))}: expected a number in"):
        Rule(**options)


def test_a_precision_whose_variance_is_unknown_leaves_the_advice_to_recall() -> None:
    # Defined over all groups, undefined without one of them: its variance is NaN.
    point = _difference(0.04, 0.3, error=0.02)
    unknown = replace(point, v_seed=np.array([point.v_seed[0], np.nan]), v_group=np.array([point.v_group[0], np.nan]))
    (verdict,) = decide([replace(_evidence(0.001), point=unknown)], Rule())
    assert verdict.word == "undecided"
    assert verdict.advice.startswith("about the operating point")
    (verdict,) = decide([replace(_evidence(0.001), point=replace(unknown, v_seed=np.full(2, np.nan)))], Rule())
    assert (verdict.word, verdict.advice) == ("undecided", "")
