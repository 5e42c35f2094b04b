"""Increasing maps never give a move; a real improvement in the same setting does, so the check can fail."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from experiments.audit.pure_slide import MAPS, mapped, mapped_pool, promised_equivalence, slide_rows, slide_summary
from experiments.audit.simulation.run_pool import RunPool
from experiments.audit.simulation.runs import ArmModel, Effects, TestSet, simulate_runs
from experiments.comparison.settings import CompareSettings

SETTINGS = CompareSettings(n_draws=200)
MODEL = ArmModel(separation=3.0, scale=2.5, shift=-7.5)
EFFECTS = Effects(seed=0.01, group=0.4, arm_group=0.02, interaction=0.02, shared_noise=0.95)


@pytest.fixture(scope="module")
def runs():
    arms = {"plain": MODEL, "twin": MODEL, "better": replace(MODEL, separation=3.3)}
    sizes = {"test": TestSet(60, pixels=2000), "val": TestSet(10, pixels=300)}
    return simulate_runs(arms, range(8), effects=EFFECTS, rng=np.random.default_rng(5), **sizes)


@pytest.fixture(scope="module")
def rows(runs) -> pd.DataFrame:
    pool = mapped_pool(runs["plain"], runs["twin"], SETTINGS)
    return pd.DataFrame(slide_rows(pool, "simulated", range(8), range(8), seed=0))


def test_maps_never_move_the_frontier(rows: pd.DataFrame) -> None:
    assert len(rows) == 2 * len(MAPS)
    assert not rows["verdict"].isin(["moves out", "moves in"]).any()
    same = rows[rows["pairing"] == "same training"]
    assert same["ap_gain"].abs().max() < 1e-3


def test_they_slide_where_the_size_suffices(rows: pd.DataFrame) -> None:
    table = slide_summary(rows, SETTINGS)
    enough = table[table["suffices"]]
    assert set(enough["pairing"]) == {"same training", "other training"}
    assert (enough["slides"] == 1.0).all()
    # A scale moves no natural point: that is no slide.
    assert (table.loc[table["map"].str.startswith("scale"), ["slides", "suffices"]] == 0).all(axis=None)


def test_an_improvement_is_not_called_a_slide(runs) -> None:
    shifted = {seed: mapped(run, "weight 42: + ln 42") for seed, run in runs["better"].items()}
    pool = RunPool.of({"baseline": runs["plain"], "better": shifted}, SETTINGS)
    table = pool.verdicts(("better", range(8)), ("baseline", range(8)), seed=0)
    assert table["verdict"].tolist() == ["moves out"]


def test_promised_equivalence() -> None:
    assert promised_equivalence(0.0, 0.0, 5, 50, margin=0.01, level=0.05) == 1.0
    assert promised_equivalence(1e-4, 1e-4, 5, 50, margin=0.01, level=0.05) == 0.0
    rng = np.random.default_rng(0)
    v_seed, v_group, n = 4e-6, 4e-6, 40_000
    gains = np.sqrt(v_seed + v_group) * rng.standard_normal(n)
    promised = promised_equivalence(v_seed, v_group, 5, 50, margin=0.01, level=0.05)
    from experiments.inference.paired_difference import PairedDifference

    passed = PairedDifference(gains, np.full(n, v_seed), np.full(n, v_group), 5, 50).p_equivalence(0.01) < 0.05
    assert promised == pytest.approx(passed.mean(), abs=0.01)
