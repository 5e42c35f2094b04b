"""Score codes: 65,536 ordered float16 values of the logit, the bins of every score histogram."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

N_CODES = 65_536
"""Number of codes; a code is a uint16 and larger codes are larger logits."""

NATURAL_CODE = 0x8000
"""Code of the logit 0 (probability 0.5): the natural threshold. Every negative logit lies below it."""

LOWEST_CODE = 0x0400
"""Code of the smallest finite float16, -65504; smaller logits are clamped to it."""

HIGHEST_CODE = 0xFBFF
"""Code of the largest finite float16, 65504; larger logits are clamped to it."""

_SIGN = np.uint16(0x8000)
_LARGEST = 65_504.0


def logit_to_code(logits: ArrayLike) -> NDArray[np.uint16]:
    """Return the code of each logit: the rank of its nearest float16 among all float16 values.

    With the float16 bits u, code = NOT u if the sign bit is set, else u XOR 0x8000. The map never decreases, at any
    scale. So rank statistics of the codes equal those of the logits, except that logits closer than float16's
    resolution (a relative 0.1 %) tie.

    Args:
        logits: any shape, real numbers, infinities allowed (they clamp to the largest finite float16).

    Returns:
        Codes, uint16, the shape of `logits`. A zero logit of either sign has `NATURAL_CODE`; a negative
        logit too small for float16 stays one code below it.

    Raises:
        ValueError: a logit is NaN.

    Example:
        >>> codes = logit_to_code([-3.0, 0.0, 3.0])
        >>> codes[0] < codes[1] < codes[2], int(codes[1]) == NATURAL_CODE
        (np.True_, True)
    """
    values = np.asarray(logits, dtype=np.float64 if np.asarray(logits).dtype.itemsize > 4 else np.float32)
    if np.isnan(values).any():
        raise ValueError(f"logits: expected numbers, got {int(np.isnan(values).sum())} NaN")
    # Adding 0.0 turns -0.0 into +0.0, so that only negative logits that round to 0 keep the sign.
    bits = (np.clip(values, -_LARGEST, _LARGEST) + 0.0).astype(np.float16).view(np.uint16)
    return np.where(bits & _SIGN, ~bits, bits ^ _SIGN)


def code_to_logit(codes: ArrayLike) -> NDArray[np.float64]:
    """Return the logit of each code: the float16 value that it stands for (the inverse of `logit_to_code`).

    Args:
        codes: any shape, integers in [0, 65535].

    Returns:
        Logits, float64, the shape of `codes`. The code just below `NATURAL_CODE` reads -0.0.

    Raises:
        ValueError: a code is out of range.

    Example:
        >>> code_to_logit(logit_to_code([-3.0, 0.25])).tolist()
        [-3.0, 0.25]
    """
    wide = np.asarray(codes)
    if not np.issubdtype(wide.dtype, np.integer):
        raise TypeError(f"codes: expected integers, got {wide.dtype}")
    if wide.size and (wide.min() < 0 or wide.max() >= N_CODES):
        raise ValueError(f"codes: expected 0 to {N_CODES - 1}, got {wide.min()} to {wide.max()}")
    narrow = wide.astype(np.uint16)
    bits = np.where(narrow & _SIGN, narrow ^ _SIGN, ~narrow)
    return bits.view(np.float16).astype(np.float64)


def ordered_logits() -> NDArray[np.float64]:
    """Return the logit of every code, (65536,), never decreasing; codes of NaN and infinity get the nearest finite."""
    codes = np.clip(np.arange(N_CODES), LOWEST_CODE, HIGHEST_CODE)
    return code_to_logit(codes)
