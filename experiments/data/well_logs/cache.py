"""Drawn logs on disk: one compressed npz each, written atomically. A file that cannot be read is drawn again."""

from __future__ import annotations

import logging
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.data.sample import Sample

_log = logging.getLogger(__name__)

_made: list[Path] = []  # files and folders that this process has made


@dataclass(frozen=True)
class AnnotatedLog:
    """A sample and, if the annotation is jittered, each pixel's probability of being annotated, float32 (C, H, W)."""

    sample: Sample
    eta: NDArray[np.float32] | None


def cached_log(path: Path | None, draw: Callable[[], AnnotatedLog]) -> AnnotatedLog:
    """Read a log from disk, or draw it and store it there.

    A failure to write the cache is logged as a warning and does not stop the run.

    Args:
        path: File of this log; None draws it without a file.
        draw: Makes the log.

    Returns:
        The log, the same whether read or drawn.
    """
    if path is None:
        return draw()
    found = _read(path)
    if found is not None:
        return found
    log = draw()
    try:
        _write(path, log)
    except OSError as error:
        _log.warning("cache_dir: could not write %s: %s", path, error)
    return log


@contextmanager
def removed_on(error: type[Exception]) -> Iterator[None]:
    """Remove the logs drawn inside this context, and their folders, if it ends with an error of this type.

    A refused command must leave no files, but some reasons to refuse it show only once logs are drawn.
    """
    before = len(_made)
    try:
        yield
    except error:
        # Threads record a folder before or after its files, so sort: the deepest paths go first.
        for path in sorted(_made[before:], key=lambda path: len(path.parts), reverse=True):
            with suppress(OSError):  # a folder with files of others stays
                path.rmdir() if path.is_dir() else path.unlink()
        del _made[before:]
        raise


def _make_folder(folder: Path) -> None:
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    _made.extend(reversed(missing))


def _read(path: Path) -> AnnotatedLog | None:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            image = arrays["image"]
            shape = tuple(int(length) for length in arrays["target_shape"])
            target = np.unpackbits(arrays["target"], count=int(np.prod(shape))).reshape(shape).astype(bool)
            eta = arrays.get("eta")
        return AnnotatedLog(Sample(image, target), eta)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        _log.warning("cache_dir: %s cannot be read (%s); drawing it again", path, error)
        return None


def _write(path: Path, log: AnnotatedLog) -> None:
    arrays: dict[str, NDArray[np.generic]] = {
        "image": log.sample.image,
        "target": np.packbits(log.sample.target),
        "target_shape": np.array(log.sample.target.shape),
    }
    if log.eta is not None:
        arrays["eta"] = log.eta
    _make_folder(path.parent)
    # Several runs may draw the same log at once. Each writes its own temporary file, and the last rename wins.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as stream:
            np.savez_compressed(stream, allow_pickle=False, **arrays)
        os.replace(temporary, path)
        _made.append(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
