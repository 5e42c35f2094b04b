"""The loops that numba compiles: their exponential and logarithm, and their work in pieces."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

import losses
import losses.kernels
from losses import DiceLoss, FocalLoss, WeightedBCELoss, focal_loss, weighted_bce_loss

numba = pytest.importorskip("numba")
kernels = pytest.importorskip("losses.kernels._loops")
planes = pytest.importorskip("losses.kernels.planes")

Z = np.concatenate([np.linspace(-110, 110, 4001), [0.0, -0.0, 1e-30, -1e-30, 1e-6, -1e-6, 88.0, -88.0]])
LARGE = (2, 2, 150, 501)  # planes of two pieces and a part of a third, which does not end with a stretch


def _large() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(4)
    logits = 4 * torch.randn(LARGE, generator=rng) - 2
    assert LARGE[2] * LARGE[3] % kernels._STRETCH != 0
    assert 2 * kernels.PIECE < LARGE[2] * LARGE[3] < 3 * kernels.PIECE
    return logits, torch.rand(LARGE, generator=rng) < 0.05, torch.rand(LARGE, generator=rng) < 0.9


@pytest.mark.parametrize("label", [0, 1])
def test_a_slope_of_cross_entropy_is_the_sigmoid_to_the_last_digits(label: int) -> None:
    x = Z.astype(np.float32)[None]
    slope = np.empty_like(x)
    labels = np.full(x.shape, label, np.uint8)
    planes.pixel_sum(x, labels, None, weights=np.ones(1, np.float32), gamma=0, scale=1, slope=slope, threads=1)
    z = x.astype(np.float64) * (1 - 2 * label)
    expected = np.where(z > 0, 1 / (1 + np.exp(-np.abs(z))), np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))))
    np.testing.assert_allclose(slope * (1 - 2 * label), expected, rtol=3e-7, atol=2 * np.finfo(np.float32).tiny)


def test_each_value_of_cross_entropy_is_right_to_the_last_digits() -> None:
    for z in Z.astype(np.float32):
        got = weighted_bce_loss(torch.full((1, 1, 1, 1), float(z)), torch.zeros(1, 1, 1, 1)).item()
        expected = max(float(z), 0.0) + math.log1p(math.exp(-abs(float(z))))
        assert got == pytest.approx(expected, rel=3e-7, abs=2 * float(np.finfo(np.float32).tiny))


@pytest.mark.parametrize("z", [math.inf, -math.inf, math.nan, 3e38, -3e38])
def test_what_is_no_ordinary_number_stays_so(z: float) -> None:
    x = torch.full((1, 1, 1, 1), z, requires_grad=True)
    loss = weighted_bce_loss(x, torch.zeros(1, 1, 1, 1))
    loss.backward()
    assert x.grad is not None
    if math.isnan(z):
        assert loss.isnan() and x.grad.isnan()
    else:
        assert loss.item() == pytest.approx(max(z, 0.0))
        assert x.grad.item() == (1.0 if z > 0 else 0.0)


@pytest.mark.parametrize("gamma", [0.25, 0.5, 1.0, 1.3, 1.5, 2.0, 2.5, 3.0, 5.0, 17.0])
def test_every_gamma_agrees_with_double_precision(gamma: float) -> None:
    logits, target, valid = _large()
    results = []
    for x in (logits.clone(), logits.double()):
        loss = focal_loss(x.requires_grad_(), target, valid, gamma=gamma, positive_weight=0.75)
        loss.backward()
        results.append((loss.detach().double(), x.grad.double()))
    torch.testing.assert_close(results[0][0], results[1][0], rtol=1e-6, atol=0)
    torch.testing.assert_close(results[0][1], results[1][1], rtol=2e-5, atol=1e-12)


@pytest.mark.parametrize("loss", [WeightedBCELoss(pos_weight=[3.0, 42.0]), FocalLoss(), DiceLoss()], ids=str)
@pytest.mark.parametrize("with_valid", [False, True])
@pytest.mark.parametrize("dtype", [torch.bool, torch.float32])
def test_large_planes_agree_with_double_precision(loss: nn.Module, with_valid: bool, dtype: torch.dtype) -> None:
    logits, target, valid = _large()
    arguments = (target.to(dtype), valid if with_valid else None)
    results = []
    for x in (logits.clone(), logits.double()):
        value = loss(x.requires_grad_(), *arguments)
        value.backward()
        results.append((value.detach().double(), x.grad.double()))
    torch.testing.assert_close(results[0][0], results[1][0], rtol=1e-6, atol=0)
    torch.testing.assert_close(results[0][1], results[1][1], rtol=2e-6, atol=1e-14)


@pytest.mark.parametrize("loss", [WeightedBCELoss(), FocalLoss(), DiceLoss()], ids=str)
def test_the_number_of_threads_changes_no_bit(loss: nn.Module, restored_threads: None) -> None:
    logits, target, _ = _large()
    results = []
    for threads in (1, 2, 1):
        torch.set_num_threads(threads)
        x = logits.clone().requires_grad_()
        value = loss(x, target)
        value.backward()
        results.append((value.detach(), x.grad))
    for value, gradient in results[1:]:
        assert torch.equal(value, results[0][0])
        assert torch.equal(gradient, results[0][1])


def test_two_python_threads_may_train_at_once() -> None:
    logits, target, _ = _large()

    def train(seed: int) -> torch.Tensor:
        x = (logits + seed).requires_grad_()
        (FocalLoss()(x, target) + DiceLoss()(x, target)).backward()
        return x.grad

    alone = [train(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(train, [0, 1, 2, 3] * 3))
    assert all(torch.equal(got, alone[index % 4]) for index, got in enumerate(together))


def test_where_nothing_can_be_kept_on_disk_the_kernels_compile_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = numba.njit

    def no_folder(*, cache: bool = False, **options: object) -> object:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return plain(**options)

    monkeypatch.setattr(numba, "njit", no_folder)
    double = kernels._compiled()(lambda x: 2 * x)
    assert double(3) == 6
    assert double.signatures


def test_without_numba_the_losses_work_and_agree() -> None:
    code = (
        "import sys; {block}\n"
        "import torch, losses\n"
        "assert {check}, sorted(sys.modules)\n"
        "rng = torch.Generator().manual_seed(0)\n"
        "x, t = torch.randn(2, 3, 9, 9, generator=rng), torch.rand(2, 3, 9, 9, generator=rng) < 0.1\n"
        "print(losses.DiceLoss()(x, t).item(), losses.FocalLoss()(x, t).item())\n"
    )
    printed = []
    for block, check in (("sys.modules['numba'] = None", "True"), ("pass", "'numba' not in sys.modules")):
        run = subprocess.run(
            [sys.executable, "-c", code.format(block=block, check=check)],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(losses.__file__).parent.parent,
        )
        printed.append([float(value) for value in run.stdout.split()])
    assert printed[0] == pytest.approx(printed[1], rel=1e-6)


def test_where_the_kernels_cannot_be_imported_torch_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a word where numba is not installed, with a warning where it is and does not work."""
    find = losses.kernels._compiled_kernels.__wrapped__
    for name in ("by_numba", "planes", "_loops"):
        monkeypatch.delattr(losses.kernels, name, raising=False)
        monkeypatch.delitem(sys.modules, f"losses.kernels.{name}", raising=False)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "losses.kernels.planes", None)
        assert find() is None
    # numba is there, and lacks what the kernels take from it, as one that does not fit numpy does.
    monkeypatch.setitem(sys.modules, "losses.kernels._loops", ModuleType("losses.kernels._loops"))
    with pytest.warns(UserWarning, match="numba cannot be used, torch's slower operations are: cannot import name"):
        assert find() is None


