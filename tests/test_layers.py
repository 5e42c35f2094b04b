"""The law of the house: data flows one way, nothing imports upwards or in a circle, and folders can be looked over.

Within a function and for types counts as much as at the top of a file.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOUSE = ROOT / "experiments"

# From the ground to the roof; a folder counts with all that lies below it. The commands come last.
LAYERS = (
    "process",
    "config",
    "checks",
    "data",
    "frontier",
    "inference",
    "runs",
    "tracking",
    "predictions",
    "comparison",
    "criteria",
    "evaluation",
    "training",
    "application",
    "report",
    "inspection",
    "audit",
    "cli",
    "launch",
)
COMMANDS = (
    "train",
    "compare",
    "score",
    "thresholding",
    "checklist",
    "calibrate",
    "check_loss",
    "inspect",
    "predict",
    "tune",
)
MOST_FILES = 12  # in a folder, beside its __init__

# What takes so long to import that a command does not wait for it unless it needs it, and what may not be there.
SLOW = ("numpy", "pandas", "scipy", "torch", "matplotlib", "joblib", "numba", "PIL", "accelerate", "torchvision")
OPTIONAL = ("skimage", "tifffile", "mlflow", "optuna", "submitit", "ray")

MODELS = ("torch", "losses", "segmentation_models_pytorch", "accelerate")
FORBIDDEN = {
    "losses": ("experiments", "hydra", "omegaconf", "segmentation_models_pytorch", "torchvision", "pandas", "scipy"),
    **dict.fromkeys(
        ("experiments/frontier", "experiments/inference", "experiments/comparison"),
        (*MODELS, "hydra", "omegaconf", "matplotlib"),
    ),
    "experiments/checks": ("torch", "pandas", "scipy"),
    **dict.fromkeys(("experiments/runs", "experiments/predictions"), (*MODELS, "matplotlib")),
    **dict.fromkeys(
        ("experiments/report", "experiments/audit"),
        (*MODELS, *(f"experiments.{layer}" for layer in ("data", "criteria", "evaluation", "training"))),
    ),
    "experiments/data": ("losses", "matplotlib", "pandas", "experiments.frontier", "experiments.runs"),
}


def imported_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def address(path: Path) -> str:
    return str(path.relative_to(ROOT)).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


FILES = {address(path): path for path in sorted(HOUSE.rglob("*.py"))}


def own_files(path: Path) -> Iterator[str]:
    """The project's modules that a file takes names from; what a package hands out comes from the package."""
    for name in imported_names(path):
        yield from [found for found in (name, name.rpartition(".")[0]) if found in FILES][:1]


IMPORTS = {module: set(own_files(path)) - {module, "experiments"} for module, path in FILES.items()}


def layer_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def rank(module: str) -> int:
    return (*LAYERS, *COMMANDS).index(layer_of(module)) if layer_of(module) in LAYERS else len(LAYERS)


def test_every_file_has_its_layer():
    found = {layer_of(module) for module in FILES} - {""}
    assert found == {*LAYERS, *COMMANDS}


def test_nothing_imports_upwards():
    upwards = {(module, name) for module, names in IMPORTS.items() for name in names if rank(name) > rank(module)}
    assert not upwards


def circles(graph: dict[str, set[str]]) -> set[tuple[str, ...]]:
    """Find the groups of modules that reach each other."""
    reach = {module: set(names) for module, names in graph.items()}
    while any(grown := [module for module in reach if reach[module] < _one_further(reach, module)]):
        for module in grown:
            reach[module] = _one_further(reach, module)
    return {
        tuple(sorted(other for other in reach[module] if module in reach[other]))
        for module in reach
        if module in reach[module]
    }


def _one_further(reach: dict[str, set[str]], module: str) -> set[str]:
    return reach[module].union(*(reach[name] for name in reach[module]))


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == {("b", "c")}


def test_no_circle():
    assert not circles(IMPORTS)


@pytest.mark.parametrize("layer", FORBIDDEN)
def test_a_layer_keeps_to_its_libraries(layer):
    files = sorted((ROOT / layer).rglob("*.py"))
    assert files
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imported_names(path)
        if any(name == taboo or name.startswith(f"{taboo}.") for taboo in FORBIDDEN[layer])
    ]
    assert not wrong


