"""What lifted the frontier, and how much training time it cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from experiments.comparison.compare_arms import Comparison
from experiments.inference.paired_difference import seed_interval
from experiments.inference.words import MOVES_OUT
from experiments.report.checklist.evidence import StudyEvidence
from experiments.report.gains import FIRST, SECONDARY
from experiments.report.text.sayings import SAYINGS
from experiments.report.text.wording import TOO_FEW_SEEDS, with_interval
from experiments.runs.study import StudyRuns


def time_table(study: StudyRuns, *, level: float = 0.05) -> pd.DataFrame:
    """Training time that each arm adds to the baseline's, paired by seed.

    added = mean over seeds of (the arm's fit_seconds - the baseline's) / 60, with its t interval. Times on different
    devices, or with different numbers of threads, cannot be compared: such arms are left out, and so are arms without a
    time.

    Args:
        study: The runs.
        level: The interval covers 1 - level.

    Returns:
        A row per arm: `arm, minutes, baseline_minutes, added, added_low, added_high, n_seeds`; minutes, means over
        the paired seeds; the interval is NaN with fewer than `MIN_SEEDS` seeds.
    """
    base = study.complete[study.baseline]
    rows = []
    for arm, seeds in study.complete.items():
        paired = sorted(set(seeds) & set(base))
        runs = [run for seed in paired for run in (seeds[seed], base[seed])]
        places = {(run.info.get("device"), run.info.get("threads")) for run in runs}
        times = [run.info.get("fit_seconds") for run in runs]
        known = [float(time) for time in times if isinstance(time, int | float)]
        if arm == study.baseline or not paired or len(places) != 1 or len(known) != len(times):
            continue
        minutes = np.array(known).reshape(-1, 2) / 60.0
        added = minutes[:, 0] - minutes[:, 1]
        low, high = seed_interval(added, level)
        rows.append(
            {
                "arm": arm,
                "minutes": float(minutes[:, 0].mean()),
                "baseline_minutes": float(minutes[:, 1].mean()),
                "added": float(added.mean()),
                "added_low": low,
                "added_high": high,
                "n_seeds": len(added),
            }
        )
    columns = ["arm", "minutes", "baseline_minutes", "added", "added_low", "added_high", "n_seeds"]
    return pd.DataFrame(rows, columns=columns)


def lever_table(studies: Sequence[StudyEvidence], *, headline: bool = True) -> pd.DataFrame:
    """Rank what moved the frontier out, over all masks and per mask: by gain per added minute of training.

    If the interval of the added time begins at 0 or below, no cost is shown. Such levers come first, by gain; then
    those with a cost, by gain / added; then those whose time is unknown.

    Args:
        studies: On the same data.
        headline: Whether to use the verdict on the headline; False uses the verdict on tuned F1.

    Returns:
        A row per study and arm, and per arm and mask where there are several, that "moves out", the best first:
        `rank, study, arm, mask, baseline, gain, gain_low, gain_high, statistic, n_seeds, minutes, baseline_minutes,
        added, added_low, added_high, cost, per_minute`; `rank` is that of `gain_table`, `cost` is "none shown",
        "shown" or "unknown".
    """
    verdict, gain = ("verdict", "headline_gain") if headline else ("verdict_f1", "f1_gain")
    rows = []
    for item in studies:
        settings, names = item.comparison.settings, item.arm_names
        times = time_table(item.study, level=settings.level).set_index("arm")
        for rank, row in _ranked(item.comparison):
            if row[verdict] != MOVES_OUT:
                continue
            found = {"rank": rank, "study": item.name, "arm": names[row["arm"]], "mask": row["mask"]}
            found |= {"baseline": names[row["baseline"]]}
            found |= {f"gain{ending}": row[f"{gain}{ending}"] for ending in ("", "_low", "_high")}
            found["n_seeds"] = int(row["n_seeds"])
            found["statistic"] = settings.headline_name if headline else "tuned F1"
            cost = "unknown"
            if row["arm"] in times.index:
                time = times.loc[row["arm"]]
                found |= time.drop("n_seeds").to_dict()
                cost = "unknown" if pd.isna(time["added_low"]) else "shown" if time["added_low"] > 0 else "none shown"
            rate = found["gain"] / found["added"] if cost == "shown" else float("nan")
            rows.append({**found, "cost": cost, "per_minute": rate})
    table = pd.DataFrame(rows, columns=_COLUMNS)
    order = {"none shown": 0, "shown": 1, "unknown": 2}
    value = table["per_minute"].where(table["cost"] == "shown", table["gain"])
    table = table.assign(by_cost=table["cost"].map(order), value=-value.astype(float))
    return table.sort_values(["by_cost", "value"], kind="stable", ignore_index=True)[_COLUMNS]


def _ranked(comparison: Comparison) -> list[tuple[str, pd.Series]]:
    """Verdicts of arms over all masks, and behind them those of each mask where there are several."""
    rows = [(FIRST, row) for _, row in comparison.arm_verdicts.iterrows()]
    return rows + [(SECONDARY, row) for _, row in comparison.verdicts.iterrows() if len(comparison.masks) > 1]


_COLUMNS = [
    "rank",
    "study",
    "arm",
    "mask",
    "baseline",
    "gain",
    "gain_low",
    "gain_high",
    "statistic",
    "n_seeds",
    "minutes",
]
_COLUMNS += ["baseline_minutes", "added", "added_low", "added_high", "cost", "per_minute"]


def lever_sentences(studies: Sequence[StudyEvidence], lead: str = "", *, name_studies: bool) -> list[str]:
    """Say which lever lifted the frontier most per unit of training time, over all masks and then for each.

    Args:
        studies: On the same data.
        lead: Names the data, if there are several data sets.
        name_studies: Whether to name the study of a lever.
    """
    arms = pd.concat([item.comparison.arm_verdicts for item in studies], ignore_index=True)
    if not len(arms):
        return []
    masks = studies[0].comparison.masks
    tables = [lever_table(studies)]
    if any(item.comparison.settings.headline != "f1" for item in studies):
        tables.append(lever_table(studies, headline=False))
    sentences = []
    if not (tables[0]["rank"] == FIRST).any():
        over = f", over all {len(masks)} masks" if len(masks) > 1 else ""
        which = " or ".join(dict.fromkeys(item.comparison.settings.headline_name for item in studies))
        counts = [f"Of {len(arms)} arms {_counts(arms)}."]
        if len(masks) > 1 and not len(tables[0]):
            verdicts = pd.concat([item.comparison.verdicts for item in studies], ignore_index=True)
            counts.append(f"Mask by mask, {_counts(verdicts)}.")
        sentences.append(f"**Lever{lead}: none moved the frontier out, by {which}{over}.** {' '.join(counts)}")
    blocks: list[tuple[str, str, str | None]] = [(f" over all {len(masks)} masks", FIRST, None)]
    blocks += [(f" for {mask}, which is secondary", SECONDARY, mask) for mask in masks]
    for where, rank, mask in blocks if len(masks) > 1 else [(f" for {masks[0]}", FIRST, None)]:
        told: set[tuple[str, str]] = set()
        for table in tables:
            rows = table[(table["rank"] == rank) & ((table["mask"] == mask) | (mask is None))]
            moved = set(zip(rows["study"], rows["arm"], strict=True))
            if moved == told:  # tuned F1 has nothing to add, or nothing moved
                continue
            told = moved
            sentences += [_lever_sentence(f"{lead}{where}", rows, name_studies)] if len(rows) else []
    return sentences


def _counts(verdicts: pd.DataFrame) -> str:
    """Count the verdicts: "2 move in, 3 are undecided"."""
    words = verdicts["verdict"].value_counts()
    return ", ".join(f"{words[word]} {said.count}" for word, said in SAYINGS.items() if word in words)


def _lever_sentence(whose: str, rows: pd.DataFrame, name_studies: bool) -> str:
    best, statistic = rows.iloc[0], str(rows["statistic"].iloc[0])
    names = [f"{row['arm']} ({row['study']})" if name_studies else str(row["arm"]) for _, row in rows.iterrows()]
    texts = [_lever(row) for _, row in rows.iterrows()]
    others = [f"{name} {text}" for name, text in zip(names, texts, strict=True)]
    if best["cost"] == "unknown":
        # Without a training time there is nothing to rank by.
        return f"**Lever{whose}, by {statistic}: moved out**: {'; '.join(others)}."
    most = {
        "none shown": "the largest gain without a shown cost in training time",
        "shown": "most per added minute of training",
    }
    text = f"**Lever{whose}, by {statistic}: {names[0]}** ({most[str(best['cost'])]}) {texts[0]}."
    return text + (f" Also moved out: {'; '.join(others[1:])}." if len(others) > 1 else "")


def _lever(row: pd.Series) -> str:
    text = f"gains {with_interval(row, 'gain')} {row['statistic']} over {row['baseline']} ({row['n_seeds']} seeds)"
    if row["cost"] == "unknown":
        if pd.isna(row["added"]):
            return f"{text}, its training time is not known"
        return f"{text} for {row['added']:+.2f} min of training ({TOO_FEW_SEEDS})"
    time = f"{row['added']:+.2f} min [{row['added_low']:+.2f}, {row['added_high']:+.2f}]"
    text += f" for {time} on top of {row['baseline_minutes']:.2f} min of training"
    return text if row["cost"] == "none shown" else f"{text}, {row['per_minute']:.3g} per added minute"
