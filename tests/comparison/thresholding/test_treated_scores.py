"""Treatments move the natural point but no point of the frontier."""

import numpy as np
import pytest
from scipy.special import expit

from experiments.comparison.checked_runs import RunScores
from experiments.comparison.thresholding.treated_scores import (
    Treatment,
    new_codes,
    of_masks,
    tied_average_precision,
    treated_run,
)
from experiments.comparison.thresholding.treatments import TREATMENTS, UNTREATED, fit_treatments
from experiments.data.batches import pixel_statistics
from experiments.frontier.arithmetic import from_pixels, recode
from experiments.frontier.codes import N_CODES, NATURAL_CODE, code_to_logit, logit_to_code
from experiments.frontier.curve import average_precision, pr_curve
from experiments.frontier.operating_point import natural_point, operating_point, tuned_codes
from experiments.frontier.recalibration import AffineMap, code_logits, fit_platt
from experiments.frontier.theory import ScoreMap
from experiments.runs import store

THEORY = ScoreMap(weight=7.0, gamma=1.5)


def pixels(seed, scale, images=4, masks=2, size=3000):
    """Logits and labels, saturated where the scale is large."""
    rng = np.random.default_rng(seed)
    labels = rng.random((images, masks, size)) < 0.06
    logits = scale * (rng.normal(-1.5, 1.0, labels.shape) + 2.0 * labels + rng.normal(0, 0.3, (images, 1, 1)))
    return logits, labels


def histograms(logits, labels):
    names = [f"i{k}" for k in range(len(logits))]
    return from_pixels([f"m{k}" for k in range(logits.shape[1])], names, names, logits, labels)


def all_treatments(val):
    return [fit_treatments(*val.pooled(mask), THEORY) for mask in range(val.n_masks)]


def assert_same_frontier(before, after):
    """Every count of every image, so every (recall, precision) point of any pool of images."""
    np.testing.assert_array_equal(before.row_start, after.row_start)
    np.testing.assert_array_equal(before.positives, after.positives)
    np.testing.assert_array_equal(before.negatives, after.negatives)
    for mask in range(before.n_masks):
        first, second = pr_curve(*before.pooled(mask)), pr_curve(*after.pooled(mask))
        np.testing.assert_array_equal(first.tp, second.tp)
        np.testing.assert_array_equal(first.fp, second.fp)
        assert average_precision(first) == average_precision(second)


