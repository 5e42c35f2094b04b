"""Inputs of the losses: every loss names a bad input, whichever way it computes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from losses import CombinedLoss, DiceLoss, FocalLoss, FocalTverskyLoss, TverskyLoss, WeightedBCELoss

SHAPE = (4, 2, 5, 7)

LOSSES = [
    WeightedBCELoss(),
    FocalLoss(),
    DiceLoss(),
    TverskyLoss(),
    FocalTverskyLoss(),
    CombinedLoss(terms={"theirs": nn.BCEWithLogitsLoss()}),
]


pytestmark = pytest.mark.usefixtures("either_way")

LOGITS, TARGET = torch.zeros(SHAPE), torch.zeros(SHAPE, dtype=torch.bool)

BAD_INPUT = {
    "logits of three axes": ((LOGITS[0], TARGET[0]), ValueError, r"logits .*\(N, C, H, W\).*\(2, 5, 7\)"),
    "empty logits": ((LOGITS[:0], TARGET[:0]), ValueError, r"logits .*\(0, 2, 5, 7\)"),
    "integer logits": ((LOGITS.long(), TARGET), TypeError, r"logits .*floating point.*int64"),
    "logits not a tensor": ((3.0, TARGET), TypeError, "logits must be a tensor, got float"),
    "target of another shape": ((LOGITS, TARGET[:, :1]), ValueError, r"target .*\(4, 2, 5, 7\).*\(4, 1, 5, 7\)"),
    "target not a tensor": ((LOGITS, None), TypeError, "target must be a tensor, got NoneType"),
    "complex target": ((LOGITS, TARGET.to(torch.complex64)), TypeError, "target .*complex64"),
    "soft label": ((LOGITS, TARGET + 0.5), ValueError, r"target must hold labels 0 and 1 only, got 0\.5 and 279"),
    "label 255": ((LOGITS, TARGET.to(torch.uint8) + 255), ValueError, "target .*0 and 1 only, got 255"),
    "label -1": ((LOGITS, TARGET.long() - 1), ValueError, "target .*0 and 1 only, got -1"),
    "label nan": ((LOGITS, LOGITS + torch.nan), ValueError, "target .*0 and 1 only, got nan"),
    "label 255 at a valid pixel": (
        (LOGITS, TARGET.to(torch.uint8) + 255, TARGET[0, 0].logical_not()),
        ValueError,
        "target .*0 and 1 only, got 255",
    ),
    "float valid": ((LOGITS, TARGET, LOGITS), TypeError, "valid must be bool.*float32"),
    "valid not a tensor": ((LOGITS, TARGET, True), TypeError, "valid must be a tensor, got bool"),
    "valid of another shape": (
        (LOGITS, TARGET, TARGET[:, :, :, :3]),
        ValueError,
        r"valid must be broadcastable.*\(4, 2, 5, 7\).*\(4, 2, 5, 3\)",
    ),
    "valid without the mask axis": (
        (LOGITS, TARGET, TARGET[:, 0]),
        ValueError,
        r"valid must be broadcastable.*4, 5, 7",
    ),
    "valid of five axes": ((LOGITS, TARGET, TARGET[None]), ValueError, "valid must be broadcastable"),
    "valid that could mean two things": (
        (LOGITS[:2], TARGET[:2], TARGET[:2, 0]),
        ValueError,
        r"valid of shape \(2, 5, 7\) could be one map per image or one per mask",
    ),
    "another device": ((LOGITS, TARGET.to("meta")), ValueError, r"target must be on the device .*\(cpu\), got meta"),
    "valid on another device": (
        (LOGITS, TARGET, TARGET.to("meta")),
        ValueError,
        r"valid must be on the device .*\(cpu\), got meta",
    ),
}


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
@pytest.mark.parametrize(("arguments", "error", "message"), BAD_INPUT.values(), ids=BAD_INPUT.keys())
def test_bad_input_is_named(loss: nn.Module, arguments: tuple, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        loss(*arguments)


@pytest.mark.parametrize("loss", LOSSES[:-1], ids=lambda loss: type(loss).__name__)
def test_valid_without_an_axis_is_read_where_it_can_mean_one_thing(loss: nn.Module) -> None:
    """One image of one mask: per image and per mask are the same."""
    logits, target = torch.linspace(-2, 2, 35).reshape(1, 1, 5, 7), TARGET[:1, :1]
    valid = torch.arange(35).reshape(1, 1, 5, 7) % 3 > 0
    assert torch.equal(loss(logits, target, valid[0]), loss(logits, target, valid))
