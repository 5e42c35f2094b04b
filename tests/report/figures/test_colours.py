"""Every colour stands out, in figures and on the page, light and dark, and means one thing."""

import re
from importlib import resources
from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from experiments.report.figures import style

MARK, TEXT = 3.0, 4.5  # least contrast, WCAG 2.2 (1.4.11 and 1.4.3)
WHITE = "#ffffff"
CSS = (resources.files("experiments.report.page") / "assets" / "page.css").read_text()


def linear(colour):
    values = np.array(to_rgb(colour))
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def luminance(colour):
    return float(linear(colour) @ (0.2126, 0.7152, 0.0722))


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def mixed(one, other, share):
    return tuple(share * np.array(to_rgb(one)) + (1 - share) * np.array(to_rgb(other)))


def lab(colour):
    """CIELAB, in which equal distances look about equally large."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ linear(colour) / (0.9505, 1, 1.089)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def theme(name):
    """Colours of the page by their name."""
    blocks = re.findall(r":root \{([^}]*)\}", CSS)
    found = {"light": blocks[0], "dark": blocks[0] + blocks[1]}
    (printed,) = [block for block in blocks if "--paper: #fff;" in block]
    text = {**found, "print": printed}[name]
    return dict(re.findall(r"--(\w+): (#\w+)", text))


def arms(count):
    return list(style.arm_colours([f"arm {i}" for i in range(count + 1)], "arm 0").values())[1:]


THEMES = ("light", "dark", "print")
MANY = {f"{count} arms": arms(count) for count in (6, 7, 12, 30)}


def test_the_contrast_is_that_of_the_guideline():
    assert contrast("#000000", WHITE) == pytest.approx(21)
    assert contrast("#767676", WHITE) == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("colours", MANY.values(), ids=MANY)
def test_arms_stand_out_in_figures_on_white_and_on_the_margin(colours):
    for colour in colours:
        assert contrast(colour, WHITE) >= MARK
        assert contrast(colour, style.MARGIN["facecolor"]) >= MARK
        assert contrast(style.text_colour(colour), WHITE) >= TEXT
    assert min(contrast(colour, WHITE) for colour in (style.QUIET, style.F1_COLOUR, style.BASELINE_COLOUR)) >= TEXT
    assert min(contrast(colour, WHITE) for colour in (*style.OUTCOMES.values(), *style.MASK_COLOURS)) >= MARK
    assert contrast(mixed(style.QUIET, WHITE, 0.75), WHITE) >= MARK  # the slide along the baseline


@pytest.mark.parametrize("name", THEMES)
@pytest.mark.parametrize("colours", MANY.values(), ids=MANY)
def test_arms_stand_out_on_the_page(name, colours):
    page = theme(name)
    for colour in colours:
        assert contrast(colour, page["paper"]) >= MARK
        assert contrast(colour, page["sheet"]) >= MARK  # the margin
        assert contrast(mixed(colour, page["ink"], 0.65), page["paper"]) >= TEXT  # names: color-mix in the style


@pytest.mark.parametrize("name", THEMES)
def test_the_page_s_text_and_lines_stand_out(name):
    page = theme(name)
    for ground in ("paper", "sheet", "wash"):
        assert min(contrast(page[text], page[ground]) for text in ("ink", "quiet", "accent")) >= TEXT
    assert contrast(page["paper"], page["accent"]) >= TEXT  # the text of a chosen button


@pytest.mark.parametrize("name", THEMES)
def test_what_is_see_through_stands_out_too(name):
    page, seen = theme(name), 0
    for selector, body in re.findall(r"^([^@{}]+)\{([^{}]*opacity: [^{}]*)\}", CSS, flags=re.M):
        colour = re.search(r"(?:stroke|fill): var\(--(ink|quiet|accent)\)", body)
        share = re.search(r"opacity: ([\d.]+)", body)
        if colour is None:
            continue
        seen += 1
        shown = mixed(page[colour[1]], page["paper"], float(share[1]))
        assert contrast(shown, page["paper"]) >= MARK, selector
    assert seen


def test_a_colour_means_one_thing():
    meanings = {
        **{f"arm {place}": colour for place, colour in enumerate(style.ARM_COLOURS)},
        "F1": style.F1_COLOUR,
        **style.OUTCOMES,
        **{f"mask {place} in pictures": colour for place, colour in enumerate(style.MASK_COLOURS)},
    }
    for (one, a), (other, b) in combinations(meanings.items(), 2):
        if {a, b} <= {*style.ARM_COLOURS}:
            continue  # told apart by markers and dashes too
        assert np.linalg.norm(lab(a) - lab(b)) >= 20, f"{one} {a} and {other} {b} look alike"


def test_neighbours_among_many_arms_differ():
    for colours in (MANY["7 arms"], MANY["12 arms"]):
        assert min(np.linalg.norm(lab(a) - lab(b)) for a, b in combinations(colours, 2)) >= 10


def test_the_page_s_f1_is_that_of_the_figures():
    assert theme("light")["accent"] == style.F1_COLOUR
    assert re.search(r"\.value\.F1 b \{ color: var\(--accent\)", CSS)


def test_outcomes_differ_in_grey():
    greys = [luminance(colour) for colour in list(style.OUTCOMES.values())[:3]]
    assert all((b + 0.05) / (a + 0.05) >= 1.5 for a, b in pairwise(greys))
