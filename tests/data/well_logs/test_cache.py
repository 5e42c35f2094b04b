"""Drawn logs on disk, of which a refused command leaves none."""

import pytest

from experiments.data.well_logs import cache
from experiments.data.well_logs.cache import removed_on
from experiments.data.well_logs.dataset import make_well_logs

LOGS = {"train_logs": 2, "val_logs": 1, "test_logs": 1, "height": 64, "width": 64, "prevalence": 0.05}


def test_logs_drawn_for_a_refused_command_are_removed_and_others_stay(tmp_path):
    make_well_logs(**LOGS, cache_dir=tmp_path / "cache")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(LookupError), removed_on(LookupError):
        make_well_logs(**{**LOGS, "train_logs": 3}, cache_dir=tmp_path / "cache")
        make_well_logs(**LOGS, seed=1, cache_dir=tmp_path / "cache")
        make_well_logs(**LOGS, cache_dir=tmp_path / "new" / "cache")
        assert len(sorted(tmp_path.rglob("*"))) > len(before)
        raise LookupError
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_a_thread_notes_after_another_wrote_into_it_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_made", [])
    with pytest.raises(LookupError), removed_on(LookupError):
        make_well_logs(**LOGS, cache_dir=tmp_path / "cache")
        cache._made.reverse()
        raise LookupError
    assert list(tmp_path.iterdir()) == []


def test_logs_stay_where_nothing_is_refused(tmp_path):
    with pytest.raises(KeyError), removed_on(ValueError):
        make_well_logs(**LOGS, cache_dir=tmp_path / "cache")
        raise KeyError
    assert len(list(tmp_path.rglob("*.npz"))) == 4
