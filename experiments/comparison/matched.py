"""Matched comparisons: precision at the same recall, recall at the same precision, and curves to draw."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.comparison.pairing import CURVE_RECALLS, MeasuredStudy, PairedRuns
from experiments.inference.simultaneous_band import RecallBand


def matched_table(study: MeasuredStudy, pairs: list[PairedRuns], bands: list[RecallBand]) -> pd.DataFrame:
    """Tabulate precision at each recall and recall at each precision, a row per arm, mask, kind and level.

    Nothing is interpolated or extrapolated. A level counts only if every paired run of arm and baseline reaches it;
    `status` says "reached", or which runs do not reach it. `low` and `high` hold for a single level; `band_low` and
    `band_high` (precision at recall only) hold for all levels of an arm and mask at once.
    """
    rows: list[dict[str, Any]] = []
    for pair, band in zip(pairs, bands, strict=True):
        at_recall = (pair.reached, pair.baseline_reached)
        rows += _rows(study, pair, "precision at recall", study.settings.recalls, pair.recall_columns, at_recall, band)
        columns = pair.precision_columns
        at_precision = (
            ~np.isnan(pair.rows[:, 0, columns]),
            ~np.isnan(pair.baseline_rows[:, 0, columns]),
        )
        rows += _rows(study, pair, "recall at precision", study.settings.precisions, columns, at_precision, None)
    return pd.DataFrame(rows)


def _rows(
    study: MeasuredStudy,
    pair: PairedRuns,
    kind: str,
    levels: tuple[float, ...],
    columns: slice,
    reached: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    band: RecallBand | None,
) -> list[dict[str, Any]]:
    difference = pair.difference(columns)
    low, high = difference.shown_interval(study.settings.level)
    names = (pair.arm, study.checked.baseline)
    rows = []
    for index, level in enumerate(levels):
        counts = [int(each[:, index].sum()) for each in reached]
        all_reach = bool(pair.seeds) and min(counts) == len(pair.seeds)
        missing = [
            f"unreachable for {name} in {len(pair.seeds) - count} of {len(pair.seeds)} seeds"
            for name, count in zip(names, counts, strict=True)
            if count < len(pair.seeds)
        ]
        edge = np.flatnonzero(np.isclose(band.recalls, level)) if band is not None else np.zeros(0, int)
        means = [
            float(each[:, 0, columns][:, index].mean()) if pair.seeds and count == len(pair.seeds) else np.nan
            for each, count in zip((pair.rows, pair.baseline_rows), counts, strict=True)
        ]
        rows.append(
            {
                "arm": pair.arm,
                "mask": study.checked.masks[pair.mask],
                "baseline": names[1],
                "kind": kind,
                "level": level,
                "arm_value": means[0],
                "baseline_value": means[1],
                "difference": float(difference.estimate[index]) if all_reach else np.nan,
                "low": _possible(low[index]) if all_reach else np.nan,
                "high": _possible(high[index]) if all_reach else np.nan,
                "band_low": _possible(band.low[edge[0]]) if band is not None and len(edge) else np.nan,
                "band_high": _possible(band.high[edge[0]]) if band is not None and len(edge) else np.nan,
                "n_seeds": len(pair.seeds),
                "status": "; ".join(missing) if missing else "reached" if pair.seeds else "no paired seed",
            }
        )
    return rows


def _possible(end: float) -> float:
    """Cut the ends of an interval for a difference of shares at ±1."""
    return float(np.clip(end, -1.0, 1.0))


def curve_table(study: MeasuredStudy) -> pd.DataFrame:
    """Tabulate the precision over recall of every arm, including the baseline: mean over seeds and range of the seeds.

    There is a row per arm, mask and recall from .01 to 1. The precision is that of the highest threshold with at least
    this recall; `precision` is NaN if no seed comes close to the recall. Draw it as steps: between two points a
    frontier is not a straight line.
    """
    frames = []
    for arm, seeds in study.checked.runs.items():
        for mask, name in enumerate(study.checked.masks):
            if not seeds:
                continue
            curves = np.stack([study.numbers[arm, seed][mask].sweep.curve for seed in sorted(seeds)])
            reached = ~np.isnan(curves)
            count = reached.sum(axis=0)
            some = count > 0
            mean = np.full(len(CURVE_RECALLS), np.nan)
            mean[some] = np.where(reached, curves, 0.0).sum(axis=0)[some] / count[some]
            low = np.where(some, np.where(reached, curves, np.inf).min(axis=0), np.nan)
            high = np.where(some, np.where(reached, curves, -np.inf).max(axis=0), np.nan)
            frames.append(
                pd.DataFrame(
                    {
                        "arm": arm,
                        "mask": name,
                        "recall": CURVE_RECALLS,
                        "precision": mean,
                        "seed_low": low,
                        "seed_high": high,
                        "n_seeds": len(seeds),
                        "n_reached": count,
                    }
                )
            )
    return pd.concat(frames, ignore_index=True)
