"""Histograms add up, survive storage, and refuse data that do not match."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.frontier.arithmetic import add_rows, from_pixels, from_rows, merge, recode, reorder_images, sparse_row
from experiments.frontier.codes import N_CODES, logit_to_code
from experiments.frontier.histogram import ScoreHistograms


def _histograms(seed: int = 0, n_images: int = 5, pixels: int = 400) -> ScoreHistograms:
    rng = np.random.default_rng(seed)
    labels = rng.random((n_images, 2, pixels)) < 0.1
    logits = rng.standard_normal(labels.shape) + 2.0 * labels
    ids = [f"image-{index}" for index in range(n_images)]
    histograms = from_pixels(
        ["solid", "dashed"], ids, [f"well-{index // 2}" for index in range(n_images)], logits, labels
    )
    return replace(histograms, joint=rng.integers(0, 9, (n_images, 1, 5)))


def _same(first: ScoreHistograms, second: ScoreHistograms) -> bool:
    mine, theirs = first.to_arrays(), second.to_arrays()
    return all(np.array_equal(mine[name], theirs[name]) for name in mine)


def test_rows_against_a_dense_count() -> None:
    rng = np.random.default_rng(1)
    labels = rng.random((3, 2, 500)) < 0.2
    logits = np.round(rng.standard_normal(labels.shape), 1)
    histograms = from_pixels(["a", "b"], list("xyz"), list("xyz"), logits, labels)
    for image in range(3):
        for mask in range(2):
            bins, positives, negatives = histograms.row(image, mask)
            codes = logit_to_code(logits[image, mask])
            assert bins.tolist() == np.unique(codes).tolist()
            for place, code in enumerate(bins):
                here = codes == code
                assert positives[place] == labels[image, mask][here].sum()
                assert negatives[place] == (~labels[image, mask])[here].sum()
    pooled = histograms.pooled(1)
    codes = logit_to_code(logits[:, 1])
    assert np.array_equal(pooled[0], np.bincount(codes[labels[:, 1]], minlength=N_CODES))
    assert np.array_equal(pooled[1], np.bincount(codes[~labels[:, 1]], minlength=N_CODES))
    assert np.array_equal(histograms.pixel_counts()[0], labels.sum(axis=2))
    assert np.array_equal(histograms.pixel_counts()[1], (~labels).sum(axis=2))


def test_storage_round_trip() -> None:
    histograms = _histograms()
    arrays = histograms.to_arrays("test_")
    assert all(name.startswith("test_") for name in arrays)
    assert _same(ScoreHistograms.from_arrays(arrays, "test_"), histograms)
    # Ten rows of int64 offsets, entries of 2 + 4 + 4 bytes, five joint counts of int64 for each of five images.
    assert histograms.n_bytes == 11 * 8 + 10 * len(histograms.bins) + 5 * 5 * 8


def test_merge_is_addition() -> None:
    whole = _histograms()
    parts = [reorder_images(whole, np.array(chosen)) for chosen in ([0, 3], [1], [2, 4])]
    merged = merge(parts)
    assert merged.image_ids == ("image-0", "image-3", "image-1", "image-2", "image-4")
    order = np.array([merged.image_ids.index(name) for name in whole.image_ids])
    assert _same(reorder_images(merged, order), whole)
    # Added to itself, every count doubles and no bin is new.
    twice = merge([whole, whole])
    assert np.array_equal(twice.bins, whole.bins)
    assert np.array_equal(twice.positives, 2 * whole.positives)
    assert np.array_equal(twice.joint, 2 * whole.joint)


def test_order_of_merging_does_not_matter() -> None:
    first, second = _histograms(0), _histograms(1)
    forth, back = merge([first, second]), merge([second, first])
    assert _same(forth, back)
    assert forth.positives.sum() == first.positives.sum() + second.positives.sum()


def test_rows_add_up_in_shared_and_in_own_bins() -> None:
    first = (np.array([1, 5], np.uint16), np.array([1, 0], np.uint32), np.array([2, 3], np.uint32))
    second = (np.array([0, 5], np.uint16), np.array([4, 1], np.uint32), np.array([0, 1], np.uint32))
    bins, positives, negatives = add_rows(first, second)
    assert (bins.tolist(), positives.tolist(), negatives.tolist()) == ([0, 1, 5], [4, 1, 1], [0, 2, 4])
    assert bins.dtype == np.uint16


def test_dense_to_sparse() -> None:
    positives, negatives = np.zeros(N_CODES, int), np.zeros(N_CODES, int)
    positives[7], negatives[7], negatives[60_000] = 2, 1, 5
    bins, hits, misses = sparse_row(positives, negatives)
    assert (bins.tolist(), hits.tolist(), misses.tolist()) == ([7, 60_000], [2, 0], [1, 5])


def test_recode_moves_and_joins_bins() -> None:
    row = (np.array([3, 4, 9], np.uint16), np.array([1, 2, 0], np.uint32), np.array([5, 0, 1], np.uint32))
    histograms = from_rows(["a"], ["x"], ["x"], [row])
    table = np.arange(N_CODES)
    table[:5] = 1
    moved = recode(histograms, table)
    assert [column.tolist() for column in moved.row(0, 0)] == [[1, 9], [3, 0], [5, 1]]
    with pytest.raises(ValueError, match="table: expected 65536 codes that never decrease"):
        recode(histograms, table[::-1])


def test_empty_rows_and_no_image() -> None:
    empty = sparse_row(np.zeros(N_CODES, int), np.zeros(N_CODES, int))
    histograms = from_rows(["a"], ["x", "y"], ["x", "y"], [empty, empty])
    assert histograms.pixel_counts()[0].tolist() == [[0], [0]]
    assert histograms.pooled(0)[0].sum() == 0
    assert from_rows(["a"], [], [], []).n_images == 0


def test_counts_that_are_kept_cannot_be_written_to() -> None:
    for counts in _histograms().pixel_counts():
        with pytest.raises(ValueError, match="read-only"):
            counts[0, 0] = 1


def test_groups_are_ascending() -> None:
    histograms = from_rows(["a"], ["x", "y", "z"], ["b", "a", "b"], [_empty()] * 3)
    names, group_of = histograms.groups()
    assert names == ("a", "b")
    assert group_of.tolist() == [1, 0, 1]


def _empty() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.zeros(0, np.uint16), np.zeros(0, np.uint32), np.zeros(0, np.uint32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_ids": ("image-0",) * 5}, "image_ids: expected unique names"),
        ({"masks": ("a", "a")}, "masks: expected unique names"),
        ({"group_ids": ("g",)}, "group_ids: expected 5"),
        ({"masks": ()}, "masks: expected unique names, at least one"),
        ({"row_start": np.arange(4)}, "row_start: expected 11 offsets"),
        ({"row_start": np.arange(1, 12)}, "row_start: expected 11 offsets from 0"),
        ({"row_start": np.arange(11)}, "row_start: expected 11 offsets from 0 to"),
        ({"bins": np.zeros(3, np.uint16)}, "row_start: expected 11 offsets from 0 to 3"),
        ({"joint": np.zeros((5, 2, 5), np.int64)}, "joint: expected shape"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(_histograms(), **change)


def test_offsets_that_decrease_and_counts_of_another_type_or_length_are_refused() -> None:
    histograms = _histograms()
    assert histograms.row_start[1] > 0
    back = np.concatenate([[0, histograms.row_start[-1]], histograms.row_start[2:]])
    with pytest.raises(ValueError, match="row_start: expected offsets that never decrease"):
        replace(histograms, row_start=back)
    for name in ("bins", "positives", "negatives"):
        counts = getattr(histograms, name)
        with pytest.raises(ValueError, match=f"{name}: expected uint.*, got int64"):
            replace(histograms, **{name: counts.astype(np.int64)})
    for name in ("positives", "negatives"):
        with pytest.raises(ValueError, match=f"{name}: expected uint32"):
            replace(histograms, **{name: getattr(histograms, name)[1:]})


def test_pixels_of_another_shape_are_refused() -> None:
    logits = np.zeros((2, 1, 9))
    for labels in (np.zeros((2, 1, 8), bool), np.zeros((2, 2, 9), bool)):
        with pytest.raises(ValueError, match=r"logits, labels: expected \(2, 1, P\) both, got \(2, 1, 9\) and"):
            from_pixels(["a"], ["x", "y"], ["x", "y"], logits, labels)
    with pytest.raises(ValueError, match=r"expected \(1, 1, P\) both"):
        from_pixels(["a"], ["x"], ["x"], logits, logits > 0)


def test_storage_refuses_missing_arrays_and_unordered_bins() -> None:
    arrays = _histograms().to_arrays()
    with pytest.raises(ValueError, match="missing \\['bins'\\]"):
        ScoreHistograms.from_arrays({name: arrays[name] for name in arrays if name != "bins"})
    arrays["bins"] = arrays["bins"][::-1].copy()
    with pytest.raises(ValueError, match="bins: expected ascending bins in each row"):
        ScoreHistograms.from_arrays(arrays)


def test_merge_refuses_other_masks_and_moved_images() -> None:
    histograms = _histograms()
    with pytest.raises(ValueError, match="at least one"):
        merge([])
    with pytest.raises(ValueError, match="expected masks"):
        merge([histograms, replace(histograms, masks=("solid", "dotted"))])
    with pytest.raises(ValueError, match="image 'image-0' is in group 'well-0' and in group 'other'"):
        merge([histograms, replace(histograms, group_ids=("other", *histograms.group_ids[1:]))])
