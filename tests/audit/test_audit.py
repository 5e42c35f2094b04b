"""The command: all parts on tiny numbers, refusals by name, and shares with their errors."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_module

from experiments.audit.audit import run_calibration
from experiments.audit.error_rates.ugly import _FLAGGED_AT
from experiments.audit.observed_share import ObservedShare
from experiments.audit.settings import check_settings
from experiments.audit.tables import CalibrationTables, failures
from experiments.config import ConfigError

TINY = (
    "coverage.n_gaussian=20",
    "coverage.n_histogram=2",
    "coverage.n_floor=50",
    "coverage.groups=[5,8]",
    "ugly.n_gaussian=20",
    "ugly.n_histogram=2",
    "ugly.groups=[5,8]",
    "collapse.n_studies=50",
    "families.n_studies=2",
    "families.groups=12",
    "looks.n_studies=1",
    "power.n_gaussian=20",
    "power.n_histogram=2",
    "advice.n_studies=8",
    "advice.n_per_size=40",
)


def _composed(*overrides: str):
    with initialize_config_module("experiments.conf", version_base="1.3"):
        return compose("calibrate", overrides=list(overrides))


def test_every_part_leaves_a_table_and_its_section(tmp_path) -> None:
    parts = "parts=[coverage,floor,ugly,collapse,families,looks,same_arm,power,advice]"
    cfg = _composed(*TINY, parts, f"out_dir={tmp_path}", f"same_arm.study_dir={tmp_path / 'none'}")
    run_calibration(cfg)
    for part in ("coverage", "floor", "ugly", "collapse", "families", "looks", "power", "advice"):
        assert len(pd.read_csv(tmp_path / f"{part}.csv")) > 1
    text = (tmp_path / "calibration.md").read_text()
    for heading in (
        "## Coverage",
        "## Where coverage is lowest",
        "## Ugly",
        "## Seeds that collapse",
        "## Arms and",
        "## A/A",
        "## Power",
        "## The advice",
    ):
        assert heading in text
    assert "Left out: there is no folder" in text
    assert max(len(line) for line in text.splitlines() if not line.startswith("|")) <= 120


def test_bad_settings_are_all_named() -> None:
    with pytest.raises(ConfigError) as caught:
        check_settings(_composed("parts=[coverge]", "power.groups=1", "coverage.seeds=[1,3]", "level=0.7"))
    for words in ("parts: expected some of", "power.groups: expected at least 2", "coverage.seeds", "level"):
        assert words in str(caught.value)


def test_bad_input_exits_with_two(tmp_path) -> None:
    command = [sys.executable, "-m", "experiments.calibrate", "parts=[covrage]", f"out_dir={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "parts: expected some of" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_share_and_its_bounds() -> None:
    share = ObservedShare.of(np.array([True, True, False, True]))
    assert (share.value, share.n) == (0.75, 4)
    assert ObservedShare(0, 100).error > 0
    assert ObservedShare(850, 1000).is_below(0.92)
    assert not ObservedShare(905, 1000).is_below(0.92)
    assert ObservedShare(100, 1000).is_above(0.05)
    assert not ObservedShare(60, 1000).is_above(0.05)
    with pytest.raises(ValueError, match="count, n: expected 0 <= count <= n"):
        ObservedShare(3, 2)


def test_a_row_that_fails_is_named() -> None:
    rows = pd.DataFrame({"case": ["a", "b"], "below_92": [False, True], "claims_above_level": [False, False]})
    tables = CalibrationTables({"ugly": rows, "power": pd.DataFrame({"n": [1]})}, 0.05, 0.01, 0.05, "", 0, 0, 0, 1)
    (failed,) = failures(tables)
    assert failed.startswith("ugly: case b, below_92 True")


@pytest.mark.parametrize("coverage", [0.9])
def test_the_flag_finds_a_coverage_of_90_nine_times_in_ten(coverage) -> None:
    n = int(_composed().ugly.n_gaussian)
    counts = np.random.default_rng(0).binomial(n, coverage, 2000)
    assert np.mean([ObservedShare(int(count), n).is_below(0.92, _FLAGGED_AT) for count in counts]) >= 0.9
