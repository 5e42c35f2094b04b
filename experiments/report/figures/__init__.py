"""The figures of a comparison; each is an object that holds its numbers and draws itself.

>>> from experiments.report.figures import FrontierDisplay
>>> FrontierDisplay.__module__
'experiments.report.figures.frontier'
"""

from experiments.process.late_exports import late_exports

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
__getattr__ = late_exports(__name__, {name: f"{__name__}.{file}" for name, file in _FILES.items()})
