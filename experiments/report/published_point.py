"""A published (recall, F1) pair of another system, placed by the precision that the two pin down."""

from dataclasses import dataclass

import numpy as np

from experiments.frontier.theory import precision_from_f1


@dataclass(frozen=True)
class PublishedPoint:
    """One operating point that somebody else reported: on other images, with another model.

    Args:
        label: whose it is, in the words of the legend.
        recall: in (0, 1].
        f1: in (0, 1], at most 2 recall / (1 + recall), which it has where precision is 1.
        weight: positive weight it was trained with; None where it is not known, which leaves it off the seesaw.
        mask: the mask of ours beside which it is shown; None shows it beside every one.

    Raises:
        ValueError: a value out of range, or a pair that no precision in (0, 1] gives.
    """

    label: str
    recall: float
    f1: float
    weight: float | None = None
    mask: str | None = None

    def __post_init__(self) -> None:
        if not self.label.strip():
            raise ValueError("label: expected the name of the system, got an empty text")
        for name in ("recall", "f1"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name}: expected a number in (0, 1], got {getattr(self, name)}")
        if not self.f1 < 2 * self.recall:
            raise ValueError(f"f1: expected below 2 x recall = {2 * self.recall:g}, got {self.f1:g}: no precision fits")
        most = 2 * self.recall / (1 + self.recall)
        if self.f1 > most + 1e-9:
            raise ValueError(
                f"f1: expected at most 2 recall / (1 + recall) = {most:.4g} for recall {self.recall:g}, "
                f"got {self.f1:g}, which needs a precision above 1"
            )
        if self.weight is not None and not (np.isfinite(self.weight) and self.weight > 0):
            raise ValueError(f"weight: expected a finite number above 0, got {self.weight}")

    @property
    def precision(self) -> float:
        """P = F1 R / (2 R - F1), for pooled counts; a mean of per-image F1 does not obey it."""
        return min(1.0, float(precision_from_f1(self.recall, self.f1)))

    @property
    def text(self) -> str:
        """Label and numbers."""
        weight = "" if self.weight is None else f"weight {self.weight:g}, "
        return f"{self.label}: {weight}recall {self.recall:g} and F1 {self.f1:g}, hence precision {self.precision:.2f}"

    def beside(self, mask: str) -> bool:
        """Whether it is shown beside a mask of ours."""
        return self.mask is None or self.mask == mask
