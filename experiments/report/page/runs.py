"""The page's last section: runs and holes, settings that differ, data, versions, and what the intervals are for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from experiments.comparison.ceiling import Ceiling
from experiments.comparison.compare_arms import Comparison
from experiments.report.facts import correction
from experiments.report.page.markup import NONE, definitions, html, joined, table
from experiments.report.text.verdicts import footnotes
from experiments.report.text.wording import typeset
from experiments.runs.fingerprint import flatten
from experiments.runs.study import StudyRuns, short_names


def runs_section(study: StudyRuns, comparison: Comparison, ceiling: Ceiling | None) -> Markup:
    """Write the last section as HTML."""
    names = short_names(list(study.complete))
    told = footnotes(study, comparison, ceiling, columns=False)
    notes = "<ul>{% for note in notes %}<li>{{ note }}</li>{% endfor %}</ul>"
    parts = [html(notes, notes=[typeset(note) for note in told]), _arms(study, names), _settings_of_arms(study, names)]
    parts.append(_holes(study))
    parts.append(_differences(study, names))
    if len(study.tuning):
        parts.append(_frame("Settings each arm chose on validation", study.tuning))
    parts.append(Markup("<h3>Data and machine</h3>") + definitions(_facts(study, comparison)))
    config = study.reference.config
    whole = table(["key", f"value in {names[study.baseline]}"], list(flatten(config).items()))
    folded = "<details><summary>The whole configuration of the baseline</summary>{{ whole }}</details>"
    parts.append(html(folded, whole=whole))
    return joined(parts)


def _arms(study: StudyRuns, names: Mapping[str, str]) -> Markup:
    rows = []
    for arm, seeds in study.complete.items():
        infos = [run.info for run in seeds.values()]
        rows.append(
            [
                names[arm] + (" (baseline)" if arm == study.baseline else ""),
                ", ".join(map(str, sorted(seeds))) or "none",
                _range([info.get("updates") for info in infos], ""),
                _range([info.get("wall_seconds") for info in infos], " s"),
                _range([info.get("images_per_second") for info in infos], ""),
                _range([info.get("peak_memory_mb") for info in infos], " MB"),
                ", ".join(dict.fromkeys(str(info.get("device", NONE)) for info in infos)) or NONE,
            ]
        )
    headers = ["arm", "complete seeds", "updates", "time a run", "images / s", "peak memory", "device"]
    return Markup("<h3>Runs</h3>") + table(headers, rows, attributes=Markup('id="run-table"'))


def _settings_of_arms(study: StudyRuns, names: Mapping[str, str]) -> Markup:
    """Find the keys below the arms' axes whose values differ between arms."""
    flats = {arm: flatten(next(iter(seeds.values())).config) for arm, seeds in study.complete.items() if seeds}
    own = [key for flat in flats.values() for key in flat if key.split(".")[0] in {a.split(".")[0] for a in study.axes}]
    keys = [key for key in dict.fromkeys(own) if len({str(flat.get(key)) for flat in flats.values()}) > 1]
    if not keys:
        return Markup()
    pairs = [(names[arm], " · ".join(f"{k} {flat[k]}" for k in keys if k in flat)) for arm, flat in flats.items()]
    return Markup("<h3>What makes the arms</h3>") + definitions(pairs)


def _holes(study: StudyRuns) -> Markup:
    title = Markup("<h3>Holes</h3>")
    if not len(study.holes):
        return title + Markup("<p>None: every arm has every seed, and every run is complete.</p>")
    return title + _frame("Runs that are not there, or not complete", study.holes)


def _differences(study: StudyRuns, names: Mapping[str, str]) -> Markup:
    title = Markup("<h3>Fairness</h3>")
    if not len(study.differences):
        return title + Markup(
            "<p>The arms differ in what makes them and in nothing else: same data, same updates, and for each seed "
            "the same initial weights and the same order of the data.</p>"
        )
    frame = study.differences.assign(arm=[names[arm] for arm in study.differences["arm"]])
    return title + _frame("Keys in which an arm differs from the baseline beside what makes it", frame)


def _frame(caption: str, frame: pd.DataFrame) -> Markup:
    rows = [list(row) for row in frame.itertuples(index=False)]
    return table([str(name).replace("_", " ") for name in frame.columns], rows, caption=caption)


def _facts(study: StudyRuns, comparison: Comparison) -> list[tuple[str, str]]:
    run = study.reference
    info, settings = run.info, comparison.settings
    images = info.get("images") or {}
    groups = len(set(run.scores["test"].group_ids))
    facts = [
        ("images", ", ".join(f"{count} {split}" for split, count in images.items()) or _images(comparison)),
        ("test groups", str(groups)),
        (
            "prevalence in the test split",
            ", ".join(f"{mask} {share:.4f}" for mask, share in comparison.prevalence.items()),
        ),
        ("test data fingerprint", str(info.get("data_fingerprint", {}).get("test", NONE))[:16]),
        ("versions", ", ".join(f"{name} {version}" for name, version in (info.get("versions") or {}).items()) or NONE),
        ("headline", settings.headline_name),
        ("margin", f"±{settings.margin:g} of the gain, ±{settings.point_margin:g} of the operating point"),
        ("level", f"{settings.level:g}, verdicts after {correction(settings.n_comparisons, settings.n_looks)}"),
        (
            "intervals",
            "two-way t: variance over seeds plus the jackknife over test groups, degrees of freedom by Satterthwaite. "
            "They speak of new seeds and new test groups, with the training set as it is",
        ),
    ]
    return facts


def _images(comparison: Comparison) -> str:
    return f"{int(comparison.image_means['n_images'].iloc[0])} test"


def _range(values: Sequence[Any], unit: str) -> str:
    known = [float(value) for value in values if value is not None]
    if not known:
        return NONE
    low, high = f"{min(known):.4g}", f"{max(known):.4g}"
    return f"{low}{unit}" if low == high else f"{low} to {high}{unit}"
