"""The package needs only torch, uses numba if it is installed, and exports its documented names."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import losses

PACKAGE = Path(losses.__file__).parent


def _imported(source: str) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            modules.add(node.module or "")
    return {module.partition(".")[0] for module in modules}


def test_sources_import_torch_and_numpy_and_two_of_them_numba() -> None:
    sources = sorted(PACKAGE.rglob("*.py"))
    assert len(sources) >= 4
    for source in sources:
        foreign = _imported(source.read_text(encoding="utf-8")) - sys.stdlib_module_names - {"torch", "numpy", "losses"}
        compiled = source.name in ("_loops.py", "planes.py")
        assert foreign == ({"numba"} if compiled else set()), f"{source.name} imports {foreign}"


def test_importing_losses_loads_no_other_part_of_the_project() -> None:
    code = "import sys, losses; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    loaded = set(run.stdout.split())
    assert {"losses", "torch"} <= loaded
    assert not loaded & {"experiments", "hydra", "omegaconf", "segmentation_models_pytorch", "torchvision", "pandas"}


def test_public_names() -> None:
    classes = {name for name in losses.__all__ if isinstance(getattr(losses, name), type)}
    assert classes == {
        "AveragePrecisionLoss",
        "BoundaryLoss",
        "CombinedLoss",
        "DiceLoss",
        "FocalLoss",
        "FocalTverskyLoss",
        "SkeletonRecallLoss",
        "TverskyLoss",
        "WeightedBCELoss",
    }
    assert all(getattr(losses, name).__doc__ for name in losses.__all__)
