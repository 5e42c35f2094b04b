"""Statistics of a run's pooled counts, with all test groups and with each group left out."""

from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from experiments.frontier.codes import N_CODES, code_to_logit
from experiments.frontier.curve import RECALL_TOLERANCE, f_beta, ratio, recall_gain_area
from experiments.frontier.histogram import ScoreHistograms

_BLOCK_ELEMENTS = 1 << 16
"""Elements of a (groups x thresholds) block, chosen so that a few float64 blocks fit into the cache."""


Number = TypeVar("Number", bound=np.generic)


def with_each_left_out(sums: NDArray[Number]) -> NDArray[Number]:
    """Sum over all G groups, then without each group: (G, ...) to (1+G, ...), row 1 + g without group g.

    >>> with_each_left_out(np.array([1, 2, 4])).tolist()
    [7, 6, 5, 3]
    """
    total = sums.sum(axis=0)
    return np.concatenate([total[None], total - sums])


def group_sums(per_image: NDArray[Number], group_of: NDArray[np.intp], n_groups: int) -> NDArray[Number]:
    """Sum over the images of each group: (N, ...) to (G, ...).

    >>> group_sums(np.array([1, 2, 4]), np.array([1, 0, 1]), 2).tolist()
    [2, 5]
    """
    sums = np.zeros((n_groups, *per_image.shape[1:]), per_image.dtype)
    np.add.at(sums, group_of, per_image)
    return sums


def positives_per_group(histograms: ScoreHistograms, mask: int, group_of: NDArray[np.intp]) -> NDArray[np.int64]:
    """Count one mask's positive pixels in each test group, (G,).

    Args:
        histograms: N images.
        mask: index of the mask.
        group_of: (N,), each image's group, 0 to G-1.
    """
    _, positives, _, lengths = histograms.mask_entries(mask)
    n_groups = int(group_of.max(initial=-1)) + 1
    return np.bincount(np.repeat(group_of, lengths), weights=positives, minlength=n_groups).astype(np.int64)


@dataclass(frozen=True)
class GroupCounts:
    """Counts of one run and mask at K thresholds; row 0 holds all G groups, row 1 + g leaves group g out.

    Args:
        tp: int64 (1+G, K), positives with `score >= threshold`.
        fp: int64 (1+G, K), negatives with `score >= threshold`.
        n_positive: int64 (1+G,), all positives.
    """

    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    n_positive: NDArray[np.int64]

    @property
    def recall(self) -> NDArray[np.float64]:
        """TP / P, (1+G, K); NaN without positives."""
        return ratio(self.tp, self.n_positive[:, None])

    @property
    def precision(self) -> NDArray[np.float64]:
        """TP / (TP + FP), (1+G, K); NaN where nothing is predicted."""
        return ratio(self.tp, self.tp + self.fp)

    @property
    def f1(self) -> NDArray[np.float64]:
        """F1, (1+G, K); NaN without positives."""
        total = self.n_positive[:, None]
        return np.where(total > 0, f_beta(self.tp, self.fp, total - self.tp), np.nan)


def group_counts(
    histograms: ScoreHistograms, mask: int, group_of: NDArray[np.intp], codes: NDArray[np.integer]
) -> GroupCounts:
    """Count one mask's pixels at and above each threshold, with all groups and without each.

    Args:
        histograms: N images.
        mask: index of the mask.
        group_of: (N,), each image's group, 0 to G-1.
        codes: (K,), thresholds, ascending; 65536 predicts nothing.
    """
    n_groups, n_codes = int(group_of.max(initial=-1)) + 1, len(codes)
    bins, positives, negatives, lengths = histograms.mask_entries(mask)
    # Column k holds the pixels between threshold k - 1 and threshold k; the last one those above all of them.
    column = np.searchsorted(codes, np.arange(N_CODES), side="right")
    place = column[bins] + np.repeat(group_of * (n_codes + 1), lengths)
    held, size = np.flatnonzero(positives), n_groups * (n_codes + 1)
    cells_of_positives = np.bincount(place[held], weights=positives[held], minlength=size)  # few entries hold one
    cells_of_negatives = np.bincount(place, weights=negatives, minlength=size)
    # Sums of integers below 2**53 are exact in float64.
    tp, fp = (
        with_each_left_out(np.cumsum(cells.astype(np.int64).reshape(n_groups, -1)[:, ::-1], axis=1)[:, ::-1])
        for cells in (cells_of_positives, cells_of_negatives)
    )
    return GroupCounts(tp[:, 1:], fp[:, 1:], tp[:, 0])


