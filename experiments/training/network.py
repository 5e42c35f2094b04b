"""The shared segmentation network: built from the configuration, the same initial weights for every arm of a seed.

Pretrained weights come from the cache if they are there. If they cannot be fetched either, the model is refused at
once.
"""

from __future__ import annotations

import hashlib
import math
import os
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from huggingface_hub import constants
from huggingface_hub.errors import LocalEntryNotFoundError
from omegaconf import DictConfig
from torch import Tensor, nn

from experiments.config import ConfigError, instantiate
from experiments.data.batches import PixelStatistics


class Segmenter(nn.Module):
    """A network with its input scaling: uint8 images (N, K, H, W) in, logits (N, C, H, W) out.

    Args:
        network: Any module that maps float images to logits of the same height and width.
        statistics: Mean and standard deviation of the training images.
    """

    def __init__(self, network: nn.Module, statistics: PixelStatistics) -> None:
        super().__init__()
        self.network = network
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(statistics.mean)[:, None, None])
        self.register_buffer("std", torch.tensor(statistics.std)[:, None, None])

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits of a batch of images."""
        return self.network((image.float() - self.mean) / self.std)


def build_segmenter(
    cfg: DictConfig, *, channels: int, prevalence: Sequence[float], statistics: PixelStatistics
) -> Segmenter:
    """Build the network of `cfg.model` with weights drawn from `cfg.seed`.

    Args:
        cfg: The root configuration.
        channels: Channels of the images.
        prevalence: Positive share per mask in the training split.
        statistics: Mean and standard deviation of the training images.

    Raises:
        ConfigError: The network cannot be built, or has no last layer for the prior bias.
    """
    network = instantiate_network(cfg, seed=cfg.seed, in_channels=channels, classes=len(prevalence))
    if not isinstance(network, nn.Module):
        raise ConfigError(f"model ({cfg.model._target_}): expected a torch.nn.Module, got {type(network).__name__}")
    if cfg.trainer.prior_bias:
        set_prior_bias(network, prevalence)
    if cfg.trainer.channels_last:
        network = network.to(memory_format=torch.channels_last)
    return Segmenter(network, statistics)


def set_prior_bias(network: nn.Module, prevalence: Sequence[float]) -> None:
    """Start the last layer's bias at the logit of each mask's prevalence: ln(p / (1 - p)).

    Reference: Lin et al. 2017, Focal Loss for Dense Object Detection, section 4.1 (there for a fixed prior).

    Raises:
        ConfigError: The network has no convolution with a bias per mask.
    """
    candidates = [
        layer
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d) and layer.bias is not None and layer.out_channels == len(prevalence)
    ]
    if not candidates:
        raise ConfigError(
            f"trainer.prior_bias: {type(network).__name__} has no convolution with a bias and {len(prevalence)} output "
            "channels to set; use trainer.prior_bias=false"
        )
    bias = candidates[-1].bias
    with torch.no_grad():
        bias.copy_(torch.tensor([math.log(p / (1 - p)) for p in prevalence]))  # type: ignore[union-attr]


def weights_fingerprint(module: nn.Module) -> str:
    """Return the sha256 over all parameters and buffers, to show that two runs started alike."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


_PATIENCE = 5.0  # seconds to wait for the server's first answer


def instantiate_network(cfg: DictConfig, *, seed: int, in_channels: int, classes: int) -> Any:
    """Build `cfg.model`. Cached weights need no network, and no time is spent on looking for one.

    Args:
        cfg: A configuration with the group `model`.
        seed: Of the weights that are not pretrained.
        in_channels: Channels of the images.
        classes: Number of masks.

    Returns:
        What the target returns.

    Raises:
        ConfigError: The model cannot be built, or its weights are neither cached nor reachable.
    """

    def build() -> Any:
        torch.manual_seed(seed)
        return instantiate(cfg, "model", in_channels=in_channels, classes=classes)

    try:
        with _offline():
            return build()
    except ConfigError as error:
        if not isinstance(error.__cause__, LocalEntryNotFoundError):
            raise
        if os.environ.get("HF_HUB_OFFLINE") or not is_reachable(constants.ENDPOINT):
            raise ConfigError(_advice(cfg)) from error
    return build()


def is_reachable(address: str) -> bool:
    """Return whether a server answers within a few seconds, through the environment's proxy if there is one."""
    answers: list[bool] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=_PATIENCE):
                answers.append(True)
        except urllib.error.HTTPError:  # an error status is an answer too
            answers.append(True)
        except urllib.error.URLError as error:  # the downloading client may know the certificate
            answers.append(isinstance(error.reason, ssl.SSLError))
        except (OSError, ValueError):
            answers.append(False)

    # In a thread, because a name look-up cannot be given a time limit.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    return bool(answers and answers[0])


@contextmanager
def _offline() -> Iterator[None]:
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _advice(cfg: DictConfig) -> str:
    weights = cfg.model.get("encoder_weights")
    asked = "model" if weights is None else f"model.encoder_weights={weights}"
    off = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
    random = "" if weights is None else "; model.encoder_weights=null starts from random weights"
    return (
        f"{asked}: the pretrained weights are not in {constants.HF_HUB_CACHE}, and {constants.ENDPOINT} cannot be "
        f"reached{off}. Start the command once where there is a network and copy that folder here{random}"
    )
