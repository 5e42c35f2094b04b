"""A verdict about frontiers needs frontiers, which random, constant and collapsed runs lack."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.comparison.checked_runs import RunScores
from experiments.comparison.compare_arms import compare_arms
from experiments.comparison.settings import CompareSettings
from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.inference.claims import Evidence, p_values
from experiments.inference.paired_difference import PairedDifference
from experiments.inference.rule import Rule
from experiments.inference.verdict import decide
from experiments.inference.words import NOT_TRAINED, UNDECIDED, WORDS

FAST = CompareSettings(n_draws=100, workers=1)
N_IMAGES, SIDE, PREVALENCE = 14, 32, 0.03


def noise(shift=0.0, scale=1.0):
    """Scores that know nothing."""
    return lambda target, rng: rng.normal(shift, scale, target.shape)


def signal(strength, shift=-3.0):
    """Scores of a model: positives lie `strength` standard deviations higher."""
    return lambda target, rng: rng.normal(shift, 1, target.shape) + strength * target


def constant(target, rng):
    return np.zeros(target.shape)


def of_image(target, rng):
    """One score per image."""
    return np.broadcast_to(rng.normal(0, 1), target.shape)


def heavy(target, rng):
    return rng.standard_t(2, target.shape) - 5


def one_pixel_apart(target, rng):
    """Constant but for one pixel."""
    scores = np.zeros(target.shape)
    scores.flat[rng.integers(scores.size)] = 1.0
    return scores


def run(model, seed, *, n_images=N_IMAGES, prevalence=PREVALENCE, side=SIDE, groups=None):
    """Score the same images with another draw of the model; `model` is one, or one per mask."""
    models = model if isinstance(model, tuple) else (model,)
    splits = []
    for split in (0, 1):
        builder = ScoreHistogramBuilder(tuple("ab"[: len(models)]))
        for index in range(n_images):
            world, own = np.random.default_rng([split, index]), np.random.default_rng([split, index, seed])
            share = prevalence * np.exp(world.normal(0, 0.4))
            target = world.random((len(models), side, side)) < share
            logits = np.stack([each(part, own) for each, part in zip(models, target, strict=True)])
            builder.add(f"i{index}", f"g{index % (groups or n_images)}", logits.astype(np.float32), target)
        splits.append(builder.build())
    return RunScores(*splits)


def verdicts(baseline, arms, *, settings=FAST, **world):
    """Compare; arms are lists of one model per seed. Other arms, other draws."""
    names = {"bce": baseline, **arms}
    runs = {
        arm: {seed: run(model, 100 * place + seed, **world) for seed, model in enumerate(models)}
        for place, (arm, models) in enumerate(names.items())
    }
    return compare_arms(runs, baseline="bce", settings=settings).verdicts


def shifted(models, by):
    """Return the same models with another threshold."""
    return [lambda target, rng, model=model: model(target, rng) + by for model in models]


def test_random_scores_against_the_same_shifted_do_not_slide():
    """What read "slides", AP gain -.00002, no warning."""
    runs = {"bce": {seed: run(noise(), seed) for seed in range(3)}}
    runs["moved"] = {seed: run(shifted([noise()], 2.0)[0], seed) for seed in range(3)}
    (row,) = compare_arms(runs, baseline="bce", settings=FAST).verdicts.to_dict("records")
    assert row["verdict"] == row["verdict_f1"] == NOT_TRAINED
    assert row["reason"].startswith("bce is not trained: AP 0.03")
    assert f"at a prevalence of {row['prevalence']:.3g}" in row["reason"]
    assert row["advice"] == row["advice_f1"] == ""
    assert np.isnan([row[name] for name in ("needed_seeds", "needed_groups", "ap_gain_low", "f1_gain_high")]).all()
    assert np.isnan([row[name] for name in ("p_difference", "p_equivalence_holm", "p_point_moved_holm")]).all()
    assert row["arm_ap"] == pytest.approx(row["baseline_ap"], abs=1e-4)
    assert row["untrained_runs"] == ", ".join(f"{arm} seed {seed}" for arm in ("bce", "moved") for seed in range(3))


@pytest.mark.parametrize(
    "model",
    [noise(2.0), noise(0.0, 5.0), heavy, constant, of_image, one_pixel_apart, signal(-2.0)],
    ids=["shifted", "wider", "heavy tails", "constant", "one score per image", "one pixel apart", "anti-correlated"],
)
def test_whatever_knows_nothing_is_not_trained(model):
    """Check an untrained arm with a trained baseline, in one of two masks, and an untrained baseline."""
    trained = signal(2.5)
    masks = verdicts([(trained, trained)] * 3, {"other": [(signal(4.5), model)] * 3}).set_index("mask")
    assert masks["verdict"].to_dict() == {"a": "moves out", "b": NOT_TRAINED}
    assert masks.loc["b", "verdict_f1"] == NOT_TRAINED
    assert masks.loc["b", "reason"].startswith("other is not trained: ")
    baseline = verdicts([model] * 3, {"good": [trained] * 3, "better": [signal(3.5)] * 3})
    assert baseline["verdict"].tolist() == [NOT_TRAINED] * 2
    # One score per image may pass in one seed of three.
    assert baseline["reason"].str.contains("bce is not trained|of 3 seeds of bce collapsed").all()


@pytest.mark.parametrize("lost", [constant, noise()], ids=["constant", "random"])
def test_collapsed_seeds_are_named_and_have_no_interval(lost):
    good = [signal(2.5)] * 4
    table = verdicts(good, {"dice": [*good[:3], lost], "focal": shifted(good, 2.0)})
    dice, focal = table.set_index("arm").loc["dice"], table.set_index("arm").loc["focal"]
    assert dice["verdict"] == dice["verdict_f1"] == NOT_TRAINED
    assert dice["reason"].startswith("1 of 4 seeds of dice collapsed (seed 3: ")
    assert f"at a prevalence of {dice['prevalence']:.3g})" in dice["reason"]
    assert dice["untrained_runs"] == "dice seed 3"
    assert np.isnan([dice["ap_gain_low"], dice["headline_gain_high"], dice["v_seed"]]).all()
    assert focal["verdict"] != NOT_TRAINED
    assert np.isfinite(focal["ap_gain_low"])
    of_baseline = verdicts([*good[:3], lost], {"dice": good})
    assert of_baseline["verdict"].tolist() == [NOT_TRAINED]
    assert of_baseline["reason"][0].startswith("1 of 4 seeds of bce collapsed (seed 3: ")


@pytest.mark.parametrize("n_seeds", [1, 2])
def test_few_seeds_of_random_scores_ask_for_no_more(n_seeds):
    row = verdicts([noise()] * n_seeds, {"other": [noise()] * n_seeds}).iloc[0]
    assert row["verdict"] == NOT_TRAINED
    assert np.isnan(row["needed_seeds"])


def test_a_weakly_trained_model_has_a_verdict():
    """AP twice the prevalence: moved thresholds slide, and a model that sees more moves out."""
    weak = [signal(0.65)] * 3
    runs = {"bce": {seed: run(weak[0], seed, n_images=30) for seed in range(3)}}
    runs["moved"] = {seed: run(shifted(weak, 3.0)[0], seed, n_images=30) for seed in range(3)}
    runs["better"] = {seed: run(signal(2.0), 50 + seed, n_images=30) for seed in range(3)}
    table = compare_arms(runs, baseline="bce", settings=FAST).verdicts.set_index("arm")
    assert 1.7 < table.loc["moved", "baseline_ap"] / table.loc["moved", "prevalence"] < 2.6
    assert table["verdict"].to_dict() == {"moved": "slides", "better": "moves out"}


def test_few_groups_and_few_positives():
    strong = [signal(4.0)] * 3
    for world in ({"n_images": 4, "groups": 2}, {"n_images": 6, "groups": 3}, {"prevalence": 0.002, "n_images": 30}):
        trained = verdicts(strong, {"other": strong}, **world)
        assert (trained["verdict"] != NOT_TRAINED).all(), world
        random = verdicts([noise()] * 3, {"other": strong}, **world)
        assert (random["verdict"] == NOT_TRAINED).all(), world


def test_one_group():
    """A strong model is not called untrained, and has no verdict; random scores are untrained there too."""
    strong = verdicts([signal(4.0)] * 3, {"other": [signal(4.0)] * 3}, groups=1)
    assert strong["verdict"].tolist() == [UNDECIDED]
    assert strong["reason"][0].startswith("one test group")
    assert verdicts([noise()] * 3, {"other": [noise()] * 3}, groups=1)["verdict"].tolist() == [NOT_TRAINED]


def _difference(*values, error):
    v = np.full(len(values), error**2)
    return PairedDifference(np.array(values), 0.3 * v, 0.7 * v, 5, 50)


def _evidence(gain, error):
    return Evidence(_difference(gain, error=error), _difference(0.4, -0.3, error=0.004))


def test_a_margin_that_holds_an_untrained_model_is_no_equivalence():
    """AP .012 at a prevalence of .004: within ±.01 lies everything, random scores too."""
    same = replace(_evidence(0.0, error=0.001), lead=0.008)
    (verdict,) = decide([same], Rule(margin=0.01))
    assert verdict.word == UNDECIDED
    assert "so is an untrained model: the baseline lies 0.008 above chance" in verdict.reason
    assert np.isnan(verdict.needed_seeds)
    assert decide([same], Rule(margin=0.005))[0].word == "slides"
    runs = {"bce": {seed: run(signal(1.0), seed, prevalence=0.002, n_images=30) for seed in range(3)}}
    runs["moved"] = {s: run(signal(1.0, shift=0.0), s, prevalence=0.002, n_images=30) for s in range(3)}
    for headline in ("ap", "f1"):
        settings = replace(FAST, headline=headline, margin=0.1)
        (row,) = compare_arms(runs, baseline="bce", settings=settings).verdicts.to_dict("records")
        assert row["verdict"] == UNDECIDED
        assert "so is an untrained model" in row["reason"]


def test_rows_that_are_not_trained_count_for_holm_and_say_nothing_of_the_noise():
    """Dropping rows for what their numbers are would make the others easier to reject."""
    tested = [_evidence(0.03, error=0.008), _evidence(0.0, error=0.02)]
    lost = replace(_evidence(0.5, error=0.01), untrained="dice is not trained")
    alone, beside = p_values(tested, Rule()), p_values([*tested, lost, lost], Rule())
    for single, counted in zip(alone, beside[:2], strict=True):
        assert counted.difference == single.difference
        assert counted.steady.variance == single.steady.variance
    assert alone[0].difference_holm == pytest.approx(2 * alone[0].difference)
    assert beside[0].difference_holm == pytest.approx(4 * beside[0].difference)
    assert beside[0].difference_factor == 4
    assert np.isnan([beside[2].difference, beside[2].difference_holm, beside[3].same_holm]).all()
    verdict = decide([*tested, lost], Rule())[2]
    assert (verdict.word, verdict.reason, verdict.advice) == (NOT_TRAINED, "dice is not trained", "")


def test_the_words():
    assert set(WORDS) == {"moves out", "moves in", "slides", "stays", "crosses", "undecided", "not trained"}
