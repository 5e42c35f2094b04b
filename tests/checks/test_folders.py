"""Folders that nothing may be written to."""

import os

import pytest

from experiments.checks.folders import folder_problems


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
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "no permission to write in" in folder_problems("study_dir", "new/below")[0]
