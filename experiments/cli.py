"""Shared by all commands: one clear message and exit code 2 for bad input, and the user's folder on the path."""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path

from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from experiments.checks.composing import COMPOSING_ERRORS
from experiments.checks.flags import Check, Flags, find_problems, flag_problems, read_flags
from experiments.checks.overrides import check_arguments
from experiments.checks.problems import raise_if_any
from experiments.config import ConfigError
from experiments.data.data_error import DataError
from experiments.process import processes
from experiments.process.stop_signals import Terminated, command_signals
from experiments.process.waiting_threads import let_waiting_threads_sleep

_TRACEBACK_WANTED = "LOSSFRONTIER_TRACEBACK"
_PATTERN = re.compile(r"(\+{0,2}(?:data\.(?:images|truth|valid|ignore|group_pattern)|report\.by))=(.*)", re.DOTALL)
_NEEDS_QUOTES = re.compile(r"[{}()\[\]^|\\, ]")
_LOSS_INPUT = re.compile(r"loss\.(terms\.\w+\.)*(input|each)=")


@contextmanager
def exit_on_bad_input() -> Iterator[None]:
    """Turn input errors into one message on stderr and exit code 2, and disk errors into exit code 1.

    `HYDRA_FULL_ERROR=1` shows the traceback instead.
    """
    try:
        yield
    except (ConfigError, DataError, HydraException, OmegaConfBaseException) as error:
        if os.environ.get(_TRACEBACK_WANTED):
            traceback.print_exc()
        print(f"error: {_message(error)}", file=sys.stderr)
        raise SystemExit(2) from None
    except BrokenPipeError:  # the reader of the pipe, such as `head`, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except OSError as error:  # a full disk, or a folder that is missing or not writable
        if os.environ.get(_TRACEBACK_WANTED):
            traceback.print_exc()
        print(f"error: {storage_text(error)}", file=sys.stderr)
        raise SystemExit(1) from None


def storage_text(error: OSError) -> str:
    """Describe which file could not be read or written, and why."""
    return f"{error.filename}: {error.strerror}" if error.filename is not None else str(error)


@contextmanager
def stop_on_error() -> Iterator[None]:
    """End the command at any error in a Hydra callback; Hydra itself would warn and continue."""
    try:
        with exit_on_bad_input():
            yield
    except Exception:
        traceback.print_exc()
        raise SystemExit(1) from None


def option_list(groups: Sequence[str] | None = None) -> str:
    """List the built-in options, one line per group; Hydra's own listing takes a second longer."""
    lines = []
    for group in sorted(files("experiments.conf").iterdir(), key=lambda entry: entry.name):
        if group.is_dir() and group.name != "hydra" and (groups is None or group.name in groups):
            options = sorted(option.name for option in group.iterdir() if option.name.endswith(".yaml"))
            if options:
                lines.append(f"    {group.name + '=':<14} {', '.join(name.removesuffix('.yaml') for name in options)}")
    return "\n".join(lines)


def run_command(
    command: Callable[[], None], text: str, groups: Sequence[str] | None = None, *, check: Check | None = None
) -> None:
    """Run a Hydra command: modules in the user's folder can be imported, and bad input ends in one clear message.

    Args:
        command: The function under `hydra.main`.
        text: Printed by `--help` above the options: the docstring of the command's module.
        groups: The configuration groups that the command uses; None for all.
        check: The command's check of its configuration, used if the command line cannot be composed as typed.
    """
    if {"--help", "-h"} & set(sys.argv[1:]):
        if processes.number():
            return
        options = option_list(groups)
        listed = f"\n\nOptions:\n\n{options}" if options else ""
        hints = "All keys: --cfg job. Hydra's own flags: --hydra-help. Tracebacks: HYDRA_FULL_ERROR=1"
        print(f"{text.strip()}{listed}\n\n{hints}")
        return
    # Not set when the package is imported, so that a program that uses it as a library keeps its own settings.
    let_waiting_threads_sleep()
    logging.raiseExceptions = False  # no tracebacks because a log cannot be written
    full_error = os.environ.get("HYDRA_FULL_ERROR", "")
    os.environ[_TRACEBACK_WANTED] = full_error if full_error == "1" else ""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # otherwise Hydra would print a traceback and exit with 1
    try:
        with command_signals(), exit_on_bad_input(), _with_helpers() as helps, exit_on_bad_input():
            if helps is not None:
                raise SystemExit(helps)
            sys.argv[1:] = with_quoted_patterns(with_loss_input(sys.argv[1:]))
            flags = read_flags(sys.argv[1:])
            raise_if_any(flag_problems(flags))
            _make_importable(None if flags.config_dir is None else Path(flags.config_dir))
            _run_checked(command, flags, check)
    except KeyboardInterrupt as stop:
        _say_stopped(str(stop), trains=check is None or check.trains)
        raise SystemExit(stop.exit_code if isinstance(stop, Terminated) else 130) from None
    finally:
        os.environ["HYDRA_FULL_ERROR"] = full_error


