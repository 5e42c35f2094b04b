"""A published (recall, F1) pair determines its precision, or is refused because none fits."""

import pytest

from experiments.report.published import PublishedPoint


@pytest.mark.parametrize(("recall", "f1", "precision"), [(0.96, 0.37, 0.23), (0.97, 0.26, 0.15), (0.5, 2 / 3, 1.0)])
def test_precision_follows(recall, f1, precision):
    point = PublishedPoint("theirs", recall, f1)
    assert point.precision == pytest.approx(precision, abs=0.005)
    assert 2 * point.precision * recall / (point.precision + recall) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"recall": 0.4, "f1": 0.8}, r"f1: expected below 2 x recall = 0.8, got 0.8"),
        ({"recall": 0.4, "f1": 0.9}, r"f1: expected below 2 x recall"),
        ({"recall": 0.5, "f1": 0.7}, r"f1: expected at most 2 recall / \(1 \+ recall\) = 0.6667 for recall 0.5"),
        ({"recall": 1.2}, "recall: expected a number in"),
        ({"recall": 0.0}, "recall: expected a number in"),
        ({"f1": float("nan")}, "f1: expected a number in"),
        ({"label": " "}, "label: expected the name of the system"),
        ({"weight": 0.0}, "weight: expected a finite number above 0, got 0.0"),
    ],
)
def test_what_cannot_be_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        PublishedPoint(**{"label": "theirs", "recall": 0.9, "f1": 0.5, **values})


def test_it_stands_beside_its_mask_or_beside_all():
    assert PublishedPoint("theirs", 0.9, 0.5).beside("solid")
    assert PublishedPoint("theirs", 0.9, 0.5, mask="solid").beside("solid")
    assert not PublishedPoint("theirs", 0.9, 0.5, mask="solid").beside("dashed")


def test_its_words_carry_its_numbers():
    text = PublishedPoint("theirs", 0.96, 0.37, weight=42.0).text
    assert text == "theirs: weight 42, recall 0.96 and F1 0.37, hence precision 0.23"
