"""The comparison of a study: runs on disk in; verdicts in the terminal, tables, text and figures on disk out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig

from experiments.checks.problems import raise_if_any
from experiments.comparison.ceiling import Ceiling, find_ceiling
from experiments.comparison.compare_arms import Comparison, compare_arms
from experiments.comparison.compared_study import scores_to_compare, theories
from experiments.comparison.subgroups.compare import SubgroupVerdicts, compare_subgroups
from experiments.comparison.subgroups.values import Subgroups, find_subgroups, group_problems
from experiments.comparison.weight_sweep import WeightSweep
from experiments.config import ConfigError
from experiments.frontier.operating_point import metrics_of_all
from experiments.process.leftovers import remove_leftovers
from experiments.process.on_demand import Mapped
from experiments.report.checklist.evidence import StudyEvidence
from experiments.report.checklist.sentences import checklist
from experiments.report.conditions.report import write_condition_report
from experiments.report.elsewhere import no_frontier
from experiments.report.example_choice import choose_examples
from experiments.report.gallery import TITLES, draw_all
from experiments.report.page.page import write_page
from experiments.report.published import published_points
from experiments.report.settings import settings_of
from experiments.report.summary.paper import latex_table, paper_markdown
from experiments.report.summary.study import summary_markdown, summary_text
from experiments.report.text.inert_markdown import write_markdown
from experiments.report.text.markdown import details_markdown
from experiments.report.tolerance.centerlines import centerline_table
from experiments.runs import store
from experiments.runs.lock import held
from experiments.runs.pooling.parts import Place, folders_of, place_text
from experiments.runs.study import StudyRuns, load_conditions, short_names

FIGURES = "figures"
PAGE = "report.html"
_OPTIONAL = (
    "tuning",
    "ceiling",
    "no_frontier",
    "thin_scores",
    "tolerant_curves",
    "cldice",
    "subgroups",
    "curve",
    "curve_groups",
    "curve_gains",
)  # tables that not every report has
_REPORT_FILES = ("*.csv", "*.md", "*.tex", "*.html", "*.png", "*.svg")


def report_study(study_dir: Place, report_dir: Path, report: DictConfig, *, baseline: str | None = None) -> None:
    """Compare, print the verdicts and write the report, for each condition if the study has conditions.

    Args:
        study_dir: Holds `<arm>/seed=<k>/`; or several such folders, parts of one study.
        report_dir: Where the report goes; files of an earlier report are replaced.
        report: The `report` group: margins, level, headline.
        baseline: Name of the baseline arm; None for the one that the study declares.

    Raises:
        ConfigError: The runs cannot be compared, or a setting is out of range.
    """
    if report.get("by") is not None:
        for study in load_conditions(study_dir, baseline):  # before anything is written, the lock too
            _subgroups(study, report)
    with held(report_dir, wait=True):
        _report(study_dir, report_dir, report, baseline)


def _report(study_dir: Place, report_dir: Path, report: DictConfig, baseline: str | None) -> None:
    studies = load_conditions(study_dir, baseline)
    conditions = [study.condition for study in studies]
    _refuse_links(study_dir, report_dir, conditions)
    by = {study.condition: _subgroups(study, report) for study in studies}
    for folder in _folders(report_dir, conditions):
        remove_leftovers(folder, _REPORT_FILES)  # the lock ensures that no other process writes here
    if not studies[0].condition:
        comparison, figures = _write_one(studies[0], report_dir, report, by[""])
        places = (
            f"figures: {figures[0]} and {len(figures) - 1} others\n"
            f"report: {report_dir / 'report.md'}, page: {report_dir / PAGE}\n"
            f"details: {report_dir / 'details.md'}"
        )
        if not isinstance(study_dir, Path):
            places = f"runs: {place_text(study_dir)}\n{places}"
        print(summary_text(studies[0], comparison, places))
        return

    comparisons = {
        study.condition: _write_one(
            study,
            report_dir / study.condition,
            report,
            by[study.condition],
            n_comparisons=len(studies),
            only=("frontier", "subgroups"),
        )[0]
        for study in studies
    }
    print(write_condition_report(report_dir, studies, comparisons))


def _subgroups(study: StudyRuns, report: DictConfig) -> Subgroups | None:
    """Find the subgroups that `report.by` asks for; None if it asks for none."""
    by = report.get("by")  # runs from before this key go without
    if by is None:
        return None
    try:
        found = find_subgroups(study, by)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    raise_if_any(group_problems(found, study.reference.scores["test"]))
    return found


def _folders(report_dir: Path, conditions: Collection[str]) -> list[Path]:
    """List the folders that a report writes to."""
    folders = [report_dir / condition / below for condition in ("", *conditions) for below in ("", FIGURES)]
    return list(dict.fromkeys(folders))


def _refuse_links(study_dir: Place, report_dir: Path, conditions: Collection[str]) -> None:
    """Refuse links among a study's folders, because files would be written elsewhere."""
    links = [
        folder
        for folder in _folders(report_dir, conditions)
        if folder.is_symlink() and any(part in folder.parents for part in folders_of(study_dir))
    ]
    if links:
        raise ConfigError(f"report_dir: expected a folder, got the link {links[0]}; give report_dir=ANOTHER_FOLDER")


