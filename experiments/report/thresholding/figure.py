"""The thresholding figure: what each treatment of the scores does to F1 at probability 0.5 and to calibration."""

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
from matplotlib.ticker import LogLocator, NullLocator

from experiments.comparison.thresholding.treatments import TREATMENTS, UNTREATED
from experiments.report.facts import StudySize
from experiments.report.figures.layout import FittedLayout
from experiments.report.figures.panels import draw_into
from experiments.report.figures.style import COLUMN, FAINT, PAGE, QUIET, RC, add_legend, arm_styles

_TUNED = "tuned_threshold"
_MAPS = tuple(name for name in TREATMENTS if name != _TUNED)
"""Treatments that change the probabilities: a marker each. The tuned threshold changes none: a line."""

_ROWS = {"f1": "F1 at probability 0.5", "calibration_error": "expected calibration error"}


@dataclass(frozen=True)
class ThresholdingDisplay:
    """The numbers of the thresholding figure; `plot` draws them.

    Args:
        changes: A row per arm, mask and treatment, means over seeds: `arm, mask, treatment, f1, f1_change,
            f1_change_low, f1_change_high, calibration_error, mass_ratio, n_seeds, n_groups` and their like.
        names: What to call each arm, in the order they are drawn.
        masks: Names of the masks.
        size: How many seeds and images the figure rests on.
        n_validation: Validation images that the treatments were fitted on.
    """

    changes: pd.DataFrame
    names: Mapping[str, str]
    masks: tuple[str, ...]
    size: StudySize
    n_validation: int

    @classmethod
    def of(
        cls, changes: pd.DataFrame, names: Mapping[str, str], size: StudySize, n_validation: int
    ) -> ThresholdingDisplay:
        """Take the numbers from the table of changes."""
        return cls(changes, names, tuple(changes["mask"].drop_duplicates()), size, n_validation)

    @property
    def table(self) -> pd.DataFrame:
        """The numbers that are drawn: the table of changes."""
        return self.changes

    @property
    def caption(self) -> str:
        """What is shown and what it rests on."""
        return (
            f"What treatments of the scores do without training (test set, {self.size.text}, means over seeds; fitted "
            f"on {self.n_validation} validation images). Black line: untreated; markers: treated, joined to it by a "
            "thin line; dotted line: F1 at the threshold of best F1 on validation. Bars through the markers: "
            f"{100 * (1 - self.size.level):g} % intervals of the change against the untreated scores (paired two-way "
            "t: seeds and test groups), over the seeds in which the treatment could be fitted. Above, F1 where the "
            "treated probability is 0.5; below, the expected calibration error over 15 bins, logarithmic, to which the "
            "tuned threshold does nothing. The frontier is the same throughout."
        )

    def plot(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw one panel per quantity and mask.

        Args:
            axes: One per mask for F1, then one per mask for the calibration error; None makes a new figure.

        Raises:
            ValueError: When `axes` has another length.
        """
        panels = [(value, mask) for value in _ROWS for mask in self.masks]
        with plt.rc_context(RC):
            if axes is not None:
                return draw_into(axes, panels, self._panel, "quantity and mask")
            columns = len(self.masks)
            width = COLUMN + 0.6 if columns == 1 else PAGE
            height = 0.6 + max(0.1 * len(_MAPS) * len(self.names), 0.9)
            figure, grid = plt.subplots(
                len(_ROWS), columns, figsize=(width, len(_ROWS) * height), squeeze=False, layout=FittedLayout(),
                sharey=True, sharex="row",
            )  # fmt: skip
            for row, value in zip(grid, _ROWS, strict=True):
                for ax, mask in zip(row, self.masks, strict=True):
                    self._panel(ax, value, mask)
                    ax.set_title(mask if value == "f1" else "")
            add_legend(figure, self._legend())
        return figure

    def _panel(self, ax: Axes, value: str, mask: str) -> None:
        styles = arm_styles([UNTREATED, *TREATMENTS], UNTREATED)
        found = self.changes[self.changes["mask"] == mask].to_dict("records")
        rows = {(str(row["arm"]), str(row["treatment"])): row for row in found}
        for place, arm in enumerate(self.names):
            if place % 2:
                ax.axhspan(place - 0.5, place + 0.5, color=FAINT, alpha=0.35, linewidth=0, zorder=0)
            start = float(rows[arm, UNTREATED][value])
            ax.vlines(start, place - 0.42, place + 0.42, color="black", linewidth=1.4, zorder=3)
            if value == "f1" and (arm, _TUNED) in rows:
                tuned = float(rows[arm, _TUNED][value])
                look: dict[str, Any] = {"color": styles[_TUNED].colour, "linewidth": 1.6, "linestyle": (0, (1.5, 0.8))}
                ax.vlines(tuned, place - 0.42, place + 0.42, zorder=3.5, **look)
            for step, name in enumerate(_MAPS):
                row = rows.get((arm, name))
                if row is None:
                    continue
                at = place + (step - 0.5 * (len(_MAPS) - 1)) * 0.8 / len(_MAPS)
                treated = float(row[value])
                ax.plot([start, treated], [at, at], color=QUIET, linewidth=0.6, zorder=2)
                paired = treated - float(row[f"{value}_change"])  # untreated, in the seeds that the treatment has
                ends = [paired + float(row[f"{value}_change_{side}"]) for side in ("low", "high")]
                if value == "f1" and np.isfinite(ends).all():
                    ax.plot(ends, [at, at], color=styles[name].colour, linewidth=1.2, zorder=4)
                ax.plot(treated, at, zorder=5, **styles[name].point(size=3.6))
        ax.set(ylim=(len(self.names) - 0.5, -0.5), xlabel=_ROWS[value], title=f"{mask}, {_ROWS[value]}")
        ax.set_yticks(range(len(self.names)), list(self.names.values()))
        ax.tick_params(axis="y", length=0)
        if value == "f1":
            ax.set_xlim(self._f1_range)
        else:
            ax.set_xscale("log")
            ax.xaxis.set_major_locator(LogLocator(base=10, numticks=5))
            ax.xaxis.set_major_formatter("{x:g}")
            ax.xaxis.set_minor_locator(NullLocator())

    @property
    def _f1_range(self) -> tuple[float, float]:
        """Range of F1 and its intervals, the same in every panel; an interval may end where no F1 is."""
        paired = self.changes["f1"] - self.changes["f1_change"]
        ends = [paired + self.changes[f"f1_change_{side}"] for side in ("low", "high")]
        values = np.concatenate([self.changes["f1"], *ends]).astype(np.float64)
        values = np.clip(values[np.isfinite(values)], 0.0, 1.0)
        return (float(values.min()) - 0.02, float(values.max()) + 0.02) if len(values) else (-0.02, 1.02)

    def _legend(self) -> list[Line2D]:
        styles = arm_styles([UNTREATED, *TREATMENTS], UNTREATED)
        tuned = {"color": styles[_TUNED].colour, "marker": "|", "linestyle": "none", "markersize": 8}
        return [
            Line2D([], [], color="black", marker="|", linestyle="none", markersize=8, markeredgewidth=1.4,
                   label=UNTREATED),
            Line2D([], [], markeredgewidth=1.6, label=TREATMENTS[_TUNED], **tuned),
            *(Line2D([], [], label=TREATMENTS[name], **styles[name].point(size=4)) for name in _MAPS),
        ]  # fmt: skip
