"""The arithmetic and the page of the benchmarks; nothing is timed here."""

import json

import pytest
import torch

from benchmarks import __main__ as command
from benchmarks.loss_speed import losses_and_peers
from benchmarks.page import page_text, read_numbers, table_text, with_kept_sections, with_tables, write_numbers
from benchmarks.result import Goal, Row, Spread, Table, bytes_text, ratio_row, seconds_text
from benchmarks.stopwatch import cold, in_turn, peak_memory, warm
from benchmarks.trained_run import TrainedLogits


def row(middle, **settings):
    return Row("work", "peer", "1 s", "2 s", Spread.of([middle]), **settings)


def test_a_spread_is_median_and_quartiles_or_the_range_of_few():
    assert Spread.of([5.0, 1.0, 2.0, 3.0, 4.0]) == Spread(3.0, 2.0, 4.0, 5)
    assert Spread.of([3.0, 1.0]) == Spread(2.0, 1.0, 3.0, 2)
    with pytest.raises(ValueError, match="values"):
        Spread.of([])


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        (row(2.5, goal=Goal(2.0), even=1.0), "meets"),
        (row(1.5, goal=Goal(2.0), even=1.0), "misses"),
        (row(0.9, goal=Goal(2.0), even=1.0), "loses"),
        (row(0.9, even=1.0), "loses"),
        (row(0.9), "stated"),
        (row(0.9, goal=Goal(1.0, at_most=True)), "meets"),
        (row(1.1, goal=Goal(1.0, at_most=True)), "misses"),
        (row(float("nan"), goal=Goal(1.0)), "misses"),
        (Row("work", "peer", "", "", None, goal=Goal(1.0), note="no compiler"), "not measured"),
    ],
)
def test_outcome(found, outcome):
    assert found.outcome == outcome


def test_a_ratio_is_taken_round_by_round():
    found = ratio_row("work", "peer", [1.0, 2.0, 4.0], [2.0, 4.0, 4.0])
    assert found.measured == Spread(2.0, 1.0, 2.0, 3)
    assert (found.ours, found.theirs) == ("2 s", "4 s")


def test_times_and_sizes_are_written_with_their_unit():
    assert [seconds_text(s) for s in (2e-8, 2e-5, 0.0123, 45.6, 300)] == [
        "20 ns",
        "20 µs",
        "12.3 ms",
        "45.6 s",
        "5 min",
    ]
    assert [bytes_text(b) for b in (1e3, 2.5e6, 3e9, 4e13)] == ["1 kB", "2.5 MB", "3 GB", "40 TB"]


