"""Every loss of `study=losses_zoo` trains by its configuration alone, and what is missing is named."""

import json
import math
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf
from small_study import SMALL

from experiments.check_loss import main as check_main
from experiments.checks import targets
from experiments.runs import store
from experiments.train import main as train_main

ROOT = Path(__file__).parents[1]
ZOO = OmegaConf.load(ROOT / "conf/study/losses_zoo.yaml").hydra.sweeper.params.loss.split(",")
NEEDS = {
    **dict.fromkeys(("generalized_dice", "hausdorff", "soft_cldice", "unified_focal"), "monai"),
    "skeleton_recall": "skimage",
}
TWO_UPDATES = (
    *(override for override in SMALL if not override.startswith(("trainer.max_steps", "trainer.log_every"))),
    "trainer.max_steps=2",
    "trainer.log_every=1",
)
# Behind an adapter, of classes, of each image: what no option of the zoo does.
LINES = {
    "smp's focal loss of classes": (
        "loss=custom",
        "loss._target_=segmentation_models_pytorch.losses.FocalLoss",
        "+loss.mode=multiclass",
        "+loss.ignore_index=255",
        "loss.input=classes",
    ),
    "a function of probabilities, each image and mask": (
        "loss=custom",
        "loss._target_=torch.nn.functional.binary_cross_entropy",
        "loss.input=probabilities",
        "loss.each=[image,mask]",
    ),
}

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # MONAI's own imports
    pytest.mark.filterwarnings("ignore:.*SwigPy.*"),
]


def trained(command, tmp_path, *arguments):
    code, _, err = command(train_main, *arguments, *TWO_UPDATES)
    assert code == 0, err
    (run,) = tmp_path.rglob("run.json")
    info = json.loads(run.read_text())
    assert (info["status"], info["updates"]) == ("complete", 2)
    losses = pd.read_csv(run.parent / store.HISTORY_FILE)["loss"]
    assert all(map(math.isfinite, losses))
    assert losses.nunique() == 2


@pytest.mark.parametrize("loss", ZOO)
def test_a_loss_of_the_zoo_trains_by_its_option_alone(loss, command, tmp_path):
    if loss in NEEDS and find_spec(NEEDS[loss]) is None:
        pytest.skip(f"{NEEDS[loss]} is not installed: the extra zoo")
    trained(command, tmp_path, f"loss={loss}")


@pytest.mark.parametrize("line", LINES)
def test_a_loss_behind_an_adapter_trains_by_one_line(line, command, tmp_path):
    trained(command, tmp_path, *LINES[line])


@pytest.mark.parametrize("main", [train_main, check_main])
def test_a_missing_package_is_named_with_its_extra(main, command, monkeypatch):
    monkeypatch.setitem(targets.EXTRAS, "no_such_package", "zoo")
    code, _, err = command(main, "loss=custom", "loss._target_=no_such_package.losses.Loss")
    assert code == 2
    assert "loss._target_: cannot import no_such_package.losses.Loss" in err
    assert "no_such_package is not part of the base install: pip install no_such_package, or the extra zoo" in err
    assert "Traceback" not in err


def test_missing_skeletons_are_named(command, monkeypatch):
    monkeypatch.setattr("experiments.data.derived_maps.find_spec", lambda name: None)
    code, _, err = command(check_main, "loss=skeleton_recall")
    assert code == 2
    assert "loss (losses.CombinedLoss): skeletons need scikit-image, which is not installed" in err


def test_an_argument_that_nobody_gives_is_refused_with_those_that_there_are(command, monkeypatch, request):
    monkeypatch.syspath_prepend(str(request.path.parent / "criteria"))
    for main in (train_main, check_main):
        code, _, err = command(main, "loss=custom", "loss._target_=buggy_losses.ThreeArguments")
        assert code == 2
        assert "loss (buggy_losses.ThreeArguments): needs the argument weight, which training cannot give" in err
        assert "by name it may take valid, index, image_id, update, skeleton, distance" in err


def test_data_of_crossing_masks_need_a_label_to_ignore(command):
    smp = "loss._target_=segmentation_models_pytorch.losses.JaccardLoss"
    code, _, err = command(train_main, "loss=custom", smp, "+loss.mode=multiclass", "loss.input=classes", *SMALL)
    assert code == 2
    assert "training pixels with a mask belong to several, not to one, and JaccardLoss has no ignore_index" in err
    assert "Traceback" not in err


def test_every_option_and_the_study_name_the_same_losses():
    options = {path.stem for path in (ROOT / "conf/loss").glob("*.yaml")}
    assert set(ZOO) <= options
    assert torch.nn.CrossEntropyLoss().ignore_index == OmegaConf.load(ROOT / "conf/loss/softmax.yaml").ignore_index
