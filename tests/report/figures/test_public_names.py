"""The package exports every figure, and loads none before it is used."""

import subprocess
import sys

import pytest

from experiments.report import figures


def test_every_figure_is_there():
    found = {name: getattr(figures, name) for name in figures.__all__}
    assert all(figure.__name__ == name and callable(figure.plot) for name, figure in found.items())


def test_another_name_is_refused():
    with pytest.raises(ImportError, match="cannot import name 'PieDisplay'"):
        from experiments.report.figures import PieDisplay  # noqa: F401


def test_colours_do_not_wait_for_pyplot():
    code = "import sys, experiments.report.figures; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
