"""Published points are read from the configuration, or refused by name."""

import matplotlib.pyplot as plt
import pytest
from omegaconf import OmegaConf

from experiments.config import ConfigError
from experiments.report.figures.panels import draw_on_frontier, published_handles, seesaw_handles
from experiments.report.published import PublishedPoint, published_caption, published_points


def read(*entries, masks=None):
    return published_points(OmegaConf.create({"published": list(entries)}), masks)


def test_all_keys_are_read():
    points = read(
        {"label": "theirs", "recall": 0.9, "f1": 0.5},
        {"label": "mine", "recall": 1, "f1": 0.5, "weight": 42, "mask": "solid"},
        masks=("solid",),
    )
    assert points == (PublishedPoint("theirs", 0.9, 0.5), PublishedPoint("mine", 1.0, 0.5, 42.0, "solid"))


def test_none_is_none():
    assert read() == ()
    assert published_points(OmegaConf.create({"margin": 0.01})) == ()
    assert published_caption(()) == ""


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"label": "x", "recall": 0.4, "f1": 0.8},
            r"report.published\[0\].f1: expected below 2 x recall = 0.8, got 0.8",
        ),
        ({"label": "x", "recall": 0.4}, r"report.published\[0\]: expected label, recall, f1"),
        ({"label": "x", "recall": 0.4, "f1": 0.3, "recal": 1}, r"report.published\[0\]: expected label, recall, f1"),
        ({"label": "x", "recall": "high", "f1": 0.3}, r"report.published\[0\].recall: expected a number, got 'high'"),
        ({"label": "x", "recall": True, "f1": 0.3}, r"report.published\[0\].recall: expected a number, got True"),
        ("x", r"report.published\[0\]: expected label, recall, f1 and optionally weight and mask, got x"),
        ({"label": "x", "recall": 0.4, "f1": 0.3, "mask": "sold"}, r"mask: expected one of solid, dashed, got sold"),
    ],
)
def test_what_cannot_be_read_is_named(entry, message):
    with pytest.raises(ConfigError, match=message):
        read(entry, masks=("solid", "dashed"))


def test_they_are_drawn_at_the_precision_that_recall_and_f1_pin():
    points = (PublishedPoint("all", 0.96, 0.37, 42.0), PublishedPoint("solid's", 0.97, 0.26, mask="solid"))
    _, ax = plt.subplots()
    draw_on_frontier(ax, points, "dashed")
    assert [(float(x), round(float(y), 2)) for line in ax.lines for x, y in line.get_xydata()] == [(0.96, 0.23)]
    draw_on_frontier(ax, points, "solid")
    assert len(ax.lines) == 3
    assert [handle.get_label() for handle in published_handles(points)] == [
        "all (another system)",
        "solid's (another system)",
    ]
    assert [handle.get_label() for handle in seesaw_handles(points)] == ["R, F, P: another system"]
    assert seesaw_handles(points[1:]) == []
    plt.close("all")
