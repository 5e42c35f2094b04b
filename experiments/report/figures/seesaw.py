"""The weight-sweep figure: recall, precision and F1 over the positive weight, measured and as theory predicts them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.pyplot import rc_context
from matplotlib.ticker import NullFormatter, NullLocator

from experiments.comparison.compare_arms import Comparison
from experiments.comparison.weight_sweep import WeightSweep
from experiments.report.facts import StudySize
from experiments.report.figures.panels import draw_into, draw_on_seesaw, panel_grid, seesaw_handles, stacked_panels
from experiments.report.figures.style import COLUMN, F1_COLOUR, PAGE, QUIET, RC, add_legend
from experiments.report.published import PublishedPoint, published_caption
from experiments.runs.study import StudyRuns

_STACKED = 2.0  # height of a panel in one column, inches
_LINES: dict[tuple[str, str], dict[str, Any]] = {
    ("natural", "recall"): {"color": "black", "marker": "^", "markersize": 3.5, "linewidth": 1.1, "zorder": 4},
    ("natural", "precision"): {"color": QUIET, "marker": "v", "markersize": 3.5, "linewidth": 1.1, "zorder": 4},
    ("natural", "f1"): {"color": F1_COLOUR, "marker": "o", "markersize": 4.0, "linewidth": 2.0, "zorder": 6},
    ("tuned", "f1"): {
        "color": "black", "marker": "o", "markersize": 4.0, "linewidth": 1.0, "markerfacecolor": "white", "zorder": 5,
    },
}  # fmt: skip
_NAMES = {
    ("natural", "recall"): "natural recall",
    ("natural", "precision"): "natural precision",
    ("natural", "f1"): "natural F1",
    ("tuned", "f1"): "tuned F1",
}
_THEORY: dict[str, Any] = {"linewidth": 0.8, "linestyle": (0, (3, 1.5)), "zorder": 3}
_RIGHT: dict[str, Any] = {"color": QUIET, "linewidth": 0.9, "linestyle": (0, (1, 1.2)), "zorder": 2}
_INVERSE: dict[str, Any] = {"color": QUIET, "linewidth": 0.9, "linestyle": (0, (5, 1.5, 1, 1.5)), "zorder": 2}


@dataclass(frozen=True)
class SeesawDisplay:
    """The numbers of the weight-sweep figure: one panel per mask over the positive weight.

    Args:
        sweep: The weight sweep's tables.
        size: How many seeds and images the figure rests on.
        published: Points of other systems.
        column: Whether panels stand below each other, in one column of a paper.
    """

    sweep: WeightSweep
    size: StudySize
    published: tuple[PublishedPoint, ...] = ()
    column: bool = False

    @classmethod
    def of(
        cls,
        study: StudyRuns,
        comparison: Comparison,
        published: Sequence[PublishedPoint] = (),
        sweep: WeightSweep | None = None,
    ) -> SeesawDisplay | None:
        """Count from the runs' histograms; None unless three arms, with the baseline, differ only in the weight."""
        sweep = sweep or WeightSweep.of(study, comparison)
        if sweep is None:
            return None
        return cls(sweep, StudySize.of(study, comparison), tuple(published))

    def in_column(self) -> SeesawDisplay:
        """Return the figure with its panels below each other, for one column of a paper."""
        return replace(self, column=True)

    @property
    def table(self) -> pd.DataFrame:
        """The drawn numbers, a row per mask, weight and kind.

        `kind` is natural, tuned (measured), predicted (natural, by theory), right weight, inverse class frequency or
        published; `recall, precision, f1` are means over seeds, `_low` and `_high` the range of the seeds.
        """
        points = self.sweep.points.rename(columns={"operating_point": "kind"})
        predicted = self.sweep.predicted.assign(kind="predicted", arm="")
        measured = pd.concat([points, predicted], ignore_index=True)
        groups = measured.groupby(["kind", "mask", "weight", "arm"], sort=False)
        rows = groups["seed"].nunique().rename("n_seeds").to_frame()
        for name in ("recall", "precision", "f1"):
            values = groups[name]
            # If a seed has no value, neither has the mean.
            whole = values.count() == rows["n_seeds"]
            for ending, column in (("", values.mean()), ("_low", values.min()), ("_high", values.max())):
                rows[name + ending] = column.where(whole)
        marks = [
            {"kind": kind, "mask": mark["mask"], "weight": mark[column], "f1": f1}
            for _, mark in self.sweep.marks.iterrows()
            for kind, column, f1 in (
                ("right weight", "right_weight", mark["best_f1"]),
                ("inverse class frequency", "inverse_frequency", np.nan),
            )
            if not pd.isna(mark[column])
        ]
        others = [
            {"kind": "published", "mask": p.mask, "weight": p.weight, "arm": p.label,
             "recall": p.recall, "precision": p.precision, "f1": p.f1}
            for p in self.published
        ]  # fmt: skip
        extra = [pd.DataFrame(part) for part in (marks, others) if part]
        return pd.concat([rows.reset_index(), *extra], ignore_index=True)

    @property
    def steps(self) -> pd.DataFrame:
        """Changes of natural F1 from weight to weight, `compared_with` the next and the largest one (`step_table`)."""
        parts = [("next", self.sweep.steps), ("heaviest", self.sweep.to_heaviest)]
        return pd.concat([table.assign(compared_with=what) for what, table in parts], ignore_index=True)

    @property
    def caption(self) -> str:
        """What is shown and what it rests on."""
        listed = []
        for _, mark in self.sweep.marks.iterrows():
            right = "" if pd.isna(mark["right_weight"]) else f"{mark['right_weight']:.1f} (F1* {mark['best_f1']:.2f})"
            inverse = "" if pd.isna(mark["inverse_frequency"]) else f"{mark['inverse_frequency']:.0f}"
            listed.append(f"{mark['mask']} {right or 'undefined'} and {inverse or 'unknown'}")
        own = self.sweep.weights[self.sweep.baseline]
        base = f"weight {own:g} (the baseline)"
        lowest, highest = min(self.sweep.weights.values()), max(self.sweep.weights.values())
        return (
            f"What a positive weight of {lowest:g} to {highest:g} does ({self.size.text}; means over seeds, counts "
            "pooled over images; shaded: from the lowest to the highest seed, which is no confidence interval). Solid: "
            "recall, precision and, as the one in colour, F1 at the natural point (probability 0.5). Open circles: F1 "
            "at the threshold tuned on validation, which a weight that only slides leaves where it is. Dashed: the "
            f"natural recall, precision and F1 that theory foretells from {base} alone, at its thresholds "
            f"{'1 / (1 + w)' if own == 1 else f'1 / (1 + w / {own:g})'}. Vertical, dotted: the weight that theory "
            f"calls right for F1, 2 / F1* - 1 with the tuned F1* of {base}; dash-dotted: the inverse class frequency "
            f"(1 - p) / p of the training split ({'; '.join(listed)}).{published_caption(self.published)}"
        )

    def plot(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw one panel per mask.

        Args:
            axes: One per mask to draw into; None makes a new figure with a legend.

        Raises:
            ValueError: When `axes` has another length than there are masks.
        """
        masks = self.sweep.masks
        table = self.table
        with rc_context(RC):
            if axes is not None:
                return draw_into(axes, [(mask, table) for mask in masks], self._panel, "mask")
            if self.column:
                figure = stacked_panels([_STACKED] * len(masks), lambda ax, at: self._panel(ax, masks[at], table))
            else:
                across = min(len(masks), 3)
                figure, panels = panel_grid(len(masks), across, PAGE if across > 1 else COLUMN, 2.35)
                for index, (ax, mask) in enumerate(zip(panels, masks, strict=True)):
                    self._panel(ax, mask, table)
                    ax.tick_params(labelleft=index % across == 0)
            add_legend(figure, self._legend())
        return figure

    def _panel(self, ax: Axes, mask: str, table: pd.DataFrame) -> None:
        own = table[table["mask"] == mask]
        for (kind, name), look in _LINES.items():
            rows = own[own["kind"] == kind].sort_values("weight")
            colour = look["color"]
            ax.fill_between(rows["weight"], rows[f"{name}_low"], rows[f"{name}_high"], color=colour, alpha=0.15, lw=0)
            ax.plot(rows["weight"], rows[name], clip_on=False, **look)
            if kind == "natural":
                theory = own[own["kind"] == "predicted"].sort_values("weight")
                ax.plot(theory["weight"], theory[name], color=colour, **_THEORY)
        for kind, look in (("right weight", _RIGHT), ("inverse class frequency", _INVERSE)):
            for at in own.loc[own["kind"] == kind, "weight"]:
                ax.axvline(at, **look)
                text = ax.annotate(
                    f"{at:.2g}" if at < 10 else f"{at:.0f}", (at, 1.0), xycoords=("data", "axes fraction")
                )
                text.set(position=(0, 2), anncoords="offset points", ha="center", fontsize=7, color=QUIET)
        draw_on_seesaw(ax, self.published, mask)
        shown = [*own["weight"].dropna(), *(p.weight for p in self.published if p.weight and p.beside(mask))]
        ax.set(xscale="log", xlim=(min(shown) / 1.2, max(shown) * 1.25), ylim=(0, 1), xlabel="positive weight")
        ax.set_xticks(_ticks(list(self.sweep.weights.values())))
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_title(mask, pad=11)

    def _legend(self) -> list[Line2D | Patch]:
        measured = [Line2D([], [], label=_NAMES[key], **look) for key, look in _LINES.items()]
        return [
            *measured,
            Line2D([], [], label="theory, from the baseline", color="black", **_THEORY),
            Patch(color=QUIET, alpha=0.25, linewidth=0, label="range of seeds"),
            Line2D([], [], label="right for F1 (theory)", **_RIGHT),
            Line2D([], [], label="inverse class frequency", **_INVERSE),
            *seesaw_handles(self.published),
        ]


def _ticks(weights: list[float]) -> list[float]:
    """Choose measured weights whose labels do not touch, including the smallest and the largest."""
    chosen = [max(weights)]
    for weight in sorted(weights, reverse=True)[1:]:
        if chosen[-1] / weight >= 1.7:
            chosen.append(weight)
    if chosen[-1] != min(weights):
        chosen[-1] = min(weights)
    return chosen[::-1]
