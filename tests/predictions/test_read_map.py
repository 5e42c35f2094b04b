"""Files that are score maps are read without loss; others say why they are not."""

import sys

import numpy as np
import pytest
from PIL import Image

from experiments.data.image_folder.decode import UnusableFile
from experiments.predictions.planes import to_planes
from experiments.predictions.read_map import read_map

RNG = np.random.default_rng(0)
MAP = RNG.random((12, 9)).astype(np.float32)
TWO = RNG.random((2, 12, 9)).astype(np.float32)


def test_pages_need_tifffile_and_say_so(tmp_path, monkeypatch):
    first, second = (Image.fromarray(plane) for plane in TWO)
    first.save(tmp_path / "a.tif", save_all=True, append_images=[second])
    monkeypatch.setitem(sys.modules, "tifffile", None)  # as if it were not installed
    with pytest.raises(UnusableFile, match=r"others need tifffile: pip install 'lossfrontier\[tiff\]': several pages"):
        read_map(tmp_path / "a.tif")


@pytest.mark.parametrize("planes", ["pages", "separate", "contig", "float64", "float16"])
def test_tiffs_that_pillow_does_not_read(tmp_path, planes):
    tifffile = pytest.importorskip("tifffile", reason="the extra 'tiff' is not installed")
    array = TWO.astype(planes) if planes.startswith("float") else TWO
    if planes == "contig":
        tifffile.imwrite(tmp_path / "a.tif", np.moveaxis(array, 0, -1), photometric="minisblack", planarconfig="contig")
    elif planes == "separate":
        tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack", planarconfig="separate")
    else:
        tifffile.imwrite(tmp_path / "a.tif", array)
    np.testing.assert_array_equal(to_planes(read_map(tmp_path / "a.tif"), ["a", "b"]), array)


@pytest.mark.parametrize("dtype", [np.float32, np.uint16, np.uint8])
@pytest.mark.parametrize("ending", ["npy", "npz", "png", "tif", "tiff"])
def test_values_are_kept(tmp_path, dtype, ending):
    if ending == "png" and dtype == np.float32:
        pytest.skip("a PNG has no floating point")
    values = MAP if dtype == np.float32 else (np.iinfo(dtype).max * MAP).astype(dtype)
    path = tmp_path / f"a.{ending}"
    if ending == "npy":
        np.save(path, values)
    elif ending == "npz":
        np.savez(path, values)
    else:
        Image.fromarray(values).save(path)
    found = read_map(path).values
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, values)


def broken(path):
    if path.name == "pickle.npy":
        np.save(path, np.array([{}]), allow_pickle=True)
    elif path.name == "words.npy":
        np.save(path, np.array(["a"]))
    elif path.name == "complex.npy":
        np.save(path, MAP.astype(complex))
    elif path.name == "palette.png":
        Image.fromarray((255 * MAP).astype(np.uint8)).convert("P").save(path)
    elif path.name == "alpha.png":
        Image.fromarray((255 * MAP).astype(np.uint8)).convert("LA").save(path)
    elif path.name == "several.npz":
        np.savez(path, a=MAP, b=MAP)
    elif path.name == "archive.npy":
        with path.open("wb") as file:
            np.savez(file, MAP)
    else:
        path.write_bytes(b"nothing of the kind")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pickle.npy", "cannot be read"),
        ("words.npy", "expected numbers: <U1"),
        ("complex.npy", "expected numbers: complex128"),
        ("palette.png", "expected grey or RGB pictures: a palette"),
        ("alpha.png", "expected grey or RGB pictures: transparency"),
        ("several.npz", "expected one array in an .npz, or array=NAME: a, b"),
        ("archive.npy", "an archive named .npy; rename it .npz"),
        ("text.npy", "cannot be read"),
        ("text.npz", "cannot be read"),
        ("text.png", "cannot be read"),
        ("text.tif", "tifffile|cannot be read"),
    ],
)
def test_what_is_no_score_map_says_why(tmp_path, name, words):
    broken(tmp_path / name)
    with pytest.raises(UnusableFile, match=words):
        read_map(tmp_path / name)
