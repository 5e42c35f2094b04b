"""Example predictions of the page, thresholded in the page itself, so that pictures follow the slider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.frontier.codes import NATURAL_CODE
from experiments.report.example_choice import ExampleChoice
from experiments.report.figures.style import OUTCOMES as OUTCOME_COLOURS
from experiments.report.page.numbers.threshold_curve import ThresholdCurve
from experiments.report.page.packed import packed
from experiments.report.text.wording import listed

OUTCOMES = dict(zip(("found", "false alarm", "missed"), OUTCOME_COLOURS.values(), strict=False))
"""Colours of hits, false alarms and misses, those of the example figure, in this order."""

_LEVELS = 255
"""Number of thresholds of a picture: as many as a byte per pixel can distinguish."""

BUDGET = 4_000_000
"""Largest size of all pictures in the page, bytes of text."""

_SMALLEST_SIDE = 64


@dataclass(frozen=True)
class PageExample:
    """One test image, or a window of it, with the scores of one run of each arm.

    Args:
        title: Why it is shown ("median image").
        image_id: Name of the test image.
        image: uint8 (H, W, K).
        target: bool (C, H, W).
        valid: bool (H, W), False where a pixel is ignored; None where none is.
        codes: arm -> uint16 (C, H, W), score codes.
        seed: The seed of the runs.
    """

    title: str
    image_id: str
    image: NDArray[np.uint8]
    target: NDArray[np.bool_]
    valid: NDArray[np.bool_] | None
    codes: Mapping[str, NDArray[np.uint16]]
    seed: int


def page_examples(choice: ExampleChoice) -> tuple[PageExample, ...]:
    """Take the chosen images with every arm's scores."""
    first = next(iter(choice.scores.values()))
    return tuple(
        PageExample(
            title=f"{role} (F1 {f1:.2f})",
            image_id=first.image_ids[place],
            image=first.images[place],
            target=first.targets[place],
            valid=first.valids[place],
            codes={arm: scores.codes[place] for arm, scores in choice.scores.items()},
            seed=choice.seed,
        )
        for role, place, f1 in zip(choice.roles, choice.places, choice.baseline_f1, strict=True)
    )


def rule_of(choice: ExampleChoice, baseline: str) -> str:
    """State the rule by which the images were chosen."""
    return (
        f"{listed(choice.roles).capitalize()} of the {choice.n_kept} test images whose scores were kept, by the F1 of "
        f"{baseline} on the whole image at its tuned threshold, mean over the masks that are there and over seeds."
    )


def example_payload(
    examples: Sequence[PageExample], curves: Mapping[tuple[int, str], ThresholdCurve], seeds: Mapping[str, list[int]]
) -> list[dict[str, Any]]:
    """Pack examples for the page; windows are cut smaller, around the most positives, until they fit `BUDGET`.

    Args:
        examples: The examples to show.
        curves: (mask, arm) -> thresholds of the arm's slider.
        seeds: arm -> seeds, in the order of its counts.
    """
    chosen = list(examples)
    while True:
        packs = [_pack(example, curves, seeds) for example in chosen]
        sides = [max(example.image.shape[:2]) for example in chosen]
        if _size(packs) <= BUDGET or max(sides, default=0) <= _SMALLEST_SIDE:
            return packs
        # Three quarters of the side are about half of the pixels.
        limit = int(0.75 * max(sides))
        chosen = [richest_window(example, limit) for example in chosen]


def richest_window(example: PageExample, limit: int) -> PageExample:
    """Cut the window of at most `limit` x `limit` pixels with the most positives of all masks together."""
    height, width = (min(side, limit) for side in example.image.shape[:2])
    union = np.pad(np.cumsum(np.cumsum(example.target.any(axis=0), axis=0), axis=1), ((1, 0), (1, 0)))
    sums = union[height:, width:] - union[:-height, width:] - union[height:, :-width] + union[:-height, :-width]
    top, left = np.unravel_index(int(np.argmax(sums)), sums.shape)
    cut = (slice(top, top + height), slice(left, left + width))
    return replace(
        example,
        image=example.image[cut],
        target=example.target[:, *cut],
        valid=None if example.valid is None else example.valid[cut],
        codes={arm: codes[:, *cut] for arm, codes in example.codes.items()},
    )


def _pack(
    example: PageExample, curves: Mapping[tuple[int, str], ThresholdCurve], seeds: Mapping[str, list[int]]
) -> dict[str, Any]:
    n_masks = len(example.target)
    grey = example.image if example.image.shape[2] in (1, 3) else example.image[:, :, :1]
    scores = []
    for mask in range(n_masks):
        row: dict[str, Any] = {}
        for arm, codes in example.codes.items():
            if (mask, arm) not in curves or example.seed not in seeds[arm]:
                continue
            levels = picture_levels(curves[mask, arm], seeds[arm].index(example.seed))
            ranks = np.searchsorted(levels, codes[mask], side="right").astype(np.uint8)
            row[arm] = {"levels": packed(levels), "ranks": packed(ranks, deflated=True)}
        scores.append(row)
    valid = None if example.valid is None else packed(example.valid.astype(np.uint8), deflated=True)
    return {
        "title": example.title,
        "id": example.image_id,
        "seed": example.seed,
        "height": example.image.shape[0],
        "width": example.image.shape[1],
        "image": packed(grey, deflated=True),
        "target": packed(example.target.astype(np.uint8), deflated=True),
        "valid": valid,
        "scores": scores,
    }


def picture_levels(curve: ThresholdCurve, run: int) -> NDArray[np.uint16]:
    """Choose at most 255 thresholds for pictures: the natural and the run's tuned one exactly, the others evenly.

    Args:
        curve: The arm's slider in one mask.
        run: Place of the run among the arm's seeds.
    """
    exact = np.array([NATURAL_CODE, *(code for code in (curve.tuned_codes[run],) if code in curve.codes)], np.uint16)
    room = _LEVELS - len(exact)
    places = np.round(np.linspace(0, len(curve.codes) - 1, min(room, len(curve.codes)))).astype(np.intp)
    return np.union1d(curve.codes[places], exact)


def _size(content: object) -> int:
    """Count the bytes of packed data in nested lists and mappings."""
    if isinstance(content, str):
        return len(content)
    if isinstance(content, Mapping):
        return sum(_size(each) for each in content.values())
    if isinstance(content, list):
        return sum(_size(each) for each in content)
    return 8
