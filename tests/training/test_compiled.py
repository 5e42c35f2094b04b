"""A compiled run trains the same weights and leaves the same files; if nothing can be compiled, it says so at once."""

import functools
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf
from torch import nn
from torch._dynamo.backends.debugging import aot_eager

from experiments.config import ConfigError, to_plain
from experiments.data.batches import PixelStatistics, pixel_statistics
from experiments.runs import store
from experiments.training import device
from experiments.training import setup as preflight
from experiments.training.checkpoint import TrainingState, restore_state, save_state
from experiments.training.data_parallel import training
from experiments.training.device import check_compiler, compiled, compiled_loss, compiled_twin, make_accelerator
from experiments.training.network import Segmenter
from experiments.training.run import execute, is_finished
from experiments.training.setup import LoadedData
from losses import CombinedLoss, DiceLoss, FocalLoss

CPU = torch.device("cpu")
SMALL = (
    "trainer.max_steps=6",
    "trainer.tile=32",
    "trainer.batch_size=2",
    "trainer.log_every=2",
    "trainer.checkpoint_every=2",
    "trainer.accelerator=cpu",
)


class Small(nn.Module):
    """Two convolutions with what makes training and scoring differ between them."""

    def __init__(self, in_channels, classes):
        super().__init__()
        self.first = nn.Conv2d(in_channels, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.last = nn.Conv2d(6, classes, 3, padding=1)

    def forward(self, image):
        return self.last(self.norm(self.first(image)).relu())


@pytest.fixture(scope="module")
def loaded(request):
    blobs = request.getfixturevalue("blobs")
    prevalence = tuple(blobs.prevalence("train").tolist())
    return LoadedData(blobs, prevalence, pixel_statistics(blobs.train), ignores_pixels=False)


@pytest.fixture
def small(composed, monkeypatch):
    monkeypatch.setattr("losses.Small", Small, raising=False)

    def make(*overrides):
        cfg = composed(*SMALL, *overrides)
        OmegaConf.set_struct(cfg, False)
        cfg.model = {"_target_": "losses.Small"}
        return cfg

    return make


@pytest.fixture
def graphs(monkeypatch):
    """Trace as `trainer.compile=true` does, and run the traced operators as they are; counts traces by image size."""
    seen = []

    def backend(graph, inputs):
        seen.extend(tuple(value.shape[2:]) for value in inputs if value.dtype == torch.uint8)
        return graph.forward

    torch._dynamo.reset()
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    yield seen
    torch._dynamo.reset()


def weights(folder):
    return torch.load(folder / store.CHECKPOINT_FILE, weights_only=True)["model"]


@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_a_compiled_run_is_the_plain_run(small, loaded, tmp_path, graphs, precision):
    for choice in ("false", "true"):
        cfg = small(f"trainer.compile={choice}", f"trainer.precision={precision}")
        assert execute(cfg, tmp_path / choice, "a", loaded, lambda update: None) == "complete"
    assert graphs == [(32, 32)]  # training tiles alone, once; images of 64 x 96 were scored by the model itself
    plain, twin = weights(tmp_path / "false"), weights(tmp_path / "true")
    assert list(plain) == list(twin)
    assert all(torch.equal(plain[name], twin[name]) for name in plain)
    infos = [json.loads((tmp_path / choice / store.RUN_FILE).read_text()) for choice in ("false", "true")]
    assert infos[0]["initial_weights"] == infos[1]["initial_weights"]
    scores = [store.read_scores(tmp_path / choice)["test"].to_arrays() for choice in ("false", "true")]
    assert all(np.array_equal(scores[0][name], scores[1][name]) for name in scores[0])


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """Compile the loss with the model, as on a GPU; notes every graph's operators."""
    graphs = []

    def backend(graph, inputs):
        graphs.append([node.target for node in graph.graph.nodes if node.op == "call_function"])
        return aot_eager(graph, inputs)

    torch._dynamo.reset()
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    monkeypatch.setattr(
        training, "compiled", lambda model, criterion, device: compiled(model, criterion, torch.device("cuda"))
    )
    yield graphs
    torch._dynamo.reset()


@pytest.mark.parametrize("loss", ["bce", "weighted_bce", "focal", "dice", "tversky", "focal_tversky", "combined"])
@pytest.mark.parametrize("ignores", [False, True])
def test_model_loss_and_foreground_are_one_graph(small, loaded, tmp_path, as_on_a_gpu, loss, ignores):
    precision = "bf16" if ignores else "32"
    loaded = replace(loaded, ignores_pixels=ignores)
    for choice in ("false", "true"):
        cfg = small(f"trainer.compile={choice}", f"trainer.precision={precision}", f"loss={loss}")
        assert execute(cfg, tmp_path / choice, "a", loaded, lambda update: None) == "complete"
    assert len(as_on_a_gpu) == 1
    assert torch.conv2d in as_on_a_gpu[0]
    plain, whole = (pd.read_csv(tmp_path / choice / store.HISTORY_FILE) for choice in ("false", "true"))
    assert list(plain) == list(whole)
    assert len(plain) == 3
    foreground = [name for name in plain if name.startswith("foreground_")]
    assert len(foreground) == 2 and (plain[foreground].to_numpy() > 0).any()
    for name in set(plain) - {"seconds"}:
        assert whole[name].to_numpy() == pytest.approx(plain[name].to_numpy(), rel=1e-2 if ignores else 1e-4)
    expected, found = weights(tmp_path / "false"), weights(tmp_path / "true")
    # The normalisation takes away what this bias adds: its gradient is rounding alone, which AdamW's steps blow up.
    for name in set(expected) - {"network.first.bias", "network.norm.running_mean"}:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-2, atol=1e-3)


