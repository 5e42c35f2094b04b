"""Folders of runs made by others: nothing in them is executed, resolved, followed, or read without bounds."""

import io
import json
import math
import os
import time
import tracemalloc
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.config import ConfigError
from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.report.summary.paper import escape_latex
from experiments.report.text.inert_markdown import inert_markdown
from experiments.report.text.tables import markdown_table
from experiments.runs import foreign_files, store
from experiments.runs.example_scores import ExampleScores
from experiments.runs.foreign_files import inert_text, live_text, read_csv
from experiments.runs.study import load_conditions, load_study

HOSTILE = ['=cmd|"/c calc"!A1', "+1+1", "-2+3", "@SUM(A1)", "\t=1", "'quoted", "=1", "-x", "plain", "a=b"]


def _scores(masks=("a",), image="t0"):
    rng = np.random.default_rng(0)
    builder = ScoreHistogramBuilder(masks)
    target = rng.random((len(masks), 8, 8)) < 0.2
    builder.add(image, image, 2 * target + rng.normal(0, 1, target.shape), target)
    return builder.build()


def _write_run(root, arm="loss=bce", seed=0, masks=("a",), image="t0", **info):
    folder = root / arm / f"seed={seed}"
    store.write_config(folder, {"seed": seed, "loss": {"_target_": "my.Loss"}})
    store.write_scores(folder, {"val": _scores(masks, image), "test": _scores(masks, image)})
    content = {"status": "complete", "axes": ["loss"], "baseline": "loss=bce", "data_fingerprint": {"test": "T"}}
    store.write_json(folder / store.RUN_FILE, {**content, **info})
    return folder


def test_an_interpolation_stays_text(tmp_path, monkeypatch):
    monkeypatch.setenv("A_SECRET", "swordfish")
    folder = _write_run(tmp_path)
    other = _write_run(tmp_path, arm="loss=dice")
    for each, value in ((folder, "1"), (other, "${oc.env:A_SECRET}")):
        (each / store.CONFIG_FILE).write_text(f"seed: 0\nlr: {value}\nnested: [{{a: '${{nowhere}}'}}]\n")
    differences = load_study(tmp_path).differences
    assert differences["arm_value"].tolist() == ["${oc.env:A_SECRET}"]
    assert "swordfish" not in repr(store.read_config(other))


def test_plain_yaml_means_what_it_meant(tmp_path):
    config = {"a": 1e-5, "b": [1, 2.5, None, True, "yes", "2024-01-31", "1e-3"], "c": {"d": "", "e": {}}, "f": -0.1}
    store.write_config(tmp_path, config)
    assert store.read_config(tmp_path) == config
    (tmp_path / store.CONFIG_FILE).write_text("lr: 1e-3\nday: 2024-01-31\n")
    assert store.read_config(tmp_path) == {"lr": 1e-3, "day": "2024-01-31"}


LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (LAUGHS, "an alias"),
        ("a: !!python/object/apply:os.system ['touch hacked']\n", "could not determine a constructor"),
        ("[" * 20_000, "more than 50 levels"),
        ("a: 1\n" * 300_000, "more than 1048576"),
        ("- 1\n", "got a list"),
        ("a: [1\n", "config.yaml: expected a YAML mapping"),
        ("a: \x00\n", "config.yaml: expected a YAML mapping"),
    ],
    ids=["laughs", "python tag", "deep", "large", "list", "syntax", "zero byte"],
)
def test_a_hostile_config_is_refused_quickly_by_name(tmp_path, content, reason):
    folder = _write_run(tmp_path)
    (folder / store.CONFIG_FILE).write_text(content)
    started = time.process_time()
    run = store.load_run(folder)
    assert time.process_time() - started < 2
    assert run.status == store.DAMAGED
    assert store.CONFIG_FILE in run.info["reason"]
    assert reason in run.info["reason"]
    assert not list(tmp_path.rglob("hacked"))


@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, '{"a": ' * 50_000, "[]", '{"status": 3}', '{"status": "complete", "axes": 5}', "\ufeff{}"],
)
def test_a_hostile_run_json_is_damaged(tmp_path, content):
    folder = _write_run(tmp_path)
    (folder / store.RUN_FILE).write_text(content)
    run = store.load_run(folder)
    assert run.status == store.DAMAGED
    assert store.RUN_FILE in run.info["reason"]


def test_a_huge_run_json_is_not_read(tmp_path):
    folder = _write_run(tmp_path)
    with (folder / store.RUN_FILE).open("wb") as file:
        file.truncate(10**12)  # sparse
    assert "more than" in store.load_run(folder).info["reason"]


