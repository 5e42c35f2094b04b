"""Refused commands: one message with all problems, exit code 2, and nothing on disk."""

import os
import sys

import pytest

from experiments.calibrate import main as calibrate_main
from experiments.check_loss import main as check_loss_main
from experiments.checklist import main as checklist_main
from experiments.compare import main as compare_main
from experiments.train import main as train_main


@pytest.fixture
def refused(monkeypatch, capsys, tmp_path):
    """Run a command in an empty folder; return its message."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("HYDRA_FULL_ERROR", "PYTHONPATH"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    (tmp_path / "file").write_text("x")

    def run(main, *arguments):
        monkeypatch.setattr(sys, "argv", [main.__module__, *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        err = capsys.readouterr().err
        assert stop.value.code == 2, err
        assert err.count("error:") == 1
        assert "Traceback" not in err
        assert os.listdir(tmp_path) == ["file"]
        return err

    return run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["seed=", "study_dir=file", "trainer.tile=50"], ["seed: expected a value", "it is a file", "trainer.tile"]),
        (["trainer.max_stepz=3", "loss=dicee"], ["Did you mean max_steps?", "Did you mean dice?"]),
        (
            ["trainer.max_steps=abc", "seed=1.5"],
            ["expected a whole number, got abc", "expected a whole number, got 1.5"],
        ),
        (["+trainer.foo=1", "++typo.key=1"], ["trainer.foo: nothing reads", "typo: nothing reads"]),
        (["seed=0", "seed=1", "+typo=1"], ["seed=0, seed=1", "typo: nothing reads"]),
        (["report.margin=0.02", "trainer.tile=50"], ["report.margin=0.02: no effect on a single run", "trainer.tile"]),
        (["seed=0,1"], ["a sweep needs a study"]),
        (["-m", "loss=bce,dice"], ["--multirun: expected a study"]),
        (["study=losses", "seed=0,1", "trainer.max_stepz=3"], ["trainer.max_stepz: no such key"]),
        (["study=losses", "hydra.mode=RUN"], ["hydra.mode: expected MULTIRUN for study=losses"]),
        (
            ["study=losses", "seed=0,-1", "study.conditions=[no]", "report.level=0", "loss=bce,wbce"],
            ["seed: expected", "study.conditions", "report.level", "loss=wbce: expected one of"],
        ),
        (
            ["study=losses", "loss=bce,weighted_bce", "loss.pos_weight=[1,2,3]", "seed=0"],
            ["loss=bce,loss.pos_weight=[1,2,3] and loss=weighted_bce", "the baseline too", "--config-dir mine"],
        ),
        (["study=seesaw", "loss.pos_weight=1,1.0", "seed=0"], ["are the same configuration"]),
        (
            ["study=losses", "seed=0", "hydra/launcher=joblib", "hydra.launcher.n_jobs=0", "study.baseline=bse"],
            ["hydra.launcher.n_jobs", "study.baseline: expected one of the arms"],
        ),
        (
            ["study=thresholding", "study.source=no", "report.beta=0", "seed=1"],
            ["study.source", "report.beta", "seed=1"],
        ),
        (
            ["-m", "study=thresholding", "study.source=file"],
            ["--multirun: nothing to run more", "study.source"],
        ),
        (["study.source=file", "trainer.tile=50"], ["study.source", "experiments.thresholding", "trainer.tile"]),
        (["study=losses", "seed=0", "study.source=file"], ["study.source", "experiments.thresholding"]),
        (["loss.pos_weight=-1", "+loss.x=1", "+model.y=1", "optimizer.lr=inf"], ["loss.x", "optimizer.lr"]),
        (
            [
                "study=losses",
                "seed=0",
                "report.level=2",
                "report.published=[{label: a, recall: .5, f1: .5, mask: ink}]",
            ],
            ["report.level", "report.published[0].mask: expected one of solid, dashed, dotted, got ink"],
        ),
        (
            ["hydra.verbose=banana", "hydra.searchpath=[nowhere,pkg://no_such_package]", "trainer.tile=50"],
            ["hydra.verbose: expected", "hydra.searchpath: expected", "got nowhere", "trainer.tile"],
        ),
        (
            ["study=losses", "seed=0", "report.published=[{label: a, recall: high, f1: .5}]"],
            ["report.published: recall: expected a number, got high"],
        ),
        (["study_dir=${nope}", "data.cache_dir=${oc.env:NOT_SET_AT_ALL}"], ["study_dir: ", "data.cache_dir: "]),
    ],
)
def test_training(refused, arguments, words):
    message = refused(train_main, *arguments)
    for word in words:
        assert word in message
    assert ("a sweep needs a study" in message) == any("a sweep needs" in word for word in words)


def test_the_other_commands(refused):
    message = refused(compare_main, "study_dir=nowhere", "report_dir=file", "report.margin=-1", "++foo=1")
    for word in ("study_dir: expected a folder of runs", "report_dir: expected a folder", "report.margin", "foo: "):
        assert word in message
    message = refused(checklist_main, "study_dirs=[nowhere,file]", "report.level=0")
    for word in ("got nowhere", "got file, a file", "report.level"):
        assert word in message
    message = refused(calibrate_main, "out_dir=file", "level=0", "coverage.n_gaussian=1000000000000", "seed=-1")
    for word in ("out_dir: ", "level: ", "coverage.n_gaussian: expected at most", "seed: "):
        assert word in message
    message = refused(check_loss_main, "loss=dicee", "masks=0", "maskz=1", "prevalence=a", "tile=0")
    for word in ("Did you mean dice?", "masks: ", "maskz: no such key", "prevalence: expected a number", "tile: "):
        assert word in message
    assert "hydra.run.dir: cannot be set" in refused(calibrate_main, "hydra.run.dir=x")


def test_data_and_losses_are_refused_together_with_the_rest(monkeypatch, capsys, tmp_path):
    options = tmp_path / "mine" / "loss"
    options.mkdir(parents=True)
    (options / "negative.yaml").write_text("_target_: losses.WeightedBCELoss\npos_weight: -1\n")
    (options / "probable.yaml").write_text("_target_: torch.nn.BCELoss\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("HYDRA_FULL_ERROR", "PYTHONPATH"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    study = ("--config-dir", "mine", "study=losses", "seed=0", "loss=bce,negative,probable", "report.level=3")
    for data in (("data=image_folder", "data.root=mine", "data.masks=[ink]"), ("data.noise=-1",)):
        monkeypatch.setattr(sys, "argv", ["train", *study, *data])
        with pytest.raises(SystemExit) as stop:
            train_main()
        message = capsys.readouterr().err
        assert stop.value.code == 2
        for word in (
            "report.level: ",
            "pos_weight must be",
            "loss.input=probabilities",
            data[-1].partition("=")[0][:5],
        ):
            assert word in message, word
        assert ("train/ is missing" in message) == (len(data) == 3)
        assert os.listdir(tmp_path) == ["mine"]
