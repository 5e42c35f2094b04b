"""Write docs/configuration.md, every key of the configuration, from conf/ and the code; a test compares.

    python docs/make_reference.py

A key's meaning is the comment beside it in conf/, else that of its field in experiments/config.py, else what the
docstring of the object that its group builds says of the argument.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "configuration.md"
CONF = ROOT / "conf"
SCHEMA = ROOT / "experiments" / "config.py"

_OURS = ("losses", "experiments")
_NOT_KEYS = ("defaults", "hydra")
_GLOBAL = "# @package _global_"
_SCHEMAS = {"trainer": "TrainerSchema", "report": "ReportSchema", "study": "StudySchema"}

_INTRO = """# Configuration

Every key, written by `python docs/make_reference.py` from `conf/` and the code. A key is set on the command line as
`key=value`, an option of a group as `group=option`; `???` has to be given, `null` leaves the choice to the code.
[Change something](overrides.md) has examples."""


@dataclass(frozen=True)
class Key:
    """A key: its full name, its default as YAML, and its meaning."""

    name: str
    default: str
    meaning: str


@dataclass(frozen=True)
class File:
    """One file of conf/: what its first comment says, and its keys.

    Args:
        commands: Lines that launch it.
        about: The rest of the first comment.
        keys: In the order of the file.
        target: What the group builds, a dotted path; empty where it builds nothing.
        inherits: Options that it begins from.
    """

    commands: tuple[str, ...]
    about: str
    keys: tuple[Key, ...]
    target: str
    inherits: tuple[str, ...]


def read_file(path: Path) -> File:
    """Read one file of conf/; in a group, keys get the group's name in front."""
    lines = path.read_text().splitlines()
    node = yaml.compose("\n".join(lines))
    content = yaml.safe_load("\n".join(lines)) or {}
    head = [line for line in _head(lines) if line != _GLOBAL]
    group = "" if path.parent == CONF or _GLOBAL in lines else f"{path.parent.name}."
    keys = tuple(replace(key, name=group + key.name) for key in _keys(node, lines, "")) if node else ()
    target = str(content.get("_target_", ""))
    keys = tuple(_explained(key, target, group) for key in keys)
    words = [line.removeprefix("#").strip() for line in head]
    return File(
        commands=tuple(word for word in words if word.startswith("python -m ")),
        about=" ".join(word for word in words if not word.startswith("python -m ")),
        keys=keys,
        target=target,
        inherits=tuple(item for item in content.get("defaults", []) if isinstance(item, str) and item != "_self_"),
    )


