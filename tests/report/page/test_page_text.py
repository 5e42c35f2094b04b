"""The page as text: nothing is loaded, names stay names, arrays survive, pictures fit."""

import base64
import json
import re
import zlib

import numpy as np
import pytest

from experiments.frontier.score_codes import NATURAL_CODE
from experiments.report.example_choice import choose_examples
from experiments.report.page import page_example
from experiments.report.page.packed import narrow_counts, packed, script_json
from experiments.report.page.page_example import OUTCOMES, example_payload, page_examples, picture_levels, richest_window
from experiments.report.page.page_numbers import page_numbers
from tests_page_names import EVIL


def test_arrays_come_back():
    array = np.array([[1.5, np.nan], [-0.0, 3.25]])
    pack = packed(array)
    back = np.frombuffer(base64.b64decode(pack["data"]), "<f8").reshape(pack["shape"])
    assert back.tobytes() == array.tobytes()
    deflated = packed(np.arange(5, dtype=np.uint16), deflated=True)
    assert np.frombuffer(zlib.decompress(base64.b64decode(deflated["data"])), "<u2").tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(TypeError, match="array: expected one of uint8, .* got int64"):
        packed(np.zeros(1, np.int64))


def test_counts_stay_exact_beyond_32_bits():
    assert narrow_counts(np.array([2**32 - 1])).dtype == np.uint32
    large = narrow_counts(np.array([2**40 + 1]))
    assert large.dtype == np.float64
    assert int(large[0]) == 2**40 + 1
