"""The logged foreground share is that of the tiles the loss saw; evaluation sees the true distribution."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import torch

from experiments.config import instantiate
from experiments.data.batches import TileBatches, pixel_statistics
from experiments.data.sample import Sample
from experiments.data.split import SegmentationData, make_split
from experiments.runs import store
from experiments.training.foreground_seen import batch_foreground, foreground_seen
from experiments.training.run import execute
from experiments.training.setup import LoadedData

STEPS = 7
SMALL = (
    f"trainer.max_steps={STEPS}",
    "trainer.tile=32",
    "trainer.batch_size=3",
    "trainer.log_every=3",
    "trainer.checkpoint_every=100",
    "trainer.accelerator=cpu",
    "model.decoder_channels=[16,8,8]",
)
# An augmentation that changes how much foreground a tile holds: a share taken before it would differ.
CROP = (
    "augmentation=none",
    "augmentation._target_=torchvision.transforms.v2.RandomResizedCrop",
    "+augmentation.size=32",
    "+augmentation.scale=[0.1,0.3]",
)


def corner_samples(seed, count):
    """Foreground in one corner of an image alone; the right edge is ignored, the mask on it too."""
    rng = np.random.default_rng(seed)
    samples = []
    for _ in range(count):
        target = rng.random((2, 96, 80)) < np.array([0.3, 0.1])[:, None, None]
        target[:, 30:] = target[:, :, 30:70] = False
        valid = np.ones((96, 80), bool)
        valid[:, 70:] = False
        image = np.where(target.any(axis=0), 200, 90) + rng.integers(0, 20, (96, 80))
        samples.append(Sample(image.astype(np.uint8)[..., None], target, valid))
    return samples


@pytest.fixture(scope="module")
def loaded():
    counts = {"train": 4, "val": 2, "test": 3}
    splits = [
        make_split(name, corner_samples(seed, count), [f"{name}{i}" for i in range(count)])
        for seed, (name, count) in enumerate(counts.items())
    ]
    data = SegmentationData("corners", ("solid", "dotted"), 1, *splits)
    return LoadedData(data, tuple(data.prevalence().tolist()), pixel_statistics(data.train), ignores_pixels=True)


def run(cfg, loaded, folder):
    assert execute(cfg, folder, "a", loaded, lambda update: None) == "complete"
    history = pd.read_csv(folder / store.HISTORY_FILE)
    return history, json.loads((folder / store.RUN_FILE).read_text())


def _reference_shares(cfg, loaded):
    """Make the batches again and count in numpy: a row per update, a column per mask."""
    batches = TileBatches(
        loaded.data.train,
        instantiate(cfg, "sampling"),
        instantiate(cfg, "augmentation"),
        batch_size=3,
        side=32,
        seed=cfg.seed,
        max_steps=STEPS,
        ignores_pixels=True,
    )
    rows = []
    for update in range(STEPS):
        target, valid = batches[update].target.numpy(), batches[update].valid.numpy()
        rows.append([np.sum(target[:, mask] * valid[:, 0]) / np.sum(valid) for mask in range(2)])
    return np.array(rows)


@pytest.mark.parametrize("augmentation", [(), CROP], ids=["flips", "crop"])
def test_the_logged_share_is_a_recount_of_the_batches(composed, loaded, tmp_path, augmentation):
    cfg = composed(*SMALL, "sampling=two_phase", "sampling.switch_at=0.7", *augmentation)
    history, info = run(cfg, loaded, tmp_path)
    shares = _reference_shares(cfg, loaded)
    assert history["update"].tolist() == [3, 5, 6, 7]  # the switch ends a row: 5 / 7 is the first share above 0.7
    expected = [shares[0:3].mean(axis=0), shares[3:5].mean(axis=0), shares[5], shares[6]]
    assert np.allclose(history[["foreground_solid", "foreground_dotted"]], expected, rtol=1e-5, atol=0)
    switch = info["sampling_switch"]
    assert switch["update"] == 5
    for index, mask in enumerate(("solid", "dotted")):
        assert info["foreground_seen"][mask] == pytest.approx(shares[:, index].mean(), rel=1e-5)
        assert switch["foreground_before"][mask] == pytest.approx(shares[:5, index].mean(), rel=1e-5)
        assert switch["foreground_after"][mask] == pytest.approx(shares[5:, index].mean(), rel=1e-5)


def test_the_recount_tells_augmentations_apart(composed, loaded):
    flips, crop = (_reference_shares(composed(*SMALL, *overrides), loaded) for overrides in ((), CROP))
    assert not np.allclose(flips, crop, rtol=1e-3)


def test_a_sampling_changes_what_the_loss_sees_and_not_what_is_evaluated(composed, loaded, tmp_path):
    seen = {}
    for option in ("uniform", "foreground_tiles"):
        overrides = [f"sampling={option}"] + ["sampling.foreground_share=1"] * (option == "foreground_tiles")
        _, info = run(composed(*SMALL, *overrides), loaded, tmp_path / option)
        seen[option] = info["foreground_seen"]
        assert "sampling_switch" not in info
        assert info["prevalence"]["solid"] == pytest.approx(loaded.prevalence[0])
        metrics = pd.read_csv(tmp_path / option / store.METRICS_FILE)
        for split in (loaded.data.val, loaded.data.test):
            for index, mask in enumerate(loaded.data.masks):
                rows = metrics[(metrics["split"] == split.name) & (metrics["mask"] == mask)]
                assert len(rows) == 2
                assert rows["tp"].add(rows["fn"]).eq(split.positives[:, index].sum()).all()
                assert rows[["tp", "fp", "fn", "tn"]].sum(axis=1).eq(split.pixels[:, index].sum()).all()
    # All foreground lies in a corner of 30 x 30: each tile around a pixel of it holds far more than a uniform one.
    assert seen["foreground_tiles"]["solid"] > 1.5 * seen["uniform"]["solid"]


def test_batch_foreground_by_hand():
    target = torch.zeros(2, 2, 2, 4, dtype=torch.bool)
    target[0, 0] = True  # 8 of the 16 pixels of mask 0
    target[1, 1, 0, :3] = True
    assert batch_foreground(target, None).tolist() == [8 / 16, 3 / 16]
    valid = torch.ones(2, 1, 2, 4, dtype=torch.bool)
    valid[0, :, :, 2:] = False  # 12 valid pixels, 4 of mask 0
    valid[1, :, 0, 0] = False  # 11, 2 of mask 1
    assert batch_foreground(target, valid).tolist() == pytest.approx([4 / 11, 2 / 11])
    assert batch_foreground(target, valid & False).isnan().all()


def history(*rows):
    return [{"update": update, "foreground_m": share} for update, share in rows]


def test_rows_count_by_their_updates():
    rows = history((4, 0.1), (6, 0.4), (7, 0.2))
    assert foreground_seen(rows, ["m"]) == {"m": pytest.approx((4 * 0.1 + 2 * 0.4 + 0.2) / 7)}
    assert foreground_seen(rows, ["m"], until=6) == {"m": pytest.approx((4 * 0.1 + 2 * 0.4) / 6)}
    assert foreground_seen(rows, ["m"], after=4) == {"m": pytest.approx((2 * 0.4 + 0.2) / 3)}


def test_a_share_of_nothing_is_none_and_not_zero():
    assert foreground_seen(history((4, math.nan)), ["m"]) == {"m": None}
    assert foreground_seen(history((4, 0.1)), ["m"], after=4) == {"m": None}
    assert foreground_seen(history((4, math.nan), (8, 0.3)), ["m"]) == {"m": 0.3}
    assert foreground_seen([{"update": 2}, *history((4, 0.3))], ["m"]) == {"m": 0.3}
