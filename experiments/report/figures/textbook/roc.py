"""The ROC figure: the ROC curves of the mask on which the arms differ most, with both areas."""

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
from experiments.frontier.roc import roc_tables
from experiments.process.on_demand import Mapped
from experiments.report.facts import StudySize
from experiments.report.figures.layout import FittedLayout
from experiments.report.figures.panels import check_axes, figure_of
from experiments.report.figures.style import COLUMN, QUIET, RC, add_legend, arm_handles, arm_styles
from experiments.runs.study import StudyRuns, short_names

_HULL: dict[str, Any] = {"linewidth": 0.7, "linestyle": (0, (1, 1)), "color": QUIET, "zorder": 4.5}


@dataclass(frozen=True)
class RocDisplay:
    """The numbers of the ROC figure: one panel.

    Args:
        table: ROC AUC, AP and achievable AP, a row per arm, mask and seed (`roc_tables`).
        roc: ROC curves, means over seeds (`roc_tables`).
        achievable: Achievable precision-recall curves, means over seeds (`roc_tables`).
        curves: Precision-recall curves, `comparison.curves`.
        names: What to call each arm, the baseline first.
        baseline: The baseline arm.
        masks: Names of the masks.
        size: How many seeds and images the figure rests on.
    """

    table: pd.DataFrame
    roc: pd.DataFrame
    achievable: pd.DataFrame
    curves: pd.DataFrame
    names: Mapping[str, str]
    baseline: str
    masks: tuple[str, ...]
    size: StudySize

    @classmethod
    def of(cls, study: StudyRuns, comparison: Comparison) -> RocDisplay:
        """Count from the runs' histograms."""
        arms = [arm for arm, seeds in study.complete.items() if seeds]
        runs = {arm: Mapped(study.complete[arm], lambda run: run.scores["test"]) for arm in arms}
        tables = roc_tables(runs)
        size = StudySize.of(study, comparison)
        return cls(*tables, comparison.curves, short_names(arms), study.baseline, comparison.masks, size)

    @property
    def curve_table(self) -> pd.DataFrame:
        """The drawn curves: `kind, arm, mask, x, y`; x, y: false positive rate and recall, or recall and precision."""
        kinds = (
            ("roc", self.roc, "fpr", "tpr"),
            ("roc hull", self.roc, "fpr", "hull_tpr"),
            ("pr", self.curves, "recall", "precision"),
            ("achievable pr", self.achievable, "recall", "precision"),
        )
        frames = [
            pd.DataFrame({"kind": kind, "arm": t["arm"], "mask": t["mask"], "x": t[x], "y": t[y]})
            for kind, t, x, y in kinds
        ]
        return pd.concat(frames, ignore_index=True)

    @property
    def shown(self) -> str:
        """The mask whose AP spans most over the arms; the first, where none can be measured."""
        means = self.table.groupby(["mask", "arm"])["ap"].mean().groupby("mask")
        spans = (means.max() - means.min()).reindex(self.masks)
        return str(spans.idxmax()) if spans.notna().any() else self.masks[0]

    @property
    def sentences(self) -> list[str]:
        """What the numbers say of each mask."""
        return [roc_sentence(self.table, mask, self.names) for mask in self.masks]

    @property
    def caption(self) -> str:
        """What is shown and what it rests on."""
        which = "" if len(self.masks) == 1 else f" of {self.shown}, the mask whose AP spans most over the arms"
        return (
            f"ROC curves{which} ({self.size.text}; means over seeds, counts pooled over images; in the corner the "
            "range over arms of both areas). Their precision-recall curves are in the frontier figure. Dotted: the "
            "convex hull of each curve, reached by mixing two thresholds at random; the precision-recall curve that it "
            f"maps to (Davis and Goadrich 2006) is among the numbers. {' '.join(self.sentences)}"
        )

    def plot(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw the panel.

        Raises:
            ValueError: When `axes` has another length than 1.
        """
        with plt.rc_context(RC):
            if axes is not None:
                check_axes(axes, 1, "figure")
                self._panel(axes[0])
                return figure_of(axes)
            figure, ax = plt.subplots(figsize=(COLUMN, COLUMN + 0.3), layout=FittedLayout())
            self._panel(ax)
            hull = Line2D([], [], label="convex hull", **_HULL)
            add_legend(figure, [*arm_handles(self.names, self.baseline, points=False), hull])
        return figure

    def _panel(self, ax: Axes) -> None:
        for arm, style in arm_styles(list(self.names), self.baseline).items():
            curve = self.roc[(self.roc["arm"] == arm) & (self.roc["mask"] == self.shown)].sort_values("fpr")
            ax.plot(curve["fpr"], curve["tpr"], **style.line)
            ax.plot(curve["fpr"], curve["hull_tpr"], **_HULL)
        ticks = [0, 0.2, 0.4, 0.6, 0.8, 1]
        ax.set(xlim=(0, 1), ylim=(0, 1), xticks=ticks, yticks=ticks, title=self.shown)
        ax.set(xlabel="false positive rate", ylabel="recall")
        ax.set_aspect("equal")
        ax.plot([0, 1], [0, 1], color=QUIET, linewidth=0.6, linestyle=":", zorder=1)
        means = self.table[self.table["mask"] == self.shown].groupby("arm", sort=False)[["roc_auc", "ap"]].mean()
        lines = []
        for column, name in (("roc_auc", "ROC AUC"), ("ap", "AP")):
            low, high = float(means[column].min()), float(means[column].max())
            lines.append(f"{name} {low:.3f}" if len(means) == 1 else f"{name} {low:.3f} to {high:.3f}")
        ax.annotate("\n".join(lines), (0.95, 0.08), xycoords="axes fraction", ha="right", fontsize=7.5)


def roc_sentence(areas: pd.DataFrame, mask: str, names: Mapping[str, str] | None = None) -> str:
    """Say how far apart the arms are in ROC AUC and in AP, and whether both rank them alike; means over seeds.

    Args:
        areas: the first table of `roc_tables`.
        mask: which mask.
        names: display names of the arms; None keeps their names.

    Raises:
        ValueError: the areas have no such mask.
    """
    rows = areas[areas["mask"] == mask]
    if not len(rows):
        raise ValueError(f"mask: expected one of {sorted(set(areas['mask']))}, got {mask!r}")
    called = names or {}
    means = rows.groupby("arm", sort=False)[["roc_auc", "ap"]].mean()
    if means.isna().to_numpy().any():
        return f"{mask}: no positive or no negative pixel in the test set."
    spans = [f"{means[name].min():.3f} to {means[name].max():.3f}" for name in ("roc_auc", "ap")]
    prevalence = float(rows["prevalence"].iloc[0])
    negatives = (1 - prevalence) / prevalence
    text = f"{mask}: ROC AUC spans {spans[0]} over arms while AP spans {spans[1]}"
    if len(means) == 1:
        text = f"{mask}: ROC AUC is {means['roc_auc'].iloc[0]:.3f} while AP is {means['ap'].iloc[0]:.3f}"
    text += (
        f"; with {negatives:.0f} negative pixels to a positive one, a false positive rate of 0.01 already means "
        f"{0.01 * negatives:.1f} false positives per positive."
    )
    last = str(means["ap"].idxmin())
    below = [str(called.get(arm, arm)) for arm in means.index[means["roc_auc"] < means["roc_auc"][last]]]
    if below:
        text += f" The last by AP ({called.get(last, last)}) stands above {', '.join(below)} by ROC AUC."
    return text
