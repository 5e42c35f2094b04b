"""Arrays inside a page: little-endian bytes as base64 with type and shape, in JSON that no name can break out of."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TYPES = ("uint8", "uint16", "uint32", "float32", "float64")


def packed(array: NDArray[Any], *, deflated: bool = False) -> dict[str, Any]:
    """Pack an array for the page's script: `{type, shape, data}`, `data` being base64 of its bytes in C order.

    Args:
        array: any shape; uint8, uint16, uint32, float32 or float64. NaN is kept.
        deflated: compress with zlib; the script inflates it when the page opens.

    Raises:
        TypeError: Another type; the script would not know it.
    """
    if array.dtype.name not in _TYPES:
        raise TypeError(f"array: expected one of {', '.join(_TYPES)}, got {array.dtype.name}")
    content = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    data = zlib.compress(content, 9) if deflated else content
    kind = {"deflated": True} if deflated else {}
    return {"type": array.dtype.name, "shape": list(array.shape), "data": base64.b64encode(data).decode(), **kind}


def narrow_counts(array: NDArray[np.int64]) -> NDArray[Any]:
    """Convert counts to the narrowest type that holds them exactly: uint32, or float64 up to 2**53."""
    return array.astype(np.uint32 if array.max(initial=0) < 2**32 else np.float64)


def script_json(content: Mapping[str, Any]) -> str:
    """Write JSON for a `<script type="application/json">` element: whatever a name holds, it stays a string.

    Raises:
        ValueError: A number that JSON does not have (NaN, infinity).
    """
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":  # "</script>" and "<!--" would end or change the element; the rest is ASCII already
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
