"""The clauses of a loss's contract, one by one: what is measured, and whether it passes, fails or is worth knowing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from experiments.criteria.trial import Batch, Tester, Trial
from experiments.process.error_text import describe_error
from losses.adapters import takes_valid

PASS, FAIL, NOTE = "pass", "FAIL", "note"
SCALES = (2.0, 6.0)  # sizes of the logits of right and wrong answers: probabilities .88 and .998
LARGE = 40.0  # in float32 the sigmoid of 17 is 1
_MASKS_TRIED = 8
_LITTLE = "right logits cost little"
_BOTH_KINDS = "both kinds of error cost"
_LARGE = "large logits"
RUNS = "a finite value"
ORDER = "right costs less than random, and than wrong"
TOLD_BEFORE_TRAINING = (_LITTLE, _BOTH_KINDS, _LARGE)
_STEP = 0.05  # change of the logit with the largest slope, in the step against the gradient


@dataclass(frozen=True)
class Clause:
    """One clause of the contract.

    Args:
        name: The requirement.
        measured: The finding.
        verdict: `pass`, `FAIL` or `note`.
    """

    name: str
    measured: str
    verdict: str


def finite_value(first: Trial, batch: Batch) -> Clause:
    """Check that a call gives a finite value."""
    name = RUNS
    if first.error is not None:
        shape = tuple(batch.logits.shape)
        text = f"failed on a batch of logits and labels of shape {shape}: {describe_error(first.error)}"
        return Clause(name, text + _hint(str(first.error)), FAIL)
    if not math.isfinite(first.value):
        return Clause(name, f"expected a finite value at logits between -4 and 4, got {first.value}", FAIL)
    half = f", computed in {str(first.dtype).removeprefix('torch.')}" if first.dtype in _SHORT else ""
    return Clause(name, f"{first.value:.4g} at random logits{half}", NOTE if half else PASS)


_SHORT = (torch.float16, torch.bfloat16)
_HINTS = {
    "positional argument": "training calls it with (logits, target), and with valid=... where it takes that",
    "unexpected keyword argument": "training calls it with (logits, target), and with valid=... where it takes that",
    "indices must be": "labels come as float32 zeros and ones; target.long() and target.bool() convert them",
    "expected scalar type Long": "labels come as float32 zeros and ones; target.long() and target.bool() convert them",
    "same device": "tensors that a loss holds belong in self.register_buffer(name, tensor)",
    "between 0 and 1": "of a combined loss: loss.terms.NAME.input=probabilities puts a sigmoid before one term",
    "NoneType": "valid is None where no pixel is ignored",
    "does not require grad": "somewhere between logits and value the gradient is cut",
}


def _hint(error: str) -> str:
    return next((f" ({hint})" for words, hint in _HINTS.items() if words in error), "")


def gradient_on_logits(first: Trial) -> Clause:
    """Check that there is a gradient, finite and somewhere not 0."""
    name = "a gradient on the logits"
    if first.gradient is None:
        return Clause(name, "none: the value does not depend on the logits", FAIL)
    if not torch.isfinite(first.gradient).all():
        share = float((~torch.isfinite(first.gradient)).float().mean())
        return Clause(name, f"NaN or infinite at {share:.0%} of the pixels", FAIL)
    share = float((first.gradient != 0).float().mean())
    if share == 0:
        why = "Comparisons, argmax and rounding have none"
        if first.gradient.shape[1] == 1:
            why += (
                "; a softmax or cross-entropy over one mask is constant: use a loss of one logit a mask (sigmoid), or "
                "loss.input=classes, which adds the background"
            )
        return Clause(name, f"0 at every pixel: nothing would be trained. {why}", FAIL)
    return Clause(name, f"at {share:.0%} of the pixels, the largest {float(first.gradient.abs().max()):.2g}", PASS)


def own_parameters(tester: Tester) -> Iterator[Clause]:
    """Check the gradients of the loss's own parameters, which the optimizer of the network trains with it."""
    name = "its own parameters"
    gradients = tester.own_gradients
    wrong = [one for one, gradient in gradients.items() if gradient is not None and not gradient.isfinite().all()]
    idle = [one for one, gradient in gradients.items() if gradient is None]
    if wrong:
        yield Clause(name, f"the gradient is NaN or infinite: {', '.join(wrong)}", FAIL)
    elif idle:
        yield Clause(name, f"get no gradient: {', '.join(idle)}", NOTE)
    elif gradients:
        yield Clause(name, f"are trained with the network's weights: {', '.join(gradients)}", PASS)


