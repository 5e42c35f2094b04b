"""Losses by name: classes, functions, partials, losses of probabilities, and refusals that name the key."""

import functools

import pytest
import torch
import torch.nn.functional as F
from omegaconf import OmegaConf
from torch import nn

import losses
from experiments.config import ConfigError
from experiments.criteria.build import build_criterion
from losses import CombinedLoss, apply_criterion
from losses.adapters import FunctionLoss, ProbabilityLoss, takes_valid


@pytest.fixture(autouse=True)
def buggy_losses(monkeypatch, request):
    monkeypatch.syspath_prepend(str(request.path.parent))


def built(**node):
    node["_target_"] = node.pop("target")
    return build_criterion(OmegaConf.create({"loss": node}))


def batch():
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(2, 3, 8, 8, generator=generator) * 4
    return logits, torch.rand(2, 3, 8, 8, generator=generator) < 0.2


@pytest.mark.parametrize(
    "node",
    [
        {"target": "torch.nn.BCEWithLogitsLoss"},
        {"target": "torch.nn.BCEWithLogitsLoss", "input": "logits"},
        {"target": "torch.nn.BCELoss", "input": "probabilities"},
        {"target": "torch.nn.functional.binary_cross_entropy_with_logits"},
        {"target": "torch.nn.functional.binary_cross_entropy_with_logits", "_partial_": True},
        {"target": "torch.nn.functional.binary_cross_entropy", "input": "probabilities"},
        {"target": "buggy_losses.function"},
        {"target": "buggy_losses.a_lambda"},
        {"target": "buggy_losses.function_with_gamma", "gamma": 1.0},
        {"target": "losses.CombinedLoss", "terms": {"one": {"_target_": "torch.nn.BCELoss", "input": "probabilities"}}},
        {
            "target": "losses.CombinedLoss",
            "terms": {"one": {"_target_": "torch.nn.functional.binary_cross_entropy_with_logits"}},
            "weights": {"one": 1.0},
        },
    ],
)
def test_every_way_to_name_cross_entropy_gives_it(node):
    logits, target = batch()
    criterion = built(**node)
    assert isinstance(criterion, nn.Module)
    expected = F.binary_cross_entropy_with_logits(logits, target.float())
    assert apply_criterion(criterion, logits, target).item() == pytest.approx(expected.item(), rel=1e-5)


def test_terms_and_modules_stay_what_they_are():
    criterion = built(target="losses.CombinedLoss", terms={"a": {"_target_": "losses.DiceLoss", "smooth": 2.0}})
    assert type(criterion) is CombinedLoss
    assert criterion.terms["a"].smooth == 2.0
    balanced = built(target="losses.WeightedBCELoss", pos_weight="balanced")
    assert type(balanced).__name__ == "WeightedBCELoss"


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (
            {"target": "torch.nn.BCELoss", "input": "logit"},
            r"loss\.input: expected .*, got 'logit'",
        ),
        ({"target": "losses.DiceLoss", "input": "probabilities"}, r"loss\.input: losses\.DiceLoss takes logits"),
        ({"target": "torch.nn.BCELoss", "_partial_": True}, r"loss\._partial_: torch\.nn\.BCELoss is a class"),
        (
            {"target": "buggy_losses.Plain"},
            r"expected a torch\.nn\.Module or a function of .*, got Plain",
        ),
        ({"target": "buggy_losses.NoSuper"}, r"cannot assign module before Module\.__init__\(\) call"),
        ({"target": "buggy_losses.ExitsWhenBuilt"}, r"calls sys\.exit\(1\) when it is built"),
        ({"target": "buggy_losses.Mispelt"}, r"loss \(buggy_losses\.Mispelt\).*Mispelt"),
        ({"target": "no_such_module.Loss"}, r"no_such_module"),
        ({"target": "torch.nn.BCELoss", "reducton": "sum"}, r"reducton"),
        (
            {"target": "losses.CombinedLoss", "terms": {"a": {"_target_": "losses.DiceLoss", "input": "both"}}},
            r"loss\.terms\.a\.input: expected logits, probabilities, classes or class_channel, got 'both'",
        ),
    ],
)
def test_what_cannot_be_built_is_refused_by_key(node, expected):
    with pytest.raises(ConfigError, match=expected):
        built(**node)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"each": "pixel"}, r"loss\.each: expected image, mask or \[image, mask\], got 'pixel'"),
        ({"each": ["image", "image"]}, r"loss\.each: expected image, mask or"),
        ({"each": {"a": 1}}, r"loss\.each: expected image, mask or"),
        ({"each": "mask", "input": "classes"}, r"loss\.each: expected image beside input=classes, which is about all"),
        ({"input": "Classes"}, r"loss\.input: expected logits, probabilities, classes or class_channel, got 'Classes'"),
    ],
)
def test_bad_adapters_are_refused_by_key(node, expected):
    with pytest.raises(ConfigError, match=expected):
        built(target="torch.nn.CrossEntropyLoss", **node)