def test_a_folder_can_be_looked_over():
    folders = {path.parent for path in FILES.values()} - {HOUSE}
    counts = {folder: len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) for folder in folders}
    full = {str(folder.relative_to(ROOT)): count for folder, count in counts.items() if count > MOST_FILES}
    assert not full


def test_the_tests_mirror_the_house():
    folders = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("*.py")} - {Path(".")}
    strangers = [
        folder
        for folder in folders
        if not (HOUSE / folder / "__init__.py").exists() and str(folder) not in ("losses", "benchmarks", "tools")
    ]
    assert not strangers


def test_every_folder_is_packaged():
    packages = {address(path) for path in FILES.values() if path.name == "__init__.py"} | {"experiments.conf", "losses"}
    text = (ROOT / "pyproject.toml").read_text()
    listed = text.split("packages = [\n", 1)[1].split("]\n", 1)[0]
    packages |= {f"hydra_plugins.{path.parent.name}" for path in ROOT.glob("hydra_plugins/*/__init__.py")}
    assert {line.strip().strip('",') for line in listed.splitlines()} == packages


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Walk what runs when a file is imported: not within functions, and not what is for types alone."""
    for node in body:
        yield node
        if isinstance(node, ast.Try | ast.ClassDef | ast.With) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test)
        ):
            yield from statements(node.body)


def names_in(nodes: Iterator[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


HOMES = {**FILES, **{address(path): path for path in sorted((ROOT / "losses").rglob("*.py"))}}
AT_ONCE = {module: set(names_in(statements(ast.parse(path.read_text()).body))) for module, path in HOMES.items()}


def modules_on_the_way(name: str) -> list[str]:
    """A package is imported before what is in it."""
    parts = name.split(".")
    return [found for end in range(1, len(parts) + 1) if (found := ".".join(parts[:end])) in HOMES]


def slow_ones(name: str) -> set[str]:
    """The slow libraries that importing a name brings."""
    seen: set[str] = set()
    to_do, slow = [name], set()
    while to_do:
        wanted = to_do.pop()
        slow |= {library for library in SLOW if wanted.split(".")[0] == library}
        fresh = [module for module in modules_on_the_way(wanted) if module not in seen]
        seen.update(fresh)
        to_do += [inner for module in fresh for inner in AT_ONCE[module]]
    return slow


@pytest.mark.parametrize("module", FILES)
def test_imports_within_functions_spare_time(module):
    """An import stands at the top, unless a command would wait for a slow library that it may not need."""
    tree = ast.parse(FILES[module].read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    within = {name for function in functions for name in names_in(ast.walk(function))}
    before = slow_ones(module)
    spared_nothing = {
        name
        for name in within
        if not (slow_ones(name) - before or name.startswith(("matplotlib", "torch._dynamo", *OPTIONAL)))
    }
    assert not spared_nothing


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_start_without_torch(command):
    code = (
        f"import sys, experiments.{command}; "
        "sys.exit(any(m in sys.modules for m in ('torch', 'matplotlib.pyplot', 'timm')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    ("command", "arguments", "spared"),
    [
        ("train", ["loss=nothing"], ("torch", "pandas")),
        ("train", ["study=nothing", "seed=0,1"], ("torch", "pandas")),
        ("compare", ["study_dir=nowhere"], ("torch", "scipy", "matplotlib")),
    ],
)
def test_a_command_refused_at_sight_imports_nothing_slow(command, arguments, spared, tmp_path):
    code = (
        f"import sys; sys.argv[1:] = {arguments}\nfrom experiments.{command} import main\n"
        f"try: main()\nfinally: print([name for name in {spared} if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (2, "[]"), done.stderr


def test_an_option_that_is_not_there_hides_no_error_of_a_user_s_own_data(tmp_path):
    words = ["loss=nothing", "data=image_folder", f"data.root={tmp_path / 'nowhere'}"]
    command = [sys.executable, "-m", "experiments.train", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert "loss=nothing: expected one of" in done.stderr
    assert f"{tmp_path / 'nowhere'} is missing" in done.stderr
