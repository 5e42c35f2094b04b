"""What the comparison of two recordings leaves out; all other differences are named by file and line."""

import json
import shutil
import zipfile

import numpy as np
import pytest
import same_numbers


def fill(
    folder, *, seconds="1.5", target="experiments.data.sampling.UniformTiles", started="2026-11-27T14:35:06+00:00"
):
    """A small recording, with everything in it that may differ."""
    run = folder / "outputs" / "losses" / "loss=bce" / "seed=0"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text(f"sampling:\n  _target_: {target}\nstudy_dir: {folder.resolve()}/outputs\n")
    (run / "history.csv").write_text(f"update,loss,seconds\n1,0.5,{seconds}\n2,0.25,{seconds}9\n")
    (run / "metrics.csv").write_text("mask,f1\nsolid,0.5\n")
    noted = {"config.yaml": {"crc32": hash(target)}, "metrics.csv": {"crc32": 7}}
    info = {"started": started, "fit_seconds": float(seconds), "updates": 2, "artifacts": noted}
    (run / "run.json").write_text(json.dumps(info))
    np.savez(run / "scores.npz", bins=np.arange(3))
    with zipfile.ZipFile(run / "checkpoint.pt", "w") as archive:
        archive.writestr("checkpoint/data.pkl", f"fit_seconds {seconds}")
        archive.writestr("checkpoint/data/0", b"1234")
    report = folder / "outputs" / "losses" / "report"
    report.mkdir()
    times = f"<td>{seconds} s</td><td>{float(seconds) / 3:.2f}</td><td>{float(seconds) * 60:.0f} MB</td>"
    (report / "report.html").write_text(f"<td>1 s</td>\n{times}\n<td>0.5</td>\n")
    (report / "report.md").write_text(f"AP 0.5, after {seconds} minutes\n")
    return folder


@pytest.fixture
def recordings(tmp_path):
    other = {"seconds": "22.75", "target": "experiments.data.sampling.uniform.UniformTiles"}
    return fill(tmp_path / "one"), fill(tmp_path / "two", **other, started="2027-01-01T00:00:00+00:00")


def test_times_addresses_and_folders_may_differ(recordings):
    assert same_numbers.differences(*recordings) == []


RUN, REPORT = "outputs/losses/loss=bce/seed=0", "outputs/losses/report"
CHANGES = {
    f"{RUN}/metrics.csv": ("0.5", "0.50", ":2: ", "solid,0.5", "solid,0.50"),
    f"{RUN}/history.csv": ("0.25", "0.26", ":3: ", "2,0.25,TIME", "2,0.26,TIME"),
    f"{RUN}/config.yaml": (
        "UniformTiles",
        "RichImages",
        ":2: ",
        "  _target_: MODULE.UniformTiles",
        "  _target_: MODULE.RichImages",
    ),
    f"{RUN}/run.json": ('"updates": 2', '"updates": 3', ":4: ", ' "updates": 2,', ' "updates": 3,'),
    f"{REPORT}/report.html": ("<td>0.5", "<td>0.6", ":3: ", "<td>0.5</td>", "<td>0.6</td>"),
    f"{REPORT}/report.md": ("AP 0.5", "AP 0.4", ":1: ", "AP 0.5, after TIME", "AP 0.4, after TIME"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_number_is_told_with_file_and_line(recordings, name):
    old, new, place, before, after = CHANGES[name]
    path = recordings[1] / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert same_numbers.differences(*recordings) == [f"{name}{place}- {before}", f"{name}{place}+ {after}"]


def test_a_long_line_is_shown_where_it_differs(recordings):
    for folder, number in zip(recordings, ("0.123", "0.124"), strict=True):
        (folder / REPORT / "page.html").write_text("x" * 5000 + number + "y" * 5000)
    told = same_numbers.differences(*recordings)
    assert len(told) == 2
    assert "xx0.123yy" in told[0]
    assert "xx0.124yy" in told[1]
    assert all(len(line) < 400 for line in told)


def test_a_noted_sum_of_a_table_of_numbers_is_told(recordings):
    path = recordings[1] / RUN / "run.json"
    path.write_text(path.read_text().replace('{"crc32": 7}', '{"crc32": 8}'))
    assert any("+" in line and '"crc32": 8' in line for line in same_numbers.differences(*recordings))


def test_scores_and_weights_are_compared_to_the_byte(recordings):
    run = recordings[1] / RUN
    np.savez(run / "scores.npz", bins=np.arange(3).astype(np.int32))
    shutil.copy(run / "checkpoint.pt", run / "copy.pt")
    with zipfile.ZipFile(run / "checkpoint.pt", "w") as archive:
        archive.writestr("checkpoint/data.pkl", "fit_seconds 22.75")
        archive.writestr("checkpoint/data/0", b"1235")
    told = same_numbers.differences(*recordings)
    assert told == [
        f"{RUN}/checkpoint.pt: tensor data/0 differs",
        f"{RUN}/copy.pt: only in {recordings[1]}",
        f"{RUN}/scores.npz: other bytes",
    ]


def test_an_empty_folder_is_no_recording(recordings, tmp_path):
    (tmp_path / "three").mkdir()
    assert "expected a recording, found no file" in same_numbers.differences(recordings[0], tmp_path / "three")[0]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("12 to 13 s", "TIME"),
        ("1,024.5 MB", "TIME"),
        ("[2026-11-27 14:35:06,123][INFO]", "[TIME][INFO]"),
        ("python -m experiments.train study=losses", "python -m experiments.train study=losses"),
        ("AP 0.512 solid", "AP 0.512 solid"),
        ("5 seeds, 6 test images", "5 seeds, 6 test images"),
        ("at /tmp/a/outputs", "at FOLDER/outputs"),
    ],
)
def test_what_a_text_loses(before, after):
    assert same_numbers.mask_text(before, "/tmp/a") == after


def test_every_study_is_recorded():
    studies = {path.stem for path in (same_numbers.ROOT / "conf" / "study").glob("*.yaml")}
    named = {
        word.removeprefix("study=")
        for _, *words in same_numbers.COMMANDS.values()
        for word in words
        if word.startswith("study=")
    }
    assert studies == named
