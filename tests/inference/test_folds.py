"""Verdicts on pooled folds: calibrated although the training sets of the folds overlap.

A small learner stands for the network: the difference of two class means, from a few pixels of each training well. Its
training sets overlap as those of folds do, its wells differ as wells do, and a seed draws the pixels it learns from.
"""

import numpy as np

from experiments.data.image_folder.folds.cut import fold_of_images
from experiments.inference.paired_difference import difference_of

WELLS, PIXELS, FEATURES, SEEDS, FOLDS = 17, 40, 4, 5, 5
DRAWN = 6  # pixels of each training well that a seed learns from
STUDIES = 200


def draw_wells(rng):
    """Features (G, N, D) and labels (G, N) of wells that differ in their background."""
    labels = rng.random((WELLS, PIXELS)) < 0.25
    labels[:, :2] = [True, False]
    own = rng.normal(0, 0.7, (WELLS, 1, FEATURES))
    return 0.5 * labels[..., None] + own + rng.normal(0, 1, (WELLS, PIXELS, FEATURES)), labels


def learned_scores(rng, features, labels, folds, whiten):
    """Score every well by a learner that saw only wells of other folds: (G, N)."""
    scores = np.empty(labels.shape)
    for fold in range(FOLDS):
        train = np.flatnonzero(folds != fold)
        # The first two pixels are of either class, so no draw lacks one.
        drawn = np.concatenate([[0, 1], rng.integers(2, PIXELS, DRAWN)])
        x, y = features[train][:, drawn].reshape(-1, FEATURES), labels[train][:, drawn].ravel()
        direction = x[y].mean(axis=0) - x[~y].mean(axis=0)
        if whiten:
            direction = np.linalg.solve(np.cov(x.T), direction)
        scores[folds == fold] = features[folds == fold] @ (direction / np.linalg.norm(direction))
    return scores


def precision_rows(scores, labels):
    """Average precision over all wells, then without each: (1+G,)."""
    order = np.argsort(-scores.ravel())
    right = labels.ravel()[order]
    well = np.repeat(np.arange(WELLS), PIXELS)[order]
    kept = np.concatenate([np.ones((1, len(well)), bool), well != np.arange(WELLS)[:, None]])
    hits = np.cumsum(kept & right, axis=1)
    precision = hits / np.maximum(np.cumsum(kept, axis=1), 1)
    return (precision * (kept & right)).sum(axis=1) / hits[:, -1]


def studies(whiten, seed):
    """Draw studies of a baseline and an arm; `whiten` tells which of the two is another learner."""
    rng = np.random.default_rng(seed)
    folds = np.array(fold_of_images([f"w{g}" for g in range(WELLS)], FOLDS, 0))
    for _ in range(STUDIES):
        wells = draw_wells(rng)
        scores = [[learned_scores(rng, *wells, folds, kind) for _ in range(SEEDS)] for kind in whiten]
        rows = [[precision_rows(one, wells[1]) for one in seeds] for seeds in scores]
        gains = np.array(rows[1]) - np.array(rows[0])
        yield difference_of(gains[:, :1], gains[:, 1:, None])


def test_a_learner_compared_with_itself_is_seldom_told_apart():
    """The level holds: 5 %, to three standard errors of the number of studies."""
    claims = np.mean([study.p_difference()[0] < 0.05 for study in studies((False, False), 0)])
    assert claims <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / STUDIES)


def test_intervals_cover_the_mean_gain_over_sets_of_images():
    """No cross-validation promises this; where training sets matter as little as here, it holds."""
    found = list(studies((False, True), 1))
    gains = np.array([study.estimate[0] for study in found])
    low, high = np.array([[end[0] for end in study.interval()] for study in found]).T
    covered = np.mean((low <= gains.mean()) & (gains.mean() <= high))
    assert covered >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / STUDIES)
