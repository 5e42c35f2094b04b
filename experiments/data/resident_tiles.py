"""Training images that stay on the accelerator: tiles are cut and augmented there, and no batch is copied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from experiments.data.batched_augmentation import in_changed_light, on_device
from experiments.data.batches import Batch, TileBatches, network_order, reflected, updates_loader
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
        split = batches.split
        self._starts = np.concatenate([[0], split.sizes.prod(axis=1).cumsum()])
        pixels, channels, masks = int(self._starts[-1]), split.channels, split.positives.shape[1]
        self._image = torch.empty((pixels, channels), dtype=torch.uint8, device=device)
        self._target = torch.empty((pixels, masks), dtype=torch.bool, device=device)
        self._valid = torch.ones(pixels if batches.ignores_pixels else 0, dtype=torch.bool, device=device)
        for index, (start, stop) in enumerate(pairwise(self._starts.tolist())):
            sample = split.samples[index]
            self._image[start:stop] = _copied(sample.image.reshape(-1, channels))
            self._target[start:stop] = _copied(sample.target.reshape(masks, -1).T)
            if batches.ignores_pixels and sample.valid is not None:
                self._valid[start:stop] = _copied(sample.valid.reshape(-1))

    def __getitem__(self, update: int) -> Batch:
        """Make the batch of one update on the device, without synchronising."""
        return self.batches.batch(update, self._made, self.device)

    def from_update(self, first: int) -> Iterator[Batch]:
        """Make the batches of updates `first` and after, in order."""
        for update in range(first, len(self.batches)):
            yield self[update]

    def _made(self, tiles: Sequence[Tile]) -> Batch:
        if self.batches.plan is None:
            image, target, valid = self._gathered(tiles, np.zeros((len(tiles), 2), bool))
            masks = target if valid is None else torch.cat([target, valid], dim=1)
            # Contiguous as on the host, so that a transform that draws a number per pixel draws the same ones.
            return self.batches.tile_by_tile(tiles, zip(image.contiguous(), masks.to(torch.uint8), strict=True))
        drawn = self.batches.plan.draw(len(tiles))
        image, target, valid = self._gathered(tiles, drawn.backwards)
        return self.batches.assembled(tiles, in_changed_light(image, drawn.light), target, valid)

    def _gathered(self, tiles: Sequence[Tile], backwards: NDArray[np.bool_]) -> tuple[Tensor, Tensor, Tensor | None]:
        """Copy tiles out of the resident images, one kernel for each of image, target and valid pixels."""
        rows, columns = on_device(self._places(tiles, backwards), self.device)
        pixels = (rows[:, :, None] + columns[:, None, :]).view(-1)
        shape = (len(tiles), self.batches.side, self.batches.side)
        image, target = (
            network_order(part.index_select(0, pixels).view(*shape, -1)) for part in (self._image, self._target)
        )
        if not self.batches.ignores_pixels:
            return image, target, None
        return image, target, self._valid.index_select(0, pixels).view(*shape).unsqueeze(1)

    def _places(self, tiles: Sequence[Tile], backwards: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the first pixel of each row and the distance to it of each column, int64 (2, N, side)."""
        images = [tile.image for tile in tiles]
        corners = np.array([(tile.top, tile.left) for tile in tiles])
        places = corners.T[..., None] + np.arange(self.batches.side)
        sizes = self.batches.split.sizes[images]
        places = reflected(places, sizes.T[..., None])
        places = np.where(backwards.T[..., None], places[..., ::-1], places)
        places[0] = self._starts[images][:, None] + places[0] * sizes[:, 1:]
        return places


def _copied(pixels: NDArray[Any]) -> Tensor:
    """Return a tensor of its own; torch warns of arrays that may not be written to, as those of a cache are."""
    return torch.from_numpy(pixels.copy())


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
        found = batches.batch(
            0,
            lambda tiles: batches.tile_by_tile(tiles, [(image.clone(), stacked.clone()) for _ in tiles]),
            device,
        )
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
