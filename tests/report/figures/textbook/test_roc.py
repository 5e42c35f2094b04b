"""The sentences of the ROC figure."""

import numpy as np
import pandas as pd
import pytest

from experiments.report.figures.textbook.roc import roc_sentence


def test_the_sentence_says_the_spans_and_whether_the_orders_differ():
    rows = [("a", 0.98, 0.8), ("a", 0.96, 0.6), ("b", 0.99, 0.5), ("c", 0.9, 0.65)]
    areas = pd.DataFrame(rows, columns=["arm", "roc_auc", "ap"]).assign(mask="thin", seed=0, prevalence=0.01)
    text = roc_sentence(areas, "thin", {"b": "bce"})
    assert "ROC AUC spans 0.900 to 0.990 over arms while AP spans 0.500 to 0.700" in text
    assert "99 negative pixels to a positive one, a false positive rate of 0.01 already means 1.0 false" in text
    assert text.endswith("The last by AP (bce) stands above a, c by ROC AUC.")
    alike = roc_sentence(areas[areas["arm"] != "b"], "thin")
    assert "stands above" not in alike
    alone = roc_sentence(areas[areas["arm"] == "a"], "thin")
    assert "thin: ROC AUC is 0.970 while AP is 0.700; with 99 negative pixels" in alone
    assert "stands above" not in alone
    with pytest.raises(ValueError, match="mask: expected one of"):
        roc_sentence(areas, "thick")
    assert "no positive" in roc_sentence(areas.assign(ap=np.nan), "thin")
