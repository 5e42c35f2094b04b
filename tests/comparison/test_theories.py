"""Which shift of the logits theory predicts for each loss, as read from the configuration of its runs."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from experiments.comparison.compared_study import theories
from experiments.frontier.theory import ScoreMap
from experiments.runs.store import Run

PREVALENCE = {"thin": 0.2, "thick": 0.5}
BCE, DICE = {"_target_": "losses.WeightedBCELoss"}, {"_target_": "losses.DiceLoss"}


def theories_of(**losses):
    """Theories of a study with an arm for each loss, the first of which is the baseline; None: no run is complete."""
    info = {"prevalence": PREVALENCE}
    runs = {
        arm: {} if loss is None else {0: Run(Path(), arm, 0, "complete", info, {"loss": loss}, {})}
        for arm, loss in losses.items()
    }
    return theories(SimpleNamespace(complete=runs, baseline=next(iter(runs))))


@pytest.mark.parametrize(
    ("loss", "theory"),
    [
        ({**BCE, "pos_weight": 4}, 4.0),
        ({**BCE, "pos_weight": [2, 3]}, [2.0, 3.0]),
        ({**BCE, "pos_weight": "balanced"}, [4.0, 1.0]),
        ({"_target_": "losses.FocalLoss"}, ScoreMap.focal(gamma=2.0, positive_weight=None)),
        (
            {"_target_": "losses.FocalLoss", "gamma": 1, "positive_weight": 0.25},
            ScoreMap.focal(gamma=1.0, positive_weight=0.25),
        ),
    ],
)
def test_an_arm_has_the_theory_of_its_loss(loss, theory):
    assert theories_of(plain=BCE, arm=loss) == {"arm": theory}
    assert theories_of(baseline=loss, plain=BCE) == {"baseline": theory, "plain": 1.0}


def test_a_loss_without_a_known_optimum_is_left_out_unless_it_is_the_baseline():
    assert theories_of(plain=BCE, dice=DICE, unnamed={}) == {}
    assert theories_of(dice=DICE, plain=BCE) == {"dice": None, "plain": 1.0}


def test_an_arm_without_a_run_has_none():
    assert theories_of(plain=BCE, missing=None) == {}
