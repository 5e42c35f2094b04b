"""Margins and level of the verdict; apart from its tests, so that checking settings does not import them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """Margins and level of the verdict.

    Args:
        margin: gains inside (-margin, margin) do not matter.
        point_margin: the operating point counts as unmoved if natural recall and precision change by less than this.
        level: error level of each family of tests, after Holm over arms and masks.
        statistic: name of the headline in sentences.
    """

    margin: float = 0.01
    point_margin: float = 0.05
    level: float = 0.05
    statistic: str = "AP"

    def __post_init__(self) -> None:
        for name in ("margin", "point_margin"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name}: expected a number in (0, 1), got {getattr(self, name)}")
        if not 0 < self.level < 0.5:
            raise ValueError(f"level: expected a number in (0, 0.5), got {self.level}")
