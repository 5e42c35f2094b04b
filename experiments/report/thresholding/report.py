"""The report of `python -m experiments.thresholding`: a study's runs in, effects of treatments out."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from experiments.config import ConfigError
from experiments.report.facts import StudySize
from experiments.report.gallery import save_figure
from experiments.report.settings import settings_of
from experiments.report.text.inert_markdown import write_markdown
from experiments.report.thresholding.markdown import thresholding_markdown, thresholding_text
from experiments.report.thresholding.treated_study import Thresholding, treat_study
from experiments.runs import store

FIGURE = "thresholding"


def report_thresholding(source: Path, report_dir: Path, report: DictConfig) -> None:
    """Treat every complete run of a study, print the effects and write the report.

    Args:
        source: Folder of a finished study, `<arm>/seed=<k>/` below it.
        report_dir: Where the report goes; files of an earlier report are replaced.
        report: The `report` group: margins, level, headline.

    Raises:
        ConfigError: There are no runs to treat, or a setting is out of range.
    """
    settings = settings_of(report)
    if settings.tolerance is not None:
        raise ConfigError(f"report.tolerance: expected null, treatments are compared exactly; got {settings.tolerance}")
    try:
        found = treat_study(source, settings)
    except ConfigError as error:
        raise ConfigError(str(error).replace("study_dir:", "study.source:", 1)) from None
    tables = {"thresholding": found.runs, "changes": found.changes, "verdicts": found.verdicts, "holes": found.holes}
    for name, table in tables.items():
        store.write_table(report_dir / f"{name}.csv", table)
    caption = _draw(report_dir / "figures", found)
    write_markdown(report_dir / "report.md", thresholding_markdown(found, caption))
    print(thresholding_text(found))
    print(f"figure: {report_dir / 'figures' / FIGURE}.png")
    print(f"report: {report_dir / 'report.md'}")


def _draw(folder: Path, found: Thresholding) -> str:
    """Draw the figure as PNG and SVG, write its numbers, and return its caption."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    from experiments.report.thresholding.figure import ThresholdingDisplay

    size = StudySize(found.seeds, found.images, found.settings.level, found.settings.margin)
    display = ThresholdingDisplay.of(found.changes, found.names, size, found.n_validation)
    figure = display.plot()
    save_figure(folder / FIGURE, figure)
    plt.close(figure)
    store.write_table(folder / f"{FIGURE}.csv", display.table)
    return display.caption
