"""What a report says of a study in stages: the looks that were declared, and at which of them each arm was decided."""

from __future__ import annotations

import pandas as pd

from experiments.comparison.compare_arms import Comparison
from experiments.inference.looks import Looks
from experiments.inference.words import UNDECIDED
from experiments.report.facts import counted
from experiments.report.text.wording import listed
from experiments.runs.study import StudyRuns, short_names


def seeds_cell(row: pd.Series) -> str:
    """Say how many seeds a verdict was made of, and at which look: "3 (look 1)"."""
    return f"{row['n_seeds']} (look {row['look']})"


def look_notes(study: StudyRuns, comparison: Comparison) -> list[str]:
    """Say which looks the study declared, what each decided, and what is still to come; empty without stages."""
    settings, table = comparison.settings, comparison.arm_verdicts
    looks = settings.looks
    if looks is None:
        return []
    stages = [str(number) for number in looks.stages]
    notes = [
        f"Stages, declared before the first run: looks at {listed(stages)} seeds, each a whole comparison at level "
        f"{settings.verdict_level:g} ({settings.level:g} split over {len(stages)} looks). An arm that a look decides, "
        f"by {settings.headline_name} over its masks, keeps all verdicts of that look and gets no more seeds."
    ]
    names = short_names(list(study.complete))
    for look, number in enumerate(looks.stages):
        rows = table[table["look"] == look + 1] if len(table) else table
        words = [f"{names[str(row['arm'])]} {row['verdict']}" for _, row in rows.iterrows()]
        if words:
            notes.append(f"Look {look + 1}, {counted([number], 'seed')}: {', '.join(words)}.")
    return notes + [f"warning: {text}" for text in _not_made(study, table, looks, names)]


def _not_made(study: StudyRuns, table: pd.DataFrame, looks: Looks, names: dict[str, str]) -> list[str]:
    """Say of which arms a look is not complete: their verdicts are preliminary, or their next look is to come."""
    told = []
    there = {arm: list(seeds) for arm, seeds in study.complete.items()}
    early = [
        names[arm]
        for arm in study.complete
        if arm != study.baseline
        and not (looks.are_there(arm, there[arm], 0) and looks.are_there(study.baseline, there[study.baseline], 0))
    ]
    if early:
        told.append(
            f"look 1 of {listed(early)} is not complete: expected the seeds {listed([*map(str, looks.seeds[0])])} of "
            "each and of the baseline. These verdicts are preliminary and not among those that the level holds for"
        )
    for look in range(1, len(looks.seeds)):
        waiting = [
            names[str(row["arm"])]
            for _, row in table.iterrows()
            if row["look"] == look and row["verdict"] == UNDECIDED and names[str(row["arm"])] not in early
        ]
        if waiting:
            added = listed([*map(str, looks.added(look))])
            told.append(f"look {look + 1} of {listed(waiting)} is to come: it waits for the seeds {added}")
    return told
