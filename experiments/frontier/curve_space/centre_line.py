"""The centre line of a mask, one value per row, and what it is off by: errors of a curve that was read from a mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from experiments.config import CURVE_AXES

Axis = Literal["rows", "columns"]
"""Along which a curve has its values: one per row of the image (a log, whose depth runs down) or one per column."""

SUMS = (
    "true_rows",
    "several_rows",
    "empty_rows",
    "covered_rows",
    "extra_rows",
    "abs_error",
    "error",
    "squared_error",
    "true_spread",
    "filled_abs_error",
    "filled_share",
)
"""What `curve_sums` gives; every entry may be added over images.

With y the true and p the predicted value of a row, d = p - y, and w the pixels of a row:

| name | meaning |
|---|---|
| `true_rows` | rows with a true value: exactly one run of true pixels |
| `several_rows` | rows with several runs of true pixels, which have no single value and are left out |
| `empty_rows` | rows without a true pixel |
| `covered_rows` | rows with a true value that have a predicted one |
| `extra_rows` | rows without a true pixel that have a predicted value |
| `abs_error`, `error`, `squared_error` | sums of \\|d\\|, d and d^2 over the covered rows |
| `true_spread` | sum of (y - mean y)^2 over the covered rows, the mean being the image's |
| `filled_abs_error` | sum of \\|d\\| over all rows with a true value, gaps of the prediction filled |
| `filled_share` | the same sum of \\|d\\| / w |
"""


def curve_of(mask: ArrayLike, axis: Axis = "rows") -> NDArray[np.float64]:
    """Return the value of a mask in each row: the centre of the row's longest run of positive pixels.

        value = (first + last) / 2,

    with the run's first and last column, counted from 0. Of several runs of the greatest length the leftmost counts; a
    row without a positive pixel has no value. So a stroke of any width gives its middle, and specks beside it change
    nothing. Where a stroke runs along the row, the value is the middle of what it covers.

    Args:
        mask: (H, W), 0 and 1.
        axis: "rows" gives H values in columns; "columns" gives W values in rows.

    Returns:
        (H,) or (W,), pixels; NaN where there is no value.

    Raises:
        ValueError: the mask is not an image of 0 and 1, or the axis is neither word.

    Example:
        >>> curve_of([[0, 1, 1, 1, 0], [1, 0, 0, 1, 1], [0, 0, 0, 0, 0], [1, 0, 0, 0, 1]]).tolist()
        [2.0, 3.5, nan, 0.0]
    """
    return _rows_of(_as_mask(mask, "mask", axis))[0]


@dataclass(frozen=True)
class CurveErrors:
    """How well a predicted curve agrees with the true one.

    Args:
        mae: mean |d| over the rows that have both values, in pixels times the scale; NaN without such a row, as below.
        mae_filled: mean |d| over all rows with a true value, gaps of the prediction filled.
        bias: mean d: how far the prediction lies to the right, or below where values are per column.
        r2: 1 - sum d^2 / sum (y - mean y)^2 over the rows that have both; NaN where the true values do not vary.
        coverage: share of the rows with a true value that have a predicted one.
        extra: share of the rows without a true pixel that have a predicted value.
        accuracy: 1 - mean |d| / w over all rows with a true value, gaps filled; w is the length of a row.
        true_rows: rows with a true value.
        several_rows: rows left out, as the truth has several runs there.

    Example:
        >>> found = curve_errors([[0, 1, 0], [0, 0, 1]], [[0, 1, 0], [0, 1, 0]])
        >>> found.mae, found.bias, found.coverage, found.true_rows
        (0.5, 0.5, 1.0, 2)
    """

    mae: float
    mae_filled: float
    bias: float
    r2: float
    coverage: float
    extra: float
    accuracy: float
    true_rows: int
    several_rows: int


def curve_errors(predicted: ArrayLike, truth: ArrayLike, *, axis: Axis = "rows", scale: float = 1.0) -> CurveErrors:
    """Read two masks of one image as curves, and compare their values row by row.

        d = (p - y) scale,  MAE = mean |d|,  R2 = 1 - sum d^2 / sum (y - mean y)^2

    Gaps of the prediction are filled linearly between its nearest values above and below, and by the nearest beyond
    its ends; a prediction without any value is the middle of the image throughout. Rows in which the truth has several
    runs, as where a curve wraps or meets itself, have no single value and are left out.

    Args:
        predicted: (H, W), 0 and 1.
        truth: (H, W), 0 and 1.
        axis: "rows" or "columns": along which there is a value each.
        scale: units per pixel.

    Raises:
        ValueError: masks are not images of 0 and 1 of one size, the axis is neither word, or the scale is not positive.

    Example:
        >>> truth = np.eye(4, 8, k=2)
        >>> predicted = np.roll(truth, 1, axis=1)
        >>> predicted[2] = 0
        >>> found = curve_errors(predicted, truth, scale=0.5)
        >>> found.mae, found.mae_filled, found.coverage
        (0.5, 0.5, 0.75)
    """
    if not (np.isfinite(scale) and scale > 0):
        raise ValueError(f"scale: expected a finite number of units per pixel above 0, got {scale}")
    masks = [_as_mask(mask, name, axis) for mask, name in ((predicted, "predicted"), (truth, "truth"))]
    if masks[0].shape != masks[1].shape:
        raise ValueError(f"predicted: expected the size of truth, {np.shape(truth)}, got {np.shape(predicted)}")
    sums = curve_sums(masks[0], masks[1])
    found = {name: float(value) for name, value in rates(dict(zip(SUMS, sums, strict=True))).items()}
    of_pixels = {name: found[name] * scale for name in ("mae", "mae_filled", "bias")}
    return CurveErrors(**found | of_pixels, true_rows=int(sums[0]), several_rows=int(sums[1]))


def rates(sums: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.float64]]:
    """Turn sums, of one image or of several together, into the rates of `CurveErrors`, in pixels.

    Args:
        sums: name -> values of any one shape, names as in `SUMS`.
    """
    of = {name: np.asarray(values, dtype=np.float64) for name, values in sums.items()}
    return {
        "mae": _per(of["abs_error"], of["covered_rows"]),
        "mae_filled": _per(of["filled_abs_error"], of["true_rows"]),
        "bias": _per(of["error"], of["covered_rows"]),
        "r2": 1.0 - _per(of["squared_error"], of["true_spread"]),
        "coverage": _per(of["covered_rows"], of["true_rows"]),
        "extra": _per(of["extra_rows"], of["empty_rows"]),
        "accuracy": 1.0 - _per(of["filled_share"], of["true_rows"]),
    }


def curve_sums(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the sums of one image over its rows, (K,), in the order of `SUMS`; see there.

    Args:
        predicted: bool (H, W).
        truth: bool (H, W).
    """
    return sums_of_predictions(predicted[None], truth)[0]


