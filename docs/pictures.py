"""Notes what every picture of docs/figures was drawn by, in docs/figures/pictures.csv; a test compares with today.

    python docs/pictures.py                 # after drawing pictures anew: notes those whose file has changed
    python docs/pictures.py NAME ...        # notes these too: drawn anew, they are the same to the byte
    python docs/pictures.py --old WHY NAME  # these are kept as they are, for a reason that is noted too

Noted are the command that stands above the picture in the documentation, the configuration that it composes, as far as
results depend on it, and the code that draws (its syntax, without comments and docstrings).
"""

from __future__ import annotations

import ast
import csv
import hashlib
import re
import shlex
import sys
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "docs" / "figures"
TABLE = FIGURES / "pictures.csv"

_REPORT = "experiments/report"
_BY_OWN_CODE = {
    "page": f"{_REPORT}/page",
    "page_seesaw": f"{_REPORT}/page",
    "close_up": f"{_REPORT}/figures/frontier.py",
    "thresholding": f"{_REPORT}/thresholding/figure.py",
    "subgroups": f"{_REPORT}/subgroups/figure.py",
    "decomposition": f"{_REPORT}/figures/slide.py",
    **dict.fromkeys(
        ("more_data", "more_data_gains", "budget", "imbalance", "initialisation"),
        f"{_REPORT}/conditions/figure.py",
    ),
    **dict.fromkeys(("averages", "calibration", "roc"), f"{_REPORT}/figures/textbook/{{name}}.py"),
    **dict.fromkeys(("losses_tuned", "sampling", "sampling_logs"), f"{_REPORT}/figures/gains.py"),
}
"""The code that draws a picture, where it is not the module of its first word in experiments/report/figures."""


@dataclass(frozen=True)
class Picture:
    """What a picture was drawn by.

    Args:
        name: File name without its ending.
        picture: Digest of the file.
        command: The command above it in the documentation.
        config: Digest of the configuration that the command composes; empty where it trains nothing, or on data that
            are not part of the project.
        code: Digest of the code that draws it.
        kept: Why an older picture is kept; empty where command, configuration and code must be today's.
    """

    name: str
    picture: str
    command: str
    config: str
    code: str
    kept: str = ""


def noted() -> dict[str, Picture]:
    """Read the table."""
    with TABLE.open(newline="") as file:
        return {row["name"]: Picture(**row) for row in csv.DictReader(file)}


@cache
def today() -> dict[str, Picture]:
    """Describe every picture by the documentation and the code as they are."""
    commands = _commands()
    return {
        path.stem: Picture(
            path.stem,
            _digest(path.read_bytes()),
            commands.get(path.stem, ""),
            _config_digest(commands.get(path.stem, "")),
            _code_digest(path.stem),
        )
        for path in sorted(FIGURES.glob("*.png"))
    }


def outdated(old: Picture, new: Picture) -> list[str]:
    """Say what a picture was not drawn by: the command, configuration or code of today; or that it is not noted."""
    if old.picture != new.picture:
        return ["another file than noted: python docs/pictures.py"]
    if old.kept:
        return []
    return [what for what in ("command", "config", "code") if getattr(old, what) != getattr(new, what)]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _commands() -> dict[str, str]:
    """Find the last command above each picture; of several pages the gallery counts, then the first by name."""
    found: dict[str, str] = {}
    block_or_picture = re.compile(r"```\w*\n(.*?)```|\]\((?:docs/)?figures/(\w+)\.png\)", re.S)
    pages = sorted((ROOT / "docs").glob("*.md"), key=lambda page: (page.stem != "gallery", page.stem))
    for page in [*pages, ROOT / "README.md"]:
        command = ""
        for block, picture in block_or_picture.findall(page.read_text()):
            if picture:
                found.setdefault(picture, command)
            elif block.startswith("python -m experiments."):
                command = " ".join(block.replace("\\\n", " ").split())
    return found


@cache
def _config_digest(command: str) -> str:
    """Compose what a command trains, with the first value of each sweep, and digest what results depend on."""
    words = shlex.split(command)
    if words[:3] != ["python", "-m", "experiments.train"] or "$" in command:
        return ""
    from hydra import compose, initialize_config_module
    from omegaconf import OmegaConf

    import experiments.config  # noqa: F401  # registers the schemas
    from experiments.runs.fingerprint import fingerprint, result_config

    overrides = [word if "[" in word else word.split(",")[0] for word in words[3:] if not word.startswith("-")]
    with initialize_config_module("experiments.conf", version_base="1.3"):
        cfg = compose("config", overrides=overrides, return_hydra_config=True)
        swept = dict(cfg.hydra.sweeper.params or {})
        first = [f"{key}={str(value).split(',')[0]}" for key, value in swept.items() if "[" not in str(value)]
        given = dict(word.split("=", 1) for word in words[3:] if "=" in word)
        typed = set(given)
        arms = {f"sweep.{key}": str(given.get(key, value)) for key, value in swept.items()}
        cfg = compose("config", overrides=[*(each for each in first if each.split("=")[0] not in typed), *overrides])
    plain = OmegaConf.to_container(cfg, resolve=False)
    return fingerprint({**result_config(plain), **arms})[:12]  # type: ignore[arg-type]


def _code_digest(name: str) -> str:
    drawn_by = _BY_OWN_CODE.get(name, f"{_REPORT}/figures/{{name}}.py").format(name=name)
    path = ROOT / drawn_by
    while not path.exists() and "_" in path.stem:  # frontier_note is drawn by frontier
        path = path.with_name(f"{path.stem.rpartition('_')[0]}.py")
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    code = [file for file in files if file.suffix in (".py", ".js", ".css")]
    labels = ("labels",) if any("figures.labels import" in file.read_text() for file in code) else ()
    shared = [ROOT / _REPORT / "figures" / f"{shared}.py" for shared in ("style", "panels", "layout", *labels)]
    return _digest(b"".join(_meaning(file) for file in [*code, *shared]))


def _meaning(path: Path) -> bytes:
    """Return a file's syntax without comments and docstrings; other files than Python's as they are."""
    if path.suffix != ".py":
        return path.read_bytes()
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and len(body) > 1:
            node.body = [each for each in body if not _is_text(each)]  # type: ignore[attr-defined]
    return ast.unparse(tree).encode()


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def main() -> None:
    """Update the table."""
    given = sys.argv[1:]
    why = ""
    if given[:1] == ["--old"]:
        why, given = given[1], given[2:]
    before = noted() if TABLE.exists() else {}
    rows = []
    for name, picture in today().items():
        old = before.get(name)
        same = old is not None and old.picture == picture.picture and name not in given
        rows.append(old if same and old is not None else replace(picture, kept=why if name in given else ""))
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Picture)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(asdict, rows))
    print(f"{TABLE.relative_to(ROOT)}: {len(rows)} pictures")


if __name__ == "__main__":
    main()
