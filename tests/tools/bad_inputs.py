"""Give every command what is wrong, hundreds of times, and count by class how it is refused.

    python tests/tools/bad_inputs.py                       every case of bad_inputs.txt, bad folders and bad losses
    python tests/tools/bad_inputs.py --only folder,losses  some classes
    python tests/tools/bad_inputs.py --every 3             each third case
    python tests/tools/bad_inputs.py --project ../before   the code of another checkout, such as an older one

A case is right when the command ends with exit code 2 and one message that names the key or file, says what is wrong
in words that are no interpreter's, and leaves no file behind, within 2 s of CPU time after imports. What must be
accepted counts as right when training, report or simulation would begin; none of them does. Every case is a fork of
this process, in which everything is imported.
"""

from __future__ import annotations

import os

if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported
    os.environ["HF_HUB_OFFLINE"] = "1"

import argparse
import contextlib
import importlib
import json
import re
import resource
import shlex
import shutil
import signal
import sys
import tempfile
import time
import types
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from small_study import fork_command, import_project, with_small

TESTS = Path(__file__).resolve().parents[1]
BEGAN = 77  # exit code of a command that is about to do what it was asked
SECONDS = 60  # until a case counts as hung
CPU_SECONDS = 2.0
MEMORY = 16 << 30  # bytes that a case may map
VERDICTS = (
    "right", "accepted", "traceback", "unclear", "left files", "hung", "wrong code", "slow", "wrongly refused",
)  # fmt: skip
_DEEP = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{l: *a{i - 1}, r: *a{i - 1}}}\n" for i in range(1, 40))
OPTIONS = {  # folders for --config-dir, each with loss/mine.yaml
    "mine": "_target_: losses.DiceLoss\n",
    "wrong": "_target_: losses.WeightedBCELoss\npos_weight: -1\n",
    "probable": "_target_: torch.nn.BCELoss\n",
    "broken": "_target_: [losses\n  x: : y\n",
    "bomb": _DEEP,
    "bomb2": _DEEP.replace("a", "b"),
    "tagged": "_target_: !!python/object/apply:os.system ['touch pwned']\n",
    "lists": "- a\n- b\n",
    "binary": "\x00\x01\x02",
}
JARGON = re.compile(
    "object has no attribute|not supported between instances|unexpected keyword argument|mismatched input"
    "|no viable alternative|cannot be interpreted as an integer|must be real number|type annotation|takes no arguments"
    "|enforce fail at|extraneous input|NoneType"
)
SAYS = re.compile(
    r"expected|got |no such|not |no |must|needs?\b|nothing|missing|already|same|[Ii]nvalid|[Cc]ould|cannot|failed"
    r"|Did you mean|looks like|wrong|constant|refused|twice|takes|unrecognized|Unsupported|detected|calls"
    r"|\bbut\b|must|exists|[Uu]nable|is an? |are |changes its|should be|Wrong"
)


@dataclass(frozen=True)
class Case:
    """A command and what must be said.

    Args:
        kind: Its class.
        typed: What the user types after `python -m experiments.`.
        words: What the message must name; None where the command must be accepted.
        prepare: Makes the data folder `photos`, or None.
    """

    kind: str
    typed: tuple[str, ...]
    words: tuple[str, ...] | None
    prepare: Callable[[Path], object] | None = None


@dataclass(frozen=True)
class Outcome:
    """How a case ended: exit code (None where it hung), CPU seconds, what was printed, new files."""

    code: int | None
    seconds: float
    out: str
    err: str
    made: tuple[str, ...]


def typed_cases(path: Path) -> Iterator[Case]:
    """Read the cases of a text file; `[class]` starts a class."""
    kind = ""
    for line in path.read_text().splitlines():
        if line.startswith("["):
            kind = line.strip("[]")
        elif line and not line.startswith("#"):
            words, _, command = line.partition(" | ")
            yield Case(kind, tuple(shlex.split(command)), None if words == "ok" else tuple(words.split("; ")))


def folder_cases(table: types.ModuleType) -> Iterator[Case]:
    """Make cases of the folders of test_bad_folders.py; they must be named, their words are that test's affair."""
    for good, entries in ((False, table.REFUSED), (True, table.ACCEPTED)):
        for name, (change, options, *words) in entries.items():

            def prepare(root: Path, change: Callable[[Path], object] = change) -> None:
                table.write(root)
                change(root)

            overrides = [f"data.{key}={_hydra_text(value)}" for key, value in options.items()]
            named = tuple(word for word in (words[0] if words else []) if re.match(r"[\w/]+\.\w+$", word))
            typed = ("train", "data=image_folder", "data.root=photos", *overrides)
            yield Case(f"{name.split()[0] if name.split()[0] in ('mask', 'image') else 'other'} files", typed,
                       None if good else named, prepare)  # fmt: skip


