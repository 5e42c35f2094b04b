"""The drawn tiles follow the stated distribution; every draw is a function of (seed, update)."""

import numpy as np
import pytest
import torch
from scipy.stats import chi2
from torchvision.transforms import v2

from experiments.config import ConfigError, instantiate
from experiments.data.batches import TileBatches, updates_loader
from experiments.data.sample import Sample
from experiments.data.sampling.foreground_tiles import ForegroundTiles
from experiments.data.sampling.rich_images import RichImages
from experiments.data.sampling.two_phase import TwoPhase
from experiments.data.sampling.uniform import UniformTiles, check_sampling, switch_update
from experiments.data.split import make_split

SIDE = 4
OPTIONS = ["uniform", "rich_images", "undersampling", "foreground_tiles", "two_phase"]


def sparse_split(sizes=((12, 10), (9, 14), (3, 11)), masks=2, pixels=5, ignored=True, empty=()):
    """Images with a few foreground pixels each, some of them ignored; one image is smaller than a tile."""
    rng = np.random.default_rng(3)
    samples = []
    for size in sizes:
        target = np.zeros((masks, *size), bool)
        for mask in range(masks):
            if mask not in empty:
                places = rng.choice(size[0] * size[1] // 2, size=pixels, replace=False)
                target[mask].ravel()[places] = True  # in the upper half: most tiles of the lower hold nothing
        valid = np.ones(size, bool)
        valid[:, :2] = not ignored
        samples.append(Sample(rng.integers(0, 256, (*size, 1), dtype=np.uint8), target, valid))
    return make_split("train", samples, [f"i{i}" for i in range(len(sizes))])


def places_of(split, image):
    height, width = split.sizes[image]
    return [(t, left) for t in range(max(height - SIDE, 0) + 1) for left in range(max(width - SIDE, 0) + 1)]


def _reference_uniform(split):
    area = split.sizes.prod(axis=1)
    places = [places_of(split, image) for image in range(len(split))]
    return {(i, *p): area[i] / area.sum() / len(places[i]) for i in range(len(split)) for p in places[i]}


def _reference_foreground_tiles(split, share):
    """Sum over masks, pixels and the places that contain the pixel, one by one."""
    probability = {tile: (1 - share) * p for tile, p in _reference_uniform(split).items()}
    for mask in range(split.positives.shape[1]):
        total = split.positives[:, mask].sum()
        for image, sample in enumerate(split.samples):
            for row, column in np.argwhere(sample.target[mask] & sample.valid):
                around = [
                    (t, left)
                    for t, left in places_of(split, image)
                    if t <= row < t + SIDE and left <= column < left + SIDE
                ]
                for place in around:
                    probability[image, *place] += share / split.positives.shape[1] / total / len(around)
    return probability


def assert_drawn_from(tiles, probability):
    """Chi-square of the tiles against their probabilities; fails by chance once in 1e6 seeds. The seed is fixed."""
    drawn = {}
    for tile in tiles:
        key = (tile.image, tile.top, tile.left)
        drawn[key] = drawn.get(key, 0) + 1
    possible = {key: p for key, p in probability.items() if p > 0}
    assert sum(possible.values()) == pytest.approx(1)
    assert set(drawn) <= set(possible)
    expected = len(tiles) * np.array(list(possible.values()))
    observed = np.array([drawn.get(key, 0) for key in possible])
    assert expected.min() > 5  # else the chi-square distribution does not apply
    assert ((observed - expected) ** 2 / expected).sum() < chi2.ppf(1 - 1e-6, len(expected) - 1)


def draw(sampling, split, count, progress=0.0, seed=0):
    return sampling.draw(split, np.random.default_rng(seed), count=count, side=SIDE, progress=progress)


def test_uniform_tiles_are_the_true_distribution():
    split = sparse_split()
    assert_drawn_from(draw(UniformTiles(), split, 10_000), _reference_uniform(split))


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_foreground_tiles_follow_their_distribution(share):
    split = sparse_split()
    assert_drawn_from(
        draw(ForegroundTiles(foreground_share=share), split, 10_000), _reference_foreground_tiles(split, share)
    )


def test_the_chi_square_sees_another_share():
    split = sparse_split()
    with pytest.raises(AssertionError):
        assert_drawn_from(
            draw(ForegroundTiles(foreground_share=0.4), split, 10_000), _reference_foreground_tiles(split, 0.5)
        )


def test_every_tile_around_foreground_holds_a_valid_pixel_of_a_mask():
    split = sparse_split()
    for tile in draw(ForegroundTiles(foreground_share=1.0), split, 300):
        sample = split.samples[tile.image]
        window = slice(tile.top, tile.top + SIDE), slice(tile.left, tile.left + SIDE)
        assert (sample.target[:, *window] & sample.valid[window]).any()


def test_masks_are_chosen_evenly_however_rare():
    """Mask 0 has one pixel and mask 1 a hundred, far apart: half of the tiles lie around the one pixel."""
    target = np.zeros((2, 40, 40), bool)
    target[0, 2, 2] = True
    target[1, 30:, 30:] = True
    split = make_split("train", [Sample(np.zeros((40, 40, 1), np.uint8), target)], ["a"])
    tiles = draw(ForegroundTiles(foreground_share=1.0), split, 2000)
    around_the_one = sum(tile.top <= 2 and tile.left <= 2 for tile in tiles)
    assert abs(around_the_one - 1000) < 4.5 * np.sqrt(2000 / 4)


def foreground_counts_split(counts, sizes):
    samples = []
    for count, size in zip(counts, sizes, strict=True):
        target = np.zeros((1, *size), bool)
        target.ravel()[:count] = True
        samples.append(Sample(np.zeros((*size, 1), np.uint8), target))
    return make_split("train", samples, [f"i{i}" for i in range(len(counts))])


def test_rich_images_are_drawn_by_area_and_power_of_their_share():
    # Shares 0, .1, .2 of areas 100, 200, 100: the split's share is 40 / 400 = .1, relative shares 0, 1, 2.
    split = foreground_counts_split([0, 20, 20], [(10, 10), (10, 20), (10, 10)])
    sampling = RichImages(power=2.0, floor=0.5)
    weights = np.array([100 * 0.25, 200 * 1.0, 100 * 4.0])
    assert sampling.weights(split) == pytest.approx(weights)
    drawn = np.bincount([tile.image for tile in draw(sampling, split, 8000)], minlength=3)
    share = weights / weights.sum()
    assert (np.abs(drawn - 8000 * share) < 4.5 * np.sqrt(8000 * share * (1 - share))).all()


def test_places_in_rich_images_are_uniform():
    split = sparse_split()
    weights = RichImages(power=1.5, floor=0.1).weights(split)
    area = split.sizes.prod(axis=1)
    factor = weights / weights.sum() / (area / area.sum())
    probability = {tile: p * factor[tile[0]] for tile, p in _reference_uniform(split).items()}
    assert_drawn_from(draw(RichImages(power=1.5, floor=0.1), split, 10_000), probability)


def test_power_0_is_the_true_distribution():
    split = sparse_split()
    assert draw(RichImages(power=0.0, floor=0.1), split, 50) == draw(UniformTiles(), split, 50)


def test_two_phases_are_the_first_sampling_and_then_uniform_tiles():
    split = sparse_split()
    first = ForegroundTiles(foreground_share=1.0)
    sampling = TwoPhase(first=first, switch_at=0.3)
    for update in range(10):
        expected = first if update < 3 else UniformTiles()
        progress = update / 10
        assert draw(sampling, split, 20, progress, seed=update) == draw(expected, split, 20, progress, seed=update)
    assert draw(first, split, 20) != draw(UniformTiles(), split, 20)


@pytest.mark.parametrize(("switch_at", "same_as"), [(0.0, "uniform"), (1.0, "first")])
def test_two_phases_at_their_ends(switch_at, same_as):
    split = sparse_split()
    first = RichImages(power=2.0, floor=0.1)
    expected = {"uniform": UniformTiles(), "first": first}[same_as]
    for progress in (0.0, 0.5, 0.999):
        assert draw(TwoPhase(first=first, switch_at=switch_at), split, 20, progress) == draw(
            expected, split, 20, progress
        )


def test_the_switch_is_where_the_draws_switch():
    for max_steps in (1, 3, 7, 10, 30, 100, 360, 20_001):
        for switch_at in (0.0, 0.07, 0.1, 0.3, 1 / 3, 0.5, 0.7, 0.99, 1.0):
            sampling = TwoPhase(first=UniformTiles(), switch_at=switch_at)
            by_counting = sum(update / max_steps < switch_at for update in range(max_steps))
            assert switch_update(sampling, max_steps) == by_counting
    assert switch_update(UniformTiles(), 10) is None


@pytest.mark.parametrize("option", OPTIONS)
def test_tiles_are_a_function_of_seed_and_update_in_any_process(composed, option):
    split = sparse_split(sizes=((40, 52), (36, 64)), pixels=40)
    sampling = instantiate(composed(f"sampling={option}"), "sampling")
    flips = v2.RandomHorizontalFlip(0.5)

    def batches(seed=0, max_steps=6):
        settings = {"batch_size": 3, "side": 32, "max_steps": max_steps, "ignores_pixels": True}
        return TileBatches(split, sampling, flips, seed=seed, **settings)

    whole = list(updates_loader(batches(), first=0, workers=0, pin=False))
    late = list(updates_loader(batches(), first=2, workers=2, pin=False))
    assert len(late) == 4
    for one, other in zip(whole[2:], late, strict=True):
        assert torch.equal(one.image, other.image)
        assert torch.equal(one.target, other.target)
    assert not torch.equal(whole[1].image, batches(seed=1)[1].image)


def test_any_option_can_be_the_first_phase(composed):
    cfg = composed("sampling=two_phase", "sampling@sampling.first=rich_images", "sampling.first.power=2")
    sampling = instantiate(cfg, "sampling")
    assert isinstance(sampling.first, RichImages)
    assert sampling.first.power == 2


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["sampling=rich_images", "sampling.power=-1"], "power: expected a number of at least 0, got -1"),
        (["sampling=rich_images", "sampling.floor=0"], "floor: expected a number above 0.*got 0"),
        (["sampling=foreground_tiles", "sampling.foreground_share=1.5"], r"foreground_share: .*\[0, 1\], got 1.5"),
        (["sampling=undersampling", "sampling.foreground_share=0"], r"foreground_share: .*\(0, 1\], got 0"),
        (["sampling=undersampling", "sampling.least_foreground=-1"], "least_foreground: .*at least 0, got -1"),
        (["sampling=two_phase", "sampling.switch_at=1.5"], r"switch_at: .*\[0, 1\], got 1.5"),
        (["sampling=two_phase", "sampling.first._target_=collections.Counter"], "first: .*draw, got Counter"),
    ],
)
def test_a_number_out_of_range_is_refused_by_name(composed, overrides, message):
    if "Counter" in message:
        overrides.append("~sampling.first.foreground_share")
    with pytest.raises(ConfigError, match=message):
        instantiate(composed(*overrides), "sampling")


@pytest.mark.parametrize("option", OPTIONS[1:])
def test_a_split_without_foreground_is_refused(composed, option):
    split = sparse_split(empty=(0, 1))
    sampling = instantiate(composed(f"sampling={option}"), "sampling")
    with pytest.raises(ValueError, match=r"expected foreground pixels.*got none.*in 3 images"):
        check_sampling(sampling, split, ["solid", "dotted"], side=SIDE)


@pytest.mark.parametrize("option", ["foreground_tiles", "two_phase"])
def test_a_mask_without_foreground_is_refused_by_name(composed, option):
    sampling = instantiate(composed(f"sampling={option}"), "sampling")
    with pytest.raises(ValueError, match="got none of dotted in 3 images"):
        check_sampling(sampling, sparse_split(empty=(1,)), ["solid", "dotted"], side=SIDE)


@pytest.mark.parametrize("option", ["uniform", "rich_images"])
def test_what_needs_no_mask_by_itself_takes_an_empty_one(composed, option):
    sampling = instantiate(composed(f"sampling={option}"), "sampling")
    check_sampling(sampling, sparse_split(empty=(1,)), ["solid", "dotted"], side=SIDE)
