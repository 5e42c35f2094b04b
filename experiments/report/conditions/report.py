"""The report of a study that repeats its comparison under conditions: a table, two figures and a page of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.comparison.compare_arms import Comparison
from experiments.report.conditions.tables import arm_verdicts_by_condition, level_table, verdicts_by_condition
from experiments.report.facts import counted
from experiments.report.gallery import save_figure
from experiments.report.text.inert_markdown import write_markdown
from experiments.report.text.not_trained import not_trained
from experiments.report.text.tables import fitted_table, markdown_table, terminal_width
from experiments.report.text.verdicts import level_cell, verdict_interval
from experiments.report.text.wording import signed, with_interval
from experiments.runs import store
from experiments.runs.study import StudyRuns, condition_values, short_names


def write_condition_report(
    report_dir: Path, studies: Sequence[StudyRuns], comparisons: Mapping[str, Comparison]
) -> str:
    """Write `arms.csv`, `verdicts.csv`, `levels.csv`, `report.md` and the figures over all conditions.

    Args:
        report_dir: Holds the report of each condition in a folder of its name.
        studies: The runs, one element per condition.
        comparisons: By condition, in the same order.

    Returns:
        The table of verdicts for a terminal.
    """
    store.write_table(report_dir / "arms.csv", arm_verdicts_by_condition(comparisons))
    store.write_table(report_dir / "verdicts.csv", verdicts_by_condition(comparisons))
    store.write_table(report_dir / "levels.csv", level_table(comparisons))
    captions = _draw(report_dir / "figures", studies, comparisons)
    headers, rows = verdict_rows(studies[0], comparisons)
    notes = [_note(comparisons), *_changes(comparisons, short_names(list(studies[0].complete)), studies[0].baseline)]
    links = [f"- [{name}](<{name}/report.md>)" for name in comparisons]
    warned = [
        f"{condition}: {told}"
        for condition, item in comparisons.items()
        if (told := not_trained(item, short_names(list(studies[0].complete))))
    ]
    text = [
        f"# The same comparison under {len(comparisons)} conditions",
        *warned,
        markdown_table(headers, rows),
        "\n".join(f"- {note}" for note in notes),
        *(f"![{name}](figures/{name}.png)\n\n{caption}" for name, caption in captions.items()),
        "## Report of each condition",
        "\n".join(links),
    ]
    write_markdown(report_dir / "report.md", "\n\n".join(text) + "\n")
    keep = headers.index("verdict") + 3  # as far as the gain by which it is given
    table = fitted_table(headers, rows, width=terminal_width(), keep=keep)
    return "\n".join(
        [*(line.replace("**", "") for line in warned), "", table, "", *notes, f"report: {report_dir / 'report.md'}"]
    )


def verdict_rows(study: StudyRuns, comparisons: Mapping[str, Comparison]) -> tuple[list[str], list[list[str]]]:
    """Return headers and cells: a row per arm and condition over all masks, then one per mask, arm and condition."""
    names = short_names(list(study.complete))
    keys = list(condition_values(next(iter(comparisons))))
    first = next(iter(comparisons.values()))
    masks, headline = first.masks, first.settings.headline_name
    headers = ["mask", "arm", *keys, "verdict", "AP (prevalence)", f"{headline} gain", "verdict's interval"]
    headers += ["verdict F1", "tuned F1 gain"]
    rows: list[list[str]] = []
    for mask in [None, *masks] if len(masks) > 1 else masks:
        for arm in (arm for arm in study.complete if arm != study.baseline):
            if rows:
                rows.append([])
            for condition, comparison in comparisons.items():
                found = comparison.arm_verdicts if mask is None else comparison.verdicts
                found = found[found["arm"] == arm] if len(found) else found
                found = found[found["mask"] == mask] if mask is not None and len(found) else found
                values = condition_values(condition)
                for _, row in found.iterrows():
                    level = level_cell(row["arm_ap"], row["prevalence"])
                    rows.append(
                        [mask or f"over {len(masks)}", names[arm], *(values[key] for key in keys), str(row["verdict"]),
                         level, with_interval(row, "headline_gain"), verdict_interval(row), str(row["verdict_f1"]),
                         with_interval(row, "f1_gain")]
                    )  # fmt: skip
    return headers, rows


def _note(comparisons: Mapping[str, Comparison]) -> str:
    first = next(iter(comparisons.values()))
    verdicts = verdicts_by_condition(comparisons)
    if not len(verdicts):
        return f"Nothing is compared: there is no arm beside {first.baseline}."
    seeds, groups = ([int(n) for n in verdicts[column]] for column in ("n_seeds", "n_groups"))
    level = first.settings.level
    return (
        f"{counted(seeds, 'seed')}, {counted(groups, 'test group')} per condition; margin ±{first.settings.margin:g}; "
        f"verdicts at level {level:g} over all conditions (Bonferroni), arms, and masks behind them (Holm); "
        f"[{100 * (1 - level):g} % intervals] each by itself, then the one that the verdict rests on."
    )


def _changes(comparisons: Mapping[str, Comparison], names: Mapping[str, str], baseline: str) -> list[str]:
    """Say how the baseline's tuned F1 changes from the first to the last value of each condition key, per mask.

    If there are other condition keys, this is the mean over their settings, with its range.
    """
    levels = level_table(comparisons)
    tuned = levels[(levels["arm"] == baseline) & (levels["statistic"] == "f1_tuned")]
    keys = list(condition_values(next(iter(comparisons))))
    notes = []
    for key in keys:
        values = list(dict.fromkeys(tuned[key]))
        others = [other for other in keys if other != key]
        parts = []
        for mask, rows in tuned.groupby("mask", sort=False):
            wide = rows.assign(other="" if not others else rows[others].astype(str).agg(",".join, axis=1))
            ends = wide.pivot_table(index="other", columns=key, values="mean", sort=False)
            if len(values) > 1 and {values[0], values[-1]} <= set(ends.columns):
                change = (ends[values[-1]] - ends[values[0]]).dropna()
                spread = f" ({signed(change.min())} to {signed(change.max())})" if len(change) > 1 else ""
                parts.append(f"{mask} {signed(change.mean())}{spread}")
        if parts:
            over = f"; range over the settings of {', '.join(others)}" if others else ""
            notes.append(
                f"Tuned F1 of {names[baseline]}, {key} from {values[0]} to {values[-1]}: {', '.join(parts)} "
                f"(means over seeds{over}; no test)."
            )
    return notes


def _draw(folder: Path, studies: Sequence[StudyRuns], comparisons: Mapping[str, Comparison]) -> dict[str, str]:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    from experiments.report.conditions.figure import GAIN, LEVEL, ConditionDisplay

    captions = {}
    for name, kind in (("gains", GAIN), ("levels", LEVEL)):
        display = ConditionDisplay.of(studies, comparisons, kind)
        if display is None:
            continue
        figure = display.plot()
        save_figure(folder / name, figure)
        plt.close(figure)
        store.write_table(folder / f"{name}.csv", display.table)
        captions[name] = display.caption
    return captions
