"""Pictures written row after row are read back by others, and have their name only when they are complete."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from experiments.application.row_files import FILE_TYPES


def written(path, pixels, pieces):
    file = FILE_TYPES[path.suffix[1:]](path, pixels.shape[1], len(pixels), pixels.dtype)
    edges = np.linspace(0, len(pixels), pieces + 1).astype(int)
    for first, last in pairwise(edges):
        file.add(pixels[first:last])
        assert not path.exists()
    file.finish()
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("size", [(1, 1), (63, 5), (64, 7), (200, 33)])
@pytest.mark.parametrize("pieces", [1, 3, 11])
@pytest.mark.parametrize(
    ("ending", "dtype"), [("tif", "u1"), ("tif", "u2"), ("tif", "f4"), ("png", "u1"), ("png", "u2")]
)
def test_pixels_are_read_back(tmp_path, size, pieces, ending, dtype):
    rng = np.random.default_rng(0)
    pixels = (rng.normal(0, 9, size) if dtype == "f4" else rng.integers(0, 256 ** int(dtype[1]), size)).astype(dtype)
    path = tmp_path / f"a.{ending}"
    written(path, pixels, pieces)
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image).astype(dtype), pixels)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_tifffile_reads_them_too(tmp_path, dtype):
    tifffile = pytest.importorskip("tifffile", reason="the extra 'tiff' is not installed")
    pixels = np.random.default_rng(0).integers(0, 200, (150, 40)).astype(dtype)
    written(tmp_path / "a.tif", pixels, 4)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), pixels)


@pytest.mark.parametrize("ending", ["tif", "png"])
def test_missing_and_wrong_rows_are_refused(tmp_path, ending):
    file = FILE_TYPES[ending](tmp_path / f"a.{ending}", 4, 3, np.dtype(np.uint8))
    file.add(np.zeros((2, 4), np.uint8))
    with pytest.raises(ValueError, match=r"rows: expected uint8 \(h, 4\), got uint16 \(1, 4\)"):
        file.add(np.zeros((1, 4), np.uint16))
    file.abandon()
    assert not list(tmp_path.iterdir())
    file = FILE_TYPES[ending](tmp_path / f"a.{ending}", 4, 3, np.dtype(np.uint8))
    with pytest.raises(ValueError, match="rows: expected 3 in all, got 0"):
        file.finish()
    file.abandon()
