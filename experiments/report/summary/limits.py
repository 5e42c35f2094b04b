"""What the verdicts of a study rest on and do not cover: its size, its training, collapses, missing runs, warnings."""

from __future__ import annotations

from experiments.comparison.compare_arms import Comparison
from experiments.report.elsewhere import elsewhere_notes
from experiments.report.text.limits import limits_line
from experiments.report.text.looks import look_notes
from experiments.report.text.verdicts import collapses, hole_notes, not_alike_notes, tuning_notes
from experiments.report.tolerance.text import tolerance_notes
from experiments.runs.study import StudyRuns, short_names

_NOTES = 3  # missing runs or warnings that are told one by one; details.md has all


def limit_notes(study: StudyRuns, comparison: Comparison) -> list[str]:
    """Say it in a sentence or two each."""
    names = short_names(list(study.complete))
    notes = [
        f"{limits_line(study, comparison)} Gains inside ±{comparison.settings.margin:g} count as none.",
        "Not covered: another training set, another learning rate, longer training, the noise of a tuned threshold.",
    ]
    notes += [
        *search_notes(study),
        *look_notes(study, comparison)[1:],
        *collapses(comparison),
        *tolerance_notes(comparison, names),
        *elsewhere_notes(study, names),
    ]
    warned = list(dict.fromkeys(comparison.verdicts["warning"])) if len(comparison.verdicts) else []
    warned = [f"warning: {text}" for text in warned if text]
    for told in (hole_notes(study), not_alike_notes(study), tuning_notes(study, edges=True), warned):
        more = len(told) - _NOTES
        notes += told[:_NOTES] + ([f"... and {more} more, in details.md"] if more > 0 else [])
    return notes


def search_notes(study: StudyRuns) -> list[str]:
    """Say how many settings were tried for each arm before its verdict, where `experiments.tune` tried some."""
    names = short_names(list(study.complete))
    tried = {
        arm: next((run.info.get("trials") for run in seeds.values()), None) for arm, seeds in study.complete.items()
    }
    if not any(tried.values()):
        return []
    told = "; ".join(f"{names[arm]}: {count or 'none'}" for arm, count in tried.items())
    return [f"Settings tried by validation AP, on seeds that no verdict uses: {told}."]
