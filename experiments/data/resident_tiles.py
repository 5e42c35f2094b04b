"""Training images that stay on the accelerator: tiles are cut and augmented there, and no batch is copied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from experiments.data.batches import Batch, TileBatches, mirrored, stacked_masks, updates_loader
from experiments.data.sampling.uniform import Tile
from experiments.data.split import Split

LARGEST_SHARE = 0.25
"""The largest share of a GPU's free memory that training images may take; activations need the rest."""


class ResidentTiles:
    """The batches of a `TileBatches`, made from images that were copied to the device once.

    The batch of an update is the same function of (seed, update) as on the host. The host draws the places of the
    tiles, and the random numbers of those torchvision transforms that draw there: all flips, crops and changes of
    colour. A transform that draws on the image's device, such as noise, is seeded there as a function of (seed,
    update). Images keep their own size.

    Args:
        batches: Says how a batch is made.
        device: Where the images go.
    """

    def __init__(self, batches: TileBatches, device: torch.device) -> None:
        self.batches = batches
        self.device = device
        ignores_pixels = batches.ignores_pixels
        self._images: list[Tensor] = []
        self._masks: list[Tensor] = []
        for index in range(len(batches.split)):
            sample = batches.split.samples[index]
            self._images.append(torch.from_numpy(sample.image.transpose(2, 0, 1).copy()).to(device))
            self._masks.append(torch.from_numpy(stacked_masks(sample, ignores_pixels=ignores_pixels)).to(device))
        self._places: dict[tuple[int, int], Tensor] = {}

    def __getitem__(self, update: int) -> Batch:
        """Make the batch of one update on the device, without synchronising."""
        return self.batches.batch(update, self._cut, self.device)

    def from_update(self, first: int) -> Iterator[Batch]:
        """Make the batches of updates `first` and after, in order."""
        for update in range(first, len(self.batches)):
            yield self[update]

    def _cut(self, tile: Tile) -> tuple[Tensor, Tensor]:
        image, masks = self._images[tile.image], self._masks[tile.image]
        rows, columns = (
            self._on_device(start, length, mirrored(start, self.batches.side, length))
            for start, length in zip((tile.top, tile.left), image.shape[1:], strict=True)
        )
        # Cloned, so that a transform in place does not change the resident images.
        return image[:, rows][:, :, columns].clone(), masks[:, rows][:, :, columns].clone()

    def _on_device(self, start: int, length: int, places: slice | NDArray[np.intp]) -> slice | Tensor:
        """Keep the indices of a mirrored tile on the device: they recur for every image smaller than a tile."""
        if isinstance(places, slice):
            return places
        if (start, length) not in self._places:
            self._places[start, length] = torch.from_numpy(places).to(self.device, non_blocking=True)
        return self._places[start, length]


def resident_bytes(split: Split, *, ignores_pixels: bool) -> int:
    """Return the bytes that the images and masks of a split take on a device."""
    return int(split.sizes.prod(axis=1).sum()) * (split.channels + split.positives.shape[1] + int(ignores_pixels))


def stays_on_device(choice: str, batches: TileBatches, device: torch.device) -> bool:
    """Decide whether all training images are copied to the device once, or each batch by itself.

    Args:
        choice: "true", "false", or "auto": on a GPU if the images take at most `LARGEST_SHARE` of its free memory, and
            the loss asks for no maps derived from the labels, which the host computes.
        batches: Holds the images, and says whether valid pixels go with them.
        device: Where training computes.

    Raises:
        ValueError: Another choice; or "true" where the images take more than all of a GPU's free memory, or where the
            host has to see the labels.
    """
    choice = str(choice).lower()  # Hydra reads true as a truth value and writes it True
    if choice not in ("auto", "true", "false"):
        raise ValueError(f"expected auto, true or false, got {choice}")
    if choice == "false" or device.type != "cuda":
        return choice == "true"
    if batches.maps and choice == "true":
        raise ValueError(
            f"expected auto or false, got true: the loss takes {' and '.join(batches.maps)}, which the host computes "
            "from the labels of each batch"
        )
    if batches.maps:
        return False
    needed = resident_bytes(batches.split, ignores_pixels=batches.ignores_pixels)
    free, _ = torch.cuda.mem_get_info(device)
    if choice == "auto":
        return needed <= LARGEST_SHARE * free
    if needed > free:
        raise ValueError(
            f"expected training images that fit in the {free / 1e9:.2f} GB that the GPU has left, got "
            f"{needed / 1e9:.2f} GB; use auto or false"
        )
    return True


def training_updates(
    batches: TileBatches, *, first: int, device: torch.device, on_device: str, workers: int
) -> Iterable[Batch]:
    """Make the batches of updates `first` and after, in order: on the device, or by a loader's workers.

    Args:
        batches: Makes a batch.
        first: The first update.
        device: Where training computes.
        on_device: The choice; see `stays_on_device`.
        workers: Processes that prepare batches if the images do not stay on the device; 0 uses this process.
    """
    if stays_on_device(on_device, batches, device):
        return ResidentTiles(batches, device).from_update(first)
    return updates_loader(batches, first=first, workers=workers, pin=device.type == "cuda")


def check_augmentation(batches: TileBatches, device: torch.device) -> None:
    """Send a blank tile on the device through the augmentation, as training will.

    Raises:
        ValueError: The augmentation does not work on the device; the message says why.
    """
    channels, masks = batches.split.channels, batches.split.positives.shape[1]
    shape = (batches.side, batches.side)
    image = torch.zeros((channels, *shape), dtype=torch.uint8, device=device)
    stacked = torch.zeros((masks + int(batches.ignores_pixels), *shape), dtype=torch.uint8, device=device)
    try:
        found = batches.batch(0, lambda _: (image.clone(), stacked.clone()), device)
    except Exception as error:
        raise ValueError(
            f"the augmentation failed on a tile on {device.type}, where training images stay: {error}; "
            "trainer.data_on_device=false cuts and augments tiles on the CPU"
        ) from error
    if found.image.device.type != device.type:
        raise ValueError(
            f"expected the augmentation to leave a tile on {device.type}, got it on {found.image.device.type}; "
            "trainer.data_on_device=false cuts and augments tiles on the CPU"
        )
