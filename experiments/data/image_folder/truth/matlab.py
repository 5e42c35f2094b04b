"""Reads the planes of a MATLAB file: a variable, or a field of a struct, with a plane for each annotator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.data.image_folder.decode import UnusableFile

ENDING = ".mat"
_KIND = "expected a MATLAB file with one plane of truth, or data.field=NAME that chooses one"
_DEEPEST = 8  # structs in structs


def matlab_planes(path: Path, field: str | None, max_pixels: int) -> list[NDArray[Any]]:
    """Read the planes of truth of a file, one per annotator.

    A cell or a struct array of several entries, as the Berkeley segmentation data have them, holds one annotator each.

    Args:
        path: The file, of MATLAB 4 to 7.
        field: Name of the variable or, with dots, of a field in it; the last part alone will do. None takes the only
            one there is.
        max_pixels: Most pixels of a plane.

    Returns:
        Numbers (H, W) for each annotator.

    Raises:
        UnusableFile: The file cannot be read, or holds no such field, or several.
    """
    from scipy.io import loadmat

    try:
        content = loadmat(path)
    except NotImplementedError as error:
        raise UnusableFile(
            "expected a MATLAB file of version 7 or older", "version 7.3: save it by save -v7"
        ) from error
    except Exception as error:  # damaged files raise anything
        raise UnusableFile("cannot be read as a MATLAB file", str(error) or type(error).__name__) from error
    found: dict[str, list[NDArray[Any]]] = {}
    for name, value in content.items():
        if not name.startswith("__"):
            for address, plane in _planes(name, value):
                found.setdefault(address, []).append(plane)
    chosen = [name for name in found if field is None or name == field or name.endswith(f".{field}")]
    if len(chosen) != 1:
        told = [f"{name} ({_told(planes[0])})" for name, planes in found.items()]
        raise UnusableFile(
            _KIND, f"{', '.join(told) or 'no plane of numbers'}" + (f"; no {field}" if not chosen and field else "")
        )
    planes = found[chosen[0]]
    if any(plane.size > max_pixels for plane in planes):
        raise UnusableFile(
            f"expected at most {max_pixels:,} pixels in a plane; data.max_pixels=N allows more", chosen[0]
        )
    return planes


def _planes(name: str, value: Any, depth: int = 0) -> Iterator[tuple[str, NDArray[Any]]]:
    """Walk through structs and cells to arrays of two axes."""
    if not isinstance(value, np.ndarray) or depth > _DEEPEST:
        return
    if value.dtype.names:
        for entry in value.flat:
            for field in value.dtype.names:
                yield from _planes(f"{name}.{field}", entry[field], depth + 1)
    elif value.dtype == object:
        for entry in value.flat:
            yield from _planes(name, entry, depth + 1)
    elif value.dtype.kind in "bui f" and value.ndim == 2 and min(value.shape) > 1:
        yield name, value


def _told(plane: NDArray[Any]) -> str:
    values = np.unique(plane)
    listed = ", ".join(f"{value:g}" for value in values[:6].astype(float)) + (", ..." if len(values) > 6 else "")
    return f"{plane.shape[1]} x {plane.shape[0]}, values {listed}"
