"""Matches the images of a folder with their masks and valid pixels, by stem."""

from __future__ import annotations

import os
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.data.file_names import is_left_behind, same_name
from experiments.data.image_folder.layout.suggest import suggested
from experiments.data.image_folder.listing import image_files, is_image_name, sub_folders
from experiments.data.image_folder.problems import MOST_NAMED, ProblemList

SPLITS = ("train", "val", "test")
_OTHER_SPLITS = ("valid", "validation", "dev", "eval", "training", "testing")  # other names in use for them
SINGLE_MASK = "mask"  # the mask's name if masks/ has no sub-folder and no name is given


@dataclass(frozen=True)
class SampleFiles:
    """The files of one sample.

    Args:
        image: The image.
        masks: One file per mask in channel order, or one that holds all masks; those of the next annotator follow.
        valid: The valid pixels, if there are any.
        image_id: The image's name; None for the stem of its file.
        group: The group, where the folder or a split file names it.
        shared: Whether a file of truth holds all masks.
        ignores: Whether `valid` marks the pixels that do not count instead of those that do.
    """

    image: Path
    masks: tuple[Path, ...]
    valid: Path | None
    image_id: str | None = None
    group: str | None = None
    shared: bool = False
    ignores: bool = False

    @property
    def name(self) -> str:
        """The image's name, normalised."""
        return same_name(self.image.stem if self.image_id is None else self.image_id)

    def mask_file(self, channel: int) -> Path:
        """Return the file of a mask: the first annotator's."""
        return self.masks[0 if self.shared else channel]


@dataclass(frozen=True)
class FolderIndex:
    """All samples of a folder, sorted by name, for each split that there is.

    Args:
        masks: Names of the masks in channel order.
        splits: The samples of each split.
        annotators: The names of annotators, where file names have them.
    """

    masks: tuple[str, ...]
    splits: Mapping[str, tuple[SampleFiles, ...]]
    annotators: tuple[str, ...] = ()


def index_folder(root: Path, masks: Sequence[str] | None, problems: ProblemList) -> FolderIndex:
    """Find the samples of {train,val,test}/images with masks/ or masks/<name>/ and, where there is one, valid/.

    Args:
        root: Holds the folders of the splits.
        masks: Names of the masks in channel order; None takes every sub-folder of masks/, sorted, or the files of
            masks/ itself as one mask named "mask".
        problems: Receives what is missing or does not match.

    Returns:
        The samples whose files could be matched.
    """
    if not os.path.isdir(root):
        problems.add("expected a folder with train/ and test/, each with images/ and masks/", describe_missing(root))
        return FolderIndex((), {})
    for name in ("train", "test"):
        if not os.path.isdir(root / name):
            problems.add("expected a folder", f"{name}/ is missing; {root} holds {holdings(root)}")
    if not any(os.path.isdir(root / name) for name in SPLITS):
        guess = suggested(root)
        problems.add(
            "a folder laid out otherwise is read by patterns of its file names",
            guess if guess is not None else "data.images='{stem}.jpg' data.truth='{stem}_mask.png'",
        )
    names = [name for name in SPLITS if os.path.isdir(root / name)]
    problems.add(
        "expected the names train/, val/ and test/ only, lest a split be passed over",
        *[f"{name}/" for name in sub_folders(root, problems) if _may_be_a_split(name)],
    )
    chosen, single = _mask_names(root, names, masks, problems)
    splits = {name: _index_split(root, name, chosen, single, problems) for name in names} if chosen else {}
    return FolderIndex(chosen, splits)


def describe_missing(path: Path) -> str:
    """Say that a path is missing, and what its closest existing parent holds."""
    if os.path.exists(path):
        return f"{path} is a file"
    trimmed = Path(str(path).strip())
    if trimmed != path and os.path.isdir(trimmed):
        return f"{str(path)!r} is missing; without the spaces around it there is one"
    parent = next((p for p in path.absolute().parents if os.path.isdir(p)), Path(path.anchor))
    return f"{path} is missing; its closest existing parent {parent} holds {holdings(parent)}"


def holdings(folder: Path, most: int = 12) -> str:
    """Name the folders in a folder and count its files by type."""
    try:
        entries = sorted(entry for entry in folder.iterdir() if not is_left_behind(entry.name))
    except OSError as error:
        return f"what cannot be listed ({error.strerror})"
    folders = [f"{entry.name}/" for entry in entries if os.path.isdir(entry)]
    types = Counter(entry.suffix.lower() or entry.name for entry in entries if not os.path.isdir(entry))
    if len(folders) > most:
        folders = [*folders[:most], f"... {len(folders) - most} more folders"]
    files = [f"{n} {suffix} {'file' if n == 1 else 'files'}" for suffix, n in types.most_common(5)]
    return ", ".join(folders + files) or "nothing"


