"""Make every artifact with small runs, and compare what two versions of the code made: for changes that move no number.

    python tests/tools/same_numbers.py record BEFORE --commit HEAD~1     (of a commit of this repository)
    python tests/tools/same_numbers.py record AFTER                      (of the files as they are)
    python tests/tools/same_numbers.py compare BEFORE AFTER

Drives the commands of `COMMANDS` alone, one thread each, in a folder that holds a copy of the code: no name inside the
packages is used, and one version's recording can be made by another version's script. The same code twice gives the
same bytes. About six minutes of processor time a recording.

Scores, CSV and PNG files and weights are compared byte for byte. Text is compared line by line, without what may differ
between two recordings of the same code: times, memory, the folder. Addresses of modules may change: of
`experiments.data.sampling.UniformTiles` the last name has to stay.
"""

from __future__ import annotations

import argparse
import difflib
import io
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

SMALL = (
    "data.train_logs=6",
    "data.val_logs=4",
    "data.test_logs=6",
    "data.height=[64,96]",
    "data.width=[64,64]",
    "data.threads=1",
    "trainer.tile=64",
    "trainer.log_every=5",
    "trainer.accelerator=cpu",
    "trainer.threads=1",
    "trainer.checkpoint_minutes=null",
    "model.encoder_depth=4",
    "model.decoder_channels=[16,8,8,8]",
)
LONG = ("trainer.max_steps=50", "data.prevalence=[0.05,0.05,0.04]")  # enough that some masks are trained
SHORT = ("trainer.max_steps=4", "trainer.batch_size=2")
TWO = ("loss=bce,dice", "seed=0,1")
ONE = ("loss=bce,dice", "seed=0")
TRAIN, COMPARE, CALIBRATE = "experiments.train", "experiments.compare", "experiments.calibrate"
IMAGES = ("data=image_folder", "data.root=images", "data.group_pattern='^(.*)_'", "data.threads=1", *SMALL[6:])
LOSSES = ("study=losses", "loss=bce,weighted_bce,dice", "seed=0,1,2", "data.annotation_jitter=1", *SMALL, *LONG)

# Name of each command: module and arguments. Each study of conf/study is among them; reports take most of the time.
COMMANDS: dict[str, tuple[str, ...]] = {
    "losses": (TRAIN, *LOSSES),
    "losses refused": (TRAIN, *LOSSES[:-2], LONG[1], "trainer.max_steps=51"),
    "thresholding": (TRAIN, "study=thresholding", "study.source=outputs/losses"),
    "images": (TRAIN, "study=losses", "study_dir=outputs/images", *TWO, *IMAGES, "trainer.max_steps=20"),
    "compare": (COMPARE, "study_dir=outputs/images", "baseline=dice", "report.headline=f1", "report_dir=outputs/other"),
    "seesaw": (TRAIN, "study=seesaw", "loss.pos_weight=1,42", "seed=0,1", "report=note", *SMALL, *LONG),
    "checklist": ("experiments.checklist", "study_dirs=[outputs/losses,outputs/seesaw]"),
    "sampling": (TRAIN, "study=sampling", "seed=0", "augmentation=photo", *SMALL, *SHORT),
    "more_data": (TRAIN, "study=more_data", "data.train_logs=3,6", *TWO, *SMALL[1:], *SHORT),
    "budget": (TRAIN, "study=budget", "trainer.max_steps=3", *ONE, *SMALL, SHORT[1]),
    "initialisation": (
        TRAIN,
        "study=initialisation",
        "trainer.prior_bias=false",
        "trainer.max_steps=3",
        *ONE,
        *SMALL,
        SHORT[1],
    ),
    "imbalance": (
        TRAIN,
        "study=imbalance",
        "data=well_logs_plain",
        "data.train_logs=3",
        "data.prevalence=0.02",
        *ONE,
        *SMALL[1:],
        *SHORT,
    ),
    "losses_tuned": (TRAIN, "study=losses_tuned", "optimizer.lr=2e-3,1e-2", *ONE, *SMALL, *SHORT),
    "label_noise": (TRAIN, "study=label_noise", *ONE, *SMALL, *SHORT),
    "losses_zoo": (TRAIN, "study=losses_zoo", "loss=bce,average_precision", "seed=0", *SMALL, *SHORT),
    "same_arm": (TRAIN, "study=same_arm", "seed=0,1,2,3", *SMALL, "trainer.max_steps=20", LONG[1]),
    "one run": (TRAIN, "loss=focal", "optimizer=sgd", "scheduler=constant", *SMALL, *SHORT),
    "one run again": (TRAIN, "loss=focal", "optimizer=sgd", "scheduler=constant", *SMALL, *SHORT),
    "check_loss": ("experiments.check_loss", "loss=combined"),
    "calibrate": (
        CALIBRATE,
        *("threads=1", "n_draws=100", "coverage.seeds=[3,5]", "coverage.groups=[20]", "coverage.n_gaussian=200"),
        *("coverage.n_histogram=20", "coverage.n_floor=1000", "same_arm.n_splits=3", "slides.n_studies=2"),
        *("slides.n_splits=2", "power.seeds=[3]", "power.groups=20", "power.n_gaussian=200", "power.n_histogram=10"),
        *("advice.n_studies=5", "advice.n_per_size=20"),
    ),
}
_ENDS_WITH = {"losses refused": 2}
_ONE_THREAD = ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "NUMBA")

