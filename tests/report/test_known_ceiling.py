"""The drawn ceiling has no holes, and no straight line where precision has none."""

import numpy as np
import pandas as pd
import pytest

from experiments.report.figures.frontier import FrontierDisplay
from experiments.report.known_ceiling import Ceiling, without_holes


def test_ties_are_broken_at_random_between_the_thresholds():
    nan = float("nan")
    curve = pd.DataFrame({"recall": [0.1, 0.2, 0.4, 0.6, 0.8, 0.9], "precision": [nan, 1.0, nan, nan, 0.5, nan]})
    drawn = without_holes(curve)
    # False alarms per positive: 0 at recall .2 and .8 at recall .8, so 4/15 at .4 and 8/15 at .6.
    assert list(drawn["recall"]) == [0.2, 0.4, 0.6, 0.8]
    np.testing.assert_allclose(drawn["precision"], [1.0, 0.4 / (0.4 + 4 / 15), 0.6 / (0.6 + 8 / 15), 0.5])


def test_random_ties_do_on_average_what_is_drawn():
    rng = np.random.default_rng(0)
    probability = np.repeat([0.9, 0.3], [400, 2000])
    target = rng.random(len(probability)) < probability
    found = []
    for _ in range(300):
        order = np.lexsort((rng.random(len(probability)), -probability))
        hits = np.cumsum(target[order])
        at = np.searchsorted(hits, 0.7 * target.sum())
        found.append(hits[at] / (at + 1))
    first = target[:400].sum() / target.sum()
    ends = pd.DataFrame({"recall": [first, 0.7, 1.0], "precision": [target[:400].mean(), np.nan, target.mean()]})
    straight = np.interp(0.7, [first, 1.0], [target[:400].mean(), target.mean()])
    assert without_holes(ends)["precision"][1] == pytest.approx(np.mean(found), abs=0.005)
    assert abs(straight - np.mean(found)) > 0.01


def test_the_figure_draws_it_and_says_what_it_is(drawn_study, axes_of):
    curve = pd.DataFrame({"mask": "thin", "recall": [0.25, 0.5, 0.75], "precision": [1.0, np.nan, 0.5]})
    display = FrontierDisplay.of(*drawn_study, Ceiling(pd.DataFrame(), curve))
    assert "ties are broken at random" in display.caption
    axes = axes_of(2)
    display.plot(axes)
    drawn = [line.get_xydata() for line in axes[0].lines if len(line.get_xydata()) == 3]
    assert any(np.allclose(line, [[0.25, 1.0], [0.5, 0.5 / (0.5 + 0.375)], [0.75, 0.5]]) for line in drawn)
