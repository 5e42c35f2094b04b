"""The details of a report in plain words: every verdict, then a paragraph per arm and mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from experiments.comparison.ceiling import Ceiling
from experiments.comparison.compare_arms import Comparison
from experiments.comparison.subgroups.compare import SubgroupVerdicts
from experiments.inference.words import CROSSES, MOVES_IN, MOVES_OUT, NOT_TRAINED, SLIDES, UNDECIDED, Word
from experiments.report.curve_space.text import curve_section
from experiments.report.elsewhere import arms_from_elsewhere
from experiments.report.subgroups.text import subgroup_section
from experiments.report.text.not_trained import not_trained
from experiments.report.text.sayings import SAYINGS
from experiments.report.text.tables import markdown_table
from experiments.report.text.verdicts import footnotes, row_of, verdict_interval, verdict_rows
from experiments.report.text.wording import listed, number, signed, with_interval
from experiments.report.tolerance.text import tolerance_section
from experiments.runs.fingerprint import flatten
from experiments.runs.study import StudyRuns, is_from_elsewhere, short_names


def details_markdown(
    study: StudyRuns,
    comparison: Comparison,
    ceiling: Ceiling | None = None,
    sentences: Sequence[str] = (),
    centerlines: pd.DataFrame | None = None,
    by_subgroup: SubgroupVerdicts | None = None,
) -> str:
    """Write `details.md`: all that `report.md` has no room for.

    Args:
        study: The runs.
        comparison: Their comparison.
        ceiling: The best possible frontier, if known.
        sentences: The checklist's sentences.
        centerlines: clDice of the runs, if they counted skeletons.
        by_subgroup: Verdicts in subgroups of the test images, if asked for.
    """
    lines = pd.DataFrame() if centerlines is None else centerlines
    names = short_names(list(study.complete))
    headers, rows = verdict_rows(study, comparison)
    parts = [
        f"# {names[study.baseline]} and {len(study.complete) - 1} others: details",
        "The answer is in [report.md](report.md).",
        conclusion(comparison, names),
        markdown_table(headers, rows),
        "\n".join(f"- {note}" for note in footnotes(study, comparison, ceiling)),
        "![Precision-recall frontiers](figures/frontier.png)",
        "All figures, with captions: [captions.md](figures/captions.md). To play with: [report.html](report.html).",
    ]
    parts += tolerance_section(comparison, lines, names)
    if by_subgroup is not None:
        parts += subgroup_section(comparison, by_subgroup, names)
    parts += curve_section(study, comparison, names)
    if sentences:
        parts += ["## Checklist", "\n".join(f"- {sentence}" for sentence in sentences)]
    for arm in study.complete:
        if arm != study.baseline:
            first = [arm_paragraph(comparison, arm)] if len(comparison.masks) > 1 else []
            paragraphs = [paragraph(comparison, arm, mask, names) for mask in comparison.masks]
            parts += [f"## {names[arm]}", *first, *paragraphs]
    without = [
        name
        for name, there in (
            ("tuning.csv", len(study.tuning) > 0),
            ("ceiling.csv", ceiling is not None),
            ("no_frontier.csv", bool(study.hard)),
            ("thin_scores.csv", len(comparison.thin) > 0),
            ("tolerant_curves.csv", len(comparison.thin) > 0),
            ("cldice.csv", len(lines) > 0),
            ("subgroups.csv", by_subgroup is not None),
            *((name, len(comparison.curve_errors.runs) > 0) for name in ("`curve.csv`", "curve_groups.csv")),
            ("curve_gains.csv", len(comparison.curve_errors.gains) > 0),
        )
        if not there
    ]
    parts.append("\n".join(line for line in _FILES.splitlines() if not any(name in line for name in without)))
    parts += [_WORDS, _training(study)]
    return "\n\n".join(parts) + "\n"


def conclusion(comparison: Comparison, names: Mapping[str, str]) -> str:
    """State what is not trained, then all verdicts by the headline, and by tuned F1 if it adds something.

    Names and the most important words are in `**bold**`.
    """
    verdicts, arms, base = comparison.verdicts, comparison.arm_verdicts, names[comparison.baseline]
    warned = not_trained(comparison, names)
    lead = f"{warned} " if warned else ""
    if not len(verdicts):
        return f"{lead}Only the baseline, {base}, has complete runs: nothing to compare."
    several = len(comparison.masks) > 1
    told = {word: _who(arms, "verdict", word, 1, names) for word in SAYINGS if word != NOT_TRAINED}
    if not any(told.values()):
        return f"{lead}There is no verdict."
    first = told.pop(MOVES_OUT)
    opening = _said_of(MOVES_OUT, first) if first else f"**no arm {SAYINGS[MOVES_OUT].one}**"
    over = f", mean over {len(comparison.masks)} masks" if several else ""
    text = f"{lead}Against {base}, {opening} by {comparison.settings.headline_name}{over}."
    rest = "; ".join(_said_of(word, which) for word, which in told.items() if which)
    text += f" {rest}." if rest else ""
    text += "" if told[SLIDES] else " None is shown to slide along it."
    if several:
        by_mask = {
            word: _who(verdicts, "verdict", word, len(comparison.masks), names)
            for word in SAYINGS
            if word not in (NOT_TRAINED, UNDECIDED)
        }
        shown = "; ".join(_said_of(word, which) for word, which in by_mask.items() if which)
        text += f" Mask by mask, {shown}." if shown else " No single mask is decided."
    if comparison.settings.headline != "f1":
        differs = arms[arms["verdict"] != arms["verdict_f1"]]
        for word, change in ((MOVES_OUT, "higher"), (MOVES_IN, "lower")):
            which = _who(differs, "verdict_f1", word, 1, names)
            text += f" Tuned F1 alone is shown to be {change} with {listed(which)}." if which else ""
    return text


def _who(verdicts: pd.DataFrame, column: str, word: str, n_rows: int, names: Mapping[str, str]) -> list[str]:
    """Arms with a verdict, each with its masks unless it has it in all of its rows."""
    found = []
    for arm, rows in verdicts[verdicts[column] == word].groupby("arm", sort=False):
        where = "" if len(rows) == n_rows else f" ({', '.join(rows['mask'])})"
        found.append(f"**{names[str(arm)]}**{where}")
    return found


def _said_of(word: Word, arms: Sequence[str]) -> str:
    said = SAYINGS[word]
    return f"{listed(arms)} {said.several if len(arms) > 1 else said.one}"


def _training(study: StudyRuns) -> str:
    """Say how the baseline's runs were trained, and how the arms differ."""
    names = short_names(list(study.complete))
    here = [run for seeds in study.complete.values() for run in seeds.values() if not is_from_elsewhere(run)]
    config = flatten((here or [study.reference])[0].config)
    shared = [
        f"{name} {config[key]}"
        for name, key in (
            ("network", "model.arch"),
            ("encoder", "model.encoder_name"),
            ("updates", "trainer.max_steps"),
            ("tiles an update", "trainer.batch_size"),
            ("tile side", "trainer.tile"),
            ("learning rate", "optimizer.lr"),
        )
        if key in config
    ]
    lines = [f"All arms alike, but for what makes an arm: {', '.join(shared) or 'not recorded'}."]
    if elsewhere := arms_from_elsewhere(study, names):
        alike = [] if len(elsewhere) == len(names) else [f"{lines[0][:-1]}, as far as they were trained here."]
        lines = [*alike, f"Predictions made elsewhere, whose training is not known: {listed(elsewhere)}."]
    return "\n\n".join(["## Training", *lines, "\n".join(_own_settings(study))])


