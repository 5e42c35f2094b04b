"""Groups of images that belong together: named by a pattern of file names, and never split by validation.

The pattern is searched in a process that can be stopped.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.data.image_folder.problems import ProblemList

SECONDS = 1.0  # of CPU time for up to 10,000 names, which normally take a tenth of that
_WALL_SECONDS = 60.0  # the limit on systems without a CPU timer and on overloaded machines
ATTEMPTS = 100  # orders of the groups to try, until both sides have positives of every mask

# Python cannot interrupt a search, and nested repeats can make one run for ever. A process of its own can be killed.
_SEARCH = """
import json, re, signal, sys
pattern, names, seconds = json.load(sys.stdin)
if hasattr(signal, "setitimer"):
    signal.setitimer(signal.ITIMER_PROF, seconds)
compiled = re.compile(pattern)
for stem, name in names:
    match = compiled.search(stem) or compiled.search(name)
    print(json.dumps(None if match is None else match.group(1 if compiled.groups else 0)), flush=True)
"""


def compile_pattern(pattern: Any, problems: ProblemList) -> re.Pattern[str] | None:
    """Compile `group_pattern`; if it is not a regular expression, add a problem and return None."""
    kind = "data.group_pattern: expected a regular expression such as '^(.*)_y', or null"
    if pattern is None:
        return None
    if not isinstance(pattern, str) or not pattern:
        problems.add(kind, f"{pattern!r}")
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about syntax that a later Python may read differently
            return re.compile(pattern)
    except (re.error, OverflowError, RecursionError, MemoryError) as error:
        problems.add(kind, f"{pattern[:80]!r}: {error or type(error).__name__}")
        return None


def group_names(
    file_names: Sequence[str], pattern: re.Pattern[str] | None, problems: ProblemList, *, folder: str = ""
) -> list[str]:
    """Name the group of each file.

    Args:
        file_names: With their endings, such as "w12_y0040.png".
        pattern: Searched in the name without its ending, then with it. The group is its first capture group, or the
            whole match if it has none. None makes every file its own group.
        problems: Receives the files that the pattern does not match, or the first that takes too long.
        folder: Prefix of names in problems, such as "train/images/".

    Returns:
        One name per file; the stem where there is no pattern or no match.
    """
    stems = [name.rsplit(".", 1)[0] for name in file_names]
    if pattern is None or not stems:
        return stems
    seconds = SECONDS * max(1.0, len(stems) / 10_000)
    found = _search(pattern.pattern, list(zip(stems, file_names, strict=True)), seconds)
    if len(found) < len(stems):
        problems.add(
            f"data.group_pattern {pattern.pattern!r}: expected a search of less than {seconds:g} s; "
            "repeats inside repeats, such as (a+)+, can take for ever",
            f"{folder}{file_names[len(found)]}: not found out in that time",
        )
        return stems
    kind = f"data.group_pattern {pattern.pattern!r} does not match the file name, or gives an empty group"
    problems.add(kind, *[folder + name for name, group in zip(file_names, found, strict=True) if not group])
    return [group or stem for group, stem in zip(found, stems, strict=True)]


def _search(pattern: str, names: Sequence[tuple[str, str]], seconds: float) -> list[str | None]:
    """Search in a process of its own; return fewer results than names if time ran out."""
    question = json.dumps([pattern, names, seconds])
    command = [sys.executable, "-I", "-S", "-W", "ignore", "-c", _SEARCH]
    try:
        answer = subprocess.run(
            command, input=question, capture_output=True, text=True, timeout=_WALL_SECONDS, check=False
        ).stdout
    except subprocess.TimeoutExpired as error:
        answer = error.stdout.decode() if isinstance(error.stdout, bytes) else error.stdout or ""
    return [json.loads(line) for line in answer.splitlines()]


def cut_by_group(
    groups: Sequence[str], fraction: float, seed: int | str, positives: NDArray[np.int64] | None = None
) -> list[bool]:
    """Choose about a fraction of the images, in whole groups, at least one group and never all.

    The order of the groups depends only on their names and the seed. A group is taken if that brings the number of
    images closer to the target. A mask without positives on one side cannot be learned, or its threshold tuned. So if
    some mask has none, up to `ATTEMPTS` orders are tried, and the first with the fewest such masks is kept.

    Args:
        groups: Group of each image.
        fraction: Share of the images to choose, between 0 and 1.
        seed: Of the order.
        positives: int64 (N, C), positive pixels per image and mask; None takes the first order.

    Returns:
        Whether each image is chosen.

    Raises:
        ValueError: There are fewer than two groups.
    """
    sizes = Counter(groups)
    if len(sizes) < 2:
        raise ValueError(f"groups: expected at least 2 to cut one off, got {len(sizes)}")
    if positives is None:
        return _cut_once(groups, sizes, fraction, f"{seed}")
    best, fewest = [False] * len(groups), positives.size + 1
    for attempt in range(ATTEMPTS):
        chosen = _cut_once(groups, sizes, fraction, f"{seed}" if attempt == 0 else f"{seed}/{attempt}")
        side = np.array(chosen)
        missed = int((positives[side].sum(axis=0) == 0).sum() + (positives[~side].sum(axis=0) == 0).sum())
        if missed < fewest:
            best, fewest = chosen, missed
        if missed == 0:
            break
    return best


def _cut_once(groups: Sequence[str], sizes: Mapping[str, int], fraction: float, salt: str) -> list[bool]:
    order = sorted(sizes, key=lambda group: (hashlib.sha256(f"{salt}\n{group}".encode()).digest(), group))
    wish = fraction * len(groups)
    chosen: set[str] = set()
    count = 0
    for group in order:
        if len(chosen) < len(order) - 1 and sizes[group] < 2 * (wish - count):
            chosen.add(group)
            count += sizes[group]
    if not chosen:
        chosen = {min(order, key=lambda group: sizes[group])}
    return [group in chosen for group in groups]
