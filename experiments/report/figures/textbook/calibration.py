"""The calibration figure: how often pixels with a stated probability p are positive, per arm and mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from experiments.comparison.compare_arms import Comparison
from experiments.frontier.calibration import FEWEST_POSITIVES, reliability_table
from experiments.process.on_demand import Mapped
from experiments.report.facts import StudySize
from experiments.report.figures.layout import FittedLayout
from experiments.report.figures.panels import draw_into
from experiments.report.figures.style import COLUMN, MINUS, PAGE, QUIET, RC, SMALL, add_legend, arm_handles, arm_styles
from experiments.runs.study import StudyRuns, short_names

_TITLES = {"as stated": "as stated", "corrected": "after prior correction"}


@dataclass(frozen=True)
class CalibrationDisplay:
    """The numbers of the calibration figure: a row of panels as stated, and a corrected one if theory predicts it.

    Args:
        table: From `reliability_table`.
        names: What to call each arm, the baseline first.
        baseline: The baseline arm.
        masks: Names of the masks.
        prevalence: Positive share of each mask in the test split.
        size: How many seeds and images the figure rests on.
    """

    table: pd.DataFrame
    names: Mapping[str, str]
    baseline: str
    masks: tuple[str, ...]
    prevalence: Mapping[str, float]
    size: StudySize

    @classmethod
    def of(cls, study: StudyRuns, comparison: Comparison) -> CalibrationDisplay:
        """Count from the runs' histograms; theory comes from the comparison's settings."""
        arms = [arm for arm, seeds in study.complete.items() if seeds]
        runs = {arm: Mapped(study.complete[arm], lambda run: run.scores["test"]) for arm in arms}
        maps = {arm: comparison.settings.score_maps(arm, len(comparison.masks)) for arm in arms}
        return cls(
            table=reliability_table(runs, maps),
            names=short_names(arms),
            baseline=study.baseline,
            masks=comparison.masks,
            prevalence=comparison.prevalence,
            size=StudySize.of(study, comparison),
        )

    @property
    def rows(self) -> list[str]:
        """Rows of panels: the scores as stated and, if theory covers any arm, corrected."""
        return [name for name in _TITLES if (self.table["scores"] == name).any()]

    @property
    def caption(self) -> str:
        """What is shown and what it rests on."""
        corrected = [self.names[arm] for arm in self.names if self._has_theory(arm)]
        after = (
            f" Below, after undoing what theory says the loss did to the probabilities ({', '.join(corrected)}; for a "
            f"weight w: logit {MINUS} ln w), with {self.names[self.baseline]} as it is."
            if corrected
            else ""
        )
        return (
            f"Reliability of the predicted probabilities on the test set ({self.size.text}, pixels of all seeds "
            "pooled): share of positive pixels over the mean stated probability, in bins of half a decade of the odds, "
            f"joined until each holds {FEWEST_POSITIVES} positives. On the diagonal a model is calibrated; above it, "
            "positives are more frequent than stated. Logarithmic, because positives are rare; cross lines: "
            f"prevalence.{after}"
        )

    def plot(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw one panel per kind of scores and mask.

        Raises:
            ValueError: When `axes` has another length.
        """
        panels = [(kind, mask) for kind in self.rows for mask in self.masks]
        with plt.rc_context(RC):
            if axes is not None:
                return draw_into(axes, panels, self._panel, "kind of scores and mask")
            width = COLUMN if len(self.masks) == 1 else PAGE
            side = min(width / len(self.masks), 2.4)
            figure, grid = plt.subplots(
                len(self.rows),
                len(self.masks),
                figsize=(width, (side - 0.2) * len(self.rows) + 0.5),
                squeeze=False,
                sharex=True,
                sharey=True,
                layout=FittedLayout(),
            )
            for ax, (kind, mask) in zip(grid.flat, panels, strict=True):
                self._panel(ax, kind, mask)
                ax.set(xlabel="", ylabel="", title=mask if kind == self.rows[0] else "")
            for row, kind in zip(grid, self.rows, strict=True):
                row[0].set_ylabel(f"{_TITLES[kind]}\nshare of positives")
            for ax in grid[-1]:
                ax.set_xlabel("predicted probability")
            add_legend(figure, arm_handles(self.names, self.baseline))
        return figure

    def _panel(self, ax: Axes, kind: str, mask: str) -> None:
        floor = self.prevalence[mask]
        ax.plot([1e-12, 1], [1e-12, 1], color=QUIET, linewidth=0.8, zorder=1)
        if floor > 0:
            ax.axhline(floor, color=QUIET, linewidth=0.6, linestyle=":", zorder=1)
            ax.axvline(floor, color=QUIET, linewidth=0.6, linestyle=":", zorder=1)
        for arm, style in arm_styles(list(self.names), self.baseline).items():
            shown = kind if arm != self.baseline else "as stated"
            rows = self.table[
                (self.table["arm"] == arm) & (self.table["mask"] == mask) & (self.table["scores"] == shown)
            ]
            look = {**style.point(size=3.0), **style.line}
            if len(rows):
                ax.plot(rows["stated"], rows["frequency"], **look)
        ax.set(xscale="log", yscale="log", xlim=(self._lowest, 1), ylim=(self._lowest, 1))
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(LogLocator(base=10, numticks=5))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.set(xlabel="predicted probability", ylabel="share of positives", title=f"{mask}, {_TITLES[kind]}")
        ax.set_aspect("equal")
        if not len(self.table[self.table["mask"] == mask]):
            ax.annotate("no positive pixel", (0.5, 0.5), xycoords="axes fraction", ha="center", **SMALL)

    @property
    def _lowest(self) -> float:
        values = self.table[["stated", "frequency"]].to_numpy()
        lowest = float(values[values > 0].min()) if (values > 0).any() else 1e-4
        return float(np.clip(10 ** np.floor(np.log10(lowest)), 1e-5, 1e-2))

    def _has_theory(self, arm: str) -> bool:
        return bool(((self.table["arm"] == arm) & (self.table["scores"] == "corrected")).any())