def test_terms_of_classes_and_of_masks_do_not_mix():
    terms = {"a": {"_target_": "torch.nn.CrossEntropyLoss", "input": "classes"}, "b": {"_target_": "losses.DiceLoss"}}
    with pytest.raises(ConfigError, match=r"loss\.terms: .* exclusive classes.*; a take them, b do not"):
        built(target="losses.CombinedLoss", terms=terms)
    with pytest.raises(ConfigError, match=r"loss\.input: losses\.DiceLoss takes logits"):
        built(target="losses.DiceLoss", input="classes")


@pytest.mark.parametrize("each", ["image", "mask", ["image", "mask"], ["mask", "image"]])
def test_each_is_the_mean_over_images_masks_or_both(each):
    logits, target = batch()
    criterion = built(target="losses.DiceLoss", each=each)
    names = [each] if isinstance(each, str) else each
    images = [slice(n, n + 1) for n in range(2)] if "image" in names else [slice(None)]
    masks = [slice(c, c + 1) for c in range(3)] if "mask" in names else [slice(None)]
    parts = [losses.DiceLoss()(logits[i, c], target[i, c]) for i in images for c in masks]
    expected = torch.stack(parts).mean().item()
    assert apply_criterion(criterion, logits, target).item() == pytest.approx(expected, rel=1e-6)


def test_an_argument_that_nobody_gives_is_refused_for_a_term_too():
    terms = {"a": {"_target_": "buggy_losses.ThreeArguments"}}
    with pytest.raises(
        ConfigError, match=r"loss\.terms\.a \(buggy_losses\.ThreeArguments\): needs the argument weight"
    ):
        built(target="losses.CombinedLoss", terms=terms)
    with pytest.raises(ConfigError, match=r"needs the argument gamma, .* by name it may take valid, index"):
        built(target="buggy_losses.function_with_gamma")


def test_probabilities_have_the_gradient_of_logits_however_sure():
    logits = torch.tensor([-200.0, -40.0, -17.0, -1.0, 0.0, 1.0, 17.0, 40.0, 200.0, 1e30]).view(1, 1, 1, -1)
    for label in (0.0, 1.0):
        target = torch.full_like(logits, label)
        slopes = []
        for criterion in (ProbabilityLoss(nn.BCELoss(reduction="sum")), nn.BCEWithLogitsLoss(reduction="sum")):
            leaf = logits.clone().requires_grad_()
            value = criterion(leaf, target)
            value.backward()
            assert torch.isfinite(value)
            slopes.append(leaf.grad)
        # The one difference: where the answer is right and sure, 6e-8 is left instead of nothing.
        assert torch.allclose(*slopes, rtol=1e-5, atol=2.0**-23)


def test_plain_sigmoid_would_lose_that_gradient():
    leaf = torch.full((1, 1, 1, 1), 40.0, requires_grad=True)
    nn.BCELoss()(leaf.sigmoid(), torch.zeros(1, 1, 1, 1)).backward()
    assert leaf.grad.item() == 0


def test_probabilities_stay_inside_their_bounds_and_nan_stays_nan():
    class Seen(nn.Module):
        def forward(self, p, target):
            self.p = p
            return p.mean()

    inner = Seen()
    ProbabilityLoss(inner)(torch.tensor([-1e9, 0.0, 1e9, torch.nan]).view(1, 1, 1, 4), torch.zeros(1, 1, 1, 4))
    low, middle, high, missing = inner.p.flatten().tolist()
    assert (low, middle, high) == (2.0**-24, 0.5, 1 - 2.0**-24)
    assert missing != missing


def test_half_precision_logits_become_float32_probabilities():
    class Type(nn.Module):
        def forward(self, p, target):
            assert p.dtype == torch.float32
            return p.mean()

    ProbabilityLoss(Type())(torch.zeros(1, 1, 2, 2, dtype=torch.float16), torch.zeros(1, 1, 2, 2))


def test_valid_goes_through_the_adapters():
    def masked(p, target, valid=None):
        return (p * valid).sum()

    def blind(p, target):
        return p.sum()

    logits, target = batch()
    valid = torch.zeros(2, 1, 8, 8, dtype=torch.bool)
    valid[..., 0] = True
    wrapped = ProbabilityLoss(functools.partial(masked))
    assert takes_valid(wrapped)
    assert takes_valid(FunctionLoss(masked))
    assert wrapped(logits, target, valid).item() == pytest.approx(logits.sigmoid()[..., 0].sum().item(), rel=1e-5)
    assert not takes_valid(ProbabilityLoss(FunctionLoss(blind)))
    with pytest.raises(ValueError, match="blind takes no argument named valid"):
        FunctionLoss(blind)(logits, target, valid)
