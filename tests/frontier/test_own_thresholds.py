"""Thresholds of each image's own: RankSEG's against its package and against exact expected Dice; the oracle's."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rankseg import rankseg_rma
from scipy.special import expit, logit

from experiments.frontier.calibration import code_probabilities
from experiments.frontier.codes import N_CODES, code_to_logit, logit_to_code
from experiments.frontier.curve import f_beta
from experiments.frontier.from_images import from_images
from experiments.frontier.per_image import ImageCounts
from experiments.frontier.theory import ScoreMap

STATED = code_probabilities()


def _images(seed: int, centre: float, spread: float, decimals: int, n: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Logits that float16 holds, and labels, (n, 2, 6, 9)."""
    rng = np.random.default_rng(seed)
    logits = np.round(centre + spread * rng.standard_normal((n, 2, 6, 9)), decimals)
    return code_to_logit(logit_to_code(logits)), rng.random(logits.shape) < expit(logits)


def _counts(logits: np.ndarray, labels: np.ndarray) -> ImageCounts:
    return ImageCounts(from_images(list(logits), list(labels), masks=["a", "b"]))


def _package(probabilities: np.ndarray) -> np.ndarray:
    """What `rankseg` predicts, without pruning."""
    with torch.no_grad():
        found = rankseg_rma(torch.from_numpy(probabilities), output_mode="multilabel", pruning_prob=0.0)
    return found.numpy()


