"""Data flows one way; nothing imports upwards; commands that need no torch do not load it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

FORBIDDEN = {
    "losses": ("experiments", "hydra", "omegaconf", "segmentation_models_pytorch", "torchvision", "pandas", "scipy"),
    "experiments/frontier": (
        "losses",
        "hydra",
        "omegaconf",
        "matplotlib",
        "segmentation_models_pytorch",
        "accelerate",
        "experiments.training",
        "experiments.data",
        "experiments.report",
        "experiments.run_store",
    ),
    "experiments/comparison": ("torch", "losses", "hydra", "matplotlib", "experiments.report", "experiments.training"),
    "experiments/calibration": ("torch", "losses", "accelerate", "experiments.training", "experiments.data"),
    "experiments/report": ("torch", "losses", "accelerate", "experiments.training", "experiments.data"),
    "experiments/data": ("experiments.training", "experiments.report", "experiments.frontier", "losses"),
    "experiments/training": (
        "experiments.report",
        "experiments.study",
        "experiments.train",
        "experiments.compare",
    ),
}


def imported_names(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("layer", FORBIDDEN)
def test_a_layer_imports_nothing_above_it(layer):
    files = sorted((ROOT / layer).rglob("*.py"))
    assert files
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imported_names(path)
        if any(name == taboo or name.startswith(f"{taboo}.") for taboo in FORBIDDEN[layer])
    ]
    assert not wrong


def test_only_score_counts_imports_torch_in_frontier():
    users = [p.name for p in (ROOT / "experiments/frontier").glob("*.py") if "torch" in set(imported_names(p))]
    assert users == ["score_counts.py"]


@pytest.mark.parametrize(
    "module",
    [
        "experiments.train",
        "experiments.compare",
        "experiments.calibrate",
        "experiments.checklist",
        "experiments.check_loss",
    ],
)
def test_commands_start_without_torch(module):
    code = f"import sys, {module}; sys.exit(any(m in sys.modules for m in ('torch', 'matplotlib.pyplot', 'timm')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
