"""Writes a grey picture row after row, as TIFF or PNG, without ever holding all of it."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import IO, Protocol

import numpy as np
from numpy.typing import NDArray

_LEVEL = 3  # of zlib: level 6 takes twice the time for 5 % less
_STRIP = 64  # rows


class RowFile(Protocol):
    """A picture that grows from the top."""

    def add(self, rows: NDArray[np.generic]) -> None:
        """Write the next rows (h, width)."""

    def finish(self) -> None:
        """Complete the file, which has its name only from now on."""

    def abandon(self) -> None:
        """Remove what was written."""


class _PartFile:
    """A file that gets its name when it is complete."""

    def __init__(self, path: Path, width: int, height: int, dtype: np.dtype) -> None:
        self.path, self.width, self.height, self.dtype = path, width, height, dtype
        self._part = path.with_name(f".{path.name}.part")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = open(self._part, "wb")  # noqa: SIM115  # closed by `finish` or `abandon`
        self._rows = 0

    def _check(self, rows: NDArray[np.generic]) -> None:
        self._rows += len(rows)
        if rows.shape[1:] != (self.width,) or rows.dtype != self.dtype or self._rows > self.height:
            raise ValueError(f"rows: expected {self.dtype} (h, {self.width}), got {rows.dtype} {rows.shape}")

    def _close(self) -> None:
        if self._rows != self.height:
            raise ValueError(f"rows: expected {self.height} in all, got {self._rows}")
        self._file.close()
        os.replace(self._part, self.path)

    def abandon(self) -> None:
        """Remove what was written."""
        self._file.close()
        self._part.unlink(missing_ok=True)


class TiffRows(_PartFile):
    """A TIFF of one channel in deflated strips: uint8, uint16 or float32.

    Args:
        path: Where it goes.
        width: Pixels of a row.
        height: Number of rows.
        dtype: Of the pixels.
    """

    def __init__(self, path: Path, width: int, height: int, dtype: np.dtype) -> None:
        super().__init__(path, width, height, dtype)
        self._strips: list[tuple[int, int]] = []  # offset and bytes of each
        self._waiting = np.empty((0, width), dtype)
        self._file.write(struct.pack("<2sHI", b"II", 42, 0))  # where the directory is stands in the last 4 bytes

    def add(self, rows: NDArray[np.generic]) -> None:
        """Write the next rows (h, width)."""
        self._check(rows)
        self._waiting = np.concatenate([self._waiting, rows])
        while len(self._waiting) >= _STRIP:
            self._write_strip(self._waiting[:_STRIP])
            self._waiting = self._waiting[_STRIP:]

    def finish(self) -> None:
        """Complete the file."""
        if len(self._waiting):
            self._write_strip(self._waiting)
        self._write_directory()
        self._close()

    def _write_strip(self, rows: NDArray[np.generic]) -> None:
        data = zlib.compress(np.ascontiguousarray(rows, self.dtype.newbyteorder("<")).data, _LEVEL)
        self._strips.append((self._file.tell(), len(data)))
        self._file.write(data)

    def _write_directory(self) -> None:
        tags: list[tuple[int, str, list[int]]] = [
            (256, "I", [self.width]),
            (257, "I", [self.height]),
            (258, "H", [8 * self.dtype.itemsize]),  # bits
            (259, "H", [8]),  # deflate
            (262, "H", [1]),  # black is zero
            (273, "I", [offset for offset, _ in self._strips]),
            (277, "H", [1]),  # channels
            (278, "I", [_STRIP]),
            (279, "I", [size for _, size in self._strips]),
            (339, "H", [3 if self.dtype.kind == "f" else 1]),  # floating point, or unsigned
        ]
        entries = []
        for tag, letter, values in tags:
            packed = struct.pack(f"<{len(values)}{letter}", *values)
            if len(packed) > 4:
                place = self._file.tell()
                self._file.write(packed)
                packed = struct.pack("<I", place)
            kind = 3 if letter == "H" else 4
            entries.append(struct.pack("<HHI", tag, kind, len(values)) + packed.ljust(4, b"\0"))
        self._file.write(b"\0" * (self._file.tell() % 2))  # a directory begins at an even place
        directory = self._file.tell()
        self._file.write(struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", 0))
        self._file.seek(4)
        self._file.write(struct.pack("<I", directory))


class PngRows(_PartFile):
    """A grey PNG of 8 or 16 bits.

    Args:
        path: Where it goes.
        width: Pixels of a row.
        height: Number of rows.
        dtype: uint8 or uint16.
    """

    def __init__(self, path: Path, width: int, height: int, dtype: np.dtype) -> None:
        super().__init__(path, width, height, dtype)
        self._packer = zlib.compressobj(_LEVEL)
        self._file.write(b"\x89PNG\r\n\x1a\n")
        self._chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8 * dtype.itemsize, 0, 0, 0, 0))

    def add(self, rows: NDArray[np.generic]) -> None:
        """Write the next rows (h, width)."""
        self._check(rows)
        lines = np.ascontiguousarray(rows, self.dtype.newbyteorder(">")).view(np.uint8)
        lines = lines.reshape(len(rows), self.width * self.dtype.itemsize)
        with_filter = np.pad(lines, ((0, 0), (1, 0)))  # filter 0 in front of each row
        self._chunk(b"IDAT", self._packer.compress(with_filter.data))

    def finish(self) -> None:
        """Complete the file."""
        self._chunk(b"IDAT", self._packer.flush())
        self._chunk(b"IEND", b"")
        self._close()

    def _chunk(self, name: bytes, data: bytes) -> None:
        if data or name == b"IEND":
            self._file.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)))


FILE_TYPES: dict[str, type[TiffRows] | type[PngRows]] = {"tif": TiffRows, "png": PngRows}
