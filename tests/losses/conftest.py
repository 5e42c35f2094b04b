"""The losses compute in two ways: by numba's loops on a CPU, and by torch's operations everywhere else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

import losses.kernels


@pytest.fixture(params=["numba", "torch"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test once each way, whatever the device."""
    if request.param == "torch":
        monkeypatch.setattr(losses.kernels, "_compiled_kernels", lambda: None)
    else:
        pytest.importorskip("numba")
    return str(request.param)


@pytest.fixture
def restored_threads() -> Iterator[None]:
    """Let a test set torch's number of threads."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
