"""The commands for a user's loss: the table of its contract, and training by the same rules."""

import json

import pytest
from small_study import SMALL

from experiments.check_loss import main as check_main
from experiments.cli import with_loss_input
from experiments.train import main as train_main

BCE_OF_PROBABILITIES = ("loss=custom", "loss._target_=torch.nn.BCELoss")


def test_the_contract_of_a_good_loss_is_a_table_and_code_0(command, tmp_path):
    code, out, err = command(check_main, "loss=dice", "masks=1")
    assert code == 0, err
    assert out.startswith("DiceLoss on 1 mask\n")
    assert "right costs less than random, and than wrong" in out
    assert "none of " in out
    assert not list(tmp_path.iterdir())


def test_a_bad_loss_ends_with_code_2_and_the_way_out(command):
    code, out, err = command(check_main, *BCE_OF_PROBABILITIES)
    assert code == 2
    assert "FAIL" in out
    assert "Give loss.input=probabilities" in " ".join(out.split())
    assert "Traceback" not in err
    code, _, err = command(check_main, *BCE_OF_PROBABILITIES, "loss.input=probabilities")
    assert code == 0, err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("masks=0", "prevalence=2", "device=tpu9"), ("masks: expected", "prevalence: expected", "device: expected")),
        (("loss=custom",), ("loss._target_: no value given",)),
        (("loss=custom", "loss._target_=torch.nn.Nothing"), ("torch.nn.Nothing",)),
        (
            (*BCE_OF_PROBABILITIES, "loss.input=odds"),
            ("loss.input: expected logits, probabilities, classes or class_channel, got 'odds'",),
        ),
    ],
)
def test_bad_keys_of_the_check_are_named(command, arguments, expected):
    code, _, err = command(check_main, *arguments)
    assert code == 2
    assert all(text in err for text in expected), err
    assert "Traceback" not in err


def test_training_refuses_what_the_check_fails_and_takes_what_it_offers(command, tmp_path):
    code, _, err = command(train_main, *BCE_OF_PROBABILITIES, *SMALL)
    assert code == 2
    assert "Give loss.input=probabilities" in err
    assert not list(tmp_path.rglob("run.json"))
    code, _, err = command(train_main, *BCE_OF_PROBABILITIES, "loss.input=probabilities", *SMALL)
    assert code == 0, err
    (run,) = tmp_path.rglob("run.json")
    assert "loss.input=probabilities" in run.parent.parent.name
    assert json.loads(run.read_text())["status"] == "complete"


def test_a_function_trains_by_its_name_alone(command, tmp_path):
    function = ("loss=custom", "loss._target_=torchvision.ops.sigmoid_focal_loss", "+loss.reduction=mean")
    code, _, err = command(train_main, *function, *SMALL)
    assert code == 0, err


@pytest.mark.parametrize(
    ("argument", "given"),
    [
        ("loss.input=probabilities", "++loss.input=probabilities"),
        ("loss.terms.dice.input=probabilities", "++loss.terms.dice.input=probabilities"),
        ("+loss.input=probabilities", "+loss.input=probabilities"),
        ("loss.each=[image,mask]", "++loss.each=[image,mask]"),
        ("loss.terms.dice.each=mask", "++loss.terms.dice.each=mask"),
        ("loss.inputs=3", "loss.inputs=3"),
        ("data.loss.input=3", "data.loss.input=3"),
    ],
)
def test_the_key_that_every_loss_has_needs_no_plus(argument, given):
    assert with_loss_input([argument]) == [given]
