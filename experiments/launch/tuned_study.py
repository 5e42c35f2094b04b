"""The study of `python -m experiments.tune`: trials of a loss, then its best setting as an arm beside the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from hydra import compose
from omegaconf import DictConfig, OmegaConf, open_dict

from experiments.checks.overrides import is_below, key_of
from experiments.checks.problems import raise_if_any
from experiments.checks.values import value_problems
from experiments.config import ConfigError, arm_name, to_plain
from experiments.launch.search import Best, Range, search
from experiments.runs import store
from experiments.runs.tuning import validation_ap
from experiments.tracking.problems import tracker_problems

_LR = "optimizer.lr"


@dataclass(frozen=True)
class TunedStudy:
    """What a command asks for.

    Args:
        cfg: Its configuration, without Hydra's part.
        task: Its overrides, those of `tune` left out.
        loss: The option of the group `loss` that is tuned.
    """

    cfg: DictConfig
    task: Sequence[str]
    loss: str

    @property
    def folder(self) -> Path:
        """The study's folder: the arms; below `tuning/`, the trials of each."""
        return Path(self.cfg.study_dir)

    @property
    def baseline(self) -> list[str]:
        """The overrides of the baseline: those of the command, with another loss."""
        return [*(text for text in self.task if not is_below(key_of(text), ("loss",))), str(self.cfg.study.baseline)]

    def problems(self) -> list[str]:
        """List the problems that the configuration shows."""
        tune = self.cfg.tune
        found = [*value_problems(self.cfg), *tracker_problems(self.cfg)]
        if find_spec("optuna") is None:
            found.append("tune: the package optuna is not installed. Install it with: pip install 'lossfrontier[tune]'")
        for key in ("seeds", "verdict_seeds"):
            seeds = tune[key]
            if not OmegaConf.is_list(seeds) or not seeds or any(type(seed) is not int or seed < 0 for seed in seeds):
                found.append(f"tune.{key}: expected whole numbers from 0, such as [0, 1, 2], got {seeds}")
        if not found and (both := sorted(set(tune.seeds) & set(tune.verdict_seeds))):
            found.append(f"tune.seeds: expected none of tune.verdict_seeds, got {both} in both")
        for key, least in (("trials", 1), ("baseline_trials", 0)):
            if type(tune[key]) is not int or tune[key] < least:
                found.append(f"tune.{key}: expected a whole number from {least}, got {tune[key]}")
        if not str(self.cfg.study.baseline).startswith("loss="):
            found.append(f"study.baseline: expected loss=OPTION, got {self.cfg.study.baseline}")
        if self.cfg.study.baseline == f"loss={self.loss}":
            found.append(f"loss: expected another loss than the baseline's, got {self.loss}")
        try:
            self.space()
        except ConfigError as error:
            found.append(str(error))
        return found

    def space(self) -> dict[str, Range]:
        """Read the ranges of the loss that is tuned.

        Raises:
            ConfigError: There are none, or one is wrong.
        """
        tune = self.cfg.tune
        space = tune.space if tune.space is not None else tune.spaces.get(self.loss)
        if not OmegaConf.is_dict(space) or not len(space):
            known = ", ".join(map(str, tune.spaces))
            raise ConfigError(
                f"tune.space: expected ranges for loss={self.loss}, such as tune.space={{{_LR}:[1e-3,1e-1,log]}}, got "
                f"{space}; there are some for {known}"
            )
        plain = OmegaConf.to_container(space, resolve=True)
        assert isinstance(plain, dict)
        return {str(key): Range.of(str(key), value) for key, value in plain.items()}

    def run(self) -> None:
        """Tune, then train the arms and compare them.

        Raises:
            ConfigError: A configuration that cannot run, or no trial has a validation AP.
        """
        space = self.space()
        raise_if_any(self.problems())
        tune = self.cfg.tune
        axes = list(dict.fromkeys(["loss", *space, *([_LR] if tune.baseline_trials else [])]))
        arms = [(self.baseline, {_LR: space.get(_LR, Range(1e-3, 3e-2, True))}, tune.baseline_trials)]
        arms.append((list(self.task), space, tune.trials))
        verdict = []
        for overrides, ranges, trials in arms:
            best = self._tuned(overrides, ranges, trials, axes) if trials else None
            name = arm_name(overrides, ["loss"])  # the setting is in the runs' configuration
            verdict.append((name, with_setting(overrides, best.setting if best else {}), best.trials if best else 0))
        for name, overrides, trials in verdict:
            for seed in tune.verdict_seeds:
                self._train([*overrides, f"seed={seed}"], self.folder / name / f"seed={seed}", axes, trials)

    def _tuned(self, overrides: list[str], space: Mapping[str, Range], trials: int, axes: list[str]) -> Best:
        """Search one loss; its trials go to `tuning/<loss>/trial=<n>/seed=<k>/`."""
        loss = arm_name(overrides, ["loss"])
        folder = self.folder / "tuning" / loss

        def judge(number: int, setting: Mapping[str, float]) -> float:
            runs = {}
            for seed in self.cfg.tune.seeds:
                place = folder / f"trial={number}" / f"seed={seed}"
                self._train([*with_setting(overrides, setting), f"seed={seed}"], place, axes, None)
                runs[seed] = store.load_run(place)
            value = judged(runs)
            told = ", ".join(f"{key}={found:.4g}" for key, found in setting.items())
            print(f"{loss}: trial {number + 1} of {trials}, {told}: validation AP {value:.4f}", flush=True)
            return value

        return search(folder, space, trials, judge)

    def _train(self, overrides: Sequence[str], folder: Path, axes: Sequence[str], trials: int | None) -> None:
        from experiments.training.run import execute, is_finished
        from experiments.training.setup import check

        cfg = compose("config", overrides=list(overrides))
        with open_dict(cfg):
            cfg.study = OmegaConf.merge(self.cfg.study, {"axes": list(axes), "trials": trials})
            cfg.study_dir = self.cfg.study_dir
        loaded = check(cfg)
        if not is_finished(folder, to_plain(cfg), loaded):
            execute(cfg, folder, folder.parent.name, loaded, lambda update: None)
        elif trials is not None:
            _note_trials(folder, trials)


def _note_trials(folder: Path, trials: int) -> None:
    """Correct the number of trials in a finished run: the same setting may win again among more."""
    info = store.read_info(folder)
    if info is not None and info.get("trials") != trials:
        store.write_json(folder / store.RUN_FILE, {**info, "trials": trials})


def judged(runs: Mapping[int, store.Run]) -> float:
    """Return the validation AP of a setting; NaN where one of its runs has no scores, since survivors would flatter it.

    Test scores are not read. Nor is a run's status, which says "diverged" where the output is constant on test images:
    such a run counts with the validation AP that it has.
    """
    return validation_ap(runs) if all("val" in run.scores for run in runs.values()) else float("nan")


def with_setting(overrides: Sequence[str], setting: Mapping[str, float]) -> list[str]:
    """Set the keys of a setting, in the place of what the command says of them.

    >>> with_setting(["loss=tversky", "optimizer.lr=1"], {"optimizer.lr": 0.01})
    ['loss=tversky', 'optimizer.lr=0.01']
    """
    return [*(text for text in overrides if key_of(text) not in setting), *(f"{k}={v:.6g}" for k, v in setting.items())]
