"""The machine and the versions that the numbers were measured with."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

PACKAGES = (
    "torch",
    "torchvision",
    "segmentation-models-pytorch",
    "monai",
    "torchmetrics",
    "scikit-learn",
    "numpy",
    "numba",
    "lossfrontier",
)


def machine_text() -> str:
    """Name processor, its vectors, cores, memory, system and Python."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    processor = f"{_processor()} ({torch.backends.cpu.get_cpu_capability()})"
    return (
        f"{processor}, {os.cpu_count()} cores, {memory:.0f} GiB memory, {platform.system()}, "
        f"Python {platform.python_version()}"
    )


def versions_text() -> str:
    """Name the versions of the packages involved."""
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} not installed")
    return ", ".join(found)


def load_text() -> str:
    """Say how busy the machine is with other work."""
    return f"load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "load unknown"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
