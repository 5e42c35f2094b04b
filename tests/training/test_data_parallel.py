"""One run in two processes (gloo, on the CPU): the same batches, losses and weights as in one, stopped and resumed."""

import os
import socket
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from small_study import draw_little, end, fork_command

from experiments import train
from experiments.report import study
from experiments.runs import store
from experiments.training.data_parallel import group

# A user's own losses, data and network. What a process sees is noted, for the test.
MINE = '''
import os, signal
from pathlib import Path
import numpy as np, torch
from torch import nn
from experiments.data.sample import Sample
from experiments.data.split import SegmentationData, make_split

RANK = os.environ.get("RANK", "0")

def data():
    """Dots on noise, in images with ignored pixels."""
    rng = np.random.default_rng(0)
    splits = []
    for name, count in (("train", 5), ("val", 2), ("test", 3)):
        samples = []
        for _ in range(count):
            target = rng.random((2, 64, 64)) < 0.03
            image = (rng.normal(100, 20, (64, 64)) + 90 * target[0] - 60 * target[1]).clip(0, 255).astype(np.uint8)
            valid = rng.random((64, 64)) < 0.9
            samples.append(Sample(image[..., None], target, valid))
        splits.append(make_split(name, samples, [f"{name}{i}" for i in range(count)]))
    return SegmentationData("dots", ("bright", "dark"), 1, *splits)

class Learned(nn.Module):
    """Cross-entropy and Dice, weighed as learned, with pixels left out at random; it takes arguments by name."""
    def __init__(self):
        super().__init__()
        self.log_variance = nn.Parameter(torch.zeros(2))
    def forward(self, logits, target, valid=None, *, image_id, update):
        counted = (torch.rand(logits.shape) < 0.9).float() * (1.0 if valid is None else valid.float())
        each = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        p = logits.sigmoid()
        dice = 1 - 2 * (p * target * counted).sum() / ((p + target) * counted).sum()
        terms = torch.stack([(each * counted).sum() / counted.sum(), dice])
        loss = (terms * torch.exp(-self.log_variance) + self.log_variance).sum()
        if image_id[0].startswith("train"):  # not in the check before training
            self.trained(update, image_id, loss)
        return loss
    def trained(self, update, image_id, loss):
        with open(f"seen{RANK}", "a") as file:
            print(update, *image_id, loss.item(), file=file)

class Interrupted(Learned):
    """As Learned; process 1 gets a signal in update 3, unless it is told otherwise."""
    def trained(self, update, image_id, loss):
        if update == 3 and RANK == "1" and not Path("calm").exists():
            os.kill(os.getpid(), signal.SIGTERM)

class Dying(Learned):
    """As Learned; process 1 dies in update 3."""
    def trained(self, update, image_id, loss):
        if update == 3 and RANK == "1":
            os._exit(7)

class Failing(Learned):
    """Raises an error in update 3 of process 1 alone, as a GPU does that is out of memory."""
    def trained(self, update, image_id, loss):
        if update == 3 and RANK == "1":
            raise ValueError("alone on purpose")

class Broken(Learned):
    """Raises an error in update 3."""
    def trained(self, update, image_id, loss):
        if update == 3:
            raise ValueError("broken on purpose")

class Net(nn.Sequential):
    """A network with dropout, and a layer that has no gradient."""
    def __init__(self, in_channels, classes):
        super().__init__(
            nn.Conv2d(in_channels, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.3),
            nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, classes, 1),
        )
        self.unused = nn.Conv2d(1, 1, 1)
    def forward(self, x):
        for name, layer in self.named_children():
            x = x if name == "unused" else layer(x)
        return x
'''
SETTINGS = (
    "data=custom_data",
    "trainer.max_steps=6",
    "trainer.tile=64",
    "trainer.batch_size=4",
    "trainer.log_every=2",
    "trainer.accelerator=cpu",
    "trainer.threads=1",
    "optimizer=sgd",
)
ALONE = "update 4, loss: ValueError: alone on purpose"
RUN = (*SETTINGS, "model=net", "study_dir=study")
OPTIONS = {
    "data/custom_data": "_target_: mine.data",
    "model/net": "_target_: mine.Net",
    **{
        f"loss/{name}": f"_target_: mine.{name.title()}"
        for name in ("learned", "interrupted", "dying", "failing", "broken")
    },
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    for name, text in OPTIONS.items():
        path = tmp_path / "options" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return tmp_path


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start(folder, *arguments, processes):
    """Start the processes of a command as `torchrun` does; `log0` is what the leader prints."""
    port = free_port()

    def begin(number):
        draw_little(())
        study.report_study = lambda *arguments, **options: None  # a comparison takes longer than these runs
        group._SKEW = 1.0
        if processes > 1:
            os.environ |= {"RANK": str(number), "LOCAL_RANK": str(number), "MASTER_ADDR": "127.0.0.1"}
            os.environ |= dict.fromkeys(("WORLD_SIZE", "LOCAL_WORLD_SIZE"), str(processes))
            os.environ["MASTER_PORT"] = str(port)

    argv = ("train", "--config-dir=options", *arguments)
    return [
        fork_command(train.main, argv, folder, out=f"log{number}", before=lambda number=number: begin(number))
        for number in range(processes)
    ]


def run(folder, *arguments, processes=2):
    """Run a command; return the exit code of each process, and what the leader and the helpers printed."""
    codes = [end(pid) for pid in start(folder, *arguments, processes=processes)]
    return codes, *((folder / f"log{number}").read_text() for number in range(processes))


def only_run(parent):
    """The folder of a study's single run."""
    (info,) = parent.rglob(store.RUN_FILE)
    return info.parent


def content(run_folder):
    return torch.load(run_folder / store.CHECKPOINT_FILE, weights_only=True)


def history(run_folder):
    return pd.read_csv(run_folder / store.HISTORY_FILE).drop(columns="seconds")


def scores(run_folder):
    with np.load(run_folder / store.SCORES_FILE) as arrays:
        return {name: arrays[name].tobytes() for name in arrays.files}


def test_two_processes_train_what_one_trains(folder):
    arms = (
        "study=losses",
        "loss=bce,dice,tversky,learned,broken",
        "seed=0",
        *SETTINGS,
        "model.decoder_channels=[16,8,8]",
    )
    codes, out, helped = run(folder, *arms, "study_dir=two")
    assert codes == [1, 1], out
    assert helped == ""
    assert "broken on purpose" in out
    assert run(folder, *arms, "study_dir=one", processes=1)[0] == [1]
    for arm in ("bce", "dice", "tversky", "learned"):
        one, two = (folder / name / f"loss={arm}" / "seed=0" for name in ("one", "two"))
        pd.testing.assert_frame_equal(history(one), history(two), rtol=1e-4)
        weights, other = content(one), content(two)
        names = [name for name in weights["model"] if name.endswith(("weight", "bias"))]
        for name in names:
            torch.testing.assert_close(other["model"][name], weights["model"][name], rtol=1e-3, atol=2e-4, msg=name)
        if arm == "learned":
            own = weights["criterion"]["log_variance"]
            assert float(own.abs().min()) > 0.01  # it was trained
            torch.testing.assert_close(other["criterion"]["log_variance"], own, rtol=1e-4, atol=1e-5)
        info = store.read_info(two)
        assert (info["status"], info["processes"]) == ("complete", 2)
    failed = store.read_info(folder / "two" / "loss=broken" / "seed=0")
    assert (failed["status"], failed["step"], failed["part"]) == ("failed", 4, "loss")
    first, second = ((folder / f"seen{number}").read_text().splitlines() for number in (0, 1))
    assert len(second) == 6  # every process saw every batch whole, and the same loss of it
    assert first[:6] == second
    assert [line.split()[:5] for line in first[6:]] == [line.split()[:5] for line in second]


def test_a_signal_to_one_process_stops_all_and_the_run_resumes_to_the_bit(folder):
    codes, out, _ = run(folder, "loss=interrupted", *RUN, "trainer.workers=1")
    assert codes == [143, 143], out
    begun = only_run(folder / "study")
    assert (content(begun)["update"], store.read_info(begun)["status"]) == (4, "stopped")
    (folder / "calm").touch()
    codes, out, _ = run(folder, "loss=interrupted", *RUN, "trainer.workers=1")
    assert codes == [0, 0], out
    codes, out, _ = run(folder, "loss=interrupted", *RUN[:-1], "study_dir=whole")
    assert codes == [0, 0], out
    whole = only_run(folder / "whole")
    pd.testing.assert_frame_equal(history(begun), history(whole), check_exact=True)
    for part in ("model", "criterion"):
        states = content(begun)[part], content(whole)[part]
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0]), part
    assert scores(begun) == scores(whole)
    # One process that scores the same weights finds the same histograms.
    before = scores(whole)
    (whole / store.SCORES_FILE).unlink()
    assert run(folder, "loss=interrupted", *RUN[:-1], "study_dir=whole", processes=1)[0] == [0]
    assert scores(whole) == before


