"""Neighbours across windows are seen: distances and skeletons are those of whole images."""

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from experiments.data.sample import Sample
from experiments.data.split import make_split
from experiments.evaluation.score_split import score_split
from experiments.evaluation.whole_images import WholeImages
from experiments.frontier.from_images import from_images
from experiments.frontier.tolerance.centerlines import CenterlineCounts
from experiments.frontier.tolerance.histograms import tolerant_from_images

MASKS = ("dark", "bright")
SIZES = [(33, 47), (130, 70), (64, 64), (33, 47), (70, 130), (5, 3)]


class _Brightness(torch.nn.Module):
    """Logit of each mask from the pixel alone: what windows cannot change."""

    def forward(self, image):
        grey = image[:, :1].float()
        return torch.cat([(grey - 100) / 16, (60 - grey) / 16], dim=1)


def split_of(ignored):
    rng = np.random.default_rng(3)
    samples = []
    for height, width in SIZES:
        image = rng.integers(0, 255, (height, width, 1), dtype=np.uint8)
        target = rng.random((2, height, width)) < 0.03
        samples.append(Sample(image, target, rng.random((height, width)) < 0.8 if ignored else None))
    return make_split("test", samples, [f"t{i}" for i in range(len(SIZES))], [f"g{i % 2}" for i in range(len(SIZES))])


def logits_of(split):
    return [_Brightness()(torch.from_numpy(s.image.transpose(2, 0, 1).copy())[None])[0].numpy() for s in split.samples]


def scored(split, radii, centerlines=None):
    whole = WholeImages(split, MASKS, radii, centerlines, skeletons=centerlines is not None)
    accelerator = Accelerator(cpu=True)
    scores = score_split(_Brightness(), split, MASKS, accelerator, side=64, overlap=8, batch_size=3, whole=whole)
    return scores, whole


@pytest.mark.parametrize("ignored", [False, True])
def test_windows_give_the_distances_of_whole_images(ignored):
    split = split_of(ignored)
    scores, whole = scored(split, (0, 2, 32))
    order = [split.image_ids.index(name) for name in scores.image_ids]
    samples, logits = [split.samples[i] for i in order], [logits_of(split)[i] for i in order]
    targets = [sample.target for sample in samples]
    valid = [sample.valid for sample in samples] if ignored else None
    names, groups = scores.image_ids, scores.group_ids
    exact = from_images(logits, targets, masks=MASKS, image_ids=names, groups=groups, valid=valid)
    found = whole.finish(names, groups)
    assert set(found) == {0, 2, 32}
    for radius, tolerant in found.items():
        wanted = tolerant_from_images(logits, targets, radius, exact=exact, valid=valid)
        assert tolerant.radius == radius
        for side in ("near", "found"):
            have, want = getattr(tolerant, side), getattr(wanted, side)
            assert (have.image_ids, have.group_ids, have.masks) == (want.image_ids, want.group_ids, want.masks)
            for name in ("row_start", "bins", "positives", "negatives"):
                assert np.array_equal(getattr(have, name), getattr(want, name)), (radius, side, name)
    assert whole.finish_centerlines(names) is None


@pytest.mark.parametrize("ignored", [False, True])
def test_skeletons_are_those_of_whole_images(ignored):
    morphology = pytest.importorskip("skimage.morphology", reason="scikit-image finds the skeletons")
    split = split_of(ignored)
    points = {"natural": [0.0, 0.0], "tuned": [1.0, -2.0]}
    scores, whole = scored(split, (), points)
    found = whole.finish_centerlines(scores.image_ids)
    assert found.points == ("natural", "tuned")
    for place, name in enumerate(scores.image_ids):
        index = split.image_ids.index(name)
        sample = split.samples[index]
        keep = np.ones(SIZES[index], bool) if sample.valid is None else sample.valid
        for point, limits in enumerate(points.values()):
            for mask in range(2):
                predicted = (logits_of(split)[index][mask] >= limits[mask]) & keep
                true = sample.target[mask] & keep
                lines = morphology.skeletonize(predicted), morphology.skeletonize(true)
                wanted = [lines[0].sum(), (lines[0] & true).sum(), lines[1].sum(), (lines[1] & predicted).sum()]
                assert found.counts[place, point, mask].tolist() == wanted


def test_centerline_dice_by_hand():
    counts = np.array([[[[10, 5, 8, 8]]], [[[0, 0, 4, 0]]], [[[6, 0, 0, 0]]]])
    found = CenterlineCounts(("a", "b", "c"), ("tuned",), counts)
    assert found.of_images("tuned")[:2, 0].tolist() == [pytest.approx(2 / 3), 0.0]
    assert np.isnan(found.of_images("tuned")[2, 0])  # no true pixel
    assert found.mean("tuned")[0] == pytest.approx(1 / 3)
    precision, sensitivity = 5 / 16, 8 / 12
    assert found.pooled("tuned")[0] == pytest.approx(2 * precision * sensitivity / (precision + sensitivity))
    again = CenterlineCounts.from_arrays(found.to_arrays("x_"), "x_")
    assert (again.image_ids, again.points, again.counts.tolist()) == (found.image_ids, found.points, counts.tolist())
    with pytest.raises(ValueError, match="missing \\['y_image_ids'"):
        CenterlineCounts.from_arrays(found.to_arrays("x_"), "y_")


def test_a_nan_is_named_by_its_image():
    split = split_of(ignored=False)
    logits = torch.zeros(2, *SIZES[1])
    logits[1, 3, 4] = torch.nan
    with pytest.raises(ValueError, match="got 1 NaN in image 't1'"):
        WholeImages(split, MASKS, [2]).add(1, 0, 0, logits)


@pytest.mark.parametrize("ignored", [False, True])
def test_a_split_counted_in_blocks_is_the_same(ignored, monkeypatch):
    split = split_of(ignored)
    arguments = (_Brightness(), split, MASKS, Accelerator(cpu=True))
    wanted = score_split(*arguments, side=64, overlap=8, batch_size=3).to_arrays()
    monkeypatch.setattr("experiments.evaluation.histogram_builder.is_counted_in_blocks", lambda scores: True)
    found = score_split(*arguments, side=64, overlap=8, batch_size=3).to_arrays()
    assert all(np.array_equal(found[name], wanted[name]) for name in wanted)
