"""`python -m experiments.tune`, small: trials that no test image influences, then the winner beside the baseline."""

import json
from pathlib import Path

import pytest
import yaml
from small_study import SMALL

from experiments.launch import tuned_study
from experiments.runs import store
from experiments.tune import main as tune_main

TUNE = ("loss=tversky", "tune.trials=2", "tune.seeds=[1000]", "tune.verdict_seeds=[0]", *SMALL)


@pytest.fixture
def little(monkeypatch):
    """No figures, no page and no check of the loss, which take most of a small study's time."""
    monkeypatch.setattr("experiments.report.study.draw_all", lambda *a, **k: [Path("frontier.png")])
    monkeypatch.setattr("experiments.report.study.write_page", lambda *a, **k: None)
    monkeypatch.setattr("experiments.training.setup.check_criterion", lambda *a, **k: [])


def test_a_loss_is_tuned_and_compared_on_other_seeds(command, tmp_path, little):
    code, out, err = command(tune_main, *TUNE)
    assert code == 0, err
    folder = tmp_path / "outputs" / "tune"
    told = "Settings tried by validation AP, on seeds that no verdict uses: bce: none; tversky: 2."
    assert told in " ".join(out.split())
    tried = [config_of(path) for path in folder.glob("tuning/*/*/seed=*")]
    assert [config["seed"] for config in tried] == [1000, 1000]
    aps = validation_aps(folder)
    winner = folder / "tuning" / "loss=tversky" / f"trial={aps.index(max(aps))}" / "seed=1000"
    verdict = folder / "loss=tversky" / "seed=0"
    for key in ("loss", "optimizer"):
        assert config_of(verdict)[key] == config_of(winner)[key]
    assert sorted(path.parent.name for path in folder.glob("*/seed=*")) == ["loss=bce", "loss=tversky"]
    assert json.loads((verdict / "run.json").read_text())["trials"] == 2

    # Again, after what would be a first command with fewer trials: nothing is trained, the number is corrected.
    info = verdict / "run.json"
    info.write_text(json.dumps(json.loads(info.read_text()) | {"trials": 1}))
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("scores.npz")}
    code, out, _ = command(tune_main, *TUNE)
    assert (code, "validation AP 0" in out) == (0, False)
    assert told in " ".join(out.split())
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("scores.npz")}


def test_other_test_images_change_no_trial_and_not_the_winner(command, tmp_path, little, monkeypatch):
    """The whole command twice, with other test images; meanwhile nothing reads the test scores of a trial."""
    read = []
    get = store.StoredScores.__getitem__

    def watched(scores, split):
        read.append((scores._folder, split))
        return get(scores, split)

    monkeypatch.setattr(store.StoredScores, "__getitem__", watched)
    folders = [tmp_path / "three", tmp_path / "five"]
    for folder, count in zip(folders, (3, 5), strict=True):
        small = [text for text in TUNE if not text.startswith("data.test_logs=")]
        code, _, err = command(tune_main, *small, f"data.test_logs={count}", f"study_dir={folder}")
        assert code == 0, err
    data = [
        json.loads((folder / "loss=tversky" / "seed=0" / "run.json").read_text())["data_fingerprint"]
        for folder in folders
    ]
    assert {split for split in data[0] if data[0][split] != data[1][split]} == {"test"}
    three, five = [(trials(folder), config_of(folder / "loss=tversky" / "seed=0")["loss"]) for folder in folders]
    assert three == five
    assert {split for folder, split in read if "tuning" in folder.parts} == {"val"}
    assert "test" in {split for _, split in read}  # of the verdict's runs: the watch sees what is read


def trials(folder):
    """Optuna's: each setting and its value."""
    import optuna
    from optuna.storages.journal import JournalFileBackend

    log = folder / "tuning" / "loss=tversky" / "trials.log"
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(log)))
    return [(trial.params, trial.value) for trial in optuna.load_study(study_name=None, storage=storage).trials]


def validation_aps(folder):
    return [value for _, value in trials(folder)]


def config_of(run):
    return yaml.safe_load((run / "config.yaml").read_text())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("loss=tversky", "tune.seeds=[0,1000]"), "tune.seeds: expected none of tune.verdict_seeds, got [0] in both"),
        (("loss=dice",), "tune.space: expected ranges for loss=dice"),
        (("loss=bce",), "loss: expected another loss than the baseline's"),
        (("loss=tversky", "tune.trials=0"), "tune.trials: expected a whole number from 1, got 0"),
        (("loss=focal", "tune.space={loss.gamma:[2,1]}"), "tune.space.loss.gamma: expected low < high"),
    ],
)
def test_bad_input_is_one_message_and_nothing_on_disk(command, tmp_path, overrides, message):
    code, _, err = command(tune_main, *overrides, *SMALL)
    assert code == 2
    assert message in err
    assert err.count("error:") == 1
    assert not list(tmp_path.iterdir())


def test_without_optuna_the_extra_is_named(command, tmp_path, monkeypatch):
    monkeypatch.setattr(tuned_study, "find_spec", lambda name: None)
    code, _, err = command(tune_main, *TUNE)
    assert code == 2
    assert "pip install 'lossfrontier[tune]'" in err
    assert not list(tmp_path.iterdir())
