"""The practitioner's checklist: what the results suggest to do, with numbers, and nothing without evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from experiments.inference.words import NOT_TRAINED
from experiments.report.checklist.evidence import StudyEvidence, with_unique_names
from experiments.report.checklist.levers import lever_sentences
from experiments.report.checklist.next_steps import next_sentences
from experiments.report.text.verdicts import row_of
from experiments.report.text.wording import listed, number, with_interval
from experiments.runs.presence import DOMINATES, NO_IMBALANCE, Kind, Presence

_ADVICE: dict[Kind, str] = {
    "per example": "More images of the same kind leave these shares as they are.",
    "by count": "Images that hold it are what is scarce: more of those would change the share.",
    "both": "More images that hold it would change one of the two.",
    "none": f"From {NO_IMBALANCE:.0%} on a mask is not called imbalanced.",
}
_LEAD: dict[Kind, str] = {
    "per example": "per example, not by count",
    "by count": "by count, not per example",
    "both": "both per example and by count",
    "none": "none to speak of",
}


def checklist(studies: Sequence[StudyEvidence]) -> list[str]:
    """Write the checklist of one or several studies.

    It answers in this order: Is the imbalance per example or by count? Has F1 stopped rising with the weight? Which
    lever lifted the frontier most per unit of training time? What should be tried next? Studies on the same data are
    combined; studies on other data are kept apart and named.

    Args:
        studies: At least one.

    Returns:
        Sentences in Markdown; questions without evidence are left out.
    """
    named = with_unique_names(studies)
    by_data: dict[tuple[object, ...], list[StudyEvidence]] = {}
    for study in named:
        by_data.setdefault(study.data, []).append(study)
    several = len(named) > 1
    sentences: list[str] = []
    for same in by_data.values():
        lead = f" ({listed([study.name for study in same])})" if len(by_data) > 1 else ""
        sentences += imbalance_sentences(same[0], lead)
    for study in named:
        sentences += weight_sentences(study, f" ({study.name})" if several else "")
    for same in by_data.values():
        lead = f" ({listed([study.name for study in same])})" if len(by_data) > 1 else ""
        sentences += lever_sentences(same, lead, name_studies=several)
    for same in by_data.values():
        sentences += next_sentences(same, name_studies=several)
    return sentences


def imbalance_sentences(study: StudyEvidence, lead: str = "") -> list[str]:
    """Say of which kind the imbalance of each mask is; masks of the same kind share a sentence.

    The training split decides if the runs recorded it, otherwise the test split.
    """
    by_kind: dict[Kind, dict[str, dict[str, Presence]]] = {}
    for mask in study.comparison.masks:
        found = study.presence(mask)
        decisive = next(iter(found.values())).kind
        if decisive is not None:
            by_kind.setdefault(decisive, {})[mask] = found
    sentences = []
    for kind, masks in by_kind.items():
        counts = "; ".join(f"{mask} {_presence(found)}" for mask, found in masks.items())
        parts = ", ".join(f"{mask} {next(iter(found.values())).per_example:.0%}" for mask, found in masks.items())
        within = (
            f" How much of the imbalance is left in the images that hold the mask (ln of the share there, over ln of "
            f"the share of all pixels): {parts}; from {DOMINATES:.0%} it is called per example, up to "
            f"{1 - DOMINATES:.0%} by count."
        )
        sentences.append(
            f"**Imbalance{lead}: {_LEAD[kind]}, for {listed(list(masks))}.** {_capital(counts)}."
            f"{'' if kind == 'none' else within} {_ADVICE[kind]}"
        )
    return sentences


def _presence(found: Mapping[str, Presence]) -> str:
    texts = [
        f"is in {part.n_present} of {part.n_images} {split} images and fills {_percent(part.median)} of such an image "
        f"(median; {_percent(part.prevalence)} of all pixels)"
        for split, part in found.items()
    ]
    return ", ".join(texts)


def weight_sentences(study: StudyEvidence, lead: str = "") -> list[str]:
    """Say for each mask whether F1 has stopped rising with the weight, by paired differences between weights."""
    if study.sweep is None:
        return []
    verdicts = study.comparison.verdicts
    trained = set(verdicts["mask"][verdicts["verdict"] != NOT_TRAINED])
    humps = study.sweep.humps
    return [_weight(study, str(row["mask"]), row, lead) for _, row in humps[humps["mask"].isin(trained)].iterrows()]


def _weight(study: StudyEvidence, mask: str, hump: pd.Series, lead: str) -> str:
    sweep = study.sweep
    if sweep is None:
        raise ValueError("study: expected one with a weight sweep, got one without")
    words = {"stopped": "has stopped rising", "rising": "still rises", "open": "is not shown to rise or to fall"}
    peak, heaviest = hump["peak_weight"], hump["last_weight"]
    head = f"Natural F1 is highest at weight {peak:g} ({number(hump['peak_f1'])})"
    falls = sweep.to_heaviest[(sweep.to_heaviest["mask"] == mask) & (sweep.to_heaviest["weight"] == peak)]
    for _, row in falls.iterrows():
        head += f"; at {heaviest:g} it is {number(hump['last_f1'])}, a change of {with_interval(row, 'f1_change')}"
    parts = [f"**Weight{lead}, {mask}: F1 {words[str(hump['state'])]}.** {head}."]
    own = sweep.steps[sweep.steps["mask"] == mask]
    rise, end = int(hump["last_rise"]), int(hump["first_end"])
    steps = []
    if rise >= 0:
        steps.append(f"the last that rises is {_step(own[own.index == rise].iloc[0])}")
    if end >= 0:
        word = {"falls": "falls", "flat": "stays"}[str(own.loc[end, "step"])]
        steps.append(
            f"the first{' after it' if rise >= 0 else ''} that {word} is {_step(own[own.index == end].iloc[0])}"
        )
    if rise < 0 and end < 0:
        steps.append(f"none is shown to rise or to fall; the last is {_step(own.iloc[-1])}")
    elif rise < 0:
        steps.insert(0, "none is shown to rise")
    parts.append(
        f"Of {len(own)} steps from weight to weight ({int(own['n_seeds'].min())} seeds, Holm over steps and masks), "
        f"{', '.join(steps)}."
    )
    marks = sweep.marks[sweep.marks["mask"] == mask]
    if len(marks) and not pd.isna(marks["right_weight"].iloc[0]):
        mark = marks.iloc[0]
        inverse = mark["inverse_frequency"]
        parts.append(
            f"Theory's weight for F1 is {mark['right_weight']:.2g} (2 / F1* - 1, F1* {number(mark['best_f1'])})"
            + ("." if pd.isna(inverse) else f", the inverse class frequency {inverse:.0f}.")
        )
    arm = next(reversed(sweep.weights))
    if arm != sweep.baseline:
        verdict = row_of(study.comparison.verdicts, arm, mask)
        parts.append(
            f"What weight {heaviest:g} does to the frontier: verdict {verdict['verdict']}, tuned F1 "
            f"{with_interval(verdict, 'f1_gain')} against weight {sweep.weights[sweep.baseline]:g}."
        )
    if hump["state"] == "stopped":
        parts.append("More weight is not the tool to try next.")
    return " ".join(parts)


def _step(row: pd.Series) -> str:
    return f"{row['weight']:g} -> {row['to_weight']:g} ({with_interval(row, 'f1_change')})"


def _percent(share: float) -> str:
    return "-" if share != share else f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
