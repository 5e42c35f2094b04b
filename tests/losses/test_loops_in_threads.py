"""The loops in threads, called directly: each piece is processed once, by the same loop."""

from __future__ import annotations

import numpy as np
import pytest

_kernels = pytest.importorskip("losses.kernels._loops", exc_type=ImportError)
planes_module = pytest.importorskip("losses.kernels.planes", exc_type=ImportError)

PLANES, PIXELS = 3, 7


def _planes() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (PLANES, PIXELS)).astype(np.float32)
    return logits, (rng.random((PLANES, PIXELS)) < 0.3).astype(np.uint8)


@pytest.mark.parametrize("bounds", [[0, 1, 3], [0, 0, 3], [0, 3]])
@pytest.mark.parametrize("gamma", [0.0, 1.5, 2.2])
def test_shared_pieces_add_up_to_one_loop(bounds: list[int], gamma: float) -> None:
    logits, labels = _planes()
    weights = np.array([1.0, 4.0, 0.5], np.float32)
    alone, together = (np.full_like(logits, np.nan) for _ in range(2))
    sums, shared = np.zeros((PLANES, 1, 2)), np.zeros((PLANES, 1, 2))
    given = (logits, labels, None, weights, gamma, 0.5)
    _kernels.pixel_sums(*given, alone, sums, 0, PLANES)
    _kernels.pixel_sums_in_threads(*given, together, shared, np.array(bounds))
    np.testing.assert_allclose(shared, sums, rtol=1e-6)
    np.testing.assert_allclose(together, alone, rtol=1e-5)

    counts, shared_counts = np.zeros((PLANES, 1, 4)), np.zeros((PLANES, 1, 4))
    _kernels.count_sums(logits, labels, None, alone, counts, 0, PLANES)
    _kernels.count_sums_in_threads(logits, labels, None, together, shared_counts, np.array(bounds))
    np.testing.assert_allclose(shared_counts, counts, rtol=1e-6)
    assert counts[:, 0, 2].tolist() == labels.sum(axis=1).tolist()

    factors = np.array([2.0, 3.0, 5.0], np.float32), np.array([7.0, 11.0, 13.0], np.float32)
    expected = alone * np.where(labels == 0, factors[0][:, None], factors[1][:, None])
    _kernels.weigh_planes_in_threads(together, *factors, 1, np.array(bounds))
    np.testing.assert_allclose(together, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("allowed", "planes", "shares", "expected"),
    [(1, 3, 8, 1), (2, 3, 8, 2), (9, 3, 8, 4), (9, 3, 0.9, 1), (9, 3, 2, 2), (9, 3, 3, 3)],
)
def test_no_more_threads_than_allowed_started_or_worth_waking(
    allowed: int, planes: int, shares: float, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four threads are started. What is shared is a multiple of the least share of a thread."""
    parts: list[int] = []
    monkeypatch.setattr(_kernels, "weigh_planes", lambda *arguments: parts.append(1))
    monkeypatch.setattr(_kernels, "weigh_planes_in_threads", lambda bounds: parts.append(len(bounds) - 1))
    monkeypatch.setattr(planes_module, "_most_threads", lambda: 4)
    monkeypatch.setattr("numba.set_num_threads", lambda threads: None)
    pixels = np.empty((planes, round(shares * planes_module._LEAST_SHARE / planes) + 1), np.float32)
    planes_module._with_threads("weigh_planes", allowed, pixels)
    assert parts == [expected]
