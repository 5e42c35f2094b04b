"""Losses that cannot train are refused with a reason, strange ones are noted, and legitimate ones pass."""

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from experiments.config import ConfigError
from experiments.criteria.before_training import check_criterion, measured_clauses
from experiments.criteria.build import build_criterion
from experiments.criteria.clauses import FAIL, NOTE
from experiments.criteria.contract import Setting, measure_contract
from experiments.criteria.trial import random_state_kept


def measured(target, *, masks=2, ignores_pixels=False, **arguments):
    criterion = build_criterion(OmegaConf.create({"loss": {"_target_": target, **arguments}}))
    return measured_clauses(criterion, Setting([0.03] * masks, ignores_pixels))


def failures(clauses):
    return [f"{clause.name}: {clause.measured}" for clause in clauses if clause.verdict == FAIL]


@pytest.fixture(autouse=True)
def buggy_losses(monkeypatch, request):
    monkeypatch.syspath_prepend(str(request.path.parent))


SIGN = "the loss has the wrong sign"
NO_GRADIENT = "returned a value with no gradient"
NO_SCALAR = "must return a scalar tensor"
SIGMOID = "Give loss.input=probabilities"
REFUSED = {
    "NegativeBCE": SIGN,
    "DiceScore": SIGN,
    "Accuracy": SIGN,
    "InvertedLabels": SIGN,
    "LogLikelihood": SIGN,
    "IouScore": SIGN,
    "ReversedGradient": "the gradient has the wrong sign",
    "Thresholded": NO_GRADIENT,
    "Argmax": NO_GRADIENT,
    "Detached": NO_GRADIENT,
    "NoGrad": NO_GRADIENT,
    "Boolean": NO_GRADIENT,
    "Rounded": "0 at every pixel",
    "Constant": "0 at every pixel",
    "IgnoresLogits": "0 at every pixel",
    "Item": "does not depend on the logits",
    "FreshTensor": "does not depend on the logits",
    "BackwardOfNone": "does not depend on the logits",
    "Numpy": NO_SCALAR,
    "PythonFloat": NO_SCALAR,
    "PerImage": NO_SCALAR,
    "PerPixel": NO_SCALAR,
    "ATuple": "such as the sum of the parts",
    "ADict": "such as the sum of the parts",
    "Nothing": "is its return missing?",
    "Complex": "must return a real number",
    "NotANumber": "expected a finite value",
    "Infinite": "expected a finite value",
    "MeanOfPositives": "empty masks: value nan",
    "DividedByPositives": "empty masks: value inf",
    "DividedByNegatives": "full masks: value inf",
    "RootOfZero": "empty masks: value",
    "IgnoresTarget": "the same for other labels",
    "MeanOverImages": "the same for other labels",
    "SumOfPixels": "the same for other labels",
    "FirstMaskOnly": "mask 1 (from 0) changes nothing",
    "FirstImageOnly": "image 1 of the batch changes nothing",
    "SoftmaxOverMasks": "a softmax over masks",
    "SoftmaxDice": "a softmax over masks",
    "MeanOverMasks": "exchanging the logits of the masks",
    "OnProbabilities": SIGMOID,
    "DiceOfLogits": SIGMOID,
    "FocalOfLogits": SIGMOID,
    "LogOfLogits": SIGMOID,
    "IndexByTarget": "labels come as float32 zeros and ones",
    "OtherShape": "must be the same as input size",
    "InPlaceLogits": "changes its logits in place",
    "Exits": "sys.exit('bad labels') was called",
    "Raises": "KeyError: 'missing'",
    "NoSuchName": "name 'biinary_cross_entropy' is not defined",
    "NeedsValid": "valid is None where no pixel is ignored",
    "NoForward": 'missing the required "forward" function',
    "DoubleWeight": "same dtype",
}


@pytest.mark.parametrize("loss", REFUSED)
def test_a_loss_that_cannot_train_is_refused_with_its_reason(loss):
    assert any(REFUSED[loss] in failure for failure in failures(measured(f"buggy_losses.{loss}")))


NOTED = {
    "UnstableLog": "Use logsigmoid",
    "OnlyPositives": "false positives cost nothing",
    "OnlyNegatives": "missed positives cost nothing",
    "SigmoidTwice": "is a sigmoid applied twice",
    "SquareOfLogits": "no loss of logits",
    "Half": "computed in float16",
    "InPlaceLabels": "changes its labels in place",
    "Prints": "prints at every call",
    "Warns": "different to the input size",
    "RandomOfTorch": "draws random numbers",
    "RandomOfNumpy": "a generator that no seed reaches",
    "LooseTensor": "LooseTensor.weight stays on the CPU",
    "DropsValid": "logits of ignored pixels change the value",
}


