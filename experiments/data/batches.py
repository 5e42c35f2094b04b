"""Training batches: each is a function of (seed, update) alone, so that a run can stop and resume exactly."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors

from experiments.data.batched_augmentation import BatchedPlan, batched_plan, in_changed_light
from experiments.data.derived_maps import derived_maps
from experiments.data.sampling.uniform import Sampling, Tile
from experiments.data.split import Sample, Split
from experiments.process.random_numbers import own_numbers
from experiments.process.stop_signals import leave_to_parent

_CPU = torch.device("cpu")
_ALL = slice(0, 2**62)  # of the rows or columns of an image, which ends earlier


@dataclass(frozen=True)
class Batch:
    """Tiles of one update.

    Args:
        image: uint8 (N, K, H, W).
        target: bool (N, C, H, W).
        valid: bool (N, 1, H, W), False = ignore; None when every pixel counts.
        index: The image of each tile, its place in the split.
        maps: Maps derived from the target, in its shape; see `derived_maps`.
    """

    image: Tensor
    target: Tensor
    valid: Tensor | None
    index: tuple[int, ...] = ()
    maps: Mapping[str, Tensor] = field(default_factory=dict)

    def to(self, device: torch.device) -> Batch:
        """Copy to a device without waiting for it."""
        valid = None if self.valid is None else self.valid.to(device, non_blocking=True)
        maps = {name: value.to(device, non_blocking=True) for name, value in self.maps.items()}
        image, target = self.image.to(device, non_blocking=True), self.target.to(device, non_blocking=True)
        return Batch(image, target, valid, self.index, maps)

    def pin_memory(self) -> Batch:
        """Pin the memory; a DataLoader requires this method of a custom batch type."""
        valid = None if self.valid is None else self.valid.pin_memory()
        maps = {name: value.pin_memory() for name, value in self.maps.items()}
        return Batch(self.image.pin_memory(), self.target.pin_memory(), valid, self.index, maps)


class TileBatches(Dataset[Batch]):
    """Item `u` is the batch of update `u`.

    Args:
        split: The training split.
        sampling: Chooses the tiles.
        augment: A torchvision.transforms.v2 transform; it receives image and masks of a tile together.
        batch_size: Tiles in a batch.
        side: Side of a tile in pixels.
        seed: The run's seed.
        max_steps: Number of updates; a sampling may change as training proceeds.
        ignores_pixels: Whether the split has ignored pixels; if not, `valid` is None in every batch.
        maps: Maps derived from the labels that the loss asks for.
    """

    def __init__(
        self,
        split: Split,
        sampling: Sampling,
        augment: Callable[..., Any],
        *,
        batch_size: int,
        side: int,
        seed: int,
        max_steps: int,
        ignores_pixels: bool,
        maps: Collection[str] = (),
    ) -> None:
        self.split = split
        self.sampling = sampling
        self.augment = augment
        self.batch_size = batch_size
        self.side = side
        self.seed = seed
        self.max_steps = max_steps
        self.ignores_pixels = ignores_pixels
        self.maps = tuple(maps)

    def __len__(self) -> int:
        """Return the number of updates."""
        return self.max_steps

    @cached_property
    def plan(self) -> BatchedPlan | None:
        """How to augment whole batches; None if the augmentation has to see one tile at a time."""
        return batched_plan(self.augment)

    def __getitem__(self, update: int) -> Batch:
        """Make the batch of one update."""
        return self.batch(update, self._made)

    def batch(self, update: int, make: Callable[[Sequence[Tile]], Batch], device: torch.device = _CPU) -> Batch:
        """Make the batch of one update from tiles whose places are drawn here.

        Args:
            update: The places of the tiles and all random numbers are a function of it and the seed.
            make: Cuts and augments the tiles of a batch.
            device: Where the images are.
        """
        rng = np.random.default_rng([self.seed, update])
        with own_numbers(device) as seed_numbers:  # dropout and loss draw on as if no batch had been made
            seed_numbers(int(np.random.default_rng([self.seed, update, 1]).integers(2**63)))
            tiles = self.sampling.draw(
                self.split, rng, count=self.batch_size, side=self.side, progress=update / self.max_steps
            )
            seed_numbers(int(rng.integers(2**63)))
            return make(tiles)

    def tile_by_tile(self, tiles: Sequence[Tile], cuts: Iterable[tuple[Tensor, Tensor]]) -> Batch:
        """Make a batch with an augmentation that has to see one tile at a time.

        Args:
            tiles: Their places.
            cuts: For each its image, uint8 (K, side, side), and its `stacked_masks`, uint8 (C or C + 1, side, side).
        """
        images, targets, valids = zip(*(self._augmented(*cut) for cut in cuts), strict=True)
        valid = torch.stack(valids) if self.ignores_pixels else None
        return self.assembled(tiles, _channels_last(images), _channels_last(targets), valid)

    def assembled(self, tiles: Sequence[Tile], image: Tensor, target: Tensor, valid: Tensor | None) -> Batch:
        """Put a batch together; see `Batch`."""
        maps = derived_maps(self.maps, target) if self.maps else {}
        return Batch(image, target, valid, tuple(tile.image for tile in tiles), maps)

    def _made(self, tiles: Sequence[Tile]) -> Batch:
        if self.plan is None:
            return self.tile_by_tile(tiles, map(self._cut, tiles))
        drawn = self.plan.draw(len(tiles))
        parts = (
            _read_backwards(cut_tile(self.split, tile, self.side), *backwards)
            for tile, backwards in zip(tiles, drawn.backwards.tolist(), strict=True)
        )
        image, target, valid = _stacked(parts, len(tiles), ignores_pixels=self.ignores_pixels)
        return self.assembled(tiles, in_changed_light(image, drawn.light), target, valid)

    def _cut(self, tile: Tile) -> tuple[Tensor, Tensor]:
        sample = cut_tile(self.split, tile, self.side)
        masks = stacked_masks(sample, ignores_pixels=self.ignores_pixels)
        return torch.from_numpy(sample.image.transpose(2, 0, 1).copy()), torch.from_numpy(masks)

    def _augmented(self, image: Tensor, masks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        image, masks = self.augment(tv_tensors.Image(image), tv_tensors.Mask(masks))
        masks = masks.as_subclass(Tensor).bool()
        count = len(masks) - self.ignores_pixels
        return image.as_subclass(Tensor), masks[:count], masks[count:]


def _channels_last(tiles: Sequence[Tensor]) -> Tensor:
    """Stack tiles (K, H, W) to (N, K, H, W) with the channels of a pixel side by side.

    On a CPU tile by tile: torch shares a copy of the whole batch among threads, and on a busy machine waking them takes
    longer than the copy.
    """
    if len(tiles[0]) == 1 or tiles[0].device.type != "cpu":
        return torch.stack(tuple(tiles)).contiguous(memory_format=torch.channels_last)
    shape = (len(tiles), *tiles[0].shape)
    out = torch.empty(shape, dtype=tiles[0].dtype, device=tiles[0].device, memory_format=torch.channels_last)
    for place, tile in zip(out, tiles, strict=True):
        place.copy_(tile)
    return out


def _read_backwards(sample: Sample, rows: bool, columns: bool) -> Sample:
    """Return a view of a sample with its rows, its columns or both in reverse order."""
    return sample.part(*(slice(None, None, -1 if backwards else 1) for backwards in (rows, columns)))


def _stacked(parts: Iterable[Sample], count: int, *, ignores_pixels: bool) -> tuple[Tensor, Tensor, Tensor | None]:
    """Copy tiles into a batch, each before the next is cut, so that one decoded image at a time is held.

    Returns:
        Image and target with the strides of `_channels_last`, and the valid pixels; see `Batch`.
    """
    image = target = valid = np.empty(0, bool)
    for place, part in enumerate(parts):
        if not place:
            size = part.image.shape[:2]
            image = np.empty((count, *part.image.shape), np.uint8)
            target = np.empty((count, *size, len(part.target)), bool)
            valid = np.ones((count if ignores_pixels else 0, 1, *size), bool)
        _copy_pixels(part.image, image[place])
        _copy_pixels(part.target.transpose(1, 2, 0), target[place])
        if ignores_pixels and part.valid is not None:
            valid[place, 0] = part.valid
    return (
        network_order(torch.from_numpy(image)),
        network_order(torch.from_numpy(target)),
        torch.from_numpy(valid) if ignores_pixels else None,
    )


def _copy_pixels(tile: NDArray[Any], place: NDArray[Any]) -> None:
    """Copy (H, W, K): channel by channel, five times as fast as pixel by pixel, unless whole rows can be copied."""
    if tile.strides[1:] == place.strides[1:]:
        place[...] = tile
    else:
        for channel in range(tile.shape[-1]):
            place[..., channel] = tile[..., channel]


def network_order(pixels: Tensor) -> Tensor:
    """View pixels (N, H, W, K) as (N, K, H, W), with the strides that torch gives a batch in `channels_last`.

    One channel has the strides of a contiguous batch, from which torch chooses how to convolve.
    """
    count, height, width, channels = pixels.shape
    return pixels.view(count, 1, height, width) if channels == 1 else pixels.permute(0, 3, 1, 2)


def stacked_masks(sample: Sample, *, ignores_pixels: bool) -> NDArray[np.uint8]:
    """Stack what an augmentation moves with the image: the masks and, where pixels are ignored, the valid pixels.

    Returns:
        uint8 {0, 1}, (C, H, W), or (C + 1, H, W) with the valid pixels last.
    """
    if not ignores_pixels:
        return sample.target.astype(np.uint8)
    valid = np.ones(sample.target.shape[1:], bool) if sample.valid is None else sample.valid
    return np.concatenate([sample.target, valid[None]]).astype(np.uint8)


def cut_tile(split: Split, tile: Tile, side: int) -> Sample:
    """Cut a tile out of an image, mirroring one that is smaller than the tile at its bottom and right edges."""
    height, width = split.sizes[tile.image].tolist()
    rows, columns = mirrored(tile.top, side, height), mirrored(tile.left, side, width)
    if isinstance(rows, slice) and isinstance(columns, slice):
        return split.window(tile.image, rows, columns)
    sample = split.window(tile.image, *(part if isinstance(part, slice) else _ALL for part in (rows, columns)))
    rows, columns = (_ALL if isinstance(part, slice) else part for part in (rows, columns))
    valid = None if sample.valid is None else sample.valid[rows][:, columns]
    return Sample(sample.image[rows][:, columns], sample.target[:, rows][:, :, columns], valid)


def mirrored(start: int, side: int, length: int) -> slice | NDArray[np.int64]:
    """Index `side` rows or columns from `start`: a slice inside the image, else indices reflected at its end."""
    if start + side <= length:
        return slice(start, start + side)
    return reflected(np.arange(start, start + side), length)


def reflected(places: NDArray[np.int64], length: int | NDArray[np.int64]) -> NDArray[np.int64]:
    """Reflect places that lie beyond the end of an image: after the last row comes the last, then the one before."""
    places = places % (2 * length)
    return np.where(places < length, places, 2 * length - 1 - places)


def updates_loader(batches: TileBatches, *, first: int, workers: int, pin: bool) -> Iterable[Batch]:
    """Load the batches of updates `first` and after, in order.

    Args:
        batches: The batches.
        first: The first update.
        workers: Processes that prepare batches; 0 makes them in this process.
        pin: Whether to pin memory for the copy to a GPU.
    """
    if not workers and not pin:
        return _in_bursts(batches, first)
    return DataLoader(
        batches,
        batch_size=None,
        sampler=range(first, len(batches)),
        num_workers=workers,
        pin_memory=pin,
        prefetch_factor=4 if workers else None,
        # Workers inside a parallel launcher's process crash under the loky start method.
        multiprocessing_context="fork" if workers else None,
        # A loader draws a seed when it starts; with its own generator it leaves that of dropout alone.
        generator=torch.Generator().manual_seed(batches.seed),
        worker_init_fn=leave_to_parent,
    )


def _in_bursts(batches: TileBatches, first: int, length: int = 8) -> Iterator[Batch]:
    """Make several batches in a row. A network's step in between would evict their code and data from the caches.

    For small tiles this halves the time.
    """
    for start in range(first, len(batches), length):
        yield from [batches[update] for update in range(start, min(start + length, len(batches)))]


@dataclass(frozen=True)
class PixelStatistics:
    """Mean and standard deviation of the training images per channel, on the 0 to 255 scale."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def pixel_statistics(split: Split, most: int = 256) -> PixelStatistics:
    """Measure mean and standard deviation per channel over up to `most` evenly spread images of a split."""
    chosen = np.unique(np.linspace(0, len(split.samples) - 1, min(most, len(split.samples))).astype(int))
    total, squares, count = 0.0, 0.0, 0
    for index in chosen:
        for _, band in split.bands(int(index)):  # sums of whole numbers, so the same for any bands
            pixels = band.image.reshape(-1, band.image.shape[-1])
            total = total + pixels.sum(axis=0, dtype=np.float64)
            squares = squares + np.square(pixels, dtype=np.float64).sum(axis=0)
            count += len(pixels)
    mean = np.asarray(total) / count
    std = np.sqrt(np.maximum(np.asarray(squares) / count - mean**2, 0.0))
    return PixelStatistics(tuple(mean.tolist()), tuple(np.maximum(std, 1.0).tolist()))
