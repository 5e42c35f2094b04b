"""A loss on the ranking of pixels: average precision from soft histograms of the logits."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from losses._inputs import check_inputs, check_number, full_precision, working_dtype


def average_precision_loss(
    logits: Tensor, target: Tensor, valid: Tensor | None = None, *, bins: int = 41, limit: float = 10.0
) -> Tensor:
    """One minus a quantised average precision, a mean over masks.

    loss = mean over masks of 1 - sum over bins m of P_m · h+_m / N+,   P_m = (h+_1 + ... + h+_m) / (h_1 + ... + h_m)

    Bins are counted from the highest logit. A pixel belongs to its two nearest bins in shares that are linear in its
    logit; h_m sums the shares of all valid pixels of the batch and h+_m those of the N+ positive ones. Memory grows
    with the pixels, not with pairs of them. Logits beyond ``limit`` count as at the limit and get no gradient. A mask
    without a positive or without a negative pixel has value and gradient 0, because nothing is ranked there.

    Args:
        logits: floating point, shape (N, C, H, W).
        target: labels 0 and 1, the same shape.
        valid: bool, broadcastable to the logits; None = all valid.
        bins: at least 2.
        limit: above 0; the bins' centres lie evenly from -limit to limit.

    Returns:
        Scalar in [0, 1].

    Raises:
        TypeError, ValueError: an argument is not as described; the message names it.

    Reference:
        Revaud, Almazan, Rezende, de Souza 2019, Learning with Average Precision: Training Image Retrieval with a
        Listwise Loss, eq. 3 to 9, there for cosines between -1 and 1 and 20 bins.

    Example:
        >>> import torch
        >>> logits, target = torch.tensor([[[[2.0, -1.0, 3.0]]]]), torch.tensor([[[[1, 0, 0]]]])
        >>> round(average_precision_loss(logits, target).item(), 4)
        0.5
    """
    expanded = check_inputs(logits, target, valid)
    bins, limit = _whole(bins), check_number("limit", limit, above=0.0)
    dtype = working_dtype(logits)
    with full_precision(logits):
        place = (limit - logits.to(dtype).clamp(-limit, limit)) * ((bins - 1) / (2 * limit))  # 0 is the highest bin
        place = place.transpose(0, 1).flatten(1)
        positive = target.transpose(0, 1).flatten(1).to(dtype)
        counted = torch.ones_like(positive) if expanded is None else expanded.transpose(0, 1).flatten(1).to(dtype)
        lower = place.detach().floor().clamp(max=bins - 2).long()
        share = place - lower  # of the bin below
        every = _histogram(lower, share, counted, bins)
        hits = _histogram(lower, share, counted * positive, bins)
        precision = hits.cumsum(1) / every.cumsum(1).clamp(min=1e-12)
        positives, pixels = (counted * positive).sum(1), counted.sum(1)
        found = (precision * hits).sum(1) / positives.clamp(min=1)
        ranked = (positives > 0) & (positives < pixels)
        return torch.where(ranked, 1 - found, 0.0 * found).mean()


def _histogram(lower: Tensor, share: Tensor, weight: Tensor, bins: int) -> Tensor:
    empty = torch.zeros(lower.shape[0], bins, dtype=share.dtype, device=share.device)
    return empty.scatter_add(1, lower, weight * (1 - share)).scatter_add(1, lower + 1, weight * share)


class AveragePrecisionLoss(nn.Module):
    """:func:`average_precision_loss` with its hyperparameters, which are checked when it is made.

    Example:
        >>> import torch
        >>> logits, target = torch.tensor([[[[2.0, -1.0, 3.0]]]]), torch.tensor([[[[1, 0, 0]]]])
        >>> round(AveragePrecisionLoss()(logits, target).item(), 4)
        0.5
    """

    def __init__(self, *, bins: int = 41, limit: float = 10.0) -> None:
        super().__init__()
        self.bins = _whole(bins)
        self.limit = check_number("limit", limit, above=0.0)

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the loss, a scalar."""
        return average_precision_loss(logits, target, valid, bins=self.bins, limit=self.limit)

    def extra_repr(self) -> str:
        """Return the hyperparameters."""
        return f"bins={self.bins}, limit={self.limit:g}"


def _whole(bins: int) -> int:
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 2:
        raise ValueError(f"bins must be a whole number of at least 2, got {bins!r}")
    return bins
