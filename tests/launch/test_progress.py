"""One bar for all runs of a study, whatever process runs them."""

import io
import re
import time

import pytest

from experiments.launch.progress import StudyProgress
from experiments.process.progress_bar import make_bar
from experiments.runs import store
from experiments.runs.progress_note import clear_progress, progress_writer, updates_done


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def folders_of(root, *names):
    folders = [root / name / "seed=0" for name in names]
    for folder in folders:
        folder.mkdir(parents=True)
    return folders


def write_status(folder, status):
    store.write_json(folder / store.RUN_FILE, {"status": status})


def is_ended(folder):
    return (store.read_info(folder) or {}).get("status") not in (None, "running")


@pytest.fixture
def started():
    """Start the progress of a study and return it with its stream; it is closed at the end."""
    running = []

    def start(updates, stream=None):
        stream = stream or io.StringIO()
        running.append(StudyProgress(updates, is_ended, stream))
        return running[-1], stream

    yield start
    for progress in running:
        progress._stop.set()


def test_runs_leave_their_number_of_updates_at_most_twice_a_second(tmp_path):
    note = progress_writer(tmp_path)
    assert updates_done(tmp_path) == 0
    note(3)
    note(4)
    assert updates_done(tmp_path) == 3
    time.sleep(0.51)
    note(9)
    assert updates_done(tmp_path) == 9
    clear_progress(tmp_path)
    assert updates_done(tmp_path) == 0


def test_the_bar_adds_up_runs_side_by_side_and_names_them(tmp_path, started):
    a, b, c, d = folders = folders_of(tmp_path, "loss=a", "loss=b", "loss=c", "loss=d")
    progress, stream = started(dict.fromkeys(folders, 100), Terminal())
    for folder, done in ((a, 30), (b, 20), (c, 5), (d, 1)):
        progress_writer(folder)(done)
    write_status(b, "complete")
    clear_progress(b)
    progress.close()
    last = stream.getvalue().rstrip().split("\r")[-1]
    assert last.startswith("1/4 runs | loss=a seed=0 | loss=c seed=0 | loss=d seed=0")
    assert "136/400" in last
    assert re.search(r"\[\d\d:\d\d<\S+, ", last)  # time so far < time left


def test_more_runs_than_there_is_room_for_are_counted(tmp_path, started):
    folders = folders_of(tmp_path, *"abcde")
    progress, stream = started(dict.fromkeys(folders, 10))
    for folder in folders:
        progress_writer(folder)(1)
    progress.close()
    assert "0/5 runs | a seed=0 | b seed=0 | 3 more: 5/50 updates" in stream.getvalue()


def test_where_nobody_watches_each_state_is_a_line_without_control_codes(tmp_path, started):
    (folder,) = folders_of(tmp_path, "loss=a")
    progress, stream = started({folder: 40})
    progress_writer(folder)(10)
    progress.close()
    lines = stream.getvalue().splitlines()
    assert re.fullmatch(r"0/1 runs \| loss=a seed=0: 10/40 updates, \d\d:\d\d so far, \S+ left", lines[-1])
    assert not re.search(r"[\r\x1b]", stream.getvalue())


def test_a_run_that_stopped_early_counts_for_what_it_did(tmp_path, started):
    bad, good = folders_of(tmp_path, "loss=bad", "loss=good")
    progress, stream = started({bad: 100, good: 100})
    progress_writer(bad)(20)
    progress._show()
    write_status(bad, "failed")
    clear_progress(bad)
    progress_writer(good)(50)
    progress.close()
    assert "1/2 runs | loss=good seed=0: 70/120 updates" in stream.getvalue().splitlines()[-1]


def test_a_run_that_goes_on_does_not_make_the_time_left_shorter(tmp_path, started):
    (folder,) = folders_of(tmp_path, "loss=a")
    progress_writer(folder)(90)  # left by a run that was stopped
    progress, _ = started({folder: 100})
    assert (progress._bar.initial, progress._bar.n) == (90, 90)
    progress.close()
    bar = make_bar(100, "training", stream=io.StringIO())
    assert bar.initial == 0
    bar.close()


def test_a_bar_that_was_left_unclosed_does_not_push_the_next_one_down(tmp_path):
    left = make_bar(10, "left", stream=io.StringIO())
    stream = io.StringIO()
    bar = make_bar(10, "next", stream=stream)
    bar.update(5)
    bar.close()
    assert "\x1b" not in stream.getvalue()
    left.close()
