"""Codes keep the order of logits at every scale, and 0 stays 0."""

import numpy as np
import pytest

from experiments.frontier.codes import (
    HIGHEST_CODE,
    LOWEST_CODE,
    N_CODES,
    NATURAL_CODE,
    code_to_logit,
    logit_to_code,
    ordered_logits,
)


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1.0, 1e3, 1e6])
def test_codes_never_decrease(scale: float) -> None:
    logits = np.sort(np.random.default_rng(0).standard_normal(10_000) * scale)
    assert (np.diff(logit_to_code(logits).astype(int)) >= 0).all()


def test_float16_values_keep_their_identity() -> None:
    every = np.arange(LOWEST_CODE, HIGHEST_CODE + 1)
    logits = code_to_logit(every)
    assert (np.diff(logits[every >= NATURAL_CODE]) > 0).all()
    back = logit_to_code(logits).astype(int)
    # -0.0 alone changes: as a logit it is 0.
    assert every[back != every].tolist() == [NATURAL_CODE - 1]


@pytest.mark.parametrize(
    ("logit", "code"),
    [
        (0.0, NATURAL_CODE),
        (-0.0, NATURAL_CODE),
        (-1e-30, NATURAL_CODE - 1),
        (1e-30, NATURAL_CODE),
        (-6e-8, NATURAL_CODE - 2),
        (6e-8, NATURAL_CODE + 1),
        (np.inf, HIGHEST_CODE),
        (1e9, HIGHEST_CODE),
        (-np.inf, LOWEST_CODE),
        (-1e9, LOWEST_CODE),
        # float16 1.0 has the bits 0x3C00.
        (1.0, 0xBC00),
        (-1.0, 0x43FF),
    ],
)
def test_code_of_single_logits(logit: float, code: int) -> None:
    assert int(logit_to_code(logit)) == code
    assert int(logit_to_code(np.float32(logit))) == code


def test_ordered_logits_are_finite_and_never_decrease() -> None:
    logits = ordered_logits()
    assert logits.shape == (N_CODES,)
    assert np.isfinite(logits).all()
    assert (np.diff(logits) >= 0).all()


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="logits: expected numbers, got 2 NaN"):
        logit_to_code([np.nan, 1.0, np.nan])
    with pytest.raises(ValueError, match="codes: expected 0 to 65535, got 0 to 65536"):
        code_to_logit([0, 65_536])
    with pytest.raises(TypeError, match="codes: expected integers"):
        code_to_logit([0.5])


@pytest.mark.parametrize("code", [-1, N_CODES])
def test_a_code_just_out_of_range_is_refused(code: int) -> None:
    with pytest.raises(ValueError, match=f"expected 0 to 65535, got {code} to {code}"):
        code_to_logit([code])
    with pytest.raises(ValueError, match=f"expected 0 to 65535, got {min(code, 7)} to {max(code, 7)}"):
        code_to_logit([7, code])


def test_the_first_and_the_last_code_are_codes() -> None:
    """They are no numbers: 0xFFFF and 0x7FFF are NaN in float16. No code at all is none out of range."""
    assert np.isnan(code_to_logit([0, N_CODES - 1])).all()
    assert code_to_logit(np.zeros(0, np.uint16)).shape == (0,)
