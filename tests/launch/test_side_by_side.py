"""Runs side by side: their number, the GPU of each process, and a study whose number of runs at once is `auto`."""

import json
import multiprocessing
import os
import signal
import sys
from collections import Counter

import pytest
from joblib import cpu_count
from omegaconf import OmegaConf
from small_study import draw_little, end, fork_command, with_small

from experiments.launch.side_by_side import VISIBLE, Gpu, begin_process, gpu_of, runs_at_once, usable, visible_names
from experiments.train import main as train_main

GB = 10**9


@pytest.mark.parametrize("runs", [1, 5, 30])
@pytest.mark.parametrize("cores", [1, 2, 16])
@pytest.mark.parametrize("gpus", [0, 1, 4])
def test_never_more_runs_than_cores_gpus_or_runs_and_always_one(runs, cores, gpus):
    jobs = runs_at_once(runs, cores, gpus)
    limits = [runs, cores, *([gpus] if gpus else [])]
    assert jobs == min(limits) >= 1


def test_gpus_that_others_fill_are_left_out_unless_all_are():
    free, full = Gpu("0", 78 * GB, 80 * GB), Gpu("GPU-1f", 3 * GB, 80 * GB)
    assert usable([full, free]) == [free]
    assert usable([full, full]) == [full, full]
    assert usable([]) == []


@pytest.mark.parametrize(("processes", "gpus"), [(1, 1), (4, 4), (5, 2), (8, 3), (2, 8)])
def test_processes_spread_evenly(processes, gpus):
    names = [f"GPU-{number}" for number in range(gpus)]
    counts = Counter(gpu_of(place, names) for place in range(processes))
    assert len(counts) == min(processes, gpus)
    assert max(counts.values()) - min(counts.values()) <= 1


def test_a_user_s_choice_of_gpus_is_kept():
    assert visible_names(2, {VISIBLE: "GPU-a, GPU-c"}) == ["GPU-a", "GPU-c"]
    assert visible_names(0, {VISIBLE: ""}) == []


def tell(names, places, pipe):
    begin_process(names, places)
    pipe.send(os.environ.get(VISIBLE))
    pipe.recv()  # until the test ends this process


@pytest.mark.skipif(sys.platform == "win32", reason="needs flock")
def test_every_process_gets_a_gpu_and_a_killed_one_s_is_given_again(tmp_path, monkeypatch):
    monkeypatch.delenv(VISIBLE, raising=False)
    context = multiprocessing.get_context("spawn")
    started = []

    def start(names):
        here, there = context.Pipe()
        process = context.Process(target=tell, args=(names, str(tmp_path), there))
        process.start()
        started.append(process)
        return here.recv(), process, here

    try:
        assert start(["7"])[0] is None, "a single GPU is left as it is"
        first, second, third = (start(["7", "GPU-b"]) for _ in range(3))
        assert [each[0] for each in (first, second, third)] == ["7", "GPU-b", "7"]
        os.kill(second[1].pid, signal.SIGKILL)
        second[1].join()
        assert start(["7", "GPU-b"])[0] == "GPU-b"
    finally:
        for process in started:
            process.kill()
            process.join()


def test_a_study_counts_its_runs_at_once_itself(tmp_path):
    launcher = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=auto")
    study = with_small("study=losses", "loss=bce,dice", "seed=0", "study_dir=study", *launcher)
    pid = fork_command(train_main, ("experiments.train", *study), tmp_path, before=lambda: draw_little(["frontier"]))
    assert end(pid) == 0, (tmp_path / "log").read_text()
    infos = [json.loads(path.read_text()) for path in tmp_path.glob("study/*/seed=0/run.json")]
    assert len(infos) == 2 and all(info["updates"] == 3 for info in infos)
    for used in tmp_path.glob("study/*/seed=0/.hydra/hydra.yaml"):
        jobs = OmegaConf.load(used).hydra.launcher.n_jobs
        assert jobs == runs_at_once(2, cpu_count(), 0)
