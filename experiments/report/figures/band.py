"""The band figure: each arm's precision minus the baseline's over recall, with a band that holds at all recalls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from experiments.comparison.compare_arms import Comparison
from experiments.report.facts import StudySize
from experiments.report.figures.layout import FittedLayout
from experiments.report.figures.panels import draw_into
from experiments.report.figures.style import COLUMN, MARGIN, PAGE, QUIET, RC, SMALL, add_legend, arm_styles
from experiments.runs.study import StudyRuns, short_names


@dataclass(frozen=True)
class BandDisplay:
    """The numbers of the band figure: one panel per arm and mask.

    Args:
        table: A row per arm, mask and recall: `arm, mask, recall, difference, band_low, band_high, low, high, status`;
            the band holds at all recalls of a panel at once, low and high at a single recall.
        names: What to call each arm, the baseline first.
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
    def of(cls, study: StudyRuns, comparison: Comparison) -> BandDisplay | None:
        """Take the numbers from a comparison; None without an arm besides the baseline."""
        if not len(comparison.matched):
            return None
        names = short_names([arm for arm, seeds in study.complete.items() if seeds])
        rows = comparison.matched[comparison.matched["kind"] == "precision at recall"]
        rows = rows[rows["arm"].isin(list(names))].rename(columns={"level": "recall"})
        columns = ["arm", "mask", "recall", "difference", "band_low", "band_high", "low", "high", "n_seeds", "status"]
        table = rows[columns].reset_index(drop=True)
        size = StudySize.of(study, comparison)
        return cls(table, names, study.baseline, comparison.masks, size) if len(table) else None

    @property
    def caption(self) -> str:
        """What is shown and what it rests on."""
        return (
            f"Precision at the same recall, arm less {self.names[self.baseline]} ({self.size.text}). Line: mean over "
            f"seeds; band: holds at all recalls of a panel at once with probability {1 - self.size.level:g} (simulated "
            "joint distribution of seeds and test groups). Dots where the whole band lies on one side of 0. Shaded: "
            f"±{self.size.margin:g}, the margin. No value where some run does not reach the recall: nothing is "
            "extrapolated. Panels of an arm share their scale, arms do not."
        )

    def plot(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw one panel per arm and mask, arms below each other.

        Args:
            axes: One per arm and mask, all masks of the first arm first; None makes a new figure.

        Raises:
            ValueError: When `axes` has another length.
        """
        arms = [arm for arm in self.names if arm != self.baseline]
        with plt.rc_context(RC):
            if axes is not None:
                return draw_into(
                    axes, [(arm, mask) for arm in arms for mask in self.masks], self._panel, "arm and mask"
                )
            width = COLUMN if len(self.masks) == 1 else PAGE
            figure, grid = plt.subplots(
                len(arms),
                len(self.masks),
                figsize=(width, 1.05 * len(arms) + 0.4),
                squeeze=False,
                sharex=True,
                sharey="row",
                layout=FittedLayout(),
            )
            for row, arm in zip(grid, arms, strict=True):
                for ax, mask in zip(row, self.masks, strict=True):
                    self._panel(ax, arm, mask)
                    ax.set(title=mask if arm == arms[0] else "", xlabel="recall" if arm == arms[-1] else "", ylabel="")
                row[0].set_ylabel(self.names[arm])
            figure.supylabel("precision difference at the same recall", fontsize=8)
            add_legend(figure, self._legend())
        return figure

    def _panel(self, ax: Axes, arm: str, mask: str) -> None:
        style = arm_styles(list(self.names), self.baseline)[arm]
        rows = self.table[(self.table["arm"] == arm) & (self.table["mask"] == mask)].sort_values("recall")
        ax.axhspan(-self.size.margin, self.size.margin, **MARGIN, zorder=0)
        ax.axhline(0, color="black", linewidth=0.7, zorder=1)
        ax.fill_between(
            rows["recall"], rows["band_low"], rows["band_high"], color=style.colour, alpha=0.22, linewidth=0
        )
        for edge in ("band_low", "band_high"):
            ax.plot(rows["recall"], rows[edge], color=style.colour, linewidth=0.5)
        ax.plot(rows["recall"], rows["difference"], color=style.colour, linewidth=1.3)
        sure = rows[(rows["band_low"] > 0) | (rows["band_high"] < 0)]
        ax.plot(sure["recall"], sure["difference"], "o", color=style.colour, markersize=3)
        reached = rows[rows["difference"].notna()]
        if not len(reached):
            ax.annotate("no recall that all runs reach", (0.5, 0.5), xycoords="axes fraction", ha="center", **SMALL)
        elif len(reached) < len(rows):
            last = float(reached["recall"].max())
            if last < rows["recall"].max():
                ax.axvspan(last, 1, facecolor="none", edgecolor=QUIET, hatch="////", alpha=0.35, linewidth=0)
        ax.set(xlim=(0, 1), xticks=[0, 0.25, 0.5, 0.75, 1], xlabel="recall", ylabel="precision difference")
        ax.set_xticklabels(["0", "", "0.5", "", "1"])
        ax.set_title(f"{self.names[arm]}, {mask}")
        ends = rows[["band_low", "band_high", "difference"]].to_numpy(dtype=float)
        low, high = ax.get_ylim()  # a difference of precision stays within -1 to 1, but its band may not
        if np.nanmax(np.abs(ends), initial=0) > 1:
            ax.set_ylim(max(low, -1.02), min(high, 1.02))

    def _legend(self) -> list[Line2D | Patch]:
        handles: list[Line2D | Patch] = [
            Line2D([], [], color=QUIET, linewidth=1.3, label="mean over seeds"),
            Patch(color=QUIET, alpha=0.3, linewidth=0, label=f"simultaneous {100 * (1 - self.size.level):g} % band"),
            Line2D([], [], color=QUIET, marker="o", linestyle="none", markersize=3, label="band excludes 0"),
            Patch(**MARGIN, label=f"margin ±{self.size.margin:g}"),
        ]
        status = self.table["difference"].isna()
        if np.any(status):
            handles.append(
                Patch(
                    facecolor="none",
                    edgecolor=QUIET,
                    hatch="////",
                    alpha=0.5,
                    linewidth=0,
                    label="recall not reached by every run",
                )
            )
        return handles
