"""The page `report.html`: a single file that contains everything and loads nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from experiments.comparison.ceiling import Ceiling
from experiments.comparison.compare_arms import Comparison
from experiments.comparison.subgroups.compare import SubgroupVerdicts
from experiments.comparison.weight_sweep import arm_weights
from experiments.report.example_choice import ExampleChoice
from experiments.report.facts import CEILING_WORDS
from experiments.report.folds import fold_notes
from experiments.report.page.examples import page_examples, rule_of
from experiments.report.page.first.screen import arm_looks, first_screen
from experiments.report.page.markup import html, part
from experiments.report.page.matched import matched_section
from experiments.report.page.numbers.study import page_numbers
from experiments.report.page.packed import script_json
from experiments.report.page.payload import payload
from experiments.report.page.runs import runs_section
from experiments.report.page.stills import frontier_stills
from experiments.report.page.subgroups import subgroups_section
from experiments.report.page.verdicts import key_of_words, paragraphs, told, verdict_tables
from experiments.report.published import PublishedPoint
from experiments.report.text.looks import look_notes
from experiments.report.text.verdicts import footnotes, level_notes, limits
from experiments.report.text.wording import typeset, why_none
from experiments.runs import store
from experiments.runs.study import StudyRuns, short_names

SCRIPTS = ("numbers", "drawing", "state", "first", "rows", "ruler", "frontier", "seesaw", "pictures", "beside", "start")
"""The script's parts, in the order in which they run."""


def write_page(
    path: Path,
    study: StudyRuns,
    comparison: Comparison,
    *,
    ceiling: Ceiling | None = None,
    examples: ExampleChoice | None = None,
    published: Sequence[PublishedPoint] = (),
    by_subgroup: SubgroupVerdicts | None = None,
    title: str = "",
    question: str = "",
) -> None:
    """Write the page of a comparison, atomically.

    Args:
        path: Where it goes.
        study: The runs.
        comparison: Their comparison.
        ceiling: The best possible frontier, if known.
        examples: Images with predictions to show; None leaves the section out.
        published: Pairs that others reported, shown beside the frontiers.
        by_subgroup: Verdicts in subgroups; None leaves the section out.
        title: The study's name; if empty, it is read from the runs.
        question: The study's question; if empty, it is read from the runs.
    """
    names = short_names(list(study.complete))
    declared = study.reference.config.get("study") or {}
    title = title or str(declared.get("name") or "Comparison")
    question = question or str(declared.get("question") or f"What moves the frontier of {names[study.baseline]}?")
    numbers = page_numbers(study, comparison.settings)
    shown = () if examples is None else page_examples(examples)
    script = _script()
    weights = arm_weights(study)
    data = payload(study, comparison, numbers, weights=weights, ceiling=ceiling, examples=shown, published=published)
    reasons = dict.fromkeys(
        f"{names[arm]}: {reason}."
        for arm, seeds in numbers.seeds.items()
        if (reason := why_none(len(seeds), numbers.n_groups))
    )
    parts = {
        "title": f"{title}: {question}",
        "kicker": f"{title} · {len(numbers.seeds)} arm{'' if len(numbers.seeds) == 1 else 's'}",
        "question": question,
        "first": first_screen(study, comparison, list(numbers.seeds)),
        "stills": frontier_stills(comparison, numbers, names, arm_looks(study, list(numbers.seeds))),
        "told": told(comparison, names),
        "verdicts": verdict_tables(study, comparison),
        "steps": _steps(weights is not None),
        "key": key_of_words(comparison),
        "what": "each arm" if weights is None else "the weight",
        "lever": "" if weights is None else "Drag the weight.",
        "rests": _rests(study, comparison, ceiling),
        "paragraphs": paragraphs(study, comparison) or Markup("<p>There is none.</p>"),
        "interval": f"{100 * (1 - comparison.settings.level):g} %",
        "ceiling_note": "" if ceiling is None else f" Dotted: {CEILING_WORDS}",
        "published_note": _published_note(published),
        "baseline": names[study.baseline],
        "why_none": " ".join(reasons),
        "matched": matched_section(comparison, names),
        "subgroups": subgroups_section(comparison, by_subgroup, names),
        "examples_rule": "" if examples is None else rule_of(examples, names[study.baseline]),
        "runs": runs_section(study, comparison, ceiling),
        "numbers": Markup(script_json(data)),
        "style": Markup(part("page.css")),
        "script": Markup(script),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }
    store.write_text(path, html(part("page.html"), **parts))


def _published_note(published: Sequence[PublishedPoint]) -> str:
    """Say what the stars are, which others reported for other images."""
    told = "; ".join(point.text for point in published)
    return f" Stars: published for other images and models, not comparable in level ({told})." if told else ""


def _rests(study: StudyRuns, comparison: Comparison, ceiling: Ceiling | None) -> Markup:
    """Say below the verdicts what they rest on, the level that holds over all of them, and what they do not cover."""
    if not len(comparison.verdicts):
        return Markup()
    notes = [footnotes(study, comparison, ceiling)[0], *level_notes(comparison)]
    notes += [*fold_notes(study), *look_notes(study, comparison), *limits(comparison)]
    each = '{% for note in notes %}<p class="fine">{{ note }}</p>{% endfor %}'
    return html(each, notes=[typeset(note) for note in notes])


def _steps(weights: bool) -> Markup:
    """List the steps as items of a list; HTML.

    Args:
        weights: Whether the arms differ in a positive weight.
    """
    return Markup("\n".join(f"<li>{step}</li>" for step in (_OF_WEIGHTS if weights else _OF_ARMS)))


# The script puts all arms at the same recall when this link is followed.
_RECALL = 'href="#frontiers" id="same-recall"'
_READ = '<a href="#matched"><b>Read the numbers</b></a> level by level, then <a href="#runs">what it all rests on</a>.'
_OF_ARMS = (
    f"<a {_RECALL}><b>Put all arms at the same recall</b></a> and see what is left of a gain.",
    '<a href="#seesaw"><b>Tilt the plank</b></a>: what each arm pays in precision for its recall, and what F1 makes '
    "of it.",
    _READ,
)
_OF_WEIGHTS = (
    '<a href="#seesaw"><b>Drag the weight</b></a> and see what it does to recall, precision and F1.',
    f"<a {_RECALL}><b>Put all weights at the same recall</b></a>: what is left is not the threshold's doing.",
    _READ,
)


def _script() -> str:
    """Join the script's parts into one function, so that nothing is global."""
    return '"use strict";(() => {\n' + "\n".join(part(f"{name}.js") for name in SCRIPTS) + "})();\n"