def _own_settings(study: StudyRuns) -> list[str]:
    """List the settings that define each arm, such as its loss's weight or its sampling's share."""
    names = short_names(list(study.complete))
    roots = tuple(dict.fromkeys(axis.split("@")[0].split(".")[0] for axis in study.axes))
    lines = []
    for arm, seeds in study.complete.items():
        config = flatten(next(iter(seeds.values())).config) if seeds else {}
        own = [
            f"{key.split('.', 1)[1]} {value}"
            for key, value in config.items()
            if "." in key and key.split(".", 1)[0] in roots and value is not None
        ]
        lines += [f"- {names[arm]}: {', '.join(own)}"] if own else []
    return lines


def arm_paragraph(comparison: Comparison, arm: str) -> str:
    """State one arm's verdicts over its masks, the first that a report gives, with both intervals."""
    row = comparison.arm_verdicts[comparison.arm_verdicts["arm"] == arm].iloc[0]
    opening = f"**{_capital(str(row['mask']))}: {row['verdict']}.** {_capital(str(row['reason']))}."
    if row["verdict"] == NOT_TRAINED:
        return opening
    sentences = [opening]
    rests_on = verdict_interval(row)
    if rests_on:
        own = with_interval(row, "headline_gain")
        sentences.append(f"{comparison.settings.headline_name} gain {own}; its verdict rests on {rests_on}.")
    if row["verdict_f1"] != row["verdict"]:
        sentences.append(f"By tuned F1 the verdict is {row['verdict_f1']}: {row['reason_f1']}.")
    sentences += [f"{_capital(str(row['advice']))}."] if row["advice"] else []
    return " ".join(sentences)


