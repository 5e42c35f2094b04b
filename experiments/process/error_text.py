"""The words of errors: one in a line, for the reason of a failed run; many names, cut where a reader stops."""

from __future__ import annotations

from collections.abc import Sequence

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
_LONGEST = 500  # characters of a reason; run.json holds the whole traceback


def describe_error(error: BaseException) -> str:
    """Describe an error in one line; if memory ran out, name the keys to lower."""
    if isinstance(error, SystemExit):
        return f"sys.exit({'' if error.code is None else repr(error.code)}) was called"
    lines = str(error).strip().splitlines() or [""]
    # A DataLoader worker sends its traceback as the text of the error; the last line is the error itself.
    text = lines[-1] if lines[0].startswith("Caught ") else " ".join(line.strip() for line in lines)
    kind = type(error).__name__
    text = text if text.startswith(kind) else f"{kind}: {text}".removesuffix(": ")
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
    if isinstance(error, MemoryError) or any(words in str(error).lower() for words in _OUT_OF_MEMORY):
        text += " Out of memory: lower trainer.batch_size or trainer.tile (scoring: eval_batch_size, eval_tile)."
    return text


def listed(names: Sequence[str], most: int = 20) -> str:
    """List names, and how many more there are.

    Example:
        >>> listed(["bce", "dice", "focal"], most=2)
        'bce, dice and 1 more'
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"
