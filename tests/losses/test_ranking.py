"""The average-precision loss: scikit-learn's value, a gradient that descends, and masks where nothing is ranked."""

import pytest
import torch

from losses import AveragePrecisionLoss, average_precision_loss


def batch(seed=0, shape=(2, 2, 24, 24)):
    generator = torch.Generator().manual_seed(seed)
    target = torch.rand(shape, generator=generator) < 0.1
    logits = torch.randn(shape, generator=generator, dtype=torch.float64) + 1.5 * target
    return logits, target


def _reference_on_bins(logits, target, bins, limit):
    """AP by the definition of the docstring, pixel by pixel and bin by bin."""
    centres = torch.linspace(limit, -limit, bins, dtype=torch.float64)
    step = 2 * limit / (bins - 1)
    share = (1 - (logits.clamp(-limit, limit).reshape(-1, 1) - centres).abs() / step).clamp(min=0)
    hits, every = (share * target.reshape(-1, 1)).sum(0), share.sum(0)
    found, drawn, total = 0.0, 0.0, 0.0
    for m in range(bins):
        found, drawn = found + hits[m], drawn + every[m]
        total += found / max(drawn, 1e-12) * hits[m] / target.sum()
    return float(total)


@pytest.mark.parametrize(("bins", "limit"), [(2, 3.0), (9, 2.0), (41, 10.0)])
def test_the_value_is_the_definition(bins, limit):
    logits, target = batch()
    expected = [1 - _reference_on_bins(logits[:, mask], target[:, mask], bins, limit) for mask in range(2)]
    got = average_precision_loss(logits, target, bins=bins, limit=limit)
    assert got.item() == pytest.approx(sum(expected) / 2, rel=1e-9)


def test_logits_at_the_centres_of_bins_have_their_average_precision():
    metrics = pytest.importorskip("sklearn.metrics")
    logits, target = batch(seed=3)
    logits = (2 * logits).round() / 2  # many ties among them
    expected = [
        metrics.average_precision_score(target[:, mask].flatten(), logits[:, mask].flatten()) for mask in range(2)
    ]
    got = 1 - average_precision_loss(logits, target, bins=41, limit=10.0)
    assert got.item() == pytest.approx(sum(expected) / 2, rel=1e-9)


def test_ignored_pixels_count_as_cut_away():
    logits, target = batch()
    valid = torch.ones(2, 1, 24, 24, dtype=torch.bool)
    valid[..., 20:] = False
    cut = average_precision_loss(logits[..., :20], target[..., :20])
    assert average_precision_loss(logits, target, valid).item() == pytest.approx(cut.item(), rel=1e-12)
    logits.requires_grad_()
    average_precision_loss(logits, target, valid).backward()
    assert not logits.grad[..., 20:].any()


def test_steps_against_the_gradient_rank_better():
    logits, target = batch()
    before = average_precision_loss(logits, target).item()
    for _ in range(30):
        logits.requires_grad_()
        (gradient,) = torch.autograd.grad(average_precision_loss(logits, target), logits)
        logits = (logits - 0.2 * gradient / gradient.abs().max()).detach()
    assert average_precision_loss(logits, target).item() < before - 0.05


@pytest.mark.parametrize("fill", [False, True])
def test_where_nothing_is_ranked_value_and_gradient_are_0(fill):
    logits, target = batch()
    logits.requires_grad_()
    target[:, 1] = fill
    value = average_precision_loss(logits, target)
    value.backward()
    assert value.item() == pytest.approx(average_precision_loss(logits[:, :1], target[:, :1]).item() / 2)
    assert not logits.grad[:, 1].any()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize(("name", "value"), [("bins", 1), ("bins", 4.0), ("limit", 0.0), ("limit", float("nan"))])
def test_bad_hyperparameters_are_named(name, value):
    with pytest.raises((TypeError, ValueError), match=f"{name} must be"):
        AveragePrecisionLoss(**{name: value})
    with pytest.raises((TypeError, ValueError), match=f"{name} must be"):
        average_precision_loss(*batch(), **{name: value})
