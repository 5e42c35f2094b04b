"""Same seed, same weights; the prior bias is the logit of the prevalence; networks that cannot be built are named."""

import math

import pytest
import torch
from torch import nn

from experiments.config import ConfigError
from experiments.data.batches import PixelStatistics
from experiments.training.network import build_segmenter, set_prior_bias, weights_fingerprint

STATISTICS = PixelStatistics((128.0,), (50.0,))


def build(composed, *overrides):
    cfg = composed(*overrides)
    return build_segmenter(cfg, channels=1, prevalence=(0.02, 0.3), statistics=STATISTICS)


def test_initial_weights_depend_on_the_seed_alone(composed):
    first = weights_fingerprint(build(composed, "loss=dice"))
    assert first == weights_fingerprint(build(composed, "loss=bce"))
    assert first != weights_fingerprint(build(composed, "seed=1"))


def test_prior_bias_starts_at_the_prevalence(composed):
    model = build(composed).eval()
    bias = model.network.segmentation_head[0].bias
    assert bias.tolist() == pytest.approx([math.log(0.02 / 0.98), math.log(0.3 / 0.7)], rel=1e-6)
    without = build(composed, "trainer.prior_bias=false").network.segmentation_head[0].bias
    assert without.tolist() != bias.tolist()


def test_logits_have_the_size_of_the_image(composed):
    model = build(composed).eval()
    assert model(torch.zeros(2, 1, 64, 96, dtype=torch.uint8)).shape == (2, 2, 64, 96)


def test_pixels_are_standardised():
    class Sees(nn.Module):
        def forward(self, image):
            return image

    from experiments.training.network import Segmenter

    seen = Segmenter(Sees(), STATISTICS)(torch.tensor([[[[178, 78]]]], dtype=torch.uint8))
    assert seen.flatten().tolist() == [1.0, -1.0]


def test_a_network_without_a_last_bias_is_named():
    with pytest.raises(ConfigError, match=r"trainer.prior_bias: Sequential has no convolution.*prior_bias=false"):
        set_prior_bias(nn.Sequential(nn.Conv2d(1, 5, 3)), (0.1, 0.2))


def test_an_unknown_encoder_is_named(composed):
    with pytest.raises(ConfigError, match=r"model \(segmentation_models_pytorch.create_model\).*no_such_encoder"):
        build(composed, "model.encoder_name=no_such_encoder")
