"""The figures of a comparison; each is an object that holds its numbers and draws itself.

>>> from experiments.report.figures import FrontierDisplay
>>> FrontierDisplay.__module__
'experiments.report.figures.frontier'
"""

from importlib import import_module
from typing import Any

_FILES = {
    "AveragesDisplay": "textbook.averages",
    "BandDisplay": "band",
    "CalibrationDisplay": "textbook.calibration",
    "DecompositionDisplay": "slide",
    "Display": "panels",
    "ExampleDisplay": "examples",
    "ForestDisplay": "gains",
    "FrontierDisplay": "frontier",
    "RocDisplay": "textbook.roc",
    "SeesawDisplay": "seesaw",
    "SlideDisplay": "slide",
    "SlideStepDisplay": "slide_step",
    "TrainingDisplay": "training",
}
__all__ = list(_FILES)


def __getattr__(name: str) -> Any:
    """Import a figure on first use: matplotlib's pyplot takes a second, and the page needs only the colours."""
    if name not in _FILES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FILES[name]}"), name)
