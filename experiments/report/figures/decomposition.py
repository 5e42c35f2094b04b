"""The decomposition figure: how much of an arm's change of natural F1 is frontier, and how much threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from experiments.comparison.compare_arms import Comparison
from experiments.report.facts import StudySize
from experiments.report.figures.panels import arm_rows, draw_into
from experiments.report.figures.style import RC, add_legend
from experiments.runs.study import StudyRuns, short_names

_PARTS: dict[str, tuple[str, dict[str, Any], float]] = {
    "frontier_part": ("frontier part (tuned F1)", {"facecolor": "#2f6f9f", "edgecolor": "#2f6f9f"}, -0.19),
    "threshold_part": ("threshold part", {"facecolor": "#f2d8b5", "edgecolor": "#9c6a1f", "hatch": "////"}, 0.19),
}


@dataclass(frozen=True)
class DecompositionDisplay:
    """The numbers of the decomposition figure: one panel per mask.

    Args:
        table: `comparison.decomposition`: a row per arm and mask, `f1_natural_change` = `frontier_part` +
            `threshold_part`, each with its interval.
        names: What to call each arm.
        baseline: The baseline arm.
        masks: Names of the masks.
        size: How many seeds and images the figure rests on.
    """

    table: pd.DataFrame
    names: Mapping[str, str]
    baseline: str
    masks: tuple[str, ...]
    size: StudySize

    @classmethod
    def of(cls, study: StudyRuns, comparison: Comparison) -> DecompositionDisplay | None:
        """Take the numbers from a comparison; None without an arm beside the baseline."""
        if not len(comparison.decomposition):
            return None
        names = short_names(list(study.complete))
        size = StudySize.of(study, comparison)
        return cls(comparison.decomposition, names, study.baseline, comparison.masks, size)

    @property
    def caption(self) -> str:
        """What is shown and what it rests on."""
        return (
            f"Change of F1 at the natural point (probability 0.5) against {self.names[self.baseline]} (diamond) = "
            "frontier part, the change of F1 at the thresholds tuned on validation, + threshold part, the rest: what "
            f"moving the threshold alone accounts for ({self.size.text}; {self.size.interval})."
        )

    def plot(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw one panel per mask.

        Raises:
            ValueError: When `axes` has another length than there are masks.
        """
        with plt.rc_context(RC):
            if axes is not None:
                return draw_into(axes, [(mask,) for mask in self.masks], self._panel, "mask")
            figure = arm_rows(self.masks, len(set(self.table["arm"])), self._panel)
            add_legend(figure, self._legend())
        return figure

    def _panel(self, ax: Axes, mask: str) -> None:
        rows = self.table[self.table["mask"] == mask].reset_index(drop=True)
        places = np.arange(len(rows))
        ax.axvline(0, color="black", linewidth=0.7)
        for part, (_, look, shift) in _PARTS.items():
            ax.barh(places + shift, rows[part], height=0.34, linewidth=0.6, zorder=2, **look)
            ends = (rows[f"{part}_low"], rows[f"{part}_high"])
            ax.hlines(places + shift, *ends, color="black", linewidth=0.8, zorder=3)
        ax.plot(rows["f1_natural_change"], places, "D", zorder=4, **_TOTAL)
        ax.set_yticks(places, [self.names[arm] for arm in rows["arm"]])
        ax.set(ylim=(len(rows) - 0.5, -0.5), xlabel="change of F1", title=mask)
        ax.margins(x=0.06)
        ax.locator_params(axis="x", nbins=5)

    def _legend(self) -> list[Patch | Line2D]:
        parts: list[Patch | Line2D] = [Patch(label=label, linewidth=0.6, **look) for label, look, _ in _PARTS.values()]
        return [
            *parts,
            Line2D([], [], marker="D", linestyle="none", label="change of natural F1 (their sum)", **_TOTAL),
            Line2D([], [], color="black", linewidth=0.8, label=f"{100 * (1 - self.size.level):g} % interval"),
        ]


_TOTAL: dict[str, Any] = {"color": "black", "markerfacecolor": "white", "markersize": 4.5, "markeredgewidth": 1.1}
