"""The judge of refusals sees every way in which a command can end; `tests/tools/bad_inputs.py` tries hundreds."""

import sys

import bad_inputs
import pytest
from bad_inputs import BEGAN, Case, Outcome

BAD = Case("number", ("train", "optimizer.lr=inf"), ("optimizer.lr",))
GOOD = Case("good", ("train",), None)
TOLD = "error: optimizer.lr: expected a finite number, got inf"
ENDS = {
    "right": (BAD, Outcome(2, 0.5, "", TOLD, ())),
    "accepted": (BAD, Outcome(BEGAN, 0.5, "", "", ())),
    "traceback": (BAD, Outcome(1, 0.5, "", "Traceback (most recent call last)", ())),
    "unclear": (BAD, Outcome(2, 0.5, "", "error: bad value", ())),
    "left files": (BAD, Outcome(2, 0.5, "", TOLD, ("'outputs'",))),
    "hung": (BAD, Outcome(None, 60.0, "", "", ())),
    "wrong code": (BAD, Outcome(1, 0.5, "", TOLD, ())),
    "slow": (BAD, Outcome(2, 2.5, "", TOLD, ())),
    "wrongly refused": (GOOD, Outcome(2, 0.5, "", "error: no", ())),
}


@pytest.mark.parametrize("word", bad_inputs.VERDICTS)
def test_every_end_has_its_word(word):
    assert bad_inputs.judge(*ENDS[word]) == word


@pytest.mark.parametrize(
    "err", ["error: must be real number, got optimizer.lr", f"{TOLD}\n{TOLD}", "error: momentum: expected 1, got 2"]
)
def test_an_interpreters_words_two_messages_or_another_key_are_unclear(err):
    assert bad_inputs.judge(BAD, Outcome(2, 0.5, "", err, ())) == "unclear"


def test_cases_are_counted_by_class_and_told_unless_right(capsys):
    cases = {case.kind + outcome.err: (case, outcome) for case, outcome in ENDS.values()}
    outcomes = iter([outcome for _, outcome in cases.values()])
    counts = bad_inputs.count([case for case, _ in cases.values()], lambda case: next(outcomes))
    told = capsys.readouterr().out
    assert "right: " not in told
    bad_inputs.print_table(counts)
    assert counts["number"].total() == len(cases) - 1
    assert "| good | 1 |  |  |  |  |  |  |  |  | 1 |" in capsys.readouterr().out.splitlines()


def test_classes_and_every_nth_of_them_are_chosen():
    cases = [Case(kind, (str(number),), ()) for kind in ("a", "b") for number in range(5)]
    assert [case.typed[0] for case in bad_inputs.chosen_cases(cases, ["b"], 2)] == ["0", "2", "4"]
    assert len(bad_inputs.chosen_cases(cases, [], 1)) == 10


def test_every_case_can_be_read(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    kinds = {case.kind for case in bad_inputs.all_cases()}
    assert {"number", "losses", "mask files", "image files", "other files", "good"} <= kinds


@pytest.mark.skipif(sys.platform != "linux", reason="waits for a forked process by its usage")
def test_a_command_is_tried_up_to_where_its_work_begins(tmp_path):
    for case, folder in ((BAD, tmp_path / "bad"), (GOOD, tmp_path / "good")):
        outcome = bad_inputs.run(folder, tuple(bad_inputs.completed(case.typed, tmp_path)), None)
        assert bad_inputs.judge(case, outcome) in ("right", "slow"), outcome.err
        assert outcome.code == (2 if case is BAD else BEGAN)
