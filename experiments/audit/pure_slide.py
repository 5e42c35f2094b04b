"""Pure slides: increasing maps of the logits do not change the frontier, so the verdict must never be "moves"."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from experiments.audit.observed_share import ObservedShare
from experiments.audit.simulation.run_pool import RunPool
from experiments.audit.simulation.runs import ArmModel, Effects, TestSet, simulate_runs
from experiments.audit.task import Note, Row, Task
from experiments.comparison.checked_runs import RunScores
from experiments.comparison.settings import CompareSettings
from experiments.frontier.arithmetic import recode
from experiments.frontier.codes import logit_to_code, ordered_logits
from experiments.frontier.theory import ScoreMap
from experiments.inference.behrens_fisher import two_way_isf
from experiments.inference.words import CROSSES, MOVES_IN, MOVES_OUT, SLIDES, STAYS, UNDECIDED

LogitMap = Callable[[NDArray[np.float64]], NDArray[np.float64]]

WEIGHTS = (2, 4, 12, 42, 80)


def _shift(weight: int) -> LogitMap:
    return lambda logits: logits + np.log(weight)


MAPS: Mapping[str, LogitMap] = {
    **{f"weight {weight}: + ln {weight}": _shift(weight) for weight in WEIGHTS},
    "scale: 3 logit": lambda logits: 3.0 * logits,
    "focal, gamma 2": ScoreMap.focal(gamma=2.0).to_stated_logit,
    "focal, gamma 2, weight .9": ScoreMap.focal(gamma=2.0, positive_weight=0.9).to_stated_logit,
}
"""What objectives do to plain BCE's logits in theory, and a scale, which does not move the natural point."""


@cache
def _code_table(name: str) -> NDArray[np.uint16]:
    return logit_to_code(MAPS[name](ordered_logits()))


def mapped(run: RunScores, name: str) -> RunScores:
    """Map the scores of a run by one of `MAPS`."""
    table = _code_table(name)
    return RunScores(None if run.val is None else recode(run.val, table), recode(run.test, table))


@dataclass(frozen=True)
class SlideSource:
    """Simulated runs: two arms with the same model, and so the same frontier.

    Args:
        name: in tables.
        effects: sizes of the random effects.
        n_seeds: S.
        test: size of the test split.
    """

    name: str
    effects: Effects
    n_seeds: int
    test: TestSet


SOURCES = (
    SlideSource(
        "simulated, precise",
        Effects(seed=0.01, group=0.4, arm_group=0.02, interaction=0.02, shared_noise=0.95),
        8,
        TestSet(80, pixels=3000),
    ),
    SlideSource(
        "simulated, noisy", Effects(seed=0.12, group=0.4, arm_group=0.1, interaction=0.1), 5, TestSet(40, pixels=800)
    ),
)
"""The first is large enough for a verdict, the second is not."""

_MODEL = ArmModel(separation=3.0, scale=2.5, shift=-7.5)


def simulated_slide_tasks(*, n_studies: int, settings: CompareSettings) -> list[Task]:
    """Return one task per simulated study, with the rows of `_slide_row`."""
    return [Task(1, partial(_simulated_rows, source, settings)) for source in SOURCES for _ in range(n_studies)]


def _simulated_rows(source: SlideSource, settings: CompareSettings, rng: np.random.Generator, note: Note) -> list[Row]:
    runs = simulate_runs(
        {"plain": _MODEL, "twin": _MODEL},
        range(source.n_seeds),
        test=source.test,
        val=TestSet(10, pixels=300),
        effects=source.effects,
        rng=rng,
    )
    pool = mapped_pool(runs["plain"], runs["twin"], settings)
    seeds = range(source.n_seeds)
    rows = slide_rows(pool, source.name, seeds, seeds, seed=int(rng.integers(2**31)))
    note(1)
    return rows


def mapped_pool(
    baseline: Mapping[int, RunScores], other: Mapping[int, RunScores], settings: CompareSettings
) -> RunPool:
    """Measure the baseline's runs, and by every map, the same trainings mapped and the other trainings mapped."""
    sets: dict[str, Mapping[int, RunScores]] = {"baseline": baseline}
    for name in MAPS:
        sets[f"same {name}"] = {seed: mapped(run, name) for seed, run in baseline.items()}
        if other is not baseline:
            sets[f"other {name}"] = {seed: mapped(run, name) for seed, run in other.items()}
    return RunPool.of(sets, settings)


