"""Commands with a tracker: verdicts are logged when a study is compared, and what is missing is refused at once."""

import importlib.util

import pandas as pd
import pytest
from small_study import SMALL

from experiments.compare import main as compare_main
from experiments.tracking import problems
from experiments.tracking.verdicts import log_verdicts
from experiments.train import main as train_main


def write_tables(folder, gain=0.1):
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"arm": "loss=dice", "mask": mask, "verdict": "moves out"} for mask in ("a", "b")]
    numbers = dict.fromkeys(("headline_gain", "verdict_low", "verdict_high", "ap_gain", "f1_gain", "n_seeds"), gain)
    pd.DataFrame([row | numbers for row in rows]).to_csv(folder / "verdicts.csv")
    pd.DataFrame([rows[0] | numbers | {"mask": "mean of a and b"}]).to_csv(folder / "arms.csv")


def test_verdicts_are_logged_for_each_arm_and_mask_once(tracker, tmp_path):
    name, overrides, read = tracker
    key, _, place = overrides[1].partition("=")
    settings = {"name": name, key.removeprefix("tracker."): place, "project": "p", "mode": "offline"}
    for _ in range(2):  # compared twice, with the same result
        write_tables(tmp_path / "report")
        log_verdicts(settings, tmp_path, tmp_path / "report")
    values, config = read("verdicts")
    for mask in ("a", "b", "mean of a and b"):
        assert [value for _, value in values[f"loss_dice/{mask}/ap_gain"]] == pytest.approx([0.1])
    assert config.count("moves out") == 3


def test_other_verdicts_are_a_run_of_their_own(tmp_path):
    settings = {"name": "tensorboard", "folder": str(tmp_path / "events")}
    for gain in (0.1, 0.2):
        write_tables(tmp_path / "report", gain)
        log_verdicts(settings, tmp_path, tmp_path / "report")
    assert sorted(path.name for path in (tmp_path / "events").iterdir()) == ["verdicts", "verdicts-2"]


def test_a_study_and_its_comparison_log_to_the_tracker(command, tmp_path):
    study = ("study=losses", "loss=bce,dice", "seed=0", *SMALL)
    code, _, err = command(train_main, *study, "tracker=tensorboard")
    assert code == 0, err
    runs = tmp_path / "outputs" / "losses" / "tensorboard"
    assert sorted(str(path.relative_to(runs)) for path in runs.glob("*/seed=*")) == [
        "loss=bce/seed=0",
        "loss=dice/seed=0",
    ]
    assert len(list((runs / "verdicts").glob("events.*"))) == 1
    code, out, err = command(train_main, *study)  # without a tracker it is the same study, done before
    assert (code, "2 of them done before" in out) == (0, True), err
    code, _, err = command(compare_main, "study_dir=outputs/losses", "tracker=mlflow")
    assert code == 0, err
    assert (tmp_path / "outputs" / "losses" / "mlruns").is_dir()


@pytest.mark.parametrize("name", problems.TRACKERS)
@pytest.mark.parametrize("study", [(), ("study=losses",)], ids=["run", "study"])
def test_a_missing_package_is_named_with_its_extra_before_anything(command, tmp_path, monkeypatch, name, study):
    found = importlib.util.find_spec
    monkeypatch.setattr(problems, "find_spec", lambda package: None if package == name else found(package))
    code, _, err = command(train_main, *study, f"tracker={name}", *SMALL)
    assert code == 2
    assert err.count("error:") == 1
    assert f"pip install 'lossfrontier[{name}]'" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("tracker=wandb", "tracker.mode=live"), "tracker.mode: expected offline or online, got 'live'"),
        (("tracker=mlflow", "tracker.uri=null"), "tracker.uri: expected text, got None"),
        (("tracker.name=neptune",), "tracker.name: expected one of tensorboard, wandb, mlflow or null, got 'neptune'"),
        (("tracker=tensorboad",), "tensorboard"),
    ],
)
def test_wrong_values_are_refused(command, tmp_path, overrides, message):
    code, _, err = command(train_main, *overrides, *SMALL)
    assert code == 2
    assert message in err
    assert not list(tmp_path.iterdir())


def test_a_run_id_for_all_runs_is_refused(command, monkeypatch):
    monkeypatch.setenv("MLFLOW_RUN_ID", "abc")
    code, _, err = command(train_main, "tracker=mlflow", *SMALL)
    assert code == 2
    assert "MLFLOW_RUN_ID" in err
