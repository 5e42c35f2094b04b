"""A pool of runs, measured once and then paired as arm and baseline in many ways, by the code of the comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from experiments.comparison.checked_runs import RunScores, check_runs
from experiments.comparison.pairing import MeasuredStudy, measure
from experiments.comparison.settings import CompareSettings
from experiments.comparison.verdict_table import arm_bands, verdict_tables


@dataclass(frozen=True)
class RunPool:
    """Runs on the same test images, measured.

    Args:
        study: every set of runs is an arm.
    """

    study: MeasuredStudy

    @classmethod
    def of(cls, runs: Mapping[str, Mapping[int, RunScores]], settings: CompareSettings) -> "RunPool":
        """Measure runs: name of a set -> seed -> scores."""
        return cls(measure(check_runs(runs, next(iter(runs))), settings))

    def verdicts(
        self, arm: tuple[str, Sequence[int]], baseline: tuple[str, Sequence[int]], *, seed: int
    ) -> pd.DataFrame:
        """Return the verdict table as if these were all the runs; the k-th runs of both form a pair.

        Args:
            arm: a set of runs, and the seeds to take from it.
            baseline: the same; as many seeds.
            seed: of the band's simulation.
        """
        sources = {"arm": arm, "baseline": baseline}
        keys = {(name, k): (runs, s) for name, (runs, seeds) in sources.items() for k, s in enumerate(seeds)}
        checked = self.study.checked
        runs = {
            name: {k: checked.runs[source][s] for (label, k), (source, s) in keys.items() if label == name}
            for name in sources
        }
        study = replace(
            self.study,
            checked=replace(checked, runs=runs, baseline="baseline"),
            settings=replace(self.study.settings, seed=seed),
            points={key: self.study.points[source] for key, source in keys.items()},
            numbers={key: self.study.numbers[source] for key, source in keys.items()},
            levels={key: self.study.levels[source] for key, source in keys.items()},
        )
        pairs = [study.pair("arm", mask) for mask in range(len(checked.masks))]
        return verdict_tables(study, pairs, arm_bands(study, pairs)).masks
