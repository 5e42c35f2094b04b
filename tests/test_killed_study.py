"""A few kills of the kill test (`make kill-test` makes many), and a check that it notices differences."""

import json
import signal

import killed_study
import pytest


def test_a_study_killed_in_training_and_while_a_figure_is_drawn_ends_alike(tmp_path, capsys):
    """Begun without a loader's workers, continued with two, and ended without."""
    ways = [["loss=bce", "seed=0", f"trainer.workers={workers}"] for workers in (0, 2)]
    bad = killed_study.disturb(tmp_path, 2, ways, by_time=False, seed=239, only=("update", "figure"))
    out = capsys.readouterr().out
    assert bad == 0, out
    assert out == "2 kills {'update': 1, 'figure': 1}: 1 studies end alike, 0 do not\n"


def write_run(folder, *, ap="0.5", status="complete", seconds=1.0):
    folder.mkdir(parents=True)
    (folder / "metrics.csv").write_text(f"ap\n{ap}\n")
    (folder / "history.csv").write_text(f"update,seconds\n1,{seconds}\n")
    (folder / "run.json").write_text(json.dumps({"status": status, "fit_seconds": seconds}))


def test_differences_are_those_of_artifacts_and_not_of_times(tmp_path):
    write_run(tmp_path / "whole")
    write_run(tmp_path / "slower", seconds=2.0)
    write_run(tmp_path / "other", ap="0.6", status="failed")
    (tmp_path / "other" / ".figure.png.abcd1234").touch()
    assert killed_study.differences(tmp_path / "whole", tmp_path / "slower") == []
    assert killed_study.differences(tmp_path / "whole", tmp_path / "other") == [
        ".figure.png.abcd1234: only in one",
        "metrics.csv",
        "run.json",
    ]


@pytest.mark.parametrize(("last_ap", "last_code", "bad"), [("0.5", 0, 0), ("0.6", 0, 1), ("0.5", 1, 1)])
def test_a_study_that_ends_otherwise_is_counted(tmp_path, monkeypatch, last_ap, last_code, bad):
    codes = [0, -signal.SIGKILL, last_code]

    def start(folder, overrides, kill_at, counts):
        if kill_at is None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "log").touch()
            write_run(folder / "study", ap="0.5" if folder.name == "whole" else last_ap)
            counts.write_text(json.dumps({"update": 3}))
        return 0

    monkeypatch.setattr(killed_study, "start", start)
    monkeypatch.setattr(killed_study, "end", lambda pid: codes.pop(0))
    assert killed_study.disturb(tmp_path, 1, [[]], False, seed=0) == bad
    assert codes == []
