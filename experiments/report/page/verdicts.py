"""The top of the page: the verdicts in words, and as tables of the arms over all masks and mask by mask."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from markupsafe import Markup

from experiments.comparison.compare_arms import Comparison
from experiments.inference.paired_difference import MIN_SEEDS
from experiments.inference.words import NOT_TRAINED
from experiments.report.gains import FIRST, SECONDARY, GainAxis, gain_table
from experiments.report.page.bars import Bars
from experiments.report.page.markup import NONE, html, joined, marked, table
from experiments.report.text.markdown import arm_paragraph, conclusion, paragraph
from experiments.report.text.sayings import SAYINGS
from experiments.report.text.verdicts import row_of, verdict_interval
from experiments.report.text.wording import TOO_FEW_SEEDS, signed, typeset, with_interval
from experiments.runs.study import StudyRuns, short_names


def told(comparison: Comparison, names: Mapping[str, str]) -> Markup:
    """State all verdicts in two or three sentences, mask by mask too, as HTML."""
    return html('<p class="told">{{ told }}</p>', told=marked(conclusion(comparison, names)))


def verdict_tables(study: StudyRuns, comparison: Comparison) -> Markup:
    """Write the verdicts as HTML tables, with a bar for each gain: of the arms, then of each arm and mask.

    The first is over all masks, or of the only one, by the headline and by tuned F1. The second is secondary; a study
    of one mask has none.
    """
    names = short_names(list(study.complete))
    arms = [arm for arm in study.complete if arm != study.baseline]
    if not len(comparison.verdicts):
        return Markup()
    settings, masks = comparison.settings, comparison.masks
    with_f1 = settings.headline != "f1"
    shown = gain_table(comparison)
    several = len(masks) > 1
    bars, bars_of_masks = (
        Bars(GainAxis.of_table(shown[shown["rank"] == rank], settings.margin, f1=f1), settings.margin)
        for rank, f1 in ((FIRST, with_f1), (SECONDARY, False))
    )
    first, by_mask = [], []
    for arm in arms:
        row = comparison.arm_verdicts[comparison.arm_verdicts["arm"] == arm].iloc[0]
        cells = [_cell(settings.headline_name, row, bars, with_f1=with_f1)]
        looked = "" if settings.looks is None else f"{row['n_seeds']} seeds, look {row['look']}"
        head = html("{{ name }}{% if looked %} <small>{{ looked }}</small>{% endif %}", name=names[arm], looked=looked)
        first.append([head, *cells, *([_cell("tuned F1", row, bars, f1=True)] if with_f1 else [])])
        rows = [row_of(comparison.verdicts, arm, mask) for mask in masks]
        by_mask.append([names[arm], *(_cell(mask, row, bars_of_masks) for mask, row in zip(masks, rows, strict=True))])
    base = names[study.baseline]
    few = comparison.verdicts["n_seeds"].max() < MIN_SEEDS
    kinds = TOO_FEW_SEEDS if few else (
        f"thick, the row's own {100 * (1 - settings.level):g} % interval; thin, with caps, the one that its verdict "
        "rests on, adjusted for all rows"
    )  # fmt: skip
    legend = f"Bars from {_ends(bars)}: {kinds}; grey, the margin ±{settings.margin:g}; arrows, what lies beyond."
    level = f"AP of the arm, of {base}, and the prevalence"
    over = f"Over all {len(masks)} masks: mean gain" if several else f"{masks[0]}: gain"
    headers = ["arm", settings.headline_name, *(["tuned F1"] if with_f1 else [])]
    tables = [table(headers, first, caption=f"{over} over {base}; {level}. {legend}", attributes=_FIRST)]
    if several:
        caption = f"{settings.headline_name} gain over {base}; {level}. Bars from {_ends(bars_of_masks)}."
        folded = table(["arm", *masks], by_mask, caption=caption, attributes=_SECONDARY)
        tables.append(html(_FOLDED, table=folded))
    return html('<div id="verdicts">{{ tables }}</div>', tables=joined(tables))


def _ends(bars: Bars) -> str:
    """Write the ends of the axis of some bars."""
    return typeset(f"{signed(bars.axis.low, 2)} to {signed(bars.axis.high, 2)}")


# Open without a script; the script folds it on narrow screens, where it is long.
_FOLDED = '<details id="secondary" open><summary>Mask by mask, which is secondary</summary>{{ table }}</details>'
_FIRST, _SECONDARY = Markup('id="over-masks"'), Markup('id="by-mask"')


def _cell(head: str, row: pd.Series, bars: Bars, *, f1: bool = False, with_f1: bool = False) -> Markup:
    """Write one verdict: the word, a bar, the gain with its own interval, and the interval that the verdict rests on.

    Args:
        head: What the column is of; shown in the cell on narrow screens.
        row: Of `verdicts` or `arm_verdicts`.
        bars: Draws the bar.
        f1: Whether the verdict is that by tuned F1.
        with_f1: Whether a cell beside this one has that verdict.
    """
    column, prefix, word = ("f1_gain", "f1_", "verdict_f1") if f1 else ("headline_gain", "", "verdict")
    said = str(row[word])
    trained = said != NOT_TRAINED
    gain, _, own = typeset(with_interval(row, column)).partition(" [") if trained else (NONE, "", "")
    collapsed = int(row["n_collapsed"])
    return html(
        _CELL,
        head=head,
        word=said,
        sign=SAYINGS[row[word]].sign,
        bar=bars.draw(row, column, prefix) if trained else "",
        gain=gain,
        # The caption says why there is no interval; on a narrow screen cells have no room for that.
        own="" if pd.isna(row[f"{column}_low"]) else own.removesuffix("]"),
        rests_on=typeset(verdict_interval(row, prefix)) if trained else "",
        collapsed=f"{collapsed} of {row['n_seeds']} seeds collapsed" if 0 < collapsed < row["n_seeds"] else "",
        if_it_trains="" if f1 else _of_trained_seeds(row),
        by_f1="" if f1 or with_f1 or row["verdict_f1"] == said else row["verdict_f1"],
        level="" if f1 else _level(row),
    )


_CELL = (
    '<span class="of">{{ head }}</span>'
    '<span class="verdict {{ word.replace(" ", "-") }}"><i aria-hidden="true">{{ sign }}</i> {{ word }}</span>'
    '{{ bar }}<span class="both">'
    '<span class="gain">{{ gain }}{% if own %} <small>[{{ own }}]</small>{% endif %}</span>'
    '{% if rests_on %}<span class="gain rests-on">verdict: {{ rests_on }}</span>{% endif %}</span>'
    '{% if collapsed %}<span class="gain">{{ collapsed }}</span>{% endif %}'
    '{% if if_it_trains %}<span class="gain">if it trains: {{ if_it_trains }}</span>{% endif %}'
    '{% if by_f1 %}<span class="gain">tuned F1: {{ by_f1 }}</span>{% endif %}'
    '{% if level %}<span class="gain level">{{ level }}</span>{% endif %}'
)


def _of_trained_seeds(row: pd.Series) -> str:
    """Format the gain of the seeds that did train, where others collapsed; empty where all or none did."""
    if row["verdict"] != NOT_TRAINED or not 0 < row["n_trained_seeds"] < row["n_seeds"]:
        return ""
    alone = row.drop("verdict")
    alone["n_seeds"] = row["n_trained_seeds"]
    return typeset(with_interval(alone, "trained_seeds_gain"))


def key_of_words(comparison: Comparison) -> Markup:
    """Explain the verdicts that occur, as HTML."""
    if not len(comparison.verdicts):
        return Markup()
    tables = (comparison.arm_verdicts, comparison.verdicts)
    found = {word for each in tables for column in ("verdict", "verdict_f1") for word in each[column]}
    return html(
        '<div class="key"><dl>{% for word, said in sayings %}'
        '<div><dt><i aria-hidden="true">{{ said.sign }}</i> {{ word }}</dt><dd>{{ said.means }}</dd></div>'
        "{% endfor %}</dl>"
        "<p>A frontier is all that a model can do: its precision at every recall. {{ headline }}</p></div>",
        sayings=[(word, said) for word, said in SAYINGS.items() if word in found],
        headline=_OF[comparison.settings.headline],
    )


_OF = {
    "ap": "AP, average precision, is its mean height.",
    "f1": "Tuned F1 is its F1 at the threshold that was best on validation.",
    "fbeta": "F-beta is its F1 with recall weighed otherwise, at the threshold that was best on validation.",
    "mean_precision": "Mean precision is its mean height over the recalls that were asked for.",
    "tolerant_ap": "AP within some pixels is its mean height where such distances are forgiven.",
    "tolerant_f1": "Tuned F1 within some pixels forgives such distances, at the threshold that was best on validation.",
    "curve_accuracy": "Curve accuracy is 1 minus the mean error of the curves read from its tuned masks, in widths.",
    "prg": "AUPRG is the area under it after precision and recall are rescaled to gains over the prevalence.",
}


def _level(row: pd.Series) -> str:
    """AP of arm and baseline and the prevalence, the AP of one score for all pixels; empty where there is none."""
    if pd.isna(row["arm_ap"]) or pd.isna(row["baseline_ap"]):
        return ""
    return f"AP {row['arm_ap']:.3f} / {row['baseline_ap']:.3f} / {row['prevalence']:.3g}"


def paragraphs(study: StudyRuns, comparison: Comparison) -> Markup:
    """Write the report's paragraphs for each arm, over all masks and per mask, as HTML."""
    names = short_names(list(study.complete))
    parts = []
    for arm in study.complete:
        if arm != study.baseline and len(comparison.verdicts):
            parts.append(html("<h3>{{ name }}</h3>", name=names[arm]))
            told = [marked(arm_paragraph(comparison, arm))] if len(comparison.masks) > 1 else []
            told += [marked(paragraph(comparison, arm, mask, names)) for mask in comparison.masks]
            parts += [html("<p>{{ text }}</p>", text=text) for text in told]
    return joined(parts)
