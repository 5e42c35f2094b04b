"""A small run, trained for the benchmarks, and its logits: zeros or noise would flatter one side or the other."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

SIDE = 256


@dataclass(frozen=True, eq=False)
class TrainedLogits:
    """What a trained network says of images that it has not seen.

    Args:
        logits: float32 (N, C, 256, 256).
        target: bool, the same shape.
        masks: C names.
    """

    logits: Tensor
    target: Tensor
    masks: tuple[str, ...]


def compose(*overrides: str) -> Any:
    """Compose the root configuration."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_module

    import experiments.config  # noqa: F401  (schemas)

    with ExitStack() as stack:
        stack.enter_context(initialize_config_module("experiments.conf", version_base="1.3"))
        return hydra_compose("config", overrides=list(overrides))


@lru_cache(maxsize=2)
def trained_logits(images: int = 32, updates: int = 150) -> TrainedLogits:
    """Train plain BCE on synthetic logs of 256 x 256 pixels and score test logs; about 20 seconds on two cores.

    Args:
        images: N test logs.
        updates: of the weights; the demo study makes 240 of smaller batches.
    """
    from experiments.data.batches import updates_loader
    from experiments.training.network import build_segmenter
    from experiments.training.parts import make_optimizer
    from experiments.training.setup import load_data, tile_batches
    from losses import WeightedBCELoss

    cfg = compose(
        f"data.height=[{SIDE},{SIDE}]",
        f"data.width=[{SIDE},{SIDE}]",
        f"data.train_logs={max(8, images)}",
        "data.val_logs=2",
        f"data.test_logs={images}",
        "data.cache_dir=null",
        f"trainer.max_steps={updates}",
    )
    loaded = load_data(cfg)
    model = build_segmenter(
        cfg, channels=loaded.data.channels, prevalence=loaded.prevalence, statistics=loaded.statistics
    )
    optimizer, scheduler = make_optimizer(cfg, model)
    batches = tile_batches(cfg, loaded)
    loss = WeightedBCELoss()
    for batch in updates_loader(batches, first=0, workers=0, pin=False):
        loss(model(batch.image), batch.target).backward()
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad(set_to_none=True)
    model.eval()
    samples = [loaded.data.test.samples[index] for index in range(images)]
    pixels = torch.stack([torch.from_numpy(sample.image.transpose(2, 0, 1)) for sample in samples])
    with torch.inference_mode():
        logits = torch.cat([model(part) for part in pixels.split(8)]).contiguous()
    target = torch.stack([torch.from_numpy(sample.target) for sample in samples])
    # Cloned outside inference mode, so that losses may differentiate by them.
    return TrainedLogits(logits.clone(), target.clone(), loaded.data.masks)
