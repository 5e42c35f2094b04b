"""Power: the promised power against simulation, and its limits."""

import numpy as np
import pytest
from scipy import stats

from experiments.audit.power import power_row, promised_power, promised_verdict_power
from experiments.audit.simulation.gaussian import Spread, gaussian_studies


def test_promise_of_one_source_is_the_power_of_a_plain_t_test() -> None:
    rng = np.random.default_rng(0)
    samples = rng.normal(0.9, 1.0, (20_000, 8))
    found = (stats.ttest_1samp(samples, 0.0, axis=1).pvalue < 0.05).mean()
    promised = promised_power(0.9, 1.0 / 8, 0.0, 8, 50, 0.05)
    assert promised == pytest.approx(found, abs=4 * np.sqrt(0.25 / 20_000))
    assert promised_verdict_power(0.9, 1.0 / 8, 0.0, 8, 50, 0.05) == pytest.approx(promised, abs=2e-3)


def test_promise_without_a_gain_is_the_level() -> None:
    assert promised_power(0.0, 1.0, 2.0, 5, 50, 0.05) == pytest.approx(0.05)


@pytest.mark.parametrize(
    "spread", [Spread("seeds", 0.03, 0.02, 0.0), Spread("groups", 0.002, 0.1, 0.0), Spread("both", 0.02, 0.063, 0.0)]
)
def test_a_true_gain_is_found_as_often_as_promised(spread: Spread) -> None:
    n_seeds, n_groups = 10, 50
    true = spread.expected_v_seed(n_seeds, n_groups), spread.expected_v_group(n_seeds, n_groups)
    studies = gaussian_studies(
        spread, gain=0.03, n_seeds=n_seeds, n_groups=n_groups, n_studies=3000, rng=np.random.default_rng(1)
    )
    row = power_row("Gaussian", spread.name, studies, 0.03, true, 0.05, 0.01)
    assert 0.3 < row["promised"] < 0.95
    # Degrees of freedom are estimated, which adds up to .02 to the Monte Carlo error.
    assert abs(row["found"] - row["promised"]) < 0.02 + 4 * row["found_error"]
    assert abs(row["moves_out"] - row["promised_verdict"]) < 0.03 + 4 * row["found_error"]
    assert row["moves_in"] < 0.01
    other = power_row("Gaussian", spread.name, studies, 0.02, true, 0.05, 0.01)
    assert abs(other["found"] - other["promised"]) > 0.02 + 4 * other["found_error"]
