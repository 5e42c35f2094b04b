import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest

from experiments.data.cache import CachedSequence, MemoryBudget


class Loader:
    def __init__(self):
        self.calls = []

    def __call__(self, index):
        self.calls.append(index)
        return f"item {index}"


def ten_bytes(item):
    return 10


def test_keeps_what_fits_and_loads_the_rest_again():
    load = Loader()
    items = CachedSequence(load, 4, size_of=ten_bytes, budget=MemoryBudget(25))
    for _ in range(3):
        assert list(items) == ["item 0", "item 1", "item 2", "item 3"]
    assert items.n_kept == 2
    assert load.calls == [0, 1, 2, 3, 2, 3, 2, 3]


def test_two_sequences_share_a_budget():
    budget = MemoryBudget(25)
    first, second = (CachedSequence(Loader(), 3, size_of=ten_bytes, budget=budget) for _ in range(2))
    assert first[0] == second[0] == "item 0"
    assert first[1] == "item 1"
    assert (first.n_kept, second.n_kept) == (1, 1)


def test_indexing_is_that_of_a_tuple():
    items = CachedSequence(Loader(), 4, size_of=ten_bytes)
    assert len(items) == 4
    assert items[-1] == "item 3"
    assert items[1:3] == ("item 1", "item 2")
    assert items[::-2] == ("item 3", "item 1")
    for index in (4, -5):
        with pytest.raises(IndexError, match=f"index {index} is out of range for 4 items"):
            items[index]


def test_survives_pickling_with_what_it_holds():
    items = CachedSequence(Loader(), 3, size_of=ten_bytes, budget=MemoryBudget(15))
    assert items[1] == "item 1"
    copy = pickle.loads(pickle.dumps(items))
    assert list(copy) == ["item 0", "item 1", "item 2"]
    assert copy.n_kept == 1


def test_threads_never_keep_more_than_the_budget():
    items = CachedSequence(Loader(), 200, size_of=ten_bytes, budget=MemoryBudget(505))
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(items.__getitem__, [i % 200 for i in range(2000)]))
    assert got == [f"item {i % 200}" for i in range(2000)]
    assert items.n_kept <= 50


def test_a_negative_budget_is_refused():
    with pytest.raises(ValueError, match="n_bytes: expected at least 0, got -1"):
        MemoryBudget(-1)


def test_parts_of_one_item_beyond_the_budget_load_it_once():
    load = Loader()
    items = CachedSequence(load, 2, size_of=ten_bytes, budget=MemoryBudget(0))
    for index in (0, 0, 0, 1, 1, 0):
        assert items[index] == Loader()(index)
    assert load.calls == [0, 1, 0]
    assert items.n_kept == 0
