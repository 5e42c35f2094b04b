"""One run joined with many: the comparison of a study, which tells what moved the frontier and what slid along it."""

from experiments.comparison.compared_study import ComparedStudy, compare_scores, load_study
from experiments.comparison.settings import CompareSettings
from experiments.predictions.score_folder import score_folder

__all__ = ["CompareSettings", "ComparedStudy", "compare_scores", "load_study", "score_folder"]
