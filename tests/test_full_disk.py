"""A disk full at any file: one message that names it, exit code 1, and the same command resumes later."""

import json
import tempfile
from pathlib import Path

import pytest
from small_study import with_small

from experiments.train import main as train_main

resource = pytest.importorskip("resource", reason="this system limits no file's size")

STUDY = with_small("study=losses", "study_dir=study", "loss=bce", "trainer.checkpoint_every=2")


@pytest.fixture
def disk(monkeypatch):
    """A disk that may fill up: `fill_at(name)` lets no file of that name take more than 100 bytes; None: none is full.

    Other files can be written: `run.json` fits where a checkpoint does not.
    """
    make, before = tempfile.mkstemp, resource.getrlimit(resource.RLIMIT_FSIZE)
    full = None

    def made(*arguments, prefix=None, **options):
        resource.setrlimit(resource.RLIMIT_FSIZE, (100 if full and prefix == f".{full}." else before[0], before[1]))
        return make(*arguments, prefix=prefix, **options)

    def fill_at(name):
        nonlocal full
        full = name
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    monkeypatch.setattr(tempfile, "mkstemp", made)
    yield fill_at
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", ["run.json", "checkpoint.pt", "scores.npz"])
def test_a_file_that_does_not_fit_ends_the_study(command, disk, tmp_path, monkeypatch, name):
    monkeypatch.setattr("experiments.report.study.report_study", lambda *a, **k: None)
    monkeypatch.setattr("experiments.training.setup.check_criterion", lambda *a, **k: [])
    disk(name)
    code, _, err = command(train_main, *STUDY, "seed=0,1")
    disk(None)
    assert code == 1, err
    assert err.count("error: ") == 1
    assert f"loss=bce/seed=0/{name} could not be written: File too large. Nothing on disk was lost." in err
    assert "Error executing job" not in err
    assert "Traceback" not in err
    assert err.rindex("so far, ") < err.index("error: "), "the bar is closed before the message"
    study = tmp_path / "study" / "loss=bce"
    assert not (study / "seed=1").exists(), "the next run would not get further"
    assert not list(study.rglob(f".{name}.*")), "no temporary file is left"
    code, _, err = command(train_main, *STUDY, "seed=0,1")
    assert code == 0, err
    for seed in (0, 1):
        assert json.loads((study / f"seed={seed}" / "run.json").read_text())["status"] == "complete"


def test_in_a_launchers_process_it_leaves_with_the_message_that_ends_the_launcher(command, disk, tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.training.setup.check_criterion", lambda *a, **k: [])
    monkeypatch.setattr(
        "experiments.process.stop_signals.is_command", lambda: False
    )  # Hydra's own launcher runs it here
    disk("run.json")
    code, _, err = command(train_main, *STUDY, "seed=0,1")
    name = tmp_path / "study" / "loss=bce" / "seed=0" / "run.json"
    assert code == f"error: {name} could not be written: File too large. Nothing on disk was lost."
    assert "error" not in err, "the launcher prints it, once"
    assert not (tmp_path / "study" / "loss=bce" / "seed=1").exists()


def test_a_report_that_does_not_fit_leaves_the_one_before(command, disk, tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.report.study.draw_all", lambda *a, **k: [Path("frontier.png")])
    monkeypatch.setattr("experiments.report.study.write_page", lambda *a, **k: None)
    monkeypatch.setattr("experiments.training.setup.check_criterion", lambda *a, **k: [])
    study = (*STUDY, "seed=0")
    assert command(train_main, *study)[0] == 0
    report = tmp_path / "study" / "report"
    before = {path.name: path.read_bytes() for path in report.iterdir() if path.is_file()}
    disk("report.md")
    code, _, err = command(train_main, *study)
    disk(None)
    assert code == 1, err
    assert "error: study/report/report.md could not be written: File too large. Nothing on disk was lost." in err
    assert "Traceback" not in err
    assert before == {path.name: path.read_bytes() for path in report.iterdir() if path.is_file()}
    assert command(train_main, *study)[0] == 0
