"""Treatments of a run's scores that need no training, each fitted on the validation counts of one mask."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.comparison.thresholding.treated_scores import Treatment
from experiments.frontier.codes import NATURAL_CODE, code_to_logit
from experiments.frontier.curve import pr_curve
from experiments.frontier.operating_point import tuned_code
from experiments.frontier.recalibration import (
    AffineMap,
    LogitMap,
    NotFittable,
    fit_isotonic,
    fit_platt,
    fit_prior_shift,
)
from experiments.frontier.theory import ScoreMap

UNTREATED = "untreated"

TREATMENTS = {
    "tuned_threshold": "tuned threshold",
    "prior_theory": "prior by theory",
    "prior_frequency": "prior by frequency",
    "platt": "Platt",
    "isotonic": "isotonic",
}
"""Names in tables, and in sentences, in the order of a report."""


@dataclass(frozen=True)
class FittedTreatments:
    """Treatments of one run and mask.

    Args:
        fitted: name -> treatment, `untreated` first, without those that could not be fitted.
        missing: name -> why it could not be fitted.
    """

    fitted: Mapping[str, Treatment]
    missing: Mapping[str, str]


def fit_treatments(
    positives: NDArray[np.int64], negatives: NDArray[np.int64], theory: ScoreMap | None
) -> FittedTreatments:
    """Fit every treatment on validation counts.

    Args:
        positives: (65536,), validation pixels per score code.
        negatives: (65536,).
        theory: the effect of the loss on the scores; None if theory makes no prediction.
    """
    fitted = {UNTREATED: Treatment.of_threshold(NATURAL_CODE, "logit")}
    missing = {}
    code = tuned_code(pr_curve(positives, negatives))
    if code is None:
        missing["tuned_threshold"] = "no positive pixel in validation"
    else:
        fitted["tuned_threshold"] = Treatment.of_threshold(code, f"threshold at logit {float(code_to_logit(code)):.4g}")
    if theory is None:
        missing["prior_theory"] = "theory gives no map for this objective"
    elif theory == ScoreMap():
        missing["prior_theory"] = "theory says that this objective leaves the scores as they are"
    else:
        fitted["prior_theory"] = Treatment.of_map(theory, _theory_formula(theory))
    fits: dict[str, Callable[[NDArray[np.int64], NDArray[np.int64]], LogitMap]] = {
        "prior_frequency": fit_prior_shift,
        "platt": fit_platt,
        "isotonic": fit_isotonic,
    }
    for name, fit in fits.items():
        try:
            mapping = fit(positives, negatives)
        except NotFittable as error:
            missing[name] = str(error)
        else:
            fitted[name] = Treatment.of_map(mapping, _formula(mapping))
    return FittedTreatments(fitted, missing)


def _theory_formula(theory: ScoreMap) -> str:
    focal = f"unfocus(logit; gamma {theory.gamma:g})" if theory.gamma else "logit"
    return focal if theory.weight == 1.0 else f"{focal} {-theory.natural_shift:+.4g}"


def _formula(mapping: LogitMap) -> str:
    if isinstance(mapping, AffineMap):
        times = "" if mapping.slope == 1.0 else f"{mapping.slope:.4g} * "
        return f"{times}logit {mapping.intercept:+.4g}"
    return f"step function of {getattr(mapping, 'n_steps', '?')} probabilities"