def test_a_loss_from_elsewhere_stays_outside_the_graph(small, loaded, tmp_path, as_on_a_gpu):
    model = Small(1, 2)
    for criterion in (nn.BCEWithLogitsLoss(), CombinedLoss(terms={"own": DiceLoss(), "other": nn.MSELoss()})):
        assert compiled(model, criterion, torch.device("cuda"))[1] is None
    for criterion in (DiceLoss(), CombinedLoss(terms={"a": DiceLoss(), "b": FocalLoss()})):
        assert compiled(model, criterion, torch.device("cuda"))[1] is not None
        assert compiled(model, criterion, CPU)[1] is None


class Broken(Small):
    """A network of somebody else's that no compiler traces whole."""

    def forward(self, image):
        torch._dynamo.graph_break()
        return super().forward(image)


def test_a_network_that_breaks_the_graph_is_compiled_without_its_loss(as_on_a_gpu):
    images, target = torch.rand(2, 1, 8, 8), torch.rand(2, 2, 8, 8) < 0.3
    model, criterion = Broken(1, 2), CombinedLoss(terms={"a": DiceLoss(), "b": FocalLoss()})
    step = compiled_loss(model, compiled_twin(model), criterion)
    step(images, target, None)
    loss, shares = step(images, target, None)
    assert [torch.conv2d in operators for operators in as_on_a_gpu] == [True]
    assert shares.tolist() == pytest.approx(target.float().mean((0, 2, 3)).tolist())
    assert criterion.term_values["b"].item() == pytest.approx(FocalLoss()(model(images), target).item(), rel=1e-5)
    assert loss.item() == pytest.approx(criterion(model(images), target).item(), rel=1e-5)


def test_compile_belongs_to_the_result_like_precision(small, loaded, tmp_path):
    execute(small(), tmp_path, "a", loaded, lambda update: None)
    for key in ("trainer.compile=true", "trainer.precision=bf16"):
        with pytest.raises(ConfigError, match=f"{key.split('=')[0]}: .* there"):
            is_finished(tmp_path, to_plain(small(key)), loaded)


def test_a_compiled_run_goes_on_from_a_checkpoint_of_a_plain_one(small, loaded, tmp_path, graphs, monkeypatch):
    monkeypatch.setattr("experiments.training.run.run_fingerprint", lambda plain, loaded: "one for both")

    def stop(update):
        if update == 5:
            raise KeyError("power cut")

    whole = small()
    execute(whole, tmp_path / "whole", "a", loaded, lambda update: None)
    assert execute(small(), tmp_path / "parts", "a", loaded, stop) == "failed"
    updates = []
    assert execute(small("trainer.compile=true"), tmp_path / "parts", "a", loaded, updates.append) == "complete"
    assert updates == [5, 6]
    assert graphs == [(32, 32)]
    expected, found = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_the_state_of_a_compiled_model_has_plain_keys(tmp_path, graphs):
    model = Small(1, 2)
    twin = compiled_twin(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    twin(torch.rand(2, 1, 8, 8)).square().mean().backward()
    optimizer.step()
    state = TrainingState(model, optimizer, torch.optim.lr_scheduler.ConstantLR(optimizer), update=1)
    save_state(tmp_path / "c.pt", state, "f")
    fresh = Small(1, 2)
    other = torch.optim.SGD(fresh.parameters(), lr=0.1)
    assert restore_state(
        tmp_path / "c.pt", TrainingState(fresh, other, torch.optim.lr_scheduler.ConstantLR(other)), "f"
    )
    assert not any("_orig_mod" in name for name in model.state_dict())
    assert all(torch.equal(value, fresh.state_dict()[name]) for name, value in model.state_dict().items())


def test_every_run_of_a_long_study_is_compiled(small, graphs):
    cfg = small("trainer.precision=bf16")
    images = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    for count in range(1, 11):  # torch alone would compile eight and run the others as they are
        accelerator = make_accelerator(cfg.trainer)
        model = Segmenter(Small(1, 2), PixelStatistics((100.0,), (20.0,)))
        twin = compiled_twin(accelerator.unwrap_model(accelerator.prepare(model)))
        twin(images)
        assert len(graphs) == count


@pytest.fixture
def forget(monkeypatch):
    """What was known of this process's compiler is not known, and nothing compiled before is found again."""
    torch._dynamo.reset()
    device._failure.cache_clear()
    yield
    torch._dynamo.reset()
    device._failure.cache_clear()


def test_a_missing_compiler_is_named_before_training(small, monkeypatch, forget):
    def broken(function, **settings):
        def call(value):
            raise RuntimeError("Failed to find C compiler.\nPlease specify via CC environment variable.")

        return call

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(ConfigError, match=r"trainer.compile=true: .*for cpu here: Failed to find C compiler\. Ins"):
        check_compiler(CPU)
    logs = ("data.train_logs=2", "data.val_logs=1", "data.test_logs=1", "data.cache_dir=null")
    with pytest.raises(ConfigError, match=r"trainer.compile=false, which"):
        preflight.check(small(*logs, "trainer.compile=true"))
    preflight.check(small(*logs))


def test_a_real_missing_compiler_is_found_out(monkeypatch, forget, tmp_path):
    import torch._inductor.config as inductor

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    with (
        inductor.patch({"cpp.cxx": ("no-such-compiler",), "fx_graph_cache": False, "compile_threads": 1}),
        pytest.raises(ConfigError, match=r"cannot compile for cpu here: .*no-such-compiler"),
    ):
        check_compiler(CPU)
