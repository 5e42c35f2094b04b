"""Examples: the same images for every arm, with exactly the scores that the histograms count, tiled or not."""

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from experiments.data.sample import Sample
from experiments.data.split import make_split
from experiments.evaluation.example_collector import ExampleCollector, KeptWindow, choose_windows, example_collector
from experiments.evaluation.score_split import score_split
from experiments.frontier.codes import logit_to_code


class Pointwise(torch.nn.Module):
    """Logits that depend on the pixel alone, so that windows cannot matter."""

    def forward(self, image):
        value = image.float()
        return torch.cat([value / 10 - 12, 6 - value / 20], dim=1)


def split_of(shares, sizes=None, *, masks=2, seed=0, ignored=False):
    """Images whose foreground shares are given; the rest is noise."""
    rng = np.random.default_rng(seed)
    samples = []
    for index, share in enumerate(shares):
        height, width = (20, 30) if sizes is None else sizes[index]
        target = np.zeros((masks, height * width), bool)
        target[0, : round(share * height * width)] = True
        image = rng.integers(0, 256, (height, width, 1), dtype=np.uint8)
        valid = np.arange(height * width).reshape(height, width) % 7 > 0 if ignored else None
        samples.append(Sample(image, target.reshape(masks, height, width), valid))
    return make_split("test", samples, [f"i{index}" for index in range(len(shares))], n_masks=masks)


def chosen(split, max_pixels):
    return [window.index for window in choose_windows(split, max_pixels)]


def test_images_are_evenly_spaced_in_their_share_of_foreground():
    split = split_of([0.5, 0.1, 0.3, 0.0, 0.2, 0.4])  # order by share, without the empty one: 1, 4, 2, 5, 0
    assert chosen(split, 600 * 5) == [0, 1, 2, 4, 5]
    assert chosen(split, 600 * 3 + 599) == [0, 1, 2]  # lowest, middle and highest share
    assert chosen(split, 10**9) == [0, 1, 2, 4, 5]


def test_no_budget_keeps_nothing_and_empty_masks_are_kept_where_there_is_nothing_else():
    assert chosen(split_of([0.5, 0.2]), 0) == []
    assert example_collector(split_of([0.5, 0.2]), 2, 0) is None
    assert chosen(split_of([0.0, 0.0]), 1200) == [0, 1]


def test_windows_shrink_until_three_images_fit():
    split = split_of([0.1, 0.2, 0.3, 0.4], sizes=[(100, 100)] * 4)
    windows = choose_windows(split, 3 * 50 * 50)
    assert len(windows) == 3
    assert all(window.box[2:] == (50, 50) for window in windows)
    assert [window.index for window in choose_windows(split_of([0.1, 0.2], [(100, 100)] * 2), 3 * 50 * 50)] == [0, 1]


def test_of_a_large_image_the_window_with_the_most_foreground_is_kept():
    target = np.zeros((1, 700, 900), bool)
    target[0, 600:690, 700:880] = True
    target[0, :40, :40] = True
    sample = Sample(np.zeros((700, 900, 1), np.uint8), target)
    window = choose_windows(make_split("test", [sample], ["big"], n_masks=1), 10**6)[0]
    top, left, height, width = window.box
    assert (height, width) == (512, 512)
    assert target[0, top : top + height, left : left + width].sum() == 90 * 180
    assert 0 <= top <= 188
    assert 0 <= left <= 388


@pytest.mark.parametrize("side", [64, 4096], ids=["tiled", "whole"])
@pytest.mark.parametrize("ignored", [False, True], ids=["all pixels", "ignored pixels"])
def test_kept_scores_are_the_models_own_and_histograms_stay_as_they_are(side, ignored):
    split = split_of([0.1, 0.3, 0.2, 0.4], sizes=[(90, 150), (64, 64), (200, 75), (33, 20)], ignored=ignored)
    windows = [KeptWindow(0, (10, 25, 70, 110)), KeptWindow(2, (0, 0, 200, 75))]
    collector = ExampleCollector(split, windows, 2)
    settings = {"side": side, "overlap": 16, "batch_size": 2}
    accelerator = Accelerator(cpu=True)
    kept = score_split(Pointwise(), split, ("a", "b"), accelerator, examples=collector, **settings)
    plain = score_split(Pointwise(), split, ("a", "b"), accelerator, **settings)
    for name, array in plain.to_arrays().items():
        np.testing.assert_array_equal(kept.to_arrays()[name], array)
    examples = collector.finish()
    assert examples.image_ids == ("i0", "i2")
    for window, codes, image, target, valid in zip(
        windows, examples.codes, examples.images, examples.targets, examples.valids, strict=True
    ):
        top, left, height, width = window.box
        sample, part = split.samples[window.index], (slice(top, top + height), slice(left, left + width))
        np.testing.assert_array_equal(image, sample.image[part])
        np.testing.assert_array_equal(target, sample.target[:, *part])
        assert (valid is None) != ignored
        logits = Pointwise()(torch.from_numpy(image.transpose(2, 0, 1).copy())[None])[0]
        np.testing.assert_array_equal(codes, logit_to_code(logits.numpy()))
    # The whole of image 2 was kept: its codes are the histogram's.
    counted = np.ones((200, 75), bool) if split.samples[2].valid is None else split.samples[2].valid
    bins, positives, negatives = plain.row(2, 0)
    mine = np.bincount(examples.codes[1][0][counted], minlength=65536)
    np.testing.assert_array_equal(np.flatnonzero(mine), bins)
    np.testing.assert_array_equal(mine[bins], positives + negatives)


def test_a_pixel_that_was_never_scored_is_refused():
    split = split_of([0.2])
    collector = ExampleCollector(split, [KeptWindow(0, (0, 0, 20, 30))], 2)
    collector.add(0, 0, 0, torch.zeros(2, 20, 29))
    collector.add(3, 0, 0, torch.zeros(2, 20, 30))  # not kept
    with pytest.raises(ValueError, match=r"40 NaN"):
        collector.finish()
