"""The checklist from several studies: runs on disk in, a page of sentences out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from experiments.report.checklist.evidence import StudyEvidence, with_unique_names
from experiments.report.checklist.sentences import checklist
from experiments.report.study import compare
from experiments.report.text.inert_markdown import write_markdown
from experiments.runs.study import load_conditions

CHECKLIST_FILE = "checklist.md"


def report_checklist(study_dirs: Sequence[Path], report_dir: Path, report: DictConfig) -> None:
    """Compare every study, print the checklist over all of them and write it as Markdown.

    Args:
        study_dirs: Folders of studies; each declares its baseline.
        report_dir: Where `checklist.md` goes.
        report: The `report` group: margins, level, headline.

    Raises:
        ConfigError: The runs of a study cannot be compared, or a setting is out of range.
    """
    found = []
    for folder in study_dirs:
        conditions = load_conditions(folder)
        for study in conditions:
            found.append(StudyEvidence.of(study, compare(study, report, n_comparisons=len(conditions))))
    text = checklist_markdown(found)
    path = report_dir / CHECKLIST_FILE
    write_markdown(path, text)
    print(text)
    print(f"checklist: {path}")


def checklist_markdown(studies: Sequence[StudyEvidence]) -> str:
    """Write the checklist and the studies that it is based on."""
    settings = studies[0].comparison.settings
    lines = [f"- {item.name}: {_size(item)}" for item in with_unique_names(studies)]
    return "\n".join(
        [
            "# Checklist",
            "",
            *(f"- {sentence}" for sentence in checklist(studies)),
            "",
            "It rests on",
            "",
            *lines,
            "",
            f"Brackets: {100 * (1 - settings.level):g} % intervals for new seeds and new test images, each by itself. "
            f"Verdicts: level {settings.level:g} over all arms, over masks behind them (Holm), and over the conditions "
            f"of a study, margin ±{settings.margin:g}. Each study is compared with its own baseline. What these runs "
            "cannot tell is not in the list.",
            "",
        ]
    )


def _size(item: StudyEvidence) -> str:
    counts = sorted({len(seeds) for seeds in item.study.complete.values() if seeds})
    seeds = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    arms = sum(1 for runs in item.study.complete.values() if runs)
    test = item.study.reference.scores["test"]
    holes = f", {len(item.study.holes)} missing or failed" if len(item.study.holes) else ""
    return (
        f"{arms} arms, {seeds} seed{'' if seeds == '1' else 's'}, {test.n_images} test images in "
        f"{len(set(test.group_ids))} groups, baseline {item.arm_names[item.study.baseline]}{holes}"
    )
