"""Studies larger than memory: values are computed on access, and scores that were read are released."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.frontier.histogram import ScoreHistograms
from experiments.process.on_demand import Mapped
from experiments.runs import store


def _scores(seed: int) -> dict[str, ScoreHistograms]:
    rng = np.random.default_rng(seed)
    found = {}
    for split in store.SCORED_SPLITS:
        builder = ScoreHistogramBuilder(("mask",))
        builder.add("image", "image", rng.normal(size=(1, 8, 8)).astype(np.float32), rng.random((1, 8, 8)) < 0.3, None)
        found[split] = builder.build()
    return found


def test_a_mapped_mapping_asks_its_function_at_every_access() -> None:
    asked: list[int] = []

    def double(value: int) -> int:
        asked.append(value)
        return 2 * value

    mapped = Mapped({"a": 1, "b": 2}, double)
    assert list(mapped) == ["a", "b"]
    assert len(mapped) == 2
    assert not asked
    assert (mapped["b"], mapped["b"], mapped["a"]) == (4, 4, 2)
    assert asked == [2, 2, 1]


def test_scores_that_were_read_are_let_go_beyond_the_budget(tmp_path: Path, monkeypatch) -> None:
    folders = [tmp_path / f"seed={seed}" for seed in range(4)]
    for seed, folder in enumerate(folders):
        store.write_scores(folder, _scores(seed))
    one = sum(rows.n_bytes for rows in store.read_scores(folders[0]).values())
    monkeypatch.setattr(store, "KEPT_SCORES", 2 * one + one // 2)
    monkeypatch.setattr(store, "_kept", type(store._kept)())
    runs = [store.StoredScores(folder, store.SCORED_SPLITS) for folder in folders]
    for seed, run in enumerate(runs):
        assert np.array_equal(run["test"].bins, _scores(seed)["test"].bins)
    assert len(store._kept) == 2
    assert runs[3]["test"] is runs[3]["test"]  # kept
    assert runs[0]["test"] is not runs[1]["test"]  # read again


def test_scores_that_were_written_anew_are_read_anew(tmp_path: Path) -> None:
    store.write_scores(tmp_path, _scores(0))
    run = store.StoredScores(tmp_path, store.SCORED_SPLITS)
    assert np.array_equal(run["test"].bins, _scores(0)["test"].bins)
    store.write_scores(tmp_path, _scores(1))
    assert np.array_equal(run["test"].bins, _scores(1)["test"].bins)
