"""A lock is released when its process dies, even if a forked child lives on."""

import errno
import os
import signal
import time

import pytest

from experiments.runs import lock
from experiments.runs.lock import HeldError, held, is_held, why_no_locks


def test_a_folder_is_held_once_and_let_go_of(tmp_path):
    folder = tmp_path / "run"
    assert not is_held(folder)
    assert not folder.exists()
    with held(folder):
        assert is_held(folder)
        with pytest.raises(HeldError, match="run is being trained by another process"), held(folder):
            pass
    assert not is_held(folder)
    with held(folder):
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_question_is_no_lock_to_another_question(tmp_path):
    with held(tmp_path):
        pass
    askers = []
    for _ in range(2):
        asker = os.fork()
        if not asker:
            os._exit(sum(is_held(tmp_path) for _ in range(2000)) > 0)
        askers.append(asker)
    assert [os.waitstatus_to_exitcode(os.waitpid(asker, 0)[1]) for asker in askers] == [0, 0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_an_orphaned_child_does_not_keep_the_folder(tmp_path):
    read, write = os.pipe()
    main = os.fork()
    if not main:  # a process that holds the folder and has a loader's worker
        with held(tmp_path):
            worker = os.fork()
            if not worker:
                time.sleep(30)
                os._exit(0)
            os.write(write, f"{worker}\n".encode())
            time.sleep(30)
        os._exit(0)
    worker = int(os.read(read, 20))
    try:
        assert is_held(tmp_path)
        os.kill(main, signal.SIGKILL)
        os.waitpid(main, 0)
        os.kill(worker, 0)  # still there
        with held(tmp_path):
            pass
    finally:
        os.kill(worker, signal.SIGKILL)
        os.close(read)
        os.close(write)


def test_a_folder_without_locks_is_told_and_nothing_is_left_in_it(tmp_path, monkeypatch):
    assert why_no_locks(tmp_path / "study" / "run") is None

    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock.fcntl, "flock", flock)
    assert why_no_locks(tmp_path / "study" / "run") == "No locks available"
    assert not list(tmp_path.iterdir())
