"""The words of the verdict, in the order in which reports list them, and sentences about comparisons."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from experiments.inference.above_chance import AboveChance
from experiments.inference.advice import Advice
from experiments.inference.simultaneous_band import RecallBand

Word = Literal["moves out", "moves in", "crosses", "slides", "stays", "undecided", "not trained"]

WORDS: tuple[Word, ...] = get_args(Word)
MOVES_OUT, MOVES_IN, CROSSES, SLIDES, STAYS, UNDECIDED, NOT_TRAINED = WORDS


def advice_sentence(advice: Advice, n_seeds: int, n_groups: int) -> str:
    """Say which variance dominates and what would decide, given the seeds and test groups that there are.

    "An even chance": half of the studies of that size would be decided, not all.
    """
    name = {"seeds": "training seeds", "groups": "test groups"}[advice.dominates]
    source = f"{advice.share:.0%} of the variance comes from {name}"
    options = [
        f"about {wanted:.0f} {what}s in all ({wanted - have:.0f} more)"
        for wanted, have, what in ((advice.seeds, n_seeds, "seed"), (advice.groups, n_groups, "test group"))
        if np.isfinite(wanted)
    ]
    if options:
        return f"an even chance of settling it takes {', or '.join(options)}; {source}"
    both = f", but about {advice.both:.2g} times as many of both may" if np.isfinite(advice.both) else ""
    return f"more seeds alone will not settle it, nor more test groups{both}; {source}"


def band_sentence(band: RecallBand) -> str:
    """Say where an arm is better and where worse, or give the best (worst) single recall if the band shows neither."""
    best, worst = (band.recalls[[int(pick(band.difference.estimate))]] for pick in (np.argmax, np.argmin))
    better, worse = (shown if len(shown) else single for shown, single in ((band.better, best), (band.worse, worst)))
    return f"better at recall {spans(better)}, worse at recall {spans(worse)}"


def spans(recalls: NDArray[np.float64]) -> str:
    """Write recalls as text, joining neighbours on a grid of .05: [.05, .1, .5] gives "0.05-0.10, 0.50"."""
    if not len(recalls):
        return "none"
    runs = np.split(recalls, np.flatnonzero(np.diff(recalls) > 0.0501) + 1)
    texts = [f"{run[0]:.2f}" if len(run) == 1 else f"{run[0]:.2f}-{run[-1]:.2f}" for run in runs]
    return ", ".join(texts)


def why_untrained(runs: Sequence[tuple[str, Sequence[int], Sequence[AboveChance]]]) -> str:
    """Say which arms are not trained, and which of their seeds collapsed; empty if all are trained.

    Args:
        runs: name of an arm, its seeds, and the level of each.
    """
    told = []
    for name, seeds, levels in runs:
        bad = [(seed, level) for seed, level in zip(seeds, levels, strict=True) if level.untrained]
        if not bad:
            continue
        if len(bad) == len(seeds):
            told.append(f"{name} is not trained: {level_text([level for _, level in bad])}")
            continue
        listed = ", ".join(f"seed {seed}: {_level(level)}" for seed, level in bad)
        told.append(f"{len(bad)} of {len(seeds)} seeds of {name} collapsed ({listed})")
    return "; ".join(told)


def level_text(levels: Sequence[AboveChance]) -> str:
    """Describe the AP of several runs of one mask: the mean, and the range if they differ."""
    if len(levels) == 1:
        return _level(levels[0])
    values = [level.average_precision for level in levels]
    texts = [f"{value:.3g}" for value in (float(np.mean(values)), min(values), max(values))]
    spread = f" ({texts[1]} to {texts[2]} over {len(levels)} seeds)" if texts[1] != texts[2] else ""
    one_score = "one score for all pixels, " if all(level.constant for level in levels) else ""
    return f"{one_score}AP {texts[0]}{spread} at a prevalence of {levels[0].prevalence:.3g}"


def _level(level: AboveChance) -> str:
    """Describe the AP of one run: "AP 0.031 at a prevalence of 0.030"."""
    one_score = "one score for all pixels, " if level.constant else ""
    return f"{one_score}AP {level.average_precision:.3g} at a prevalence of {level.prevalence:.3g}"
