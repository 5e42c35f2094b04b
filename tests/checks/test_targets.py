"""Arguments are checked against signatures before anything is built."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import pytest
import torch
from omegaconf import OmegaConf

from experiments.checks.targets import fits, in_words, locate, target_problems


def problems(**parts):
    return target_problems(OmegaConf.create({"loss": {"_target_": "losses.DiceLoss"}, **parts}))


def test_an_argument_that_a_class_does_not_take_is_named_with_those_that_it_takes():
    found = problems(loss={"_target_": "losses.DiceLoss", "smoth": 1, "nonsense": 2})
    assert found == [
        "loss.smoth: losses.DiceLoss has no such argument; it takes smooth, per_image. Did you mean smooth?",
        "loss.nonsense: losses.DiceLoss has no such argument; it takes smooth, per_image.",
    ]


def test_terms_in_lists_and_mappings_are_checked_as_well():
    combined = {
        "_target_": "losses.CombinedLoss",
        "terms": {"dice": {"_target_": "losses.DiceLoss", "foo": 1}},
        "weights": {"dice": 1.0},
    }
    compose = {
        "_target_": "torchvision.transforms.v2.Compose",
        "transforms": [{"_target_": "torchvision.transforms.v2.RandomHorizontalFlip", "q": 1}],
    }
    found = problems(loss=combined, augmentation=compose)
    assert [problem.split(":")[0] for problem in found] == ["augmentation.transforms.0.q", "loss.terms.dice.foo"]


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"_target_": "losses.Nothing"}, "loss._target_: cannot import losses.Nothing"),
        ({"_target_": "surely_not_installed.X"}, "loss._target_: cannot import surely_not_installed.X"),
        ({"_target_": 3}, "expected the dotted name"),
        ({"_target_": "..x"}, "expected the dotted name"),
        ({"_target_": "math.pi"}, "expected a class or function, got math.pi"),
        ({"_target_": "losses.DiceLoss", "_partail_": True}, "loss._partail_: expected one of _target_"),
        ({"_target_": "losses.DiceLoss", "smooth": "much"}, "loss.smooth: expected a number, got 'much'"),
        ({"_target_": "losses.DiceLoss", "smooth": True}, "loss.smooth: expected a number, got True"),
        ({"_target_": "losses.DiceLoss", "per_image": 1}, "loss.per_image: expected true or false, got 1"),
        ({"_target_": "segmentation_models_pytorch.losses.LovaszLoss"}, "loss.mode: "),
        ({"_target_": "torch.nn.Sigmoid", "pos_weight": 1}, "loss.pos_weight: torch.nn.Sigmoid has no such argument"),
    ],
)
def test_a_loss_that_cannot_be_built_is_refused_in_one_sentence(part, words):
    found = problems(loss=part)
    assert len(found) == 1
    assert words in found[0]


def test_a_class_that_takes_any_keyword_is_left_to_itself():
    model = {"_target_": "segmentation_models_pytorch.create_model", "arch": "unet", "anything": 1}
    assert problems(model=model) == []


def test_partials_lack_one_argument_and_no_more():
    good = {"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 1e-3, "betas": [0.9, 0.95]}
    assert problems(optimizer=good) == []
    assert problems(optimizer={**good, "momentum": 0.9})[0].startswith("optimizer.momentum: torch.optim.AdamW has no")
    assert problems(optimizer={**good, "_partial_": False}) == ["optimizer._partial_: expected true, got False"]
    assert "optimizer.lr: expected a number, got 'fast'" in problems(optimizer={**good, "lr": "fast"})
    step = {"_target_": "torch.optim.lr_scheduler.StepLR", "_partial_": True}
    assert problems(scheduler=step)[0].startswith("scheduler.step_size: torch.optim.lr_scheduler.StepLR needs")


def test_a_model_is_given_channels_and_classes():
    found = problems(model={"_target_": "torch.nn.ReLU"})
    assert [problem.split(",")[0] for problem in found] == [
        "model (torch.nn.ReLU): expected an argument in_channels",
        "model (torch.nn.ReLU): expected an argument classes",
    ]


def test_the_data_set_shipped_takes_the_types_that_it_says():
    logs = {"_target_": "experiments.data.well_logs.dataset.make_well_logs"}
    assert problems(data={**logs, "train_logs": 3, "height": [64, 96], "prevalence": 0.01, "cache_dir": None}) == []
    for key, value in {"train_logs": 3.5, "curves": "two", "height": {"a": 1}, "noise": True, "cache_dir": 3}.items():
        assert problems(data={**logs, key: value})[0].startswith(f"data.{key}: expected ")


@pytest.mark.parametrize(
    ("value", "annotation", "suits"),
    [
        (1, int, True),
        (True, int, False),
        (1.0, int, False),
        (1, float, True),
        (False, float, False),
        ("a", str, True),
        (None, int | None, True),
        (None, int, False),
        ([1, 2], Sequence[int], True),
        ([1, "a"], Sequence[int], False),
        ("ab", Sequence[str], False),
        ([0.9, 0.9], tuple[float, float], True),
        ([0.9], tuple[float, float], False),
        ([1], Iterable[int], True),
        ({"a": 1}, Mapping[str, int], True),
        ([1], Mapping[str, int], False),
        ("cos", Literal["cos", "linear"], True),
        ("sin", Literal["cos", "linear"], False),
        ("/a", str | Path, True),
        (3, torch.Tensor, False),
        (0.1, float | torch.Tensor, True),
        (object(), object, True),
    ],
)
def test_values_and_annotations(value, annotation, suits):
    assert fits(value, annotation) is suits


def test_annotations_in_words():
    assert in_words(int | Sequence[int] | None) == "a whole number or a list [a whole number, ...] or null"
    assert in_words(float | torch.Tensor) == "a number"


def test_what_a_module_raises_is_named(tmp_path, monkeypatch):
    (tmp_path / "breaks_on_import.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ImportError, match="division by zero"):
        locate("breaks_on_import.Loss")


@pytest.mark.parametrize(
    ("word", "value", "expected"),
    [
        ("_convert_", "foo", "none, partial, object, all"),
        ("_recursive_", "no", "True, False"),
        ("_partial_", 3, "True, False"),
    ],
)
def test_hydra_s_own_words_take_its_values(word, value, expected):
    node = {"_target_": "losses.DiceLoss", word: value}
    assert problems(loss=node) == [f"loss.{word}: expected one of {expected}, got {value}"]
    assert problems(loss={"_target_": "losses.DiceLoss", "_convert_": "all", "_recursive_": False}) == []
