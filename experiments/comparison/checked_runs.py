"""Checks runs against each other before any number is computed for a comparison."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from experiments.comparison.tolerance.numbers import TolerantScores
from experiments.frontier.arithmetic import reorder_images
from experiments.frontier.curve_space.centre_line import SUMS
from experiments.frontier.curve_space.counts import CurveSums
from experiments.frontier.histogram import ScoreHistograms
from experiments.frontier.tolerance.histograms import TolerantHistograms
from experiments.process.error_text import listed
from experiments.process.on_demand import Mapped

_ENTRIES_WORTH_PROCESSES = 2_000_000
"""Number of entries in all test histograms that takes about half a second to measure."""


@dataclass(frozen=True)
class RunScores:
    """Score histograms of one run: one arm with one seed.

    Args:
        val: validation split, for tuning thresholds; None leaves every tuned point undefined.
        test: test split.
        tolerant: both again, with distances forgiven; None if the comparison does not ask for it.
        curves: sums of the errors of its curves on test; None where they are not compared.
    """

    val: ScoreHistograms | None
    test: ScoreHistograms
    tolerant: TolerantScores | None = None
    curves: CurveSums | None = None

    @classmethod
    def of(
        cls,
        scores: Mapping[str, ScoreHistograms],
        tolerant: Mapping[str, TolerantHistograms] | None = None,
        curves: CurveSums | None = None,
    ) -> "RunScores":
        """Take the splits `test` and, if there is one, `val` of a run."""
        within = None if tolerant is None else TolerantScores.of(tolerant)
        return cls(scores.get("val"), scores["test"], within, curves)


@dataclass(frozen=True)
class CheckedRuns:
    """Runs with the same masks, images, groups and labels, and images in the same order.

    Args:
        runs: arm -> seed -> scores.
        baseline: name of the baseline arm.
        masks: C names.
        image_ids: N test images.
        group_names: G test groups.
        group_of: (N,), each image's group.
    """

    runs: Mapping[str, Mapping[int, RunScores]]
    baseline: str
    masks: tuple[str, ...]
    image_ids: tuple[str, ...]
    group_names: tuple[str, ...]
    group_of: NDArray[np.intp]

    @property
    def arms(self) -> tuple[str, ...]:
        """Arms other than the baseline, in the order given."""
        return tuple(arm for arm in self.runs if arm != self.baseline)

    def worth_workers(self, most: int) -> int:
        """Return how many processes should measure these runs: 1 if starting more would cost more than it saves."""
        entries = 0
        for seeds in self.runs.values():
            for run in seeds.values():
                entries += len(run.test.bins)
                if entries > _ENTRIES_WORTH_PROCESSES:
                    return most
        return 1

    def paired_seeds(self, arm: str) -> tuple[int, ...]:
        """Return the seeds that both the arm and the baseline have, ascending."""
        return tuple(sorted(set(self.runs[arm]) & set(self.runs[self.baseline])))

    def left_out(self, arm: str) -> str:
        """Name the seeds that only one of the two has; empty if there is none."""
        mine, theirs = set(self.runs[arm]), set(self.runs[self.baseline])
        texts = [f"seed {seed} has no run of {arm}" for seed in sorted(theirs - mine)]
        texts += [f"seed {seed} has no run of {self.baseline}" for seed in sorted(mine - theirs)]
        return "; ".join(texts)


def check_runs(runs: Mapping[str, Mapping[int, RunScores]], baseline: str, tolerance: int | None = None) -> CheckedRuns:
    """Refuse runs that do not measure the same thing, and put images into one order.

    Runs that are read on access (`on_demand.Mapped`) still are.

    Args:
        runs: arm -> seed -> scores; an arm may lack seeds, or have none.
        baseline: an arm with at least one run.
        tolerance: distance in pixels within which every run must be counted; None for any or none.

    Raises:
        ValueError: there is no such baseline, a run is not counted within the tolerance, or masks, images, groups or
            labels of a split differ from those of the baseline's first run. The message names the run and what differs.
    """
    if baseline not in runs or not runs[baseline]:
        have = [arm for arm, seeds in runs.items() if seeds]
        raise ValueError(f"baseline: expected an arm that has runs, one of {have}, got {baseline!r}")
    first_seed = min(runs[baseline])
    name = f"{baseline} seed {first_seed}"
    test = _Reference.of(runs[baseline][first_seed].test, name)
    curves = runs[baseline][first_seed].curves
    # Runs without validation have no tuned point; the others must have been tuned on the same images.
    keys = [(baseline, first_seed), *((arm, seed) for arm, seeds in runs.items() for seed in seeds)]
    tuned = next(((arm, seed) for arm, seed in keys if runs[arm][seed].val is not None), None)
    first_val = None if tuned is None else runs[tuned[0]][tuned[1]].val
    val = None if tuned is None or first_val is None else _Reference.of(first_val, f"{tuned[0]} seed {tuned[1]}")
    for arm, seeds in runs.items():
        for seed, run in seeds.items():
            who = f"{arm} seed {seed}"
            if run.val is not None and val is not None:
                _check(_in_order_of(val, run.val, f"{who}, val"), val, f"{who}, val")
            _check(_in_order_of(test, run.test, f"{who}, test"), test, f"{who}, test")
            within = None if run.tolerant is None else run.tolerant.test.radius
            if tolerance is not None and within != tolerance:
                raise ValueError(f"{who}: expected scores within {tolerance} pixels, got {within}")
            if run.tolerant is not None:
                _check_tolerant(run.tolerant.test, run.test, f"{who}, test")
                if run.tolerant.val is not None and run.val is not None:
                    _check_tolerant(run.tolerant.val, run.val, f"{who}, val")
            _check_curves(run.curves, curves, test, who, name)

    def in_one_order(run: RunScores) -> RunScores:
        tuned_on = None if run.val is None or val is None else _in_order_of(val, run.val)
        curves = None if run.curves is None else run.curves.in_order(test.histograms.image_ids)
        return RunScores(tuned_on, _in_order_of(test, run.test), _tolerant_in_order(run.tolerant, test), curves)

    checked = {arm: Mapped(seeds, in_one_order) for arm, seeds in runs.items()}
    group_names, group_of = test.histograms.groups()
    return CheckedRuns(checked, baseline, test.histograms.masks, test.histograms.image_ids, group_names, group_of)


@dataclass(frozen=True)
class _Reference:
    """The properties that every other run's split must share."""

    name: str
    histograms: ScoreHistograms
    pixels: tuple[NDArray[np.int64], NDArray[np.int64]]

    @classmethod
    def of(cls, histograms: ScoreHistograms, name: str) -> "_Reference":
        return cls(name, histograms, histograms.pixel_counts())