def _rma_score(p: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """R = 2 sum of predicted p / (predicted + 1 + sum of p), over the last two axes."""
    axes = (-2, -1)
    return 2 * (p * predicted).sum(axis=axes) / (predicted.sum(axis=axes) + 1 + p.sum(axis=axes))


@given(
    seed=st.integers(0, 10_000),
    centre=st.sampled_from([-8.0, -3.0, 0.0]),
    spread=st.sampled_from([0.0, 0.3, 2.0, 9.0]),
    decimals=st.sampled_from([0, 1, 6]),
)
@pytest.mark.hypothesis
def test_rankseg_equals_its_package_on_pixels(seed, centre, spread, decimals) -> None:
    """The same pixels, or, where two cuts have the same R but for rounding, the same R."""
    logits, labels = _images(seed, centre, spread, decimals)
    codes = _counts(logits, labels).expected_dice_codes([STATED, STATED])
    p = expit(logits)
    ours, theirs = logit_to_code(logits) >= codes[:, :, None, None], _package(p)
    same = (ours == theirs).all(axis=(2, 3))
    scores, best = _rma_score(p, ours), _rma_score(p, theirs)
    np.testing.assert_allclose(scores, best, rtol=1e-13)
    runner_up = np.where(same, 0.0, np.abs(scores / best - 1.0))
    assert runner_up.max() < 1e-13


def _exact_scores(p: np.ndarray) -> np.ndarray:
    """S(t) for t = 1..n by the definition, with the Poisson binomial distribution of the other pixels by convolution.

    S(t) = sum_{i<=t} 2 p_(i) E[1 / (t + 1 + K_i)]; Dai and Li 2023, theorem 1 with smoothing 0.
    """
    falling = np.sort(p.ravel())[::-1]
    n = len(falling)
    inverse = 1.0 / (np.arange(1, n + 1)[:, None] + 1.0 + np.arange(n))  # t, K
    terms = []
    for index in range(n):
        others = np.array([1.0])
        for q in np.delete(falling, index):
            others = np.convolve(others, [1.0 - q, q])
        terms.append(2 * falling[index] * (inverse @ others))
    return np.array([sum(term[t] for term in terms[: t + 1]) for t in range(n)])


@pytest.mark.parametrize(("centre", "spread"), [(-4.0, 0.5), (-3.0, 2.0), (0.0, 4.0), (-6.0, 5.0), (2.0, 1.0)])
def test_expected_dice_is_as_close_to_the_best_as_stated(centre, spread) -> None:
    logits, labels = _images(1, centre, spread, decimals=2, n=2)
    codes = _counts(logits, labels).expected_dice_codes([STATED, STATED])
    for image, mask in np.ndindex(*codes.shape):
        p = expit(logits[image, mask])
        exact = _exact_scores(p)
        t = np.arange(1, p.size + 1)
        rma = 2 * np.cumsum(np.sort(p.ravel())[::-1]) / (t + 1 + p.sum())
        assert (rma <= exact * (1 + 1e-12)).all() and (exact <= (1 + 1 / t) * rma * (1 + 1e-12)).all()
        chosen = int((logit_to_code(logits[image, mask]) >= codes[image, mask]).sum())
        best = int(np.argmax(exact))
        assert exact[chosen - 1] >= exact[best] * (1 - 1 / (t[best] + 1)) - 1e-15
        assert rma[chosen - 1] == pytest.approx(rma.max(), rel=1e-13)  # no cut inside a tie is better


def test_the_exact_scores_are_those_of_every_labelling() -> None:
    """The reference itself: 2 |A and y| / (|A| + |y|), averaged over all 2^n labellings."""
    p = np.array([0.9, 0.55, 0.3, 0.05])
    labellings = np.array(list(np.ndindex(2, 2, 2, 2)))
    weights = np.prod(np.where(labellings == 1, p, 1 - p), axis=1)
    direct = [weights @ (2 * labellings[:, :t].sum(axis=1) / (t + labellings.sum(axis=1))) for t in range(1, 5)]
    np.testing.assert_allclose(_exact_scores(p), direct, rtol=1e-13)


def test_a_map_per_mask_undoes_what_the_loss_did() -> None:
    """A model of weight w, with the prior correction, has the thresholds of the model before it, ln w higher."""
    logits, labels = _images(3, -2.0, 2.0, decimals=1)
    before = _counts(logits, labels).expected_dice_codes([STATED, STATED])
    shifted = logits.copy()
    shifted[:, 1] += np.log(8.0)
    corrected = [STATED, code_probabilities(ScoreMap(weight=8.0))]
    after = _counts(shifted, labels).expected_dice_codes(corrected)
    predicted = logit_to_code(logits) >= before[:, :, None, None]
    np.testing.assert_array_equal(predicted, logit_to_code(shifted) >= after[:, :, None, None])


def test_rankseg_without_pixels_or_with_sure_ones() -> None:
    counts = ImageCounts(from_images([[[9.0, 9.0, -60000.0]], [[-60000.0]]], [[[1, 0, 1]], [[0]]]))
    codes = counts.expected_dice_codes([STATED])
    tp, fp = counts.above(codes)
    assert tp.tolist() == [[1], [0]] and fp.tolist() == [[1], [0]]


def test_the_oracle_is_the_best_of_all_thresholds_of_each_image() -> None:
    logits, labels = _images(5, -1.5, 2.0, decimals=0, n=8)
    labels[2] = False
    labels[3, 1] = False
    labels[4, 0] = True
    counts = _counts(logits, labels)
    codes = counts.best_f1_codes()
    tp, fp = counts.above(codes)
    for image, mask in np.ndindex(*codes.shape):
        z, y = logits[image, mask], labels[image, mask]
        cuts = np.append(np.unique(z), np.inf)
        hits = np.array([(y & (z >= cut)).sum() for cut in cuts])
        wrong = np.array([(~y & (z >= cut)).sum() for cut in cuts])
        if not y.any():
            assert codes[image, mask] == N_CODES and tp[image, mask] == fp[image, mask] == 0
            continue
        f1 = f_beta(hits, wrong, y.sum() - hits)
        highest = cuts[np.flatnonzero(f1 == f1.max())[-1]]
        assert code_to_logit(codes[image, mask]) == highest
        got = f_beta(tp[image, mask], fp[image, mask], y.sum() - tp[image, mask])
        assert got == f1.max()


def test_an_empty_study_has_no_threshold() -> None:
    counts = ImageCounts(from_images([[[0.5]]], [[[0]]]))
    assert counts.best_f1_codes().tolist() == [[N_CODES]]
    assert logit(STATED[counts.expected_dice_codes([STATED])]).item() <= 0.5
