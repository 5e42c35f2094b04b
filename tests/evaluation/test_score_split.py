"""Every pixel is counted once, whatever the windows, and scores do not depend on how windows are batched."""

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import nn

from experiments.data.sample import Sample
from experiments.data.split import make_split
from experiments.evaluation.score_split import score_split
from experiments.evaluation.windows import window_spans
from experiments.frontier.codes import logit_to_code


class _Brightness(nn.Module):
    """Logit of each mask from the pixel alone: what windows cannot change."""

    def forward(self, image):
        grey = image[:, :1].float()
        return torch.cat([(grey - 100) / 16, (60 - grey) / 16], dim=1)


@pytest.mark.parametrize(("length", "side", "overlap"), [(5, 8, 2), (8, 8, 2), (9, 8, 2), (100, 32, 8), (64, 32, 0)])
def test_cores_cover_an_axis_once(length, side, overlap):
    counted = np.zeros(length, int)
    for span in window_spans(length, side, overlap):
        assert span.start <= span.core_start < span.core_stop <= span.stop <= length
        assert span.stop - span.start <= side
        counted[span.core_start : span.core_stop] += 1
        if span.start > 0:
            assert span.core_start - span.start >= overlap
        if span.stop < length:
            assert span.stop - span.core_stop >= overlap
    assert (counted == 1).all()


def test_an_overlap_that_leaves_no_core_is_refused():
    with pytest.raises(ValueError, match="overlap: expected less than half of the window's 32 pixels, got 16"):
        window_spans(100, 32, 16)


def split_of(sizes, seed=0, ignored=False):
    rng = np.random.default_rng(seed)
    samples = []
    for height, width in sizes:
        image = rng.integers(0, 255, (height, width, 1), dtype=np.uint8)
        target = rng.random((2, height, width)) < 0.1
        samples.append(Sample(image, target, rng.random((height, width)) < 0.8 if ignored else None))
    return make_split("test", samples, [f"t{i}" for i in range(len(sizes))])


@pytest.mark.parametrize("ignored", [False, True])
def test_windows_give_the_histogram_of_the_whole_images(ignored):
    split = split_of([(33, 47), (130, 70), (64, 64), (33, 47)], ignored=ignored)
    accelerator = Accelerator(cpu=True)
    scores = score_split(_Brightness(), split, ("a", "b"), accelerator, side=64, overlap=8, batch_size=3)
    order = {name: index for index, name in enumerate(scores.image_ids)}
    for index, sample in enumerate(split.samples):
        logits = _Brightness()(torch.from_numpy(sample.image.transpose(2, 0, 1).copy())[None])[0].numpy()
        keep = np.ones(sample.image.shape[:2], bool) if sample.valid is None else sample.valid
        for mask in range(2):
            codes = logit_to_code(logits[mask][keep])
            truth = sample.target[mask][keep]
            bins, positives, negatives = scores.row(order[split.image_ids[index]], mask)
            expected = np.unique(codes)
            assert bins.tolist() == expected.tolist()
            assert positives.tolist() == [int((truth & (codes == code)).sum()) for code in expected]
            assert negatives.tolist() == [int((~truth & (codes == code)).sum()) for code in expected]


def test_images_are_in_the_order_of_the_split_whatever_their_sizes():
    split = split_of([(64, 96), (32, 32), (64, 96), (32, 32), (64, 64)])
    scores = score_split(_Brightness(), split, ("a", "b"), Accelerator(cpu=True), side=96, overlap=8, batch_size=2)
    assert scores.image_ids == split.image_ids
    np.testing.assert_array_equal(scores.pixel_counts()[0], split.positives)


class _Halving(nn.Module):
    """Halves the image five times and sees a few pixels around a block: a window's blocks must be the image's."""

    def forward(self, image):
        grey = image[:, :1].float()
        coarse = torch.nn.functional.avg_pool2d(grey, 32)
        return torch.nn.functional.interpolate(coarse, scale_factor=32) - 128 + grey / 8


@pytest.mark.parametrize(("size", "overlap"), [((200, 130), 32), ((97, 300), 8), ((128, 129), 20)])
def test_a_network_that_halves_the_image_scores_it_tiled_as_whole(size, overlap):
    split = split_of([size])
    split = make_split("test", [Sample(s.image, s.target[:1]) for s in split.samples], ["a"])
    whole, tiled = (
        score_split(_Halving(), split, ("a",), Accelerator(cpu=True), side=side, overlap=overlap, batch_size=2)
        for side in (320, 96)
    )
    for one, other in zip(whole.row(0, 0), tiled.row(0, 0), strict=True):
        np.testing.assert_array_equal(one, other)