_TIMES = ("started", "fit_seconds", "evaluate_seconds", "wall_seconds", "images_per_second", "peak_memory_mb")
# Their bytes hold a time, an address or a folder, which are left out where the files themselves are compared.
_NOTED_ANEW = ("config.yaml", "history.csv", "checkpoint.pt")
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:\+00:00|Z)?"), "TIME"),
    (re.compile(r"\bexperiments(?:\.[a-z_]\w*)+\.(?=[A-Za-z_])"), "MODULE."),
    (re.compile(r"\d[\d.,]*( to \d[\d.,]*)?( |&nbsp;)(s|ms|min|minutes|seconds|MB|images/s)\b"), "TIME"),
    # Images a second stand between two others of these in a table of the page.
    (re.compile(r"(?<=TIME</td><td>)[\d.,]+(?: to [\d.,]+)?(?=</td><td>TIME)"), "TIME"),
)


def mask_text(text: str, folder: str) -> str:
    """Leave out of a text what may differ between two recordings of the same code, or with an address.

    >>> mask_text("_target_: experiments.data.sampling.UniformTiles  # 12.3 s in /tmp/a/outputs", "/tmp/a")
    '_target_: MODULE.UniformTiles  # TIME in FOLDER/outputs'
    """
    text = text.replace(folder, "FOLDER")
    for pattern, word in _RULES:
        text = pattern.sub(word, text)
    return text


def mask_json(content: Any) -> Any:
    """Leave times and the sums of files that hold times out of a `run.json`; all else stays."""
    if not isinstance(content, dict):
        return content
    masked = {key: "TIME" if key in _TIMES else mask_json(value) for key, value in content.items()}
    for name in _NOTED_ANEW:
        if isinstance(masked.get("artifacts"), dict) and name in masked["artifacts"]:
            masked["artifacts"][name] = "NOTED"
    return masked


def mask_table(text: str) -> str:
    """Leave the column of seconds out of a CSV table; a table without one stays as it is, byte for byte."""
    lines = text.splitlines(keepends=True)
    names = lines[0].rstrip("\r\n").split(",") if lines else []
    if "seconds" not in names:
        return text
    place = names.index("seconds") - len(names)  # from the end: names of arms may hold commas
    rows = [line.rstrip("\r\n").split(",") for line in lines]
    for row in rows[1:]:
        row[place] = "TIME"
    return "\n".join(",".join(row) for row in rows)


def weights(path: Path) -> dict[str, bytes]:
    """Read the bytes of the tensors of a checkpoint; the rest of it holds times."""
    with zipfile.ZipFile(path) as archive:
        return {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist() if "/data/" in name}


def differences(first: Path, second: Path) -> list[str]:
    """Compare two recordings; return a line for each difference, which names the file."""
    files = [{path.relative_to(folder): path for path in _files(folder)} for folder in (first, second)]
    if not files[0] or not files[1]:
        empty = [folder for folder, found in zip((first, second), files, strict=True) if not found]
        return [f"{folder}: expected a recording, found no file" for folder in empty]
    found = []
    for name in sorted({*files[0], *files[1]}):
        there = [name in part for part in files]
        if not all(there):
            found.append(f"{name}: only in {first if there[0] else second}")
            continue
        found += _different(name, *(part[name] for part in files), first, second)
    return found


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted((folder / "outputs").rglob("*")) if path.is_file() and path.name != ".lock"]


