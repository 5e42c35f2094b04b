"""File names: which to skip, which to refuse, and how to print them."""

from __future__ import annotations

import unicodedata

# Folders that operating systems leave among a user's own. Names that begin with a dot are skipped too.
_SYSTEM_FOLDERS = frozenset({"__MACOSX", "@eaDir", "lost+found", "$RECYCLE.BIN", "System Volume Information"})


def is_left_behind(name: str) -> bool:
    """Return whether an operating system left this file or folder, so that it is no part of the data."""
    return name.startswith(".") or name in _SYSTEM_FOLDERS


def name_fault(name: str) -> str | None:
    """Say why a name cannot be written to tables and reports; None if it can."""
    if any(0xDC80 <= ord(letter) <= 0xDCFF for letter in name):
        return "bytes that are not UTF-8"
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name):
        return "a control character"
    return None


def shown(text: str) -> str:
    """Show a name on one line of a terminal: control characters and undecoded bytes as escapes."""
    return text if text.isprintable() else "".join(_shown_letter(letter) for letter in text)


def same_name(name: str) -> str:
    """Normalise a name for matching: macOS stores an accent and its letter as two characters (NFD)."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def _shown_letter(letter: str) -> str:
    if 0xDC80 <= ord(letter) <= 0xDCFF:
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode()