def _in_order_of(reference: _Reference, histograms: ScoreHistograms, who: str = "a run") -> ScoreHistograms:
    """Return histograms with images in the reference's order; ValueError if masks or images differ."""
    want, name = reference.histograms, reference.name
    if histograms.masks != want.masks:
        raise ValueError(f"{who}: expected masks {want.masks} as in {name}, got {histograms.masks}")
    if histograms.image_ids != want.image_ids:
        mine, theirs = set(histograms.image_ids), set(want.image_ids)
        if mine != theirs:
            raise ValueError(
                f"{who}: expected the images of {name}; missing [{listed(sorted(theirs - mine))}], "
                f"unexpected [{listed(sorted(mine - theirs))}]"
            )
        position = {image: index for index, image in enumerate(histograms.image_ids)}
        order = np.array([position[image] for image in want.image_ids], dtype=np.intp)
        histograms = reorder_images(histograms, order)
    return histograms


def _check(histograms: ScoreHistograms, reference: _Reference, who: str) -> None:
    """Raise a ValueError if histograms in the reference's order have other groups or labels."""
    want, name = reference.histograms, reference.name
    if histograms.group_ids != want.group_ids:
        triples = zip(want.image_ids, histograms.group_ids, want.group_ids, strict=True)
        wrong = {f"{image} ({have}, not {group})" for image, have, group in triples if have != group}
        raise ValueError(f"{who}: expected the groups of {name}; other groups for [{listed(sorted(wrong))}]")
    differ = np.zeros(histograms.n_images, bool)
    for have, there in zip(histograms.pixel_counts(), reference.pixels, strict=True):
        differ |= (have != there).any(axis=1)
    if differ.any():
        images = {want.image_ids[index] for index in np.flatnonzero(differ)}
        raise ValueError(
            f"{who}: expected the labels of {name}; positive or valid pixels differ in {len(images)} images: "
            f"[{listed(sorted(images))}]"
        )


def _check_tolerant(histograms: TolerantHistograms, exact: ScoreHistograms, who: str) -> None:
    """Raise a ValueError if tolerant histograms are not of the same images and pixels as the exact ones."""
    near = histograms.near
    if (near.masks, near.image_ids, near.group_ids) == (exact.masks, exact.image_ids, exact.group_ids):
        true = np.array_equal(histograms.found.pixel_counts()[0], exact.pixel_counts()[0])
        if true and np.array_equal(np.add(*near.pixel_counts()), np.add(*exact.pixel_counts())):
            return
    raise ValueError(f"{who}: expected the scores within {histograms.radius} pixels to be of the pixels of the others")


def _check_curves(mine: CurveSums | None, theirs: CurveSums | None, test: _Reference, who: str, name: str) -> None:
    """Raise a ValueError if the curves of a run are not those of the reference's images and labels."""
    if mine is None or theirs is None:
        if mine is not theirs:
            raise ValueError(f"{who}: expected the sums of curves in all runs or in none, as in {name}")
        return
    if mine.axis != theirs.axis:
        raise ValueError(f"{who}: expected curves along {theirs.axis} as in {name}, got {mine.axis}")
    order, true = test.histograms.image_ids, SUMS.index("true_rows")
    own, wanted = (each.in_order(order).sums[:, 0, :, true] for each in (mine, theirs))
    if own.shape[1] != test.histograms.n_masks or not np.array_equal(own, wanted):
        raise ValueError(f"{who}: expected the curves of the labels of {name}, got other rows of truth")


def _tolerant_in_order(tolerant: TolerantScores | None, test: _Reference) -> TolerantScores | None:
    if tolerant is None:
        return None
    near, found = (_in_order_of(test, part) for part in (tolerant.test.near, tolerant.test.found))
    return replace(tolerant, test=replace(tolerant.test, near=near, found=found))
