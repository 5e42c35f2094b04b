"""How long an update takes by what waiting threads do, alone and beside processes that want a core each.

    python -m benchmarks.waiting --neighbours 3 --rounds 12

Each policy has a process of its own, which torch was loaded in under that policy; they train in turn, a few updates at
a time. Ratios are to OpenMP's default in the same round. Alone means alone: close what else computes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from contextlib import ExitStack
from statistics import median
from typing import IO, cast

from tqdm import trange

_ASLEEP = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
_POLICIES = {
    "default": {},
    "asleep at once": _ASLEEP,
    "asleep after 10,000 turns": _ASLEEP | {"GOMP_SPINCOUNT": "10000"},
}
_UPDATES = 8  # of each policy in a round

# Reads a number of updates a line, writes the seconds an update took.
_TRAINER = """
import sys, time
import segmentation_models_pytorch as smp
import torch
from losses import FocalLoss
model = smp.create_model(arch="unet", encoder_name="tu-mobilenetv3_small_050", encoder_depth=4,
    decoder_channels=[64, 48, 32, 16], encoder_weights=None, in_channels=3, classes=3)
optimizer, loss = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True), FocalLoss()
generator = torch.Generator().manual_seed(0)
images = torch.rand(4, 3, 96, 96, generator=generator)
targets = torch.rand(4, 3, 96, 96, generator=generator) < .02
def updates(count):
    start = time.perf_counter()
    for _ in range(count):
        optimizer.zero_grad()
        loss(model(images), targets).backward()
        optimizer.step()
    return (time.perf_counter() - start) / count
updates(3)
print("ready", flush=True)
for line in sys.stdin:
    print(updates(int(line)), flush=True)
"""


def seconds_an_update(neighbours: int, rounds: int) -> dict[str, list[float]]:
    """Train under each policy in turn.

    Args:
        neighbours: Processes that compute all the time.
        rounds: How often each policy has its turn.

    Returns:
        Per policy the seconds an update took, a value a round.
    """
    seconds: dict[str, list[float]] = {name: [] for name in _POLICIES}
    inherited = {name: value for name, value in os.environ.items() if name not in (*_ASLEEP, "GOMP_SPINCOUNT")}
    with ExitStack() as stack:
        trainers = {}
        for name, policy in _POLICIES.items():
            trainer = subprocess.Popen(
                [sys.executable, "-c", _TRAINER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=inherited | policy,
            )
            stack.callback(trainer.kill)
            trainers[name] = cast("IO[str]", trainer.stdin), cast("IO[str]", trainer.stdout)
        for _, answers in trainers.values():
            if answers.readline() != "ready\n":
                raise RuntimeError("a process that trains could not start; its error stands above")
        for _ in range(neighbours):
            stack.callback(subprocess.Popen([sys.executable, "-c", "while True: pass"]).kill)
        for _ in trange(rounds, desc="rounds", file=sys.stderr):
            for name, (orders, answers) in trainers.items():
                orders.write(f"{_UPDATES}\n")
                orders.flush()
                seconds[name].append(float(answers.readline()))
    return seconds


def main() -> None:
    """Print a line per policy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neighbours", type=int, default=0, help="processes that compute all the time")
    parser.add_argument("--rounds", type=int, default=12)
    options = parser.parse_args()
    seconds = seconds_an_update(options.neighbours, options.rounds)
    print(f"{'waiting threads':<28} {'ms an update':>12} {'ratio':>6} {'of least':>8}")
    for name, mine in seconds.items():
        ratio = median(own / default for own, default in zip(mine, seconds["default"], strict=True))
        least = min(mine) / min(seconds["default"])
        print(f"{name:<28} {1e3 * median(mine):12.0f} {ratio:6.2f} {least:8.2f}")


if __name__ == "__main__":
    main()