@dataclass(frozen=True)
class GroupSweep:
    """Statistics of one run and mask; row 0 uses all G groups, row 1 + g leaves group g out, exactly.

    Args:
        curve: (F,), precision at the fine grid of recalls, all groups together; NaN where not reached.
        average_precision: (1+G,).
        mean_precision: (1+G,), mean precision over the recall band.
        gain_area: (1+G,), area under the precision-recall-gain curve; NaN if the grid does not ask for it.
        precision_at_recall: (1+G, R), at the highest threshold with recall >= each level.
        reached: bool (R,), whether all groups together have a threshold whose recall is close to the level.
        recall_at_precision: (1+G, Q), NaN if no threshold has the precision.
        precision_at_level: (1+G, A), precision at recall levels that differ from row to row.
        threshold_at_level: (1+G, A), the logits of those thresholds.
        level_reached: bool (A,), as `reached`.
    """

    curve: NDArray[np.float64]
    average_precision: NDArray[np.float64]
    mean_precision: NDArray[np.float64]
    gain_area: NDArray[np.float64]
    precision_at_recall: NDArray[np.float64]
    reached: NDArray[np.bool_]
    recall_at_precision: NDArray[np.float64]
    precision_at_level: NDArray[np.float64]
    threshold_at_level: NDArray[np.float64]
    level_reached: NDArray[np.bool_]


@dataclass(frozen=True)
class SweepGrid:
    """The levels that a sweep evaluates.

    Args:
        recalls: (R,), in (0, 1].
        precisions: (Q,), in (0, 1].
        recall_band: lowest and highest recall of the mean precision.
        tolerance: largest excess of recall that still counts as reached.
        curve_recalls: (F,), fine grid for drawing, in (0, 1].
        gain_area: whether to compute the area under the precision-recall-gain curve.
    """

    recalls: NDArray[np.float64]
    precisions: NDArray[np.float64]
    recall_band: tuple[float, float] = (0.0, 1.0)
    tolerance: float = RECALL_TOLERANCE
    curve_recalls: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    gain_area: bool = False


