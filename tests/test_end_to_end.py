"""The commands as a user types them, small: a study, its comparison, a single run, and refusals."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from small_study import SMALL, with_small

from experiments.compare import main as compare_main
from experiments.train import main as train_main


def test_a_study_then_its_comparison(command, tmp_path):
    study = ("study=losses", "loss=bce,dice", "seed=0,1", *SMALL)
    code, out, err = command(train_main, *study)
    assert code == 0, err
    assert "2 arms, 4 runs" in out
    for word in ("train", "val", "test", "solid %", "dashed %", "dotted %", "any mask %"):
        assert word in out
    folder = tmp_path / "outputs" / "losses"
    for arm in ("loss=bce", "loss=dice"):
        for seed in (0, 1):
            info = json.loads((folder / arm / f"seed={seed}" / "run.json").read_text())
            assert info["status"] == "complete"
            assert info["axes"] == ["loss"]
    verdicts = pd.read_csv(folder / "report" / "verdicts.csv")
    fixed = ["arm", "mask", "baseline", "verdict", "verdict_f1", "ap_gain", "ap_gain_low", "ap_gain_high"]
    assert {*fixed, "n_seeds", "n_groups"} <= set(verdicts.columns)
    assert verdicts["arm"].tolist() == ["loss=dice"] * 3
    assert verdicts["mask"].tolist() == ["solid", "dashed", "dotted"]
    assert (verdicts["n_seeds"] == 2).all()
    assert (verdicts["n_groups"] == 3).all()
    for name in ("metrics.csv", "report.md", "figures/frontier.png", "figures/frontier.svg"):
        assert (folder / "report" / name).stat().st_size > 1000
    for mask in ("solid", "dashed", "dotted"):
        assert mask in out

    # The same study again trains nothing; a wider one trains the new runs.
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*/seed=*/run.json")}
    code, out, _ = command(train_main, *study)
    assert code == 0
    assert "4 runs, 4 of them done before" in out
    assert before == {path: path.stat().st_mtime_ns for path in folder.glob("*/seed=*/run.json")}
    code, out, _ = command(train_main, "study=losses", "loss=focal", "seed=0", *SMALL)
    assert code == 0
    assert "hole: loss=focal seed 1 is missing" in out

    code, out, err = command(compare_main, f"study_dir={folder}", "baseline=dice", "report.headline=f1")
    assert code == 0, err
    assert pd.read_csv(folder / "report" / "verdicts.csv")["baseline"].eq("loss=dice").all()

    # Another configuration in the same folder is refused before anything is trained.
    code, _, err = command(train_main, *study, "trainer.max_steps=4")
    assert code == 2
    assert "trainer.max_steps: 3 there, 4 now" in err
    assert "Traceback" not in err


def test_a_single_run_prints_its_metrics(command):
    code, out, err = command(train_main, "loss=dice", *SMALL)
    assert code == 0, err
    for word in ("natural", "tuned", "background", "precision", "recall"):
        assert word in out
    assert "already done" in command(train_main, "loss=dice", *SMALL)[1]


THIRD_PARTY = {
    "torch": ("loss._target_=torch.nn.BCEWithLogitsLoss",),
    "smp": ("loss._target_=segmentation_models_pytorch.losses.LovaszLoss", "+loss.mode=multilabel"),
    "monai": ("loss._target_=monai.losses.DiceLoss", "+loss.sigmoid=true"),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MONAI's own imports
@pytest.mark.parametrize("library", THIRD_PARTY)
def test_third_party_criteria_work_by_override_alone(command, library):
    code, _, err = command(train_main, "loss=custom", *THIRD_PARTY[library], *SMALL)
    assert code == 0, err


def test_a_loss_of_the_users_own_folder(command, tmp_path):
    (tmp_path / "mine" / "loss").mkdir(parents=True)
    (tmp_path / "mine" / "my_criteria.py").write_text(
        "import torch\n\n\n"
        "class Square(torch.nn.Module):\n"
        "    def forward(self, logits, target):\n"
        "        return ((logits.sigmoid() - target) ** 2).mean()\n"
    )
    (tmp_path / "mine" / "loss" / "square.yaml").write_text("_target_: my_criteria.Square\n")
    code, _, err = command(train_main, "--config-dir", "mine", "loss=square", *SMALL)
    assert code == 0, err

    (tmp_path / "mine" / "loss" / "dice.yaml").write_text("_target_: my_criteria.Square\n")
    code, _, err = command(train_main, "--config-dir", "mine", "loss=dice", *SMALL)
    assert code == 2
    assert "loss/dice.yaml would be ignored" in err


REFUSED = {
    "unknown option": (("loss=wbce",), "weighted_bce"),
    "unknown key": (("loss.pos_weigth=3",), "pos_weigth"),
    "unknown trainer key": (("trainer.max_stepz=3",), "max_stepz"),
    "missing target": (("loss=custom",), "loss._target_: no value given"),
    "missing root": (("data=image_folder",), "data.root: no value given"),
    "weight of the wrong length": (("loss=weighted_bce", "loss.pos_weight=[1,2]"), "pos_weight"),
    "weight of the wrong sign": (("loss=weighted_bce", "loss.pos_weight=-2"), "pos_weight"),
    "no such class": (("loss=custom", "loss._target_=losses.Nothing"), "Nothing"),
    "an argument that is not there": (("loss=dice", "+loss.gama=2"), "gama"),
    "no scalar": (
        ("loss=custom", "loss._target_=torch.nn.BCEWithLogitsLoss", "+loss.reduction=none"),
        "must return a scalar",
    ),
    "tile": (("trainer.tile=50",), "trainer.tile: expected a multiple of 32, got 50"),
    "steps": (("trainer.max_steps=0",), "trainer.max_steps: expected a positive number, got 0"),
    "device": (("trainer.accelerator=tpu",), "trainer.accelerator: expected one of auto, cpu, cuda, mps, got tpu"),
    "precision": (("trainer.precision=64",), "trainer.precision: expected one of 32, bf16, fp16, got 64"),
    "optimizer": (("+optimizer.momentum=2",), "momentum"),
    "threads": (("trainer.threads=-1",), "trainer.threads: expected a positive number or null, got -1"),
    "overlap": (("trainer.eval_overlap=-8",), "trainer.eval_overlap: expected a number of at least 0, got -8"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("study", [(), ("study=losses", "seed=0")], ids=["run", "study"])
def test_bad_input_ends_in_one_message_and_code_2(command, tmp_path, case, study):
    overrides, expected = REFUSED[case]
    code, _, err = command(train_main, *study, *with_small(*overrides))
    assert code == 2, err
    if study and case == "no scalar":
        expected = "study.baseline: expected one of the arms"  # the overrides would reach plain BCE too
    assert expected in err
    assert "Traceback" not in err
    assert err.count("error:") == 1
    assert not list(tmp_path.rglob("run.json"))


def test_annotation_jitter_gives_a_ceiling(command, tmp_path):
    code, _, err = command(train_main, "study=losses", "loss=bce,dice", "seed=0", "data.annotation_jitter=1", *SMALL)
    assert code == 0, err
    assert "ceiling: solid AP" in (tmp_path / "outputs" / "losses" / "report" / "details.md").read_text()
    table = pd.read_csv(tmp_path / "outputs" / "losses" / "report" / "ceiling.csv")
    assert table["arm"].tolist() == ["loss=bce"] * 3 + ["loss=dice"] * 3
    assert (table["gap"] < 0).all()  # three updates do not reach it
    assert table["ceiling_ap"].between(0.2, 0.999).all()


def test_a_study_that_tunes_a_nuisance_key(command, tmp_path):
    arguments = ("study=losses_tuned", "loss=bce,dice", "optimizer.lr=1e-6,1e-2", "seed=0,1", *SMALL)
    code, _, err = command(train_main, *arguments)
    assert code == 0, err
    folder = tmp_path / "outputs" / "losses_tuned"
    tuning = pd.read_csv(folder / "report" / "tuning.csv")
    assert len(tuning) == 4
    assert tuning.groupby("arm")["chosen"].sum().eq(1).all()
    assert pd.read_csv(folder / "report" / "verdicts.csv")["arm"].tolist() == ["loss=dice"] * 3
    assert "tuned: loss=dice with optimizer.lr=" in (folder / "report" / "details.md").read_text()


def test_ignored_pixels_and_a_criterion_that_cannot_ignore(command, tmp_path):
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        for index in range(2):
            for folder in ("images", "masks", "valid"):
                values = rng.integers(0, 255, (64, 64)) if folder == "images" else 255 * (rng.random((64, 64)) < 0.3)
                path = tmp_path / "mine" / split / folder / f"{split}{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(values.astype(np.uint8)).save(path)
    data = with_small("data=image_folder", f"data.root={tmp_path / 'mine'}")
    assert command(train_main, "loss=dice", *data)[0] == 0
    code, _, err = command(train_main, "loss=custom", "loss._target_=torch.nn.BCEWithLogitsLoss", *data)
    assert code == 2
    assert "ignored pixels, and BCEWithLogitsLoss.forward takes no argument named `valid`" in err


def test_a_narrowed_study_keeps_its_baseline(command, tmp_path):
    code, out, err = command(train_main, "study=losses", "loss=dice", "seed=0", *SMALL)
    assert code == 0, err
    assert "loss=bce added" in out
    folder = tmp_path / "outputs" / "losses"
    assert (folder / "loss=bce" / "seed=0" / "run.json").exists()

    # Another seed with another configuration does not slip in.
    code, _, err = command(train_main, "study=losses", "loss=dice", "seed=1", *SMALL, "optimizer.lr=1e-4")
    assert code == 2
    assert "optimizer.lr: 0.01 there, 0.0001 now" in err
    assert not (folder / "loss=dice" / "seed=1" / "run.json").exists()

    # A baseline that no arm is, and settings of the report that cannot be, are refused before training.
    code, _, err = command(train_main, "study=losses", "seed=0", "study.baseline=bse", *SMALL)
    assert code == 2
    assert "study.baseline: expected one of the arms" in err
    code, _, err = command(train_main, "study=losses", "seed=2", "report.headline=auc", *SMALL)
    assert code == 2
    assert "report.headline: expected ap" in err
    assert not list(folder.glob("*/seed=2/run.json"))


def test_a_study_of_one_arm_reports_without_verdicts(command):
    code, out, err = command(train_main, "study=losses", "loss=bce", "seed=0,1", *SMALL)
    assert code == 0, err
    assert "(baseline)" in out


def test_an_edited_loss_is_another_loss(command, tmp_path):
    source = (
        "import torch\n\n\n"
        "class Mine(torch.nn.Module):\n"
        "    def forward(self, logits, target):\n"
        "        return SCALE * ((logits.sigmoid() - target) ** 2).mean()\n"
    )
    path = tmp_path / "edited_criterion.py"
    path.write_text(source.replace("SCALE", "1"))
    run = ("loss=custom", "loss._target_=edited_criterion.Mine", *SMALL)
    assert command(train_main, *run)[0] == 0
    assert "already done" in command(train_main, *run)[1]
    path.write_text(source.replace("SCALE", "2"))
    code, _, err = command(train_main, *run)
    assert code == 2
    assert "overwrite=true" in err


def test_compare_names_what_is_missing(command, tmp_path):
    code, _, err = command(compare_main)
    assert (code, "study_dir: no value given" in err) == (2, True)
    code, _, err = command(compare_main, "study_dir=nowhere/losses")
    assert (code, "nowhere/losses, which is not there" in err) == (2, True)
    assert not (tmp_path / "nowhere").exists()
