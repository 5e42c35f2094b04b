"""Several processes on one study: no run is trained twice, none is left out, and waiting processes compare."""

import subprocess
import sys
import threading
import time

import pytest
from small_study import with_small

from experiments.launch import shared_study
from experiments.launch.shared_study import BUSY, finish_runs
from experiments.runs.lock import held


@pytest.fixture
def folders(tmp_path):
    return [tmp_path / arm / "seed=0" for arm in ("loss=bce", "loss=dice")]


def test_free_runs_are_trained_and_each_once(folders):
    launched = []

    def launch(jobs):
        launched.extend(jobs)
        return ["complete", "failed"]

    finish_runs({folder: [folder.parent.name] for folder in folders}, lambda folder: False, launch)
    assert launched == [["loss=bce"], ["loss=dice"]]


def test_ended_runs_are_left_alone(folders):
    finish_runs(dict.fromkeys(folders, ()), lambda folder: True, lambda jobs: pytest.fail("nothing is left"))


def test_a_run_that_another_process_takes_first_is_waited_for(folders):
    statuses = iter([["complete", BUSY], ["complete"]])
    launched = []

    def launch(jobs):
        launched.append(list(jobs))
        return next(statuses)

    finish_runs({folder: folder.parent.name for folder in folders}, lambda folder: False, launch)
    assert launched == [["loss=bce", "loss=dice"], ["loss=dice"]]


def test_a_held_run_is_waited_for_until_it_ends(folders, monkeypatch, capsys):
    monkeypatch.setattr(shared_study, "_SECONDS_BETWEEN_LOOKS", 0.01)
    ended = threading.Event()
    with held(folders[0]):
        timer = threading.Timer(0.2, ended.set)
        timer.start()
        finish_runs({folders[0]: ()}, lambda folder: ended.is_set(), lambda jobs: pytest.fail("it is held"))
        timer.join()
    assert capsys.readouterr().out.count("waiting for what another process trains: loss=bce seed=0") == 1


def test_a_study_takes_over_what_a_process_that_died_left(tmp_path, monkeypatch, capsys):
    from experiments.train import main

    monkeypatch.chdir(tmp_path)
    for name in ("HYDRA_FULL_ERROR", "PYTHONPATH"):
        monkeypatch.setenv(name, "")
    folder = tmp_path / "study" / "loss=bce" / "seed=0"
    command = "import sys; from pathlib import Path; from experiments.runs.lock import held\n"
    command += "with held(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", command, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process as other:
        assert other.stdout.readline() == b"held\n"

        def end_it():  # once the other arm is done
            while not (tmp_path / "study" / "loss=dice" / "seed=0" / "scores.npz").exists():
                time.sleep(0.05)
            time.sleep(1.0)
            other.kill()

        thread = threading.Thread(target=end_it)
        thread.start()
        study = with_small("study=losses", "loss=bce,dice", "seed=0", "study_dir=study")
        monkeypatch.setattr(sys, "argv", ["train", *study])
        main()
        thread.join()
    out = capsys.readouterr().out
    assert "waiting for what another process trains: loss=bce seed=0" in out
    assert (tmp_path / "study" / "report" / "verdicts.csv").exists()
    assert (folder / "run.json").exists()
