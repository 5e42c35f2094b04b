"""Losses with typical mistakes, one `_target_` each."""

import random
import sys
from abc import abstractmethod

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def bce(logits, target):
    return F.binary_cross_entropy_with_logits(logits, target)


def as_module(function):
    """Make a class of a function, so that each is a plain `_target_`."""

    class Made(nn.Module):
        def forward(self, logits, target):
            return function(logits, target)

    Made.__name__ = function.__name__
    return Made


def dice_index(p, t):
    return (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logits, target):
        ctx.save_for_backward(logits, target)
        return F.binary_cross_entropy_with_logits(logits, target)

    @staticmethod
    def backward(ctx, grad):
        logits, target = ctx.saved_tensors
        return grad * (target - logits.sigmoid()) / logits.numel(), None


class _NoPass(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logits):
        return logits.sigmoid()

    @staticmethod
    def backward(ctx, grad):
        return None


def reversed_gradient(z, t):
    return _Reversed.apply(z, t)


# Sign
NegativeBCE = as_module(lambda z, t: -bce(z, t))
DiceScore = as_module(lambda z, t: dice_index(z.sigmoid(), t))
Accuracy = as_module(lambda z, t: 1 - (z.sigmoid() - t).abs().mean())
SwappedArguments = as_module(lambda t, z: F.binary_cross_entropy(z.clamp(0, 1), t.sigmoid()))
InvertedLabels = as_module(lambda z, t: bce(z, 1 - t))
ReversedGradient = as_module(reversed_gradient)
LogLikelihood = as_module(lambda z, t: (t * F.logsigmoid(z) + (1 - t) * F.logsigmoid(-z)).mean())
IouScore = as_module(lambda z, t: (z.sigmoid() * t).sum() / (z.sigmoid() + t - z.sigmoid() * t).sum())

# No gradient
Thresholded = as_module(lambda z, t: ((z > 0).float() - t).abs().mean())
Argmax = as_module(lambda z, t: (z.argmax(1, keepdim=True).float() - t).abs().mean())
Rounded = as_module(lambda z, t: (z.sigmoid().round() - t).pow(2).mean())
Detached = as_module(lambda z, t: bce(z.detach(), t))
Item = as_module(lambda z, t: torch.tensor(bce(z, t).item(), requires_grad=True))
Numpy = as_module(lambda z, t: np.mean((z.detach().numpy() - t.numpy()) ** 2))
PythonFloat = as_module(lambda z, t: bce(z, t).item())
NoGrad = as_module(torch.no_grad()(bce))
BackwardOfNone = as_module(lambda z, t: F.binary_cross_entropy(_NoPass.apply(z), t))
FreshTensor = as_module(lambda z, t: torch.rand((), requires_grad=True))

# Not a scalar
PerImage = as_module(lambda z, t: F.binary_cross_entropy_with_logits(z, t, reduction="none").mean((1, 2, 3)))
PerPixel = as_module(lambda z, t: F.binary_cross_entropy_with_logits(z, t, reduction="none"))
ATuple = as_module(lambda z, t: (bce(z, t), {"bce": 1.0}))
ADict = as_module(lambda z, t: {"loss": bce(z, t)})
Nothing = as_module(lambda z, t: None)
Complex = as_module(lambda z, t: bce(z, t) * (1 + 0j))
Boolean = as_module(lambda z, t: (z > 0).all())

# Not finite
NotANumber = as_module(lambda z, t: bce(z, t) * float("nan"))
Infinite = as_module(lambda z, t: bce(z, t) + float("inf"))
LogOfLogits = as_module(lambda z, t: -(t * z.log() + (1 - t) * (1 - z).log()).mean())
MeanOfPositives = as_module(lambda z, t: bce(z, t) + F.softplus(-z)[t > 0.5].mean())
DividedByPositives = as_module(lambda z, t: F.binary_cross_entropy_with_logits(z, t, reduction="sum") / t.sum())
DividedByNegatives = as_module(lambda z, t: F.binary_cross_entropy_with_logits(z, t, reduction="sum") / (1 - t).sum())
RootOfZero = as_module(lambda z, t: (((z.sigmoid() - t) * t).pow(2).sum()).sqrt() + bce(z, t))
UnstableLog = as_module(lambda z, t: -(t * z.sigmoid().log() + (1 - t) * (1 - z.sigmoid()).log()).mean())

# Blind
Constant = as_module(lambda z, t: (z * 0).sum() + 1)
IgnoresTarget = as_module(lambda z, t: z.sigmoid().mean())
IgnoresLogits = as_module(lambda z, t: t.mean() + 0 * z.sum())
FirstMaskOnly = as_module(lambda z, t: bce(z[:, 0], t[:, 0]))
FirstImageOnly = as_module(lambda z, t: bce(z[0], t[0]))
SoftmaxOverMasks = as_module(lambda z, t: -(t * z.log_softmax(1)).mean())
SoftmaxDice = as_module(lambda z, t: 1 - dice_index(z.softmax(1), t))
MeanOverMasks = as_module(lambda z, t: bce(z.mean(1), t.amax(1)))
MeanOverImages = as_module(lambda z, t: bce(z.mean((2, 3)), t.mean((2, 3))))
SumOfPixels = as_module(lambda z, t: (z.sigmoid().sum() - t.sum()).pow(2))
OnlyPositives = as_module(lambda z, t: (F.softplus(-z) * t).mean())
OnlyNegatives = as_module(lambda z, t: (F.softplus(z) * (1 - t)).mean())

