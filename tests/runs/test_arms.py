"""An arm's name splits at its keys, with lists kept whole."""

import pytest

from experiments.runs.arms import only_keys, without_keys


@pytest.mark.parametrize(
    ("arm", "keys", "kept", "rest"),
    [
        ("loss=dice,trainer.max_steps=480", ["trainer.max_steps"], "trainer.max_steps=480", "loss=dice"),
        ("data=p,data.prevalence=0.2,loss=bce", ["data.prevalence", "data"], "data.prevalence=0.2,data=p", "loss=bce"),
        ("data.prevalence=[0.1,0.2],loss=bce", ["data.prevalence"], "data.prevalence=[0.1,0.2]", "loss=bce"),
        ("loss=bce", ["data"], "", "loss=bce"),
        ("trainer.prior_bias=True", ["trainer.prior_bias"], "trainer.prior_bias=True", "default"),
    ],
)  # fmt: skip
def test_keys_are_kept_or_left_out(arm, keys, kept, rest):
    assert only_keys(arm, keys) == kept
    assert without_keys(arm, keys) == rest
