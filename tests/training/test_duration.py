"""The projected duration of training, and when it gives a warning."""

import pytest

from experiments.training.duration import duration_warning, in_words, training_seconds
from experiments.training.setup import check, projected_seconds

DAY = 86_400


def test_an_update_is_three_passes_of_every_tile():
    assert training_seconds(0.5, 16, 20_000) == 3 * 0.5 * 16 * 20_000


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ([DAY / 2], None),
        ([0.0, 0.0], None),
        ([2.6 * DAY], "this run takes roughly 3 days on this CPU"),
        ([DAY / 4] * 5, "these 5 runs take roughly a day"),
        ([10 * DAY] * 15, "these 15 runs take roughly 21 weeks"),
    ],
)
def test_days_are_worth_a_warning(runs, words):
    warning = duration_warning(runs)
    assert (warning is None) == (words is None)
    if words:
        assert words in warning
        assert "trainer.max_steps" in warning


def test_years_and_weeks_are_rounded():
    assert [in_words(days * DAY) for days in (1.2, 1.6, 20, 22, 700)] == [
        "a day",
        "2 days",
        "20 days",
        "3 weeks",
        "2 years",
    ]


def test_a_checked_run_is_projected_from_the_tile_of_its_check(composed):
    logs = ("data.train_logs=2", "data.val_logs=1", "data.test_logs=1", "data.cache_dir=null")
    few, many = (
        composed(*logs, "trainer.accelerator=cpu", "trainer.batch_size=4", f"trainer.max_steps={steps}")
        for steps in (10, 10_000_000)
    )
    loaded = check(few)
    seconds = projected_seconds(few, loaded)
    assert seconds > 0
    assert projected_seconds(many, loaded) == pytest.approx(1e6 * seconds)
    assert duration_warning([projected_seconds(many, loaded)])
