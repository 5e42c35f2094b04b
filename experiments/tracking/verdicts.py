"""The verdicts of a study in a tracker: a run of its own, named `verdicts`, anew where a comparison finds others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.runs.fingerprint import fingerprint
from experiments.tracking.run_tracker import RunTracker, tracked

_NUMBERS = ("headline_gain", "verdict_low", "verdict_high", "ap_gain", "f1_gain", "n_seeds")


def log_verdicts(settings: Mapping[str, Any], study_dir: Path, report_dir: Path) -> None:
    """Log the verdict of each arm, and of each arm and mask, from the tables of a report.

    Words (`moves out`, `slides`) are logged as configuration, since trackers plot numbers alone; gains and their
    intervals as values, such as `loss_dice/crack/ap_gain`. What this report logged before is not logged again.

    Args:
        settings: The `tracker` group as plain values.
        study_dir: The study's folder.
        report_dir: Holds `arms.csv` and `verdicts.csv`, or a folder for each condition that does.
    """
    words: dict[str, str] = {}
    numbers: dict[str, float] = {}
    for path in sorted([*report_dir.glob("verdicts.csv"), *report_dir.glob("*/verdicts.csv")]):
        before = "" if path.parent == report_dir else f"{path.parent.name}/"
        # A study of one mask has the same row in both tables; an arm's row is named by the masks it averages.
        table = pd.concat([pd.read_csv(path.with_name("arms.csv")), pd.read_csv(path)])
        for _, row in table.iterrows():
            of_mask = f"{before}{row['arm']}/{row['mask']}"
            words[f"{of_mask}/verdict"] = str(row["verdict"])
            numbers |= {f"{of_mask}/{name}": float(row[name]) for name in _NUMBERS}
    digest = fingerprint({"study": str(study_dir.absolute()), **words, **numbers})
    if words and not RunTracker(settings, report_dir, "verdicts", digest).has_ended:
        with tracked(settings, report_dir, "verdicts", digest, {"study": study_dir.name, **words}) as tracker:
            tracker.log_values(numbers, 0)
