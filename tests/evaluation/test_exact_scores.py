"""The stored results of a run agree with the exact, sorted computation on the model's own logits."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import average_precision_score, precision_recall_curve

from experiments.data.batches import pixel_statistics
from experiments.runs import store
from experiments.training.network import build_segmenter
from experiments.training.run import execute
from experiments.training.setup import LoadedData

# Trained far enough that the frontier is worth comparing, at a rate that gets there on every machine: after a
# rate of 1e-2 one machine had a BCE with an AP of .41, from which float16 steps take 1.4e-4.
SMALL = (
    "trainer.max_steps=160",
    "trainer.tile=64",
    "trainer.batch_size=4",
    "trainer.accelerator=cpu",
    "optimizer.lr=3e-3",
)
ROUNDING = 3e-5


def _reference_scores(model, split):
    """Exact logits and labels of a whole split: (C, pixels) each."""
    with torch.inference_mode():
        images = torch.stack([torch.from_numpy(s.image.transpose(2, 0, 1).copy()) for s in split.samples])
        logits = model(images)
    labels = np.stack([sample.target for sample in split.samples])
    return logits.transpose(0, 1).flatten(1).numpy(), labels.swapaxes(0, 1).reshape(labels.shape[1], -1)


# One of each kind of logits: as a likelihood trains them, saturated by an overlap, held small by focusing. What a run
# stores depends on its loss in no other way.
@pytest.mark.parametrize("loss", ["bce", "dice", "focal"])
def test_histograms_agree_with_sorted_logits(composed, many_blobs, tmp_path, loss):
    statistics = pixel_statistics(many_blobs.train)
    loaded = LoadedData(many_blobs, tuple(many_blobs.prevalence("train").tolist()), statistics, ignores_pixels=False)
    cfg = composed(*SMALL, f"loss={loss}")
    assert execute(cfg, tmp_path, loss, loaded, lambda update: None) == "complete"

    model = build_segmenter(cfg, channels=1, prevalence=loaded.prevalence, statistics=statistics)
    model.load_state_dict(torch.load(tmp_path / store.CHECKPOINT_FILE, weights_only=True)["model"])
    logits, labels = _reference_scores(model.eval(), many_blobs.test)
    table = pd.read_csv(tmp_path / store.METRICS_FILE)
    table = table[table["split"] == "test"].set_index(["mask", "operating_point"])
    for mask, name in enumerate(many_blobs.masks):
        row = table.loc[(name, "natural")]
        rounded = logits[mask].astype(np.float16).astype(np.float32)
        assert row["ap"] == pytest.approx(average_precision_score(labels[mask], rounded), abs=1e-6)
        assert row["ap"] == pytest.approx(average_precision_score(labels[mask], logits[mask]), abs=1e-4)
        # A run scores other batches, and how a convolution rounds depends on the batch and the machine.
        fewest, most = logits[mask] >= ROUNDING, logits[mask] >= -ROUNDING
        assert (fewest & labels[mask]).sum() <= row["tp"] <= (most & labels[mask]).sum()
        assert (fewest & ~labels[mask]).sum() <= row["fp"] <= (most & ~labels[mask]).sum()
        assert (most ^ fewest).mean() < 1e-4
        # The best F1 over all thresholds, from the stored histogram and from the sorted logits.
        precision, recall, _ = precision_recall_curve(labels[mask], logits[mask])
        exact = (2 * precision * recall / np.maximum(precision + recall, 1e-12)).max()
        positives, negatives = store.read_scores(tmp_path)["test"].pooled(mask)
        tp, fp = positives[::-1].cumsum(), negatives[::-1].cumsum()
        assert (2 * tp / (tp + fp + positives.sum())).max() == pytest.approx(exact, abs=1e-4)
