"""Folders with one fault each are refused by a message that names the file or key and the remedy."""

import io
import os
import re
import shutil
import struct
import unicodedata
import zlib

import numpy as np
import pytest
from PIL import Image

from experiments.data.data_error import DataError
from experiments.data.image_folder import groups
from experiments.data.image_folder.load import load_image_folder

SIDE = 32
COUNTS = {"train": 3, "val": 2, "test": 2}
RNG = np.random.default_rng(0)
LINE = np.zeros((SIDE, SIDE), np.uint8)
LINE[4:6, 3:20] = 255
PHOTO = RNG.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def write(root):
    """A good folder with one mask, as PNG."""
    rng = np.random.default_rng(1)
    for split, count in COUNTS.items():
        for kind in ("images", "masks"):
            (root / split / kind).mkdir(parents=True)
        for index in range(count):
            photo = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
            Image.fromarray(photo).save(root / split / "images" / f"{split}{index}.png")
            Image.fromarray(np.roll(LINE, index, axis=0)).save(root / split / "masks" / f"{split}{index}.png")


IMAGE, MASK = "train/images/train1.png", "train/masks/train1.png"


def image_of(array, mode=None):
    image = Image.fromarray(array)
    return image if mode is None else image.convert(mode)


def put(place, image, suffix=None, **options):
    """A change to a good folder: another picture at a place, of another type where there is a suffix."""

    def change(root):
        path = root / place
        path.unlink()
        image.save(path if suffix is None else path.with_suffix(suffix), **options)

    return change


def put_bytes(place, content):
    return lambda root: (root / place).write_bytes(content)


def with_alpha(colours, alpha):
    grey = Image.fromarray(np.asarray(colours, np.uint8))
    return Image.merge("RGBA", [grey, grey, grey, Image.fromarray(np.asarray(alpha, np.uint8))])


def grey_with_alpha(colours, alpha):
    return Image.merge("LA", [Image.fromarray(np.asarray(plane, np.uint8)) for plane in (colours, alpha)])


def palette(indices, colours, mode="P"):
    image = Image.fromarray(np.asarray(indices, np.uint8))
    image.putpalette([channel for colour in colours for channel in colour])
    return image


