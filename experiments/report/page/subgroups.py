"""The page's section on subgroups of the test images, where a comparison was asked for them."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from experiments.comparison.compare_arms import Comparison
from experiments.comparison.subgroups.compare import SubgroupVerdicts
from experiments.report.page.markup import html, marked, table
from experiments.report.subgroups.text import flip_note, how_to_read, interaction, subgroup_cells, unseen_note
from experiments.report.text.wording import typeset

_SECTION = """<section id="subgroups" aria-labelledby="subgroups-title">
<h2 id="subgroups-title">Subgroups, by <code>{{ by }}</code></h2>
{% for sentence in lede %}<p class="lede">{{ sentence }}</p>
{% endfor %}{{ body }}
{% for note in notes %}<p class="fine">{{ note }}</p>
{% endfor %}</section>"""


def subgroups_section(comparison: Comparison, found: SubgroupVerdicts | None, names: Mapping[str, str]) -> Markup:
    """Write the section: what differs, then the verdict of every arm in every subgroup; empty without subgroups."""
    if found is None:
        return Markup()
    headers, rows = subgroup_cells(comparison, found, names)
    lede = [flip_note(comparison, found, names), interaction(comparison, found, names)]
    return html(
        _SECTION,
        by=found.by,
        lede=[marked(sentence) for sentence in lede if sentence],
        body=table(headers, [[typeset(cell) for cell in row] for row in rows], heads=2),
        notes=[typeset(note) for note in (*unseen_note(found), how_to_read(comparison))],
    )
