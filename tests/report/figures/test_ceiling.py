"""The frontier figure draws the ceiling without holes."""

import numpy as np
import pandas as pd

from experiments.comparison.ceiling import Ceiling
from experiments.report.figures.frontier import FrontierDisplay


def test_the_figure_draws_it_and_says_what_it_is(drawn_study, axes_of):
    curve = pd.DataFrame({"mask": "thin", "recall": [0.25, 0.5, 0.75], "precision": [1.0, np.nan, 0.5]})
    display = FrontierDisplay.of(*drawn_study, Ceiling(pd.DataFrame(), curve))
    assert "ties are broken at random" in display.caption
    axes = axes_of(2)
    display.plot(axes)
    drawn = [line.get_xydata() for line in axes[0].lines if len(line.get_xydata()) == 3]
    assert any(np.allclose(line, [[0.25, 1.0], [0.5, 0.5 / (0.5 + 0.375)], [0.75, 0.5]]) for line in drawn)
