"""Checks of a command's flags and of the user's folder of options, and a report of everything wrong with a command."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import yaml
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_automatic_config_search_path, get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict

from experiments.checks.composing import compose_all

_MOST_BYTES = 1_000_000  # in an option file
_MOST_NODES = 100_000  # in an option file with its aliases written out


@dataclass(frozen=True)
class Flags:
    """A command line split into its parts.

    Args:
        overrides: The arguments that are not flags.
        config_dir: The user's folder of options.
        runs: Whether the command runs something instead of printing its configuration.
        sweeps: Whether `--multirun` is given.
        refused: Given flags that would bypass our configuration.
    """

    overrides: tuple[str, ...]
    config_dir: str | None
    runs: bool
    sweeps: bool
    refused: tuple[str, ...]


@dataclass(frozen=True)
class Check:
    """How a command checks a configuration.

    Args:
        config_name: Name of its root configuration.
        problems: Lists the problems of a configuration. If the command trains, Hydra's part is included, and a second
            argument says whether parts of the command line are left out, so that it is refused in any case.
        trains: Whether the command trains, so that sweeps and launchers apply to it.
    """

    config_name: str
    problems: Callable[..., list[str]]
    trains: bool = False


def read_flags(arguments: Sequence[str]) -> Flags:
    """Split a command line as Hydra does; unknown flags end the process with the usage and exit code 2."""
    args = get_args_parser().parse_args(list(arguments))
    given = {
        "--config-name": args.config_name,
        "--config-path": args.config_path,
        "--experimental-rerun": args.experimental_rerun,
        "--resolve without --cfg": args.resolve and not args.cfg,
        "--run with --multirun": args.run and args.multirun,
    }
    return Flags(
        overrides=tuple(args.overrides),
        config_dir=args.config_dir,
        runs=not (args.cfg or args.info or args.hydra_help or args.shell_completion),
        sweeps=args.multirun,
        refused=tuple(name for name, value in given.items() if value),
    )


def flag_problems(flags: Flags) -> list[str]:
    """List the problems of the flags and of the user's folder of options."""
    problems = [
        f"{name}: cannot be used; a command has one configuration. Options of your own: --config-dir DIR, then "
        "GROUP=OPTION or experiment=NAME"
        for name in flags.refused
    ]
    return problems if flags.config_dir is None else [*problems, *_config_dir_problems(flags.config_dir)]


def find_problems(check: Check, flags: Flags, overrides: Sequence[str]) -> list[str]:
    """Compose as much of a command line as possible, and list all its problems.

    Args:
        check: The command's own check.
        flags: The command line.
        overrides: The readable overrides.
    """
    search_path = create_automatic_config_search_path(None, None, "pkg://experiments.conf")
    if flags.config_dir is not None:
        search_path.prepend(provider="command-line", path=f"file://{Path(flags.config_dir).absolute()}")
    mode = [] if not flags.sweeps or any(o.startswith("hydra.mode=") for o in overrides) else ["hydra.mode=MULTIRUN"]
    GlobalHydra.instance().clear()
    hydra = Hydra.create_main_hydra2(task_name=check.config_name, config_search_path=search_path)

    def compose(kept: list[str]) -> DictConfig:
        # As a sweep first: whether a command is a study is set in its option file, which shows only once the rest
        # composes.
        config = hydra.compose_config(check.config_name, kept, run_mode=RunMode.MULTIRUN, with_log_configuration=False)
        if config.hydra.mode == RunMode.MULTIRUN:
            return config
        return hydra.compose_config(check.config_name, kept, run_mode=RunMode.RUN, with_log_configuration=False)

    try:
        # Hydra prints errors itself.
        with contextlib.redirect_stdout(io.StringIO()):
            config, kept, problems = compose_all(compose, [*overrides, *mode])
            if config is not None and not check.trains:
                with open_dict(config):
                    del config["hydra"]
            arguments = (config, bool(problems)) if check.trains else (config,)
            found = [] if config is None else check.problems(*arguments)
        unset = {override for override in flags.overrides if override not in kept}
        return [*problems, *(problem for problem in found if not _follows(problem, unset))]
    finally:
        GlobalHydra.instance().clear()


def _follows(problem: str, unset: set[str]) -> bool:
    """Return whether a problem only reports a missing value of a key whose override could not be composed."""
    keys = {override.lstrip("+~").split("=", 1)[0] for override in unset}
    return "no value given" in problem and all(key in keys for key in problem.split(":", 1)[0].split(", "))


def _config_dir_problems(config_dir: str) -> list[str]:
    """Check the folder of options and every file in it, before Hydra reads one."""
    folder = Path(config_dir)
    if not config_dir.strip():
        return ["--config-dir: expected a folder, got none. Is a variable of the shell not set?"]
    if not folder.is_dir():
        state = "a file" if folder.is_file() else "which is not there"
        return [f"--config-dir: expected a folder with options GROUP/NAME.yaml, got {folder}, {state}"]
    options = sorted(folder.rglob("*.yaml"))
    if not options:
        return [f"--config-dir: expected options GROUP/NAME.yaml in {folder}, found none"]
    built_in = files("experiments.conf")
    names = [path.relative_to(folder).as_posix() for path in options]
    clashes = [name for name in names if built_in.joinpath(name).is_file()]
    problems = []
    if clashes:
        problems.append(
            f"--config-dir {folder}: {', '.join(clashes)} would be ignored, because the built-in option of the "
            "same name comes first. Rename the file and choose it by its new name."
        )
    for path in options:
        reason = _unreadable(path)
        if reason:
            problems.append(f"{path}: {reason}")
    return problems


def _unreadable(path: Path) -> str | None:
    """Say why an option file cannot be read; count its nodes before building anything from them."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return f"expected an option file of at most {_MOST_BYTES:,} bytes, got {path.stat().st_size:,}"
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        if node is None:
            return None
        if not isinstance(node, yaml.MappingNode):
            return "expected KEY: VALUE lines, got a list or a single value"
        tags: set[str] = set()
        nodes = _count(node, {}, tags)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        return f"cannot read this YAML: {' '.join(str(error).split())}"
    if nodes > _MOST_NODES:
        return f"expected at most {_MOST_NODES:,} values, got {nodes:,} with its aliases (&, *) written out"
    foreign = sorted(tag for tag in tags if not tag.startswith("tag:yaml.org,2002:") or "python" in tag)
    return f"expected plain YAML, got the tag {foreign[0]}" if foreign else None


def _count(node: yaml.Node, known: dict[int, int], tags: set[str]) -> int:
    """Count the nodes below one as if every alias were written out, without writing them out."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = _MOST_NODES  # if met again below itself, the document is endless
    tags.add(str(node.tag))
    children: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        children = [entry for pair in node.value for entry in pair]
    elif isinstance(node, yaml.SequenceNode):
        children = list(node.value)
    known[id(node)] = 1 + sum(_count(child, known, tags) for child in children)
    return known[id(node)]
