"""Blocks counted on a device hold what a CPU counts row by row, and are read once per block."""

import numpy as np
import pytest
import torch

from experiments.evaluation import device_counts, histogram_builder
from experiments.evaluation.device_counts import BLOCK_BYTES, DeviceBlock, joint_counts_on_device, sent
from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.frontier.codes import N_CODES
from experiments.frontier.histogram import joint_counts

MASKS = ("solid", "dashed", "dotted")
IMAGE_BYTES = 2 * len(MASKS) * N_CODES * 4
SPECIAL = (0.0, -0.0, -1e-30, 1e-30, torch.inf, -torch.inf, 1e30, -1e30, 65504.0, -65504.0, 65519.0, 65520.0, 6e-8)


@pytest.fixture
def in_blocks(monkeypatch):
    """Count on the CPU as on an accelerator, in blocks of so many images."""

    def make(images: int) -> None:
        def block(n_masks, thresholds, device):
            return DeviceBlock(n_masks, thresholds, device, images * IMAGE_BYTES)

        monkeypatch.setattr(histogram_builder, "is_counted_in_blocks", lambda scores: True)
        monkeypatch.setattr(histogram_builder, "DeviceBlock", block)

    return make


def _batches(dtype: torch.dtype = torch.float32, side: int = 12) -> list[tuple[list[str], torch.Tensor, torch.Tensor]]:
    """Three batches of four; image i2 comes in each, and twice in the last."""
    generator = torch.Generator().manual_seed(3)
    batches = []
    for names in (["i0", "i1", "i2", "i3"], ["i4", "i2", "i5", "i6"], ["i2", "i7", "i2", "i8"]):
        logits = 4 * torch.randn((4, 3, side, side), generator=generator)
        logits[:, 1] = torch.tensor(SPECIAL)[torch.randint(len(SPECIAL), (4, side, side), generator=generator)]
        batches.append((names, logits.to(dtype), torch.rand(logits.shape, generator=generator) < 0.2))
    return batches


def _valid(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(4)) < 0.7


def _built(batches, valid=None, **options) -> dict[str, np.ndarray]:
    builder = ScoreHistogramBuilder(MASKS, **options)
    for names, logits, target in batches:
        builder.add_batch(names, ["g"] * len(names), logits, target, valid)
    return builder.build().to_arrays()


def _same(mine: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> bool:
    return mine.keys() == theirs.keys() and all(np.array_equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize("images", [1, 3, 4, 100])
@pytest.mark.parametrize("shape", [None, (12, 12), (4, 1, 12, 12), (4, 3, 12, 12), (1, 3, 12, 12)])
def test_blocks_of_any_size_hold_what_rows_hold(in_blocks, images, shape) -> None:
    valid = None if shape is None else _valid(shape)
    thresholds = {"tuned": [0.25, -0.5, 1.0], "high": [3.0, 3.0, 3.0]}
    wanted = _built(_batches(), valid, thresholds=thresholds)
    in_blocks(images)
    assert _same(_built(_batches(), valid, thresholds=thresholds), wanted)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_float_type(in_blocks, dtype) -> None:
    wanted = _built(_batches(dtype))
    in_blocks(3)
    assert _same(_built(_batches(dtype)), wanted)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32])
def test_labels_of_every_type(in_blocks, dtype) -> None:
    wanted = _built(_batches())
    in_blocks(3)
    assert _same(_built([(names, logits, target.to(dtype)) for names, logits, target in _batches()]), wanted)


def test_channels_last_and_inference_mode(in_blocks) -> None:
    wanted = _built(_batches())
    in_blocks(100)
    builder = ScoreHistogramBuilder(MASKS)
    for place, (names, logits, target) in enumerate(_batches()):
        with torch.inference_mode(place != 1):
            scores = logits.contiguous(memory_format=torch.channels_last) + 0
            builder.add_batch(names, ["g"] * 4, scores, target)
    assert _same(builder.build().to_arrays(), wanted)


def test_a_cpu_and_a_device_add_up_in_order(in_blocks, monkeypatch) -> None:
    batches = _batches()
    wanted = _built(batches)
    in_blocks(100)
    answers = iter([True, False, True])
    monkeypatch.setattr(histogram_builder, "is_counted_in_blocks", lambda scores: next(answers))
    assert _same(_built(batches), wanted)


def test_a_builder_goes_on_after_build(in_blocks) -> None:
    batches = _batches()
    wanted = _built(batches)
    in_blocks(100)
    builder = ScoreHistogramBuilder(MASKS)
    for names, logits, target in batches:
        builder.add_batch(names, ["g"] * 4, logits, target)
        found = builder.build().to_arrays()
    assert _same(found, wanted)


