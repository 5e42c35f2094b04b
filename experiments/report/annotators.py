"""Where the annotators of the test images operate: their agreement, as recall and precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

HUMAN_WORDS = (
    " Stars: annotators of the test images, each against the others, or against the one that is believed, counted like "
    "a model's mask: where a careful human operates."
)


@dataclass(frozen=True)
class HumanPoint:
    """One annotator's operating point.

    Args:
        annotator: The name.
        mask: The mask.
        recall: Share of what the others drew that this one drew too, pooled over the test images.
        precision: Share of what this one drew that the others drew too.
    """

    annotator: str
    mask: str
    recall: float
    precision: float


def human_points(info: Mapping[str, Any]) -> tuple[HumanPoint, ...]:
    """Read the points from a `run.json`; those without recall or precision are left out.

    >>> human_points({"annotators": [{"annotator": "ann", "mask": "crack", "hits": 3, "false_alarms": 1, "misses": 0}]})
    (HumanPoint(annotator='ann', mask='crack', recall=1.0, precision=0.75),)
    """
    return tuple(
        HumanPoint(
            e["annotator"],
            e["mask"],
            e["hits"] / (e["hits"] + e["misses"]),
            e["hits"] / (e["hits"] + e["false_alarms"]),
        )
        for e in info.get("annotators") or []
        if e["hits"] + e["misses"] and e["hits"] + e["false_alarms"]
    )
