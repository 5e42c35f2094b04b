"""Levels and gains of the arms over a study's condition: training length, number of images, prevalence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.comparison.compare_arms import Comparison
from experiments.frontier.operating_point import BACKGROUND
from experiments.report.conditions.tables import level_table
from experiments.report.facts import StudySize
from experiments.report.figures.panels import draw_into, panel_grid
from experiments.report.figures.style import MARGIN, PAGE, QUIET, RC, arm_styles
from experiments.report.gains import FIRST, gain_table
from experiments.runs.study import StudyRuns, condition_values, short_names

LEVEL = "level"
GAIN = "gain"

_TITLES = {
    "average_precision": "AP",
    "f1_tuned": "F1, tuned threshold",
    "f1_natural": "F1, natural point",
    "background_f1": "background F1, natural point",
    "frame_accuracy": "frame-averaged accuracy",
}
_OVER = "over all "
_APART = 0.16  # of the axis, from the first arm to the last at one condition
_DOTS = 3  # conditions; a line between so few would suggest a course that nothing measured
_ROOM = 0.75  # inches for the legend


@dataclass(frozen=True)
class Panel:
    """One panel: a statistic over the condition, for one mask and one value of the other condition keys.

    Args:
        mask: Name of the mask, `background`, or "over all" with the number of masks.
        statistic: A statistic of `tables.LEVELS`, or `gain`.
        others: Values of the condition keys that are not on the axis, such as `data.clutter=2`; empty for none.
    """

    mask: str
    statistic: str
    others: str


@dataclass(frozen=True)
class ConditionDisplay:
    """Points over a condition, one row of them per arm, joined by lines if there are many; `plot` draws them.

    Args:
        table: A row per condition, arm, mask and statistic: `condition, others, value, arm, mask, statistic, mean, low,
            high`; low and high are the range of the seeds, for a gain its interval, beside which `verdict_low` and
            `verdict_high` are those of its verdict's. `value` is the condition on the axis.
        key: The condition key on the axis.
        panels: What is shown, in order.
        names: What to call each arm, the baseline first.
        baseline: The baseline arm.
        headline: Name of the statistic whose gains are shown.
        margin: Smallest gain that matters.
        caption: What is shown, on how many seeds and images.
        columns: Panels in a row.
    """

    table: pd.DataFrame
    key: str
    panels: tuple[Panel, ...]
    names: Mapping[str, str]
    baseline: str
    headline: str
    margin: float
    caption: str
    columns: int

    @classmethod
    def of(
        cls,
        studies: Sequence[StudyRuns],
        comparisons: Mapping[str, Comparison],
        kind: str,
    ) -> ConditionDisplay | None:
        """Take the numbers from the comparisons of a study; None for gains without an arm besides the baseline.

        Args:
            studies: The runs, one element per condition.
            comparisons: By condition, in the same order.
            kind: `level` or `gain`.
        """
        if kind == GAIN and not any(len(item.verdicts) for item in comparisons.values()):
            return None
        key = _axis_key([condition_values(name) for name in comparisons])
        table = _gains(comparisons) if kind == GAIN else _levels(comparisons)
        table = table.assign(
            others=[_others(name, key) for name in table["condition"]],
            value=[condition_values(name)[key] for name in table["condition"]],
        )
        masks = next(iter(comparisons.values())).masks
        others = list(dict.fromkeys(table["others"]))
        shown = list(dict.fromkeys(table["mask"]))
        rows = [(mask, GAIN) for mask in shown] if kind == GAIN else _level_rows(masks, brief=len(others) > 1)
        panels = (
            [Panel(mask, statistic, other) for mask, statistic in rows for other in others]
            if len(others) > 1
            else [Panel(mask, statistic, others[0]) for mask, statistic in rows]
        )
        first = studies[0]
        arms = list(dict.fromkeys(arm for study in studies for arm, seeds in study.complete.items() if seeds))
        comparison = next(iter(comparisons.values()))
        size = StudySize.of(first, comparison)
        what = (
            f"{comparison.settings.headline_name} gain over {short_names(arms)[first.baseline]} under the same "
            f"condition{', first over all masks, then mask by mask, which is secondary' if len(masks) > 1 else ''}; "
            f"thick bars: {size.interval}; thin, with caps: the intervals that the verdicts rest on, {size.corrected}; "
            f"grey: margin ±{size.margin:g}"
            if kind == GAIN
            else "mean over seeds; bars: range of the seeds, not an interval"
        )
        return cls(
            table=table,
            key=key,
            panels=tuple(panels),
            names=short_names(arms),
            baseline=first.baseline,
            headline=comparison.settings.headline_name,
            margin=comparison.settings.margin,
            caption=f"{_sentence(what)}. {size.text} per condition.",
            columns=len(others) if len(others) > 1 else min(len(shown), 4) if kind == GAIN else len(masks),
        )

    def plot(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw one panel per element of `panels`.

        Args:
            axes: One per panel to draw into; None makes a new figure with a legend.

        Raises:
            ValueError: When `axes` has another length than there are panels.
        """
        with plt.rc_context(RC):
            if axes is not None:
                return draw_into(axes, [(panel,) for panel in self.panels], self._panel, "panel")
            figure, grid = panel_grid(len(self.panels), self.columns, PAGE, 1.75, _ROOM)
            for ax, panel in zip(grid, self.panels, strict=True):
                self._panel(ax, panel)
            if len({panel.others for panel in self.panels}) > 1:
                self._label_once(grid)
            else:
                self._share_scales(grid)
                for ax in [ax for place, ax in enumerate(grid) if place % self.columns]:
                    ax.set_ylabel("")
            handles, labels = grid[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower center", ncols=4)
        return figure

    def _share_scales(self, grid: Sequence[Axes]) -> None:
        """Give all panels of a statistic the same scale, so that masks can be compared."""
        for statistic in dict.fromkeys(panel.statistic for panel in self.panels):
            _share_scale([ax for ax, panel in zip(grid, self.panels, strict=True) if panel.statistic == statistic])

    def _label_once(self, grid: Sequence[Axes]) -> None:
        """Give each row one scale and its name at the left, and each column its condition at the top."""
        for start in range(0, len(grid), self.columns):
            row = grid[start : start + self.columns]
            _share_scale(row)
            for place, ax in enumerate(row):
                panel = self.panels[start + place]
                ax.set_title(panel.others.replace(", ", "\n") if start == 0 else "")
                ax.set_ylabel("" if place else self._head(panel, row=True).replace(": ", ":\n").replace(", ", "\n"))
                ax.tick_params(labelleft=place == 0)
                if start + self.columns < len(grid):
                    ax.set_xlabel("")

    def _head(self, panel: Panel, *, row: bool = False) -> str:
        """Name the mask of a panel and the statistic; a gain's stands at the axis, unless this names a row."""
        if panel.statistic == GAIN:
            alone = not any(each.mask.startswith(_OVER) for each in self.panels)
            rank = "" if alone or panel.mask.startswith(_OVER) else " (secondary)"
            return f"{panel.mask}{rank}{f': {self._gain}' if row else ''}"
        name = _TITLES[panel.statistic]
        return name if panel.mask == BACKGROUND else f"{panel.mask}: {name}"

    @property
    def _gain(self) -> str:
        return f"{self.headline} gain"

    def _panel(self, ax: Axes, panel: Panel) -> None:
        mine = self.table[
            (self.table["mask"] == panel.mask)
            & (self.table["statistic"] == panel.statistic)
            & (self.table["others"] == panel.others)
        ]
        values = list(dict.fromkeys(self.table["value"]))
        places = _places(values)
        if panel.statistic == GAIN:
            ax.axhspan(-self.margin, self.margin, **MARGIN)
            ax.axhline(0, color=QUIET, linewidth=0.7)
        styles = arm_styles(list(self.names), self.baseline)
        drawn = [arm for arm in self.names if (mine["arm"] == arm).any()]
        for index, arm in enumerate(drawn):
            rows = mine[mine["arm"] == arm]
            x = np.array([places[value] for value in rows["value"]], dtype=float)
            # Side by side, so that bars of arms do not hide each other.
            x = _shifted(
                x,
                (index - (len(drawn) - 1) / 2) / max(len(drawn) - 1, 1),
                (min(places.values()), max(places.values())),
                log=_is_log(values),
            )
            mean = rows["mean"].to_numpy(dtype=float)
            ends = np.abs(rows[["low", "high"]].to_numpy(dtype=float).T - mean)
            name = self.names[arm]
            style, label = styles[arm], f"{name} (baseline)" if arm == self.baseline else name
            own = 2.2 if panel.statistic == GAIN else 0.8
            ax.errorbar(
                x, mean, yerr=ends, color=style.colour, marker=style.marker, markersize=3.5,
                linestyle="none" if len(values) <= _DOTS else style.dashes,
                linewidth=1.1, elinewidth=own, capsize=0 if panel.statistic == GAIN else 1.5, label=label,
            )  # fmt: skip
            if panel.statistic == GAIN:
                ends = np.abs(rows[["verdict_low", "verdict_high"]].to_numpy(dtype=float).T - mean)
                ax.errorbar(x, mean, yerr=ends, color=style.colour, linestyle="none", elinewidth=0.6, capsize=2)
        if _is_log(values):
            ax.set_xscale("log")
        ax.set_xticks([places[value] for value in values], values)
        ax.minorticks_off()
        ax.set_title("\n".join(text for text in (self._head(panel), panel.others) if text))
        ax.set_xlabel(self.key)
        if panel.statistic == GAIN:
            ax.set_ylabel(self._gain)


def _share_scale(panels: Sequence[Axes]) -> None:
    """Give all panels the vertical range that contains the range of each."""
    ends = [ax.get_ylim() for ax in panels]
    for ax in panels:
        ax.set_ylim(min(low for low, _ in ends), max(high for _, high in ends))


def _gains(comparisons: Mapping[str, Comparison]) -> pd.DataFrame:
    """Take the headline's gains over all masks, where there are several, then of each mask."""
    frames = []
    for name, item in comparisons.items():
        table = gain_table(item).assign(condition=name, statistic=GAIN) if len(item.verdicts) else pd.DataFrame()
        if len(table):
            over = (table["rank"] == FIRST) & (len(item.masks) > 1)
            frames.append(table.assign(mask=table["mask"].mask(over, f"{_OVER}{len(item.masks)} masks")))
    columns = {"gain": "mean", "gain_low": "low", "gain_high": "high"}
    kept = ["condition", "arm", "mask", "verdict", *columns, "verdict_low", "verdict_high", "statistic"]
    table = pd.concat(frames, ignore_index=True)[kept].rename(columns=columns)
    return table.sort_values("mask", key=lambda own: ~own.str.startswith(_OVER), kind="stable", ignore_index=True)


def _levels(comparisons: Mapping[str, Comparison]) -> pd.DataFrame:
    return level_table(comparisons).rename(columns={"lowest": "low", "highest": "high"})


def _level_rows(masks: Sequence[str], *, brief: bool) -> list[tuple[str, str]]:
    single = [(mask, statistic) for statistic in ("f1_tuned", "f1_natural")[: 1 if brief else 2] for mask in masks]
    return [*single, (BACKGROUND, "background_f1"), (BACKGROUND, "frame_accuracy")]


def _axis_key(conditions: Sequence[Mapping[str, str]]) -> str:
    """Choose the key for the axis: the one with the most values, numbers before words, the last one if equal."""
    keys = list(conditions[0])

    def rank(key: str) -> tuple[bool, int, int]:
        values = list(dict.fromkeys(condition[key] for condition in conditions))
        return (_are_numbers(values), len(values), keys.index(key))

    return max(keys, key=rank)


def _others(condition: str, key: str) -> str:
    return ", ".join(
        f"{name.split('.')[-1]}={value}" for name, value in condition_values(condition).items() if name != key
    )


def _are_numbers(values: Sequence[str]) -> bool:
    try:
        return all(np.isfinite(float(value)) for value in values)
    except ValueError:
        return False


def _is_log(values: Sequence[str]) -> bool:
    return _are_numbers(values) and min(float(value) for value in values) > 0


def _places(values: Sequence[str]) -> dict[str, float]:
    if _is_log(values):
        return {value: float(value) for value in values}
    return {value: float(index) for index, value in enumerate(values)}


def _shifted(x: np.ndarray, by: float, ends: tuple[float, float], *, log: bool) -> np.ndarray:
    """Move points by up to a twelfth of the axis, which runs from the least to the greatest place."""
    if log:
        return x * (ends[1] / ends[0]) ** (_APART * by)
    return x + _APART * by * (ends[1] - ends[0])


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
