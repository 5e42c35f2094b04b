"""All figures at once: files, captions, figures that a study lacks, and the user's names."""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf
from PIL import Image

from experiments.report.figures.frontier import FrontierDisplay
from experiments.report.figures.style import PAGE
from experiments.report.gallery import CAPTIONS_FILE, TITLES, draw_all, save_figure
from experiments.report.study import compare

SETTINGS = OmegaConf.create(
    {"margin": 0.01, "point_margin": 0.05, "level": 0.05, "headline": "ap", "beta": 1.0, "recall_band": [0, 1]}
)
ALL = [
    name for name in TITLES if name not in ("seesaw", "tolerance", "subgroups")
]  # no weight swept, no distance forgiven, none asked
ODD = {"$a$": ({}, 0.0, 0.0), "_x_{2}": ({}, 1.0, -0.5)}


@pytest.fixture(scope="module")
def folder(drawn_study, tmp_path_factory):
    out = tmp_path_factory.mktemp("figures")
    study, comparison = drawn_study
    here = replace(comparison, settings=replace(comparison.settings, workers=1))  # where an open figure would be seen
    assert [path.stem for path in draw_all(out, study, here)] == ALL
    return out


def test_every_figure_has_png_svg_csv_and_a_caption(folder):
    captions = (folder / CAPTIONS_FILE).read_text()
    for name in ALL:
        with Image.open(folder / f"{name}.png") as image:
            assert image.width <= round(PAGE * 200)
        ElementTree.parse(folder / f"{name}.svg")
        assert len(pd.read_csv(folder / f"{name}.csv"))
        assert f"![{TITLES[name]}]({name}.png)" in captions
    assert captions.count("\n## ") == len(ALL)
    assert not re.search(r"\bnan\b", captions)
    assert plt.get_fignums() == []


def test_text_is_not_smaller_than_seven_points(folder):
    for name in ALL:
        svg = (folder / f"{name}.svg").read_text()
        sizes = [float(size) for size in re.findall(r"font(?:-size)?: (?:bold )?([\d.]+)px", svg)]
        assert sizes
        assert min(sizes) >= 7, name


def test_the_same_study_gives_the_same_files(folder, drawn_study, tmp_path):
    again = save_figure(tmp_path / "frontier", FrontierDisplay.of(*drawn_study).plot())
    plt.close("all")
    assert again.with_suffix(".svg").read_bytes() == (folder / "frontier.svg").read_bytes()
    assert again.read_bytes() == (folder / "frontier.png").read_bytes()


def test_nothing_reaches_over_the_edge_of_the_page(drawn_study):
    study, comparison = drawn_study
    figure = FrontierDisplay.of(study, comparison).plot()
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert box.x0 >= -0.01
    assert box.y0 >= -0.01
    assert box.x1 <= width + 0.01
    assert box.y1 <= height + 0.01
    plt.close(figure)


def test_what_a_study_lacks_is_left_out_and_removed(make_study, drawn_study, folder, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    study, comparison = make_study(examples=False, history=False, masks=("thin",))
    names = [path.stem for path in draw_all(tmp_path, study, comparison, only=("gains", "training", "examples"))]
    assert names == ["gains"]
    assert not list(tmp_path.glob("training.*")) + list(tmp_path.glob("examples.*"))
    assert "Training" not in (tmp_path / CAPTIONS_FILE).read_text()


@pytest.mark.parametrize(
    ("only", "asked"),
    [
        (ALL, {"arms": {"loss=bce": ({}, 0.0, 0.0)}, "masks": ("thin",)}),
        (ALL, {"seeds": (0,), "masks": ("thin",)}),
        (("frontier", "band"), {"seeds": (0, 1), "masks": tuple("abcd")}),
        (("slide", "examples"), {"arms": {f"k={i}": ({}, 0.4 * i, 0.0) for i in range(9)}, "masks": ("thin",)}),
        (("frontier", "averages", "gains"), {"arms": ODD, "masks": ("_m", "50 %$x$ \\frac")}),
    ],
    ids=["baseline alone", "one seed", "four masks", "nine arms", "odd names"],
)
def test_any_study_can_be_drawn(make_study, tmp_path, only, asked):
    study, comparison = make_study(**asked)
    names = [path.stem for path in draw_all(tmp_path, study, comparison, only=only)]
    needs_pairs = {"slide_step", "close_up", "slide", "gains", "band", "decomposition"}
    assert names == [name for name in ALL if name in only and (len(study.complete) > 1 or name not in needs_pairs)]
    if asked.get("arms") is ODD:
        svg = (tmp_path / "frontier.svg").read_text()
        assert ">$a$<" in svg
        assert "50 %$x$ \\frac" in svg


def test_a_mask_without_a_positive_pixel_can_be_drawn(make_study, tmp_path):
    study, _ = make_study(masks=("thin", "gone"), examples=False)
    for seeds in study.complete.values():
        for run in seeds.values():
            for scores in run.scores.values():
                rows = np.repeat(np.arange(len(scores.row_start) - 1), np.diff(scores.row_start)) % 2 == 1
                scores.negatives[rows] += scores.positives[rows]
                scores.positives[rows] = 0
    comparison = compare(study, SETTINGS)
    only = ("frontier", "gains", "roc", "averages", "calibration")
    assert {path.stem for path in draw_all(tmp_path, study, comparison, only=only)} == set(only)
