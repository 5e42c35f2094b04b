"""Finds the images to predict, and reads each of them once to know that it can be."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.data.file_names import is_left_behind, name_fault, same_name
from experiments.data.image_folder.decode import UnusableFile
from experiments.data.image_folder.index import describe_missing, holdings
from experiments.data.image_folder.listing import SUFFIXES, is_image_name, special_kind
from experiments.data.image_folder.problems import ProblemList
from experiments.data.image_folder.windowed import OpenImage, opened

_WILD = re.compile(r"[*?\[]")
_ROWS = 1024  # that are read at once


@dataclass(frozen=True)
class ImageFile:
    """A file that can be predicted.

    Args:
        name: Its path below the folder, without the ending.
        path: The file.
        height: In pixels.
        width: In pixels.
    """

    name: str
    path: Path
    height: int
    width: int


def find_images(images: str, problems: ProblemList) -> list[tuple[str, Path]]:
    """List the image files of a folder, or those that a pattern matches, with their names, sorted.

    Args:
        images: A folder, or a pattern with *, ?, [...] or **.
        problems: Receives what is wrong.
    """
    if os.path.isdir(images):
        root, paths = Path(images), [path for path in Path(images).iterdir() if is_image_name(path.name)]
    elif _WILD.search(images):
        parts = Path(images).parts
        fixed = next(place for place, part in enumerate(parts) if _WILD.search(part))
        root = Path(*parts[:fixed])
        paths = [path for path in root.glob("/".join(parts[fixed:])) if not path.is_dir()]
    elif os.path.lexists(images):
        root, paths = Path(images).parent, [Path(images)]
    else:
        problems.add("expected a folder of images, or a pattern such as scans/*.tif", describe_missing(Path(images)))
        return []
    found: dict[str, Path] = {}
    for path in sorted(paths):
        short = path.relative_to(root).as_posix()
        if any(is_left_behind(part) for part in path.relative_to(root).parts):
            continue
        name = same_name(os.path.splitext(short)[0])
        if (fault := name_fault(short)) is not None:
            problems.add("expected names in UTF-8 without control characters", f"{short}: {fault}")
        elif not is_image_name(path.name):
            problems.add(f"expected image files ({', '.join(SUFFIXES)})", short)
        elif (kind := special_kind(str(path))) is not None:
            problems.add("expected a file, got something else of such a name", f"{short}: {kind}")
        elif name in found:
            problems.add("expected one image of a name, whose maps would overwrite", f"{found[name].name}, {path.name}")
        else:
            found[name] = path
    if not found and not problems:
        held = holdings(root) if root.is_dir() else describe_missing(root)
        problems.add(f"expected image files ({', '.join(SUFFIXES)})", f"none at {images}; {root} holds {held}")
    return list(found.items())


def check_images(
    files: Sequence[tuple[str, Path]],
    problems: ProblemList,
    *,
    channels: int | None,
    shift: int | None,
    max_pixels: int,
) -> list[ImageFile]:
    """Read every image once, whole.

    Args:
        files: Names and paths.
        problems: Receives those that cannot be read or do not fit the network.
        channels: Of the network; None where it is not known.
        shift: Bits that the 16-bit images lost on which it was trained; None where that is not known.
        max_pixels: Most pixels of a file that is decoded whole.
    """
    fitting = []
    for name, path in files:
        try:
            with opened(path, max_pixels=max_pixels) as image:
                height, width, have = image.shape
                bits = _bits(image)
            if channels is not None and have > channels:
                problems.add("expected grey images, as the run was trained on", f"{path.name}: colour")
            elif bits > 8 and channels is not None and not shift:
                known = "the run was trained on" if shift == 0 else "the run does not say how it read 16 bits; it knows"
                problems.add(f"expected images of 8 bits, which {known}", f"{path.name}: {bits} bits")
            else:
                fitting.append(ImageFile(name, path, height, width))
        except UnusableFile as error:
            problems.add(error.kind, f"{path.name}: {error.found}")
    return fitting


def _bits(image: OpenImage) -> int:
    """Read all pixels, some rows at a time, and return the bits of a value."""
    height, width, _ = image.shape
    bits = 8
    for top in range(0, height, _ROWS):
        rows = image.read(slice(top, min(top + _ROWS, height)), slice(0, width))
        bits = 8 * rows.dtype.itemsize
    return bits
