"""Draw the house from the imports: `python docs/draw_house.py` writes docs/house.svg, and a test compares.

A row is a room: a package of `experiments`, its wings (sub-packages) with it; `losses`; the commands; `cli`; `config`.
What a room imports stands below it. An arc leads from a room to one that it imports; arcs that others imply are left
out: where A imports B and B imports C, there is none from A to C.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "house.svg"

COMMANDS, LOSSES = "commands", "losses"
_WHAT = {
    COMMANDS: "What is typed: `python -m experiments.NAME`.",
    "cli": "What all commands share: messages, exit codes, signals.",
    "config": "The root configuration's schema, and errors of configuration.",
}
_ALONE = ("config", "cli")  # modules beside the commands that rooms below import

_WIDTH, _NAME, _TEXT, _ARCS = 1060, 24, 130, 790
_LINE, _GAP, _LETTERS = 15, 14, 100


@dataclass
class Room:
    """One row: a package, or modules that belong together."""

    name: str
    what: str
    files: dict[str, list[str]] = field(default_factory=dict)  # wing, "" for none -> names of modules
    imports: set[str] = field(default_factory=set)


def read_rooms(root: Path = ROOT) -> dict[str, Room]:
    """Read every room's files and what it imports."""
    rooms: dict[str, Room] = {}
    for package in (LOSSES, "experiments"):
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            name = _room(parts)
            room = rooms.setdefault(name, Room(name, _WHAT.get(name) or _first_sentence(root, parts)))
            if parts[-1] != "__init__":
                wing = "/".join(parts[2:-1]) if name != LOSSES else ""
                room.files.setdefault(wing, []).append(parts[-1])
            room.imports |= {_room(tuple(target.split("."))) for target in _imported(path)} - {name}
    return {name: room for name, room in rooms.items() if room.files}


def _room(parts: tuple[str, ...]) -> str:
    """Name the room of a module, given by its parts, or by those of a name in it."""
    if parts[0] == LOSSES:
        return LOSSES
    if len(parts) > 1 and ((ROOT / "experiments" / parts[1]).is_dir() or parts[1] in _ALONE):
        return parts[1]
    return COMMANDS


def _first_sentence(root: Path, parts: tuple[str, ...]) -> str:
    package = root.joinpath(*parts[:1] if parts[0] == LOSSES else parts[:2], "__init__.py")
    text = ast.get_docstring(ast.parse(package.read_text())) or ""
    return text.split("\n\n")[0].replace("\n", " ")


def _imported(path: Path) -> Iterator[str]:
    """Name what a file imports of ours, inside functions and for types too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = node.module == "experiments"
            names = [f"experiments.{alias.name}" for alias in node.names] if whole else [node.module]
        else:
            continue
        yield from (name for name in names if name.startswith((f"{LOSSES}.", "experiments.")) or name == LOSSES)


def in_order(rooms: Mapping[str, Room]) -> list[Room]:
    """Put every room above what it imports; of several that may come next, the one that most is below.

    Raises:
        ValueError: Naming the rooms of a circle.
    """

    @cache
    def height(name: str, above: tuple[str, ...] = ()) -> int:
        if name in above:
            raise ValueError(f"a circle of imports: {' -> '.join([*above[above.index(name) :], name])}")
        return 1 + max((height(other, (*above, name)) for other in rooms[name].imports if other in rooms), default=0)

    return sorted(rooms.values(), key=lambda room: (-height(room.name), room.name))


def arcs(rooms: Mapping[str, Room]) -> list[tuple[str, str]]:
    """List who imports whom, without what follows from the others."""

    @cache
    def below(name: str) -> frozenset[str]:
        direct = rooms[name].imports & set(rooms)
        return frozenset(direct).union(*(below(other) for other in direct))

    return [
        (room.name, other)
        for room in rooms.values()
        for other in sorted(room.imports & set(rooms))
        if not any(other in below(between) for between in room.imports & set(rooms) if between != other)
    ]


def draw(rooms: Mapping[str, Room]) -> str:
    """Draw the rooms as an SVG document."""
    y, middle, body = _GAP, {}, []
    for room in in_order(rooms):
        lines = [room.what, *_file_lines(room)]
        height = _LINE * len(lines) + 10
        middle[room.name] = y + height / 2
        body.append(f'<rect x="10" y="{y}" width="{_ARCS - 10}" height="{height}" rx="6"/>')
        body.append(f'<text x="{_NAME}" y="{y + _LINE + 2}" class="name">{escape(room.name)}</text>')
        for index, line in enumerate(lines):
            kind = "files" if index else "what"
            body.append(f'<text x="{_TEXT}" y="{y + _LINE * (index + 1) + 2}" class="{kind}">{escape(line)}</text>')
        y += height + _GAP
    for upper, lower in arcs(rooms):
        reach = _ARCS + 20 + 330 * (middle[lower] - middle[upper]) / y
        body.append(
            f'<path d="M {_ARCS} {middle[upper] + 3:.1f} C {reach:.1f} {middle[upper] + 3:.1f}, '
            f'{reach:.1f} {middle[lower] - 3:.1f}, {_ARCS} {middle[lower] - 3:.1f}">'
            f"<title>{upper} imports {lower}</title></path>"
        )
    style = (
        "rect{fill:#f6f7f9;stroke:#c9ced6}text{font:12px sans-serif;fill:#1d2129}.name{font-weight:bold;font-size:14px}"
        ".files{fill:#596273;font-size:11px}path{fill:none;stroke:#5b3fc4;stroke-width:1.2;marker-end:url(#tip)}"
    )
    tip = (
        '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M 0 0 L 8 4 L 0 8 z" style="fill:#5b3fc4;stroke:none"/></marker>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" width="{_WIDTH}" height="{y}" '
        'role="img">\n'
        f"<title>The rooms of lossfrontier; what a room imports stands below it</title>\n<style>{style}</style>\n"
        f'<defs>{tip}</defs>\n<rect x="0" y="0" width="{_WIDTH}" height="{y}" style="fill:#fff;stroke:none"/>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def _file_lines(room: Room) -> list[str]:
    """List the files, a line or more per wing."""
    lines = []
    for wing in sorted(room.files):
        line = f"{wing}/ " if wing else ""
        for name in room.files[wing]:
            if len(line) + len(name) > _LETTERS:
                lines.append(line.rstrip(" ·"))
                line = "    "
            line += f"{name} · "
        lines.append(line.rstrip(" ·"))
    return lines


if __name__ == "__main__":
    PICTURE.write_text(draw(read_rooms()))
    print(f"{PICTURE.relative_to(ROOT)}: {len(read_rooms())} rooms")
