"""Losses on the overlap of prediction and truth: Dice, Tversky and focal Tversky, all from the Tversky index.

An empty mask (no positive label) has the Tversky index smooth / (smooth + fp_weight · FP). The loss is 0 only when
nothing is predicted. Its slope by FP is fp_weight · smooth / (smooth + fp_weight · FP)²: the loss pushes false
positives down, and less so the more there are. A full mask (every label positive) of P pixels has the index
(P − FN + smooth) / (P − FN + fn_weight · FN + smooth). The loss is above 0 while a pixel is missed, and pushes every
logit up.
"""

from __future__ import annotations

from torch import Tensor, nn

from losses._inputs import check_inputs, check_number
from losses.kernels import overlap_mean


def tversky_loss(
    logits: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    *,
    fp_weight: float = 0.3,
    fn_weight: float = 0.7,
    smooth: float = 1.0,
    per_image: bool = False,
) -> Tensor:
    """One minus the Tversky index, a mean over masks.

    loss = mean over masks of 1 − TI,   TI = (TP + smooth) / (TP + fp_weight · FP + fn_weight · FN + smooth)

    from soft counts over valid pixels: with p = sigmoid(logit) and label t, TP = Σ p·t, FP = Σ p·(1 − t) and
    FN = Σ (1 − p)·t. The paper has no ``smooth``; here it gives an empty mask a value and a gradient (see the
    module). Without any valid pixel, value and gradient are 0. A mask without a valid pixel (with ``per_image``, a mask
    of an image) is left out of the mean.

    Args:
        logits: floating point, shape (N, C, H, W), any range; computed in float32 (float64 stays float64).
        target: labels 0 and 1, bool, integer or floating point, same shape.
        valid: bool, broadcastable to the logits; False = as if the pixel were cut away. None = all valid.
        fp_weight: at least 0; what a false positive costs (the paper's alpha; in Abraham & Khan alpha is fn_weight).
        fn_weight: at least 0, and not both 0; what a false negative costs (the paper's beta).
        smooth: above 0, in pixels; added to numerator and denominator.
        per_image: False pools the counts of a mask over the batch; True scores each image, then averages.

    Returns:
        Scalar in [0, 1], in the working precision. It can be differentiated once.

    Raises:
        TypeError, ValueError: an argument is not as described; the message names it.

    Reference:
        Salehi, Erdogmus, Gholipour 2017, Tversky loss function for image segmentation using 3D fully convolutional
        deep networks, eq. 4; alpha 0.3 and beta 0.7 are its best setting.

    Example:
        >>> import torch
        >>> logits, target = torch.tensor([[[[2.0, -1.0]]]]), torch.tensor([[[[1, 0]]]])
        >>> round(tversky_loss(logits, target, fp_weight=0.3, fn_weight=0.7).item(), 4)
        0.0803
    """
    return focal_tversky_loss(
        logits,
        target,
        valid,
        fp_weight=fp_weight,
        fn_weight=fn_weight,
        gamma=1.0,
        smooth=smooth,
        per_image=per_image,
    )


def dice_loss(
    logits: Tensor, target: Tensor, valid: Tensor | None = None, *, smooth: float = 1.0, per_image: bool = False
) -> Tensor:
    """One minus the soft Dice coefficient, a mean over masks: the Tversky loss with both weights at one half.

    loss = mean over masks of 1 − (2·TP + 2·smooth) / (2·TP + FP + FN + 2·smooth)

    The denominator sums probabilities, not their squares as Milletari et al. do. ``smooth`` counts pixels as in
    :func:`tversky_loss`, so it is half of what MONAI adds to 2·TP. Arguments, returned value and errors
    are those of :func:`tversky_loss`.

    Reference:
        Sudre, Li, Vercauteren, Ourselin, Cardoso 2017, Generalised Dice overlap as a deep learning loss function,
        eq. 2 without class weights.

    Example:
        >>> import torch
        >>> logits, target = torch.tensor([[[[2.0, -1.0]]]]), torch.tensor([[[[1, 0]]]])
        >>> round(dice_loss(logits, target).item(), 4)
        0.0935
    """
    return tversky_loss(logits, target, valid, fp_weight=0.5, fn_weight=0.5, smooth=smooth, per_image=per_image)


