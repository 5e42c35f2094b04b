"""The page as text: nothing is loaded, names stay names, arrays survive, pictures fit."""

import base64
import json
import re
import zlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from experiments.frontier.codes import NATURAL_CODE
from experiments.inference.looks import Looks
from experiments.report.example_choice import choose_examples
from experiments.report.gains import GainAxis, gain_table
from experiments.report.page import examples as page_example
from experiments.report.page.bars import Bars
from experiments.report.page.examples import OUTCOMES, example_payload, page_examples, picture_levels, richest_window
from experiments.report.page.markup import marked
from experiments.report.page.numbers.study import page_numbers
from experiments.report.page.packed import narrow_counts, packed, script_json
from experiments.report.page.verdicts import _cell, verdict_tables
from experiments.report.text.verdicts import level_notes, limits
from experiments.report.text.wording import digits_of, signed, signed_interval, typeset
from experiments.runs.foreign_files import read_csv


def test_arrays_come_back():
    array = np.array([[1.5, np.nan], [-0.0, 3.25]])
    pack = packed(array)
    back = np.frombuffer(base64.b64decode(pack["data"]), "<f8").reshape(pack["shape"])
    assert back.tobytes() == array.tobytes()
    deflated = packed(np.arange(5, dtype=np.uint16), deflated=True)
    assert np.frombuffer(zlib.decompress(base64.b64decode(deflated["data"])), "<u2").tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(TypeError, match=r"array: expected one of uint8, .* got int64"):
        packed(np.zeros(1, np.int64))


def test_counts_stay_exact_beyond_32_bits():
    assert narrow_counts(np.array([2**32 - 1])).dtype == np.uint32
    large = narrow_counts(np.array([2**40 + 1]))
    assert large.dtype == np.float64
    assert int(large[0]) == 2**40 + 1


def test_json_cannot_end_its_element(losses):
    evil = losses.masks[1]
    text = script_json({evil: [evil, None, 1.5]})
    assert not set("<>&") & set(text)
    assert json.loads(text) == {evil: [evil, None, 1.5]}
    with pytest.raises(ValueError, match="JSON"):
        script_json({"a": float("nan")})


def test_the_first_screen_explains_the_verdicts_that_occur(losses, one_seed):
    for made in (losses, one_seed):
        page = made.page.read_text()
        key = page.split('<div class="key">')[1].split("</div><p>")[0]
        words = re.findall(r"</i> ([a-z ]+)</dt>", key)
        tables = (made.comparison.arm_verdicts, made.comparison.verdicts)
        found = np.concatenate([each[["verdict", "verdict_f1"]].to_numpy().ravel() for each in tables])
        assert sorted(words) == sorted(set(found))
    assert "AP, average precision, is its mean height" in page


def cells_of(page, part):
    """The cells of one of the tables of verdicts, row by row."""
    table = page.split(f'id="{part}"')[1].split("</table>")[0].split("<tbody>")[1]
    return [re.findall(r"<td>(.*?)</td>", row, re.S) for row in re.findall(r"<tr>(.*?)</tr>", table, re.S)]


def test_arms_come_first_and_every_value_is_that_of_the_csv_files(losses, weights):
    for made in (losses, weights):
        page = made.page.read_text()
        arms = [arm for arm in made.study.complete if arm != made.study.baseline]
        first = read_csv(made.report / "arms.csv").set_index("arm")
        masks = read_csv(made.report / "verdicts.csv").set_index(["arm", "mask"])
        told = []
        for arm, cells in zip(arms, cells_of(page, "over-masks"), strict=True):
            row = first.loc[arm]
            told += [(cells[0], row, "headline_gain", "", "verdict"), (cells[1], row, "f1_gain", "f1_", "verdict_f1")]
        if len(made.masks) > 1:
            assert page.index('id="over-masks"') < page.index("which is secondary") < page.index('id="by-mask"')
            for arm, cells in zip(arms, cells_of(page, "by-mask"), strict=True):
                for mask, cell in zip(made.masks, cells, strict=True):
                    told.append((cell, masks.loc[arm, mask], "headline_gain", "", "verdict"))
        else:
            assert "which is secondary" not in page
        for cell, row, gain, prefix, word in told:
            assert f"</i> {row[word]}</span>" in cell
            text = typeset(re.sub(r"<.*?>", "", cell))
            ends = [row[f"{gain}_low"], row[f"{gain}_high"]]
            assert typeset(signed(row[gain], digits_of(*ends))) in text
            assert (typeset(signed_interval(*ends)) in text) != pd.isna(ends[0])
            ends = [row[f"{prefix}verdict_low"], row[f"{prefix}verdict_high"]]
            assert ("verdict: [" in text) != pd.isna(ends[0])
            if not pd.isna(ends[0]):
                assert f"verdict: {typeset(signed_interval(*np.clip(ends, -1, 1)))}" in text


