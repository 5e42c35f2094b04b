"""The same run on a GPU and on the CPU: how far apart its losses and its average precision are."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.gpu_training import train_updates, uncompiled
from benchmarks.result import Goal, Row, Settings, Spread
from benchmarks.trained_run import compose
from experiments.evaluation.score_split import score_split
from experiments.frontier.curve import average_precision, pr_curve
from experiments.training.device import make_accelerator
from experiments.training.network import Segmenter, build_segmenter
from experiments.training.setup import LoadedData, load_data


def run_agreement_rows(device: torch.device, settings: Settings) -> list[Row]:
    """Train the demo in float32 for a few updates on both devices, then score the CPU's weights on both."""
    updates = 3 if settings.quick else 20
    configs = [
        compose(
            "data.train_logs=8",
            "data.val_logs=2",
            f"data.test_logs={2 if settings.quick else 8}",
            "data.cache_dir=null",
            f"trainer.max_steps={updates}",
            "trainer.precision=32",
            "trainer.data_on_device=true",
            f"trainer.accelerator={place}",
        )
        for place in ("cpu", device.type)
    ]
    loaded = load_data(configs[0])
    models = [
        build_segmenter(cfg, channels=loaded.data.channels, prevalence=loaded.prevalence, statistics=loaded.statistics)
        for cfg in configs
    ]
    histories = [
        train_updates(cfg, loaded, model, log_every=1, on_update=lambda update: None, twin=uncompiled)
        for cfg, model in zip(configs, models, strict=True)
    ]
    apart = [abs(a["loss"] - b["loss"]) / abs(a["loss"]) for a, b in zip(*histories, strict=True)]
    models[1].load_state_dict(models[0].state_dict())
    here, there = (_average_precisions(cfg, loaded, model) for cfg, model in zip(configs, models, strict=True))
    return [
        Row(
            f"training, loss of {updates} updates, float32",
            "the CPU",
            "",
            "",
            Spread.of([max(apart)]),
            unit="",
            goal=Goal(0.02, at_most=True),
            note="greatest relative difference; the same tiles, weights that drift apart by rounding",
        ),
        Row(
            "AP, same weights, float32",
            "the CPU",
            "",
            "",
            Spread.of([max(abs(a - b) for a, b in zip(here, there, strict=True))]),
            unit="",
            goal=Goal(1e-3, at_most=True),
            note="greatest difference over the masks",
        ),
    ]


def _average_precisions(cfg: Any, loaded: LoadedData, model: Segmenter) -> list[float]:
    accelerator = make_accelerator(cfg.trainer)
    data = loaded.data
    windows = {"side": cfg.trainer.eval_tile, "overlap": cfg.trainer.eval_overlap, "batch_size": 8}
    scores = score_split(model.to(accelerator.device), data.test, data.masks, accelerator, **windows)
    return [average_precision(pr_curve(*scores.pooled(mask))) for mask in range(len(data.masks))]