def real_slide_tasks(
    runs: Mapping[int, RunScores], splits: Sequence[tuple[tuple[int, ...], tuple[int, ...]]], settings: CompareSettings
) -> list[Task]:
    """Return one task per split of real runs into halves: the first half is the baseline, and each half is mapped."""
    pool = mapped_pool(runs, runs, settings)

    def rows(first: tuple[int, ...], second: tuple[int, ...], rng: np.random.Generator, note: Note) -> list[Row]:
        out = slide_rows(pool, "real trainings", first, second, seed=int(rng.integers(2**31)))
        note(1)
        return out

    return [Task(1, partial(rows, first, second)) for first, second in splits]


def slide_rows(
    pool: RunPool, source: str, baseline_seeds: Sequence[int], other_seeds: Sequence[int], *, seed: int
) -> list[Row]:
    """Return the verdicts of every map on the same and on other trainings, a row per map, pairing and mask."""
    rows = []
    for name in MAPS:
        for pairing, seeds in (("same training", baseline_seeds), ("other training", other_seeds)):
            key = f"{pairing.split()[0]} {name}"
            if key not in pool.study.checked.runs:
                key = f"same {name}"
            table = pool.verdicts((key, seeds), ("baseline", baseline_seeds), seed=seed)
            columns = ["mask", "verdict", "ap_gain", "natural_recall_gain", "natural_precision_gain"]
            for row in table[[*columns, "v_seed", "v_group", "n_seeds", "n_groups"]].to_dict("records"):
                facts = {str(column): value for column, value in row.items()}
                rows.append({"source": source, "map": name, "pairing": pairing, "n_masks": len(table), **facts})
    return rows


def promised_equivalence(
    v_seed: float, v_group: float, n_seeds: int, n_groups: int, *, margin: float, level: float
) -> float:
    """P(a gain that is truly 0 is shown to lie inside the margin): P(|d| < margin - q), q the tail's quantile."""
    error = np.sqrt(v_seed + v_group)
    if error == 0.0:
        return 1.0
    room = margin - two_way_isf(level, v_seed, v_group, n_seeds, n_groups)
    return max(0.0, float(2.0 * special.ndtr(room / error) - 1.0))


def slide_summary(rows: pd.DataFrame, settings: CompareSettings) -> pd.DataFrame:
    """Summarise the verdicts, a row per source, pairing and map.

    Columns: source; pairing, whether the mapped runs are the baseline's own trainings or others; map; n, verdicts
    (studies x masks); point_move, the larger of the mean changes of natural recall and precision; promised, smallest
    chance over masks that the equivalence test passes with the mean variances; suffices, promised at least .95 and
    point_move at least twice the point margin; slides, stays, undecided, crosses, moves, shares of verdicts;
    moves_above_level, whether more moves than the level are shown.
    """
    out = []
    for (source, pairing, name), part in rows.groupby(["source", "pairing", "map"], sort=False):
        by_mask = part.groupby("mask")
        promised = min(
            promised_equivalence(
                float(of_mask["v_seed"].mean()),
                float(of_mask["v_group"].mean()),
                int(of_mask["n_seeds"].iloc[0]),
                int(of_mask["n_groups"].iloc[0]),
                margin=settings.margin,
                level=settings.level / int(of_mask["n_masks"].iloc[0]),
            )
            for _, of_mask in by_mask
        )
        point = by_mask[["natural_recall_gain", "natural_precision_gain"]].mean().abs().max(axis=1).min()
        words = part["verdict"]
        moves = ObservedShare.of(words.isin([MOVES_OUT, MOVES_IN]).to_numpy())
        out.append(
            {
                "source": source,
                "pairing": pairing,
                "map": name,
                "n": len(part),
                "point_move": float(point),
                "promised": promised,
                "suffices": bool(promised >= 0.95 and point >= 2 * settings.point_margin),
                **{str(word): float((words == word).mean()) for word in (SLIDES, STAYS, UNDECIDED, CROSSES)},
                "moves": moves.value,
                "moves_above_level": moves.is_above(settings.level),
            }
        )
    return pd.DataFrame(out)