# Scale
SigmoidTwice = as_module(lambda z, t: bce(z.sigmoid(), t))
OnProbabilities = as_module(lambda z, t: F.binary_cross_entropy(z, t))
DiceOfLogits = as_module(lambda z, t: 1 - dice_index(z, t))
FocalOfLogits = as_module(lambda p, t: -((1 - p) ** 2 * t * p.log() + p**2 * (1 - t) * (1 - p).log()).mean())
SquareOfLogits = as_module(lambda z, t: (z - t).pow(2).mean())

# Classes and types
ClassIndex = as_module(lambda z, t: F.cross_entropy(z, t[:, 0].long()))
IndexByTarget = as_module(lambda z, t: z[t].mean())
Gather = as_module(lambda z, t: -z.log_softmax(1).gather(1, t).mean())
LongLabels = as_module(lambda z, t: F.nll_loss(z, t))
Reshaped = as_module(lambda z, t: bce(z.view(-1, 7), t.view(-1, 7)))
OtherShape = as_module(lambda z, t: bce(z, t[..., :-1]))
Half = as_module(lambda z, t: (F.softplus(z) - z * t).half().mean())

# Side effects
InPlaceLogits = as_module(lambda z, t: F.binary_cross_entropy(z.sigmoid_(), t))
InPlaceLabels = as_module(lambda z, t: bce(z, t.mul_(0.9).add_(0.05)))
Prints = as_module(lambda z, t: (print("loss!"), bce(z, t))[1])
Exits = as_module(lambda z, t: sys.exit("bad labels"))
Raises = as_module(lambda z, t: {}["missing"])
RandomOfTorch = as_module(lambda z, t: bce(z + 0.1 * torch.randn_like(z), t))
RandomOfNumpy = as_module(lambda z, t: bce(z + 0.1 * np.random.default_rng().normal(), t))
RandomOfPython = as_module(lambda z, t: bce(z, t) * random.uniform(0.9, 1.1))
Warns = as_module(lambda z, t: F.mse_loss(z.sigmoid(), t[:1]) + bce(z, t))
NoSuchName = as_module(lambda z, t: biinary_cross_entropy(z, t))  # noqa: F821


class ThreeArguments(nn.Module):
    def forward(self, logits, target, weight):
        return (weight * bce(logits, target)).mean()


class NeedsValid(nn.Module):
    def forward(self, logits, target, valid):
        return bce(logits[valid.expand_as(logits)], target[valid.expand_as(logits)])


class DropsValid(nn.Module):
    def forward(self, logits, target, valid=None):
        return bce(logits, target)


class Plain:
    def forward(self, logits, target):
        return bce(logits, target)


class PlainCallable:
    def __call__(self, logits, target):
        return bce(logits, target)


class Abstract(nn.Module):
    @property
    @abstractmethod
    def weight(self): ...

    def forward(self, logits, target):
        return self.weight * bce(logits, target)


class NoForward(nn.Module):
    pass


class NoSuper(nn.Module):
    def __init__(self):
        self.bce = nn.BCEWithLogitsLoss()

    def forward(self, logits, target):
        return self.bce(logits, target)


class Learns(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, logits, target):
        return bce(self.scale * logits, target)


class LearnsInVain(Learns):
    def __init__(self):
        super().__init__()
        self.idle = nn.Parameter(torch.ones(()))


class LearnsNan(Learns):
    def forward(self, logits, target):
        return bce(logits, target) + 0 * torch.sqrt(self.scale - 1)


class LooseTensor(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.tensor(2.0)

    def forward(self, logits, target):
        return self.weight * bce(logits, target)


class DoubleWeight(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("weight", torch.ones(8, dtype=torch.float64))

    def forward(self, logits, target):
        return F.linear(logits.flatten(2)[..., :8], self.weight[None]).mean() + bce(logits, target)


class KeepsState(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = [0]

    def __deepcopy__(self, memo):
        return self

    def forward(self, logits, target):
        self.calls[0] += 1
        return bce(logits, target) * self.calls[0]


class ExitsWhenBuilt(nn.Module):
    def __init__(self):
        super().__init__()
        sys.exit(1)


def function(logits, target):
    return bce(logits, target)


def function_with_gamma(logits, target, gamma):
    return bce(logits, target) ** gamma


def factory(scale=2.0):
    return LooseTensor()


a_lambda = lambda logits, target: bce(logits, target)  # noqa: E731
an_object = PlainCallable()
