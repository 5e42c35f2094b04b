"""Reading an image in pieces gives the pixels that decoding it whole gives, whatever the TIFF."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.data.image_folder.decode import UnusableFile, image_pixels, open_upright
from experiments.data.image_folder.windowed import TiffImage, WholeImage, opened

LOGS = Path(__file__).resolve().parents[3].parent / "shared/data/raw_samples/welllog_tiff"


@pytest.fixture
def tifffile():
    return pytest.importorskip("tifffile", reason="the extra 'tiff' is not installed")


def all_windows(image, side=37):
    height, width, _ = image.shape
    for top in range(0, height, side):
        for left in range(0, width, side):
            yield slice(top, min(top + side, height)), slice(left, min(left + side, width))


def assert_same_as_whole(path, *, in_pieces):
    expected = image_pixels(open_upright(path))
    with opened(path, large=0) as image:
        assert isinstance(image, TiffImage if in_pieces else WholeImage)
        assert image.shape == expected.shape
        for rows, columns in all_windows(image):
            found = image.read(rows, columns)
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected[rows, columns])


PICTURES = {
    "strips of grey": (np.uint8, 1, {"rowsperstrip": 16}),
    "one strip": (np.uint8, 1, {"rowsperstrip": 200}),
    "tiles of grey": (np.uint8, 1, {"tile": (32, 48)}),
    "tiles of colour, deflated": (np.uint8, 3, {"tile": (32, 32), "compression": "zlib"}),
    "colour, deflated with differences": (np.uint8, 3, {"rowsperstrip": 7, "compression": "zlib", "predictor": True}),
    "16 bits": (np.uint16, 1, {"rowsperstrip": 16, "compression": "zlib"}),
    "16 bits, big-endian": (np.uint16, 1, {"rowsperstrip": 16, "byteorder": ">"}),
    "white is zero": (np.uint8, 1, {"rowsperstrip": 16, "photometric": "miniswhite"}),
    "LZW": (np.uint8, 3, {"rowsperstrip": 16, "compression": "lzw"}),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_pieces_are_those_of_the_whole_picture(tifffile, tmp_path, kind):
    dtype, channels, how = PICTURES[kind]
    if how.get("compression") == "lzw" or how.get("predictor"):
        pytest.importorskip("imagecodecs", reason="writes this compression")
    shape = (150, 101) if channels == 1 else (150, 101, channels)
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape).astype(dtype)
    how = {"photometric": "rgb" if channels == 3 else "minisblack", **how}
    tifffile.imwrite(tmp_path / "a.tif", pixels, **how)
    assert_same_as_whole(tmp_path / "a.tif", in_pieces=True)


@pytest.mark.parametrize("compression", [None, "group4", "tiff_deflate", "tiff_lzw", "packbits"])
@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_pieces_of_what_pillow_writes(tifffile, tmp_path, mode, compression):
    if compression == "group4" and mode != "1":
        pytest.skip("of 1 bit")
    if compression in ("group4", "tiff_lzw", "packbits"):
        pytest.importorskip("imagecodecs", reason="reads this compression")
    pixels = np.random.default_rng(0).integers(0, 255, (150, 101, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(tmp_path / "a.tif", compression=compression)
    assert_same_as_whole(tmp_path / "a.tif", in_pieces=True)


@pytest.mark.parametrize("mode", ["P", "LA", "RGBA", "CMYK", "YCbCr"])
def test_other_kinds_are_decoded_whole(tifffile, tmp_path, mode):
    pixels = np.random.default_rng(0).integers(0, 255, (50, 41, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(tmp_path / "a.tif")
    assert_same_as_whole(tmp_path / "a.tif", in_pieces=False)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp"])
def test_other_formats_are_decoded_whole(tmp_path, name):
    pixels = np.random.default_rng(0).integers(0, 255, (50, 41, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / name)
    assert_same_as_whole(tmp_path / name, in_pieces=False)


def test_an_image_that_is_turned_is_decoded_whole_and_upright(tifffile, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (50, 41), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, extratags=[(274, 3, 1, 6, True)])
    assert_same_as_whole(tmp_path / "a.tif", in_pieces=False)


@pytest.mark.skipif(not LOGS.exists(), reason="the samples of raster logs are not here")
@pytest.mark.parametrize("name", ["BXG57.tif", "33-025-02078-0002.tif"])
def test_raster_logs_in_pieces_are_those_decoded_whole(tifffile, name):
    pytest.importorskip("imagecodecs", reason="reads CCITT and LZW")
    expected = image_pixels(open_upright(LOGS / name))
    with opened(LOGS / name) as image:
        assert isinstance(image, TiffImage)
        assert image.shape == expected.shape
        for top in range(0, image.shape[0], 4999):
            rows, columns = slice(top, min(top + 512, image.shape[0])), slice(700, 1212)
            np.testing.assert_array_equal(image.read(rows, columns), expected[rows, columns])


def test_truncated_files_and_several_pages_are_refused(tifffile, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (150, 101), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, rowsperstrip=16)
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "short.tif").write_bytes(content[:-1000])
    tifffile.imwrite(tmp_path / "pages.tif", np.stack([pixels, pixels]), photometric="minisblack")
    with (
        pytest.raises(UnusableFile, match=r"damaged, truncated or of another type"),
        opened(tmp_path / "short.tif", large=0) as image,
    ):
        image.read(slice(140, 150), slice(0, 101))
    with pytest.raises(UnusableFile, match="expected one picture in a file"), opened(tmp_path / "pages.tif", large=0):
        pass


def test_without_tifffile_large_files_are_decoded_whole_or_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tifffile", None)  # as if it were not installed
    Image.fromarray(np.zeros((150, 101), np.uint8)).save(tmp_path / "a.tif")
    assert_same_as_whole(tmp_path / "a.tif", in_pieces=False)
    with (
        pytest.raises(UnusableFile, match=r"needs tifffile and imagecodecs: pip install 'lossfrontier\[tiff\]'"),
        opened(tmp_path / "a.tif", large=0, max_pixels=100),
    ):
        pass


def test_a_missing_codec_is_named(tifffile, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (50, 41), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.tif", compression="tiff_lzw")
    code = (
        "import sys; sys.modules['imagecodecs'] = None\n"
        "from pathlib import Path; from experiments.data.image_folder.windowed import opened\n"
        "with opened(Path('a.tif'), large=0) as image: image.read(slice(0, 50), slice(0, 41))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "its compression needs imagecodecs: pip install 'lossfrontier[tiff]'" in run.stderr
