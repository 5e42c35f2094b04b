"""The page in a real browser shows what the histograms and metrics.csv say."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from experiments.frontier.codes import code_to_logit
from experiments.report.example_choice import choose_examples
from experiments.report.page.examples import OUTCOMES
from experiments.report.page.numbers.study import page_numbers
from experiments.report.page.page import write_page
from experiments.report.published import PublishedPoint
from experiments.report.text.wording import digits_of, signed_interval, typeset
from experiments.runs.study import short_names


def number(text):
    return float(text.replace("\N{MINUS SIGN}", "-"))


def cell(page, arm, name):
    return page.locator(f"#arms .arm[data-arm='{arm}'] .{name} b").inner_text()


def interval(page, arm, name):
    return page.locator(f"#arms .arm[data-arm='{arm}'] .{name} small").inner_text()


def assert_shown(text, value, ends=None):
    """A value has the decimals that its interval justifies; where that is not at hand, those that it has."""
    digits = len(text.partition(".")[2]) if ends is None else digits_of(*ends)
    assert digits in (2, 3)
    plus = "+" if text[0] in "+\N{MINUS SIGN}" else ""
    assert text == f"{value + 0.0:{plus}.{digits}f}".replace("-", "\N{MINUS SIGN}")


def arms_of(made):
    return [arm for arm, seeds in made.study.complete.items() if seeds]


@pytest.mark.parametrize("point", ["natural", "tuned"])
def test_operating_points_are_those_of_metrics_csv(opened, drive, losses, point):
    page = opened(losses)
    metrics = pd.read_csv(losses.report / "metrics.csv")
    rows = metrics[(metrics["split"] == "test") & (metrics["operating_point"] == point)]
    means = rows.groupby(["arm", "mask"])[["recall", "precision", "f1"]].mean()
    drive.pick(page, "#mode", point)
    for mask, name in enumerate(losses.masks):
        drive.pick(page, "#frontiers [data-mask-choice]", mask)
        for place, arm in enumerate(arms_of(losses)):
            for shown, column in (("recall", "recall"), ("precision", "precision"), ("F1", "f1")):
                assert_shown(cell(page, place, shown), means.loc[(arm, name), column])


def test_a_slider_shows_what_the_histograms_say(opened, drive, losses):
    page = opened(losses)
    numbers = page_numbers(losses.study, losses.comparison.settings)
    drive.pick(page, "#frontiers [data-mask-choice]", 1)
    for place, arm in enumerate(arms_of(losses)):
        curve = numbers.by_threshold[1, arm]
        on_ruler = curve.codes[np.abs(code_to_logit(curve.codes)) < 8]
        for share in (0.1, 0.45, 0.8, 0.97):
            code = int(on_ruler[int(share * (len(on_ruler) - 1))])
            drive.threshold(page, place, float(code_to_logit(code)))
            values = []
            for run in losses.study.complete[arm].values():
                positives, negatives = run.scores["test"].pooled(1)
                tp, fp = positives[code:].sum(), negatives[code:].sum()
                total = positives.sum()
                values.append((tp / total, tp / (tp + fp), 2 * tp / (tp + fp + total)))
            expected = np.mean(values, axis=0)
            for name, value in zip(("recall", "precision", "F1"), expected, strict=True):
                assert_shown(cell(page, place, name), value)
            threshold = page.locator(f"#arms .arm[data-arm='{place}'] .threshold").inner_text()
            logit = float(code_to_logit(code))
            assert float(re.search(r"logit (\S+)", threshold)[1].replace("\N{MINUS SIGN}", "-")) == pytest.approx(
                logit, abs=0.0051
            )
            # The large marker stands there too.
            at = page.evaluate(
                """([place, recall, precision]) => {
                    const box = document.querySelector('#frontier svg').getBoundingClientRect();
                    const axis = document.querySelector('#frontier path.axis').getBoundingClientRect();
                    const mark = document.querySelectorAll('#frontier .current')[place].getCTM();
                    return [mark.e - (axis.left - box.left) - recall * axis.width,
                            mark.f - (axis.top - box.top) - (1 - precision) * axis.height];
                }""",
                [place, expected[0], expected[1]],
            )
            assert np.abs(at).max() < 1.0
    assert page.locator("#mode input:checked").get_attribute("value") == "hand"


def test_intervals_are_shown_and_speak_of_the_level(opened, losses):
    page = opened(losses)
    numbers = page_numbers(losses.study, losses.comparison.settings)
    for place, arm in enumerate(arms_of(losses)):
        curve = numbers.by_threshold[0, arm]
        bounds = curve.bounds[curve.natural].astype(float)
        for name, (low, high) in zip(("recall", "precision", "F1"), bounds.reshape(3, 2), strict=True):
            shown = interval(page, place, name)
            if len(losses.study.complete[arm]) < 3:
                assert np.isnan([low, high]).all()
                assert shown == ""
                continue
            digits = digits_of(low, high)
            assert shown == f"[{low:.{digits}f}, {high:.{digits}f}]"
            value = cell(page, place, name)
            assert len(value.partition(".")[2]) == digits
            assert low < number(value) < high


def test_the_lock_aligns_recalls_and_leaves_the_gain(opened, drive, losses):
    page = opened(losses)
    drive.pick(page, "#mode", "recall")
    matched = losses.comparison.matched
    matched = matched[(matched["kind"] == "precision at recall") & (matched["mask"] == losses.masks[0])]
    arms = arms_of(losses)
    unreachable = 0
    for level in (0.3, 0.5, 0.8, 0.95):
        drive.slide(page, "#level-0", round(level * 200) - 1)
        assert float(page.locator("#frontiers .lock output").inner_text()) == level
        for place, arm in enumerate(arms[1:], start=1):
            row = matched[(matched["arm"] == arm) & (matched["level"] == level)].iloc[0]
            if f"unreachable for {arm}" in row["status"]:
                unreachable += 1
                assert "unreachable" in page.locator(f"#arms .arm[data-arm='{place}'] .threshold").inner_text()
                assert cell(page, place, "precision") == "\N{EN DASH}"
                continue
            assert abs(number(cell(page, place, "recall")) - level) <= 0.02
            assert_shown(cell(page, place, "precision"), row["arm_value"])
            assert_shown(cell(page, place, "gain"), row["difference"], (row["low"], row["high"]))
            told = "" if row["n_seeds"] < 3 else typeset(signed_interval(row["low"], row["high"]))
            assert interval(page, place, "gain") == told
    assert unreachable > 0
    # Dragging one arm's slider moves all of them to its recall.
    drive.threshold(page, 0, -1.5)
    level = float(page.locator("#frontiers .lock output").inner_text())
    assert page.locator("#mode input:checked").get_attribute("value") == "recall"
    for place in (0, 1, 3):
        assert number(cell(page, place, "recall")) == pytest.approx(level, abs=0.02)


def test_pointing_at_a_frontier_tells_threshold_precision_recall_and_f1(opened, losses):
    page = opened(losses)
    numbers = page_numbers(losses.study, losses.comparison.settings)
    curve = numbers.by_recall[0, "loss=slid"]
    level = 99  # recall .5
    precision = np.mean(curve.tp[:, level] / (curve.tp[:, level] + curve.fp[:, level]))
    page.locator("#frontier svg").scroll_into_view_if_needed()
    axis = page.locator("#frontier path.axis").bounding_box()
    page.mouse.move(axis["x"] + 0.5 * axis["width"], axis["y"] + (1 - precision) * axis["height"])
    text = page.locator("#readout").inner_text()
    # Two of its seeds are there.
    words = r"at recall 0\.(49|50)\d: precision 0\.\d{3}, F1 0\.\d{3}; .*\(too few seeds for an interval"
    assert re.search(words, text)
    assert re.search(r"threshold \S+ \(logit ", text)
    # By keyboard: the same arm's neighbour, one level on.
    page.locator("#frontier svg").focus()
    page.keyboard.press("ArrowDown")
    other = page.locator("#readout").inner_text()
    assert other.split(" at recall")[0] != text.split(" at recall")[0]
    page.keyboard.press("ArrowRight")
    assert page.locator("#readout").inner_text() != other
    page.keyboard.press("Escape")
    assert "Point at a frontier" in page.locator("#readout").inner_text()


def test_after_a_tap_the_point_stays(opened, losses):
    page = opened(losses, width=390, has_touch=True)
    page.locator("#frontier svg").scroll_into_view_if_needed()
    axis = page.locator("#frontier path.axis").bounding_box()
    page.touchscreen.tap(axis["x"] + 0.5 * axis["width"], axis["y"] + 0.3 * axis["height"])
    told = page.locator("#readout").inner_text()
    assert "at recall" in told
    page.locator("#frontiers .lede").tap()
    assert page.locator("#readout").inner_text() == told


def test_one_ruler_has_the_thresholds_of_all_arms(opened, drive, weights):
    page = opened(weights)
    assert page.locator("#ruler p").inner_text().startswith("All at logit 0, probability 0.5.")
    drive.pick(page, "#mode", "recall")
    place = arms_of(weights).index("loss.pos_weight=42")
    told = page.locator(f"#ruler .lane[data-arm='{place}'] .slide-of").inner_text()
    # At the same recall, a weight of 42 has its threshold ln 42 logits above the baseline's.
    slide = re.match(r"\+(\d+\.\d+)$", told)
    assert float(slide[1]) == pytest.approx(np.log(42), abs=0.03)
    thumbs = [float(each) for each in page.locator("#ruler input").evaluate_all("all => all.map((each) => each.value)")]
    assert thumbs[place] - thumbs[0] == pytest.approx(float(slide[1]), abs=0.006)
    # The bar from the baseline's thumb to the arm's is as long as the slide.
    bar, track = (
        page.locator(f"#ruler .lane[data-arm='{place}'] {part}").bounding_box() for part in (".slide-bar", "input")
    )
    assert bar["width"] == pytest.approx(float(slide[1]) / 16 * (track["width"] - 18), abs=1.0)


def test_a_thumb_is_dragged_tapped_and_moved_by_keys(opened, drive, weights):
    page = opened(weights, width=390, has_touch=True)
    lane = page.locator("#ruler .lane[data-arm='1']")
    track = lane.locator("input")
    track.scroll_into_view_if_needed()
    box = track.bounding_box()
    at = {logit: box["x"] + 9 + (logit + 8) / 16 * (box["width"] - 18) for logit in (0, -3, 2)}
    y = box["y"] + box["height"] / 2
    page.mouse.move(at[0], y)
    page.mouse.down()
    page.mouse.move(at[-3], y, steps=4)
    page.mouse.up()
    assert page.locator("#mode input:checked").get_attribute("value") == "hand"
    codes = page_numbers(weights.study, weights.comparison.settings).by_threshold[0, arms_of(weights)[1]].codes
    logits = code_to_logit(codes)

    def nearest(logit):
        """A thumb stands at a measured threshold; a pixel of this narrow ruler is a tenth of a logit."""
        return pytest.approx(float(logits[np.abs(logits - logit).argmin()]), abs=0.2)

    assert number(lane.locator(".slide-of").inner_text()) == nearest(-3)
    page.touchscreen.tap(at[2], y)
    tapped = number(lane.locator(".slide-of").inner_text())
    assert tapped == nearest(2)
    page.locator("#frontiers .lede").tap()
    assert number(lane.locator(".slide-of").inner_text()) == tapped  # the last point stays
    # A key goes to the next measured threshold, however near; a thumb at the end is at the last one.
    stop = int(np.abs(logits - float(track.input_value())).argmin())
    track.focus()
    page.keyboard.press("ArrowLeft")
    assert float(track.input_value()) == pytest.approx(float(logits[stop - 1]), abs=1e-3)
    page.keyboard.press("Home")
    assert float(track.input_value()) == pytest.approx(max(float(logits[0]), -8), abs=1e-3)
    # Locked, one thumb takes all along to its recall.
    drive.pick(page, "#mode", "recall")
    before = page.locator("#ruler input").evaluate_all("all => all.map((each) => Number(each.value))")
    track.press("PageUp")
    after = page.locator("#ruler input").evaluate_all("all => all.map((each) => Number(each.value))")
    assert (np.array(after) > before).all()


def test_pictures_beside_the_ruler_show_where_two_arms_differ(opened, drive, losses):
    page = opened(losses)
    choice = choose_examples(losses.study)
    place = choice.places[0]
    arms = arms_of(losses)
    target = choice.scores[arms[0]].targets[place][0]
    fired = [code_to_logit(choice.scores[arm].codes[place][0]) >= 0 for arm in arms]
    for arm in (2, 1):
        page.locator(f"#ruler .lane[data-arm='{arm}']").hover()
        names = page.locator("#beside b").all_inner_texts()
        assert names == [short_names(arms)[arms[0]], short_names(arms)[arms[arm]], "where they differ"]
        only, lost = fired[arm] & ~fired[0], fired[0] & ~fired[arm]
        told = (
            f"{(only & target).sum()} more found, {(lost & target).sum()} more missed\n"
            f"{(only & ~target).sum()} more false alarms, {(lost & ~target).sum()} fewer"
        )
        assert page.locator("#beside .counts").nth(2).inner_text() == told
    assert fired[1].sum() != fired[0].sum()  # a slide, whose pixels differ at logit 0


def test_nothing_moves_while_the_page_loads(browser, losses):
    """Heights are reserved: the sum of layout shifts that the browser measures is that of a page that stands still."""
    for width in (390, 1280):
        context = browser.new_context(viewport={"width": width, "height": 900})
        page = context.new_page()
        page.add_init_script(
            """window.shifts = [];
            new PerformanceObserver((list) => {
                for (const entry of list.getEntries()) {
                    const nodes = entry.sources.map(({ node }) => node?.id || node?.className || node?.nodeName);
                    window.shifts.push([entry.value, nodes.join()]);
                }
            }).observe({ type: "layout-shift", buffered: true });"""
        )
        page.goto(losses.page.as_uri())
        page.wait_for_selector("#picture-grid canvas")
        for part in ("#frontiers", "#seesaw", "#pictures", "#runs"):
            page.locator(part).scroll_into_view_if_needed()
            page.wait_for_timeout(100)
        shifts = page.evaluate("window.shifts")
        context.close()
        assert sum(value for value, _ in shifts) < 0.01, shifts


def test_published_pairs_stand_where_they_were_reported(opened, losses, tmp_path):
    point = PublishedPoint(label="theirs", recall=0.8, f1=0.5, mask="thin")
    path = tmp_path / "report.html"
    write_page(path, losses.study, losses.comparison, examples=choose_examples(losses.study), published=(point,))
    page = opened(replace(losses, page=path))
    star = page.locator("#frontier .published")
    at = [float(each) for each in re.findall(r"[\d.]+", star.get_attribute("transform"))]
    axis = page.locator("#frontier path.axis").get_attribute("d")
    left, top, foot, right = (float(each) for each in re.match(r"M(\S+) (\S+?)V(\S+?)H(\S+)", axis).groups())
    assert at[0] == pytest.approx(left + 0.8 * (right - left), abs=0.5)
    assert at[1] == pytest.approx(foot - point.precision * (foot - top), abs=0.5)
    assert page.locator("#frontier .published-name").text_content() == "theirs"
    assert "theirs: recall 0.8 and F1 0.5" in page.locator("#frontiers figcaption.fine").inner_text()


def test_the_seesaw_goes_over_measured_weights(opened, drive, weights):
    page = opened(weights)
    metrics = pd.read_csv(weights.report / "metrics.csv")
    assert page.locator("#step-label").inner_text() == "positive-class weight"
    assert page.locator("#trace-note").inner_text().endswith("loss=dice.")
    assert page.locator("#step").get_attribute("max") == "2"
    for point in ("natural", "tuned"):
        drive.pick(page, "#seesaw-point", point)
        rows = metrics[
            (metrics["split"] == "test") & (metrics["operating_point"] == point) & (metrics["mask"] == "thin")
        ]
        for step, weight in enumerate((1, 5, 42)):
            drive.slide(page, "#step", step)
            assert page.locator("#step-name").inner_text() == ("1 (baseline)" if weight == 1 else str(weight))
            mean = rows[rows["arm"] == f"loss.pos_weight={weight}"][["precision", "recall", "f1"]].mean()
            shown = page.locator("#plank .big").all_text_contents()
            for text, column in zip(shown, ("precision", "recall", "f1"), strict=True):
                assert_shown(text.removeprefix("F1 "), mean[column])
            ends = page.evaluate("[...document.querySelectorAll('#plank .end')].map((end) => +end.getAttribute('cy'))")
            assert (ends[0] > ends[1]) == (mean["precision"] < mean["recall"])


def test_the_plank_opens_on_the_baseline_and_tells_what_another_weight_changes(opened, drive, weights):
    page = opened(weights)
    metrics = pd.read_csv(weights.report / "metrics.csv")
    rows = metrics[
        (metrics["split"] == "test") & (metrics["operating_point"] == "natural") & (metrics["mask"] == "thin")
    ]
    means = rows.groupby("arm")[["recall", "precision", "f1"]].mean()
    assert page.locator("#step-name").inner_text() == "1 (baseline)"
    assert page.locator("#plank .ghost").is_hidden()
    assert "every stop is another measured weight" in page.locator("#seesaw-text").inner_text()
    assert page.locator("#stops span").all_inner_texts() == ["1", "5", "42"]
    drive.slide(page, "#step", 2)
    told = page.locator("#seesaw-text").inner_text()
    # The faint plank is the baseline's at the threshold 1 / (1 + 42): at its precision and its recall there.
    assert f"loss.pos_weight=1 at threshold {1 / 43:.3f}, where theory expects the same point" in told
    controls = pd.read_csv(weights.report / "controls.csv")
    theory = controls[
        (controls["control"] == "baseline at theory's threshold") & (controls["arm"] == "loss.pos_weight=42")
    ].iloc[0]
    change = means.loc["loss.pos_weight=42"] - theory[["recall", "precision", "f1"]].astype(float)
    against = re.search(r"recall (\S+), precision (\S+), F1 (\S+)\.", told.split("(the faint plank): ")[1])
    for text, value in zip(against.groups(), change, strict=True):
        assert_shown(text, value)
    place = page.evaluate(
        """() => {
            const ends = document.querySelector('#plank .ghost').getAttribute('d').split(/[ML]/);
            const axis = document.querySelector('#plank .axis');
            const [low, high] = [axis.getAttribute('y1'), axis.getAttribute('y2')].map(Number);
            return [ends[1], ends.at(-1)].map((end) => (low - end.split(' ')[1]) / (low - high));
        }"""
    )
    assert place == pytest.approx([theory["precision"], theory["recall"]], abs=0.002)
    answer = page.locator("#seesaw-answer").inner_text()
    for column in ("recall", "precision", "f1"):
        first, last = (means.loc[f"loss.pos_weight={weight}", column] for weight in (1, 42))
        verb = "rises" if last > first else "falls"
        name = "F1" if column == "f1" else column
        assert f"{name} {verb} from {first:.2f} to {last:.2f}" in answer
    best = means.loc[[f"loss.pos_weight={weight}" for weight in (1, 5, 42)], "f1"].idxmax()
    assert f"F1 is highest at weight {best.split('=')[1]}, {means.loc[best, 'f1']:.2f}" in answer
    drive.slide(page, "#step", 0)
    assert page.locator("#plank .ghost").is_hidden()


def test_the_first_step_fits_the_study(opened, losses, weights):
    for made, first in ((losses, "Put all arms at the same recall"), (weights, "Drag the weight")):
        page = opened(made)
        assert page.locator(".steps a b").first.inner_text() == first
        page.locator("#same-recall").click()
        assert page.locator("#mode input:checked").get_attribute("value") == "recall"


def test_the_plank_runs_through_f1(opened, drive, losses):
    page = opened(losses)
    assert page.locator("#step-label").inner_text() == "arm"
    for step in range(4):
        drive.slide(page, "#step", step)
        gap = page.evaluate(
            """() => {
                const plank = document.querySelector('#plank .plank');
                const hub = document.querySelector('#plank .hub');
                const middle = plank.getAttribute('d').split(/[ML]/)[21].split(' ').map(Number);
                return [middle[0] - hub.getAttribute('cx'), middle[1] - hub.getAttribute('cy')];
            }"""
        )
        assert np.abs(gap).max() < 0.11
    assert short_names(list(losses.study.complete))["loss=bce"] == "bce"


def test_pictures_follow_the_slider(opened, drive, losses):
    page = opened(losses)

    def painted():
        return page.evaluate(
            """(colours) => {
                const canvas = document.querySelectorAll('#picture-grid canvas')[2];
                const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
                const count = {};
                for (let i = 0; i < data.length; i += 4) {
                    const key = [data[i], data[i + 1], data[i + 2]].join();
                    count[key] = (count[key] || 0) + 1;
                }
                return colours.map((key) => count[key] || 0);
            }""",
            [",".join(str(round(255 * part)) for part in to_rgb(colour)) for colour in OUTCOMES.values()],
        )

    choice = choose_examples(losses.study)
    scores = choice.scores["loss=bce"]
    image = choice.places[0]
    codes, target = scores.codes[image][0], scores.targets[image][0]
    fired = code_to_logit(codes) >= 0
    assert painted() == [(fired & target).sum(), (fired & ~target).sum(), (~fired & target).sum()]
    drive.pick(page, "#mode", "tuned")
    fired = codes >= choice.tuned["loss=bce"][0]
    hit, alarm, miss = (fired & target).sum(), (fired & ~target).sum(), (~fired & target).sum()
    assert painted() == [hit, alarm, miss]
    values = (2 * hit / (2 * hit + alarm + miss), hit / (hit + alarm), hit / (hit + miss))
    lines = [f"{name} {value:.2f}" for name, value in zip(("F1", "precision", "recall"), values, strict=True)]
    assert page.locator("#picture-grid .counts").nth(2).inner_text() == "\n".join(lines)
    assert page.locator("#picture-mode").inner_text() == ""
    drive.pick(page, "#mode", "recall")
    assert "held over all test images together" in page.locator("#picture-mode").inner_text()
    drive.pick(page, "#mode", "hand")
    drive.threshold(page, 0, -8)
    assert painted()[2] == 0  # the lowest threshold misses nothing


def test_names_stay_text(opened, drive, losses):
    page = opened(losses)
    for mask in (1, 0):
        drive.pick(page, "#frontiers [data-mask-choice]", mask)
    page.locator("details").evaluate_all("all => all.forEach((each) => (each.open = true))")
    assert page.evaluate("window.hacked") is None
    assert page.locator("img, iframe").count() == 0
    assert page.locator("script").count() == 2
    evil = losses.masks[1]
    assert page.locator("h1").inner_text() == f"Which {evil}?"
    names = page.locator("#arms .name").all_inner_texts()
    assert any("<img src=x onerror='window.hacked=3'>&\"<b>" in name for name in names)
    assert evil in page.locator("#frontiers [data-mask-choice] span").all_inner_texts()


def test_one_seed_has_no_interval_and_says_why(opened, one_seed):
    page = opened(one_seed)
    assert number(cell(page, 0, "recall")) > 0
    assert interval(page, 0, "recall") == ""
    assert "too few seeds for an interval: 1, where 3 are needed" in page.locator("#panel").inner_text()