def sums_of_predictions(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the sums of Q predictions of one image, (Q, K), in the order of `SUMS`.

    Args:
        predicted: bool (Q, H, W).
        truth: bool (H, W).
    """
    height, width = truth.shape
    y, n_runs = _rows_of(truth)
    true, empty = n_runs == 1, n_runs == 0
    out = np.zeros((len(predicted), len(SUMS)))
    for place, mask in enumerate(predicted):
        p, found = _rows_of(mask)
        there = found > 0
        both = true & there
        d = p[both] - y[both]
        filled = _filled(p, there, (width - 1) / 2.0)
        off = np.abs(filled[true] - y[true]).sum()
        out[place] = [
            true.sum(),
            height - true.sum() - empty.sum(),
            empty.sum(),
            both.sum(),
            (empty & there).sum(),
            np.abs(d).sum(),
            d.sum(),
            (d**2).sum(),
            ((y[both] - y[both].mean()) ** 2).sum() if both.any() else 0.0,
            off,
            off / width if width else 0.0,
        ]
    return out


def _rows_of(mask: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the centre of each row's longest run, NaN where there is none, and the number of its runs; (H,) each."""
    height = len(mask)
    padded = np.zeros((height, mask.shape[1] + 2), bool)
    padded[:, 1:-1] = mask
    rows, edges = np.nonzero(padded[:, 1:] != padded[:, :-1])  # a run's first column, then the one after its last
    rows, first, end = rows[::2], edges[::2], edges[1::2]
    values = np.full(height, np.nan)
    # Written from the shortest run to the longest, so the longest stays; of equals the leftmost is written last.
    order = np.lexsort((-first, end - first))
    values[rows[order]] = (first[order] + end[order] - 1) / 2.0
    return values, np.bincount(rows, minlength=height)


def _filled(values: NDArray[np.float64], there: NDArray[np.bool_], middle: float) -> NDArray[np.float64]:
    if not there.any():
        return np.full(len(values), middle)
    return np.interp(np.arange(len(values)), np.flatnonzero(there), values[there])


def _per(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _as_mask(mask: ArrayLike, name: str, axis: str) -> NDArray[np.bool_]:
    if axis not in CURVE_AXES:
        raise ValueError(f"axis: expected {' or '.join(CURVE_AXES)}, got {axis!r}")
    array = np.asarray(mask)
    if array.ndim != 2 or not ((array == 0) | (array == 1)).all():
        got = f"shape {array.shape}" if array.ndim != 2 else f"values from {array.min()} to {array.max()}"
        raise ValueError(f"{name}: expected an image (H, W) of 0 and 1, got {got}")
    return in_rows(array.astype(bool), axis)


def in_rows(array: NDArray[np.bool_], axis: str) -> NDArray[np.bool_]:
    """Turn an array (..., H, W) so that the curve has a value per row."""
    return array if axis == "rows" else array.swapaxes(-1, -2)
