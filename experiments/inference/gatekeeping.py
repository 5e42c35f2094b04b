"""Arms first, masks second: one level for both statements, passed on from what has been rejected to what has not."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

TO_MASKS = 0.2
"""Share of its level that a rejected arm gives to its own masks; the other arms get the rest."""

FOR_MASKS = 0.1
"""Share of the level that all masks have from the start: an arm that trades one mask for another has no mean gain."""

_LEFTOVER = 1e-9
"""Share of its level that a rejected mask gives to the other arms while it has siblings: in effect, after the last."""


def gated_holm(arms: ArrayLike, masks: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Adjust the p values of A arms, and of M masks in each, so that all claims together keep one level.

    A sequentially rejective procedure on a graph. At first the arms share the level, but for `FOR_MASKS` of it, which
    all masks share. A rejected arm passes `TO_MASKS` of what it has to its own masks and the rest to the other arms; a
    rejected mask passes what it has to the other masks of its arm, and the last one to the other arms. So the
    probability of any false claim about an arm or a mask is at most the level, and with one mask it is Holm's
    correction over the arms.

    Args:
        arms: (A,), p values; NaN is no test, and its masks none.
        masks: (A, M), p values; NaN is no test. Where an arm has one mask they are one test, and share its result.

    Returns:
        Adjusted p values (A,) and (A, M), not cut at 1: a claim at level a has an adjusted value below a.

    Reference: Bretz, Maurer, Brannath & Posch 2009, algorithm 1.

    >>> [p.round(3).tolist() for p in gated_holm([0.001, 0.04], [[0.002, 0.2], [0.03, 0.5]])]
    [[0.002, 0.049], [[0.029, 0.4], [0.12, 0.5]]]
    """
    arm_p, mask_p = np.asarray(arms, np.float64), np.array(masks, np.float64, ndmin=2)
    mask_p = np.where(np.isnan(arm_p)[:, None], np.nan, mask_p)
    alone = (~np.isnan(mask_p)).sum(axis=1) == 1
    tested = np.where(alone[:, None], np.nan, mask_p)
    p = np.concatenate([arm_p, tested.ravel()])
    adjusted = _rejective(p, *_graph(p, len(arm_p), mask_p.shape[1]))
    of_arms, of_masks = adjusted[: len(arm_p)], adjusted[len(arm_p) :].reshape(mask_p.shape)
    shared = alone[:, None] & ~np.isnan(mask_p)
    return of_arms, np.where(shared, of_arms[:, None], of_masks)


def _graph(p: NDArray[np.float64], n_arms: int, n_masks: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights (N,) and transitions (N, N) over the arms, then the masks of each arm; none for what is not tested."""
    made = ~np.isnan(p)
    arm_of = np.concatenate([np.arange(n_arms), np.repeat(np.arange(n_arms), n_masks)])
    is_arm = np.arange(len(p)) < n_arms
    arms, masks = made & is_arm, made & ~is_arm
    own = FOR_MASKS if masks.any() else 0.0
    weights = np.zeros(len(p))
    for kind, share in ((arms, 1.0 - own), (masks, own)):
        weights[kind] = share / max(int(kind.sum()), 1)
    transitions = np.zeros((len(p), len(p)))
    for node in np.flatnonzero(made):
        others = arms & (arm_of != arm_of[node])
        family = made & ~is_arm & (arm_of == arm_of[node])
        family[node] = False
        if is_arm[node]:
            shares = (TO_MASKS if others.any() else 1.0, 1.0 - TO_MASKS if family.any() else 1.0)
        else:
            shares = (1.0 - _LEFTOVER if others.any() else 1.0, _LEFTOVER if family.any() else 1.0)
        for group, share in zip((family, others), shares, strict=True):
            if group.any():
                transitions[node, group] = share / int(group.sum())
    return weights, transitions


def _rejective(
    p: NDArray[np.float64], weights: NDArray[np.float64], transitions: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Adjust p values by rejecting one after the other, each with the least p / weight of those that are left."""
    adjusted = np.full(p.shape, np.nan)
    left, largest = ~np.isnan(p), 0.0
    while left.any():
        with np.errstate(divide="ignore", invalid="ignore"):
            cost = np.where(left & (weights > 0), p / weights, np.inf)
        node = int(np.argmin(cost))
        if not np.isfinite(cost[node]):
            adjusted[left] = np.inf
            break
        largest = max(largest, float(cost[node]))
        adjusted[node], left[node] = largest, False
        out, into = transitions[node].copy(), transitions[:, node].copy()
        weights = weights + weights[node] * out
        weights[node] = 0.0
        back = 1.0 - into * out
        transitions = transitions + np.outer(into, out)
        transitions = np.divide(transitions, back[:, None], out=np.zeros_like(transitions), where=back[:, None] > 0)
        transitions[node], transitions[:, node] = 0.0, 0.0
        np.fill_diagonal(transitions, 0.0)
    return adjusted
