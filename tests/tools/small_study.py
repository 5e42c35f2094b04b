"""A study that takes seconds, and commands as forks of this process, which has imported all that they need.

Found by tests and by the scripts beside it as `small_study`; nothing of the project is imported before it is needed.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pkgutil
import sys
import time
import warnings
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

SMALL_LOGS = (
    "data.train_logs=3",
    "data.val_logs=2",
    "data.test_logs=3",
    "data.height=[64,96]",
    "data.width=[64,64]",
    "data.cache_dir=null",
)
# `loss=bce,dice`, a seed or two, and `study=losses` make a study of it.
SMALL = (
    *SMALL_LOGS,
    "trainer.max_steps=3",
    "trainer.tile=32",
    "trainer.batch_size=2",
    "trainer.log_every=2",
    "trainer.accelerator=cpu",
    "trainer.threads=1",
    "model.decoder_channels=[16,8,8]",
)
# What a study imports only where it needs it: half of the CPU time of a small one.
LATE = (
    "experiments.report.study", "experiments.training.run", "hydra._internal.core_plugins.basic_launcher",
    "hydra_plugins.hydra_joblib_launcher._core", "losses.kernels._loops", "matplotlib.font_manager", "timm",
)  # fmt: skip


WAITING_STUDY = (
    "study=losses",
    "loss=bce,dice",
    "seed=0",
    "study_dir=study",
    "optimizer._target_=waiting.Waiting",
    "trainer.checkpoint_every=1",
    "trainer.max_steps=6",
)
"""Two arms on a cluster, with an optimizer of the test's own that waits in its updates."""


def with_small(*overrides: str) -> tuple[str, ...]:
    """Complete overrides with those of `SMALL` whose key, or group (`data`, `trainer`, `model`), they leave alone."""
    keys = {override.lstrip("+~").partition("=")[0] for override in overrides}
    small = [text for text in SMALL if not keys & {text.partition("=")[0], text.partition(".")[0]}]
    return (*overrides, *small)


def import_project(root: Path) -> None:
    """Import all modules of a checkout, and MONAI, as some losses are its own."""
    sys.path.insert(0, str(root))
    import experiments

    assert Path(experiments.__file__).is_relative_to(root), experiments.__file__
    for module in pkgutil.walk_packages(experiments.__path__, "experiments."):
        if not module.name.startswith("experiments.conf"):
            importlib.import_module(module.name)
    import_each(("monai.losses",))
    from hydra.core.plugins import Plugins

    Plugins.instance()


def import_each(names: Iterable[str]) -> None:
    """Import those of some modules that are there."""
    for name in names:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def draw_little(figures: Collection[str], *, page: bool = False) -> None:
    """Make a study draw only these figures, coarsely, write no page unless asked, and check no loss, to save time.

    Call it in a fork: it changes the modules.
    """
    from experiments.report import study as study_report
    from experiments.report.figures import style
    from experiments.training import setup

    draw_all = study_report.draw_all

    def draw(*arguments, only, **options):
        return draw_all(*arguments, only=[name for name in figures if name in only], **options)

    study_report.draw_all = draw
    if not page:
        study_report.write_page = lambda *arguments, **options: None
    style.RC["figure.dpi"] = 40
    setup.check_criterion = lambda *arguments, **options: []


def fork_command(
    main: Callable[[], object],
    argv: Iterable[str],
    folder: Path,
    *,
    out: str | Path = "log",
    err: str | Path | None = None,
    before: Callable[[], object] = lambda: None,
) -> int:
    """Start a command in a fork of this process, with a session and a process group of its own.

    Args:
        main: The command.
        argv: Its `sys.argv`.
        folder: Where it runs; must be there.
        out: What it prints is appended to this file, relative to `folder`.
        err: The same for its errors; None: `out`.
        before: Called in the fork before the command.

    Returns:
        The id of its process, which exits with 70 where an exception leaves the command.
    """
    import_each(LATE)  # once, and not in every fork
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*multi-threaded.*fork", category=DeprecationWarning)
        pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        os.setsid()
        os.chdir(folder)
        for number, name in ((1, out), (2, err or out)):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
        before()
        sys.argv = list(argv)
        main()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def end(pid: int) -> int:
    """Wait for a process; return its exit code, minus the signal where one killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def wait_until(is_so: Callable[[], object], seconds: float = 600) -> None:
    """Look again and again until something is so; fail after `seconds`."""
    limit = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < limit, "waited too long"
        time.sleep(0.02)