def test_bars_draw_both_intervals_on_one_scale(losses):
    table = gain_table(losses.comparison)
    axis = GainAxis.of_table(table[table["rank"] == "first"], 0.01)
    bars = Bars(axis, 0.01)
    assert bars.at(axis.low) == 6 and bars.at(axis.high) == 144
    for _, row in losses.comparison.arm_verdicts.iterrows():
        drawn = bars.draw(row, "headline_gain", "")
        own, rests_on = (re.search(rf'class="{name}" d="M(\S+) 7H([\d.]+)', drawn) for name in ("own", "rests-on"))
        for found, name in ((own, "headline_gain"), (rests_on, "verdict")):
            ends = row[[f"{name}_low", f"{name}_high"]].astype(float)
            if ends.isna().any():  # two seeds
                assert found is None
            else:
                assert [float(value) for value in found.groups()] == [bars.at(end) for end in ends]
    far = losses.comparison.arm_verdicts.iloc[0].copy()
    far[["headline_gain", "headline_gain_low", "headline_gain_high", "verdict_low"]] = [-0.9, -0.95, -0.8, -5.0]
    drawn = bars.draw(far, "headline_gain", "")
    assert drawn.count('class="beyond"') == 1 and "<circle" not in drawn
    assert "own interval \N{MINUS SIGN}0.95 to \N{MINUS SIGN}0.80" in drawn
    assert "the verdict's \N{MINUS SIGN}1.00 to" in str(drawn).replace("&#39;", "'")
    far["headline_gain"] = float("nan")
    assert bars.draw(far, "headline_gain", "") == ""


def test_levels_limits_and_collapses_stand_below_the_verdicts(losses):
    page = losses.page.read_text()
    below = page.split('<div class="rests">')[1].split("</div>")[0]
    for note in (*level_notes(losses.comparison), *limits(losses.comparison)):
        assert typeset(note).replace("'", "&#39;") in below
    in_stages = replace(
        losses.comparison,
        settings=replace(losses.comparison.settings, looks=Looks.of([2, 3], [0, 1, 2])),
        arm_verdicts=losses.comparison.arm_verdicts.assign(look=1),
    )
    n = losses.comparison.arm_verdicts["n_seeds"].iloc[0]
    assert f"<small>{n} seeds, look 1</small>" in verdict_tables(losses.study, in_stages)
    lost = losses.comparison.arm_verdicts.iloc[0].copy()
    lost[["verdict", "n_collapsed", "n_seeds", "n_trained_seeds"]] = ["not trained", 1, 4, 3]
    lost[["trained_seeds_gain", "trained_seeds_gain_low", "trained_seeds_gain_high"]] = [0.02, 0.01, 0.03]
    cell = _cell("AP", lost, Bars(GainAxis(-1, 1), 0.01))
    assert "1 of 4 seeds collapsed" in cell
    assert "if it trains: +0.020 [+0.010, +0.030]" in cell
    assert "<svg" not in cell and "verdict: [" not in cell