@pytest.mark.parametrize("loss", NOTED)
def test_what_is_strange_and_may_be_meant_is_a_note(loss, capsys):
    clauses = measured(f"buggy_losses.{loss}")
    assert failures(clauses) == []
    assert any(NOTED[loss] in clause.measured for clause in clauses if clause.verdict == NOTE)
    assert capsys.readouterr().out == ""


def test_parameters_of_its_own_are_told_and_idle_ones_noted():
    (clause,) = (c for c in measured("buggy_losses.Learns") if c.name == "its own parameters")
    assert (clause.verdict, clause.measured) == ("pass", "are trained with the network's weights: scale")
    (clause,) = (c for c in measured("buggy_losses.LearnsInVain") if c.name == "its own parameters")
    assert (clause.verdict, clause.measured) == (NOTE, "get no gradient: idle")
    assert "its own parameters: the gradient is NaN or infinite: scale" in failures(measured("buggy_losses.LearnsNan"))


@pytest.mark.parametrize("masks", [1, 2])
@pytest.mark.parametrize("ignores_pixels", [False, True])
def test_cross_entropy_over_background_and_masks_passes(masks, ignores_pixels):
    found = measured("torch.nn.CrossEntropyLoss", masks=masks, ignores_pixels=ignores_pixels, input="classes")
    assert failures(found) == []
    assert [clause.name for clause in found if clause.verdict == NOTE] == []


@pytest.mark.parametrize("masks", [1, 2])
def test_cross_entropy_over_masks_is_refused_for_any_number_of_masks(masks):
    expected = {1: "over one mask is constant", 2: "a softmax over masks"}
    assert expected[masks] in failures(measured("torch.nn.CrossEntropyLoss", masks=masks))[0]


@pytest.mark.parametrize("loss", ["DropsValid", "function"])
def test_data_with_ignored_pixels_need_a_loss_that_leaves_them_out(loss):
    expected = {"DropsValid": "change the value", "function": "takes no argument named `valid`"}
    found = failures(measured(f"buggy_losses.{loss}", ignores_pixels=True))
    assert len(found) == 1
    assert expected[loss] in found[0]
    assert failures(measured("losses.DiceLoss", ignores_pixels=True)) == []


SMP, MONAI = "segmentation_models_pytorch.losses.", "monai.losses."
LEGITIMATE = [
    *(("losses.WeightedBCELoss", {"pos_weight": weight}) for weight in (1.0, 42.0, "balanced", [1.0, 3.0])),
    *(("losses.FocalLoss", {"gamma": gamma, "positive_weight": 0.25}) for gamma in (0.0, 2.0, 5.0)),
    *(("losses.DiceLoss", {"smooth": smooth, "per_image": True}) for smooth in (1e-3, 1.0, 100.0)),
    *(("losses.TverskyLoss", {"fp_weight": fp, "fn_weight": 1 - fp}) for fp in (0.0, 0.3, 1.0)),
    ("losses.FocalTverskyLoss", {"fp_weight": 0.3, "fn_weight": 0.7, "gamma": 0.75}),
    ("losses.CombinedLoss", {"terms": {"a": {"_target_": "losses.DiceLoss"}, "b": {"_target_": "losses.FocalLoss"}}}),
    ("losses.dice_loss", {}),
    *((f"{SMP}{name}", {"mode": mode})
      for mode in ("binary", "multilabel")
      for name in ("LovaszLoss", "JaccardLoss", "DiceLoss", "FocalLoss", "TverskyLoss")),
    (f"{SMP}DiceLoss", {"mode": "multilabel", "log_loss": True}),
    (f"{SMP}DiceLoss", {"mode": "multilabel", "from_logits": False, "input": "probabilities"}),
    (f"{SMP}SoftBCEWithLogitsLoss", {"smooth_factor": 0.1}),
    (f"{SMP}MCCLoss", {"input": "probabilities"}),
    ("torch.nn.BCEWithLogitsLoss", {"reduction": "sum"}),
    ("torch.nn.SoftMarginLoss", {}),
    ("torch.nn.MultiLabelSoftMarginLoss", {}),
    ("torch.nn.MSELoss", {}),
    ("torch.nn.MSELoss", {"input": "probabilities"}),
    ("torch.nn.BCELoss", {"input": "probabilities"}),
    ("torch.nn.functional.binary_cross_entropy_with_logits", {}),
    ("torch.nn.functional.binary_cross_entropy", {"input": "probabilities", "_partial_": True}),
    ("torchvision.ops.sigmoid_focal_loss", {"reduction": "mean"}),
]  # fmt: skip


