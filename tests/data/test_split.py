import numpy as np
import pytest

from experiments.data.sample import Sample, sample_facts
from experiments.data.split import SegmentationData, make_split, summary_table


def sample(seed=0, *, shape=(4, 5), positive=(3, 2), ignored=0):
    """Mask c holds the first positive[c] pixels of row c; the first `ignored` pixels of row 0 do not count."""
    image = np.random.default_rng(seed).integers(0, 256, size=(*shape, 1), dtype=np.uint8)
    target = np.zeros((len(positive), *shape), bool)
    for channel, count in enumerate(positive):
        target[channel, channel, :count] = True
    valid = np.ones(shape, bool)
    valid[0, :ignored] = False
    return Sample(image, target, valid if ignored else None)


def data(**changes):
    splits = {
        "train": make_split("train", [sample(0), sample(1, positive=(0, 4))], ["a", "b"], ["w", "w"]),
        "val": make_split("val", [sample(2)], ["c"]),
        "test": make_split("test", [sample(3, ignored=2), sample(4, shape=(6, 5))], ["d", "e"]),
    }
    return SegmentationData(**{"name": "toy", "masks": ("one", "two"), "channels": 1, **splits, **changes})


def test_facts_count_only_valid_pixels():
    facts = sample_facts(sample(ignored=2))
    assert facts.positives.tolist() == [1, 2]
    assert facts.valid_pixels == 18
    assert facts.foreground == 3


def test_foreground_counts_a_pixel_of_two_masks_once():
    target = np.zeros((2, 4, 5), bool)
    target[:, 1, 1] = True
    target[1, 2, 2] = True
    facts = sample_facts(Sample(np.zeros((4, 5, 3), np.uint8), target))
    assert facts.positives.tolist() == [1, 2]
    assert facts.foreground == 2


def test_split_counts_and_prevalence_by_hand():
    toy = data()
    assert toy.train.positives.tolist() == [[3, 2], [0, 4]]
    assert toy.train.pixels.tolist() == [[20, 20], [20, 20]]
    assert toy.train.sizes.tolist() == [[4, 5], [4, 5]]
    assert toy.train.group_ids == ("w", "w")
    assert toy.val.group_ids == ("c",)
    assert toy.prevalence("train").tolist() == [3 / 40, 6 / 40]
    assert toy.prevalence("test").tolist() == [4 / 48, 4 / 48]
    assert toy.prevalence(toy.val).tolist() == [3 / 20, 2 / 20]
    assert not toy.train.ignores_pixels
    assert toy.test.ignores_pixels


@pytest.mark.parametrize(
    "changed",
    [
        [sample(1), sample(1)],  # pixels
        [sample(0, positive=(3, 1)), sample(1)],  # labels
        [sample(0, ignored=1), sample(1)],  # valid pixels
        [sample(1), sample(0)],  # order
        [sample(0)],  # number
    ],
)
def test_fingerprint_changes_with_the_content(changed):
    def names(samples):
        return ["a", "b"][: len(samples)]

    original = [sample(0), sample(1)]
    fingerprint = make_split("test", original, names(original)).fingerprint
    assert make_split("test", [sample(0), sample(1)], names(original)).fingerprint == fingerprint
    assert make_split("test", changed, names(changed)).fingerprint != fingerprint


def test_fingerprint_changes_with_ids_and_groups():
    base = make_split("test", [sample()], ["a"], ["g"]).fingerprint
    assert make_split("test", [sample()], ["b"], ["g"]).fingerprint != base
    assert make_split("test", [sample()], ["a"], ["h"]).fingerprint != base
    # Ids and groups do not run into each other.
    assert make_split("test", [sample()], ["a'"], ["g"]).fingerprint != base


def test_a_mask_that_is_all_valid_equals_none():
    bare = sample()
    full = Sample(bare.image, bare.target, np.ones((4, 5), bool))
    assert make_split("test", [bare], ["a"]).fingerprint == make_split("test", [full], ["a"]).fingerprint
    assert not make_split("test", [full], ["a"]).ignores_pixels


def test_summary_names_every_number_by_hand():
    lines = summary_table(data()).splitlines()
    assert lines[0] == "toy: grey, masks one, two"
    titles = ["split", "images", "groups", "pixels", "one %", "two %", "any mask %", "empty"]
    assert lines[1].split() == " ".join(titles).split()
    assert lines[2].split() == ["train", "2", "1", "40", "7.500", "15.000", "22.500", "1/0"]
    assert lines[3].split() == ["val", "1", "1", "20", "15.000", "10.000", "25.000", "0/0"]
    assert lines[4].split() == ["test", "2", "2", "48", "8.333", "8.333", "16.667", "0/0"]


def test_a_split_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="image_ids: expected unique names, got more than once: a"):
        make_split("train", [sample(0), sample(1)], ["a", "a"])
    with pytest.raises(ValueError):
        make_split("train", [sample(0), sample(1)], ["a"])


@pytest.mark.parametrize(
    ("image", "target", "valid", "named"),
    [
        (np.zeros((4, 5), np.uint8), np.zeros((1, 4, 5), bool), None, "image"),
        (np.zeros((4, 5, 1), np.float32), np.zeros((1, 4, 5), bool), None, "image"),
        (np.zeros((4, 5, 2), np.uint8), np.zeros((1, 4, 5), bool), None, "image"),
        (np.zeros((4, 5, 1), np.uint8), np.zeros((1, 5, 4), bool), None, "target"),
        (np.zeros((4, 5, 1), np.uint8), np.zeros((1, 4, 5), np.uint8), None, "target"),
        (np.zeros((4, 5, 1), np.uint8), np.zeros((1, 4, 5), bool), np.ones((5, 4), bool), "valid"),
    ],
)
def test_a_sample_names_the_array_that_does_not_fit(image, target, valid, named):
    with pytest.raises(ValueError, match=f"^{named}: expected"):
        Sample(image, target, valid)
