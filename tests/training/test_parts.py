"""Parts that cannot be built or stepped are found without the data."""

import pytest
import torch
from omegaconf import OmegaConf

from experiments.config import ConfigError
from experiments.training.parts import make_optimizer, part_problems

CPU = "trainer.accelerator=cpu"
ONE_CYCLE = (
    "scheduler=constant",
    "scheduler._target_=torch.optim.lr_scheduler.OneCycleLR",
    "~scheduler.factor",
    "~scheduler.total_iters",
    "+scheduler.max_lr=0.01",
)


def test_what_is_shipped_can_be_built(composed):
    assert part_problems(composed(CPU)) == []
    assert part_problems(composed(CPU, *ONE_CYCLE, "+scheduler.total_steps=300")) == []


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ((*ONE_CYCLE, "+scheduler.total_steps=50"), "scheduler (torch.optim.lr_scheduler.OneCycleLR): failed after"),
        (("scheduler=constant", "scheduler.factor=0", "scheduler.total_iters=1000"), "got 0 at all of 300 updates"),
        (("scheduler.total_steps=0",), "total_steps: expected at least 1, got 0"),
        (("scheduler._target_=torch.nn.ReLU",), "scheduler (torch.nn.ReLU)"),
        (("optimizer=sgd", "optimizer.momentum=-1"), "optimizer (torch.optim.SGD)"),
        (("sampling._target_=builtins.object",), "sampling: expected an object with a method draw"),
        (("augmentation.transforms.0.p=2",), "augmentation (torchvision.transforms.v2.Compose)"),
        (("model.arch=unett",), "unett"),
        (("model.decoder_channels=[16,8]",), "model (segmentation_models_pytorch.create_model)"),
        (("sampling._target_=sys.exit",), "sampling (sys.exit): calls sys.exit("),
    ],
)
def test_a_part_that_fails_is_named(composed, overrides, words):
    found = part_problems(composed(CPU, *overrides))
    assert len(found) == 1
    assert words in found[0]


def test_all_parts_that_fail_are_named_together_and_doubtful_ones_left_alone(composed):
    cfg = composed(CPU, "loss.pos_weight=-1", "augmentation.transforms.0.p=2", "model.arch=unett")
    assert [problem.split(" ")[0] for problem in part_problems(cfg)] == ["augmentation", "loss", "model"]
    assert [problem.split(" ")[0] for problem in part_problems(cfg, {"loss", "model"})] == ["augmentation"]


def test_an_optimizer_is_one():
    cfg = OmegaConf.create({"optimizer": {"_target_": "builtins.list", "_partial_": True}})
    with pytest.raises(ConfigError, match="expected an optimizer, got list"):
        make_optimizer(cfg, torch.nn.Linear(1, 1))
