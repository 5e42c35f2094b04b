"""Simulated histograms: their AP against scikit-learn, the closed form of the truth against a large simulation."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from experiments.audit.simulation.gaussian import Spread
from experiments.audit.simulation.histograms import ScoreModel, average_precision, histogram_study


def test_average_precision_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    positives, negatives = rng.poisson(3.0, 12).astype(float), rng.poisson(5.0, 12).astype(float)
    scores = np.repeat(np.arange(12)[::-1], (positives + negatives).astype(int))
    labels = np.concatenate([np.repeat([1, 0], [int(p), int(n)]) for p, n in zip(positives, negatives, strict=True)])
    assert average_precision(positives, negatives) == pytest.approx(average_precision_score(labels, scores))


def test_rates_are_shares() -> None:
    model = ScoreModel()
    for rates in (*model.rates(np.array([0.0, 2.0])), model.bulk_rates()):
        np.testing.assert_allclose(rates.sum(axis=-1), 1.0)
        assert (rates >= -1e-12).all()


def test_the_true_gain_is_that_of_a_large_study() -> None:
    model, spread = ScoreModel(), Spread("", 0.3, 0.4, 0.3)
    truth = model.true_average_precision(0.6, spread) - model.true_average_precision(0.0, spread)
    rng = np.random.default_rng(1)
    gains = []
    for _ in range(12):
        study = histogram_study(model, spread, separation=0.6, n_seeds=12, n_groups=300, rng=rng)
        gains.append(study.differences(12, 300)[0].mean())
    assert 0.05 < truth < 0.09
    assert abs(np.mean(gains) - truth) < 4 * np.std(gains, ddof=1) / np.sqrt(12)


def test_leaving_a_group_out_is_a_study_without_it() -> None:
    study = histogram_study(
        ScoreModel(), Spread("", 0.1, 0.1, 0.1), separation=0.2, n_seeds=2, n_groups=4, rng=np.random.default_rng(2)
    )
    _, left_out = study.differences(2, 4)
    without = average_precision(study.positives[:, :, 1:].sum(axis=2), study.negatives[:, :, 1:].sum(axis=2))
    np.testing.assert_allclose(left_out[:, 0], without[0] - without[1])
