"""Folders that no command may write to."""

import os
import warnings

import pytest

from experiments.checks.folders import folder_problems, place_problems
from experiments.train import main as train_main


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "file").write_text("x")
    (tmp_path / "work" / "data" / "train").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "work"


REFUSED = {
    "file": "it is a file",
    "file/below": "file is a file",
    "data/../file": "it is a file",
    "/": "the root of all files",
    ".": "the current folder",
    "..": "a folder around the current folder",
    "../../../../../..": "the root of all files",
    "~/out": "the shell has not expanded",
    "$OUT/x": "the shell has not expanded",
    " out": "without spaces at its ends",
    "a\nb": "printable characters",
    "a\x00b": "printable characters",
    "caf\udce9": "printable characters",
    "x" * 300: "at most 255 bytes",
    "/".join(["d" * 200] * 25): "at most 255 bytes",
    "/proc/nowhere": "no permission to write in /proc",
    "data": "outside the data",
    "data/train/out": "outside the data",
}


@pytest.mark.parametrize("folder", REFUSED)
def test_a_folder_that_cannot_be_meant_is_refused(here, folder):
    before = sorted(here.rglob("*"))
    found = folder_problems("study_dir", folder, apart_from="data", below_only=True)
    assert len(found) == 1
    assert found[0].startswith("study_dir: expected ")
    assert REFUSED[folder] in found[0]
    assert sorted(here.rglob("*")) == before


def test_the_home_folder_is_refused(here, tmp_path):
    assert "the home folder" in folder_problems("study_dir", str(tmp_path / "home"), below_only=True)[0]


@pytest.mark.parametrize("folder", ["outputs/losses", "größe", "a b", "../beside", "database"])
def test_a_folder_of_its_own_is_accepted_and_not_made(here, folder):
    assert folder_problems("study_dir", folder, apart_from="data", below_only=True) == []
    assert not (here / folder).exists()


def test_a_report_may_go_to_the_current_folder(here):
    assert folder_problems("report_dir", ".") == []


def test_a_folder_that_cannot_be_written_is_refused(here, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    assert "no permission to write in" in folder_problems("study_dir", "new/below")[0]


def as_a_user(function):
    """Call a function where permissions count: in a process that is not root's. Returns its text."""
    if os.geteuid():
        return function()
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*multi-threaded.*fork", category=DeprecationWarning)
        child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            os.write(write, function().encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as text:
        found = text.read()
    os.waitpid(child, 0)
    return found


@pytest.mark.parametrize(
    ("mode", "writes", "expected"),
    [
        (0o555, True, "that can be written, got a/seed=0: no permission to write in it"),
        (0o555, False, ""),
        (0o333, True, "that can be read, got a/seed=0: no permission to read it"),
        (0o333, False, "that can be read, got a/seed=0: no permission to read it"),
        (0o000, False, "that can be read, got a/seed=0: no permission to read it"),
        (0o777, True, ""),
    ],
)
def test_a_run_that_may_not_be_written_or_read_is_named(here, mode, writes, expected):
    run = here / "a" / "seed=0"
    run.mkdir(parents=True)
    run.chmod(mode)
    fd = os.open(here, os.O_RDONLY)

    def look():
        os.fchdir(fd)  # the folders above may be closed to others
        (found,) = place_problems("study_dir", run.relative_to(here), writes=writes) or [""]
        return found

    try:
        assert as_a_user(look) == (f"study_dir: expected a folder {expected}" if expected else "")
    finally:
        run.chmod(0o755)
        os.close(fd)


@pytest.mark.parametrize("name", ["loss=bce", "loss=bce/seed=0", "report/figures"])
def test_a_file_in_the_place_of_a_folder_is_named_before_training(command, tmp_path, name):
    small = ("data.train_logs=1", "data.val_logs=1", "data.test_logs=1", "data.cache_dir=null", "study_dir=study")
    place = tmp_path / "study" / name
    place.parent.mkdir(parents=True)
    place.write_text("mine")
    code, _, err = command(train_main, "study=losses", "loss=bce", "seed=0,1", *small)
    assert (code, err) == (2, f"error: study_dir: expected a folder, got study/{name}: it is a file\n")
    assert place.read_text() == "mine"
    assert [path for path in (tmp_path / "study").rglob("*") if path.is_file()] == [place]
