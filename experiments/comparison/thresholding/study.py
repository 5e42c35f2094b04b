"""One arm's runs under every treatment: values per run, changes from the untreated scores, verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.comparison.checked_runs import RunScores, check_runs
from experiments.comparison.compare_arms import compare_arms
from experiments.comparison.settings import CompareSettings
from experiments.comparison.thresholding.treated_scores import (
    VALUES,
    Treatment,
    new_codes,
    of_masks,
    tied_average_precision,
    treated_run,
    treated_values,
)
from experiments.comparison.thresholding.treatments import TREATMENTS, UNTREATED, FittedTreatments, fit_treatments
from experiments.comparison.verdict_table import interval_columns
from experiments.frontier.codes import N_CODES, code_to_logit
from experiments.frontier.curve import average_precision, pr_curve
from experiments.frontier.leave_one_out import positives_per_group
from experiments.frontier.theory import ScoreMap
from experiments.inference.paired_difference import group_df, rows_difference


@dataclass(frozen=True)
class TreatedArm:
    """Tables of one arm.

    Args:
        runs: a row per seed, mask and treatment: its threshold, its values on test, and why it is missing.
        changes: a row per mask and treatment: means over seeds, and paired changes from the untreated scores.
        verdicts: a row per treatment and mask (`verdict_table`), baseline "untreated"; empty if no mask can be
            compared.
    """

    runs: pd.DataFrame
    changes: pd.DataFrame
    verdicts: pd.DataFrame


def treat_arm(runs: Mapping[int, RunScores], maps: Sequence[ScoreMap] | None, settings: CompareSettings) -> TreatedArm:
    """Treat the runs of one arm and compare every treatment with the untreated scores.

    Args:
        runs: seed -> scores, with validation. At least one.
        maps: the arm's loss in theory, per mask; None if theory makes no prediction.
        settings: of the comparison.

    Raises:
        ValueError: runs have different data, or no validation split.
    """
    checked = check_runs({UNTREATED: runs}, UNTREATED)
    held: dict[int, list[FittedTreatments]] = {}
    rows: list[dict[str, Any]] = []
    values: dict[tuple[int, str], dict[int, NDArray[np.float64]]] = {}
    for seed, run in checked.runs[UNTREATED].items():
        if run.val is None:
            raise ValueError(f"runs: expected a validation split to fit on, got none in seed {seed}")
        held[seed] = []
        for mask, name in enumerate(checked.masks):
            fits = fit_treatments(*run.val.pooled(mask), None if maps is None else maps[mask])
            held[seed].append(fits)
            found = treated_values(run.test, mask, fits.fitted, checked.group_of, len(checked.group_names))
            rows += _rows(seed, name, run.test.pooled(mask), fits, found)
            for treatment, each in found.items():
                values.setdefault((mask, treatment), {})[seed] = each
    reference = next(iter(checked.runs[UNTREATED].values())).test
    df = [group_df(positives_per_group(reference, mask, checked.group_of)) for mask in range(len(checked.masks))]
    changes = _changes(checked.masks, values, df, settings.level)
    return TreatedArm(pd.DataFrame(rows), changes, _verdicts(checked.runs[UNTREATED], held, settings))


def _rows(
    seed: int,
    mask: str,
    test: tuple[NDArray[np.int64], NDArray[np.int64]],
    fits: FittedTreatments,
    found: Mapping[str, NDArray[np.float64]],
) -> list[dict[str, Any]]:
    before = average_precision(pr_curve(*test))
    tuned = fits.fitted.get("tuned_threshold")
    rows = []
    for name in (UNTREATED, *TREATMENTS):
        treatment = fits.fitted.get(name)
        row: dict[str, Any] = {"seed": seed, "mask": mask, "treatment": name}
        if treatment is None:
            rows.append(row | {"missing": fits.missing[name]})
            continue
        code = treatment.natural_code
        row["formula"] = treatment.formula
        row["threshold"] = float(code_to_logit(code)) if code < N_CODES else np.nan
        row |= dict(zip(VALUES, found[name][0].tolist(), strict=True))
        row["ap_before"] = before
        row["ap_after"] = _ranked_average_precision(*test, treatment)
        row["ap_ties_kept"] = tied_average_precision(*test, treatment)
        row["tuned_probability"] = np.nan if tuned is None else float(treatment.probabilities[tuned.natural_code])
        rows.append(row | {"missing": ""})
    return rows


def _ranked_average_precision(
    positives: NDArray[np.int64], negatives: NDArray[np.int64], treatment: Treatment
) -> float:
    """Return the average precision over the new codes, which the verdict uses."""
    used = positives + negatives > 0
    table = new_codes(used, treatment.natural_code)[used]
    treated = []
    for counts in (positives, negatives):
        dense = np.zeros(N_CODES, np.int64)
        dense[table] = counts[used]
        treated.append(dense)
    return average_precision(pr_curve(*treated))


def _changes(
    masks: Sequence[str],
    values: Mapping[tuple[int, str], Mapping[int, NDArray[np.float64]]],
    df_group: Sequence[float],
    level: float,
) -> pd.DataFrame:
    rows = []
    for mask, name in enumerate(masks):
        for treatment in (UNTREATED, *TREATMENTS):
            seeds = values.get((mask, treatment), {})
            if not seeds:
                continue
            own = np.stack(list(seeds.values()))
            theirs = np.stack([values[mask, UNTREATED][seed] for seed in seeds])
            row: dict[str, Any] = {"mask": name, "treatment": treatment}
            for column, value in enumerate(VALUES):
                row[value] = float(own[:, 0, column].mean())
                gains = (own - theirs)[:, :, column : column + 1]
                row |= interval_columns(f"{value}_change", rows_difference(gains, df_group[mask]), level)
            rows.append(row | {"n_seeds": len(seeds), "n_groups": own.shape[1] - 1})
    return pd.DataFrame(rows)


def _verdicts(
    runs: Mapping[int, RunScores], held: Mapping[int, Sequence[FittedTreatments]], settings: CompareSettings
) -> pd.DataFrame:
    """Compare the masks in which a treatment can be fitted: those with a positive pixel in validation.

    A run is left out of a treatment's comparison if the treatment could not be fitted in one of these masks.
    """
    n_masks = len(next(iter(held.values())))
    masks = [m for m in range(n_masks) if all("tuned_threshold" in fits[m].fitted for fits in held.values())]
    if not masks:
        return pd.DataFrame()
    plain = {seed: of_masks(run, masks) for seed, run in runs.items()}
    arms: dict[str, dict[int, RunScores]] = {UNTREATED: plain}
    for name in TREATMENTS:
        arms[name] = {
            seed: treated_run(run, [held[seed][mask].fitted[name] for mask in masks])
            for seed, run in plain.items()
            if all(name in held[seed][mask].fitted for mask in masks)
        }
    return compare_arms({k: v for k, v in arms.items() if v}, baseline=UNTREATED, settings=settings).verdicts
