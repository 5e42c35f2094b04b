"""Between two rows of the history nothing is read from the device, which would make the host wait for a GPU."""

import sys

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import losses._inputs
import losses.kernels
import losses.kernels.autograd
from experiments.config import instantiate
from experiments.criteria.before_training import set_prevalence
from experiments.data.batches import pixel_statistics
from experiments.data.resident_tiles import training_updates
from experiments.training.checkpoint import TrainingState
from experiments.training.device import make_accelerator
from experiments.training.fit import fit
from experiments.training.network import build_segmenter
from experiments.training.parts import make_optimizer
from experiments.training.setup import LoadedData, tile_batches

SETTINGS = (
    "trainer.max_steps=6",
    "trainer.tile=32",
    "trainer.batch_size=2",
    "trainer.log_every=3",
    "trainer.data_on_device=true",
    "augmentation=photo",
)
_READS = ("aten::_local_scalar_dense", "aten::equal", "aten::is_nonzero", "aten::nonzero", "aten::masked_select")
_COPIES = ("item", "tolist", "cpu", "numpy", "__array__")


class Reads(TorchDispatchMode):
    """Notes where a value is read from a tensor, or an operator runs whose result's shape depends on values.

    torch's own optimizers, transforms and generators read numbers that live on the host on every device, and so does
    what draws for a batch, which is given no tensor.
    """

    def __init__(self, monkeypatch):
        super().__init__()
        self.found = []
        for name in _COPIES:  # on a CPU these reach no operator
            original = getattr(torch.Tensor, name)

            def noted(tensor, *arguments, original=original, name=name, **settings):
                self.note(f"Tensor.{name}")
                return original(tensor, *arguments, **settings)

            monkeypatch.setattr(torch.Tensor, name, noted)

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        if operator._schema.name in _READS or (operator is torch.ops.aten.index.Tensor and _by_mask(args)):
            self.note(operator._schema.name)
        return operator(*args, **(kwargs or {}))

    def note(self, name):
        frame, files = sys._getframe(2), []
        while frame is not None:
            files.append(frame.f_code.co_filename)
            if files[-1].endswith("experiments/training/fit.py"):
                if frame.f_code.co_name != "history_row":
                    self.found.append((name, files[0]))
                return
            if any(part in files[-1] for part in ("/torch/optim/", "/torchvision/transforms/", "/torch/random.py")):
                return
            if frame.f_code.co_qualname == "BatchedPlan.draw":
                return
            frame = frame.f_back


def _by_mask(args):
    return any(index is not None and index.dtype == torch.bool for index in args[1])


@pytest.fixture(scope="module")
def loaded(request):
    blobs = request.getfixturevalue("blobs")
    prevalence = tuple(blobs.prevalence("train").tolist())
    return LoadedData(blobs, prevalence, pixel_statistics(blobs.train), ignores_pixels=True)


class Small(nn.Module):
    """Stands for the network, whose operators read nothing either: one test has it as it is."""

    def __init__(self, in_channels, classes):
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.last = nn.Conv2d(in_channels, classes, 3, padding=1)

    def forward(self, image):
        return self.last(self.norm(image))


@pytest.fixture(autouse=True)
def as_on_an_accelerator(monkeypatch):
    """The losses read from a CPU what they leave alone on any other device."""
    for module in (losses._inputs, losses.kernels.autograd, losses.kernels):
        monkeypatch.setattr(module, "is_free_to_read", lambda tensor: tensor.device.type == "nowhere")


@pytest.fixture
def small(composed, monkeypatch):
    monkeypatch.setattr("losses.Small", Small, raising=False)

    def make(*overrides):
        cfg = composed(*SETTINGS, *overrides)
        OmegaConf.set_struct(cfg, False)
        cfg.model = {"_target_": "losses.Small"}
        return cfg

    return make


def train(cfg, loaded, reads, *, criterion=None, on_update=lambda update: None):
    accelerator = make_accelerator(cfg.trainer)
    model = build_segmenter(
        cfg, channels=loaded.data.channels, prevalence=loaded.prevalence, statistics=loaded.statistics
    )
    optimizer, scheduler = make_optimizer(cfg, model.to(accelerator.device))
    model, optimizer = accelerator.prepare(model, optimizer)
    criterion = criterion or instantiate(cfg, "loss")
    set_prevalence(criterion, loaded.prevalence)
    state = TrainingState(accelerator.unwrap_model(model), optimizer, scheduler)
    with reads:
        finite = fit(
            state,
            training_updates(
                tile_batches(cfg, loaded),
                first=0,
                device=accelerator.device,
                on_device=cfg.trainer.data_on_device,
                workers=0,
            ),
            criterion.to(accelerator.device),
            accelerator,
            masks=loaded.data.masks,
            max_steps=6,
            log_every=3,
            is_due=lambda update: False,
            on_update=on_update,
            save=lambda: None,
        )
    assert finite
    assert [row["update"] for row in state.history] == [3, 6]


@pytest.mark.parametrize("loss", ["bce", "weighted_bce", "focal", "dice", "tversky", "focal_tversky", "combined"])
def test_no_value_is_read_between_rows(small, loaded, monkeypatch, loss):
    reads = Reads(monkeypatch)
    train(small("trainer.accelerator=cpu", f"loss={loss}"), loaded, reads)
    assert reads.found == []


def test_nor_by_the_network_in_bf16(composed, loaded, monkeypatch):
    cfg = composed(*SETTINGS, "trainer.accelerator=cpu", "trainer.precision=bf16", "loss=combined")
    reads = Reads(monkeypatch)
    train(cfg, loaded, reads)
    assert reads.found == []


class Curious(nn.Module):
    """Looks at its own value, as a loss of somebody else's may."""

    def __init__(self, look):
        super().__init__()
        self.look = look

    def forward(self, logits, target, valid=None):
        value = (logits - target.float()).square().mean()
        self.look(value.detach())
        return value


@pytest.mark.parametrize(
    "look",
    [
        lambda value: value.item(),
        lambda value: value.tolist(),
        lambda value: value.cpu(),
        lambda value: value.numpy(),
        lambda value: bool(value > 0),
        lambda value: float(value),
        lambda value: value[value > 0],
        lambda value: value.nonzero(),
    ],
    ids=["item", "tolist", "cpu", "numpy", "if", "float", "mask", "nonzero"],
)
def test_a_read_would_be_found(small, loaded, monkeypatch, look):
    reads = Reads(monkeypatch)
    train(small("trainer.accelerator=cpu"), loaded, reads, criterion=Curious(look))
    assert len(reads.found) >= 6


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("loss", ["bce", "combined", "focal_tversky"])
def test_a_gpu_is_not_waited_for_between_rows(composed, loaded, loss):
    def forbid_after_warming_up(update):
        # Updates 2 and 5 are watched: the first warms up, 3 and 6 end rows, which read.
        torch.cuda.set_sync_debug_mode("error" if update in (1, 4) else "default")

    class Nothing:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            torch.cuda.set_sync_debug_mode("default")

    cfg = composed(*SETTINGS, "trainer.accelerator=cuda", "trainer.precision=bf16", f"loss={loss}")
    train(cfg, loaded, Nothing(), on_update=forbid_after_warming_up)
