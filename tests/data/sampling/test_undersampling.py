"""Undersampled background: the target share is met exactly, and each class keeps its distribution."""

import numpy as np
import pytest

from experiments.data.sample import Sample
from experiments.data.sampling import undersampling
from experiments.data.sampling.undersampling import (
    BackgroundUndersampling,
    foreground_places,
    foreground_tile_shares,
    is_foreground_tile,
)
from experiments.data.split import make_split

SIDE = 4


def make_one(size, rng, pixels, ignored):
    target = np.zeros((2, *size), bool)
    for mask in range(2):
        target[mask].ravel()[rng.choice(size[0] * size[1] // 2, size=pixels, replace=False)] = True
    valid = np.ones(size, bool)
    if ignored:
        valid[:, :5] = False
        valid[0] = False
    return Sample(np.zeros((*size, 1), np.uint8), target, valid if ignored else None)


def make(ignored=True):
    rng = np.random.default_rng(5)
    sizes = ((12, 10), (9, 14), (3, 11), (14, 8))
    samples = [make_one(size, rng, pixels, ignored) for size, pixels in zip(sizes, (9, 3, 5, 0), strict=True)]
    return make_split("train", samples, ["a", "b", "c", "d"])


def _reference_is_foreground(sample, top, left, least):
    """Pixel by pixel; what lies outside the image does not count."""
    positives = valid = 0
    for row in range(top, min(top + SIDE, sample.target.shape[1])):
        for column in range(left, min(left + SIDE, sample.target.shape[2])):
            if sample.valid is None or sample.valid[row, column]:
                valid += 1
                positives += bool(sample.target[:, row, column].any())
    return positives > 0 and positives / valid >= least


def _reference_uniform(split):
    """Probability of each (image, top, left) under the true distribution."""
    area = split.sizes.prod(axis=1)
    tiles = {}
    for image, (height, width) in enumerate(split.sizes):
        places = [(t, left) for t in range(max(height - SIDE, 0) + 1) for left in range(max(width - SIDE, 0) + 1)]
        tiles |= {(image, *place): area[image] / area.sum() / len(places) for place in places}
    return tiles


def _reference_kept(split, target, least):
    """Keep every foreground tile and the others with the probability of the docstring; then normalise."""
    uniform = _reference_uniform(split)
    foreground = {tile: _reference_is_foreground(split.samples[tile[0]], *tile[1:], least) for tile in uniform}
    share = sum(p for tile, p in uniform.items() if foreground[tile])
    keep = share * (1 - target) / (target * (1 - share))
    kept = {tile: p * (1.0 if foreground[tile] else keep) for tile, p in uniform.items()}
    total = sum(kept.values())
    return {tile: p / total for tile, p in kept.items()}, foreground, keep


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("least", [0.0, 0.1, 0.25])
def test_the_census_agrees_with_counting_pixel_by_pixel(ignored, least):
    split = make(ignored)
    shares = foreground_tile_shares(split, side=SIDE, least=least)
    for image, sample in enumerate(split.samples):
        places = foreground_places(sample, side=SIDE, least=least)
        expected = [
            [_reference_is_foreground(sample, top, left, least) for left in range(places.shape[1])]
            for top in range(places.shape[0])
        ]
        assert places.tolist() == expected
        assert shares[image] == pytest.approx(np.mean(expected))
        for top, left in np.ndindex(places.shape):
            tile = sample.part(slice(top, top + SIDE), slice(left, left + SIDE))
            alone = is_foreground_tile(tile, least=least)
            assert alone == places[top, left]


@pytest.mark.parametrize("tries", [64, 1, 0])  # few or no tries: all places are listed instead
@pytest.mark.parametrize("relative", [0.0, 1.0])
def test_tiles_follow_the_undersampled_distribution(monkeypatch, tries, relative):
    monkeypatch.setattr(undersampling, "_TRIES", tries)
    split, target = make(), 0.75
    sampling = BackgroundUndersampling(foreground_share=target, least_foreground=relative)
    least = relative * split.foreground.sum() / split.pixels[:, 0].sum()
    probability, foreground, keep = _reference_kept(split, target, least)
    assert 0 < keep < 1
    assert sampling.keep_probability(split, side=SIDE) == pytest.approx(keep)
    count = 6000
    tiles = sampling.draw(split, np.random.default_rng(1), count=count, side=SIDE, progress=0.0)
    keys = [(tile.image, tile.top, tile.left) for tile in tiles]

    met = sum(foreground[key] for key in keys)
    assert abs(met - target * count) < 4.5 * np.sqrt(count * target * (1 - target))

    expected = count * np.array(list(probability.values()))
    observed = np.array([keys.count(key) for key in probability])
    assert expected.min() > 5
    degrees = len(expected) - 1
    # The chi-square has mean `degrees` and variance 2 * degrees; 5.5 deviations are one seed in 1e6 or so.
    assert ((observed - expected) ** 2 / expected).sum() < degrees + 5.5 * np.sqrt(2 * degrees)


def test_share_1_keeps_no_background():
    split = make()
    sampling = BackgroundUndersampling(foreground_share=1.0, least_foreground=0.0)
    assert sampling.keep_probability(split, side=SIDE) == 0
    for tile in sampling.draw(split, np.random.default_rng(0), count=200, side=SIDE, progress=0.0):
        assert _reference_is_foreground(split.samples[tile.image], tile.top, tile.left, 0.0)


def test_a_target_that_is_met_already_is_refused_with_both_numbers():
    split = make()
    uniform = _reference_uniform(split)
    share = sum(p for tile, p in uniform.items() if _reference_is_foreground(split.samples[tile[0]], *tile[1:], 0.0))
    sampling = BackgroundUndersampling(foreground_share=share - 0.05, least_foreground=0.0)
    with pytest.raises(ValueError, match=rf"foreground_share: expected more than {share:.3f}.*got {share - 0.05:g}"):
        sampling.check(split, ["one", "two"], side=SIDE)


def test_a_threshold_that_no_tile_reaches_is_refused():
    sampling = BackgroundUndersampling(foreground_share=0.9, least_foreground=1000.0)
    with pytest.raises(ValueError, match="least_foreground: expected some tile of 4 x 4 pixels to reach 1000 times"):
        sampling.check(make(), ["one", "two"], side=SIDE)
