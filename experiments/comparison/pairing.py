"""Measures all runs of a study, and pairs each arm with the baseline, seed by seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from experiments.comparison.checked_runs import CheckedRuns
from experiments.comparison.curve_space.numbers import COLUMNS as CURVE_COLUMNS
from experiments.comparison.measure import MaskNumbers, RunPoints, mask_numbers, run_points
from experiments.comparison.settings import CompareSettings
from experiments.comparison.tolerance.numbers import COLUMNS
from experiments.frontier.calibration import code_probabilities
from experiments.frontier.codes import logit_to_code
from experiments.frontier.leave_one_out import SweepGrid
from experiments.inference.above_chance import AboveChance, above_chance
from experiments.inference.paired_difference import PairedDifference, group_df, rows_difference
from experiments.inference.words import why_untrained
from experiments.process.parallel import in_parallel

SINGLE_VALUES = (
    "ap",
    "mean_precision",
    "prg",
    "f1",
    "fbeta",
    "f1_natural",
    "recall_natural",
    "precision_natural",
    "recall_tuned",
    "precision_tuned",
    *COLUMNS,
    *CURVE_COLUMNS,
)
"""Statistics with one value per run; "f1" and "fbeta" are at their tuned thresholds; "prg" is NaN but as headline.

Those within a tolerance are NaN without one, those of curves where runs did not count them.
"""

CURVE_RECALLS = np.round(np.arange(1, 101) / 100.0, 2)
"""Recalls of the drawn curves."""

Key = tuple[str, int]
"""Arm and seed."""


@dataclass(frozen=True)
class PairedRuns:
    """One arm beside the baseline in one mask, or over several, for the S seeds that both have.

    Args:
        arm: name.
        masks: indices; rows of several are their means.
        seeds: S seeds.
        rows: (S, 1+G, K) of the arm; columns `SINGLE_VALUES`, precision at R recalls, recall at Q precisions.
        baseline_rows: (S, 1+G, K) of the baseline.
        reached: bool (S, R), the arm's run reaches the recall.
        baseline_reached: bool (S, R).
        levels: S, the arm's AP compared with chance.
        baseline_levels: S.
        untrained: which runs are not trained, in words; empty where all are.
        prevalences: share of positives in the test set, mask by mask; NaN without a paired seed.
        near_shares: share of pixels with a true pixel within the tolerance, mask by mask; NaN without one.
        df_group: (K,), degrees of freedom of the test groups.
    """

    arm: str
    masks: tuple[int, ...]
    seeds: tuple[int, ...]
    rows: NDArray[np.float64]
    baseline_rows: NDArray[np.float64]
    reached: NDArray[np.bool_]
    baseline_reached: NDArray[np.bool_]
    levels: tuple[AboveChance, ...]
    baseline_levels: tuple[AboveChance, ...]
    untrained: str
    prevalences: tuple[float, ...]
    near_shares: tuple[float, ...]
    df_group: NDArray[np.float64]

    @property
    def mask(self) -> int:
        """Index of the mask, of one."""
        (only,) = self.masks
        return only

    @property
    def prevalence(self) -> float:
        """Mean share of positives over the masks."""
        return float(np.mean(self.prevalences))

    @property
    def n_groups(self) -> int:
        """Number of test groups, G."""
        return self.rows.shape[1] - 1

    @property
    def recall_columns(self) -> slice:
        """Columns of the precision at each recall."""
        return slice(len(SINGLE_VALUES), len(SINGLE_VALUES) + self.reached.shape[1])

    @property
    def precision_columns(self) -> slice:
        """Columns of the recall at each precision."""
        return slice(len(SINGLE_VALUES) + self.reached.shape[1], self.rows.shape[2])

    def gains(self) -> NDArray[np.float64]:
        """Arm minus baseline, (S, 1+G, K)."""
        return self.rows - self.baseline_rows

    def difference(self, columns: slice | list[str]) -> PairedDifference:
        """Return the paired difference of some columns, by position or by name."""
        chosen = columns if isinstance(columns, slice) else [SINGLE_VALUES.index(name) for name in columns]
        return self._untrained_or(rows_difference(self.gains()[:, :, chosen], self.df_group[chosen]))

    def difference_of(self, rows: NDArray[np.float64]) -> PairedDifference:
        """Paired difference of other gains (S, 1+G, K) of these runs and their one mask."""
        return self._untrained_or(rows_difference(rows, self.df_group[0]))

    def trained_seeds_only(self, columns: list[str]) -> PairedDifference:
        """Paired difference over the seeds of which both runs trained: conditional on that."""
        chosen = [SINGLE_VALUES.index(name) for name in columns]
        kept = [not (a.untrained or b.untrained) for a, b in zip(self.levels, self.baseline_levels, strict=True)]
        return rows_difference(self.gains()[kept][:, :, chosen], self.df_group[chosen])

    def _untrained_or(self, found: PairedDifference) -> PairedDifference:
        """Without variances where a run is not trained.

        A run that did not train, or collapsed, is not a draw from the same distribution as the others, so an interval
        with one variance for all of them would not hold.
        """
        if not self.untrained:
            return found
        nan = np.full(found.estimate.shape, np.nan)
        return replace(found, v_seed=nan, v_group=nan)

    def mean(self, name: str) -> tuple[float, float]:
        """Return the mean over seeds of one statistic: (arm, baseline); NaN if a seed has none."""
        column = SINGLE_VALUES.index(name)
        if not self.seeds:
            return float("nan"), float("nan")
        return float(self.rows[:, 0, column].mean()), float(self.baseline_rows[:, 0, column].mean())


def over_masks(pairs: Sequence[PairedRuns], mask_names: Sequence[str]) -> PairedRuns:
    """One arm over several of its masks: every statistic is the mean over masks, run by run and group by group.

    So the variances of the mean hold the covariances between masks. The groups' degrees of freedom are the harmonic
    mean over masks, each weighted by its share of the variance over groups: a mask that lies in two wells counts as it
    varies.

    Args:
        pairs: the same arm in each mask, at least one.
        mask_names: of all masks of the study.
    """
    if len(pairs) == 1:
        return pairs[0]
    first = pairs[0]
    return PairedRuns(
        arm=first.arm,
        masks=tuple(pair.mask for pair in pairs),
        seeds=first.seeds,
        rows=np.mean([pair.rows for pair in pairs], axis=0),
        baseline_rows=np.mean([pair.baseline_rows for pair in pairs], axis=0),
        reached=np.all([pair.reached for pair in pairs], axis=0),
        baseline_reached=np.all([pair.baseline_reached for pair in pairs], axis=0),
        levels=_worst([pair.levels for pair in pairs]),
        baseline_levels=_worst([pair.baseline_levels for pair in pairs]),
        untrained=untrained_masks(pairs, mask_names),
        prevalences=tuple(share for pair in pairs for share in pair.prevalences),
        near_shares=tuple(share for pair in pairs for share in pair.near_shares),
        df_group=_joint_df(pairs),
    )


def untrained_masks(pairs: Sequence[PairedRuns], mask_names: Sequence[str]) -> str:
    """Say which masks an arm did not train in, and why; empty where it trained in all."""
    return "; ".join(f"{mask_names[pair.mask]}: {pair.untrained}" for pair in pairs if pair.untrained)


def _worst(levels: Sequence[tuple[AboveChance, ...]]) -> tuple[AboveChance, ...]:
    """Of each seed the level of a mask that is not trained, if there is one."""
    return tuple(next((one for one in each if one.untrained), each[0]) for each in zip(*levels, strict=True))


def _joint_df(pairs: Sequence[PairedRuns]) -> NDArray[np.float64]:
    """(K,), 1 / sum_m (share_m / df_m), share_m the share of mask m in the variances over groups."""
    df = np.array([pair.df_group for pair in pairs])
    if not pairs[0].seeds or pairs[0].n_groups < 2:
        return df.min(axis=0)
    variances = np.array([pair.gains()[:, 1:].mean(axis=0).var(axis=0) for pair in pairs])
    total = variances.sum(axis=0)
    shares = np.divide(variances, total, out=np.full_like(variances, 1.0 / len(pairs)), where=total > 0)
    with np.errstate(divide="ignore"):
        return 1.0 / (shares / df).sum(axis=0)


@dataclass(frozen=True)
class MeasuredStudy:
    """The numbers of every run.

    Args:
        checked: the runs, checked to be comparable.
        settings: the settings that they were measured with.
        points: (arm, seed) -> operating points; the baseline's also hold "theory:<arm>", "rankseg" and "oracle".
        numbers: (arm, seed) -> one `MaskNumbers` per mask.
        levels: (arm, seed) -> one `AboveChance` per mask.
        tolerant_levels: as `levels`, within the tolerance: a run may see every line and place it a pixel aside. Empty
            without one.
    """

    checked: CheckedRuns
    settings: CompareSettings
    points: Mapping[Key, RunPoints]
    numbers: Mapping[Key, tuple[MaskNumbers, ...]]
    levels: Mapping[Key, tuple[AboveChance, ...]]
    tolerant_levels: Mapping[Key, tuple[AboveChance, ...]]

    def levels_of(self, statistic: str) -> Mapping[Key, tuple[AboveChance, ...]]:
        """Return the levels that tell whether a run is trained, for a statistic without or within the tolerance."""
        return self.tolerant_levels if statistic in COLUMNS else self.levels

    def judged_by(self, pair: PairedRuns, statistic: str) -> PairedRuns:
        """Return runs of one mask with the levels that belong to a statistic."""
        levels, base = self.levels_of(statistic), self.checked.baseline
        mine, theirs = (tuple(levels[name, seed][pair.mask] for seed in pair.seeds) for name in (pair.arm, base))
        told = why_untrained([(base, pair.seeds, theirs), (pair.arm, pair.seeds, mine)])
        return replace(pair, levels=mine, baseline_levels=theirs, untrained=told)

    def pair(self, arm: str, mask: int) -> PairedRuns:
        """Pair an arm with the baseline in one mask."""
        seeds = self.checked.paired_seeds(arm)
        n_recalls, n_precisions = len(self.settings.recalls), len(self.settings.precisions)
        shape = (0, len(self.checked.group_names) + 1, len(SINGLE_VALUES) + n_recalls + n_precisions)

        def stacked(name: str) -> NDArray[np.float64]:
            return np.stack([self._values((name, seed), mask) for seed in seeds]) if seeds else np.zeros(shape)

        def reached(name: str) -> NDArray[np.bool_]:
            rows = [self.numbers[name, seed][mask].sweep.reached for seed in seeds]
            return np.array(rows, dtype=bool).reshape(len(seeds), n_recalls)

        base = self.checked.baseline
        positives = next(iter(self.points.values())).points["natural"].n_positive[:, mask]
        mine, theirs = (tuple(self.levels[name, seed][mask] for seed in seeds) for name in (arm, base))
        return PairedRuns(
            arm=arm,
            masks=(mask,),
            seeds=seeds,
            rows=stacked(arm),
            baseline_rows=stacked(base),
            reached=reached(arm),
            baseline_reached=reached(base),
            levels=mine,
            baseline_levels=theirs,
            untrained=why_untrained([(base, seeds, theirs), (arm, seeds, mine)]),
            prevalences=(mine[0].prevalence if mine else float("nan"),),
            near_shares=(self._near_share(mask),),
            df_group=np.full(shape[2], group_df(positives[0] - positives[1:])),
        )

    def _near_share(self, mask: int) -> float:
        tolerant = next(iter(self.numbers.values()))[mask].tolerant
        return float("nan") if tolerant is None else tolerant.near_share

    def _values(self, key: Key, mask: int) -> NDArray[np.float64]:
        """Return the columns of one run and mask, (1+G, K)."""
        points, sweep, beta = self.points[key].points, self.numbers[key][mask].sweep, self.settings.beta
        single = {
            "ap": sweep.average_precision,
            "mean_precision": sweep.mean_precision,
            "prg": sweep.gain_area,
            "f1": points["tuned"].f_beta(mask, 1.0),
            "fbeta": points["tuned_fbeta"].f_beta(mask, beta),
            "f1_natural": points["natural"].f_beta(mask, 1.0),
            "recall_natural": points["natural"].recall(mask),
            "precision_natural": points["natural"].precision(mask),
            "recall_tuned": points["tuned"].recall(mask),
            "precision_tuned": points["tuned"].precision(mask),
        }
        tolerant = self.numbers[key][mask].tolerant
        undefined = np.full(len(sweep.average_precision), np.nan)
        single |= dict.fromkeys(COLUMNS, undefined) if tolerant is None else tolerant.columns()
        curve = self.numbers[key][mask].curve
        single |= dict.fromkeys(CURVE_COLUMNS, undefined) if curve is None else curve.columns()
        columns = np.stack([single[name] for name in SINGLE_VALUES], axis=1)
        return np.concatenate([columns, sweep.precision_at_recall, sweep.recall_at_precision], axis=1)


def measure(checked: CheckedRuns, settings: CompareSettings) -> MeasuredStudy:
    """Measure every run: first the operating points, then the curves.

    The baseline's curves are also evaluated at the recalls that each arm reaches at its natural point, so these points
    come first.
    """
    n_masks, n_groups = len(checked.masks), len(checked.group_names)
    maps = {arm: settings.score_maps(arm, n_masks) for arm in checked.runs}
    predicted = {arm: settings.predicted_thresholds(arm, checked.baseline, n_masks) for arm in checked.arms}
    theory_codes = {
        f"theory:{arm}": tuple(int(logit_to_code(logit)) for logit in logits)
        for arm, logits in predicted.items()
        if logits is not None
    }
    keys = [(arm, seed) for arm, seeds in checked.runs.items() for seed in sorted(seeds)]
    workers = checked.worth_workers(settings.workers)

    stated = code_probabilities()
    corrected = {
        arm: None if items is None else tuple(code_probabilities(item) for item in items) for arm, items in maps.items()
    }
    believed = corrected[checked.baseline] or (stated,) * n_masks

    def point_counts(key: Key) -> RunPoints:
        run, is_baseline = checked.runs[key[0]][key[1]], key[0] == checked.baseline
        return run_points(
            run,
            checked.group_of,
            n_groups,
            beta=settings.beta,
            extra=theory_codes if is_baseline else {},
            probabilities=believed if is_baseline else None,
        )

    points = dict(zip(keys, in_parallel(point_counts, keys, workers), strict=True))
    grid = SweepGrid(
        recalls=np.asarray(settings.recalls),
        precisions=np.asarray(settings.precisions),
        recall_band=settings.recall_band,
        tolerance=settings.recall_tolerance,
        curve_recalls=CURVE_RECALLS,
        gain_area=settings.headline == "prg",
    )

    def curves(key: Key) -> tuple[MaskNumbers, ...]:
        arm, seed = key
        others = checked.arms if arm == checked.baseline else ()
        out = []
        for mask in range(n_masks):
            levels = np.full((n_groups + 1, len(others)), np.nan)
            for column, other in enumerate(others):
                if (other, seed) in points:
                    levels[:, column] = points[other, seed].points["natural"].recall(mask)
            fixed = corrected[arm]
            out.append(
                mask_numbers(
                    checked.runs[arm][seed],
                    mask,
                    checked.group_of,
                    grid,
                    levels=levels,
                    stated=stated,
                    corrected=None if fixed is None else fixed[mask],
                )
            )
        return tuple(out)

    numbers = dict(zip(keys, in_parallel(curves, keys, workers), strict=True))
    levels = {key: _levels(points[key], numbers[key], settings.level) for key in keys}
    within = {} if settings.tolerance is None else {key: _tolerant_levels(numbers[key], settings.level) for key in keys}
    return MeasuredStudy(checked, settings, points, numbers, levels, within)


def _levels(points: RunPoints, numbers: tuple[MaskNumbers, ...], level: float) -> tuple[AboveChance, ...]:
    """Compare the AP of each mask with chance."""
    counts = points.points["natural"]
    return tuple(
        above_chance(
            item.sweep.average_precision,
            counts.n_positive[:, mask],
            counts.n_negative[:, mask],
            level=level,
            constant=item.saturation.n_codes == 1,
        )
        for mask, item in enumerate(numbers)
    )


def _tolerant_levels(numbers: tuple[MaskNumbers, ...], level: float) -> tuple[AboveChance, ...]:
    """Compare the AP within the tolerance of each mask with chance: the share of pixels near a true one."""
    return tuple(
        above_chance(
            item.tolerant.average_precision,
            item.tolerant.n_near,
            item.tolerant.n_far,
            level=level,
            constant=item.saturation.n_codes == 1,
        )
        for item in numbers
        if item.tolerant is not None
    )
