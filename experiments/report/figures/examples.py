"""The example figure: image, truth, and hits, false alarms and misses of two arms, zoomed to where they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from experiments.comparison.compare_arms import Comparison
from experiments.frontier.curve import f_beta
from experiments.report.example_choice import ExampleChoice, choose_examples
from experiments.report.facts import StudySize
from experiments.report.figures.layout import FittedLayout
from experiments.report.figures.panels import check_axes, figure_of
from experiments.report.figures.style import MASK_COLOURS, OUTCOMES, PAGE, QUIET, RC, add_legend
from experiments.runs.study import StudyRuns, short_names

_IGNORED = "#c9c9c9"
_LONGEST = 10  # letters of a name that fit beside an image
_LEAST = 64  # pixels of a side that are shown at least
_WIDTH = 0.7 * PAGE


@dataclass(frozen=True)
class ExampleDisplay:
    """The numbers of the example figure.

    Args:
        choice: The shown images and every arm's scores.
        names: What to call each arm.
        baseline: The baseline arm.
        size: How many seeds and images the study rests on.
        other: The arm beside the baseline, of the greatest gain of AP, mean over masks; None if there is none.
    """

    choice: ExampleChoice
    names: Mapping[str, str]
    baseline: str
    size: StudySize
    other: str | None = None

    @classmethod
    def of(cls, study: StudyRuns, comparison: Comparison, choice: ExampleChoice | None = None) -> ExampleDisplay | None:
        """Show the chosen images, or choose them if `choice` is None; None if the runs kept none."""
        choice = choice or choose_examples(study)
        if choice is None:
            return None
        verdicts = comparison.arm_verdicts
        shown = verdicts[verdicts["arm"].isin(choice.scores)].dropna(subset="ap_gain") if len(verdicts) else verdicts
        other = str(shown["arm"].iloc[int(shown["ap_gain"].to_numpy().argmax())]) if len(shown) else None
        names = short_names(list(study.complete))
        return cls(choice, names, study.baseline, StudySize.of(study, comparison), other)

    @property
    def shown(self) -> list[str]:
        """The arms that have a panel, the baseline first."""
        return [self.baseline, *([] if self.other is None else [self.other])]

    @property
    def table(self) -> pd.DataFrame:
        """Counts in the kept window: `role, image, arm, seed, mask, tp, fp, fn, f1`."""
        rows = []
        for role, place in zip(self.choice.roles, self.choice.places, strict=True):
            for arm, scores in self.choice.scores.items():
                predicted, target = self.choice.predicted(arm, place), scores.targets[place]
                valid = self._valid(place)
                for index, mask in enumerate(self.choice.masks):
                    hit, truth = predicted[index] & valid, target[index] & valid
                    tp = int((hit & truth).sum())
                    counts = {"tp": tp, "fp": int(hit.sum()) - tp, "fn": int(truth.sum()) - tp}
                    f1 = float(f_beta(*counts.values())) if truth.any() else float("nan")
                    who = {"role": role, "image": scores.image_ids[place], "arm": arm, "seed": self.choice.seed}
                    rows.append({**who, "mask": mask, **counts, "f1": f1})
        return pd.DataFrame(rows)

    @property
    def caption(self) -> str:
        """What is shown, and the rule by which it was chosen."""
        beside = "" if self.other is None else f", beside {self.names[self.other]}, which has the greatest gain of AP"
        where = "with the most foreground" if self.other is None else "in which these two differ most"
        return (
            f"Predictions of {self.names[self.baseline]}{beside}, at each arm's tuned threshold, seed "
            f"{self.choice.seed}. Of {self.choice.n_kept} test images, "
            "chosen without looking at any model (evenly spaced in order of their share of foreground), those on which "
            f"{self.names[self.baseline]} has its best, median and worst F1 at its tuned threshold (beside the image: "
            "of this whole image, mean over masks and seeds). Under each panel: the arm's F1 in this image, mean over "
            f"masks, seed {self.choice.seed} alone. Both are of one image, while F1 in the other figures counts the "
            f"pixels of all test images together. Images are cut to their part {where}. Wrong mask: a pixel of one "
            "mask predicted as another. The numbers have all arms."
        )

    def plot(self, axes: Sequence[Axes] | None = None) -> Figure:
        """Draw image, truth and one panel per shown arm for each shown image.

        Raises:
            ValueError: When `axes` has another length.
        """
        per_image, images = len(self.shown) + 2, len(self.choice.places)
        with plt.rc_context(RC):
            if axes is not None:
                check_axes(axes, per_image * images, "shown image and panel")
                self._panels(axes, per_image)
                return figure_of(axes)
            tall = max(self._crop(place)[2] / self._crop(place)[3] for place in self.choice.places)
            height = (tall * (_WIDTH - 0.4) / per_image + 0.19) * images + 0.25
            figure, grid = plt.subplots(images, per_image, figsize=(_WIDTH, height), squeeze=False)
            figure.set_layout_engine(FittedLayout(w_pad=0.01, h_pad=0.02, wspace=0.02, hspace=0.02))
            self._panels(list(grid.flat), per_image)
            for ax in grid[1:].flat:
                ax.set_title("")
            add_legend(figure, self._legend())
        return figure

    def _panels(self, axes: Sequence[Axes], per_image: int) -> None:
        table = self.table
        base = self.names[self.baseline]
        label = base if len(base) <= _LONGEST else "baseline"
        for index, (role, place) in enumerate(zip(self.choice.roles, self.choice.places, strict=True)):
            row = axes[index * per_image : (index + 1) * per_image]
            top, left, height, width = self._crop(place)
            part = (slice(top, top + height), slice(left, left + width))
            first = self.choice.scores[self.baseline]
            image = first.images[place][part]
            row[0].imshow(np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image, interpolation="nearest")
            row[0].set_ylabel(f"{role} image\n{label} F1 {self.choice.baseline_f1[index]:.2f}", fontsize=7.5)
            row[1].imshow(self._truth(place)[part], interpolation="nearest")
            titles = ["image", "truth", *(self.names[arm] for arm in self.shown)]
            for ax, arm in zip(row[2:], self.shown, strict=True):
                ax.imshow(self._outcome(arm, place)[part], interpolation="nearest")
                own = table[(table["role"] == role) & (table["arm"] == arm)]["f1"]
                ax.set_xlabel(f"image F1 {own.mean():.2f}", fontsize=7, labelpad=1)
            for ax, title in zip(row, titles, strict=True):
                ax.set(xticks=[], yticks=[])
                ax.set_title(title, fontsize=7.5)
                ax.spines[:].set(visible=True, linewidth=0.4, color=QUIET)

    def _valid(self, place: int) -> NDArray[np.bool_]:
        scores = self.choice.scores[self.baseline]
        valid = scores.valids[place]
        return np.ones(scores.targets[place].shape[1:], bool) if valid is None else valid

    def _truth(self, place: int) -> NDArray[np.float64]:
        target = self.choice.scores[self.baseline].targets[place]
        picture = np.ones((*target.shape[1:], 3))
        for index, mask in enumerate(target):
            picture[mask] = to_rgb(self._mask_colours[index])
        picture[~self._valid(place)] = to_rgb(_IGNORED)
        return picture

    def _outcome(self, arm: str, place: int) -> NDArray[np.float64]:
        predicted, target = self.choice.predicted(arm, place), self.choice.scores[arm].targets[place]
        missed, wrong = (target & ~predicted).any(axis=0), (predicted & ~target).any(axis=0)
        picture = np.ones((*target.shape[1:], 3))
        kinds = ((predicted & target).any(axis=0), wrong, missed, wrong & missed)
        for where, colour in zip(kinds, OUTCOMES.values(), strict=True):  # a later outcome overrides an earlier one
            picture[where] = to_rgb(colour)
        picture[~self._valid(place)] = to_rgb(_IGNORED)
        return picture

    def _crop(self, place: int) -> tuple[int, int, int, int]:
        """Find the square in which the shown arms differ most, or with most foreground: top, left, height, width.

        Its side is half of the image's shorter one.
        """
        foreground = self.choice.scores[self.baseline].targets[place].any(axis=0)
        weight = foreground.astype(np.int64)
        if self.other is not None:
            first, second = (self.choice.predicted(arm, place) for arm in self.shown)
            weight += weight.sum() * (first != second).any(axis=0)  # foreground decides where they are the same
        weight *= self._valid(place)
        side = min(max(min(weight.shape) // 2, _LEAST), *weight.shape)
        top, left = _densest(weight, side)
        return top, left, side, side

    @property
    def _mask_colours(self) -> list[str]:
        count = len(self.choice.masks)
        return ["#111111"] if count == 1 else [MASK_COLOURS[index % len(MASK_COLOURS)] for index in range(count)]

    def _legend(self) -> list[Patch]:
        single = len(self.choice.masks) == 1
        outcomes = [Patch(color=colour, label=name) for name, colour in OUTCOMES.items()]
        masks = [
            Patch(color=colour, label=f"truth: {mask}")
            for mask, colour in zip(self.choice.masks, self._mask_colours, strict=True)
        ]
        return outcomes[:3] if single else [*outcomes, *masks]


def _densest(weight: NDArray[np.int64], side: int) -> tuple[int, int]:
    """Return top and left of the square with the largest sum.

    >>> _densest(np.diag([0, 0, 5, 1]), 2)
    (2, 2)
    """
    sums = np.pad(weight.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    top, left = np.unravel_index(int(inside.argmax()), inside.shape)
    return int(top), int(left)
