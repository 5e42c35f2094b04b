"""The builder counts every valid pixel once, however the pixels arrive."""

import numpy as np
import pytest
import torch

from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.frontier.arithmetic import merge
from experiments.frontier.codes import HIGHEST_CODE, LOWEST_CODE, NATURAL_CODE, logit_to_code
from experiments.frontier.histogram import ScoreHistograms

MASKS = ("solid", "dashed", "dotted")


def _images(n: int = 4, size: int = 24, scale: float = 1.0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    target = torch.rand((n, 3, size, size), generator=generator) < 0.1
    logits = scale * (torch.randn(target.shape, generator=generator) - 1.0 + 2.0 * target)
    valid = torch.rand((n, size, size), generator=generator) < 0.8
    return logits, target, valid


def _built(logits, target, valid=None, **options) -> ScoreHistograms:
    builder = ScoreHistogramBuilder(MASKS, **options)
    for index in range(len(logits)):
        keep = None if valid is None else valid[index]
        builder.add(f"i{index}", f"g{index // 2}", logits[index], target[index], keep)
    return builder.build()


def _same(first: ScoreHistograms, second: ScoreHistograms) -> bool:
    mine, theirs = first.to_arrays(), second.to_arrays()
    return all(np.array_equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("with_valid", [False, True])
def test_rows_against_numpy(scale: float, with_valid: bool) -> None:
    logits, target, valid = _images(scale=scale)
    built = _built(logits, target, valid if with_valid else None)
    for image in range(4):
        keep = valid[image].numpy() if with_valid else np.ones((24, 24), bool)
        for mask in range(3):
            codes = logit_to_code(logits[image, mask].numpy()[keep])
            labels = target[image, mask].numpy()[keep]
            bins, positives, negatives = built.row(image, mask)
            used, counts = np.unique(codes, return_counts=True)
            assert np.array_equal(bins, used)
            assert np.array_equal(positives + negatives, counts)
            assert np.array_equal(positives, [labels[codes == code].sum() for code in used])


def _reference_joint(logits: np.ndarray, target: np.ndarray, keep: np.ndarray, limits: list[float]) -> list[int]:
    counts = [0] * 5
    for row in range(target.shape[1]):
        for column in range(target.shape[2]):
            if not keep[row, column]:
                continue
            fired = [float(logits[c, row, column]) >= limits[c] for c in range(3)]
            truth = [bool(target[c, row, column]) for c in range(3)]
            said, is_background = not any(fired), not any(truth)
            counts[0] += said and is_background
            counts[1] += said and not is_background
            counts[2] += not said and is_background
            counts[3] += not said and not is_background
            counts[4] += fired == truth
    return counts


def test_joint_counts_against_a_loop_over_pixels() -> None:
    logits, target, valid = _images()
    logits = logits.half().float()
    limits = [0.25, -0.5, 1.0]
    built = _built(logits, target, valid, thresholds={"tuned": limits})
    assert built.points == ("natural", "tuned")
    for image in range(4):
        arguments = (logits[image].numpy(), target[image].numpy(), valid[image].numpy())
        assert built.point("natural")[image].tolist() == _reference_joint(*arguments, [0.0, 0.0, 0.0])
        assert built.point("tuned")[image].tolist() == _reference_joint(*arguments, limits)


def test_tiles_batches_and_ranks_add_up_to_the_same() -> None:
    logits, target, valid = _images()
    whole = _built(logits, target, valid)
    tiled = ScoreHistogramBuilder(MASKS)
    for index in range(4):
        for rows in (slice(0, 7), slice(7, 24)):
            part = (logits[index][:, rows], target[index][:, rows], valid[index][rows])
            tiled.add(f"i{index}", f"g{index // 2}", *part)
    assert _same(tiled.build(), whole)
    batched = ScoreHistogramBuilder(MASKS)
    batched.add_batch(["i0", "i1", "i2"], ["g0", "g0", "g1"], logits[:3], target[:3], valid[:3, None])
    batched.add_batch(["i3"], ["g1"], logits[3:], target[3:], valid[3:, None])
    assert _same(batched.build(), whole)
    assert _same(merge([_built(logits[:2], target[:2], valid[:2]), _rank_two(logits, target, valid)]), whole)
    twice = ScoreHistogramBuilder(MASKS)
    twice.add_batch(["i0", "i0"], ["g0", "g0"], logits[[0, 0]], target[[0, 0]])
    assert twice.build().positives.sum() == 2 * target[0].sum()


def _rank_two(logits, target, valid) -> ScoreHistograms:
    builder = ScoreHistogramBuilder(MASKS)
    builder.add_batch(["i2", "i3"], ["g1", "g1"], logits[2:], target[2:], valid[2:, None])
    return builder.build()


def test_ignored_pixels_are_as_if_cut_away() -> None:
    logits, target, _ = _images(n=1)
    valid = torch.zeros((24, 24), dtype=torch.bool)
    valid[:, :10] = True
    corrupted, labels = logits.clone(), target.clone()
    corrupted[..., 10:], labels[..., 10:] = 50.0, True
    assert _same(_built(corrupted, labels, valid[None]), _built(logits[..., :10], target[..., :10]))
    # A label that means "ignore" may stand where valid is False.
    numbers = target.int()
    numbers[..., 10:] = 255
    assert _same(_built(logits, numbers, valid[None]), _built(logits[..., :10], target[..., :10]))


def test_valid_per_mask() -> None:
    logits, target, _ = _images(n=1)
    valid = torch.ones((3, 24, 24), dtype=torch.bool)
    valid[1, :12] = False
    built = _built(logits, target, valid[None])
    positives, negatives = built.pixel_counts()
    assert (positives + negatives).tolist() == [[576, 288, 576]]
    # The joint counts need all masks of a pixel.
    assert built.point("natural")[0, :4].sum() == 288


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_float_type_and_numpy(dtype: torch.dtype) -> None:
    logits, target, _ = _images()
    exact = logits.half().to(torch.bfloat16)
    wanted = _built(exact.float(), target)
    assert _same(_built(exact.to(dtype), target), wanted)
    assert _same(_built(exact.float().numpy(), target.numpy().astype(np.uint8)), wanted)


def test_zero_of_either_sign_is_natural_and_infinity_is_clamped() -> None:
    logits = torch.tensor([0.0, -0.0, -1e-30, 1e-30, torch.inf, -torch.inf, 1e30, -1e30]).reshape(1, 2, 4)
    builder = ScoreHistogramBuilder(["a"])
    builder.add("x", "x", logits, torch.ones(1, 2, 4))
    bins, positives, _ = builder.build().row(0, 0)
    assert bins.tolist() == [LOWEST_CODE, NATURAL_CODE - 1, NATURAL_CODE, HIGHEST_CODE]
    assert positives.tolist() == [2, 1, 3, 2]
    assert builder.build().point("natural")[0].tolist() == [0, 3, 0, 5, 5]


def test_nothing_valid_gives_an_empty_row() -> None:
    logits, target, _ = _images(n=1)
    built = _built(logits, target, torch.zeros((1, 24, 24), dtype=torch.bool))
    assert len(built.bins) == 0
    assert built.joint.sum() == 0


def test_bad_input_is_named_and_leaves_no_trace() -> None:
    logits, target, valid = _images(n=1)
    builder = ScoreHistogramBuilder(MASKS)
    bad = logits[0].clone()
    bad[1, 0, :2] = torch.nan
    with pytest.raises(ValueError, match="got 2 NaN in image 'x', mask 'dashed'"):
        builder.add("x", "g", bad, target[0])
    with pytest.raises(TypeError, match="logits: expected floating point"):
        builder.add("x", "g", logits[0].int(), target[0])
    with pytest.raises(ValueError, match=r"logits: expected \(N, 3, H, W\)"):
        builder.add("x", "g", logits[0, :2], target[0, :2])
    with pytest.raises(ValueError, match="target: expected"):
        builder.add("x", "g", logits[0], target[0, :, :5])
    with pytest.raises(ValueError, match="target: expected 0 or 1 at valid pixels, got 2"):
        builder.add("x", "g", logits[0], target[0].int() * 2)
    with pytest.raises(TypeError, match="valid: expected bool"):
        builder.add("x", "g", logits[0], target[0], valid[0].int())
    with pytest.raises(ValueError, match="valid: expected"):
        builder.add_batch(["x"], ["g"], logits, target, valid)
    with pytest.raises(ValueError, match="image_ids, group_ids: expected 1 each"):
        builder.add_batch(["x", "y"], ["g", "g"], logits, target)
    with pytest.raises(ValueError, match="thresholds: expected 3 logits for 'tuned', got 1"):
        ScoreHistogramBuilder(MASKS, thresholds={"tuned": [0.0]})
    assert builder.build().n_images == 0
    builder.add("x", "g", logits[0], target[0])
    with pytest.raises(ValueError, match="group_id: expected 'g' for image 'x', got 'h'"):
        builder.add("x", "h", logits[0], target[0])