def loss_cases(table: types.ModuleType) -> Iterator[Case]:
    """Make cases of the losses of test_contract.py."""
    for good, names in ((False, table.REFUSED), (True, table.NOTED)):
        for name in names:
            yield Case(
                "losses",
                ("train", "loss=custom", f"loss._target_=buggy_losses.{name}"),
                None if good else ("loss",),
            )


def _hydra_text(value: object) -> str:
    return "'" + value.replace("'", r"\'") + "'" if isinstance(value, str) else json.dumps(value)


def import_table(folder: str, name: str) -> types.ModuleType:
    """Import a test of this checkout for its table of cases, which needs nothing of the project."""
    sys.path.append(str(TESTS / folder))
    needs = re.findall(r"^from (experiments[\w.]*) import", (TESTS / folder / f"{name}.py").read_text(), re.MULTILINE)
    before = {module: sys.modules.get(module) for module in needs}
    sys.modules.update({module: mock.MagicMock() for module in needs})
    try:
        return importlib.import_module(name)
    finally:  # these alone: a library that the table was the first to import must not be imported twice
        for module, found in before.items():
            if found is None:
                del sys.modules[module]
            else:
                sys.modules[module] = found


def begin(*_: object, **__: object) -> None:
    """Stand where training, a report or a simulation begins."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(BEGAN)


def stop_at_work() -> None:
    """Let every command end where its work would begin."""
    import hydra_plugins.hydra_joblib_launcher._core as joblib_core

    from experiments.audit import audit as calibration_run
    from experiments.runs import store as run_store
    from experiments.training import run

    run.execute = joblib_core.launch = calibration_run.run_tasks = begin
    run_store.write_text = run_store.write_table = begin


def make_study(top: Path) -> None:
    """Train the study that other commands read, and write a good image folder."""
    (top / "home").mkdir()
    table = importlib.import_module("test_bad_folders")
    table.write(top / "images")
    overrides = ("study=losses", "loss=bce,dice", "seed=0,1", f"study_dir={top / 'done'}")
    outcome = run(top / "first", ("train", *with_small(*overrides)), None, limit=600, stops=False)
    if not (top / "done" / "report" / "verdicts.csv").is_file():
        raise SystemExit(f"the study for other commands was not trained: {outcome.err[-2000:]}")


def completed(typed: tuple[str, ...], top: Path) -> list[str]:
    """Fill in the places of a case, and make its data and network small where it says nothing about them."""
    places = {"DONE": top / "done", "IMAGES": top / "images", "HOME": top / "home", "LONG": "x" * 300}
    argv = [re.sub("|".join(places), lambda found: str(places[found[0]]), text) for text in typed]
    if typed[0] != "train" or "study=thresholding" in typed:
        return argv
    return [argv[0], *with_small(*argv[1:])]


def run(folder: Path, argv: tuple[str, ...], prepare: Callable[[Path], object] | None, *, limit: float = SECONDS,
        stops: bool = True) -> Outcome:  # fmt: skip
    """Run a command in a fork of this process, in a folder of its own."""
    work = folder / "work"  # `study_dir=..` is still inside the folder
    work.mkdir(parents=True)
    (work / "afile").write_text("x")
    (work / "empty").mkdir()
    for name, text in OPTIONS.items():
        (work / name / "loss").mkdir(parents=True)
        (work / name / "loss" / "mine.yaml").write_text(text)
    if prepare is not None:
        prepare(work / "photos")
    before = _entries(work)

    def prepare_process() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        os.environ["HOME"] = str(folder.parent / "home")
        if stops:
            stop_at_work()

    main = importlib.import_module(f"experiments.{argv[0]}").main
    pid = fork_command(main, argv, work, out=folder / "out", err=folder / "err", before=prepare_process)
    began, status = time.monotonic(), None
    while time.monotonic() - began < limit:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            break
        time.sleep(0.02)
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        _, _, usage = os.wait4(pid, 0)
        status = None
    return Outcome(
        None if status is None else os.waitstatus_to_exitcode(status),
        usage.ru_utime + usage.ru_stime,
        (folder / "out").read_text(errors="replace"),
        (folder / "err").read_text(errors="replace"),
        tuple(sorted(_entries(work) - before)),
    )


def _entries(folder: Path) -> set[str]:
    names = (os.path.join(top, name) for top, folders, files in os.walk(folder) for name in (*folders, *files))
    return {ascii(os.path.relpath(name, folder)) for name in names}


def is_named(word: str, message: str) -> bool:
    """Whether a message names a key: as a whole, by its last part, or by its group where that tells its class."""
    leaf = re.search(rf"(?<!\w){re.escape(word.rsplit('.', 1)[-1])}(?!\w)", message)
    return word in message or bool(leaf) or ("." in word and f"{word.split('.')[0]} (" in message)


def judge(case: Case, outcome: Outcome) -> str:
    """Say in a word how a case ended."""
    if outcome.code is None:
        return "hung"
    did_begin = outcome.code == (0 if case.typed[0] == "check_loss" else BEGAN)
    if case.words is None:
        return "right" if did_begin else "wrongly refused"
    message = outcome.err + (outcome.out if case.typed[0] == "check_loss" else "")
    if did_begin:
        return "accepted"
    if "Traceback" in message:
        return "traceback"
    if outcome.code != 2:
        return "wrong code"
    jargon = case.kind != "losses" and JARGON.search(message)  # a loss fails in the words of its author
    told = SAYS.search(message) and not jargon and outcome.err.count("error:") <= 1
    if not told or not all(is_named(word, message) for word in case.words):
        return "unclear"
    if outcome.made:
        return "left files"
    return "slow" if outcome.seconds > CPU_SECONDS else "right"


def all_cases() -> list[Case]:
    """Read every case: what is typed, the folders and the losses."""
    folders = import_table("data/image_folder", "test_bad_folders")
    contract = import_table("criteria", "test_contract")
    typed = typed_cases(Path(__file__).with_name("bad_inputs.txt"))
    return [*typed, *folder_cases(folders), *loss_cases(contract)]


def chosen_cases(cases: Iterable[Case], kinds: Collection[str], every: int) -> list[Case]:
    """Each n-th case of some classes, or of all where none is named."""
    seen: Counter[str] = Counter()
    chosen = []
    for case in cases:
        if not kinds or case.kind in kinds:
            if seen[case.kind] % every == 0:
                chosen.append(case)
            seen[case.kind] += 1
    return chosen


def count(cases: Iterable[Case], attempt: Callable[[Case], Outcome]) -> dict[str, Counter[str]]:
    """Try every case; print those that are not right, and return how many of each class ended in which way."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        outcome = attempt(case)
        verdict = judge(case, outcome)
        counts[case.kind][verdict] += 1
        if verdict != "right":
            text = " ".join(map(shlex.quote, case.typed))[:160]
            print(f"{verdict}: {text}  [{case.kind}; {'; '.join(case.words or ['ok'])}]")
            print(f"    code {outcome.code}, {outcome.seconds:.1f} s, made {list(outcome.made[:3])}")
            print("    " + (outcome.err or outcome.out)[-700:].strip().replace("\n", "\n    "), flush=True)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=TESTS.parent, help="the checkout whose code is tried")
    parser.add_argument("--only", default="", help="classes, with commas")
    parser.add_argument("--every", type=int, default=1, help="try each n-th case of a class")
    parser.add_argument("--without-command", default="", help="commands that the project does not have, with commas")
    chosen = parser.parse_args()
    import_project(chosen.project.resolve())
    cases = chosen_cases(all_cases(), list(filter(None, chosen.only.split(","))), chosen.every)
    cases = [case for case in cases if case.typed[0] not in chosen.without_command.split(",")]
    with tempfile.TemporaryDirectory(prefix="bad-inputs-") as name:
        top = Path(name)
        make_study(top)

        def attempt(case: Case) -> Outcome:
            outcome = run(top / "case", tuple(completed(case.typed, top)), case.prepare)
            shutil.rmtree(top / "case")
            return outcome

        print_table(count(cases, attempt))


def print_table(counts: dict[str, Counter[str]]) -> None:
    """Print the verdicts by class, as Markdown."""
    print("\n| class | cases | " + " | ".join(VERDICTS) + " |")
    print("|---" * (len(VERDICTS) + 2) + "|")
    for kind, count in [*counts.items(), ("all", sum(counts.values(), Counter()))]:
        row = [str(count[verdict] or "") for verdict in VERDICTS]
        print(f"| {kind} | {count.total()} | " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