def test_the_page_holds_everything_and_asks_for_nothing(losses):
    page = losses.page.read_text()
    assert len(page) < 2_000_000
    assert "default-src 'none'" in page
    assert not re.findall(r"<(?:link|iframe|img|object|embed|base)\b", page)
    assert not re.findall(r"\b(?:src|action)\s*=", re.sub(r"&[a-z#0-9]+;.*?=", "", page.split("<style>")[0]))
    assert not re.findall(r"url\(|@import|fetch\(|XMLHttpRequest|WebSocket|import\(", page)
    assert re.findall(r"https?://[^\s\"'<>)]+", page) == ["http://www.w3.org/2000/svg"]
    assert "{{" not in page
    # The three scripts that the page has are its own: no name opened or closed one.
    assert len(re.findall(r"<script", page)) == len(re.findall(r"</script", page)) == 2


def test_the_answer_comes_first_and_every_arm_is_told(losses):
    page = losses.page.read_text()
    first = ("<h1>", 'class="answer"', 'class="do"', 'class="slide-step"', 'class="forest"', 'class="fine limits"')
    order = [page.index(part) for part in (*first, 'id="frontiers"', 'id="seesaw"', 'id="verdicts"', 'id="matched"')]
    order += [page.index(part) for part in ('id="pictures"', 'id="runs"')]
    assert order == sorted(order)
    answer, told = (re.search(rf'<p class="{name}">(.*?)</p>', page).group(1) for name in ("answer", "told"))
    for arm in ("slid", "dice"):
        assert f"<strong>{arm}</strong>" in answer
        assert f"<strong>{arm}</strong>" in told
    assert "not finite" in page
    assert "hole: loss=slid seed 2 is diverged" in page


@pytest.fixture(scope="module")
def examples(losses):
    return page_examples(choose_examples(losses.study))


def test_a_picture_at_the_natural_and_the_tuned_threshold_is_exact(losses, examples):
    numbers = page_numbers(losses.study, losses.comparison.settings)
    for mask in range(2):
        for arm, codes in examples[0].codes.items():
            run = numbers.seeds[arm].index(examples[0].seed)
            curve = numbers.by_threshold[mask, arm]
            levels = picture_levels(curve, run)
            assert len(levels) <= 255
            ranks = np.searchsorted(levels, codes[mask], side="right").astype(np.uint8)
            for code in (NATURAL_CODE, int(curve.tuned_codes[run])):
                least = int(np.searchsorted(levels, code)) + 1
                assert ((ranks >= least) == (codes[mask] >= code)).all()


def test_pictures_are_cut_around_the_positives_until_they_fit(losses, examples, monkeypatch):
    numbers = page_numbers(losses.study, losses.comparison.settings)
    full = example_payload(examples, numbers.by_threshold, numbers.seeds)
    assert [pack["height"] for pack in full] == [40, 40, 40]
    monkeypatch.setattr(page_example, "_SMALLEST_SIDE", 16)
    monkeypatch.setattr(page_example, "BUDGET", page_example._size(full) // 2)
    cut = example_payload(examples, numbers.by_threshold, numbers.seeds)
    assert page_example._size(cut) <= page_example.BUDGET
    assert all(pack["height"] < 40 for pack in cut)
    window = richest_window(examples[0], 12)
    union = examples[0].target.any(axis=0)
    most = max(union[r : r + 12, c : c + 12].sum() for r in range(29) for c in range(29))
    assert window.target.any(axis=0).sum() == most
    assert window.codes["loss=bce"].shape == (2, 12, 12)


def test_outcomes_have_the_colours_of_the_figure():
    example_display = pytest.importorskip("experiments.report.figures.examples")
    figure = example_display.OUTCOMES
    assert list(OUTCOMES.values()) == [
        figure[f"{a} {b}"] for a, b in (("true", "positive"), ("false", "positive"), ("false", "negative"))
    ]


def test_numbers_get_their_minus_and_hyphens_stay():
    shown = typeset("0.50 -> -0.3 [-.1, +.2] two-way loss=a-1 logit -3")
    assert shown == "0.50 → ~0.3 [~.1, +.2] two-way loss=a-1 logit ~3".replace("~", "\N{MINUS SIGN}")
    assert marked("**a<b: x.** 1 -> 2") == "<strong>a&lt;b: x.</strong> 1 → 2"
