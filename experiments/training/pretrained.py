"""A network with pretrained weights: from the cache where they are, refused at once where they cannot be fetched."""

from __future__ import annotations

import os
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from huggingface_hub import constants
from huggingface_hub.errors import LocalEntryNotFoundError
from omegaconf import DictConfig

from experiments.config import ConfigError, instantiate

_PATIENCE = 5.0  # seconds for the first answer of the server


def instantiate_network(cfg: DictConfig, *, seed: int, in_channels: int, classes: int) -> Any:
    """Build `cfg.model`; weights that are in the cache need no network, and no time to find out that there is none.

    Args:
        cfg: A configuration with the group `model`.
        seed: Of the weights that are not pretrained.
        in_channels: Channels of the images.
        classes: Number of masks.

    Returns:
        Whatever the target makes.

    Raises:
        ConfigError: The model cannot be built, or its weights are neither in the cache nor within reach.
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
    """Say whether a server answers within a few seconds; by proxy where the environment names one."""
    answers: list[bool] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=_PATIENCE):
                answers.append(True)
        except urllib.error.HTTPError:  # an answer too
            answers.append(True)
        except urllib.error.URLError as error:  # certificates may be known to the client that downloads
            answers.append(isinstance(error.reason, ssl.SSLError))
        except (OSError, ValueError):
            answers.append(False)

    # In a thread: looking up a name has no time limit of its own.
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
