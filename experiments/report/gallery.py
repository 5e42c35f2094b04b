"""Writes all figures of a comparison: PNG and SVG, the numbers of each as CSV, and the captions in one file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.comparison.ceiling import Ceiling
from experiments.comparison.compare_arms import Comparison
from experiments.comparison.subgroups.compare import SubgroupVerdicts
from experiments.comparison.weight_sweep import WeightSweep
from experiments.process.parallel import in_parallel
from experiments.report.example_choice import ExampleChoice
from experiments.report.published import PublishedPoint
from experiments.report.text.inert_markdown import write_markdown
from experiments.runs import store
from experiments.runs.study import StudyRuns

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from experiments.report.figures.panels import Display

CAPTIONS_FILE = "captions.md"

TITLES = {
    "slide_step": "Slide against step",
    "frontier": "Frontiers",
    "close_up": "Frontiers, close up",
    "tolerance": "Frontiers within a distance",
    "seesaw": "Recall, precision and F1 over the positive weight",
    "slide": "Slides along the baseline's frontier and steps off it",
    "gains": "Frontier gains",
    "subgroups": "Gains in subgroups of the test images",
    "band": "Precision at the same recall",
    "decomposition": "Frontier part and threshold part",
    "roc": "ROC beside precision-recall",
    "averages": "What averages hide",
    "calibration": "Calibration",
    "training": "Training",
    "examples": "Example predictions",
}
"""The title of every figure by its file name, in the order of the report."""

_MORE_TABLES = {"roc": ("roc_curves.csv", "curve_table"), "seesaw": ("seesaw_steps.csv", "steps")}
"""A figure's second table: its file, and the attribute that holds it."""


def draw_all(
    folder: Path,
    study: StudyRuns,
    comparison: Comparison,
    ceiling: Ceiling | None = None,
    *,
    published: Sequence[PublishedPoint] = (),
    examples: ExampleChoice | None = None,
    sweep: WeightSweep | None = None,
    by_subgroup: SubgroupVerdicts | None = None,
    only: Collection[str] = tuple(TITLES),
    one_column: bool = False,
) -> list[Path]:
    """Draw every figure that the study has numbers for, and remove other figures of an earlier report.

    Args:
        folder: Where `<name>.png`, `<name>.svg`, `<name>.csv` and `captions.md` go.
        study: The runs.
        comparison: Their comparison.
        ceiling: The best possible frontier, if known.
        published: Points of other systems.
        examples: Images with predictions to show; None chooses them from the runs.
        sweep: The arms that differ only in the weight; None computes it.
        by_subgroup: Verdicts in subgroups of the test images, if asked for.
        only: Names of figures, keys of `TITLES`; others are not drawn.
        one_column: Whether figures that can stack their panels do so, for one column of a paper.

    Returns:
        The PNG files, in the order of the report.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    from experiments.report.figures.panels import Stackable

    def draw(task: tuple[str, Callable[[], Display | None]]) -> str | None:
        name, make = task
        display = make() if name in only else None
        if display is None:
            _remove(folder, name)
            return None
        display = display.in_column() if one_column and isinstance(display, Stackable) else display
        figure = display.plot()
        save_figure(folder / name, figure)
        plt.close(figure)
        store.write_table(folder / f"{name}.csv", display.table)
        numbers = f"[{name}.csv]({name}.csv)"
        if name in _MORE_TABLES:
            file, what = _MORE_TABLES[name]
            store.write_table(folder / file, getattr(display, what))
            numbers += f", [{file}]({file})"
        return f"## {TITLES[name]}\n\n![{TITLES[name]}]({name}.png)\n\n{display.caption} Numbers: {numbers}."

    tasks = list(_displays(study, comparison, ceiling, published, examples, sweep, by_subgroup))
    captions = in_parallel(draw, tasks, comparison.settings.workers)
    drawn = {name: caption for (name, _), caption in zip(tasks, captions, strict=True) if caption is not None}
    write_markdown(folder / CAPTIONS_FILE, "\n\n".join(["# Figures", *drawn.values()]) + "\n")
    return [folder / f"{name}.png" for name in drawn]


def save_figure(stem: Path, figure: Figure) -> Path:
    """Write a figure as `<stem>.svg` and `<stem>.png`; return the PNG file.

    The figure is laid out once and drawn once for each file; `Figure.savefig` would lay out and draw twice for each.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    from experiments.report.figures.style import RC

    with mpl.rc_context(RC):
        layout = figure.get_layout_engine()
        if layout is not None:
            layout.execute(figure)
            figure.set_layout_engine("none")
        svg, png, dpi = stem.with_suffix(".svg"), stem.with_suffix(".png"), figure.dpi
        store.write_atomically(png, lambda file: FigureCanvasAgg(figure).print_png(file))
        store.write_atomically(svg, lambda file: FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None}))
        figure.dpi = dpi  # print_svg leaves 72
    return png


def _displays(
    study: StudyRuns,
    comparison: Comparison,
    ceiling: Ceiling | None,
    published: Sequence[PublishedPoint],
    examples: ExampleChoice | None,
    sweep: WeightSweep | None,
    by_subgroup: SubgroupVerdicts | None,
) -> Iterator[tuple[str, Callable[[], Display | None]]]:
    from experiments.report.figures.band import BandDisplay
    from experiments.report.figures.examples import ExampleDisplay
    from experiments.report.figures.frontier import FrontierDisplay
    from experiments.report.figures.gains import ForestDisplay
    from experiments.report.figures.seesaw import SeesawDisplay
    from experiments.report.figures.slide import DecompositionDisplay, SlideDisplay
    from experiments.report.figures.slide_step import SlideStepDisplay
    from experiments.report.figures.textbook.averages import AveragesDisplay
    from experiments.report.figures.textbook.calibration import CalibrationDisplay
    from experiments.report.figures.textbook.roc import RocDisplay
    from experiments.report.figures.training import TrainingDisplay
    from experiments.report.subgroups.figure import SubgroupDisplay
    from experiments.report.tolerance.figure import ToleranceDisplay

    yield "slide_step", lambda: SlideStepDisplay.of(study, comparison)
    yield "frontier", lambda: FrontierDisplay.of(study, comparison, ceiling, published)
    yield "close_up", lambda: FrontierDisplay.of(study, comparison, ceiling, published).close_up()
    yield "tolerance", lambda: ToleranceDisplay.of(study, comparison)
    yield "seesaw", lambda: SeesawDisplay.of(study, comparison, published, sweep)
    yield "slide", lambda: SlideDisplay.of(study, comparison)
    yield "gains", lambda: ForestDisplay.of(study, comparison)
    yield "subgroups", lambda: SubgroupDisplay.of(study, comparison, by_subgroup)
    yield "band", lambda: BandDisplay.of(study, comparison)
    yield "decomposition", lambda: DecompositionDisplay.of(study, comparison)
    yield "roc", lambda: RocDisplay.of(study, comparison)
    yield "averages", lambda: AveragesDisplay.of(study, comparison)
    yield "calibration", lambda: CalibrationDisplay.of(study, comparison)
    yield "training", lambda: TrainingDisplay.of(study, comparison)
    yield "examples", lambda: ExampleDisplay.of(study, comparison, examples)


def _remove(folder: Path, name: str) -> None:
    for ending in ("png", "svg", "csv"):
        (folder / f"{name}.{ending}").unlink(missing_ok=True)
    if name in _MORE_TABLES:
        (folder / _MORE_TABLES[name][0]).unlink(missing_ok=True)