def paragraph(comparison: Comparison, arm: str, mask: str, names: dict[str, str]) -> str:
    """State one arm's and mask's verdict, the move of its operating point, and the difference at the same recall."""
    verdict = row_of(comparison.verdicts, arm, mask)
    slide = row_of(comparison.slides, arm, mask)
    parts = row_of(comparison.decomposition, arm, mask)
    base = names[comparison.baseline]
    left_out = [f"Left out: {verdict['seeds_left_out']}."] if verdict["seeds_left_out"] else []
    if verdict["verdict"] == NOT_TRAINED:
        opening = f"**{mask}: {NOT_TRAINED}.** {_capital(str(verdict['reason']))}."
        level = f"Mean AP {verdict['arm_ap']:.3g} against {verdict['baseline_ap']:.3g} of {base}."
        return " ".join([opening, level, "No verdict rests on it, and more seeds would not give one.", *left_out])
    sentences = [
        f"**{mask}: {verdict['verdict']}.** {_capital(str(verdict['reason']))}.",
        f"At probability 0.5, recall {number(slide['baseline_natural_recall'])} -> {number(slide['natural_recall'])}, "
        f"precision {number(slide['baseline_natural_precision'])} -> {number(slide['natural_precision'])}.",
        *_same_recall(slide, base),
    ]
    change = parts["f1_natural_change"]
    if not pd.isna(change):
        sentences.append(
            f"F1 there {'falls' if change < 0 else 'rises'} by {abs(change):.3f}: "
            f"{signed(parts['threshold_part'])} comes from the threshold, {signed(parts['frontier_part'])} remains "
            "after tuning both."
        )
    if verdict["verdict_f1"] != verdict["verdict"]:
        sentences.append(f"By tuned F1 the verdict is {verdict['verdict_f1']}: {verdict['reason_f1']}.")
        sentences += _where(verdict)
    sentences += [f"{_capital(str(text))}." for text in (verdict["advice"],) if text]
    return " ".join([*sentences, *left_out])


def _same_recall(slide: pd.Series, base: str) -> list[str]:
    """Say at which threshold the baseline has the arm's recall, and compare their precision there."""
    if slide["status"] != "reached":
        return [f"No threshold of {base} has this recall ({slide['status']})."]
    if pd.isna(slide["baseline_threshold"]):
        return []
    theory = ""
    if not pd.isna(slide["predicted_shift"]):
        shift = round(float(slide["predicted_shift"]), 2)
        theory = f"; theory predicts {shift:+.2f}" if shift else "; theory predicts no single shift for this loss"
    return [
        f"{_capital(base)} reaches this recall too, at threshold {slide['baseline_threshold_probability']:.2g} "
        f"(its logits shifted by {slide['shift']:+.2f}{theory}).",
        f"Compared there, precision is {with_interval(slide, 'precision_gain')}.",
    ]