def group_sweep(
    histograms: ScoreHistograms,
    mask: int,
    group_of: NDArray[np.intp],
    grid: SweepGrid,
    levels: NDArray[np.float64] | None = None,
    pooled: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
    *,
    near: ScoreHistograms | None = None,
) -> GroupSweep:
    """Compute the statistics of all groups together and of each delete-one set of groups.

    True positives change only at thresholds that hold a positive pixel. So every statistic here is a function of the
    counts at those K thresholds, and negatives between them are summed without loss. Only the area of gains, which
    joins points by lines, also needs the negatives tied with each of them. The cost is O(entries + G K), the
    memory O(K) plus a fixed block.

    Args:
        histograms: N images.
        mask: index of the mask.
        group_of: (N,), each image's group, 0 to G-1.
        grid: recalls, precisions and band.
        levels: recall levels per row, (1+G, A), NaN allowed; None for none.
        pooled: `histograms.pooled(mask)`, if the caller has it.
        near: what precision is read from, where it is not `histograms`: of the same images and groups, all predicted
            pixels, "positive" if they are right (`TolerantHistograms.near`). Without an area of gains.

    Returns:
        The statistics, NaN in a row whose groups hold no positive pixel.
    """
    n_rows = int(group_of.max(initial=-1)) + 2
    wanted = np.zeros((n_rows, 0)) if levels is None else levels
    order = np.argsort(group_of, kind="stable")
    all_positives, all_negatives = pooled or histograms.pooled(mask)
    thresholds, all_hits, all_pixels = _positive_thresholds(all_positives, all_negatives)
    all_right = all_hits
    if near is not None:
        all_right, all_pixels = _between(thresholds, *near.pooled(mask))
    out = _empty_sweep(n_rows, grid, wanted.shape[1])
    if not len(thresholds):
        return out
    n_thresholds = len(thresholds)
    # Entries below the lowest threshold go to an extra column, which is never read.
    is_threshold = np.zeros(N_CODES, bool)
    is_threshold[thresholds] = True
    column = n_thresholds - np.cumsum(is_threshold)
    logits = code_to_logit(thresholds)
    rows_per_block = max(1, _BLOCK_ELEMENTS // (n_thresholds + 1))
    group_edges = np.searchsorted(group_of[order], np.arange(n_rows))
    for first in range(0, n_rows, rows_per_block):
        rows = np.arange(first, min(first + rows_per_block, n_rows))
        # Row 0 leaves nothing out; row 1 + g leaves group g out.
        chosen = order[group_edges[max(rows[0] - 1, 0)] : group_edges[rows[-1]]]
        bins, positives, negatives, lengths = histograms.mask_entries(mask, chosen)
        offset = (group_of[chosen] + 1 - first) * (n_thresholds + 1)
        place = column[bins] + np.repeat(offset, lengths)
        size = len(rows) * (n_thresholds + 1)
        hit = np.flatnonzero(positives != 0)
        left_hits = np.bincount(place[hit], weights=positives[hit], minlength=size)
        # Added in float64, because two counts of 32 bits may not fit into 32 bits together.
        both = np.add(positives, negatives, dtype=np.float64)
        left_pixels = np.bincount(place, weights=both, minlength=size)
        # The last column, with the pixels below the lowest threshold, may exceed the range of `all_hits.dtype`.
        hits = all_hits - left_hits.reshape(len(rows), -1)[:, :-1].astype(all_hits.dtype)
        right = hits
        if near is not None:
            bins, positives, negatives, lengths = near.mask_entries(mask, chosen)
            place = column[bins] + np.repeat(offset, lengths)
            left_right = np.bincount(place, weights=positives, minlength=size)
            left_pixels = left_right + np.bincount(place, weights=negatives, minlength=size)
            right = all_right - left_right.reshape(len(rows), -1)[:, :-1].astype(all_right.dtype)
        pixels = all_pixels - left_pixels.reshape(len(rows), -1)[:, :-1].astype(all_pixels.dtype)
        if grid.gain_area:
            tied = np.flatnonzero(is_threshold[bins])
            left_tied = np.bincount(place[tied], weights=negatives[tied], minlength=size).reshape(len(rows), -1)
            left_negatives = (left_pixels - left_hits).reshape(len(rows), -1).sum(axis=1)
            tp, above = (np.cumsum(counts, axis=1, dtype=counts.dtype) for counts in (hits, pixels))
            tied_negatives = all_negatives[thresholds] - left_tied[:, :-1]
            n_negative = all_negatives.sum() - left_negatives
            out.gain_area[rows] = recall_gain_area(tp, above - tp, tied_negatives, n_negative)
        _sweep_block(out, rows, hits, right, pixels, logits, grid, wanted[rows])
    return out


def _positive_thresholds(
    positives: NDArray[np.int64], negatives: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.integer], NDArray[np.integer]]:
    """Find the thresholds that hold a positive, descending; positives at each; pixels from each up to the next."""
    thresholds = np.flatnonzero(positives)[::-1]
    above = np.cumsum((positives + negatives)[::-1])[::-1][thresholds]
    # Running sums of integers take a seventh of the time of float64 ones, and int32 converts fastest.
    counts = np.int32 if above[-1:].sum() < np.iinfo(np.int32).max else np.int64
    return thresholds, positives[thresholds].astype(counts), np.diff(above, prepend=0).astype(counts)