@pytest.mark.parametrize(("target", "arguments"), LEGITIMATE)
def test_a_legitimate_loss_passes(target, arguments):
    assert failures(measured(target, **arguments)) == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MONAI's own imports
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        *((name, {"sigmoid": True}) for name in ("DiceLoss", "DiceCELoss", "DiceFocalLoss", "TverskyLoss")),
        ("GeneralizedDiceLoss", {"sigmoid": True}),
        ("HausdorffDTLoss", {"sigmoid": True, "include_background": True}),
        ("FocalLoss", {}),
        ("DiceLoss", {"input": "probabilities"}),
    ],
)
def test_a_loss_of_monai_passes(name, arguments):
    pytest.importorskip("monai")
    assert failures(measured(f"{MONAI}{name}", **arguments)) == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["DiceLoss", "HausdorffDTLoss"])  # whose own default this is
def test_a_mask_taken_for_the_background_is_named(name):
    pytest.importorskip("monai")
    found = failures(measured(f"{MONAI}{name}", sigmoid=True, include_background=False))
    assert found == ["every mask counts: mask 0 (from 0) changes nothing: it never trains"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("target", "arguments"),
    [
        ("torch.nn.BCELoss", {}),
        (f"{SMP}MCCLoss", {}),
        (f"{SMP}DiceLoss", {"mode": "multilabel", "from_logits": False}),
        (f"{SMP}JaccardLoss", {"mode": "multilabel", "from_logits": False}),
        (f"{SMP}TverskyLoss", {"mode": "multilabel", "from_logits": False}),
        (f"{MONAI}DiceLoss", {}),
        (f"{MONAI}TverskyLoss", {}),
        (f"{MONAI}GeneralizedDiceLoss", {}),
        (f"{MONAI}DiceFocalLoss", {}),
    ],
)
def test_a_loss_of_probabilities_is_told_from_a_loss_of_logits(target, arguments):
    if target.startswith(MONAI):
        pytest.importorskip("monai")
    found = failures(measured(target, **arguments))
    assert len(found) == 1
    assert SIGMOID in found[0]


def test_a_term_that_takes_probabilities_is_offered_its_own_sigmoid():
    term = {"_target_": "torch.nn.BCELoss"}
    combined = {"target": "losses.CombinedLoss", "terms": {"dice": {"_target_": "losses.DiceLoss"}, "bce": term}}
    assert "loss.terms.NAME.input=probabilities" in failures(measured(**combined))[0]
    term["input"] = "probabilities"
    assert failures(measured(**combined)) == []


def test_all_that_fails_is_named_together():
    with pytest.raises(ConfigError, match=r"(?s)reacts to the labels.*\n.*right logits do not cost least"):
        check_criterion(build_criterion(OmegaConf.create({"loss": {"_target_": "buggy_losses.IgnoresTarget"}})), PAIR)


PAIR = Setting([0.03, 0.03])


class NeedsARoom(nn.Module):
    """Takes batches of 3 tiles of 96 pixels, and no others."""

    def forward(self, logits, target):
        if logits.shape[0] != 3 or logits.shape[-1] != 96:
            raise ValueError("too small")
        return nn.functional.binary_cross_entropy_with_logits(logits, target)


def test_a_loss_that_needs_the_shape_of_the_training_gets_it():
    assert failures(measure_contract(NeedsARoom(), Setting([0.03], batch_size=3, tile=96))) == []
    assert "too small" in failures(measure_contract(NeedsARoom(), Setting([0.03], batch_size=3, tile=64)))[0]


def test_the_check_leaves_no_trace():
    weight = torch.tensor([2.0])
    criterion = nn.BCEWithLogitsLoss(pos_weight=weight)
    with random_state_kept():
        torch.manual_seed(5)
        expected = torch.rand(3)
        torch.manual_seed(5)
        measure_contract(criterion, Setting([0.03]))
        assert torch.equal(torch.rand(3), expected)
    assert weight.item() == 2.0


def test_ctrl_c_goes_through():
    class Stopped(nn.Module):
        def forward(self, logits, target):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_contract(Stopped(), Setting([0.03]))