@pytest.mark.parametrize("scale", [0.003, 1.0, 40.0, 30_000.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_no_treatment_moves_the_frontier_of_random_histograms(seed, scale):
    val, test = histograms(*pixels(seed, scale)), histograms(*pixels(seed + 100, scale))
    fits = all_treatments(val)
    assert [set(item.fitted) for item in fits] == [{UNTREATED, *TREATMENTS}] * 2
    for name in (UNTREATED, *TREATMENTS):
        treated = treated_run(RunScores(val, test), [item.fitted[name] for item in fits])
        assert_same_frontier(test, treated.test)
        assert_same_frontier(val, treated.val)
        for mask, item in enumerate(fits):
            code = item.fitted[name].natural_code
            expected = operating_point(test, mask, None if code == N_CODES else code, name="natural")
            found = natural_point(treated.test, mask)
            assert (found.tp, found.fp, found.fn, found.tn) == (expected.tp, expected.fp, expected.fn, expected.tn)


@pytest.mark.parametrize("name", ["prior_theory", "prior_frequency", "platt"])
def test_the_natural_point_is_where_the_mapped_logit_of_a_pixel_reaches_0(name):
    val, (logits, labels) = histograms(*pixels(2, 3.0)), pixels(102, 3.0)
    fits = all_treatments(val)
    test = histograms(logits, labels)
    treated = treated_run(RunScores(val, test), [item.fitted[name] for item in fits])
    for mask in range(2):
        counts = val.pooled(mask)
        narrow = logits[:, mask].astype(np.float16).astype(np.float64)
        if name == "prior_theory":
            fired = THEORY.to_true_logit(narrow) >= 0
        elif name == "platt":
            fired = fit_platt(*counts).to_true_logit(narrow) >= 0
        else:
            shift = float(fits[mask].fitted[name].logits[NATURAL_CODE])
            fired = expit(narrow + shift) >= 0.5
        point = natural_point(treated.test, mask)
        assert (point.tp, point.fp) == ((fired & labels[:, mask]).sum(), (fired & ~labels[:, mask]).sum())
        assert 0 < point.tp < labels[:, mask].sum()


@pytest.fixture(scope="module")
def real_run(request, tmp_path_factory):
    """Scores of a network that was trained for a few updates."""
    pytest.importorskip("torch")
    from hydra import compose, initialize_config_module

    from experiments.training.run import execute
    from experiments.training.setup import LoadedData

    blobs = request.getfixturevalue("blobs")
    loaded = LoadedData(blobs, tuple(blobs.prevalence("train").tolist()), pixel_statistics(blobs.train), False)
    small = ["trainer.max_steps=6", "trainer.tile=32", "trainer.batch_size=2", "trainer.accelerator=cpu"]
    with initialize_config_module("experiments.conf", version_base="1.3"):
        cfg = compose("config", overrides=[*small, "loss=weighted_bce", "model.decoder_channels=[16,8,8]"])
    folder = tmp_path_factory.mktemp("run") / "seed=0"
    assert execute(cfg, folder, "loss=weighted_bce", loaded, lambda update: None) == "complete"
    scores = store.read_scores(folder)
    return RunScores(scores["val"], scores["test"])


def test_no_treatment_moves_the_frontier_of_a_real_run(real_run):
    fits = all_treatments(real_run.val)
    names = set.intersection(*(set(item.fitted) for item in fits))
    assert names >= {UNTREATED, "tuned_threshold", "prior_theory", "prior_frequency", "isotonic"}
    moved = 0
    for name in names:
        treated = treated_run(real_run, [item.fitted[name] for item in fits])
        assert_same_frontier(real_run.test, treated.test)
        moved += natural_point(treated.test, 0) != natural_point(real_run.test, 0)
    assert moved >= 2  # the treatments do something


def test_moving_pixels_to_the_code_of_their_new_logit_would_move_the_frontier():
    """Why treatments are not carried out on the histogram: float16 has few values just below a large shift."""
    test = histograms(*pixels(3, 0.01, masks=1))
    shift = AffineMap(1.0, -9.0)
    naive = recode(test, logit_to_code(shift.to_true_logit(code_logits())).astype(np.int64))
    before, after = pr_curve(*test.pooled(0)), pr_curve(*naive.pooled(0))
    assert len(after.codes) < 0.1 * len(before.codes)
    assert average_precision(before) != average_precision(after)
    treated = treated_run(RunScores(None, test), [Treatment.of_map(shift, "")])
    assert_same_frontier(test, treated.test)
    assert treated.val is None


def test_maps_that_keep_0_keep_the_natural_code():
    for mapping in (AffineMap(1.0, 0.0), AffineMap(0.2, 0.0), ScoreMap(gamma=2.0)):
        assert Treatment.of_map(mapping, "").natural_code == NATURAL_CODE
    # A negative logit too small for float16 stays negative.
    tiny = from_pixels(["a"], ["x"], ["x"], np.array([[[-1e-9, 1e-9]]]), np.array([[[False, True]]]))
    treated = treated_run(RunScores(None, tiny), [Treatment.of_map(AffineMap(0.2, 0.0), "")])
    assert (natural_point(treated.test, 0).tp, natural_point(treated.test, 0).fp) == (1, 0)


def test_thresholds_by_hand():
    shifted = Treatment.of_map(ScoreMap(weight=42.0), "")
    assert code_to_logit(shifted.natural_code) >= np.log(42.0) > code_to_logit(shifted.natural_code - 1)
    np.testing.assert_allclose(shifted.probabilities[NATURAL_CODE], 1 / 43, rtol=1e-12)
    never = Treatment.of_map(AffineMap(1.0, -1e6), "")
    assert never.natural_code == N_CODES
    test = histograms(*pixels(4, 1.0, masks=1))
    silent = treated_run(RunScores(None, test), [never]).test
    assert np.isnan(natural_point(silent, 0).precision)
    assert_same_frontier(test, silent)
    (code,) = tuned_codes(test)
    tuned = Treatment.of_threshold(code, "")
    np.testing.assert_array_equal(tuned.probabilities, Treatment.of_threshold(NATURAL_CODE, "").probabilities)


def test_ties_that_isotonic_regression_makes_cost_average_precision_only_where_they_are_kept():
    positives, negatives = np.zeros(N_CODES, np.int64), np.zeros(N_CODES, np.int64)
    for value, counts in {-1.0: (1, 3), 1.0: (1, 1), 2.0: (1, 0)}.items():
        positives[int(logit_to_code(value))], negatives[int(logit_to_code(value))] = counts
    logits = np.where(code_logits() >= 1.0, 2.0, -2.0)
    tied = Treatment(logits, int(np.argmax(logits > 0)), "two steps")
    # Untied: 1/3 (1 + 2/3 + 3/7); with 1.0 and 2.0 tied: 2/3 2/3 + 1/3 3/7.
    assert tied_average_precision(positives, negatives, Treatment.of_threshold(0, "")) == pytest.approx(44 / 63)
    assert tied_average_precision(positives, negatives, tied) == pytest.approx(37 / 63)


def test_new_codes_keep_the_order_and_refuse_what_does_not_fit():
    used = np.zeros(N_CODES, bool)
    used[[5, 900, 40_000, 65_000]] = True
    table = new_codes(used, 40_000)
    assert table[used].tolist() == [NATURAL_CODE - 2, NATURAL_CODE - 1, NATURAL_CODE, NATURAL_CODE + 1]
    assert (np.diff(table.astype(int)) >= 0).all()
    assert new_codes(used, N_CODES)[used].max() == NATURAL_CODE - 1
    full = np.ones(N_CODES, bool)
    assert new_codes(full, NATURAL_CODE).tolist() == list(range(N_CODES))
    with pytest.raises(ValueError, match="got 30000 below it and 35536 from it on"):
        new_codes(full, 30_000)


def test_of_masks_keeps_the_chosen_masks_without_joint_counts():
    test = histograms(*pixels(5, 1.0, masks=3))
    chosen = of_masks(RunScores(test, test), [2, 0])
    assert chosen.test.masks == ("m2", "m0")
    for place, mask in enumerate([2, 0]):
        for found, expected in zip(chosen.test.pooled(place), test.pooled(mask), strict=True):
            np.testing.assert_array_equal(found, expected)
    assert not chosen.test.joint.any()


def test_maps_that_decrease_and_wrong_numbers_are_refused():
    class Falling:
        def to_true_logit(self, logits):
            return -np.asarray(logits)

    with pytest.raises(ValueError, match="never decreases"):
        Treatment.of_map(Falling(), "")
    with pytest.raises(ValueError, match="never decrease"):
        Treatment(-code_logits(), 0, "")
    with pytest.raises(ValueError, match="natural_code: expected"):
        Treatment(code_logits(), N_CODES + 1, "")
    test = histograms(*pixels(6, 1.0))
    with pytest.raises(ValueError, match="treatments: expected 2, one per mask, got 1"):
        treated_run(RunScores(None, test), [Treatment.of_threshold(NATURAL_CODE, "")])