def png_chunks(array, *extra):
    """A PNG with chunks of one's own before the pixels: (name, content)."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    content = buffer.getvalue()
    chunks = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in extra
    )
    return content[:33] + chunks + content[33:]


def huge_png(width, height, bits=1):
    """The header and one row of a PNG that says it is huge: decoding it would take memory."""
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1 + (width * bits + 7) // 8))
    parts = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    chunks = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def halves(kind, **options):
    content = encoded(image_of(PHOTO), kind, **options)
    return content[: len(content) // 2]


def flipped(kind, start=0.5):
    content = bytearray(encoded(image_of(PHOTO), kind))
    at = int(len(content) * start)
    content[at : at + 12] = bytes(255 - byte for byte in content[at : at + 12])
    return bytes(content)


def renamed(place, name):
    """Give the files of one stem another name; `name` is bytes where it is not UTF-8."""

    def change(root):
        path = root / place
        folder = os.fsencode(path.parent)
        os.rename(os.fsencode(path), os.path.join(folder, name if isinstance(name, bytes) else name.encode()))

    return change


def both_renamed(stem):
    raw = stem if isinstance(stem, bytes) else stem.encode()

    def change(root):
        renamed(IMAGE, raw + b".png")(root)
        renamed(MASK, raw + b".png")(root)

    return change


def replaced(place, make):
    def change(root):
        (root / place).unlink()
        make(root / place)

    return change


def every(split, kind, change_array):
    """Change the pixels of all files of a kind in a split."""

    def change(root):
        for name in [split] if isinstance(split, str) else split:
            for path in sorted((root / name / kind).iterdir()):
                Image.fromarray(change_array(np.asarray(Image.open(path)))).save(path)

    return change


def several(*changes):
    def change(root):
        for one in changes:
            one(root)

    return change


def two_masks(root):
    for split in COUNTS:
        folder = root / split / "masks"
        files = sorted(folder.iterdir())
        for name in ("artery", "vein"):
            (folder / name).mkdir()
            for path in files:
                shutil.copy(path, folder / name)
        for path in files:
            path.unlink()


def nothing(root):
    pass


def animation(kind, colours=PHOTO):
    frame = image_of(colours)
    return encoded(frame, kind, save_all=True, append_images=[image_of(255 - colours)])


def oriented(array, orientation, kind="PNG"):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(image_of(array), kind, exif=exif)


INSIDE = LINE > 0
HALF = np.where(np.arange(SIDE)[:, None] < 20, 255, 0).repeat(SIDE, axis=1).astype(np.uint8)
GREY = PHOTO[:, :, 0].copy()
LABELS = (np.arange(SIDE * SIDE).reshape(SIDE, SIDE) % 5).astype(np.uint8)
BIG = np.kron(INSIDE, np.ones((3, 3), np.uint8)).astype(np.uint8) * 255
CMYK = Image.merge("CMYK", [Image.fromarray(np.where(INSIDE, c, 0).astype(np.uint8)) for c in (255, 0, 0, 0)])
TRANSPARENT = {"transparency": bytes([0, 128])}
FLOATS = RNG.random((SIDE, SIDE), dtype=np.float32)

# name: (change, options, words of the message in their order)
REFUSED = {
    # masks whose values are none
    "mask labels 0-4": (put(MASK, image_of(LABELS)), {}, [MASK, "0 (20", "labels of several classes"]),
    "mask labels with 255": (
        put(MASK, image_of(np.where(LABELS == 4, 255, LABELS).astype(np.uint8))),
        {},
        [MASK, "labels of several classes", "valid/"],
    ),
    "mask 0, 1 and 255": (
        put(MASK, image_of(np.where(LABELS == 4, 255, LABELS > 2).astype(np.uint8))),
        {},
        [MASK, "labels of several classes"],
    ),
    "mask grey labels": (put(MASK, image_of(LABELS * np.uint8(50))), {}, [MASK, "labels of several classes"]),
    "mask 0 and 2": (put(MASK, image_of(INSIDE * np.uint8(2))), {}, [MASK, "2 (", "mask == 2"]),
    "mask 0 and 254": (put(MASK, image_of(INSIDE * np.uint8(254))), {}, [MASK, "mask == 254"]),
    "mask 1 and 2": (put(MASK, image_of((INSIDE + 1).astype(np.uint8))), {}, [MASK, "no pixel is 0"]),
    "mask a photo": (put(MASK, image_of(GREY)), {}, [MASK, "looks like a picture"]),
    "mask a colour photo": (put(MASK, image_of(PHOTO)), {}, [MASK, "colours", "looks like a picture"]),
    "mask red on black": (
        put(MASK, image_of(INSIDE[:, :, None] * np.array([255, 0, 0], np.uint8))),
        {},
        [MASK, "(255, 0, 0)", "for each colour"],
    ),
    "mask of JPEG": (put(MASK, image_of(LINE), ".jpg", quality=70), {}, ["train1.jpg", "JPEG changes"]),
    "mask of JPEG, labels": (put(MASK, image_of(LABELS * np.uint8(60)), ".jpg"), {}, ["train1.jpg", "JPEG changes"]),
    "mask float NaN": (
        put(MASK, image_of(np.where(INSIDE, np.nan, 0).astype(np.float32)), ".tif"),
        {},
        ["train1.tif", "NaN"],
    ),
    "mask float infinite": (
        put(MASK, image_of(np.where(INSIDE, np.inf, 0).astype(np.float32)), ".tif"),
        {},
        ["train1.tif", "infinite"],
    ),
    "mask float probabilities": (put(MASK, image_of(FLOATS), ".tif"), {}, ["train1.tif", "probabilities"]),
    "mask negative": (put(MASK, image_of(-INSIDE.astype(np.int32)), ".tif"), {}, ["train1.tif", "-1"]),
    "mask 16 bits, 256": (put(MASK, image_of(INSIDE * np.uint16(256))), {}, [MASK, "256"]),
    "mask 16 bits, 40000": (put(MASK, image_of(INSIDE * np.uint16(40_000))), {}, [MASK, "40000"]),
    "mask 32 bits, 70000": (put(MASK, image_of(INSIDE * np.int32(70_000)), ".tif"), {}, ["train1.tif", "70000"]),
    "mask palette of three": (
        put(MASK, palette(LABELS % 3, [(0, 0, 0), (255, 0, 0), (0, 255, 0)])),
        {},
        [MASK, "labels of several classes"],
    ),
    "mask palette index 5": (
        put(MASK, palette(INSIDE * 5, [(i, 2 * i, 9) for i in range(8)])),
        {},
        [MASK, "mask == 5"],
    ),
    "mask CMYK in cyan": (put(MASK, CMYK, ".tif"), {}, ["train1.tif", "colours"]),
    "mask resized": (
        put(
            MASK,
            image_of(np.kron(np.eye(8, dtype=np.uint8), np.ones((12, 12), np.uint8)) * 255)
            .rotate(30, 3)
            .resize((SIDE, SIDE), 3),
        ),
        {},
        [MASK, "resiz"],
    ),
    # alpha
    "mask in alpha, black": (put(MASK, with_alpha(LINE * 0, LINE)), {}, [MASK, "alpha below 255", "alpha > 127"]),
    "mask in alpha, white": (put(MASK, with_alpha(LINE * 0 + 255, LINE)), {}, [MASK, "alpha below 255"]),
    "mask in grey alpha": (put(MASK, grey_with_alpha(LINE * 0, LINE)), {}, [MASK, "alpha below 255"]),
    "mask half transparent": (put(MASK, with_alpha(LINE, LINE * 0 + 128)), {}, [MASK, "alpha below 255"]),
    "mask all transparent": (put(MASK, with_alpha(LINE, LINE * 0)), {}, [MASK, "alpha below 255 in 100.0%"]),
    "mask with a transparent part": (put(MASK, with_alpha(LINE, HALF)), {}, [MASK, "alpha below 255"]),
    "mask of a palette with transparency": (
        put(MASK, palette(INSIDE, [(0, 0, 0), (255, 255, 255)]), transparency=bytes([255, 0])),
        {},
        [MASK, "alpha below 255"],
    ),
    "mask with a transparent colour": (put(MASK, image_of(LINE), transparency=255), {}, [MASK, "alpha below 255"]),
    "mask of WebP with alpha": (
        put(MASK, with_alpha(LINE * 0 + 255, LINE), ".webp", lossless=True, exact=True),
        {},
        ["train1.webp", "alpha below 255"],
    ),
    # inverted, full and empty masks
    "one mask inverted": (put(MASK, image_of(255 - LINE)), {}, ["allow_majority=true", MASK, "96.7%"]),
    "all masks inverted": (
        every(COUNTS, "masks", lambda array: 255 - array),
        {},
        ["minority", "invert", "allow_majority", "train/masks/train0.png", "test/masks/test1.png"],
    ),
    "one-bit masks inverted": (every(COUNTS, "masks", lambda array: array == 0), {}, ["minority", "train0.png"]),
    "one mask full": (put(MASK, image_of(LINE * 0 + 255)), {}, ["minority", MASK]),
    "a test mask inverted": (put("test/masks/test0.png", image_of(255 - LINE)), {}, ["test/masks/test0.png"]),
    "a mask above half": (put(MASK, image_of(HALF)), {}, ["minority", MASK, "62.5%"]),
    "one of two masks inverted": (
        several(two_masks, put("val/masks/vein/val0.png", image_of(255 - LINE))),
        {},
        ["minority", "val/masks/vein/val0.png"],
    ),
    "no positives in train": (every("train", "masks", lambda a: a * 0), {}, ["expected positive", "train: mask: none"]),
    "no positives in val": (every("val", "masks", lambda a: a * 0), {}, ["expected positive", "val: mask: none"]),
    "no positives in test": (every("test", "masks", lambda a: a * 0), {}, ["expected positive", "test: mask: none"]),
    "no positives at all": (every(COUNTS, "masks", lambda a: a * 0), {}, ["train: mask", "val: mask", "test: mask"]),
    "no positives of one mask in test": (
        several(two_masks, every("test", "masks/vein", lambda a: a * 0)),
        {},
        ["data.masks=", "test: vein: none in 2"],
    ),
    "all positives ignored": (
        lambda root: (
            shutil.copytree(root / "test/masks", root / "test/valid")
            and every("test", "valid", lambda a: 255 - a)(root)
        ),
        {},
        ["test: mask: none"],
    ),
    "images are the masks": (
        lambda root: [shutil.copy(p, root / "test/images") for p in (root / "test/masks").iterdir()],
        {},
        ["got masks in all of test/images", "test0.png"],
    ),
    "images are the masks inverted": (
        lambda root: [
            Image.fromarray(255 - np.asarray(Image.open(p))).save(root / "train/images" / p.name)
            for p in (root / "train/masks").iterdir()
        ],
        {},
        ["got masks in all of train/images"],
    ),
    # several frames
    "animated GIF image": (
        several(put(IMAGE, image_of(PHOTO), ".gif"), put_bytes("train/images/train1.gif", animation("GIF"))),
        {},
        ["one picture", "train1.gif"],
    ),
    "animated PNG image": (put_bytes(IMAGE, animation("PNG")), {}, ["one picture", IMAGE]),
    "animated PNG mask": (put_bytes(MASK, animation("PNG", np.stack([LINE] * 3, 2))), {}, ["one picture", MASK]),
    "animated WebP image": (put_bytes(IMAGE, animation("WEBP")), {}, ["one picture", IMAGE]),
    "TIFF of two pages": (put_bytes(IMAGE, animation("TIFF")), {}, ["one picture", IMAGE]),
    "animated GIF mask": (put_bytes(MASK, animation("GIF", np.stack([LINE] * 3, 2))), {}, ["one picture", MASK]),
    "TIFF mask of two pages": (put_bytes(MASK, animation("TIFF", np.stack([LINE] * 3, 2))), {}, ["one picture", MASK]),
    "animated GIF valid": (
        lambda root: (
            shutil.copytree(root / "train/masks", root / "train/valid")
            and put_bytes("train/valid/train1.png", animation("GIF", np.stack([LINE] * 3, 2)))(root)
        ),
        {},
        ["one picture", "train/valid/train1.png"],
    ),
    # bombs
    "image of 30,000 squared": (
        put_bytes(IMAGE, huge_png(30_000, 30_000)),
        {},
        ["data.max_pixels", IMAGE, "900,000,000"],
    ),
    "mask of 30,000 squared": (put_bytes(MASK, huge_png(30_000, 30_000)), {}, ["data.max_pixels", MASK]),
    "image of 2 billion a side": (put_bytes(IMAGE, huge_png(2**31 - 1, 2**31 - 1)[:60]), {}, [IMAGE]),
    "image of one very long row": (put_bytes(IMAGE, huge_png(2**28, 1)), {}, ["data.max_pixels", IMAGE]),
    "image above one's own limit": (nothing, {"max_pixels": 1000}, ["data.max_pixels", IMAGE, "1,024"]),
    "text that unpacks to 100 MB": (
        put_bytes(IMAGE, png_chunks(PHOTO, (b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8), 9)))),
        {},
        [IMAGE, "too large"],
    ),
    "many texts": (
        put_bytes(IMAGE, png_chunks(PHOTO, *[(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**6), 9))] * 70)),
        {},
        [IMAGE, "MAX_TEXT_MEMORY"],
    ),
    # damage
    "empty image": (put_bytes(IMAGE, b""), {}, ["cannot be read", IMAGE, "empty"]),
    "empty mask": (put_bytes(MASK, b""), {}, ["cannot be read", MASK, "empty"]),
    "text as image": (put_bytes(IMAGE, b"hello"), {}, ["cannot be read", IMAGE, "PNG"]),
    "PostScript as image": (put_bytes(IMAGE, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), {}, [IMAGE, "PNG"]),
    "icon as image": (put_bytes(IMAGE, encoded(image_of(PHOTO), "ICO")), {}, [IMAGE, "none of"]),
    "Targa as image": (put_bytes(IMAGE, encoded(image_of(PHOTO), "TGA")), {}, [IMAGE, "none of"]),
    "JPEG 2000 as image": (put_bytes(IMAGE, encoded(image_of(PHOTO), "PPM")), {}, [IMAGE, "none of"]),
    "half a PNG": (put_bytes(IMAGE, halves("PNG")), {}, ["cannot be read", IMAGE]),
    "half a JPEG": (put_bytes(IMAGE, halves("JPEG")), {}, ["cannot be read", IMAGE, "truncated"]),
    "half a TIFF": (put_bytes(IMAGE, halves("TIFF")), {}, ["cannot be read", IMAGE]),
    "half a packed TIFF": (put_bytes(IMAGE, halves("TIFF", compression="tiff_lzw")), {}, ["cannot be read", IMAGE]),
    "half a WebP": (put_bytes(IMAGE, halves("WEBP", lossless=True)), {}, ["cannot be read", IMAGE]),
    "half a BMP": (put_bytes(IMAGE, halves("BMP")), {}, ["cannot be read", IMAGE]),
    "half a GIF": (put_bytes(IMAGE, halves("GIF")), {}, ["cannot be read", IMAGE]),
    "a PNG with flipped bytes": (put_bytes(IMAGE, flipped("PNG")), {}, ["cannot be read", IMAGE]),
    "a PNG with a broken header": (put_bytes(IMAGE, flipped("PNG", 0.005)), {}, ["cannot be read", IMAGE]),
    "a PNG of no width": (put_bytes(IMAGE, huge_png(0, 5)), {}, ["cannot be read", IMAGE]),
    "half a mask": (put_bytes(MASK, encoded(image_of(LINE), "PNG")[:60]), {}, ["cannot be read", MASK]),
    "a damaged valid file": (
        lambda root: (
            shutil.copytree(root / "train/masks", root / "train/valid")
            and put_bytes("train/valid/train0.png", b"x")(root)
        ),
        {},
        ["cannot be read", "train/valid/train0.png"],
    ),
    # kinds of pixels
    "float image": (put(IMAGE, image_of(FLOATS), ".tif"), {}, ["train1.tif", "floating-point"]),
    "float image with NaN": (put(IMAGE, image_of(FLOATS * np.float32(np.nan)), ".tif"), {}, ["floating-point"]),
    "32-bit image above 16 bits": (
        put(IMAGE, image_of(np.full((SIDE, SIDE), 10**6, np.int32)), ".tif"),
        {},
        ["train1.tif", "1000000"],
    ),
    "negative image": (put(IMAGE, image_of(np.full((SIDE, SIDE), -3, np.int32)), ".tif"), {}, ["train1.tif", "-3"]),
    # sizes
    "mask one pixel wider": (put(MASK, image_of(np.pad(LINE, ((0, 0), (0, 1))))), {}, [MASK, "33 x 32", "32 x 32"]),
    "mask of 1 x 1": (put(MASK, image_of(np.ones((1, 1), np.uint8))), {}, [MASK, "1 x 1"]),
    "image turned by EXIF, mask not": (
        several(put(MASK, image_of(LINE[:20])), put_bytes(IMAGE, oriented(PHOTO[:20], 6))),
        {},
        [MASK, "EXIF"],
    ),
    # names
    "image name not UTF-8": (both_renamed(b"caf\xe9"), {}, ["UTF-8", "train/images/caf\\xe9.png", "train/masks/caf"]),
    "mask folder not UTF-8": (
        several(
            two_masks,
            lambda root: [
                os.rename(os.fsencode(root / s / "masks/vein"), os.fsencode(root / s / "masks") + b"/v\xff")
                for s in COUNTS
            ],
        ),
        {},
        ["UTF-8", "masks/v\\xff"],
    ),
    "name with a newline": (both_renamed("a\nb"), {}, ["control character", "a\\nb.png"]),
    "name with a tab": (both_renamed("a\tb"), {}, ["control character", "a\\tb.png"]),
    "name with an escape": (both_renamed("a\x1b[31mb"), {}, ["control character", "a\\x1b[31mb.png"]),
    "name with a line separator": (both_renamed("a\u2028b"), {}, ["control character", "a\\u2028b.png"]),
    "mask folder with a newline": (
        several(two_masks, lambda root: [(root / s / "masks/vein").rename(root / s / "masks/v\nn") for s in COUNTS]),
        {},
        ["control character", "v\\nn"],
    ),
    "two types of a name": (
        lambda root: shutil.copy(root / IMAGE, root / "train/images/train1.jpg"),
        {},
        ["one file of a name", "train1.jpg, train/images/train1.png"],
    ),
    "two types of a mask": (
        lambda root: shutil.copy(root / MASK, root / "train/masks/train1.bmp"),
        {},
        ["one file of a name", "train1.bmp, train/masks/train1.png"],
    ),
    "two spellings of a name": (
        several(
            both_renamed(unicodedata.normalize("NFC", "café")),
            lambda root: image_of(GREY).save(root / "train/images" / unicodedata.normalize("NFD", "café.png")),
        ),
        {},
        ["spellings", "caf"],
    ),
    "a.PNG and a.png": (
        lambda root: shutil.copy(root / IMAGE, root / "train/images/train1.PNG"),
        {},
        ["one file of a name", "train1.PNG, train/images/train1.png"],
    ),
    "mask in capitals": (renamed(MASK, "TRAIN1.png"), {}, ["image without mask", IMAGE, "is it TRAIN1?"]),
    "mask with an ending of its own": (
        renamed(MASK, "train1_mask.png"),
        {},
        ["image without mask", IMAGE, "is it train1_mask?"],
    ),
    "mask with a space": (renamed(MASK, "train1 .png"), {}, ["image without mask", "is it train1 ?"]),
    "image of another type": (renamed(IMAGE, "train1.jp2"), {}, ["mask without image", MASK, "train1.jp2 is there"]),
    "image missing": (lambda root: (root / IMAGE).unlink(), {}, ["mask without image", MASK]),
    "mask missing": (lambda root: (root / MASK).unlink(), {}, ["image without mask", IMAGE]),
    # what is no file
    "a folder named x.png": (replaced(IMAGE, lambda path: path.mkdir()), {}, [IMAGE, "a folder"]),
    "a mask that is a folder": (replaced(MASK, lambda path: path.mkdir()), {}, [MASK, "a folder"]),
    "a pipe": (replaced(IMAGE, os.mkfifo), {}, [IMAGE, "a pipe"]),
    "a mask that is a pipe": (replaced(MASK, os.mkfifo), {}, [MASK, "a pipe"]),
    "a pipe behind a link": (
        several(lambda root: os.mkfifo(root / "pipe"), replaced(IMAGE, lambda path: path.symlink_to("../../pipe"))),
        {},
        [IMAGE, "a pipe"],
    ),
    "a device behind a link": (replaced(IMAGE, lambda path: path.symlink_to("/dev/zero")), {}, [IMAGE, "a device"]),
    "a link in a circle": (replaced(IMAGE, lambda path: path.symlink_to(path.name)), {}, [IMAGE, "leads nowhere"]),
    "a link to nothing": (replaced(MASK, lambda path: path.symlink_to("gone.png")), {}, [MASK, "leads nowhere"]),
    "images a link in a circle": (
        lambda root: (shutil.rmtree(root / "val/images"), (root / "val/images").symlink_to("images")),
        {},
        ["val/images/ is missing"],
    ),
    # folders
    "no train": (lambda root: shutil.rmtree(root / "train"), {}, ["train/ is missing", "holds test/, val/"]),
    "no test": (lambda root: shutil.rmtree(root / "test"), {}, ["test/ is missing"]),
    "no images": (lambda root: shutil.rmtree(root / "train/images"), {}, ["train/images/ is missing"]),
    "no masks": (lambda root: shutil.rmtree(root / "test/masks"), {}, ["test/masks/ is missing"]),
    "empty val": (
        lambda root: (shutil.rmtree(root / "val/images"), (root / "val/images").mkdir()),
        {},
        ["at least one image", "val/images holds nothing"],
    ),
    "val called validation": (
        lambda root: (root / "val").rename(root / "validation"),
        {},
        ["passed over", "validation/"],
    ),
    "val called Val": (lambda root: (root / "val").rename(root / "Val"), {}, ["passed over", "Val/"]),
    "images in sub-folders": (
        lambda root: (
            shutil.move(root / "test/images", root / "a"),
            (root / "test/images").mkdir(),
            shutil.move(root / "a", root / "test/images/a"),
        ),
        {},
        ["at least one image", "test/images holds a/"],
    ),
    "files and folders of masks": (
        lambda root: shutil.copytree(root / "train/masks", root / "train/masks/vein"),
        {},
        ["either files or sub-folders"],
    ),
    "a mask folder in one split only": (
        several(two_masks, lambda root: shutil.rmtree(root / "test/masks/vein")),
        {},
        ["test/masks/vein/ is missing"],
    ),
    "valid without a file": (
        lambda root: (
            shutil.copytree(root / "train/masks", root / "train/valid"),
            (root / "train/valid/train1.png").unlink(),
        ),
        {},
        ["without valid", IMAGE],
    ),
    # splits
    "one picture in two splits": (
        lambda root: shutil.copy(root / IMAGE, root / "test/images/test0.png"),
        {},
        ["every picture in one split", "train1.png = test/images/test0.png"],
    ),
    "one group to cut from": (
        lambda root: shutil.rmtree(root / "val"),
        {"group_pattern": "^[a-z]+"},
        ["at least 2 groups", "1 group"],
    ),
    "groups in two splits": (nothing, {"group_pattern": r"(\d)"}, ["group '0' is in train/ and in val/"]),
    "a mask in one image and no val": (
        several(
            lambda root: shutil.rmtree(root / "val"),
            every(
                "train", "masks", lambda a: a * np.uint8(a[4, 5] > 0 and a[3, 5] == 0 and a[5, 5] > 0 and a[6, 5] == 0)
            ),
        ),
        {},
        ["expected positive", "val: mask: none"],
    ),
    # patterns
    "a pattern that is none": (nothing, {"group_pattern": "("}, ["data.group_pattern", "'('"]),
    "an empty pattern": (nothing, {"group_pattern": ""}, ["data.group_pattern", "''"]),
    "a number as pattern": (nothing, {"group_pattern": 5}, ["data.group_pattern", "5"]),
    "a truth value as pattern": (nothing, {"group_pattern": True}, ["data.group_pattern", "True"]),
    "a list as pattern": (nothing, {"group_pattern": ["a"]}, ["data.group_pattern", "['a']"]),
    "a pattern that misses": (nothing, {"group_pattern": "^road"}, ["does not match", IMAGE]),
    "a pattern with an empty group": (nothing, {"group_pattern": "^()train|^()"}, ["empty group", IMAGE]),
    "a pattern with an optional group": (nothing, {"group_pattern": "(road)?train"}, ["does not match", IMAGE]),
    "a pattern of many repeats": (
        nothing,
        {"group_pattern": "a{99999999999999}"},
        ["data.group_pattern", "repetition"],
    ),
    "a deep pattern": (nothing, {"group_pattern": "(" * 4000 + "a" + ")" * 4000}, ["data.group_pattern"]),
    "a pattern without end": (
        both_renamed("a" * 60 + "!"),
        {"group_pattern": "^(a+)+$"},
        ["repeats inside repeats", "train/images/aaaa"],
    ),
    # names of masks
    "masks unknown": (two_masks, {"masks": ["nerve"]}, ["masks: expected", "'nerve'", "artery, vein"]),
    "masks by a path": (two_masks, {"masks": ["../images"]}, ["masks: expected", "'../images'", "artery, vein"]),
}

ACCEPTED = {
    "as it is": (nothing, {}),
    "mask 0 and 1": (put(MASK, image_of(LINE // 255)), {}),
    "mask of one bit": (put(MASK, image_of(INSIDE)), {}),
    "mask of 16 bits": (put(MASK, image_of(INSIDE * np.uint16(65_535))), {}),
    "mask of 16 bits, 0 and 255": (put(MASK, image_of(LINE.astype(np.uint16))), {}),
    "mask in colour": (put(MASK, image_of(np.stack([LINE] * 3, 2))), {}),
    "mask with full alpha": (put(MASK, with_alpha(LINE, LINE * 0 + 255)), {}),
    "mask with alpha that repeats it": (put(MASK, with_alpha(LINE * 0 + 255 * INSIDE, LINE)), {}),
    "mask of a black and white palette": (put(MASK, palette(INSIDE, [(0, 0, 0), (255, 255, 255)])), {}),
    "mask of a colour palette": (put(MASK, palette(INSIDE, [(0, 0, 0), (128, 0, 0)])), {}),
    "mask of a palette, background transparent": (
        put(MASK, palette(INSIDE, [(0, 0, 0), (128, 0, 0)]), transparency=0),
        {},
    ),
    "mask float 0 and 1": (put(MASK, image_of(INSIDE.astype(np.float32)), ".tif"), {}),
    "mask of WebP": (put(MASK, image_of(np.stack([LINE] * 3, 2)), ".webp", lossless=True), {}),
    "mask of GIF": (put(MASK, image_of(LINE), ".gif"), {}),
    "one empty mask": (put(MASK, image_of(LINE * 0)), {}),
    "image with alpha": (put(IMAGE, with_alpha(GREY, HALF)), {}),
    "image in CMYK": (put(IMAGE, image_of(PHOTO, "CMYK"), ".jpg"), {}),
    "image of 16 bits": (put(IMAGE, image_of(GREY.astype(np.uint16) * 16)), {}),
    "image of a palette": (put(IMAGE, image_of(PHOTO).quantize(16)), {}),
    "JPEG named PNG": (put_bytes(IMAGE, encoded(image_of(PHOTO), "JPEG")), {}),
    "JPEG with a preview": (
        put_bytes(IMAGE, encoded(image_of(PHOTO), "MPO", save_all=True, append_images=[image_of(PHOTO[::2, ::2])])),
        {},
    ),
    "image and mask of 1 x 1": (
        several(put(IMAGE, image_of(PHOTO[:1, :1])), put(MASK, image_of(LINE[:1, :1]))),
        {},
    ),
    "image and mask of 1 x 2000": (
        several(
            put(IMAGE, image_of(np.tile(PHOTO[:1], (1, 64, 1)))),
            put(MASK, image_of(np.tile(LINE[4:5], (1, 64)) * (np.arange(2048) < 200).astype(np.uint8))),
        ),
        {},
    ),
    "spaces, dots, commas and accents": (both_renamed("ré tro.v2, 'x' [1]"), {}),
    "image NFC, mask NFD": (
        several(
            renamed(IMAGE, unicodedata.normalize("NFC", "café.png")),
            renamed(MASK, unicodedata.normalize("NFD", "café.png")),
        ),
        {},
    ),
    "a.png and A.png": (
        several(
            lambda root: image_of(GREY).save(root / "train/images/TRAIN1.png"),
            lambda root: image_of(LINE).save(root / "train/masks/TRAIN1.png"),
        ),
        {},
    ),
    "hidden files and thumbnails": (
        lambda root: [
            put_bytes(f"train/{kind}/{name}", b"x")(root)
            for kind in ("images", "masks")
            for name in ("Thumbs.db", ".DS_Store", "._train1.png", "notes.txt")
        ],
        {},
    ),
    "traces of systems": (
        lambda root: [(root / "train/masks" / name).mkdir() for name in ("__MACOSX", "@eaDir", ".ipynb_checkpoints")],
        {},
    ),
    "a link to a file": (
        lambda root: ((root / IMAGE).rename(root / "far.png"), (root / IMAGE).symlink_to("../../far.png")),
        {},
    ),
    "one mask by name": (two_masks, {"masks": "vein"}),
    "a majority that is meant": (put(MASK, image_of(HALF)), {"allow_majority": True}),
    "a pattern without a group": (nothing, {"group_pattern": r"^[a-z]+\d"}),
    "one thread, no memory": (nothing, {"threads": 1, "memory": 0}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_its_name(tmp_path, monkeypatch, case):
    monkeypatch.setattr(groups, "SECONDS", 0.2)
    change, options, words = REFUSED[case]
    root = tmp_path / "photos"
    write(root)
    change(root)
    before = sorted(root.rglob("*"))
    with pytest.raises(DataError) as caught:
        load_image_folder(root=root, **options)
    message = str(caught.value)
    assert re.search(".*".join(map(re.escape, words)), message, re.DOTALL), message
    assert not any(ord(letter) < 32 and letter != "\n" for letter in message)
    message.encode()
    assert sorted(root.rglob("*")) == before


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted(tmp_path, case):
    change, options = ACCEPTED[case]
    write(tmp_path)
    change(tmp_path)
    data = load_image_folder(root=tmp_path, **options)
    assert [len(split) for split in data.splits] == [3 + (case == "a.png and A.png"), 2, 2]
    for split in data.splits:
        for index, sample in enumerate(split.samples):
            assert sample.target.sum(axis=(1, 2)).tolist() == split.positives[index].tolist()
