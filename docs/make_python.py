"""Write docs/python.md, the Python reference, from the docstrings of the public names; a test compares.

python docs/make_python.py
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "python.md"

MODULES = ("losses", "experiments.frontier", "experiments.comparison", "experiments.report.figures")
"""Packages whose `__all__` is the public surface."""

_INTRO = """# Python

What can be imported, written by `python docs/make_python.py` from the docstrings. The [notebook](notebook.ipynb)
goes from scores to verdicts with it; [your own loss](own-loss.md) and [predictions](predictions.md) have examples."""

_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Reference|References|Yields|Example|Examples):\s*(.*)$")
_ITEM = re.compile(r"^([\w.*, ]+): (.*)$")


def reference() -> str:
    """Write the page."""
    parts = [_INTRO]
    for module_name in MODULES:
        module = import_module(module_name)
        parts += [f"## {module_name}", described(inspect.getdoc(module) or "")]
        for name in module.__all__:
            parts += documented(name, getattr(module, name))
    return "\n\n".join(part for part in parts if part) + "\n"


def documented(name: str, thing: Any) -> list[str]:
    """Describe a function, or a class with its public methods and properties."""
    parts = [f"### {name}", f"```python\n{signature(name, thing)}\n```", described(inspect.getdoc(thing) or "")]
    if inspect.isclass(thing):
        parts.append("\n".join(members(thing)))
    return parts


def signature(name: str, thing: Any) -> str:
    """Write a call with its defaults, over several lines where one is too long; a protocol has none."""
    if getattr(thing, "_is_protocol", False):
        return f"class {name}(Protocol)"
    found = inspect.signature(thing)
    one = f"{name}{_plain(str(found))}"
    if len(one) <= 100:
        return one
    marks: list[str] = []
    starred = False
    for parameter in found.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            marks.append("    *,")
        starred |= parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
        marks.append(f"    {_plain(str(parameter))},")
    back = "" if found.return_annotation in (found.empty, None, "None") else f" -> {found.return_annotation}"
    return "\n".join([f"{name}(", *marks, f"){_plain(back)}"])


def _plain(text: str) -> str:
    """Leave the quotes of postponed annotations and the paths of modules out."""
    text = re.sub(r"(?<=[:>] )'([^']*)'", r"\1", text)
    return re.sub(r"\b(?:\w+\.)+(?=[A-Z]\w*)", "", text)


def members(thing: type) -> list[str]:
    """List the public methods and properties that a class defines itself, each with the first line of its docstring."""
    found = []
    for name, member in vars(thing).items():
        target = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        told = (inspect.getdoc(target) or "").partition("\n")[0]
        if name.startswith("_") or not told or not (callable(target) or isinstance(target, property)):
            continue
        if name in ("forward", "extra_repr"):  # what torch calls
            continue
        found.append(f"- `{name}{'' if isinstance(target, property) else '()'}`: {escaped(told)}")
    return found


def described(text: str) -> str:
    """Turn a docstring into Markdown: sections to lists, examples and indented formulas to code."""
    parts: list[str] = []
    lines = text.splitlines()
    place = 0
    while place < len(lines):
        line = lines[place]
        section = _SECTION.match(line)
        if section:
            body = [section[2]] if section[2] else []
            place += 1
            while place < len(lines) and (lines[place].startswith("    ") or not lines[place]):
                body.append(lines[place][4:])
                place += 1
            parts.append(_section(section[1], body))
        elif line.startswith((">>>", "    ")):
            start = place
            while place < len(lines) and lines[place]:
                place += 1
            code = inspect.cleandoc("\n".join(lines[start:place]))
            parts.append(f"```{'python' if line.startswith('>>>') else ''}\n{code}\n```")
        elif line:
            start = place
            while place < len(lines) and lines[place] and not lines[place].startswith((">>>", "    ")):
                if _SECTION.match(lines[place]):
                    break
                place += 1
            parts.append(escaped("\n".join(lines[start:place])))
        else:
            place += 1
    return "\n\n".join(parts)


def _section(title: str, body: list[str]) -> str:
    """Write one section of a docstring: an example as code, others as a list of what lines without indent begin."""
    if title.startswith("Example"):
        return "```python\n" + "\n".join(body).strip() + "\n```"
    items: list[str] = []
    for line in body:
        if line.startswith(" ") and items:
            items[-1] += f" {line.strip()}"
        elif line:
            item = _ITEM.match(line) if title in ("Args", "Attributes", "Raises") else None
            if item:
                items.append(f"- `{item[1]}`: {escaped(item[2])}")
            elif items:
                items[-1] += f" {escaped(line)}"
            else:
                items.append(escaped(line))
    return f"*{title}*\n\n" + "\n".join(items) if items else ""


def escaped(text: str) -> str:
    """Make roles of Sphinx code, and keep stars, tags and underscores outside code from being markup."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text).replace("``", "`")
    pieces = re.split(r"(`[^`]*`)", text)
    pieces[::2] = [re.sub(r"([*<\[\]|_])", r"\\\1", piece) for piece in pieces[::2]]
    return "".join(pieces)


if __name__ == "__main__":
    PAGE.write_text(reference())
    print(f"{PAGE.relative_to(ROOT)}: {PAGE.read_text().count(chr(10) + '### ')} names")
