"""The training figure: every number in the runs' histories, over updates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray

from experiments.comparison.compare_arms import Comparison
from experiments.report.facts import StudySize
from experiments.report.figures.panels import check_axes, figure_of, panel_grid
from experiments.report.figures.style import COLUMN, PAGE, RC, add_legend, arm_handles, arm_styles, legend_label
from experiments.runs import store
from experiments.runs.foreign_files import read_csv
from experiments.runs.study import StudyRuns, short_names

_NOT_DRAWN = ("arm", "seed", "update", "seconds")
_TERM_DASHES = ((0, (4, 1.5)), (0, (1.2, 1.2)), (0, (4, 1, 1, 1)), (0, (8, 2)))
_LOG_TICKS = [digit * 10.0**power for power in range(-12, 7) for digit in (1, 2, 5)]
_TITLES = {"lr": "learning rate"}
_SEEN = "foreground_"  # columns of the positive share in the batches begin with this and end with the mask


@dataclass(frozen=True)
class TrainingDisplay:
    """The numbers of the training figure: a panel of losses per arm, then one per further column in which arms differ.

    Args:
        table: The concatenated histories: `arm, seed, update, loss`, the loss's terms as `term/<name>`, and everything
            else that was logged.
        names: What to call each arm, the baseline first.
        baseline: The baseline arm.
        size: How many seeds and images the study rests on.
    """

    table: pd.DataFrame
    names: Mapping[str, str]
    baseline: str
    size: StudySize

    @classmethod
    def of(cls, study: StudyRuns, comparison: Comparison) -> TrainingDisplay | None:
        """Read the histories of the complete runs; None if no run has one."""
        frames = []
        for arm, seeds in study.complete.items():
            for seed, run in seeds.items():
                path = run.folder / store.HISTORY_FILE
                if path.exists() and path.stat().st_size > 1:
                    history = read_csv(path)
                    history.insert(0, "arm", arm)
                    history.insert(1, "seed", seed)
                    frames.append(history)
        if not frames:
            return None
        table = pd.concat(frames, ignore_index=True)
        names = short_names([arm for arm in study.complete if (table["arm"] == arm).any()])
        return cls(table, names, study.baseline, StudySize.of(study, comparison))

    @property
    def others(self) -> list[str]:
        """The logged columns that are neither the loss nor one of its terms."""
        columns = [name for name in self.table.columns if name not in (*_NOT_DRAWN, "loss")]
        numbers = [name for name in columns if pd.api.types.is_numeric_dtype(self.table[name])]
        return [name for name in numbers if not name.startswith("term/")]

    @property
    def differing(self) -> list[str]:
        """The further columns that get a panel: those in which arms differ at the same seed and update."""
        return [name for name in self.others if self._differs(name)]

    def _differs(self, column: str) -> bool:
        wide = self.table.pivot_table(index=["seed", "update"], columns="arm", values=column)
        if len(self.names) == 1:
            return True
        low, high = wide.min(axis=1), wide.max(axis=1)
        return not np.allclose(low, high, rtol=1e-6, atol=0.0, equal_nan=True)

    @property
    def caption(self) -> str:
        """What is shown and what it rests on."""
        has_terms = any(name.startswith("term/") for name in self.table.columns)
        terms = " Broken lines are the terms that a combined loss adds up, before their weights." if has_terms else ""
        sees = any(name.startswith(_SEEN) for name in self.differing)
        seen = " Seen: the share of positive pixels in the training batches, augmentation done." if sees else ""
        same = [_named(name)[0] for name in self.others if name not in self.differing]
        alike = f" Not drawn, because all arms have the same: {', '.join(same)}." if same else ""
        return (
            f"Training, per arm ({self.size.seeds}; thin: one seed, thick: mean over seeds; each point is the mean "
            "since the point before). The vertical axis is the arm's own loss, logarithmic where it spans enough: "
            "losses of different arms are different functions, so only the shapes compare, not the heights."
            f"{terms}{seen}{alike}"
        )

    def plot(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw one panel per arm, then one per further column.

        Raises:
            ValueError: When `axes` has another length.
        """
        count = len(self.names) + len(self.differing)
        with plt.rc_context(RC):
            if axes is not None:
                check_axes(axes, count, "arm and further column")
                self._panels(axes)
                return figure_of(axes)
            rows = -(-count // 4)  # of at most 4 panels, all but the last equally full
            across = -(-count // rows)
            width = PAGE if across > 2 else COLUMN
            figure, panels = panel_grid(count, across, width, 1.42)
            self._panels(panels)
            for place, ax in enumerate(panels):
                if place + across < count:
                    ax.set_xlabel("")
                if place % across and place != len(self.names):  # said once in a row, and where the kind changes
                    ax.set_ylabel("")
            if self.differing:
                add_legend(figure, arm_handles(self.names, self.baseline, points=False))
        return figure

    def _panels(self, axes: Sequence[Axes]) -> None:
        styles = arm_styles(list(self.names), self.baseline)
        terms = [name for name in self.table.columns if name.startswith("term/")]
        for ax, (arm, name) in zip(axes, self.names.items(), strict=False):
            rows = self.table[self.table["arm"] == arm]
            own = [term for term in terms if rows[term].notna().any()]
            for column, dashes in zip(["loss", *own], ["-", *_TERM_DASHES * len(own)], strict=False):
                _curves(ax, rows, column, styles[arm].colour, dashes, 1.4 if column == "loss" else 1.1)
            ax.set(title=name, xlabel="update", ylabel="loss")
            _log_scale(ax, rows[["loss", *own]].to_numpy(dtype=float))
            if own:
                handles = [
                    Line2D([], [], color=styles[arm].colour, linestyle=dashes, label=legend_label(term[5:]))
                    for term, dashes in zip(own, _TERM_DASHES * len(own), strict=False)
                ]
                ax.legend(handles=handles, handlelength=2, fontsize=7, loc="best", borderaxespad=0.1)
        for ax, column in zip(list(axes)[len(self.names) :], self.differing, strict=True):
            for arm, style in styles.items():
                if arm in self.names:
                    _curves(ax, self.table[self.table["arm"] == arm], column, style.colour, style.dashes, style.width)
            title, unit = _named(column)
            ax.set(title=title, xlabel="update", ylabel=unit)
            factor = 100 if unit else 1
            ax.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
            ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _, factor=factor: f"{factor * value:g}"))


def _named(column: str) -> tuple[str, str]:
    """Return the title and the axis label of a logged column's panel; shares are in per cent."""
    if column.startswith(_SEEN):
        return f"seen: {column.removeprefix(_SEEN)}", "positive pixels, %"
    return _TITLES.get(column, column.replace("_", " ")), ""


def _log_scale(ax: Axes, values: NDArray[np.float64]) -> None:
    """Make the axis logarithmic if the values are positive and span enough for two ticks."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    ticks = [tick for tick in _LOG_TICKS if low <= tick <= high]
    if low > 0 and np.isfinite(high) and len(ticks) > 1:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(FixedLocator(ticks))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _curves(ax: Axes, rows: pd.DataFrame, column: str, colour: object, dashes: object, width: float) -> None:
    wide = rows.pivot_table(index="update", columns="seed", values=column)
    if not len(wide):
        return
    for seed in wide.columns if len(wide.columns) > 1 else ():
        ax.plot(wide.index, wide[seed], color=colour, linewidth=0.5, alpha=0.45)
    mean = np.nanmean(wide.to_numpy(), axis=1)
    ax.plot(wide.index, mean, color=colour, linestyle=dashes, linewidth=width)