def _between(
    thresholds: NDArray[np.int64], right: NDArray[np.int64], wrong: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count right pixels, and all pixels, from each threshold up to the next; thresholds descend."""
    above = (np.cumsum(counts[::-1])[::-1][thresholds] for counts in (right, right + wrong))
    first, second = (np.diff(counts, prepend=0) for counts in above)
    return first, second


def _empty_sweep(n_rows: int, grid: SweepGrid, n_levels: int) -> GroupSweep:
    def nan(*shape: int) -> NDArray[np.float64]:
        return np.full((n_rows, *shape), np.nan)

    n_recalls = len(grid.recalls)
    return GroupSweep(
        curve=np.full(len(grid.curve_recalls), np.nan),
        average_precision=nan(),
        mean_precision=nan(),
        gain_area=nan(),
        precision_at_recall=nan(n_recalls),
        reached=np.zeros(n_recalls, bool),
        recall_at_precision=nan(len(grid.precisions)),
        precision_at_level=nan(n_levels),
        threshold_at_level=nan(n_levels),
        level_reached=np.zeros(n_levels, bool),
    )


def _sweep_block(
    out: GroupSweep,
    rows: NDArray[np.intp],
    hits: NDArray[np.integer],
    right: NDArray[np.integer],
    pixels: NDArray[np.integer],
    logits: NDArray[np.float64],
    grid: SweepGrid,
    levels: NDArray[np.float64],
) -> None:
    """Fill `rows` of `out` from the positives, right and all pixels at each threshold, (B, K) each."""
    tp = np.cumsum(hits, axis=1, dtype=hits.dtype)
    total = tp[:, -1].astype(np.float64)
    above = np.cumsum(pixels, axis=1, dtype=pixels.dtype)
    # Without pixels above a threshold there are no positives either: 0 / 1.
    right_above = tp if right is hits else np.cumsum(right, axis=1, dtype=right.dtype)
    precision = right_above / np.maximum(above, 1)
    defined = total > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        out.average_precision[rows] = np.einsum("bk,bk->b", hits, precision) / total
    low, high = grid.recall_band
    if (low, high) == (0.0, 1.0):
        out.mean_precision[rows] = out.average_precision[rows]
    else:
        clipped = np.clip(tp, low * total[:, None], high * total[:, None])
        steps = np.diff(clipped, axis=1, prepend=low * total[:, None])
        with np.errstate(invalid="ignore", divide="ignore"):
            out.mean_precision[rows] = np.einsum("bk,bk->b", steps, precision) / ((high - low) * total)
    if len(grid.precisions):
        # The bits of non-negative floats have the same order as the floats, and integers accumulate faster.
        bits = precision.view(np.int64)[:, ::-1]
        best_after = np.maximum.accumulate(bits, axis=1).view(np.float64)
    for place, row in enumerate(rows.tolist()):
        if not defined[place]:
            continue
        n_positive = total[place]
        asked = np.concatenate([grid.recalls, levels[place]])
        # A level of NaN or 0 sorts to an end; its value is set to NaN below.
        index = np.searchsorted(tp[place], (asked - 1e-9) * n_positive, side="left")
        index = np.minimum(index, tp.shape[1] - 1)
        found = np.where(asked > 0, precision[place, index], np.nan)
        n_recalls = len(grid.recalls)
        out.precision_at_recall[row] = found[:n_recalls]
        out.precision_at_level[row] = found[n_recalls:]
        out.threshold_at_level[row] = np.where(asked > 0, logits[index], np.nan)[n_recalls:]
        if row == 0:
            excess = tp[place, index] / n_positive - asked
            reached = (asked > 0) & (excess <= max(grid.tolerance, 1.0 / n_positive) + 1e-9)
            out.reached[:], out.level_reached[:] = reached[:n_recalls], reached[n_recalls:]
            fine = np.searchsorted(tp[0], (grid.curve_recalls - 1e-9) * n_positive, side="left")
            near = tp[0, fine] / n_positive - grid.curve_recalls <= max(grid.tolerance, 1.0 / n_positive) + 1e-9
            out.curve[:] = np.where(near, precision[0, fine], np.nan)
        if len(grid.precisions):
            back = np.searchsorted(best_after[place], grid.precisions - 1e-12, side="left")
            last = tp.shape[1] - 1 - np.minimum(back, tp.shape[1] - 1)
            recall = tp[place, last] / n_positive
            out.recall_at_precision[row] = np.where(back < tp.shape[1], recall, np.nan)