def _where(verdict: pd.Series) -> list[str]:
    sides = [
        f"{side} at recall {verdict[f'{side}_at_recall']}"
        for side in ("better", "worse")
        if verdict[f"{side}_at_recall"]
    ]
    alone = "" if verdict["verdict"] == CROSSES else ", taken by itself (not adjusted for the other rows),"
    return [f"Its simultaneous band{alone} shows its precision {' and '.join(sides)}."] if sides else []


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


_WORDS = """## Words

| word | meaning |
|---|---|
| arm | one setting under comparison, here against the baseline |
| frontier | the precision-recall curve of a trained model over all thresholds; AP is the area under it |
| natural point | recall and precision at probability 0.5 |
| tuned | at the threshold with the best F1 on validation, measured on test |
| moves out, moves in | better, or worse, than the baseline's frontier, and not shown to be within the margin |
| slides, stays | the frontier is shown to be the same within the margin; the natural point went elsewhere, or stayed |
| crosses | shown to be better at some recalls and worse at others |
| undecided | none of these is shown with these seeds and images |
| not trained | the AP of some run of the arm or the baseline is not shown to be above that of random scores |
| group | test images that belong together; an image unless the data say otherwise |
| simultaneous band | an interval for the difference of precision that holds at all recalls at once |
| theory | what a loss's optimum does to the logits of plain BCE's: a positive weight w adds ln w, focal bends them |
| lever | what is changed between arms: a loss, a weight, a sampling, more data |
| adjusted | corrected for looking at many arms and masks: by Holm over arms, then over each arm's masks |
| verdict's interval | the interval that a verdict rests on, adjusted; beside it stands the row's own |"""

_FILES = """## Files

| file | one row per |
|---|---|
| `arms.csv` | arm, over its masks: the first verdict, with the columns of `verdicts.csv` |
| `verdicts.csv` | arm and mask: both verdicts, gains with intervals, levels of AP, p values, reasons, advice |
| `metrics.csv` | arm, seed, split, mask and operating point: precision, recall, F1, AP, counts; background rows |
| `image_means.csv` | arm, seed, mask and operating point: means over images of each image's own values |
| `matched.csv` | arm, mask and level: precision at the same recall, recall at the same precision |
| `slides.csv` | arm and mask: the baseline's threshold with the same recall, as a shift in logits |
| `decomposition.csv` | arm and mask: change of natural F1 = frontier part + threshold part |
| `controls.csv` | arm, mask and control: what the baseline reaches without training |
| `scores.csv` | arm, seed and mask: calibration and ties of the scores, AP beside chance |
| `curves.csv` | arm, mask and recall: mean precision and the range over seeds |
| `thin_scores.csv` | arm, seed, mask and distance (0 and the tolerance): AP, ODS, OIS, natural and tuned points |
| `tolerant_curves.csv` | arm, mask and recall: mean precision within the tolerance |
| `cldice.csv` | arm, seed, mask and operating point: centre-line Dice |
| `subgroups.csv` | arm and subgroup of the test images: verdict, gains, how the gain differs from the others' |
| `curve.csv` | arm, seed, mask and operating point: errors of the curve that the mask draws, R², coverage |
| `curve_groups.csv` | the same for each test group |
| `curve_gains.csv` | arm and mask: how much smaller the errors are than the baseline's, with intervals |
| `verdicts.tex`, `verdicts.md` | arm and mask: the table of verdicts for a paper |
| `holes.csv` | run that is not there or not complete |
| `no_frontier.csv` | arm of hard masks, and mask: its operating point, the baseline's precision at that recall |
| `tuning.csv` | arm and setting of the nuisance keys, where a study tunes: its validation AP, which was chosen |
| `ceiling.csv` | arm and mask, where the best frontier there is is known: AP as a share of it |
| `config_differences.csv` | arm and key, outside the arm itself, in which it differs from the baseline |"""
