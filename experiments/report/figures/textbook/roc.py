"""The ROC figure: ROC and precision-recall curves of the same models, with the curves that their hulls achieve."""

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
from experiments.report.figures.panels import check_axes, figure_of
from experiments.report.figures.style import COLUMN, PAGE, QUIET, RC, add_legend, arm_handles, arm_styles
from experiments.runs.study import StudyRuns, short_names

_HULL: dict[str, Any] = {"linewidth": 0.7, "linestyle": (0, (1, 1)), "color": QUIET, "zorder": 4.5}


@dataclass(frozen=True)
class RocDisplay:
    """The numbers of the ROC figure: two panels per mask.

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
    def sentences(self) -> list[str]:
        """What the numbers say of each mask."""
        return [roc_sentence(self.table, mask, self.names) for mask in self.masks]

    @property
    def caption(self) -> str:
        """What is shown and what it rests on."""
        return (
            f"ROC curves (above) and precision-recall curves (below) of the same models ({self.size.text}; means over "
            "seeds, counts pooled over images; in the corners the range over arms of ROC AUC and AP). "
            "Dotted: the convex hull of each ROC curve and the precision-recall curve that it maps to, reached by "
            f"mixing two thresholds at random (Davis and Goadrich 2006). {' '.join(self.sentences)}"
        )

    def plot(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw the ROC panels of all masks, then the precision-recall panels.

        Raises:
            ValueError: When `axes` has another length than twice the number of masks.
        """
        with plt.rc_context(RC):
            if axes is not None:
                check_axes(axes, 2 * len(self.masks), "mask and kind of curve")
                self._panels(axes)
                return figure_of(axes)
            width = COLUMN if len(self.masks) == 1 else PAGE
            side = min(width / len(self.masks), 2.4)
            figure, grid = plt.subplots(
                2,
                len(self.masks),
                figsize=(width, 2 * side + 0.45),
                squeeze=False,
                layout="constrained",
            )
            self._panels(list(grid.flat))
            for row in grid:
                for ax in row[1:]:
                    ax.set_ylabel("")
            for ax in grid[1]:
                ax.set_title("")
            hull = Line2D([], [], label="hull, and what it achieves", **_HULL)
            add_legend(figure, [*arm_handles(self.names, self.baseline, points=False), hull])
        return figure

    def _panels(self, axes: Sequence[Axes]) -> None:
        for mask, roc, pr in zip(self.masks, axes[: len(self.masks)], axes[len(self.masks) :], strict=True):
            kinds = (
                (roc, self.roc, ("fpr", "tpr"), (self.roc, "hull_tpr")),
                (pr, self.curves, ("recall", "precision"), (self.achievable, "precision")),
            )
            for ax, curves, (x, y), (hulls, hull_y) in kinds:
                for arm, style in arm_styles(list(self.names), self.baseline).items():
                    curve = curves[(curves["arm"] == arm) & (curves["mask"] == mask)].sort_values(x)
                    hull = hulls[(hulls["arm"] == arm) & (hulls["mask"] == mask)].sort_values(x)
                    ax.plot(curve[x], curve[y], **style.line)
                    ax.plot(hull[x], hull[hull_y], **_HULL)
                ticks = [0, 0.2, 0.4, 0.6, 0.8, 1]
                ax.set(xlim=(0, 1), ylim=(0, 1), xticks=ticks, yticks=ticks, title=mask)
                ax.set_aspect("equal")
            roc.plot([0, 1], [0, 1], color=QUIET, linewidth=0.6, linestyle=":", zorder=1)
            roc.set(xlabel="false positive rate", ylabel="recall")
            pr.set(xlabel="recall", ylabel="precision")
            self._spans(roc, pr, mask)

    def _spans(self, roc: Axes, pr: Axes, mask: str) -> None:
        """Write the range of the arms by either area."""
        means = self.table[self.table["mask"] == mask].groupby("arm", sort=False)[["roc_auc", "ap"]].mean()
        for ax, column, name in ((roc, "roc_auc", "ROC AUC"), (pr, "ap", "AP")):
            low, high = float(means[column].min()), float(means[column].max())
            text = f"{name} {low:.3f}" if len(means) == 1 else f"{name}\n{low:.3f} to {high:.3f}"
            place = (0.95, 0.08) if ax is roc else (0.08, 0.08)
            ax.annotate(text, place, xycoords="axes fraction", ha="right" if ax is roc else "left", fontsize=7.5)


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
