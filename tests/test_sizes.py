"""The presets of `size` are what they say, and `size=gpu` trains: a study of two arms, made smaller for a CPU."""

import json

import pytest
from hydra import compose, initialize_config_module
from small_study import SMALL_LOGS, draw_little, end, fork_command

from experiments.train import main as train_main

# What a CPU cannot do in seconds; the rest of the preset stays.
REDUCED = (
    "study=losses",
    "size=gpu",
    "loss=bce,dice",
    "seed=0",
    "study_dir=study",
    *SMALL_LOGS,
    "model.decoder_channels=[32,16,8,8,8]",
    "trainer.max_steps=2",
    "trainer.batch_size=2",
    "trainer.tile=64",
    "trainer.accelerator=cpu",
    "trainer.compile=false",
    "trainer.workers=0",
    "trainer.threads=1",
)


@pytest.mark.parametrize(("size", "updates"), [("gpu", 1_500), ("full", 20_000)])
def test_a_study_for_a_gpu(size, updates):
    with initialize_config_module("experiments.conf", version_base="1.3"):
        cfg = compose("config", overrides=["study=losses", f"size={size}"], return_hydra_config=True)
    params = cfg.hydra.sweeper.params
    assert (len(params.loss.split(",")), params.seed) == (6, "0,1,2,3,4")
    assert (cfg.model.encoder_name, cfg.trainer.tile, cfg.trainer.max_steps) == ("resnet34", 512, updates)


def test_the_gpu_s_study_trains(tmp_path):
    command = ("experiments.train", *REDUCED)
    pid = fork_command(train_main, command, tmp_path, before=lambda: draw_little(["frontier"]))
    assert end(pid) == 0, (tmp_path / "log").read_text()
    infos = [json.loads(path.read_text()) for path in tmp_path.glob("study/*/seed=0/run.json")]
    assert [(info["updates"], info["status"] in ("complete", "diverged")) for info in infos] == [(2, True)] * 2
    assert (tmp_path / "study/report/verdicts.csv").exists()
