"""One run joined with many: the comparison of a study, which tells what moved the frontier and what slid along it.

>>> from experiments.comparison import compare_scores
>>> compare_scores.__module__
'experiments.comparison.compared_study'
"""

from experiments.process.late_exports import late_exports

_MODULES = {
    "CompareSettings": "experiments.comparison.settings",
    "ComparedStudy": "experiments.comparison.compared_study",
    "compare_scores": "experiments.comparison.compared_study",
    "load_study": "experiments.comparison.compared_study",
    "score_folder": "experiments.predictions.score_folder",
}
__all__ = list(_MODULES)

__getattr__ = late_exports(__name__, _MODULES)
