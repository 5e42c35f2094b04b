"""An error in one line, for a run's reason and for what a check of a loss says."""

from __future__ import annotations

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
_LONGEST = 500  # characters of a reason; the traceback in run.json has the rest


def describe_error(error: BaseException) -> str:
    """Describe an error in one line; an error of memory names the keys that need less of it."""
    if isinstance(error, SystemExit):
        return f"sys.exit({'' if error.code is None else repr(error.code)}) was called"
    lines = str(error).strip().splitlines() or [""]
    # A worker of a DataLoader sends its traceback as the text of the error; what was raised is its last line.
    text = lines[-1] if lines[0].startswith("Caught ") else " ".join(line.strip() for line in lines)
    kind = type(error).__name__
    text = text if text.startswith(kind) else f"{kind}: {text}".removesuffix(": ")
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
    if isinstance(error, MemoryError) or any(words in str(error).lower() for words in _OUT_OF_MEMORY):
        text += " Out of memory: lower trainer.batch_size or trainer.tile (scoring: eval_batch_size, eval_tile)."
    return text
