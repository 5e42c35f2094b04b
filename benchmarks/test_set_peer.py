"""One peer over a test set, in a process of its own: `python -m benchmarks.test_set_peer NAME IMAGES BYTES PATH`."""

from __future__ import annotations

import json
import resource
import sys
import time

import torch

from benchmarks.test_set import mosaics
from benchmarks.trained_run import TrainedLogits


def main() -> None:
    """Print seconds, peak bytes and AP per mask as JSON; fail where memory ends."""
    name, images, limit, path = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    data = TrainedLogits(**torch.load(path, weights_only=True))
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    seconds, values = (scikit_learn if name == "scikit-learn" else torchmetrics)(data, images)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak": peak, **{f"ap{mask}": ap for mask, ap in enumerate(values)}}))


def scikit_learn(data: TrainedLogits, images: int) -> tuple[float, list[float]]:
    """Keep every pixel, then sort."""
    import numpy as np
    from sklearn.metrics import average_precision_score

    kept = list(mosaics(data, images))
    started = time.perf_counter()
    values = []
    for mask in range(len(data.masks)):
        scores = np.concatenate([logits[mask].numpy().ravel() for logits, _ in kept])
        labels = np.concatenate([target[mask].numpy().ravel() for _, target in kept])
        values.append(float(average_precision_score(labels, scores)))
    return time.perf_counter() - started, values


def torchmetrics(data: TrainedLogits, images: int) -> tuple[float, list[float]]:
    """Keep every pixel in the metric's state, then sort."""
    from torchmetrics.classification import MultilabelAveragePrecision

    metric = MultilabelAveragePrecision(num_labels=len(data.masks), average="none", thresholds=None)
    seconds = 0.0
    for logits, target in mosaics(data, images):
        started = time.perf_counter()
        metric.update(logits[None], target[None].int())
        seconds += time.perf_counter() - started
    started = time.perf_counter()
    values = [float(value) for value in metric.compute()]
    return seconds + time.perf_counter() - started, values


if __name__ == "__main__":
    main()
