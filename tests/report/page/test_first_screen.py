"""The first screen in a browser: all of it fits, its drawings hold the numbers of the tables, and they are linked."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from experiments.report.example_choice import choose_examples
from experiments.report.page.numbers.study import page_numbers
from experiments.report.page.page import write_page
from experiments.report.text.answer import answer
from experiments.report.text.recommendation import recommendations
from experiments.report.text.sayings import SAYINGS
from experiments.report.text.wording import digits_of, signed
from experiments.runs.study import short_names


def plain(text):
    return text.replace("\N{MINUS SIGN}", "-").replace("\N{RIGHTWARDS ARROW}", "->")


def test_everything_that_matters_fits_a_laptop(opened, weights):
    page = opened(weights)
    page.set_viewport_size({"width": 1280, "height": 800})
    for part in ("h1", ".answer", ".do", ".slide-step", ".forest", ".limits"):
        box = page.locator(part).first.bounding_box()
        assert box["height"] > 10
        assert box["y"] + box["height"] <= 800, part


def test_question_answer_and_commands_are_those_of_the_report(opened, losses):
    page = opened(losses)
    names = short_names(list(losses.study.complete))
    told = answer(losses.comparison, names).replace("**", "")
    assert len(told.split()) <= 30
    assert plain(page.locator(".answer").inner_text()) == told
    items = recommendations(losses.study, losses.comparison)
    assert [plain(text) for text in page.locator(".do li p").all_inner_texts()] == [
        item.text.replace("**", "") for item in items
    ]
    assert page.locator(".do code").all_text_contents() == [item.command for item in items if item.command]


def test_points_stand_at_slide_and_step(opened, losses):
    page = opened(losses)
    slides = pd.read_csv(losses.report / "slides.csv").dropna(subset=["shift", "precision_gain"])
    axes = page.evaluate(
        """() => {
            const drawing = document.querySelector('.slide-step');
            const read = (text) => parseFloat(text.textContent.replace('\\u2212', '-'));
            const texts = [...drawing.querySelectorAll('text:not(.name):not(.title):not(.halo)')];
            const below = texts.filter((text) => text.getAttribute('text-anchor') === 'middle');
            const beside = texts.filter((text) => text.getAttribute('text-anchor') === 'end');
            return [below.map((text) => [read(text), +text.getAttribute('x')]),
                    beside.map((text) => [read(text), +text.getAttribute('y') - 4])];
        }"""
    )
    to_screen = [np.polynomial.Polynomial.fit(*np.transpose(ticks), 1) for ticks in axes]
    points = page.locator(".slide-step").first.locator(".point")
    assert points.count() == len(slides)
    arms = list(losses.comparison.arm_verdicts["arm"])
    for point, (_, row) in zip(points.all(), slides.iterrows(), strict=True):
        at = re.search(r"translate\((\S+) (\S+)\)", point.locator(".marker").get_attribute("transform"))
        expected = to_screen[0](row["shift"]), to_screen[1](row["precision_gain"])
        assert [float(each) for each in at.groups()] == pytest.approx(expected, abs=0.6)
        assert int(point.get_attribute("data-arm")) == 1 + arms.index(row["arm"])
        told = plain(point.get_attribute("data-told"))
        assert f"slide {row['shift']:+.2f}" in told
        digits = digits_of(row["precision_gain_low"], row["precision_gain_high"])
        assert f"step {row['precision_gain']:+.{digits}f}" in told


def test_the_forest_has_the_gains_of_arms_and_masks(opened, losses):
    page = opened(losses)
    arms, masks = (pd.read_csv(losses.report / f"{name}.csv") for name in ("arms", "verdicts"))
    groups = page.locator(".forest tbody").all()
    assert len(groups) == len(arms)
    for group, (_, arm) in zip(groups, arms.iterrows(), strict=True):
        rows = [("", arm)]
        rows += [("f1_", arm)] if arm["verdict"] != arm["verdict_f1"] else []
        rows += [("", row) for _, row in masks[masks["arm"] == arm["arm"]].iterrows()]
        words = [row["verdict_f1" if of else "verdict"] for of, row in rows]
        assert group.locator(".verdict span").all_inner_texts() == words
        assert [plain(text) for text in group.locator(".number").all_inner_texts()] == [
            "\N{EN DASH}"
            if word == "not trained"
            else signed(row[f"{of or 'headline_'}gain"], digits_of(row[f"{of}verdict_low"], row[f"{of}verdict_high"]))
            for word, (of, row) in zip(words, rows, strict=True)
        ]


@pytest.fixture
def one_point(losses, tmp_path):
    """The study, with an arm that is better at one threshold only."""
    table = losses.comparison.arm_verdicts.copy()
    dice = table["arm"] == "loss=dice"
    table.loc[dice, ["verdict", "verdict_f1"]] = ["undecided", "moves out"]
    for prefix, gain in (("headline_", 0.004), ("f1_", 0.018)):
        table.loc[dice, [f"{prefix}gain", f"{prefix}gain_low", f"{prefix}gain_high"]] = [gain, gain - 0.01, gain + 0.01]
    comparison = replace(losses.comparison, arm_verdicts=table)
    page = tmp_path / "report.html"
    write_page(page, losses.study, comparison, examples=choose_examples(losses.study))
    return replace(losses, comparison=comparison, page=page)


def test_the_gain_that_advice_rests_on_stands_in_the_forest(opened, one_point):
    advice = recommendations(one_point.study, one_point.comparison)[0]
    told = re.search(r"use \*\*(\w+)\*\*: tuned F1 (\S+) \[", advice.text)
    assert told, f"the study's advice rests on something else: {advice.text}"
    page = opened(one_point)
    own = page.locator(".forest tbody", has_text=told[1])
    row = own.locator("tr", has_text="tuned F1")
    assert plain(row.locator(".number").inner_text()) == told[2]
    assert row.locator(".verdict").inner_text().split() == ["\N{BLACK UP-POINTING TRIANGLE}", "moves", "out"]
    hollow = row.locator("circle")
    assert hollow.evaluate("each => getComputedStyle(each).fill") != own.locator("circle").first.evaluate(
        "each => getComputedStyle(each).fill"
    )


def test_the_words_of_the_forest_are_explained_without_pointing(opened, losses):
    page = opened(losses)
    page.set_viewport_size({"width": 390, "height": 844})
    words = {*page.locator(".forest .verdict span").all_text_contents()}
    means = page.locator(".means")
    assert means.is_visible()
    said = [text.partition(": ") for text in means.locator("span").all_inner_texts()]
    signs = dict(
        zip(*(page.locator(f".forest .verdict {of}").all_text_contents() for of in ("span", "i")), strict=True)
    )
    assert {word: sign for sign, word in (head.split(" ", 1) for head, _, _ in said)} == signs
    assert {word: f"{SAYINGS[word].means}." for word in words} == {
        head.split(" ", 1)[1]: mean for head, _, mean in said
    }


def test_pointing_and_focus_link_both_drawings(opened, losses):
    page = opened(losses)
    hint = page.locator("#pointed").inner_text()
    page.locator(".forest tbody").nth(1).focus()
    arm = page.locator(".forest tbody").nth(1).get_attribute("data-arm")
    pointed = page.locator("#pair .pointed").evaluate_all("all => all.map((each) => each.dataset.arm)")
    assert set(pointed) == {arm}
    assert page.locator(f".slide-step .point[data-arm='{arm}'].pointed").count() >= 1
    assert "slide " in page.locator("#pointed").inner_text()
    assert "focus" in page.locator(f"#arms .arm[data-arm='{arm}']").get_attribute("class")
    page.keyboard.press("Escape")
    assert page.locator("#pointed").inner_text() == hint
    point = page.locator(".slide-step").first.locator(".point .marker").first
    point.scroll_into_view_if_needed()
    point.hover(force=True)
    assert page.locator("#pointed").inner_text() == f"{point.evaluate('each => each.parentNode.dataset.told')}."
    page.evaluate("document.activeElement.blur()")
    page.mouse.move(2, 2)
    assert page.locator("#pair .pointed").count() == 0


def test_a_command_is_copied_or_selected(opened, losses):
    page = opened(losses)
    holder = page.locator(".command").first
    holder.locator("button").click()
    page.wait_for_function("() => document.querySelector('.command button').textContent !== 'Copy'")
    said, command = holder.locator("button").inner_text(), holder.locator("code").text_content()
    # A browser may refuse the clipboard to a page; the command is selected then.
    taken = (
        page.evaluate("getSelection().toString()")
        if said == "Selected"
        else page.evaluate("navigator.clipboard.readText().catch(() => null)")
    )
    assert taken in (command, None)
    assert (said, taken) != ("Selected", None)


def test_without_a_script_there_are_still_figures_and_no_empty_boxes(browser, losses):
    context = browser.new_context(viewport={"width": 1280, "height": 800}, java_script_enabled=False)
    page = context.new_page()
    page.goto(losses.page.as_uri())
    shown = (".slide-step", ".forest .gain-bar", ".still", "#verdicts", "#matched table", "#run-table")
    assert all(page.locator(part).first.is_visible() for part in shown)
    assert "hollow: at the threshold tuned on validation" in page.locator(".stills .keys").inner_text()
    hidden = ("#frontier", "#arms", "#seesaw", "#picture-grid", "[data-mask-name]", "[data-mask-choice]", ".readout")
    assert all(page.locator(part).first.is_hidden() for part in hidden)
    assert page.locator(".command button").count() == 0
    assert page.locator("#matched .wide").evaluate_all("all => all.every((each) => each.querySelector('caption'))")
    context.close()


def test_still_lines_are_the_live_ones(opened, losses):
    page = opened(losses)
    numbers = page_numbers(losses.study, losses.comparison.settings)
    curve = numbers.by_recall[0, "loss=slid"]
    level = 100
    precision = np.mean(curve.tp[:, level] / (curve.tp[:, level] + curve.fp[:, level]))
    x, y = 34 + 200 * numbers.recalls[level], 20 + 200 * (1 - precision)
    lines = page.locator(".still").first.locator("path.line").evaluate_all("all => all.map((l) => l.getAttribute('d'))")
    assert sum(f"{x:.1f} {y:.1f}" in line for line in lines) == 1