@pytest.mark.parametrize(("loss", "code", "said"), [("dying", 7, ""), ("failing", 143, ALONE)])
def test_the_end_of_a_process_ends_the_command_and_the_run_goes_on_from_its_checkpoint(folder, loss, code, said):
    codes, out, helped = run(folder, f"loss={loss}", *RUN, "trainer.checkpoint_every=2")
    assert codes == [143, code], out
    assert helped == (said and f"error: an error that process 1 alone has: UpdateError: {said}\n")
    assert "stopped by the end of another process of this command" in out
    begun = only_run(folder / "study")
    assert (content(begun)["update"], store.read_info(begun)["status"]) == (2, "stopped")
    if loss == "dying":
        codes, out, *_ = run(folder, f"loss={loss}", *RUN, "trainer.checkpoint_every=2", processes=1)
        assert codes == [0], out
        assert "begun by 2 processes" in out


def test_torchrun_ends_all_processes_with_one_message(folder):
    launcher = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    odd = ("study=losses", "trainer.batch_size=3", "trainer.compile=true", "hydra/launcher=joblib")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = (*launcher, "-m", "experiments.train", *odd)
    asked = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    assert asked.stderr.count("error: ") == 1, asked.stderr
    for problem in (
        "trainer.batch_size: expected a multiple of 2, because 2 processes share every batch, got 3",
        "trainer.compile: expected false, because the 2 processes of this command exchange numbers within the network",
        "hydra/launcher: expected none, because the 2 processes of this command train one run at a time together",
    ):
        assert asked.stderr.count(problem) == 1, asked.stderr
    assert "exitcode  : 2" in asked.stderr
    assert not list(folder.rglob("outputs"))
