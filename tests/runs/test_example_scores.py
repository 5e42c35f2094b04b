"""Example scores survive storage, and refuse data that do not match."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.runs import store
from experiments.runs.example_scores import ExampleScores


def example(sizes=((7, 5), (4, 9)), *, masks=3, channels=1, seed=0):
    rng = np.random.default_rng(seed)
    return ExampleScores(
        image_ids=tuple(f"image {i}" for i in range(len(sizes))),
        windows=tuple((3 * i, i, *size) for i, size in enumerate(sizes)),
        images=tuple(rng.integers(0, 256, (*size, channels), dtype=np.uint8) for size in sizes),
        targets=tuple(rng.random((masks, *size)) < 0.3 for size in sizes),
        valids=tuple(None if i % 2 else rng.random(size) < 0.8 for i, size in enumerate(sizes)),
        codes=tuple(rng.integers(0, 65536, (masks, *size), dtype=np.uint16) for size in sizes),
    )


def assert_same(left, right):
    assert left.image_ids == right.image_ids
    assert left.windows == right.windows
    for field in ("images", "targets", "valids", "codes"):
        for mine, theirs in zip(getattr(left, field), getattr(right, field), strict=True):
            if mine is None or theirs is None:
                assert mine is theirs
            else:
                assert mine.dtype == theirs.dtype
                np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("given", [example(), example(masks=1, channels=3), example(())], ids=["grey", "RGB", "none"])
def test_arrays_and_file_give_back_what_went_in(given, tmp_path):
    assert_same(ExampleScores.from_arrays(given.to_arrays("x_"), "x_"), given)
    store.write_examples(tmp_path, given)
    read = store.read_examples(tmp_path)
    assert read is not None
    assert_same(read, given)


def test_a_run_without_the_file_has_none_and_a_broken_one_is_named(tmp_path):
    assert store.read_examples(tmp_path) is None
    (tmp_path / store.EXAMPLES_FILE).write_bytes(b"not a zip")
    with pytest.raises(ValueError, match=r"examples\.npz: expected the example scores of a run"):
        store.read_examples(tmp_path)


def test_what_does_not_fit_is_refused_by_name():
    good = example()
    with pytest.raises(ValueError, match="image_ids: expected unique names"):
        replace(good, image_ids=("a", "a"))
    with pytest.raises(ValueError, match="codes: expected 2, one per image, got 1"):
        replace(good, codes=good.codes[:1])
    with pytest.raises(ValueError, match=r"codes: expected uint16 \(3, 7, 5\) for 'image 0', got uint16 \(3, 5, 7\)"):
        replace(good, codes=(good.codes[0].transpose(0, 2, 1), good.codes[1]))
    with pytest.raises(ValueError, match="targets: expected bool"):
        replace(good, targets=tuple(target.astype(np.uint8) for target in good.targets))


def test_missing_or_shortened_arrays_are_refused():
    arrays = example().to_arrays()
    with pytest.raises(ValueError, match="missing \\['codes_low'\\]"):
        ExampleScores.from_arrays({name: array for name, array in arrays.items() if name != "codes_low"})
    with pytest.raises(ValueError, match="labels: expected"):
        ExampleScores.from_arrays(arrays | {"labels": arrays["labels"][:-1]})
