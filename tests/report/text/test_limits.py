"""The line of limits counts what the study has, and names what it lacks."""

from dataclasses import replace

import pandas as pd

from experiments.report.text.limits import limits_line

BCE, WORSE = "loss=bce", "loss=worse"


def with_runs(study, change):
    complete = {
        arm: {seed: change(run, arm, seed) for seed, run in seeds.items()} for arm, seeds in study.complete.items()
    }
    return replace(study, complete=complete)


def test_it_counts_seeds_images_updates_and_rates(drawn_study):
    study, comparison = drawn_study
    assert limits_line(study, comparison) == (
        "Rests on 3 seeds, 12 test images, one training set. None of 9 runs collapsed."
    )
    trained = with_runs(
        study,
        lambda run, arm, seed: replace(
            run, info={**run.info, "updates": 200 + 50 * seed}, config={**run.config, "optimizer": {"lr": 0.01}}
        ),
    )
    assert "12 test images, 200 to 300 updates, one learning rate (0.01), one training set." in limits_line(
        trained, comparison
    )
    tuned = with_runs(
        trained,
        lambda run, arm, seed: replace(run, config={**run.config, "optimizer": {"lr": 0.1 if arm == WORSE else 0.01}}),
    )
    assert ", 2 learning rates, " in limits_line(tuned, comparison)


def test_it_names_what_is_missing(drawn_study):
    study, comparison = drawn_study
    scores = comparison.scores
    lost = (scores["arm"] == WORSE) & (scores["seed"] == 1)
    holes = pd.DataFrame([{"arm": BCE, "seed": 7, "status": "missing", "reason": "", "command": ""}])
    verdicts = comparison.arm_verdicts.assign(n_seeds=[2, 3])
    line = limits_line(
        replace(study, holes=holes), replace(comparison, scores=scores.assign(trained=~lost), arm_verdicts=verdicts)
    )
    assert "1 of 9 runs collapsed or are not trained." in line
    assert "1 run missing or unfinished." in line
    few = verdicts["arm"].iloc[0].removeprefix("loss=")
    assert line.endswith(f"Too few seeds for an interval (3): {few}.")
