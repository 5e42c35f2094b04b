"""A small study on disk, with histories and examples, for the tests of the figures."""

import json

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.frontier.codes import logit_to_code
from experiments.report.study import compare
from experiments.runs import store
from experiments.runs.example_scores import ExampleScores
from experiments.runs.study import load_study

SETTINGS = OmegaConf.create(
    {"margin": 0.01, "point_margin": 0.05, "level": 0.05, "headline": "ap", "beta": 1.0, "recall_band": [0, 1]}
)
ARMS = {
    "loss=bce": ({"_target_": "losses.WeightedBCELoss", "pos_weight": 1.0}, 0.0, 0.0),
    "loss=worse": ({"_target_": "my.Loss"}, 0.0, -1.0),
    "loss=weighted_bce": ({"_target_": "losses.WeightedBCELoss", "pos_weight": 4.0}, float(np.log(4)), 0.0),
}
N_IMAGES, N_KEPT, SIDE = 12, 6, 24


def image_scores(split, index, seed, masks, shift, gain):
    """Labels, and logits of a model that is an exact slide of the baseline where the gain is 0."""
    world = np.random.default_rng([split, index])
    target = world.random((masks, SIDE, SIDE)) < 0.08
    noise = world.normal(0, 1, target.shape) + np.random.default_rng([split, index, seed]).normal(0, 0.05)
    # Images differ in how hard they are, so that a best and a worst one exist.
    return target, ((2.5 + gain + 0.15 * index) * target - 3 + noise + shift).astype(np.float32)


def write_study(root, *, arms=ARMS, seeds=(0, 1, 2), masks=("thin", "dots"), examples=True, history=True):
    """Write run folders as training does."""
    for arm, (loss, shift, gain) in arms.items():
        for seed in seeds:
            folder = root / arm / f"seed={seed}"
            scores = {}
            for split, name in enumerate(("val", "test")):
                builder = ScoreHistogramBuilder(masks, thresholds={"tuned": [0.0] * len(masks)})
                for index in range(N_IMAGES):
                    target, logits = image_scores(split, index, seed, len(masks), shift, gain)
                    builder.add(f"i{index}", f"i{index}", logits, target)
                scores[name] = builder.build()
            store.write_config(folder, {"seed": seed, "loss": loss})
            store.write_scores(folder, scores)
            if examples:
                kept = [image_scores(1, index, seed, len(masks), shift, gain) for index in range(N_KEPT)]
                image = np.full((SIDE, SIDE, 1), 200, np.uint8)
                write = ExampleScores(
                    image_ids=tuple(f"i{index}" for index in range(N_KEPT)),
                    windows=((0, 0, SIDE, SIDE),) * N_KEPT,
                    images=(image,) * N_KEPT,
                    targets=tuple(target for target, _ in kept),
                    valids=(None,) * N_KEPT,
                    codes=tuple(logit_to_code(logits) for _, logits in kept),
                )
                store.write_examples(folder, write)
            if history:
                updates = np.arange(10, 60, 10)
                loss_value = 1 / updates + 0.01 * seed
                rows = {"update": updates, "loss": loss_value, "lr": 0.1 / updates, "seconds": updates / 10}
                if arm == "loss=worse":
                    rows["term/bce"] = loss_value / 2
                store.write_table(folder / store.HISTORY_FILE, pd.DataFrame(rows))
            info = {
                "status": "complete",
                "axes": ["loss"],
                "baseline": next(iter(arms)),
                "data_fingerprint": {"train": "R", "val": "V", "test": "T"},
                "prevalence": dict.fromkeys(masks, 0.08),
            }
            (folder / store.RUN_FILE).write_text(json.dumps(info))
    return root


@pytest.fixture(scope="session")
def on_disk():
    """How runs are written, and the scores that they hold: (write_study, image_scores)."""
    return write_study, image_scores


@pytest.fixture(scope="session")
def make_study(tmp_path_factory):
    """Write a study as asked for and compare it: (runs, comparison)."""

    def make(**asked):
        study = load_study(write_study(tmp_path_factory.mktemp("study"), **asked))
        return study, compare(study, SETTINGS)

    return make


@pytest.fixture(scope="session")
def drawn_study(make_study):
    """The study that most tests share; nothing may change it."""
    return make_study()


@pytest.fixture
def axes_of():
    """Make axes to draw into, and close them."""
    import matplotlib.pyplot as plt

    def make(count):
        return list(plt.subplots(1, count, squeeze=False)[1].flat)

    yield make
    plt.close("all")
