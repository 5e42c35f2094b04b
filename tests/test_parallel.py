"""Work on several cores comes back in order, and its errors come back too."""

import multiprocessing
import os
import sys

import pytest

from experiments.parallel import in_parallel


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_inputs(workers):
    offset = 10  # a closure, which no process could be sent

    assert in_parallel(lambda number: number + offset, range(9), workers) == list(range(10, 19))
    assert in_parallel(lambda number: number, [], workers) == []


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux only")
def test_several_workers_are_several_processes():
    both = multiprocessing.get_context("fork").Barrier(2, timeout=60)

    def wait(_: int) -> int:
        both.wait()
        return os.getpid()

    found = in_parallel(wait, range(2), 2)
    assert len(set(found)) == 2
    assert os.getpid() not in found
    assert in_parallel(lambda _: os.getpid(), range(2), 1) == [os.getpid()] * 2


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_comes_back(workers):
    def fail(number: int) -> int:
        if number == 3:
            raise ValueError("number 3")
        return number

    with pytest.raises(ValueError, match="number 3"):
        in_parallel(fail, range(5), workers)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux only")
def test_a_process_of_a_pool_does_the_work_itself():
    context = multiprocessing.get_context("fork")
    with context.Pool(1) as pool:
        assert pool.apply(_own_process) is True


def _own_process() -> bool:
    return set(in_parallel(lambda _: os.getpid(), range(4), 2)) == {os.getpid()}
