"""Which arm moved the precision-recall frontier, and which slid along it: the comparison of a study, in Python."""

from experiments.comparison.compared_study import ComparedStudy, compare_scores, load_study
from experiments.comparison.settings import CompareSettings

__all__ = ["CompareSettings", "ComparedStudy", "compare_scores", "load_study"]
