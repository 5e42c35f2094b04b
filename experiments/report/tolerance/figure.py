"""The figure of frontiers within a distance: per mask, each arm's curve with and without tolerance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.comparison.compare_arms import Comparison
from experiments.report.facts import StudySize
from experiments.report.figures.frontier import f1_contours
from experiments.report.figures.panels import draw_into, recall_axes, recall_panels
from experiments.report.figures.style import QUIET, RC, add_legend, arm_handles, arm_styles
from experiments.runs.study import StudyRuns, short_names


@dataclass(frozen=True)
class ToleranceDisplay:
    """The numbers of the figure; `plot` draws them.

    Args:
        table: A row per arm, mask and recall, exact ones and those within the tolerance: `arm, mask, exact, recall,
            precision`; precision is the mean over seeds at the first threshold that reaches the recall.
        points: A row per arm, mask and operating point within the tolerance: `arm, mask, point, recall, precision`,
            means over seeds.
        chance: Precision of random scores within the tolerance, by mask.
        tolerance: In pixels.
        names: What to call each arm, the baseline first.
        baseline: The baseline arm.
        size: How many seeds and images the figure rests on.
    """

    table: pd.DataFrame
    points: pd.DataFrame
    chance: Mapping[str, float]
    tolerance: int
    names: Mapping[str, str]
    baseline: str
    size: StudySize

    @classmethod
    def of(cls, study: StudyRuns, comparison: Comparison) -> ToleranceDisplay | None:
        """Take the numbers from a comparison; None if it has no tolerance."""
        radius = comparison.settings.tolerance
        if radius is None:
            return None
        curves = [comparison.curves.assign(exact=True), comparison.tolerant_curves.assign(exact=False)]
        within = comparison.thin[comparison.thin["tolerance"] == radius]
        means = within.groupby(["arm", "mask"], sort=False)
        points = pd.concat(
            [
                means[[f"{point}_recall", f"{point}_precision"]]
                .mean()
                .rename(columns=lambda name: name.partition("_")[2])
                .reset_index()
                .assign(point=point)
                for point in ("natural", "tuned")
            ],
            ignore_index=True,
        )
        return cls(
            table=pd.concat(curves, ignore_index=True)[["arm", "mask", "exact", "recall", "precision"]],
            points=points,
            chance={mask: float(within.loc[within["mask"] == mask, "chance_ap"].iloc[0]) for mask in comparison.masks},
            tolerance=radius,
            names=short_names([arm for arm, seeds in study.complete.items() if seeds]),
            baseline=study.baseline,
            size=StudySize.of(study, comparison),
        )

    @property
    def caption(self) -> str:
        """What is shown and what it rests on."""
        pixels = f"{self.tolerance} pixel{'' if self.tolerance == 1 else 's'}"
        return (
            f"Precision and recall within {pixels} (thick) and exactly (thin), on the test set ({self.size.text}): a "
            "predicted pixel is right where a true one lies within the distance, a true pixel found where a predicted "
            "one does. Lines: mean over seeds. Filled: natural point, open: tuned point, both within the distance. "
            "Dotted: precision of random scores within the distance."
        )

    def plot(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw one panel per mask.

        Args:
            axes: One per mask to draw into; None makes a new figure with a legend.

        Raises:
            ValueError: When `axes` has another length than there are masks.
        """
        masks = list(self.chance)
        with plt.rc_context(RC):
            if axes is not None:
                return draw_into(axes, [(mask,) for mask in masks], self._panel, "mask")
            figure = recall_panels(masks, self._panel)
            kinds = [
                Line2D([], [], color=QUIET, linewidth=1.6, label=f"within {self.tolerance} px"),
                Line2D([], [], color=QUIET, label="exact", **_EXACT),
            ]
            add_legend(figure, [*arm_handles(self.names, self.baseline), *kinds])
        return figure

    def _panel(self, ax: Axes, mask: str) -> None:
        f1_contours(ax)
        ax.axhline(self.chance[mask], color=QUIET, linewidth=0.8, linestyle=":")
        own = self.table[self.table["mask"] == mask].sort_values("recall")
        for arm, style in arm_styles(list(self.names), self.baseline).items():
            of_arm = own[own["arm"] == arm]
            for exact in (True, False):
                curve = of_arm[of_arm["exact"] == exact]
                ax.plot(curve["recall"], curve["precision"], **style.line | (_EXACT if exact else {}))
            points = self.points[(self.points["arm"] == arm) & (self.points["mask"] == mask)]
            for point in ("natural", "tuned"):
                at = points[points["point"] == point]
                ax.plot(
                    at["recall"], at["precision"], zorder=5, clip_on=False, **style.point(filled=point == "natural")
                )
        recall_axes(ax, mask)


_EXACT: dict[str, Any] = {"linewidth": 0.7}
