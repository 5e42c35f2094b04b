"""Maps that some losses ask for: skeletons of the labels, and signed distances to their edge.

They are computed on the CPU from the labels of each tile as the loss gets them, after augmentation, where batches are
made: in the loader's workers if there are some. Tiles lie anywhere and are flipped or changed at random, so that
nothing could be kept per image that would be exact for them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def derived_maps(names: Collection[str], target: Tensor) -> dict[str, Tensor]:
    """Compute maps of a batch.

    Args:
        names: Some of `skeleton` and `distance`.
        target: Labels 0 and 1, (N, C, H, W), on any device; copied to the CPU, and the maps back.

    Returns:
        Map by name, the same shape: bool for skeletons, float32 for distances.
    """
    planes = (target != 0).cpu().numpy().reshape(-1, *target.shape[-2:])
    return {
        name: torch.from_numpy(np.stack([_MAPS[name](plane) for plane in planes]))
        .reshape(target.shape)
        .to(target.device)
        for name in sorted(names)
    }


def skeleton(plane: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Thin the labels of one mask to lines one pixel wide (Zhang and Suen 1984, by scikit-image)."""
    from skimage.morphology import skeletonize

    return skeletonize(plane) if plane.any() else plane


def signed_distance(plane: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Measure pixels to the labels' edge, as Kervadec et al. 2019 do.

    Outside it is the distance to the nearest labelled pixel, 1 and more. Inside it is 1 minus the distance to the
    nearest unlabelled one, 0 and less. Where all pixels are labelled or none is, there is no edge, and it is 0.
    """
    from scipy.ndimage import distance_transform_edt

    if plane.all() or not plane.any():
        return np.zeros(plane.shape, np.float32)
    outside, inside = distance_transform_edt(~plane), distance_transform_edt(plane)
    return np.where(plane, 1 - inside, outside).astype(np.float32)


def missing_package(names: Collection[str]) -> str | None:
    """Say what has to be installed for some maps; None if nothing is missing."""
    if "skeleton" in names and find_spec("skimage") is None:
        return "skeletons need scikit-image, which is not installed: pip install scikit-image"
    return None


_MAPS: dict[str, Callable[[NDArray[np.bool_]], NDArray[np.generic]]] = {
    "skeleton": skeleton,
    "distance": signed_distance,
}
