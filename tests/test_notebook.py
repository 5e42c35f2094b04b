"""The documentation's notebook runs from start to end, and its stored outputs are those that it gives."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from experiments.frontier import from_images
from experiments.runs import store

ROOT = Path(__file__).resolve().parents[1]
VERDICTS = "moves out|moves in|slides|stays|crosses|undecided|not trained"


@pytest.fixture(scope="module")
def runner():
    spec = importlib.util.spec_from_file_location("run_notebook", ROOT / "docs" / "run_notebook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_study(folder):
    """Write runs of two arms as training does: a model, and the same model with a stronger signal."""
    rng = np.random.default_rng(0)
    targets = [rng.random((40, 40)) < 0.05 for _ in range(8)]
    for arm, signal in (("bce", 2.0), ("mine", 3.0)):
        for seed in range(3):
            maps = [signal * target + rng.normal(size=target.shape) for target in targets]
            run = folder / arm / f"seed={seed}"
            store.write_config(run, {"seed": seed, "loss": {"_target_": "my.Loss"}})
            store.write_scores(run, {"val": from_images(maps, targets), "test": from_images(maps, targets)})
            info = {"status": "complete", "axes": ["loss"], "baseline": "bce", "data_fingerprint": {"test": "T"}}
            store.write_json(run / store.RUN_FILE, info)


@pytest.fixture(scope="module")
def executed(runner, tmp_path_factory):
    """Run the notebook where a study is on disk, on one thread: threads that wait for a busy core burn its time."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "docs").mkdir()
    write_study(folder / "outputs" / "losses")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            patch.setenv(name, "1")
        return runner.run(runner.read(), folder / "docs")


def texts(notebook):
    """Return what each code cell put out, as text."""
    return [
        "\n".join(output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in cell["outputs"])
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def test_every_cell_runs(executed):
    cells = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output for cell in cells for output in cell["outputs"] if output.get("name") == "stderr"]


def test_it_tells_a_move_from_a_slide(executed):
    told = next(text for text in texts(executed) if re.search(VERDICTS, text))
    assert re.search(r"weighted +slides", told)
    assert re.search(r"wide +moves out", told)


def test_it_reads_a_study_from_disk(executed):
    assert re.search(r"mine +mask +moves out", texts(executed)[-1])


def test_the_stored_outputs_are_those_of_today(runner, executed):
    """Numbers may differ between processors in the last digit that is shown, so words and columns are compared."""

    def words(notebook):
        return [re.findall(r"[A-Za-z_]+", text) for text in texts(notebook)[:-1]]  # the last is the reader's own study

    assert words(runner.read()) == words(executed), "stale: run `python docs/run_notebook.py`"


def test_the_stored_file_is_small_and_of_no_machine(runner):
    text = runner.NOTEBOOK.read_text()
    assert len(text) < 200_000
    assert not re.search(r"/(home|root|tmp|Users|usr|var|opt|mnt|work)/|[A-Z]:\\\\\\\\", text)
    assert runner.read().metadata.keys() == {"kernelspec"}
    stored = [cell for cell in runner.read().cells if cell.cell_type == "code"]
    assert all(cell["execution_count"] for cell in stored)
    assert any("image/png" in output.get("data", {}) for cell in stored for output in cell["outputs"])


def test_a_cell_that_fails_is_named(runner, tmp_path):
    notebook = runner.read()
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "code"][:1]
    notebook.cells[0].source = "raise ValueError('what went wrong')"
    with pytest.raises(Exception, match="what went wrong"):
        runner.run(notebook, tmp_path)
