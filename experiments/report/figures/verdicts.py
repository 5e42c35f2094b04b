"""The verdict matrix: arms x masks, the word and the gain in each cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from experiments.comparison.compare_arms import Comparison
from experiments.inference.words import NOT_TRAINED
from experiments.report.facts import StudySize
from experiments.report.figures.panels import check_axes, figure_of, gain_table
from experiments.report.figures.style import COLUMN, PAGE, QUIET, RC, signed
from experiments.report.text.sayings import SAYINGS, UNSHOWN
from experiments.runs.study import StudyRuns, short_names


@dataclass(frozen=True)
class VerdictDisplay:
    """The numbers of the verdict matrix.

    Args:
        table: A row per arm and mask: `arm, mask, verdict, gain, gain_low, gain_high, verdict_f1, f1_gain`.
        names: What to call each arm.
        baseline: The baseline arm.
        masks: Names of the masks.
        headline: What the gain is of, in words.
        size: How many seeds and images the figure rests on.
    """

    table: pd.DataFrame
    names: Mapping[str, str]
    baseline: str
    masks: tuple[str, ...]
    headline: str
    size: StudySize

    @classmethod
    def of(cls, study: StudyRuns, comparison: Comparison) -> VerdictDisplay | None:
        """Take the numbers from a comparison; None without an arm beside the baseline."""
        verdicts = comparison.verdicts
        if not len(verdicts):
            return None
        return cls(
            table=gain_table(verdicts),
            names=short_names(list(study.complete)),
            baseline=study.baseline,
            masks=comparison.masks,
            headline=comparison.settings.headline_name,
            size=StudySize.of(study, comparison),
        )

    @property
    def caption(self) -> str:
        """What is shown and what it rests on."""
        return (
            f"Verdict on each arm against {self.names[self.baseline]}, per mask ({self.size.text}; margin "
            f"±{self.size.margin:g}, {self.size.corrected}), with the gain in "
            f"{self.headline}{self._interval} A last line names the verdict by tuned F1 where it is another."
        )

    @property
    def _interval(self) -> str:
        if self.size.few_seeds:
            return f"; {self.size.brackets}."
        return (
            f" and half the width of its {100 * (1 - self.size.level):g} % interval. The interval is the cell's own "
            "and the verdict is corrected for all cells, so an interval without 0 can still be undecided."
        )

    def plot(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw the matrix into one axes, or a new figure.

        Raises:
            ValueError: When `axes` does not hold one.
        """
        arms = list(dict.fromkeys(self.table["arm"]))
        with plt.rc_context(RC):
            if axes is None:
                width = min(PAGE, max(COLUMN, 0.75 + 0.95 * len(self.masks)))
                figure, ax = plt.subplots(figsize=(width, 0.45 * len(arms) + 0.45), layout="constrained")
            else:
                check_axes(axes, 1, "matrix")
                figure, ax = figure_of(axes), axes[0]
            for row, arm in enumerate(arms):
                for column, mask in enumerate(self.masks):
                    self._cell(ax, row, column, arm, mask)
            ax.set(xlim=(0, len(self.masks)), ylim=(len(arms), 0))
            ax.set_xticks(np.arange(len(self.masks)) + 0.5, self.masks, fontsize=8)
            ax.set_yticks(np.arange(len(arms)) + 0.5, [self.names[arm] for arm in arms], fontsize=8)
            ax.xaxis.tick_top()
            ax.tick_params(length=0)
            ax.spines[:].set_visible(False)
        return figure

    def _cell(self, ax: Axes, row: int, column: int, arm: str, mask: str) -> None:
        found = self.table[(self.table["arm"] == arm) & (self.table["mask"] == mask)]
        if not len(found):
            return
        cell = found.iloc[0]
        word = str(cell["verdict"])
        fill = SAYINGS[cell["verdict"]].shade
        edge: dict[str, Any] = {"edgecolor": QUIET if word in UNSHOWN else "white", "linewidth": 0.6}
        ax.add_patch(Rectangle((column + 0.02, row + 0.04), 0.96, 0.92, facecolor=fill, **edge))
        lines = [] if word == NOT_TRAINED else [f"{signed(cell['gain'])}{_half(cell)}"]
        if cell["verdict_f1"] != word:
            lines.append(f"F1: {cell['verdict_f1']}")
        weight = "normal" if word in UNSHOWN else "bold"
        ax.text(
            column + 0.5, row + 0.52 - 0.155 * len(lines), word, ha="center", va="center", fontsize=7.5, weight=weight
        )
        for place, line in enumerate(lines):
            height = row + 0.52 - 0.155 * len(lines) + 0.31 * (place + 1)
            ax.text(column + 0.5, height, line, ha="center", va="center", fontsize=7)


def _half(cell: pd.Series) -> str:
    half = 0.5 * (cell["gain_high"] - cell["gain_low"])
    return "" if half != half else f" ±{half:.3f}"
