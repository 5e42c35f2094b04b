"""Tiled scores are those of the whole image, for networks whose pixels look at a neighbourhood alone."""

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from accelerate import Accelerator

from experiments.evaluation.windows import Window, padded, places, score_windows


def scores_of(network, image, side, overlap):
    out = np.full((1, *image.shape[:2]), np.nan, np.float32)
    windows = (Window(0, place, padded(image[place.pixels])) for place in places(*image.shape[:2], side, overlap))
    for batch, logits in score_windows(
        lambda pixels: network(pixels.float() / 64 - 2), windows, Accelerator(cpu=True), 2
    ):
        for window, scores in zip(batch, logits, strict=True):
            out[:, *window.place.core] = scores[:, *window.place.core_inside].numpy()
    return out


@pytest.mark.parametrize("size", [(417, 200), (333, 401)])
def test_a_unet_scores_windows_as_the_whole_image_where_they_share_more_than_it_reaches(size):
    torch.manual_seed(0)
    network = smp.create_model("unet", "resnet18", encoder_depth=3, decoder_channels=[24, 16, 8], in_channels=1,
                               encoder_weights=None).eval()  # fmt: skip
    image = np.random.default_rng(0).integers(0, 255, (*size, 1), dtype=np.uint8)
    whole, tiled = scores_of(network, image, 448, 96), scores_of(network, image, 320, 96)
    assert not np.isnan(tiled).any()
    assert np.abs(whole - tiled).max() <= 1e-4 * whole.std()  # rounding
