"""Bars of gains for the page, as SVG within the HTML: they need no script."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from experiments.report.gains import GainAxis
from experiments.report.page.markup import html
from experiments.report.text.wording import digits_of, signed, typeset

WIDTH, _HEIGHT, _EDGE = 150, 14, 6
"""Of a bar unless asked otherwise, and what its axis leaves free at either end for an arrow; CSS pixels."""


@dataclass(frozen=True)
class Bars:
    """Draws bars on one axis, so that their lengths can be compared.

    Args:
        axis: Of all bars.
        margin: Shaded on either side of 0.
        width: Of each bar, CSS pixels.
    """

    axis: GainAxis
    margin: float
    width: int = WIDTH

    def at(self, value: float) -> float:
        """Return the place of a gain, in pixels from the left."""
        return round(_EDGE + (self.width - 2 * _EDGE) * self.axis.share(value), 2)

    def draw(self, row: pd.Series, column: str, prefix: str) -> Markup:
        """Draw a gain, hollow for tuned F1: thick its own interval, thin and with caps the one its verdict rests on.

        Args:
            row: Of `verdicts` or `arm_verdicts`.
            column: Of the gain.
            prefix: What the columns of the verdict's interval begin with.

        Returns:
            SVG; empty where there is no gain.
        """
        gain = float(row[column])
        if pd.isna(gain):
            return Markup()
        own = [float(row[f"{column}_{end}"]) for end in ("low", "high")]
        # Shares differ by at most 1; the text cuts the interval there too.
        rests_on = [float(np.clip(row[f"{prefix}verdict_{end}"], -1.0, 1.0)) for end in ("low", "high")]
        known = [value for value in (gain, *own, *rests_on) if not pd.isna(value)]
        told = [f"gain {signed(gain, digits_of(*own))}"]
        for what, ends in (("own interval", own), ("the verdict's", rests_on)):
            told += [] if pd.isna(ends[0]) else [f"{what} {' to '.join(signed(end, digits_of(*ends)) for end in ends)}"]
        return html(
            _BAR,
            width=self.width,
            label=typeset(", ".join(told)),
            zero=self.at(0.0),
            shade=(self.at(-self.margin), round(self.at(self.margin) - self.at(-self.margin), 2)),
            own=None if pd.isna(own[0]) else [self.at(end) for end in own],
            rests_on=None if pd.isna(rests_on[0]) else [self.at(end) for end in rests_on],
            caps=[self.at(end) for end in rests_on if not pd.isna(end) and self.axis.holds(end)],
            gain=self.at(gain) if self.axis.holds(gain) else None,
            kind=Markup(' class="hollow"') if prefix == "f1_" else "",
            left=min(known) < self.axis.low,
            right=max(known) > self.axis.high,
        )


_BAR = (
    f'<svg class="gain-bar" viewBox="0 0 {{{{ width }}}} {_HEIGHT}" width="{{{{ width }}}}" height="{_HEIGHT}" '
    'role="img" aria-label="{{ label }}">'
    f'<rect class="margin" x="{{{{ shade[0] }}}}" width="{{{{ shade[1] }}}}" height="{_HEIGHT}" '
    f'stroke-dasharray="0 {{{{ shade[1] }}}} {_HEIGHT} {{{{ shade[1] }}}} {_HEIGHT}"/>'
    f'<path class="zero" d="M{{{{ zero }}}} 0V{_HEIGHT}"/>'
    '{% if own %}<path class="own" d="M{{ own[0] }} 7H{{ own[1] }}"/>{% endif %}'
    '{% if rests_on %}<path class="rests-on" d="M{{ rests_on[0] }} 7H{{ rests_on[1] }}'
    '{% for cap in caps %}M{{ cap }} 2.5V11.5{% endfor %}"/>{% endif %}'
    '{% if left %}<path class="beyond" d="M0 7L6 3.5V10.5Z"/>{% endif %}'
    '{% if right %}<path class="beyond" d="M{{ width }} 7L{{ width - 6 }} 3.5V10.5Z"/>{% endif %}'
    '{% if gain is not none %}<circle{{ kind }} cx="{{ gain }}" cy="7" r="3.2"/>{% endif %}</svg>'
)
