"""Centre-line Dice of the runs that counted skeletons while their test images were scored."""

from __future__ import annotations

import pandas as pd

from experiments.runs import store
from experiments.runs.study import StudyRuns


def centerline_table(study: StudyRuns) -> pd.DataFrame:
    """Tabulate clDice, a row per arm, seed, mask and operating point; empty if no run counted skeletons.

    Returns:
        `arm, seed, mask, point, cldice` (mean over the images with a true pixel), `cldice_pooled` (of the counts of all
        images together), `undefined` (images without a true pixel).

    Raises:
        ValueError: a run's counts cannot be read, or are not of its masks.
    """
    rows = []
    for arm, seeds in study.complete.items():
        for seed, run in seeds.items():
            counts = store.read_centerlines(run.folder) if run.info.get("cldice") else None
            if counts is None:
                continue
            masks = run.scores["test"].masks
            if counts.counts.shape[2] != len(masks):
                raise ValueError(
                    f"{run.folder}: expected skeletons of {len(masks)} masks, got {counts.counts.shape[2]}"
                )
            for point in counts.points:
                of_images, mean, pooled = counts.of_images(point), counts.mean(point), counts.pooled(point)
                for place, mask in enumerate(masks):
                    rows.append(
                        {
                            "arm": arm,
                            "seed": seed,
                            "mask": mask,
                            "point": point,
                            "cldice": mean[place],
                            "cldice_pooled": pooled[place],
                            "undefined": int(pd.isna(of_images[:, place]).sum()),
                        }
                    )
    return pd.DataFrame(rows)
