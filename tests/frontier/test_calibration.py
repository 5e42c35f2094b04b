"""Calibration and saturation by hand."""

import numpy as np
import pytest

from experiments.frontier.calibration import calibration, code_probabilities, saturation
from experiments.frontier.codes import N_CODES, NATURAL_CODE, logit_to_code
from experiments.frontier.theory import ScoreMap


def _dense(pairs: dict[float, tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    positives, negatives = np.zeros(N_CODES, np.int64), np.zeros(N_CODES, np.int64)
    for logit, counts in pairs.items():
        positives[int(logit_to_code(logit))], negatives[int(logit_to_code(logit))] = counts
    return positives, negatives


def test_probabilities_of_codes() -> None:
    stated = code_probabilities()
    assert stated[NATURAL_CODE] == 0.5
    assert (np.diff(stated) >= 0).all()
    assert stated[int(logit_to_code(np.log(3.0)))] == pytest.approx(0.75, abs=1e-3)
    assert (stated[0], stated[-1]) == (0.0, 1.0)
    corrected = code_probabilities(ScoreMap(weight=3.0))
    assert corrected[int(logit_to_code(np.log(3.0)))] == pytest.approx(0.5, abs=1e-3)


def test_calibration_by_hand() -> None:
    # 4 pixels at probability 1/2, 1 of them positive; 6 at 0, 1 of them positive.
    result = calibration(*_dense({0.0: (1, 3), -1000.0: (1, 5)}), code_probabilities())
    assert result.expected_error == pytest.approx((abs(1 - 2) + abs(1 - 0)) / 10)
    assert result.mass_ratio == pytest.approx(2 / 2)


def test_calibration_without_positives_or_pixels() -> None:
    assert np.isnan(calibration(*_dense({0.0: (0, 3)}), code_probabilities()).mass_ratio)
    assert np.isnan(calibration(*_dense({}), code_probabilities()).expected_error)


def test_saturation_by_hand() -> None:
    result = saturation(*_dense({9.0: (2, 0), 1.0: (1, 1), -9.0: (1, 9)}))
    # Pairs: 4 * 10; tied: 1 * 1 + 1 * 9.
    assert result.tied_pairs == pytest.approx(10 / 40)
    assert result.largest_tie == pytest.approx(10 / 14)
    assert result.n_codes == 3
    assert (result.lowest_recall, result.highest_recall) == (0.5, 0.75)


def test_a_constant_output_ties_everything() -> None:
    result = saturation(*_dense({0.0: (3, 97)}))
    assert (result.tied_pairs, result.largest_tie, result.n_codes) == (1.0, 1.0, 1)
    assert (result.lowest_recall, result.highest_recall) == (1.0, 0.0)
    empty = saturation(*_dense({}))
    assert np.isnan([empty.tied_pairs, empty.largest_tie, empty.lowest_recall]).all()
