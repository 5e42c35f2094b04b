"""Real-world files: palettes, alpha, 16 bits, EXIF orientation, damage, and files that are not masks."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from experiments.data.image_folder.decode import UnusableFile, as_uint8, image_pixels, open_upright
from experiments.data.image_folder.masks import mask_pixels

GREY = np.random.default_rng(0).integers(0, 256, size=(6, 5), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, size=(6, 5, 3), dtype=np.uint8)
INSIDE = np.zeros((6, 5), bool)
INSIDE[1:3, 2:5] = True
LABELS = np.arange(30, dtype=np.uint8).reshape(6, 5) % 4


def palette_image(indices, colours):
    image = Image.fromarray(indices.astype(np.uint8), mode=None).convert("L")
    image.putpalette([channel for colour in colours for channel in colour])
    return image


@pytest.mark.parametrize("suffix", ["png", "tif", "tiff", "bmp", "webp", "PNG"])
@pytest.mark.parametrize("array", [GREY, COLOUR], ids=["grey", "colour"])
def test_lossless_formats_give_the_pixels_back(tmp_path, suffix, array):
    path = tmp_path / f"a picture.{suffix}"
    Image.fromarray(array).save(path, **({"lossless": True} if suffix == "webp" else {}))
    pixels = image_pixels(open_upright(path))
    if suffix == "webp" and array.ndim == 2:  # WebP knows colour only
        assert np.array_equal(pixels, np.repeat(GREY[:, :, None], 3, axis=2))
    else:
        assert np.array_equal(pixels, array.reshape(6, 5, -1))


def test_one_bit_is_black_and_white(tmp_path):
    Image.fromarray(INSIDE).save(tmp_path / "a.tif", compression="group4")
    assert np.array_equal(image_pixels(open_upright(tmp_path / "a.tif"))[:, :, 0], INSIDE * 255)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_kept_and_brought_to_eight_together(tmp_path, suffix):
    values = np.arange(0, 4096, 137, dtype=np.uint16).reshape(6, 5)
    Image.fromarray(values).save(tmp_path / f"a.{suffix}")
    pixels = image_pixels(open_upright(tmp_path / f"a.{suffix}"))
    assert pixels.dtype == np.uint16
    assert np.array_equal(pixels[:, :, 0], values)
    assert np.array_equal(as_uint8(pixels, 1, 4)[:, :, 0], values // 16)


def test_alpha_is_dropped_without_blending():
    alpha = np.full((6, 5, 1), 7, np.uint8)
    assert np.array_equal(image_pixels(Image.fromarray(np.concatenate([COLOUR, alpha], axis=2))), COLOUR)
    grey_alpha = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(alpha[:, :, 0])])
    assert np.array_equal(image_pixels(grey_alpha)[:, :, 0], GREY)


def test_a_palette_becomes_its_colours_and_grey_where_these_are():
    indices = INSIDE.astype(np.uint8)
    colour = image_pixels(palette_image(indices, [(10, 20, 30), (200, 100, 0)]))
    assert colour[0, 0].tolist() == [10, 20, 30]
    assert colour[1, 2].tolist() == [200, 100, 0]
    grey = image_pixels(palette_image(indices, [(10, 10, 10), (200, 200, 200)]))
    assert np.array_equal(grey[:, :, 0], np.where(INSIDE, 200, 10))


def test_a_transparent_palette_is_read_without_a_warning(tmp_path):
    palette_image(INSIDE, [(10, 20, 30), (200, 100, 0)]).save(tmp_path / "a.png", transparency=bytes([0, 128]))
    assert image_pixels(open_upright(tmp_path / "a.png"))[1, 2].tolist() == [200, 100, 0]


def test_cmyk_becomes_rgb():
    assert image_pixels(Image.fromarray(COLOUR).convert("CMYK")).shape == (6, 5, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_a_picture_upright(tmp_path, orientation):
    stored = Image.fromarray(GREY)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    expected = {
        1: GREY,
        2: GREY[:, ::-1],
        3: GREY[::-1, ::-1],
        4: GREY[::-1],
        5: GREY.T,
        6: GREY.T[:, ::-1],
        7: GREY.T[::-1, ::-1],
        8: GREY.T[::-1],
    }[orientation]
    assert np.array_equal(image_pixels(open_upright(tmp_path / "a.png"))[:, :, 0], expected)


def test_a_very_large_strip_is_read(tmp_path):
    size = (10_000, 18_000)  # 180 megapixels: Pillow alone refuses it
    Image.new("1", size).save(tmp_path / "strip.tif", compression="group4")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_upright(tmp_path / "strip.tif").size == size


@pytest.mark.parametrize("content", [b"", b"no image at all", "half"])
def test_damage_is_an_unusable_file(tmp_path, content):
    if content == "half":
        buffer = io.BytesIO()
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(buffer, "PNG")
        content = buffer.getvalue()[: len(buffer.getvalue()) // 2]
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(UnusableFile, match="cannot be read as an image") as caught:
        open_upright(tmp_path / "bad.png")
    assert str(tmp_path) not in str(caught.value)  # the caller names the file its own way


def test_several_pages_are_refused(tmp_path):
    page = Image.fromarray(GREY)
    page.save(tmp_path / "pages.tif", save_all=True, append_images=[page, page])
    with pytest.raises(UnusableFile, match="expected one picture in a file"):
        open_upright(tmp_path / "pages.tif")


def test_floating_point_images_are_refused():
    with pytest.raises(UnusableFile, match="8 or 16 bits: floating-point pixels"):
        image_pixels(Image.fromarray(GREY.astype(np.float32)))
    with pytest.raises(UnusableFile, match="8 or 16 bits: 0 to 70000"):
        image_pixels(Image.fromarray(np.array([[0, 70_000]], np.int32)))


MASKS = {
    "0 and 255": Image.fromarray(INSIDE.astype(np.uint8) * 255),
    "0 and 1": Image.fromarray(INSIDE.astype(np.uint8)),
    "1 bit": Image.fromarray(INSIDE),
    "16 bits, 0 and 65535": Image.fromarray(INSIDE.astype(np.uint16) * 65_535),
    "float 0 and 1": Image.fromarray(INSIDE.astype(np.float32)),
    "equal channels": Image.fromarray(np.repeat(INSIDE[:, :, None] * np.uint8(255), 3, axis=2)),
    "grey with alpha": Image.fromarray(INSIDE.astype(np.uint8) * 255).convert("LA"),
    "palette by index": palette_image(INSIDE, [(0, 0, 0), (128, 0, 0)]),
    "black and white palette, white first": palette_image(~INSIDE, [(255, 255, 255), (0, 0, 0)]),
}


@pytest.mark.parametrize("form", MASKS)
def test_every_usual_form_of_a_mask_is_read(form):
    mask = mask_pixels(MASKS[form])
    assert mask.dtype == np.bool_
    assert np.array_equal(mask, INSIDE)


@pytest.mark.parametrize("value", [0, 1, 255])
def test_a_constant_mask_is_empty_or_full(value):
    mask = mask_pixels(Image.fromarray(np.full((6, 5), value, np.uint8)))
    assert mask.all() == mask.any() == (value > 0)


@pytest.mark.parametrize(
    ("array", "found", "advice"),
    [
        (INSIDE * np.uint8(128), "values 0 (80.0%), 128 (20.0%);", "save mask == 128"),
        (np.where(INSIDE, 1, 2).astype(np.uint8), "values 1 (20.0%), 2 (80.0%); no pixel is 0", "save mask == 2"),
        (LABELS, "values 0 (26.7%), 1 (26.7%), 2 (23.3%), 3 (23.3%);", "labels of several classes: write one PNG"),
        (np.where(INSIDE, 255, LABELS).astype(np.uint8), "255 (20.0%);", "mask != 255 to valid/ if 255 means ignore"),
        (np.where(INSIDE, 255, np.eye(6, 5)).astype(np.uint8), "1 (13.3%), 255 (20.0%);", "such as mask == 1, to"),
        (LABELS * np.uint8(80), "240 (23.3%);", "labels of several classes (write one PNG"),
        (np.where(INSIDE, 0.5, 0.0).astype(np.float32), "values 0 (80.0%), 0.5 (20.0%);", "save mask == 0.5"),
        (np.linspace(0, 1, 30, dtype=np.float32).reshape(6, 5), "30 values, most often 0 (3.3%)", "probabilities"),
        (np.where(INSIDE, np.nan, 0.0).astype(np.float32), "nan (20.0%);", "NaN or infinite"),
        (COLOUR, "30 colours, most often (6, 131, 102) (3.3%)", "it looks like a picture"),
        (INSIDE[:, :, None] * np.array([200, 0, 0], np.uint8), "(200, 0, 0) (20.0%);", "one black and white PNG"),
        (np.kron(GREY, np.ones((9, 9), np.uint8)), "28 values, most often", "a picture and not like a mask"),
    ],
)
def test_other_values_are_named_with_advice(array, found, advice):
    with pytest.raises(UnusableFile) as caught:
        mask_pixels(Image.fromarray(array))
    assert caught.value.kind == "expected a mask of two values, 0 and 255 or 0 and 1"
    assert found in caught.value.found
    assert advice in caught.value.found


def test_a_lossy_mask_is_refused(tmp_path):
    mask = Image.fromarray(np.kron(INSIDE, np.ones((25, 25))).astype(np.uint8) * 255)
    mask.save(tmp_path / "a.jpg", quality=60)
    with pytest.raises(UnusableFile, match="JPEG changes the values of a mask: save mask > 127 as PNG"):
        mask_pixels(open_upright(tmp_path / "a.jpg"))
    open_upright(tmp_path / "a.jpg").save(tmp_path / "b.png")
    with pytest.raises(UnusableFile, match="they look like what JPEG leaves around edges: save mask > 127 as PNG"):
        mask_pixels(open_upright(tmp_path / "b.png"))
    slanted = Image.fromarray(np.kron(np.eye(12, dtype=np.uint8), np.ones((20, 20), np.uint8)) * 255)
    slanted.rotate(20, Image.Resampling.BICUBIC).resize((101, 117), Image.Resampling.BICUBIC).save(tmp_path / "c.png")
    with pytest.raises(UnusableFile, match="they look like edges that resizing has smoothed"):
        mask_pixels(open_upright(tmp_path / "c.png"))


def test_transparency_may_repeat_a_mask_and_say_nothing_else():
    drawn = np.where(INSIDE, 255, 0).astype(np.uint8)
    for colours in (drawn, np.full_like(drawn, 255), np.zeros_like(drawn)):
        image = Image.fromarray(np.stack([colours, drawn], axis=2))
        assert image.mode == "LA"
        if colours is drawn:
            assert np.array_equal(mask_pixels(image), INSIDE)
        else:
            with pytest.raises(
                UnusableFile, match=r"alpha below 255 in 80\.0% of the pixels, .* positive by its values"
            ):
                mask_pixels(image)
    with pytest.raises(UnusableFile, match="expected a mask without transparency"):
        mask_pixels(Image.fromarray(np.stack([drawn, np.full_like(drawn, 128)], axis=2)))


def test_a_file_with_too_many_pixels_is_refused_by_its_header(tmp_path):
    Image.new("1", (300, 200)).save(tmp_path / "a.png")
    asked = []
    with pytest.raises(UnusableFile, match=r"at most 59,999 pixels .* data\.max_pixels=N .*300 x 200 = 60,000 pixels"):
        open_upright(tmp_path / "a.png", 59_999, asked.append)
    assert not asked
    assert open_upright(tmp_path / "a.png", 60_000, asked.append).size == (300, 200)
    assert asked == [60_000]


def test_raw_files_as_their_sources_ship_them(shared_data):
    raw = shared_data / "raw_samples"
    strip = image_pixels(open_upright(raw / "welllog_tiff" / "BXG57.tif"))
    assert strip.shape[2] == 1
    assert set(np.unique(strip)) == {0, 255}
    assert mask_pixels(open_upright(raw / "les_av" / "15_mask.gif")).mean() == pytest.approx(0.7, abs=0.01)
    assert mask_pixels(open_upright(raw / "pfc_neurons" / "Img (1).gt.png")).any()
    with pytest.raises(UnusableFile, match=r"3 \(0.3%\); they look like labels of several classes"):
        mask_pixels(open_upright(raw / "les_av" / "15.label.png"))
    for lossy in sorted((raw / "lmm_crack_crops").glob("*_lab.jpg")):
        with pytest.raises(UnusableFile, match="save mask > 127 as PNG"):
            mask_pixels(open_upright(lossy))
    with pytest.raises(UnusableFile, match="cannot be read"):
        open_upright(raw / "crackforest" / "001.mat")