def _head(lines: list[str]) -> list[str]:
    """Return the comment with which a file begins."""
    end = next((place for place, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return lines[:end]


def _keys(node: yaml.MappingNode, lines: list[str], prefix: str) -> Iterator[Key]:
    for key, value in node.value:
        name = f"{prefix}{key.value}"
        if (not prefix and key.value in _NOT_KEYS) or key.value in ("_target_", "_partial_"):
            continue
        if isinstance(value, yaml.MappingNode) and value.value:
            yield from _keys(value, lines, f"{name}.")
        else:
            yield Key(name, _written(value), _comment(key, value, lines))


def _written(value: yaml.Node) -> str:
    """Write a value on one line, a number as the file has it."""
    if isinstance(value, yaml.ScalarNode):
        return str(value.value) if value.style is None else f'"{value.value}"'
    loaded = yaml.SafeLoader("").construct_object(value, deep=True)
    return yaml.safe_dump(loaded, default_flow_style=True, width=10_000).strip()


def _comment(key: yaml.Node, value: yaml.Node, lines: list[str]) -> str:
    """Return the comment behind a value and its further lines, or the lines of comment above its key."""
    end = value.end_mark if not isinstance(value, yaml.SequenceNode) or value.flow_style else value.start_mark
    found = re.match(r"[^#]*#\s?(.*)", lines[end.line][end.column :]) if end.line < len(lines) else None
    if found:
        told = [found[1]]
        for line in lines[end.line + 1 :]:
            further = re.match(r"\s{8,}#\s?(.*)", line)
            if further is None:
                break
            told.append(further[1])
        return " ".join(told)
    above: list[str] = []
    first = len(_head(lines))
    place = key.start_mark.line - 1
    while place >= first and re.match(r" {0,7}#", lines[place]):
        above.insert(0, lines[place].strip().removeprefix("#").strip())
        place -= 1
    return " ".join(above)


def _explained(key: Key, target: str, group: str) -> Key:
    """Give a key without a comment the meaning that the schema or the built object's docstring has for it."""
    if key.meaning:
        return key
    section, _, field = key.name.partition(".")
    if section in _SCHEMAS:
        return replace(key, meaning=schema_comments(_SCHEMAS[section]).get(field, ""))
    if not group or not target:
        return key
    argument = key.name.removeprefix(group)
    told = _argument(target, argument) if target.split(".")[0] in _OURS else ""
    return replace(key, meaning=told or f"`{argument.split('.')[0]}` of `{target}`")


@cache
def schema_comments(name: str) -> dict[str, str]:
    """Return the comment beside each field of a schema."""
    return {field: comment for field, (_, comment) in schema_fields(name).items()}


@cache
def schema_fields(name: str) -> dict[str, tuple[str, str]]:
    """Return the type of each field of a schema, and the comment beside it."""
    text = SCHEMA.read_text()
    lines = text.splitlines()
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            for item in node.body:
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                    behind = lines[item.end_lineno - 1][item.end_col_offset :] if item.end_lineno else ""
                    comment = behind.partition("#")[2].strip()
                    found[item.target.id] = (ast.unparse(item.annotation), comment)
    if not found:
        raise ValueError(f"{SCHEMA}: expected a class {name}, got none")
    return found


def _argument(target: str, argument: str) -> str:
    """Find what a docstring says of an argument: that of the target, or of the function that it refers to."""
    path, name = _source_of(target)
    texts = {
        node.name: ast.get_docstring(node) or ""
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }
    text = texts.get(name, "")
    for doc in (text, *(texts.get(other, "") for other in re.findall(r":func:`(\w+)`", text))):
        found = re.search(rf"^    {re.escape(argument)}: (.+?)(?=^    \S|^\S|\Z)", doc, flags=re.M | re.S)
        if found:
            return " ".join(found[1].split()).rstrip(".")
    return ""


def _source_of(target: str) -> tuple[Path, str]:
    """Return the file that defines a dotted path, following a package's own imports, and the object's name."""
    module, _, name = target.rpartition(".")
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ValueError(f"{target}: expected an object of a module, got none")
    path = Path(spec.origin)
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module and any(item.name == name for item in node.names):
            return _source_of(f"{node.module}.{name}")
    return path, name


def reference() -> str:
    """Write the page."""
    told = _meanings()
    commands = sorted(CONF.glob("*.yaml"), key=lambda path: (path.stem != "config", path.stem))
    groups = sorted(path for path in CONF.iterdir() if path.is_dir() and path.name not in ("hydra", "__pycache__"))
    parts = [_INTRO, "## Commands"]
    for path in commands:
        name = "train" if path.stem == "config" else path.stem
        parts += [f"### experiments.{name}", *_described(_filled(read_file(path), told), _chosen(path))]
    parts.append("## Groups")
    for folder in groups:
        parts.append(f"### {folder.name}")
        for path in sorted(folder.glob("*.yaml")):
            parts += [f"**`{folder.name}={path.stem}`**", *_described(_filled(read_file(path), told), "")]
            if folder.name == "study":
                parts += _swept(path)
    parts += ["## Keys of every study", _table(_study_keys())]
    return "\n\n".join(part for part in parts if part) + "\n"


def _meanings() -> dict[str, str]:
    """Return the meaning of each key of a group from the option that explains it: "default" and the shortest first."""
    found: dict[str, str] = {}
    for path in sorted(CONF.glob("*/*.yaml"), key=lambda path: (path.stem != "default", len(path.stem), path.stem)):
        found = {key.name: key.meaning for key in read_file(path).keys if key.meaning} | found
    return found


def _filled(file: File, told: dict[str, str]) -> File:
    """Explain keys as other options of their group do, and keys of a section as the file's other sections do."""
    own = {key.name.rpartition(".")[2]: key.meaning for key in reversed(file.keys) if key.meaning}
    keys = [
        replace(key, meaning=key.meaning or told.get(key.name) or own.get(key.name.rpartition(".")[2], ""))
        for key in file.keys
    ]
    return replace(file, keys=tuple(keys))


def _chosen(path: Path) -> str:
    """Say which option of each group a command begins with."""
    chosen = [
        f"{group.removeprefix('override ').strip('/')}={'null' if option is None else option}"
        for item in yaml.safe_load(path.read_text())["defaults"]
        if isinstance(item, dict)
        for group, option in item.items()
        if "hydra/" not in group
    ]
    return f"Begins with {', '.join(f'`{item}`' for item in chosen)}." if chosen else ""


def _described(file: File, chosen: str) -> list[str]:
    begins = ", ".join(f"`{item}`" for item in file.inherits if not item.endswith("schema") and item != "config")
    inherits = f"As {begins}, but:" if begins and file.keys else ""
    builds = f"Builds `{file.target}`." if file.target not in ("", "???") else ""
    launch = "```\n" + "\n".join(file.commands) + "\n```" if file.commands else ""
    return [" ".join(text for text in (file.about, builds, chosen, inherits) if text), launch, _table(file.keys)]


def _swept(path: Path) -> list[str]:
    content = yaml.safe_load(path.read_text())
    params = ((content.get("hydra") or {}).get("sweeper") or {}).get("params") or {}
    return [f"Sweeps {'; '.join(f'`{key}={value}`' for key, value in params.items())}."] if params else []


def _study_keys() -> tuple[Key, ...]:
    """Return the keys that any study may set, with their types for want of a default in conf/."""
    return tuple(
        Key(f"study.{field}", kind, comment) for field, (kind, comment) in schema_fields("StudySchema").items()
    )


def _table(keys: tuple[Key, ...]) -> str:
    if not keys:
        return ""
    head = "| key | default | meaning |" if not keys[0].name.startswith("study.") else "| key | value | meaning |"
    rows = [f"| `{key.name}` | {_code(key.default)} | {_plain(key.meaning)} |" for key in keys]
    return "\n".join([head, "|---|---|---|", *rows])


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def _plain(text: str) -> str:
    """Escape what Markdown would read as markup: pipes, and stars and tags outside code."""
    return re.sub(r"([|*<])", r"\\\1", text)


if __name__ == "__main__":
    PAGE.write_text(reference())
    print(f"{PAGE.relative_to(ROOT)}: {PAGE.read_text().count(chr(10) + '| `')} keys")