@pytest.mark.parametrize("name", [store.CONFIG_FILE, store.RUN_FILE, store.SCORES_FILE, store.EXAMPLES_FILE])
@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_only_regular_files_are_read(tmp_path, name, kind):
    folder = _write_run(tmp_path)
    secret = tmp_path / "secret"
    secret.write_text("password: swordfish\n")
    (folder / name).unlink(missing_ok=True)
    if kind == "link":
        (folder / name).symlink_to(secret)
    elif kind == "pipe":
        os.mkfifo(folder / name)
    else:
        (folder / name).mkdir()
    if name == store.EXAMPLES_FILE:
        with pytest.raises(ValueError, match=r"examples\.npz: expected .* got .*(a link|no file)"):
            store.read_examples(folder)
        return
    run = store.load_run(folder)
    assert run.status == store.DAMAGED
    assert name in run.info["reason"]
    assert "swordfish" not in repr(run)


def _npy(shape, dtype="<i8", data=b""):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue() + data


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (_npy((10**15,)), "shape"),
        (_npy((10**9,) * 9), "shape"),
        (_npy((-1,)), "shape"),
        (_npy((4,), "|O", b"x" * 32), "object"),
        (_npy((10,), "<i8", bytes(79)), "shape"),
        (_npy((2**27,), "|u1", bytes(2**27)), "bytes of arrays"),
        (b"no array", "npz"),
    ],
    ids=["claims a petabyte", "overflows", "negative", "pickle", "short", "bomb", "no array"],
)
def test_hostile_arrays_are_refused_in_bounded_memory(tmp_path, content, reason):
    path = tmp_path / store.SCORES_FILE
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("val_bins.npy", content)
    del content
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=rf"scores\.npz: expected .*{reason}"):
            store.read_scores(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_a_table_of_hostile_names_holds_no_formula_and_reads_back(tmp_path):
    table = pd.DataFrame({"name": HOSTILE, "=x": range(len(HOSTILE)), "gain": np.linspace(-0.1, 1, len(HOSTILE))})
    table["mixed"] = [-0.1, "-0.1", "+5", *HOSTILE[3:]]
    store.write_table(tmp_path / "t.csv", table)
    plain = pd.read_csv(tmp_path / "t.csv", dtype=str)
    assert not any(str(cell).startswith(("=", "@", "\t", "+1+", "-2+", "-x")) for cell in plain["name"])
    assert plain["mixed"].tolist()[:3] == ["-0.1", "-0.1", "+5"]
    assert plain["gain"][0] == "-0.1"
    back = read_csv(tmp_path / "t.csv")
    assert back["name"].tolist() == HOSTILE
    assert list(back.columns) == list(table.columns)
    assert pd.api.types.is_float_dtype(back["gain"])


@given(st.text())
def test_inert_text_is_undone_and_begins_no_formula(text):
    inert = inert_text(text)
    assert live_text(inert) == text
    if inert.startswith(("=", "+", "-", "@", "\t", "\r")):
        assert math.isfinite(float(inert)) or abs(float(inert)) == math.inf


@pytest.mark.parametrize(
    "name", ["<img src=x onerror=alert(1)>", "[x](javascript:alert(1))", "![x](http://a.b/c.png)", "[x][y]", "<!-- x"]
)
def test_names_have_no_effect_in_markdown(name):
    text = inert_markdown(f"**{name}** moved.\n\n{markdown_table(['arm'], [[name]])}\n\n![ours](figures/frontier.png)")
    assert "![ours](figures/frontier.png)" in text
    rest = text.replace("![ours](figures/frontier.png)", "")
    for effect in ("<img", "<!--", "](", "]["):
        assert effect not in rest.replace("\\" + effect, "")


def test_our_own_links_stay_and_those_that_lead_out_do_not():
    for ours in ("[captions.md](figures/captions.md)", "[a](<loss=a b/report.md>)", "p < .05, 3 <4"):
        assert inert_markdown(ours) == ours
    for theirs in ("[a](../../x)", "[a](//evil.org/x)", "[a](/etc/x)", "[a](data:x)", "[a](<javascript:x/report.md>)"):
        assert inert_markdown(theirs) != theirs


def test_pipes_and_line_breaks_stay_in_their_cell():
    lines = markdown_table(["a", "b"], [["x|y\n# title", "z"]]).splitlines()
    assert lines[2:] == [r"| x\|y # title | z |"]
    assert escape_latex("\\input{/etc/passwd}\n%&$#_^~") == (
        r"\textbackslash{}input\{/etc/passwd\} \%\&\$\#\_\textasciicircum{}\textasciitilde{}"
    )


@pytest.mark.parametrize("place", ["mask", "image"])
def test_a_name_with_a_line_break_is_refused(tmp_path, place):
    folder = _write_run(tmp_path, **{"masks": ("a\n# title",)} if place == "mask" else {"image": "t\n[x]: y"})
    assert "control character" in store.load_run(folder).info["reason"]


def test_an_arm_with_a_line_break_is_refused(tmp_path):
    _write_run(tmp_path, arm="loss=bce\n# title")
    with pytest.raises(ConfigError, match="control character"):
        load_conditions(tmp_path)


def test_a_condition_is_a_folder_below_the_report(tmp_path):
    _write_run(tmp_path, arm="loss=bce,..", conditions=[".."])
    with pytest.raises(ConfigError, match="leads to another folder"):
        load_conditions(tmp_path)


def test_a_report_is_not_written_through_a_link(tmp_path):
    from experiments.report.study import _refuse_links

    (tmp_path / "elsewhere").mkdir()
    study = tmp_path / "study"
    (study / "report").mkdir(parents=True)
    (study / "report" / "figures").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="got the link"):
        _refuse_links(study, study / "report", [""])


