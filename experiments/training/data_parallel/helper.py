"""The helpers' side: processes 1 and up of a command wait for the leader's runs and train them with it.

They print and write nothing. Everything else that a command does is the leader's: checks, scores, reports, files.
"""

from __future__ import annotations

import itertools
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

from omegaconf import OmegaConf

from experiments.config import to_plain
from experiments.process import stop_signals
from experiments.process.error_text import describe_error
from experiments.training.data_parallel.group import Group, ProcessLostError, join
from experiments.training.data_parallel.shared_updates import SharedUpdates, share_state
from experiments.training.data_parallel.training import build_training, train
from experiments.training.device import determinism, set_threads
from experiments.training.run import run_fingerprint
from experiments.training.setup import load_data


def help_until_end() -> int:
    """Train what the leader orders, until its command ends; return the exit code."""
    group = join()
    stop_signals.wait_for_run()
    stderr = sys.stderr
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        try:
            for number in itertools.count():
                order = group.hear(f"order/{number}")
                if "end" in order:
                    group.leave()
                    return int(order["end"])
                _take_part(group, number, order)
        except stop_signals.Terminated as stop:
            if isinstance(stop, ProcessLostError) and stop.is_own:
                print(f"error: {stop}", file=stderr, flush=True)
            return stop.exit_code
    raise AssertionError("unreachable: orders do not run out")


def _take_part(group: Group, number: int, order: dict[str, Any]) -> None:
    """Train one run. Its error, if every process has it, is the leader's to tell."""
    sys.path.extend(path for path in order["paths"] if path not in sys.path)
    cfg = OmegaConf.create(order["config"])
    set_threads(cfg.trainer.threads, 1)
    with determinism(cfg.trainer.deterministic):
        try:
            loaded = load_data(cfg)
            training = build_training(cfg, loaded)
            group.say(f"ready/{number}/{group.number}", {"fingerprint": run_fingerprint(to_plain(cfg), loaded)})
        except Exception as error:
            group.say(f"ready/{number}/{group.number}", {"problem": describe_error(error)})
        start = group.hear(f"start/{number}")
        if not start["goes_on"]:
            return
        share_state(training.state, group)
        shared = SharedUpdates(group, training.state, training.criterion, cfg.seed)
        try:
            with group.acting_alike(number), stop_signals.held_back():
                train(cfg, training, start["on_device"], shared)
        except ProcessLostError:
            raise
        except (Exception, stop_signals.Terminated):  # the leader has the same
            return