@contextmanager
def _with_helpers() -> Iterator[int | None]:
    """Lead the other processes of this command inside this context, or be led until it ends.

    Yields:
        None where this process leads or is alone; else the exit code of the command, which has ended.
    """
    if processes.count() == 1:
        yield None
        return
    from experiments.training.data_parallel.group import ProcessLostError, join

    if processes.number():
        from experiments.training.data_parallel.helper import help_until_end

        yield help_until_end()
        return
    group, code, is_whole = join(), 0, True
    try:
        yield None
    except Terminated as stop:
        code, is_whole = stop.exit_code, not isinstance(stop, ProcessLostError)
        raise
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
    except BaseException:
        code = 1
        raise
    finally:
        group.end(code, is_whole)


def _say_stopped(signal: str, *, trains: bool) -> None:
    by = f" by {signal}" if signal else ""
    way_on = "; the same command (without overwrite=true) goes on from the last checkpoints" if trains else ""
    with suppress(OSError):  # after SIGHUP there may be no terminal
        print(f"\nstopped{by}{way_on}", file=sys.stderr, flush=True)


def _run_checked(command: Callable[[], None], flags: Flags, check: Check | None) -> None:
    """Run a command; if its arguments cannot be read or composed, find all its problems.

    Raises:
        ConfigError: The message lists every problem.
    """
    if not flags.runs:
        command()
        return
    arguments = check_arguments(flags.overrides, trains=check is None or check.trains)
    if not arguments.problems:
        try:
            command()
            return
        except COMPOSING_ERRORS as error:
            if isinstance(error, ConfigError) or check is None:
                raise
            problems = find_problems(check, flags, arguments.kept)
            if not problems:
                raise
            raise ConfigError("\n".join(problems)) from None
    found = find_problems(check, flags, arguments.kept) if check is not None else []
    raise_if_any(list(dict.fromkeys([*arguments.problems, *found])))


def _message(error: BaseException) -> str:
    lines = [str(error).strip()]
    cause = error.__cause__
    if cause is not None and str(cause).strip() and str(cause).strip() not in lines[0]:
        lines.append(str(cause).strip())
    return "\n".join(lines)


def with_loss_input(arguments: Sequence[str]) -> list[str]:
    """Allow `loss.input` and `loss.each` to be set like any other key: every loss has them, no file lists them."""
    return [f"++{argument}" if _LOSS_INPUT.match(argument) else argument for argument in arguments]


def with_quoted_patterns(arguments: Sequence[str]) -> list[str]:
    """Quote patterns of file names, whose braces and brackets mean something else to Hydra; a shell takes quotes off.

    >>> with_quoted_patterns(["data.truth={stem}_lab.png", "data.images='*.png'"])
    ["data.truth='{stem}_lab.png'", "data.images='*.png'"]
    """
    return [_quoted(argument) for argument in arguments]


def _quoted(argument: str) -> str:
    found = _PATTERN.fullmatch(argument)
    if found is None or found[2][:1] in ("'", '"') or "${" in found[2] or not _NEEDS_QUOTES.search(found[2]):
        return argument
    return f"{found[1]}={QuotedString(found[2], Quote.single).with_quotes()}"


def _make_importable(config_dir: Path | None) -> None:
    """Put the current folder and the user's config folder on the path, so that `_target_: my_loss.MyLoss` imports.

    The environment gets them too, for the processes of a parallel launcher.
    """
    folders = [os.getcwd()]
    if config_dir is not None:
        folders += [str(config_dir.resolve()), str(config_dir.resolve().parent)]
    fresh = [folder for folder in folders if folder not in sys.path]
    sys.path.extend(fresh)
    known = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join([*filter(None, [known]), *fresh])