READERS = {
    store.RUN_FILE: lambda folder: foreign_files.read_json(folder / store.RUN_FILE),
    store.CONFIG_FILE: store.read_config,
    store.SCORES_FILE: store.read_scores,
    store.EXAMPLES_FILE: store.read_examples,
    store.METRICS_FILE: lambda folder: read_csv(folder / store.METRICS_FILE),
    store.HISTORY_FILE: lambda folder: read_csv(folder / store.HISTORY_FILE),
}


@pytest.fixture(scope="module")
def valid_files(tmp_path_factory):
    folder = _write_run(tmp_path_factory.mktemp("valid"), masks=("thin", "dots"))
    target = np.random.default_rng(0).random((2, 6, 5)) < 0.3
    examples = ExampleScores(
        ("t0",), ((0, 0, 6, 5),), (np.zeros((6, 5, 1), np.uint8),), (target,), (None,), (target.astype(np.uint16),)
    )
    store.write_examples(folder, examples)
    history = pd.DataFrame({"update": [1, 2], "loss": [0.5, 0.25], "foreground_thin": [0.1, 0.2]})
    store.write_table(folder / store.HISTORY_FILE, history)
    store.write_table(folder / store.METRICS_FILE, pd.DataFrame({"mask": ["thin", "=x"], "ap": [0.5, -0.1]}))
    return {name: (folder / name).read_bytes() for name in READERS}


def _damaged(content, rng):
    """Flip, cut out, insert and repeat bytes, once to four times."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        place = int(rng.integers(0, max(len(content), 1)))
        length = int(rng.integers(1, 9))
        match rng.integers(0, 5):
            case 0 if content:
                content[place % len(content)] ^= 1 << rng.integers(0, 8)
            case 1:
                del content[place:]
            case 2:
                del content[place : place + length]
            case 3:
                content[place:place] = rng.bytes(length)
            case _:
                content[place:place] = content[place : place + 20 * length]
    return bytes(content)


@pytest.mark.parametrize("name", READERS)
def test_a_valid_file_is_read(tmp_path, valid_files, name):
    (tmp_path / name).write_bytes(valid_files[name])
    assert READERS[name](tmp_path) is not None


@pytest.mark.parametrize("name", READERS)
@given(seed=st.integers(0, 2**63))
def test_a_damaged_file_is_read_or_refused_by_name(tmp_path_factory, valid_files, name, seed):
    """Whatever byte is wrong, a reader gives a value or raises ValueError with the path, soon and in little memory."""
    folder = tmp_path_factory.getbasetemp() / "damaged"
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(_damaged(valid_files[name], np.random.default_rng(seed)))
    started = time.process_time()
    try:
        READERS[name](folder)
    except ValueError as error:
        assert name in str(error)
    assert time.process_time() - started < 5


@given(seed=st.integers(0, 2**63))
def test_a_study_with_a_damaged_run_loads_or_is_refused(tmp_path_factory, valid_files, seed):
    rng = np.random.default_rng(seed)
    root = tmp_path_factory.getbasetemp() / "study"
    for run in (0, 1):
        folder = root / "loss=bce" / f"seed={run}"
        folder.mkdir(parents=True, exist_ok=True)
        for name in (store.RUN_FILE, store.CONFIG_FILE, store.SCORES_FILE):
            (folder / name).write_bytes(valid_files[name])
    name = (store.RUN_FILE, store.CONFIG_FILE, store.SCORES_FILE)[rng.integers(0, 3)]
    (folder / name).write_bytes(_damaged(valid_files[name], rng))
    try:
        assert json.dumps([len(study.holes) for study in load_conditions(root)])
    except ConfigError as error:
        assert "\n" not in str(error) or len(str(error)) < 2000