def _different(name: Path, one: Path, other: Path, first: Path, second: Path) -> Iterator[str]:
    if one.suffix == ".pt":
        mine, theirs = weights(one), weights(other)
        yield from (
            f"{name}: tensor {key} differs" for key in sorted({*mine, *theirs}) if mine.get(key) != theirs.get(key)
        )
    elif one.suffix in (".npz", ".png"):
        if one.read_bytes() != other.read_bytes():
            yield f"{name}: other bytes"
    elif (before := _text(one, first)) != (after := _text(other, second)):
        old, new = before.split("\n"), after.split("\n")
        for kind, i, end_i, j, end_j in difflib.SequenceMatcher(None, old, new).get_opcodes():
            if kind != "equal":
                pairs = list(zip_longest(old[i:end_i], new[j:end_j]))
                yield from (
                    f"{name}:{i + k + 1}: - {_clipped(a, b)}" for k, (a, b) in enumerate(pairs) if a is not None
                )
                yield from (
                    f"{name}:{j + k + 1}: + {_clipped(b, a)}" for k, (a, b) in enumerate(pairs) if b is not None
                )


def _clipped(line: str, other: str | None) -> str:
    """Show a long line from shortly before the place where it differs from the other."""
    alike = next((place for place, (a, b) in enumerate(zip(line, other or "", strict=False)) if a != b), 0)
    start = max(0, alike - 60)
    return f"{'...' if start else ''}{line[start : start + 200]}{'...' if len(line) > start + 200 else ''}"


def _text(path: Path, folder: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".csv":
        return mask_table(text)
    if path.suffix == ".json":
        text = json.dumps(mask_json(json.loads(text)), indent=1)
    return mask_text(text, str(folder.resolve()))


def record(folder: Path, commit: str | None) -> None:
    """Run every command with a copy of the code; what each printed is an artifact too.

    Raises:
        SystemExit: With the output of a command that ended otherwise than it should.
    """
    if folder.exists() and any(folder.iterdir()):
        sys.exit(f"error: {folder}: expected a new or an empty folder")
    code = folder.resolve() / "code"
    _copy_code(code, commit)
    _write_images(folder / "images")
    printed = folder / "outputs" / "printed"
    printed.mkdir(parents=True)
    environment = {
        **os.environ,
        "PYTHONPATH": str(code),
        "PYTHONHASHSEED": "0",
        "COLUMNS": "120",
        **{f"{name}_NUM_THREADS": "1" for name in _ONE_THREAD},
    }
    for name, (module, *arguments) in COMMANDS.items():
        command = [sys.executable, "-m", module, *arguments]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(f"{name}: {seconds:.0f} s of processor time", flush=True)
        if done.returncode != _ENDS_WITH.get(name, 0):
            sys.exit(f"{done.stdout}{done.stderr}\nerror: {' '.join(command)} ended with {done.returncode}")
        (printed / f"{name}.txt").write_text(f"{done.stdout}\n--\n{_lasting(done.stderr)}")


def _lasting(text: str) -> str:
    """Keep the lines that do not count how far a command has come."""
    lines = text.replace("\r", "\n").splitlines(keepends=True)
    return "".join(line for line in lines if "%|" not in line and " so far, " not in line)


def _copy_code(code: Path, commit: str | None) -> None:
    """Lay the packages out as they are installed, the configuration inside of `experiments`."""
    if commit is None:
        for name in ("losses", "experiments", "conf"):
            shutil.copytree(ROOT / name, code / name, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        command = ["git", "-C", str(ROOT), "archive", commit, "losses", "experiments", "conf"]
        archive = subprocess.run(command, capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(code, filter="data")
    (code / "conf").rename(code / "experiments" / "conf")


def _write_images(folder: Path) -> None:
    """Write images with two masks in groups of two: bright and dark dots on noise."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for split, groups in (("train", 4), ("test", 4)):
        for name in (f"{split}{group}_{part}" for group in range(groups) for part in range(2)):
            image = rng.normal(100, 20, (64, 64))
            for mask, tone in (("bright", 100), ("dark", -70)):
                target = np.zeros((64, 64), np.uint8)
                for row, column in rng.integers(2, 62, (5, 2)):
                    target[row - 1 : row + 2, column - 1 : column + 2] = 255
                image[target > 0] += tone
                (folder / split / "masks" / mask).mkdir(parents=True, exist_ok=True)
                Image.fromarray(target).save(folder / split / "masks" / mask / f"{name}.png")
            (folder / split / "images").mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(folder / split / "images" / f"{name}.png")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    recording = kinds.add_parser("record", help="make the artifacts")
    recording.add_argument("folder", type=Path)
    recording.add_argument("--commit", help="of this repository; without it the files as they are")
    comparing = kinds.add_parser("compare", help="compare two recordings")
    comparing.add_argument("folders", type=Path, nargs=2)
    chosen = parser.parse_args()
    if chosen.kind == "record":
        record(chosen.folder, chosen.commit)
        return
    found = differences(*chosen.folders)
    print("\n".join(found) or f"the same: {len(_files(chosen.folders[0]))} files")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
