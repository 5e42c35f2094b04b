"""The errors of the curves of one run and mask, with all test groups and without each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.frontier.curve_space.centre_line import SUMS, rates
from experiments.frontier.curve_space.counts import CurveSums
from experiments.frontier.leave_one_out import group_sums

COLUMNS = (
    "curve_accuracy",
    "curve_mae",
    "curve_mae_filled",
    "curve_bias",
    "curve_r2",
    "curve_coverage",
    "curve_extra",
)
"""Names of the statistics with one value per run, at the tuned point; the rates of `CurveErrors`, in pixels."""

Rows = NDArray[np.float64]
"""A statistic of one run: row 0 with all G groups, row 1 + g without group g."""


@dataclass(frozen=True)
class CurveNumbers:
    """Errors of the curves of one run and mask.

    Args:
        groups: point -> (G, K), sums of each group, columns `SUMS`.
        rows: point -> (1+G, K), sums of all groups and without each.
        images_without_rows: images without a row that has a true value, which count nowhere.
    """

    groups: Mapping[str, NDArray[np.float64]]
    rows: Mapping[str, NDArray[np.float64]]
    images_without_rows: int

    @classmethod
    def of(cls, curves: CurveSums, mask: int, group_of: NDArray[np.intp]) -> "CurveNumbers":
        """Pool one mask over the images of each group.

        Args:
            curves: of one run.
            mask: index of the mask.
            group_of: (N,), each image's group.
        """
        n_groups = int(group_of.max(initial=-1)) + 1
        # Not "all minus the group": a group's rounding would stand where nothing is left.
        others = np.concatenate([np.ones((1, n_groups)), 1.0 - np.eye(n_groups)])
        groups = {point: group_sums(curves.of(point, mask), group_of, n_groups) for point in curves.points}
        true_rows = curves.of(curves.points[0], mask)[:, SUMS.index("true_rows")]
        return cls(
            groups, {point: others @ each for point, each in groups.items()}, int(np.count_nonzero(true_rows == 0))
        )

    @property
    def true_rows(self) -> Rows:
        """Rows with a true value, (1+G,); the same at every point."""
        return next(iter(self.rows.values()))[:, SUMS.index("true_rows")]

    def columns(self) -> dict[str, Rows]:
        """Return the statistics of `COLUMNS`; NaN where the run has no tuned point."""
        if "tuned" not in self.rows:
            return dict.fromkeys(COLUMNS, np.full(len(self.true_rows), np.nan))
        return {f"curve_{name}": values for name, values in rates_of(self.rows["tuned"]).items()}


def rates_of(sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Turn sums (..., K) into rates (...)."""
    return rates(dict(zip(SUMS, np.moveaxis(sums, -1, 0), strict=True)))


def problem_of_rows(curve: CurveNumbers, group_names: Sequence[str]) -> str:
    """Say why curves of one mask cannot have a verdict; empty where they can."""
    if curve.true_rows[0] == 0:
        return "no row of this mask in the test set has one run of true pixels"
    sole = np.flatnonzero(curve.true_rows[1:] == 0)
    if len(sole) and len(group_names) > 1:
        return f"all rows of this mask with a true value lie in one test group, {group_names[sole[0]]}"
    return ""
