"""Small studies on disk with a known truth: an exact weight sweep, and losses of which one is better."""

import numpy as np
import pytest
from omegaconf import OmegaConf

from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.report.checklist.evidence import StudyEvidence
from experiments.report.study import compare
from experiments.runs import store
from experiments.runs.study import load_study

REPORT = OmegaConf.create(
    {"margin": 0.01, "point_margin": 0.05, "level": 0.05, "headline": "ap", "beta": 1.0, "recall_band": [0, 1]}
)
MASKS = ("thin", "dots")
WEIGHTS = (1, 3, 9, 27)
BCE = {"_target_": "losses.WeightedBCELoss", "pos_weight": 1.0}
SIDE, IMAGES = 40, 16


def scores(split, seed, *, shift=0.0, gain=0.0, masks=MASKS, bare=0):
    """Histograms of calibrated scores, a little different in every run; `bare` images hold no positive pixel."""
    builder = ScoreHistogramBuilder(masks)
    for index in range(IMAGES):
        world = np.random.default_rng([split, index])
        shape = (len(masks), SIDE, SIDE)
        target = (world.random(shape) < 0.05) & (index >= bare)
        own = np.random.default_rng([split, index, seed])
        noise = world.normal(0, 1, shape) + own.normal(0, 0.03)
        separation = 2.2 + gain
        # Two normal classes a distance apart: the logit of the true probability is linear in the noise.
        logits = separation * (separation * target + noise - separation / 2) + np.log(0.05 / 0.95) + shift
        builder.add(f"i{index}", f"i{index}", logits.astype(np.float32), target)
    return builder.build()


def write_study(root, arms, *, axes=("loss",), seeds=3, train="R", test="T", info=None, **settings):
    """Write runs: arm -> (loss, what `scores` takes, what `run.json` says beside the usual)."""
    for arm, (loss, model, more) in arms.items():
        for seed in range(seeds):
            folder = root / arm / f"seed={seed}"
            store.write_config(folder, {"seed": seed, "loss": loss})
            splits = {name: scores(k, seed, **settings, **model) for k, name in enumerate(("val", "test"))}
            store.write_scores(folder, splits)
            base = next(iter(arms))
            usual = {"status": "complete", "axes": list(axes), "baseline": base, "device": "cpu", "threads": 1}
            usual["data_fingerprint"] = {"train": train, "val": "V", "test": test}
            usual["prevalence"] = dict.fromkeys(settings.get("masks", MASKS), 0.05)
            seconds = {key: value + seed for key, value in more.items()}
            store.write_json(folder / store.RUN_FILE, {**usual, **(info or {}), **seconds})
    return root


def evidence_of(root):
    study = load_study(root)
    return StudyEvidence.of(study, compare(study, REPORT))


def weight_arms(weights=WEIGHTS):
    return {
        f"loss.pos_weight={w}": ({**BCE, "pos_weight": w}, {"shift": float(np.log(w))}, {"fit_seconds": 60.0})
        for w in weights
    }


@pytest.fixture(scope="session")
def report():
    return REPORT


@pytest.fixture(scope="session")
def make(tmp_path_factory):
    """Write a study into a folder of the given name and compare it."""

    def build(name, arms, **settings):
        return evidence_of(write_study(tmp_path_factory.mktemp("studies") / name, arms, **settings))

    return build


@pytest.fixture(scope="session")
def sweep(make):
    """Weights 1, 3, 9, 27, each an exact slide of weight 1."""
    return make("weights", weight_arms(), axes=("loss.pos_weight",))


@pytest.fixture(scope="session")
def losses(make):
    """A weight that slides, a loss that is better at 30 s more, one that is better still at 4 min more."""
    arms = {
        "loss=bce": (BCE, {}, {"fit_seconds": 60.0}),
        "loss=weighted_bce": ({**BCE, "pos_weight": 12.0}, {"shift": float(np.log(12))}, {"fit_seconds": 60.0}),
        "loss=better": ({"_target_": "my.Better"}, {"gain": 0.3}, {"fit_seconds": 90.0}),
        "loss=slow": ({"_target_": "my.Slow"}, {"gain": 0.5}, {"fit_seconds": 300.0}),
    }
    return make("losses", arms)
