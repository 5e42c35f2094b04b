"""The page shuts nobody out: axe's rules hold at each width and in each theme, and forced colours hide nothing."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

# Width, and whether all is unfolded: then all is there that is there folded.
LOOKS = ((390, False), (390, True), (768, True), (1280, True))


@pytest.fixture
def violations():
    """Check a page by all of axe's rules, of any impact; what is wrong, as text."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")

    def check(page):
        found = axe.Axe().run(page, options={"resultTypes": ["violations"]}).response
        assert len(found["passes"]) > 20, "axe has looked at next to nothing"
        return [
            f"{rule['id']} ({rule['impact']}) at {node['target']}: {node['failureSummary']}"
            for rule in found["violations"]
            for node in rule["nodes"]
        ]

    return check


@pytest.mark.parametrize("forced", ["none", "active"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(opened, violations, losses, theme, forced):
    page = opened(losses, color_scheme=theme, forced_colors=forced)
    for width, unfolded in LOOKS if forced == "none" else LOOKS[1::2]:
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("(open) => document.querySelectorAll('details').forEach((each) => (each.open = open))", unfolded)
        assert violations(page) == [], f"{width} px, {'unfolded' if unfolded else 'folded'}"


def test_axe_finds_what_is_wrong(opened, violations, losses):
    page = opened(losses)
    page.evaluate("document.querySelector('.answer').style.color = '#bbb'")
    assert [text for text in violations(page) if text.startswith("color-contrast (serious)")]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_forced_colours_leave_what_is_chosen_the_ruler_and_the_key(opened, losses, theme):
    page = opened(losses, color_scheme=theme, forced_colors="active")
    filled = "each => getComputedStyle(each).backgroundColor"
    chosen, other = (
        page.locator(f"#mode label:{which} span").first for which in ("has(:checked)", "not(:has(:checked))")
    )
    assert chosen.evaluate(filled) != other.evaluate(filled)
    shot = Image.open(BytesIO(page.locator("#ruler .lane input").first.screenshot())).convert("RGB")
    along = np.asarray(shot)[shot.height // 2]
    ground = 255 if theme == "light" else 0
    assert (along != ground).any(axis=1).mean() > 0.9, "the ruler's track is not drawn"
    keys = page.locator("#outcomes i")
    assert len({key.evaluate(filled) for key in keys.all()}) == keys.count()