def test_a_forked_process_has_a_turn_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that held the lock does not exist in the child."""
    monkeypatch.setattr(planes, "_turn", threading.Lock())
    assert planes._turn.acquire()
    planes._new_turn()
    assert not planes._turn.locked()


def test_bytes_of_255_seen_as_bool_are_refused() -> None:
    target = torch.full((1, 1, 2, 2), 255, dtype=torch.uint8).view(torch.bool)
    for loss in (WeightedBCELoss(), FocalLoss(), DiceLoss()):
        with pytest.raises(ValueError, match=r"target is bool.*mask != 0"):
            loss(torch.zeros(1, 1, 2, 2), target)


_SETUP = """
import os, numba, torch
from losses import DiceLoss
x, t = torch.randn(2, 3, 256, 256), torch.rand(2, 3, 256, 256) < 0.1
"""


def _in_a_process(code: str) -> str:
    run = [sys.executable, "-c", _SETUP + code]
    done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=120, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which this system lacks")
def test_a_forked_process_of_one_thread_computes_the_same() -> None:
    # torch's own operations with several threads hang in such a process too, so it has one, as workers do.
    code = """
torch.set_num_threads(2)
expected = DiceLoss()(x, t).item()
torch.set_num_threads(1)
child = os.fork()
if child == 0:
    os._exit(0 if DiceLoss()(x, t).item() == expected else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert _in_a_process(code).split() == ["0"]


def test_threads_of_torch_and_of_other_compiled_code_stay_as_they_were() -> None:
    code = """
torch.set_num_threads(2)
DiceLoss()(x, t)
print(torch.get_num_threads())
numba.set_num_threads(1)
torch.set_num_threads(2)
DiceLoss()(x, t)
print(torch.get_num_threads(), numba.get_num_threads())
"""
    assert _in_a_process(code).split() == ["2", "2", "1"]