def noise_of(tester: Tester, batch: Batch, first: Trial) -> float:
    """Return the size of differences to ignore: rounding, and random numbers that no seed fixes."""
    repeats = [tester.value(batch.logits, batch.labels) for _ in range(4)]
    return 4 * max(abs(value - first.value) for value in repeats) + 1e-6 * max(abs(first.value), 1e-6)


def reaction_to_labels(tester: Tester, batch: Batch, first: Trial, noise: float) -> Iterator[Clause]:
    """Check that other labels change value or gradient."""
    other = tester.call(batch.logits, batch.labels.roll(batch.labels.shape[-2] // 2, dims=-2))
    by = abs(other.value - first.value)
    moved = other.gradient is not None and first.gradient is not None and not _alike(other.gradient, first.gradient)
    if by <= noise and not moved:
        yield Clause("reacts to the labels", "value and gradient are the same for other labels", FAIL)
    else:
        yield Clause("reacts to the labels", f"other labels change the value by {by:.2g}", PASS)


def _alike(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).abs().max() <= 1e-6 * torch.maximum(one.abs().max(), other.abs().max()))


def order_of_costs(tester: Tester, batch: Batch, first: Trial, noise: float) -> Iterator[Clause]:
    """Check that right logits cost less than the same logits at random pixels, and less than wrong ones."""
    name = ORDER
    rows = {
        scale: [tester.value(of(scale), batch.labels) for of in (batch.perfect, batch.shuffled, _wrong(batch))]
        for scale in SCALES
    }
    words = "; ".join(f"logits ±{s:g}: {r:.4g}, {m:.4g}, {w:.4g}" for s, (r, m, w) in rows.items())
    if not all(math.isfinite(value) for row in rows.values() for value in row):
        yield Clause(name, f"not finite ({words})", FAIL)
    elif all(right > max(random, wrong) + noise for right, random, wrong in rows.values()):
        yield Clause(
            name, f"the loss has the wrong sign: right logits cost most ({words}). Return its negative, or 1 - it", FAIL
        )
    elif any(right >= min(random, wrong) - noise for right, random, wrong in rows.values()):
        yield Clause(name, f"right logits do not cost least ({words})", FAIL)
    else:
        yield Clause(name, words, PASS)
    left = min(right / random if random > 0 else 0.0 for right, random, _ in rows.values())
    if left > 0.8:
        text = (
            f"right logits still cost {left:.0%} of random ones: is a sigmoid applied twice, or is it no loss of "
            "logits? (loss.input=probabilities puts a sigmoid in front)"
        )
        yield Clause(_LITTLE, text, NOTE)


def _wrong(batch: Batch) -> Callable[[float], Tensor]:
    return lambda scale: -batch.perfect(scale)


def descent(tester: Tester, batch: Batch, first: Trial, noise: float) -> Iterator[Clause]:
    """Check that a small step against the gradient lowers the loss: a hand-written gradient may have the wrong sign."""
    assert first.gradient is not None
    name = "a step against its gradient lowers it"
    changes = []
    for step in (_STEP, _STEP / 10):
        moved = batch.logits - step / first.gradient.abs().max() * first.gradient
        changes.append(tester.value(moved, batch.labels) - first.value)
    if all(change > noise for change in changes):
        yield Clause(name, f"it rises by {changes[0]:.2g}: the gradient has the wrong sign", FAIL)
    elif not any(change < -noise for change in changes):
        yield Clause(name, f"it changes by {changes[0]:.2g}, no more than its rounding or its random numbers do", NOTE)
    else:
        yield Clause(name, f"by {-changes[0]:.2g}", PASS)


def every_mask(tester: Tester, batch: Batch, first: Trial, noise: float) -> Iterator[Clause]:
    """Check that every mask counts, and depends on its own logit alone."""
    assert first.gradient is not None
    count = batch.labels.shape[1]
    if count == 1:
        return
    shared = first.gradient.sum(dim=1)
    if shared.abs().max() < 1e-4 * first.gradient.abs().max():
        text = (
            "raising the logits of all masks of a pixel together changes nothing: a softmax over masks. Pixels of no "
            "mask train nothing, and the score of a mask, its own logit, is left open; use a loss with a sigmoid, or "
            "loss.input=classes, which adds the background"
        )
        yield Clause("every mask by its own logit", text, FAIL)
        return
    right = tester.value(batch.perfect(SCALES[1]), batch.labels)
    if abs(tester.value(batch.perfect(SCALES[1]).roll(1, dims=1), batch.labels) - right) <= noise:
        text = "exchanging the logits of the masks changes nothing: is it a mean over the masks?"
        yield Clause("every mask by its own logit", text, FAIL)
        return
    without = []
    for mask in range(min(count, _MASKS_TRIED)):
        logits = batch.perfect(SCALES[1])
        logits[:, mask] *= -1
        if abs(tester.value(logits, batch.labels) - right) <= noise:
            without.append(str(mask))
    if without:
        yield Clause("every mask counts", f"mask {', '.join(without)} (from 0) changes nothing: it never trains", FAIL)
    else:
        yield Clause("every mask counts", "wrong logits in each mask change the value", PASS)


def every_image(tester: Tester, batch: Batch, first: Trial, noise: float) -> Iterator[Clause]:
    """Every image of the batch counts."""
    if len(batch.labels) == 1:
        return
    right = tester.value(batch.perfect(SCALES[1]), batch.labels)
    without = []
    for image in range(min(len(batch.labels), _MASKS_TRIED)):
        logits = batch.perfect(SCALES[1])
        logits[image] *= -1
        if abs(tester.value(logits, batch.labels) - right) <= noise:
            without.append(str(image))
    if without:
        yield Clause("every image counts", f"image {', '.join(without)} of the batch changes nothing", FAIL)
    else:
        yield Clause("every image counts", "wrong logits in each image change the value", PASS)


def extreme_labels(name: str, trial: Trial) -> Clause:
    """Check that value and gradient are finite for a batch without positives and for one full of them."""
    if trial.error is not None:
        return Clause(name, f"raised {describe_error(trial.error)}", FAIL)
    if not trial.is_finite or trial.gradient is None:
        what = "its gradient is NaN or infinite" if math.isfinite(trial.value) else "expected a finite one"
        return Clause(name, f"value {trial.value:.4g}, {what}; tiles without a positive pixel are common", FAIL)
    if not trial.gradient.any():
        return Clause(name, f"{trial.value:.4g} with no gradient: such tiles train nothing", NOTE)
    return Clause(name, f"{trial.value:.4g}, gradient finite", PASS)


def inputs_left_alone(tester: Tester, batch: Batch) -> Iterator[Clause]:
    """Check whether the loss changes its inputs in place."""
    name = "leaves its inputs alone"
    changed = tester.changed_inputs(batch.logits, batch.labels)
    serious = [one for one in changed if one != "labels"]
    if serious:
        yield Clause(name, f"changes its {' and '.join(serious)} in place; work on a clone()", FAIL)
    elif changed:
        yield Clause(name, "changes its labels in place; training hands it a copy, others may not", NOTE)
    else:
        yield Clause(name, "nothing is changed in place", PASS)


def ignored_pixels(criterion: nn.Module, batch: Batch, *, needed: bool) -> Iterator[Clause]:
    """Check that ignored pixels do not count: their logits do not change the value, and their gradient is 0."""
    name = "ignores pixels where valid is False"
    if not takes_valid(criterion):
        yield Clause(name, "takes no `valid`: cannot be used on data with ignored pixels", NOTE)
        return
    valid = torch.ones_like(batch.labels[:, :1])
    valid[..., : batch.labels.shape[-1] // 4] = False
    tester = Tester(criterion, valid)
    kept = tester.call(batch.logits, batch.labels)
    other = tester.call(torch.where(valid, batch.logits, -3 * batch.logits), batch.labels)
    verdict = FAIL if needed else NOTE
    if kept.error is not None:
        yield Clause(name, f"raised {describe_error(kept.error)}", verdict)
    elif kept.gradient is None or abs(other.value - kept.value) > 1e-5 * max(abs(kept.value), 1e-6):
        yield Clause(name, "logits of ignored pixels change the value", verdict)
    elif kept.gradient[~valid.expand_as(kept.gradient)].any():
        yield Clause(name, "ignored pixels get a gradient", verdict)
    else:
        yield Clause(name, "they change neither value nor gradient", PASS)


def large_logits(tester: Tester, batch: Batch) -> Iterator[Clause]:
    """Check that value and gradient stay finite where the sigmoid is 0 or 1."""
    trials = [tester.call(sign * batch.perfect(LARGE), batch.labels) for sign in (1, -1)]
    if all(trial.is_finite for trial in trials):
        yield Clause(_LARGE, f"finite at ±{LARGE:g}, right and wrong", PASS)
    else:
        text = f"value or gradient is not finite at ±{LARGE:g}: training may diverge. Use logsigmoid, not log(sigmoid)"
        yield Clause(_LARGE, text, NOTE)


def both_errors(tester: Tester, batch: Batch, noise: float) -> Iterator[Clause]:
    """Check whether false positives and false negatives both cost something."""
    right = batch.perfect(SCALES[1])
    at_right = tester.value(right, batch.labels)
    flipped = torch.zeros_like(batch.labels)
    flipped[..., ::3, ::2] = True
    kinds = {"false positives": flipped & ~batch.labels, "missed positives": flipped & batch.labels}
    costs = {}
    for what, pixels in kinds.items():
        wrong, unsure = (tester.value(torch.where(pixels, by * right, right), batch.labels) for by in (-1, 0))
        costs[what] = wrong - min(at_right, unsure)  # a squared distance between logits is smallest at 0
    free = [what for what, cost in costs.items() if not cost > noise]
    if free:
        yield Clause(_BOTH_KINDS, f"{' and '.join(free)} cost nothing", NOTE)
    else:
        words = ", ".join(f"{what} +{cost:.3g}" for what, cost in costs.items())
        yield Clause(_BOTH_KINDS, words, PASS)


def repeatable(tester: Tester, batch: Batch, first: Trial) -> Iterator[Clause]:
    """Check whether the same batch gives the same value."""
    name = "the same value for the same batch"
    again = tester.value(batch.logits, batch.labels)
    if again != first.value and not abs(again - first.value) < 1e-6 * abs(first.value):
        yield Clause(name, "no: it keeps a state, or draws from a generator that no seed reaches", NOTE)
        return
    unseeded = tester.call(batch.logits, batch.labels, seed=None).value
    if abs(unseeded - first.value) > 1e-6 * abs(first.value):
        yield Clause(name, "draws random numbers from a global generator; a resumed run draws on exactly", NOTE)
        return
    yield Clause(name, "yes", PASS)


def side_effects(criterion: nn.Module, tester: Tester, first: Trial) -> Iterator[Clause]:
    """Look for what else a call does: output, warnings, tensors that stay behind."""
    if tester.prints:
        yield Clause("prints nothing", "prints at every call", NOTE)
    for text in list(tester.warned)[:3]:
        yield Clause("warns of nothing", " ".join(text.split())[:200], NOTE)
    loose = [
        f"{type(part).__name__}.{name}"
        for part in criterion.modules()
        for name, value in vars(part).items()
        if isinstance(value, Tensor)
    ]
    if loose:
        text = f"{', '.join(loose)} stays on the CPU when training moves to a GPU; use self.register_buffer"
        yield Clause("its tensors move with it", text, NOTE)
