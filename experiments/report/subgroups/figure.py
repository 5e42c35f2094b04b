"""The dot plot of gains in subgroups: a panel per arm, a row per subgroup, both intervals."""

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
from matplotlib.ticker import MaxNLocator

from experiments.comparison.compare_arms import Comparison
from experiments.comparison.subgroups.compare import TOO_FEW, SubgroupVerdicts
from experiments.report.facts import StudySize
from experiments.report.figures.gains import OWN, RESTS_ON, draw_gain
from experiments.report.figures.panels import arm_rows, draw_into
from experiments.report.figures.style import MARGIN, MINUS, QUIET, RC, add_legend, arm_styles
from experiments.report.gains import GainAxis
from experiments.report.text.sayings import UNSHOWN
from experiments.runs.study import StudyRuns, short_names

ALL = "all images"
_COLUMNS = ["headline_gain", "headline_gain_low", "headline_gain_high", "verdict_low", "verdict_high"]


@dataclass(frozen=True)
class SubgroupDisplay:
    """The numbers of the figure; `plot` draws them.

    Args:
        table: A row per arm and subgroup, all images first: `arm, subgroup, n_groups, verdict`, the gain and both
            intervals, `differs`.
        names: What to call each arm.
        baseline: The baseline arm.
        by: What the subgroups are made by.
        headline: Name of the statistic.
        size: How many seeds and images the figure rests on.
    """

    table: pd.DataFrame
    names: Mapping[str, str]
    baseline: str
    by: str
    headline: str
    size: StudySize

    @classmethod
    def of(
        cls, study: StudyRuns, comparison: Comparison, by_subgroup: SubgroupVerdicts | None
    ) -> SubgroupDisplay | None:
        """Take the numbers from a comparison; None without subgroups."""
        if by_subgroup is None:
            return None
        few = by_subgroup.table["reason"].str.startswith(TOO_FEW)
        own = by_subgroup.table.assign(verdict=by_subgroup.table["verdict"].where(~few, TOO_FEW))
        whole = comparison.arm_verdicts.assign(subgroup=ALL, differs=False)
        columns = ["arm", "subgroup", "n_groups", "verdict", *_COLUMNS, "differs"]
        parts = [part[part["arm"] == arm][columns] for arm in whole["arm"] for part in (whole, own)]
        return cls(
            table=pd.concat(parts, ignore_index=True),
            names=short_names(list(study.complete)),
            baseline=study.baseline,
            by=by_subgroup.by,
            headline=comparison.settings.headline_name,
            size=StudySize.of(study, comparison),
        )

    @property
    def arms(self) -> list[str]:
        """Arms in order."""
        return list(dict.fromkeys(self.table["arm"]))

    @property
    def caption(self) -> str:
        """What is shown and what it rests on."""
        return (
            f"{self.headline} gain over {self.names[self.baseline]} in subgroups of the test images by {self.by}; "
            f"{self.size.text}. Thick: {self.size.interval}. Thin, with caps: the interval that the verdict rests on, "
            f"adjusted over arms and subgroups. Star: shown to differ from the mean of the other subgroups. Shaded: "
            f"±{self.size.margin:g}, gains that do not matter. What has too few groups has no interval."
        )

    def plot(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw one panel per arm.

        Raises:
            ValueError: When `axes` has another length than there are arms.
        """
        with plt.rc_context(RC):
            if axes is not None:
                return draw_into(axes, [(arm,) for arm in self.arms], self._panel, "arm")
            rows = int(self.table.groupby("arm").size().max())
            figure = arm_rows(self.arms, rows, self._panel, columns=2, row_height=0.3)
            look = {"color": QUIET, "markersize": 4.5}
            thick = Line2D([], [], marker="o", linewidth=OWN, label="own interval", **look)  # type: ignore[arg-type]
            thin = Line2D([], [], marker="|", linewidth=RESTS_ON, label="interval of the verdict", **look)  # type: ignore[arg-type]
            add_legend(figure, [thick, thin, Patch(**MARGIN, label=f"margin ±{self.size.margin:g}")])
        return figure

    def _panel(self, ax: Axes, arm: str) -> None:
        rows = self.table[self.table["arm"] == arm]
        style = arm_styles([self.baseline, *self.arms], self.baseline)[arm]
        margin = self.size.margin
        axis = GainAxis.of(self.table[_COLUMNS].to_numpy(dtype=np.float64), margin)
        ax.axvspan(-margin, margin, **MARGIN, zorder=0)
        ax.axvline(0, color="black", linewidth=0.7, zorder=1)
        for at, (_, row) in enumerate(rows.iterrows()):
            draw_gain(ax, at, [float(row[name]) for name in _COLUMNS], style, axis, filled=True)
            text = f"{row['verdict']}{' *' if row['differs'] else ''}"
            weight = "normal" if row["verdict"] in (*UNSHOWN, TOO_FEW) else "bold"
            ax.annotate(text, (1.03, at), xycoords=("axes fraction", "data"), va="center", fontsize=7, weight=weight)
        labels = [f"{name} ({n})" for name, n in zip(rows["subgroup"], rows["n_groups"], strict=True)]
        ax.set_yticks(np.arange(len(rows)), labels)
        ax.set(ylim=(len(rows) - 0.45, -0.6), xlim=(axis.low, axis.high), title=self.names[arm])
        ax.set_xlabel(f"gain over {self.names[self.baseline]}")
        ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:.6g}".replace("-", MINUS))