def test_calls_are_timed_in_turn():
    order = []
    seconds = in_turn({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=2, warmup=1)
    assert order == ["b", "a", "a", "b", "b", "a"]  # each is first in every other round
    assert {name: len(times) for name, times in seconds.items()} == {"a": 2, "b": 2}


def test_calls_are_prepared_as_asked():
    order = []
    calls = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    in_turn(calls, rounds=1, warmup=0, before_each=warm)
    assert order == ["a", "a", "b", "b"]
    order.clear()
    in_turn(calls, rounds=1, warmup=0, before_each=cold)
    assert order == ["a", "b"]


def test_peak_memory_sees_what_is_held_at_once():
    size = 64 * 2**20

    def hold(tensors):
        return sum(float(part[0]) for part in [torch.ones(size // 4) for _ in range(tensors)])

    one, three = (peak_memory(lambda n=n: hold(n)) for n in (1, 3))
    if one is None or three is None:
        pytest.skip("this system does not tell a process its peak memory")
    assert one == pytest.approx(size, rel=0.2)
    assert three == pytest.approx(3 * size, rel=0.2)


def test_the_page_says_what_was_lost_and_what_it_was_before(tmp_path):
    table = Table("t", "Title", "About.", (row(0.5, goal=Goal(2.0), even=1.0, note="why"),), appendix="More.")
    text = page_text([table], command="make it", minutes=3, load="1.0", before={"work | peer": 0.25})
    assert "| work | peer | 1 s | 2 s | 0.5x | at least 2x | **loses** | 0.25x |" in text
    for part in ("`make it`", "## Title", "- work, peer: why", "More.", "cores", "torch "):
        assert part in text
    path = tmp_path / "deep" / "numbers.json"
    assert read_numbers(path) == {}
    write_numbers(path, [table])
    assert read_numbers(path) == {"work | peer": 0.5} == json.loads(path.read_text())


def test_a_table_with_few_rounds_shows_their_range():
    found = ratio_row("work", "peer", [1.0, 1.0], [2.0, 3.0], goal=Goal(2.0))
    assert "2.5x (2x to 3x)" in table_text(Table("t", "T", "A.", (found,)))


def test_an_unknown_table_is_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(["speed"])
    assert stop.value.code == 2
    assert "TABLE: expected start_up, histogram" in capsys.readouterr().err


def test_the_table_of_a_gpu_runs_on_a_cpu(capsys):
    from benchmarks.gpu import measure
    from benchmarks.result import Settings

    table = measure(Settings(quick=True), device="cpu")
    found = {row.work: row for row in table.rows}
    assert [row.note for row in table.rows if row.measured is None] == []
    same = ("losses and gradients, same logits", "histograms, same logits", "AP, same weights, float32")
    assert [found[work].measured.middle for work in same] == [0, 0, 0]
    assert found["training, loss of 3 updates, float32"].measured.middle == 0
    ways = [work.split("; ")[1] for work in found if work.startswith("training, 64², batch 2")]
    assert ways == [
        "as `train` runs it: compiled, images on the device",
        "not compiled, images on the device",
        "compiled, 0 workers",
        "not compiled, 0 workers",
    ]
    text = table_text(table)
    assert "at least 0.97x" in text
    assert "30 runs of 20,000 updates" in text
    assert "It took" in text


def test_no_part_begins_on_a_gpu_when_time_is_up(monkeypatch):
    from benchmarks import gpu
    from benchmarks.result import Settings

    monkeypatch.setattr(gpu, "BEGIN_UNTIL", -1)
    monkeypatch.setattr(
        gpu, "trained_logits", lambda *args, **settings: TrainedLogits(torch.ones(1), torch.ones(1), ())
    )
    table = gpu.measure(Settings(quick=True), device="cpu")
    assert {row.outcome for row in table.rows} == {"not measured"}
    assert table.rows[-1].work == "loss, Dice"


def test_a_part_that_fails_on_a_gpu_is_a_row_with_its_reason(capsys):
    from benchmarks.gpu import _rows_or_reason

    def broken():
        raise RuntimeError("CUDA out of memory.\nTried to allocate")

    (found,) = _rows_or_reason("training", broken)
    assert (found.outcome, found.note) == ("not measured", "RuntimeError: CUDA out of memory.")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(capsys):
    assert command.main(["--gpu"]) == 2
    assert "finds no CUDA GPU" in capsys.readouterr().err


def test_a_table_runs_from_the_command_line(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(command, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(command, "NUMBERS", tmp_path / "numbers.json")
    assert command.main(["compare", "--quick"]) == 0
    assert "jackknife of AP, scikit-learn" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []  # some tables alone write nothing


def test_every_table_has_a_module_that_measures():
    import importlib.util

    for module in command.TABLES.values():
        assert importlib.util.find_spec(module) is not None


def test_a_table_takes_the_place_of_the_old_one_in_the_page():
    old, other = (Table(name, name, "about", (row(1.0),)) for name in ("old", "other"))
    page = page_text([old, other], command="make bench", minutes=1, load="load 1", before={})
    new = Table("old", "old", "about", (row(7.0),))
    found = with_tables(page, [new], {})
    assert found.count("## old") == found.count("## other") == 1
    assert "7x" in found.split("## other")[0]
    assert found.split("## other")[1] == page.split("## other")[1]
    assert with_tables(page, [Table("third", "third", "about", (row(7.0),))], {}).count("\n## ") == 3


def test_a_new_page_keeps_what_was_measured_on_a_gpu():
    earlier = command.PAGE.read_text(encoding="utf-8")
    of_gpu = earlier[earlier.index("\n## On a GPU\n") :].split("\n## ")[1].strip()
    page = page_text([Table("t", "Title", "About.", (row(1.0),))], command="make bench", minutes=1, load="", before={})
    found = with_kept_sections(page, earlier)
    assert found.startswith(page.rstrip())
    assert found.count("\n## ") == 2
    assert found.split("\n## ")[-1].strip() == of_gpu
    assert with_kept_sections(page, "") == page


def test_peers_written_with_torch_compute_the_same():
    pytest.importorskip("monai")
    rng = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(2, 3, 16, 16, generator=rng), (torch.rand(2, 3, 16, 16, generator=rng) < 0.2).float()
    compared = 0
    for ours, peers in losses_and_peers().values():
        if "torch" in peers:
            torch.testing.assert_close(ours(logits, labels), peers["torch"](logits, labels), rtol=1e-5, atol=0)
            compared += 1
    assert compared == 5
