"""Says on the terminal what was predicted, at which thresholds, and what to do with it."""

from __future__ import annotations

import shlex

from experiments.application.predict_images import Prediction


def prediction_text(found: Prediction) -> str:
    """Describe a prediction in a few lines."""
    images = found.images
    names = list(dict.fromkeys(images["image"]))
    pixels = (images["height"] * images["width"]).groupby(images["mask"]).sum()
    positives = images["positives"].groupby(images["mask"]).sum()
    shown = [["mask", "threshold (logit)", "probability", "share predicted", "on", "precision", "recall"]]
    for threshold in found.thresholds:
        share = positives[threshold.mask] / pixels[threshold.mask]
        first = [threshold.mask, f"{threshold.logit:.4g}", "", f"{100 * share:.2f} %"]
        for split, point in threshold.points.items():
            first[2] = f"{point.probability:.3f}" if first[0] else ""
            shown.append([*first, split, f"{point.precision:.3f}", f"{point.recall:.3f}"])
            first = [""] * 4
    widths = [max(len(row[column]) for row in shown) for column in range(len(shown[0]))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in shown]
    lines = [
        f"{len(names)} images by {found.run.folder}, threshold={found.rule.text}",
        *table,
        f"written to {found.folder}: masks/, {'' if found.kind == 'none' else 'scores/, '}images.csv, weights.pt, "
        "weights.json",
    ]
    if found.kind != "none":
        command = [
            *("python", "-m", "experiments.score", f"predictions={found.folder / 'scores'}"),
            *("pattern={arm}/{seed}/{mask}/{image}", f"kind={found.kind}", "truth=MASKS", "study_dir=DIR"),
        ]
        lines.append(f"with their truth they are a run again: {shlex.join(command)}")
    return "\n".join(lines)