def _write_one(
    study: StudyRuns,
    report_dir: Path,
    report: DictConfig,
    subgroups: Subgroups | None = None,
    *,
    n_comparisons: int = 1,
    only: Collection[str] = tuple(TITLES),
) -> tuple[Comparison, list[Path]]:
    """Compare, and write tables, figures and page; return the comparison and the figures."""
    comparison = compare(study, report, n_comparisons=n_comparisons)
    by_subgroup = None
    if subgroups is not None and len(comparison.arm_verdicts):
        scores = scores_to_compare(study, comparison.settings)
        by_subgroup = compare_subgroups(scores, subgroups, baseline=study.baseline, settings=comparison.settings)
    ceiling = find_ceiling(study, comparison)
    examples = choose_examples(study)
    published = published_points(report, comparison.masks)
    sweep = WeightSweep.of(study, comparison)
    write_tables(report_dir, study, comparison, ceiling, by_subgroup)
    figures = draw_all(
        report_dir / FIGURES,
        study,
        comparison,
        ceiling,
        published=published,
        examples=examples,
        sweep=sweep,
        by_subgroup=by_subgroup,
        only=only,
        one_column=bool(report.get("one_column", False)),  # runs from before this key go without
    )
    write_texts(report_dir, study, comparison, ceiling, sweep, by_subgroup, figure=figures[0].stem)
    write_page(
        report_dir / PAGE,
        study,
        comparison,
        ceiling=ceiling,
        examples=examples,
        published=published,
        by_subgroup=by_subgroup,
    )
    return comparison, figures


def compare(study: StudyRuns, report: DictConfig, *, n_comparisons: int = 1) -> Comparison:
    """Compute every table of the comparison from the runs' histograms.

    Args:
        study: The runs.
        report: The `report` group.
        n_comparisons: Number of comparisons in the study.
    """
    try:
        settings = replace(settings_of(report), theory=theories(study), n_comparisons=n_comparisons, looks=study.looks)
        runs = scores_to_compare(study, settings)
        return compare_arms(runs, baseline=study.baseline, settings=settings)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def write_tables(
    report_dir: Path,
    study: StudyRuns,
    comparison: Comparison,
    ceiling: Ceiling | None,
    by_subgroup: SubgroupVerdicts | None = None,
) -> None:
    """Write the tables as CSV, and for a paper."""
    tables = {
        "arms": comparison.arm_verdicts,
        "verdicts": comparison.verdicts,
        "metrics": metrics_of_all(
            {arm: Mapped(seeds, lambda run: run.scores) for arm, seeds in study.complete.items()}
        ),
        "image_means": comparison.image_means,
        "matched": comparison.matched,
        "slides": comparison.slides,
        "decomposition": comparison.decomposition,
        "controls": comparison.controls,
        "scores": comparison.scores,
        "curves": comparison.curves,
        "holes": study.holes,
        "config_differences": study.differences,
    }
    if len(study.tuning):
        tables["tuning"] = study.tuning
    if by_subgroup is not None:
        tables["subgroups"] = by_subgroup.table
    if ceiling is not None:
        tables["ceiling"] = ceiling.table
    if study.hard:
        tables["no_frontier"] = no_frontier(study)
    for name, table in (
        ("thin_scores", comparison.thin),
        ("tolerant_curves", comparison.tolerant_curves),
        ("cldice", centerline_table(study)),
        ("curve", comparison.curve_errors.runs),
        ("curve_groups", comparison.curve_errors.groups),
        ("curve_gains", comparison.curve_errors.gains),
    ):
        if len(table):
            tables[name] = table
    for name in set(_OPTIONAL) - set(tables):  # of an earlier report
        (report_dir / f"{name}.csv").unlink(missing_ok=True)
    for name, table in tables.items():
        store.write_table(report_dir / f"{name}.csv", table)
    names = short_names(list(study.complete))
    store.write_text(report_dir / "verdicts.tex", latex_table(comparison, names))
    write_markdown(report_dir / "verdicts.md", paper_markdown(comparison, names))


def write_texts(
    report_dir: Path,
    study: StudyRuns,
    comparison: Comparison,
    ceiling: Ceiling | None,
    sweep: WeightSweep | None = None,
    by_subgroup: SubgroupVerdicts | None = None,
    *,
    figure: str = "frontier",
) -> None:
    """Write `report.md`, one page with the figure of this name, and `details.md`."""
    sentences = checklist([StudyEvidence.of(study, comparison, sweep)])
    details = details_markdown(study, comparison, ceiling, sentences, centerline_table(study), by_subgroup)
    write_markdown(report_dir / "details.md", details)
    write_markdown(report_dir / "report.md", summary_markdown(study, comparison, figure, by_subgroup))