def focal_tversky_loss(
    logits: Tensor,
    target: Tensor,
    valid: Tensor | None = None,
    *,
    fp_weight: float = 0.3,
    fn_weight: float = 0.7,
    gamma: float = 4.0 / 3.0,
    smooth: float = 1.0,
    per_image: bool = False,
) -> Tensor:
    """Raise the Tversky loss of each mask to the power 1/gamma, then take the mean over masks.

    loss = mean over masks of (1 − TI)^(1/gamma)

    The exponent is 1/gamma, as in the paper. A gamma above 1 raises the slope where the overlap is already good.
    The power is taken per mask (per image and mask with ``per_image``), before the mean; the paper sums over
    classes. Where 1 − TI is exactly 0 the loss is 0 and its gradient is 0, not infinite.

    Args:
        logits: as for :func:`tversky_loss`.
        target: as for :func:`tversky_loss`.
        valid: as for :func:`tversky_loss`.
        fp_weight: as for :func:`tversky_loss` (the paper's 1 − alpha).
        fn_weight: as for :func:`tversky_loss` (the paper's alpha, 0.7).
        gamma: above 0, the paper tries 1 to 3; 1 is the Tversky loss.
        smooth: as for :func:`tversky_loss`.
        per_image: as for :func:`tversky_loss`.

    Returns:
        Scalar in [0, 1], in the working precision. It can be differentiated once.

    Raises:
        TypeError, ValueError: an argument is not as described; the message names it.

    Reference:
        Abraham, Khan 2019, A novel focal Tversky loss function with improved attention U-Net for lesion
        segmentation, eq. 4.

    Example:
        >>> import torch
        >>> logits, target = torch.tensor([[[[2.0, -1.0]]]]), torch.tensor([[[[1, 0]]]])
        >>> round(focal_tversky_loss(logits, target).item(), 4)
        0.1508
    """
    valid = check_inputs(logits, target, valid)
    fp_weight, fn_weight, smooth = _check_weights(fp_weight, fn_weight, smooth)
    gamma = check_number("gamma", gamma, above=0.0)
    return overlap_mean(
        logits,
        target,
        valid,
        fp_weight=fp_weight,
        fn_weight=fn_weight,
        gamma=gamma,
        smooth=smooth,
        per_image=per_image,
    )


class TverskyLoss(nn.Module):
    """:func:`tversky_loss` with its hyperparameters, which are checked when it is made.

    Example:
        >>> import torch
        >>> logits, target = torch.tensor([[[[2.0, -1.0]]]]), torch.tensor([[[[1, 0]]]])
        >>> round(TverskyLoss(fp_weight=0.3, fn_weight=0.7)(logits, target).item(), 4)
        0.0803
    """

    def __init__(
        self,
        *,
        fp_weight: float = 0.3,
        fn_weight: float = 0.7,
        smooth: float = 1.0,
        per_image: bool = False,
    ) -> None:
        super().__init__()
        self.fp_weight, self.fn_weight, self.smooth = _check_weights(fp_weight, fn_weight, smooth)
        self.per_image = per_image

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the loss, a scalar; see :func:`tversky_loss`."""
        return tversky_loss(
            logits,
            target,
            valid,
            fp_weight=self.fp_weight,
            fn_weight=self.fn_weight,
            smooth=self.smooth,
            per_image=self.per_image,
        )

    def extra_repr(self) -> str:
        """Return the hyperparameters."""
        return (
            f"fp_weight={self.fp_weight:g}, fn_weight={self.fn_weight:g}, "
            f"smooth={self.smooth:g}, per_image={self.per_image}"
        )


class DiceLoss(nn.Module):
    """:func:`dice_loss` with its hyperparameters, which are checked when it is made.

    Example:
        >>> import torch
        >>> logits, target = torch.tensor([[[[2.0, -1.0]]]]), torch.tensor([[[[1, 0]]]])
        >>> round(DiceLoss()(logits, target).item(), 4)
        0.0935
    """

    def __init__(self, *, smooth: float = 1.0, per_image: bool = False) -> None:
        super().__init__()
        self.smooth = check_number("smooth", smooth, above=0.0)
        self.per_image = per_image

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the loss, a scalar; see :func:`dice_loss`."""
        return dice_loss(logits, target, valid, smooth=self.smooth, per_image=self.per_image)

    def extra_repr(self) -> str:
        """Return the hyperparameters."""
        return f"smooth={self.smooth:g}, per_image={self.per_image}"


class FocalTverskyLoss(nn.Module):
    """:func:`focal_tversky_loss` with its hyperparameters, which are checked when it is made.

    Example:
        >>> import torch
        >>> logits, target = torch.tensor([[[[2.0, -1.0]]]]), torch.tensor([[[[1, 0]]]])
        >>> round(FocalTverskyLoss()(logits, target).item(), 4)
        0.1508
    """

    def __init__(
        self,
        *,
        fp_weight: float = 0.3,
        fn_weight: float = 0.7,
        gamma: float = 4.0 / 3.0,
        smooth: float = 1.0,
        per_image: bool = False,
    ) -> None:
        super().__init__()
        self.fp_weight, self.fn_weight, self.smooth = _check_weights(fp_weight, fn_weight, smooth)
        self.gamma = check_number("gamma", gamma, above=0.0)
        self.per_image = per_image

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the loss, a scalar; see :func:`focal_tversky_loss`."""
        return focal_tversky_loss(
            logits,
            target,
            valid,
            fp_weight=self.fp_weight,
            fn_weight=self.fn_weight,
            gamma=self.gamma,
            smooth=self.smooth,
            per_image=self.per_image,
        )

    def extra_repr(self) -> str:
        """Return the hyperparameters."""
        return (
            f"fp_weight={self.fp_weight:g}, fn_weight={self.fn_weight:g}, gamma={self.gamma:g}, "
            f"smooth={self.smooth:g}, per_image={self.per_image}"
        )


def _check_weights(fp_weight: float, fn_weight: float, smooth: float) -> tuple[float, float, float]:
    fp_weight = check_number("fp_weight", fp_weight, at_least=0.0)
    fn_weight = check_number("fn_weight", fn_weight, at_least=0.0)
    if fp_weight == fn_weight == 0.0:
        raise ValueError("fp_weight and fn_weight must not both be 0: the loss would be 0 for any prediction")
    return fp_weight, fn_weight, check_number("smooth", smooth, above=0.0)