def _mask_names(
    root: Path, splits: Sequence[str], masks: Sequence[str] | None, problems: ProblemList
) -> tuple[tuple[str, ...], bool]:
    """Return the names of the masks, and whether masks/ itself holds the files of a single one."""
    folders = {f"{name}/masks": root / name / "masks" for name in splits if os.path.isdir(root / name / "masks")}
    direct = [short for short in folders if image_files(root, short, ProblemList(""))]
    below = {name for folder in folders.values() for name in sub_folders(folder, problems)}
    known = sorted(name for name in below if not is_image_name(name))  # "a.png" is meant for a file
    if direct and known:
        problems.add(
            "expected either files or sub-folders (one per mask) in every masks/",
            *[f"{short} holds {holdings(folder)}" for short, folder in folders.items()],
        )
        return (), False
    if direct:
        if masks is not None and len(masks) != 1:
            problems.add("masks: expected one name, since masks/ has no sub-folders", f"{', '.join(masks)}")
            return (), False
        return (tuple(masks) if masks is not None else (SINGLE_MASK,)), True
    if masks is not None and known:
        problems.add(
            "masks: expected names of sub-folders of masks/",
            *[f"{name!r}, but masks/ holds {', '.join(known)}" for name in masks if name not in known],
        )
        return tuple(masks), False
    if not known:
        problems.add("expected mask files", *[f"{s}/masks holds {_held(root / s / 'masks')}" for s in splits])
    return tuple(known), False


def _index_split(
    root: Path, split: str, masks: tuple[str, ...], single: bool, problems: ProblemList
) -> tuple[SampleFiles, ...]:
    images = _by_stem(root, f"{split}/images", problems)
    if images is None:
        return ()
    if not images:
        held = holdings(root / split / "images")
        problems.add("expected at least one image in every split", f"{split}/images holds {held}")
    places = {name: f"{split}/masks" if single else f"{split}/masks/{name}" for name in masks}
    if os.path.isdir(root / split / "valid"):
        places["valid pixels"] = f"{split}/valid"
    found: dict[str, Mapping[str, Path]] = {}
    for name, place in places.items():
        files = _by_stem(root, place, problems)
        if files is None:
            continue
        found[name] = files
        partner = "valid file" if name == "valid pixels" else "mask"
        lonely, spare = [stem for stem in images if stem not in files], [stem for stem in files if stem not in images]
        problems.add(
            f"image without {partner} (expected a file of the same name)",
            *_without_partner(root, lonely, images, place, spare),
        )
        problems.add(
            f"{partner} without image (expected a file of the same name)",
            *_without_partner(root, spare, files, f"{split}/images", lonely),
        )
    complete = [stem for stem in images if len(found) == len(places) and all(stem in files for files in found.values())]
    return tuple(
        SampleFiles(
            images[stem],
            tuple(found[name][stem] for name in masks),
            found["valid pixels"][stem] if "valid pixels" in found else None,
        )
        for stem in sorted(complete)
    )


def _by_stem(root: Path, place: str, problems: ProblemList) -> dict[str, Path] | None:
    folder = root / place
    if not os.path.isdir(folder):
        problems.add("expected a folder", f"{place}/ is missing; {folder.parent} holds {_held(folder.parent)}")
        return None
    files: dict[str, list[Path]] = {}
    for path in image_files(root, place, problems):
        files.setdefault(same_name(path.stem), []).append(path)
    problems.add(
        "expected one file of a name, got several types or spellings of it",
        *[", ".join(_short(root, path) for path in paths) for paths in files.values() if len(paths) > 1],
    )
    return {stem: paths[0] for stem, paths in files.items()}


def _without_partner(
    root: Path, stems: Sequence[str], files: Mapping[str, Path], place: str, spare: Sequence[str]
) -> list[str]:
    """Describe each file without a partner in `place`, with a file that may be meant."""
    alike = sorted((_loosely(stem), stem) for stem in spare)
    there = os.listdir(root / place) if stems else []
    others = {same_name(Path(name).stem): name for name in there if not is_image_name(name)}
    entries = []
    for number, stem in enumerate(stems):
        hint = ""
        if number < MOST_NAMED:
            at = bisect_left(alike, (_loosely(stem), ""))
            near = alike[at : at + 1]
            if stem in others:
                hint = f"; {others[stem]} is there, which is no image file that is read"
            elif near and near[0][0].startswith(_loosely(stem)):
                hint = f"; is it {near[0][1]}?"
        entries.append(f"{_short(root, files[stem])}: no {place}/{stem}.*{hint}")
    return entries


def _loosely(stem: str) -> str:
    return unicodedata.normalize("NFKC", stem).casefold().strip()


def _may_be_a_split(name: str) -> bool:
    return name not in SPLITS and name.lower() in (*SPLITS, *_OTHER_SPLITS)


def _held(folder: Path) -> str:
    return holdings(folder) if os.path.isdir(folder) else "nothing: the folder is missing"


def _short(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()
