"""Losses that are a mean over pixels: weighted binary cross-entropy and focal loss."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from losses._inputs import check_inputs, check_number
from losses.kernels import pixel_mean


def weighted_bce_loss(
    logits: Tensor, target: Tensor, valid: Tensor | None = None, *, pos_weight: float | Sequence[float] = 1.0
) -> Tensor:
    """Binary cross-entropy in which a positive pixel counts ``pos_weight`` times.

    loss = mean over valid pixels of all masks of  w_c · t · softplus(−x) + (1 − t) · softplus(x)

    with logit x, label t and the weight w_c of mask c. As in ``torch.nn.BCEWithLogitsLoss``, the mean divides by the
    number of pixels, not by the sum of weights. An empty mask gives mean softplus(x) > 0 and pushes every logit
    down; a full mask gives w · mean softplus(−x). Without any valid pixel the loss and its gradient are 0.

    Args:
        logits: floating point, shape (N, C, H, W), any range; computed in float32 (float64 stays float64).
        target: labels 0 and 1, bool, integer or floating point, same shape.
        valid: bool, broadcastable to the logits; False = as if the pixel were cut away. None = all valid.
        pos_weight: above 0; one number, or one per mask (length C).

    Returns:
        Scalar in the working precision. It can be differentiated once.

    Raises:
        TypeError, ValueError: an argument is not as described; the message names it.

    Reference:
        Elkan 2001, The foundations of cost-sensitive learning.

    Example:
        >>> import torch
        >>> logits, target = torch.tensor([[[[2.0, -1.0]]]]), torch.tensor([[[[1, 0]]]])
        >>> round(weighted_bce_loss(logits, target, pos_weight=3).item(), 4)
        0.347
    """
    valid = check_inputs(logits, target, valid)
    weights = _weight_per_mask(pos_weight, masks=logits.shape[1])
    return pixel_mean(logits, target, valid, gamma=0.0, pos_weights=weights)


def focal_loss(
    logits: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    *,
    gamma: float = 2.0,
    positive_weight: float | None = None,
) -> Tensor:
    """Cross-entropy that weighs a pixel less the better it is classified.

    loss = mean over valid pixels of all masks of  a(t) · (1 − p_t)^gamma · −ln p_t

    with p_t the probability given to the label t, and a(t) = ``positive_weight`` for t = 1, 1 − ``positive_weight``
    for t = 0, or 1 for both when it is None. So gamma 0 without a weight is plain cross-entropy. The paper divides the
    sum by the number of assigned anchors; here it is the mean over pixels. An empty mask gives a value > 0 and pushes
    every logit down, that of well classified background hardly at all. Without any valid pixel the loss and its
    gradient are 0.

    Args:
        logits: floating point, shape (N, C, H, W), any range; computed in float32 (float64 stays float64).
        target: labels 0 and 1, bool, integer or floating point, same shape.
        valid: bool, broadcastable to the logits; False = as if the pixel were cut away. None = all valid.
        gamma: at least 0; focusing exponent.
        positive_weight: between 0 and 1, both excluded (the paper's alpha), or None for no weighting.

    Returns:
        Scalar in the working precision. It can be differentiated once.

    Raises:
        TypeError, ValueError: an argument is not as described; the message names it.

    Reference:
        Lin, Goyal, Girshick, He, Dollár 2017, Focal loss for dense object detection, eq. 5.

    Example:
        >>> import torch
        >>> logits, target = torch.tensor([[[[2.0, -1.0]]]]), torch.tensor([[[[1, 0]]]])
        >>> round(focal_loss(logits, target, gamma=2).item(), 4)
        0.0122
    """
    valid = check_inputs(logits, target, valid)
    gamma = check_number("gamma", gamma, at_least=0.0)
    negative, pos_weight = 1.0, 1.0
    if positive_weight is not None:
        alpha = check_number("positive_weight", positive_weight, above=0.0, below=1.0)
        negative, pos_weight = 1.0 - alpha, alpha / (1.0 - alpha)
    weights = [pos_weight] * logits.shape[1]
    return pixel_mean(logits, target, valid, gamma=gamma, pos_weights=weights, factor=negative)


class WeightedBCELoss(nn.Module):
    """:func:`weighted_bce_loss` with its weight; ``pos_weight=1`` is plain binary cross-entropy.

    ``pos_weight="balanced"`` means (1 − prevalence) / prevalence per mask, with the prevalence of the training split.
    The training code calls ``set_prevalence`` on every module in ``loss.modules()`` that has this method. So it reaches
    a term of a combined loss, and a loss of your own, too.

    Args:
        pos_weight: above 0; one number, one per mask (length C), or "balanced".

    Raises:
        TypeError, ValueError: ``pos_weight`` is not as described.

    Example:
        >>> import torch
        >>> logits, target = torch.tensor([[[[2.0, -1.0]]]]), torch.tensor([[[[1, 0]]]])
        >>> round(WeightedBCELoss(pos_weight=3)(logits, target).item(), 4)
        0.347
    """

    def __init__(self, *, pos_weight: float | Sequence[float] | str = 1.0) -> None:
        super().__init__()
        if isinstance(pos_weight, str):
            if pos_weight != "balanced":
                raise ValueError(f'pos_weight must be a number, a list of numbers or "balanced", got {pos_weight!r}')
            self.pos_weight: float | tuple[float, ...] | str = pos_weight
        else:
            self.pos_weight = _check_pos_weight(pos_weight)
        self._balanced: tuple[float, ...] | None = None

    def set_prevalence(self, prevalence: Sequence[float]) -> None:
        """Take the share of positive among valid training pixels, per mask; ignored unless "balanced".

        Raises:
            ValueError: a prevalence is not between 0 and 1, both excluded; the message names the mask's index.
        """
        if self.pos_weight != "balanced":
            return
        shares = [float(share) for share in prevalence]
        for mask, share in enumerate(shares):
            if not 0.0 < share < 1.0:
                raise ValueError(
                    'pos_weight="balanced" needs a prevalence above 0 and below 1 in every mask, '
                    f"got {share:g} for mask {mask}"
                )
        self._balanced = tuple((1.0 - share) / share for share in shares)

    @property
    def resolved_pos_weight(self) -> float | tuple[float, ...]:
        """The weight in numbers, for logs and for theory (its logarithm is the shift of the logits).

        Raises:
            RuntimeError: "balanced", and ``set_prevalence`` was not called yet.
        """
        if not isinstance(self.pos_weight, str):
            return self.pos_weight
        if self._balanced is None:
            raise RuntimeError(
                'pos_weight="balanced" needs the prevalence of the training split: call set_prevalence first'
            )
        return self._balanced

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the loss, a scalar; see :func:`weighted_bce_loss`."""
        return weighted_bce_loss(logits, target, valid, pos_weight=self.resolved_pos_weight)

    def extra_repr(self) -> str:
        """Return the hyperparameters."""
        return f"pos_weight={self.pos_weight!r}"


class FocalLoss(nn.Module):
    """:func:`focal_loss` with its hyperparameters.

    The defaults are the paper's gamma and no weighting. The paper's alpha of 0.25 was tuned for its detector, and
    a second control of the class balance would blur a comparison.

    Args:
        gamma: at least 0; focusing exponent.
        positive_weight: between 0 and 1, both excluded, or None for no weighting.

    Raises:
        TypeError, ValueError: a hyperparameter is not as described; the message names it.

    Example:
        >>> import torch
        >>> logits, target = torch.tensor([[[[2.0, -1.0]]]]), torch.tensor([[[[1, 0]]]])
        >>> round(FocalLoss(gamma=2)(logits, target).item(), 4)
        0.0122
    """

    def __init__(self, *, gamma: float = 2.0, positive_weight: float | None = None) -> None:
        super().__init__()
        self.gamma = check_number("gamma", gamma, at_least=0.0)
        self.positive_weight = positive_weight
        if positive_weight is not None:
            self.positive_weight = check_number("positive_weight", positive_weight, above=0.0, below=1.0)

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the loss, a scalar; see :func:`focal_loss`."""
        return focal_loss(logits, target, valid, gamma=self.gamma, positive_weight=self.positive_weight)

    def extra_repr(self) -> str:
        """Return the hyperparameters."""
        return f"gamma={self.gamma:g}, positive_weight={self.positive_weight}"


def _check_pos_weight(pos_weight: float | Sequence[float]) -> float | tuple[float, ...]:
    if isinstance(pos_weight, str) or not isinstance(pos_weight, Sequence):
        return check_number("pos_weight", pos_weight, above=0.0)
    if len(pos_weight) == 0:
        raise ValueError("pos_weight must be a number or hold one per mask, got an empty list")
    return tuple(check_number(f"pos_weight[{c}]", weight, above=0.0) for c, weight in enumerate(pos_weight))


def _weight_per_mask(pos_weight: float | Sequence[float], *, masks: int) -> tuple[float, ...]:
    checked = _check_pos_weight(pos_weight)
    weights = checked if isinstance(checked, tuple) else (checked,) * masks
    if len(weights) != masks:
        raise ValueError(
            f"pos_weight must be one number or one per mask, here {masks}, got {len(weights)}: {list(weights)}"
        )
    return weights
