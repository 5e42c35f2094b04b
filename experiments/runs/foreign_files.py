"""Reads files of runs that may come from others: nothing in them is executed, resolved or followed.

Each function reads a regular file, not a link or a pipe, up to a size that real runs stay far below. If it cannot
return what was asked for, it raises a ValueError with the path.
"""

from __future__ import annotations

import json
import math
import re
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

MEGABYTE = 2**20
MOST_CONFIG = 1 * MEGABYTE  # a run's is 5 KB
MOST_JSON = 16 * MEGABYTE  # a run's is 5 KB
MOST_TABLE = 256 * MEGABYTE  # a row per logged update
MOST_ARRAYS = 64 * MEGABYTE  # unpacked; only a large file may hold more
MOST_EXAMPLES = 512 * MEGABYTE
_DEEPEST = 50  # levels of a configuration
_MOST_UNPACKING = 4  # times the size of the file


class _PlainLoader(yaml.SafeLoader):
    """YAML as OmegaConf reads it (1e-3 is a number, a date is text), without aliases, which can grow exponentially."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise ValueError("an alias (*name), which no run writes")
        self.depth = getattr(self, "depth", 0) + 1
        if self.depth > _DEEPEST:
            raise ValueError(f"more than {_DEEPEST} levels")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; `${...}` stays text.

    Raises:
        ValueError: The file is not a mapping of plain values, holds aliases, or is too large; the message names it.
    """
    with _named(path, "a YAML mapping"):
        content = yaml.load(_text(path, MOST_CONFIG), Loader=_PlainLoader)
        if content is None:
            return {}
        if not isinstance(content, dict):
            raise ValueError(f"a {type(content).__name__}")
        return {str(key): value for key, value in content.items()}


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ValueError: The file is not a JSON object, or too large; the message names it.
    """
    with _named(path, "a JSON object"):
        content = json.loads(_text(path, MOST_JSON))
        if not isinstance(content, dict):
            raise ValueError(f"a {type(content).__name__}")
        return content


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table that `store.write_table` wrote, and undo `inert_text` in it.

    Raises:
        ValueError: The file is not a table, or too large; the message names it.
    """
    with _named(path, "a table"):
        _check(path, MOST_TABLE)
        table = pd.read_csv(path)
        for column in table.columns[[pd.api.types.is_string_dtype(dtype) for dtype in table.dtypes]]:
            table[column] = table[column].map(lambda cell: live_text(cell) if isinstance(cell, str) else cell)
        return table.rename(columns=live_text)


def read_arrays(path: Path, most: int = MOST_ARRAYS) -> dict[str, NDArray[Any]]:
    """Read the arrays of an npz file, refusing pickles.

    Args:
        path: The file.
        most: Bytes that all arrays may take, or four times the file's size if that is more.

    Raises:
        ValueError: The file is damaged, or its arrays claim more memory; the message names it.
    """
    with _named(path, "arrays"):
        size = _check(path, None)
        most = max(most, _MOST_UNPACKING * size)
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            claimed = sum(member.file_size for member in members)
            if claimed > most:
                raise ValueError(f"{claimed} bytes of arrays in a file of {size}")
            names = [member.filename for member in members]
            if len(set(names)) < len(names):
                raise ValueError("an array twice")
            for member in members:
                with archive.open(member) as file:
                    _check_header(file, member)
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}


def _check_header(file: IO[bytes], member: zipfile.ZipInfo) -> None:
    """Refuse an array whose header claims another size than its data have: memory would be allocated by the header."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"{member.filename} of npy version {version}")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    bytes_of_data = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or min(shape, default=0) < 0 or file.tell() + bytes_of_data != member.file_size:
        raise ValueError(f"{member.filename} of shape {shape} and type {dtype} in {member.file_size} bytes")


def check_name(name: str) -> None:
    """Check that a name from a file fits on one line.

    Raises:
        ValueError: It holds a line break or another control character.
    """
    if any(character < " " or character in "\x7f\x85\u2028\u2029" for character in name):
        raise ValueError(f"a name with a control character: {name[:80]!r}")


def check_folder_name(name: str) -> None:
    """Check that a name from a file, used as a sub-folder, does not lead out of its parent.

    Raises:
        ValueError: It does.
    """
    check_name(name)
    if name in (".", "..") or any(separator in name for separator in "/\\"):
        raise ValueError(f"a name that leads to another folder: {name[:80]!r}")


# Characters with which a spreadsheet formula begins. `live_text` removes the apostrophe that is put before them.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


def inert_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose column names and text cells no spreadsheet reads as formulas; see `inert_text`."""
    inert = table.copy(deep=False)
    for place, dtype in enumerate(table.dtypes):
        if not pd.api.types.is_numeric_dtype(dtype):
            cells = table.iloc[:, place].map(lambda cell: inert_text(cell) if isinstance(cell, str) else cell)
            inert.isetitem(place, list(cells))
    inert.columns = [inert_text(str(name)) for name in table.columns]
    return inert


def inert_text(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would compute; numbers stay as they are."""
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def live_text(text: str) -> str:
    """Undo `inert_text`."""
    return text[1:] if text.startswith("'") else text


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text) is not None


def _text(path: Path, most: int) -> str:
    _check(path, most)
    return path.read_text(encoding="utf-8")


def _check(path: Path, most: int | None) -> int:
    """Return a file's size, or raise an error if it is not a regular file or is too large."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("a link" if stat.S_ISLNK(found.st_mode) else "something that is no file")
    if most is not None and found.st_size > most:
        raise ValueError(f"{found.st_size} bytes, more than {most}")
    return found.st_size


@contextmanager
def _named(path: Path, expected: str) -> Iterator[None]:
    """Turn any error that a damaged or hostile file causes in a parser into one error that names the file."""
    try:
        yield
    except Exception as error:
        raise ValueError(
            f"{path}: expected {expected}, got {_line(error)}"
        ) from None  # a parser's message quotes the file


def _line(error: Exception) -> str:
    """Describe an error in one line; YAML's own message would quote the file."""
    problem = getattr(error, "problem", None)
    text = str(problem) if problem else str(error) or type(error).__name__
    return " ".join(text.split())[:300]
