"""Checks across all files of a folder: groups, repeated pictures, and the positive share of each mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.data.image_folder.problems import ProblemList
from experiments.data.image_folder.scan import ScannedSample
from experiments.data.split import NO_POSITIVES

Parts = Mapping[str, Sequence[ScannedSample]]


def check_groups(groups: Mapping[str, Sequence[str]], problems: ProblemList) -> None:
    """Refuse a group in two splits: a test on a well, road or patient seen in training measures memory."""
    names = list(groups)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            shared = sorted(set(groups[first]) & set(groups[second]))
            problems.add(
                "expected every group in one split only",
                *[f"group {group!r} is in {first}/ and in {second}/" for group in shared],
            )


def check_pictures(root: Path, parts: Parts, problems: ProblemList) -> None:
    """Find equal pictures, whatever their names; blank pictures may repeat."""
    seen: dict[str, tuple[str, Path]] = {}
    for name, part in parts.items():
        for sample in part:
            if sample.facts is None or sample.constant:
                continue
            path = sample.files.image
            split, first = seen.setdefault(sample.facts.image_digest, (name, path))
            pair = f"{_short(root, first)} = {_short(root, path)}"
            if split != name:
                problems.add("expected every picture in one split only, got equal pixels", pair)
            elif first != path:
                problems.notice("equal pictures of one split count as independent images", pair)


def check_masks(root: Path, parts: Parts, masks: Sequence[str], problems: ProblemList, *, allow_majority: bool) -> None:
    """Refuse masks that fill more than half of an image, equal the images, or have no positive pixel in a split.

    Args:
        root: Folder that paths in problems are relative to.
        parts: The samples of each split.
        masks: Names of the masks, in channel order.
        problems: Receives what is wrong.
        allow_majority: Whether a mask may fill more than half.
    """
    for name, part in parts.items():
        facts = [sample.facts for sample in part if sample.facts is not None]
        for sample in part:
            if sample.facts is not None:
                _check_minority(root, sample, problems, allow_majority=allow_majority)
        copies = [sample for sample in part if sample.copied is not None]
        if copies and len(copies) == sum(fact.foreground > 0 for fact in facts):
            problems.add(
                f"expected images, got masks in all of {name}/images",
                *[f"{_short(root, s.files.image)} = {_short(root, s.files.mask_file(s.copied or 0))}" for s in copies],
            )
        if not facts or len(facts) < len(part):
            continue  # an unreadable file is the problem, and may hold the positives
        for channel, mask in enumerate(masks):
            if not any(fact.positives[channel] for fact in facts):
                problems.add(
                    f"{NO_POSITIVES}; data.masks=[...] leaves masks out", f"{name}: {mask}: none in {len(facts)} images"
                )
    _notice(root, parts, masks, problems)


def _check_minority(root: Path, sample: ScannedSample, problems: ProblemList, *, allow_majority: bool) -> None:
    facts, files = sample.facts, sample.files
    if facts is None:
        return
    for channel, share in enumerate(facts.positives / max(facts.valid_pixels, 1)):
        if 2 * facts.positives[channel] > facts.valid_pixels and not allow_majority:
            problems.add(
                "expected positive pixels to be the minority of a mask, as of a thin structure; invert these masks "
                "(data.inverted=true reads them so) or, if they are right, data.allow_majority=true",
                f"{_short(root, files.mask_file(channel))}: {share:.1%} positive",
            )


def _notice(root: Path, parts: Parts, masks: Sequence[str], problems: ProblemList) -> None:
    together = [sample for part in parts.values() for sample in part if sample.facts is not None]
    problems.notice(
        "the image is turned by its EXIF orientation, its mask has none and may fit either way: taken as drawn on the "
        "upright image",
        *[_short(root, sample.files.image) for sample in together if sample.turned_alone],
    )
    for channel, mask in enumerate(masks):
        digests = [sample.mask_digests[channel] for sample in together if sample.facts.positives[channel]]  # type: ignore[union-attr]
        if len(digests) > 2 and len(set(digests)) == 1:
            problems.notice("all images have one and the same mask", f"{mask}, {len(digests)} files")
        for other in range(channel):
            if together and all(s.mask_digests[channel] == s.mask_digests[other] for s in together):
                problems.notice("two masks are the same in all images", f"{masks[other]} = {mask}")
    ignored = [(s.ignored_positives, int(s.facts.positives.sum())) for s in together if s.facts is not None]
    lost, kept = (sum(column) for column in zip(*ignored, strict=True)) if ignored else (0, 0)
    if lost > kept:
        problems.notice(
            "data.ignore leaves out more than half of the positive pixels, as if it were inverted; 0 means count"
            if together[0].files.ignores
            else "valid/ leaves out more than half of the positive pixels, as if it were inverted; 0 means ignore",
            f"{lost:,} of {lost + kept:,}",
        )


def _short(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()