def test_no_bin_overflows(in_blocks, monkeypatch) -> None:
    """With a least overflow of 300, blocks are read before an image of 144 pixels comes for the third time."""
    wanted = _built(_batches())
    in_blocks(100)
    monkeypatch.setattr(device_counts, "_MOST_COUNTED", 300)
    assert _same(_built(_batches()), wanted)
    block = DeviceBlock(3, np.zeros((1, 3), np.int16), torch.device("cpu"), IMAGE_BYTES)
    assert block.has_room(["a", "a"], 150)
    assert not block.has_room(["a", "a"], 151)
    assert not block.has_room(["a", "b"], 1)


def test_no_value_is_read_before_a_block_is_full() -> None:
    """Tensors on torch's device "meta" have no values, so that every read from them fails."""
    capacity = BLOCK_BYTES // IMAGE_BYTES
    assert capacity == 85
    builder = ScoreHistogramBuilder(MASKS, thresholds={"tuned": [0.0, 1.0, -1.0]})
    logits = torch.empty((16, 3, 64, 64), device="meta", dtype=torch.bfloat16)
    for batch in range(capacity // 16):
        names = [f"{batch}-{place}" for place in range(16)]
        labels = torch.zeros(logits.shape, dtype=torch.uint8 if batch % 2 else torch.bool)  # on the host, as scoring's
        valid = None if batch % 3 else torch.ones((16, 1, 64, 64), dtype=torch.bool)
        builder.add_batch(names, names, logits, labels, valid)
    with pytest.raises((NotImplementedError, RuntimeError), match="meta"):
        builder.add_batch(names_of_more := [f"more-{place}" for place in range(16)], names_of_more, logits, labels)
    with pytest.raises((NotImplementedError, RuntimeError), match="meta"):
        builder.build()


def test_wrong_values_are_named_when_the_block_is_read(in_blocks) -> None:
    in_blocks(4)
    (names, logits, target), second, third = _batches()
    builder = ScoreHistogramBuilder(MASKS)
    builder.add_batch(names, ["g"] * 4, logits, target)
    bad = second[1].clone()
    bad[2, 1, 0, :2] = torch.nan
    bad[2, 1, 1, 0] = -torch.nan
    builder.add_batch(second[0], ["g"] * 4, bad, second[2])  # reads the first block, which is full
    with pytest.raises(ValueError, match="logits: expected numbers, got 3 NaN in image 'i5', mask 'dashed'"):
        builder.build()
    kept = builder.build()
    assert kept.image_ids == ("i0", "i1", "i2", "i3")
    assert _same(kept.to_arrays(), _built([(names, logits, target)]))
    with pytest.raises(ValueError, match="group_id: expected 'g' for image 'i2', got 'h'"):
        builder.add_batch(third[0], ["h"] * 4, *third[1:])
    builder.add_batch(third[0], ["g"] * 4, *third[1:])
    assert builder.build().image_ids == ("i0", "i1", "i2", "i3", "i7", "i8")


def test_a_wrong_label_is_named_and_may_stand_where_it_does_not_count(in_blocks) -> None:
    names, logits, target = _batches()[0]
    wrong = target.int()
    wrong[3, 2, 0, 1] = 255
    ignoring = torch.ones((12, 12), dtype=torch.bool)
    ignoring[0, 1] = False
    wanted = _built([(names, logits, target)], ignoring)
    in_blocks(100)
    with pytest.raises(ValueError, match="target: expected 0 or 1 at valid pixels, got 255 in image 'i3'"):
        _built([(names, logits, wrong)])
    assert _same(_built([(names, logits, wrong)], ignoring), wanted)


@pytest.mark.parametrize("with_keep", [False, True])
def test_joint_counts_are_those_of_packed_pixels(with_keep) -> None:
    generator = torch.Generator().manual_seed(5)
    codes = torch.randint(-300, 300, (2, 3, 51), generator=generator).to(torch.int16)
    labels = torch.rand(codes.shape, generator=generator) < 0.2
    counted = torch.rand(codes.shape, generator=generator) < 0.9 if with_keep else None
    thresholds = np.array([[0, 100, -100], [5, -7, 2]], np.int16)
    fired = np.packbits(codes.numpy()[:, None] >= thresholds[:, :, None], axis=-1)
    keep = None if counted is None else np.packbits(counted.all(1).numpy(), axis=-1)
    wanted = joint_counts(np.packbits(labels.numpy(), axis=-1), fired, keep, 51)
    found = joint_counts_on_device(codes, labels, counted, torch.from_numpy(thresholds))
    assert np.array_equal(found.numpy(), wanted)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_gpu_counts_the_same_and_is_not_waited_for() -> None:
    device = torch.device("cuda")
    valid = _valid((4, 1, 12, 12))
    wanted = _built(_batches(), valid)
    builder = ScoreHistogramBuilder(MASKS)
    for place, (names, logits, target) in enumerate(_batches()):
        scores = sent(logits, device)
        torch.cuda.set_sync_debug_mode("error" if place else "default")  # the first batch makes the block
        try:
            builder.add_batch(names, ["g"] * 4, scores, target, valid)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert _same(builder.build().to_arrays(), wanted)
