"""Score maps made elsewhere give the numbers of those who made them, whatever the format."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score

from experiments.comparison import load_study, score_folder
from experiments.config import ConfigError
from experiments.data.data_error import DataError
from experiments.evaluation.histogram_builder import ScoreHistogramBuilder
from experiments.frontier import average_precision, logit_to_code, natural_point, pr_curve, tuned_thresholds
from experiments.frontier.tolerance.histograms import tolerant_from_images
from experiments.runs import store

SIZES = {"a": (120, 150), "b": (96, 192), "c": (144, 120), "d": (120, 150)}


def truth_of(name, mask=0):
    """Make the labels of an image: the same at every call."""
    rng = np.random.default_rng([ord(name), mask])
    return rng.random(SIZES[name]) < 0.08


def logits_of(name, seed=0, mask=0, signal=3.0):
    """Make scores as a model would give: a signal in noise."""
    rng = np.random.default_rng([ord(name), mask, seed, 1])
    return (signal * truth_of(name, mask) - 3 + rng.normal(size=SIZES[name])).astype(np.float32)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits.astype(np.float64)))


def save(path, array):
    """Save an array by the ending of its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".npz":
        np.savez(path, array)
    else:
        Image.fromarray(array).save(path)


@pytest.fixture
def home(tmp_path):
    """A folder with masks/ of four images of unequal size."""
    for name in SIZES:
        save(tmp_path / "masks" / f"{name}.png", truth_of(name))
    return tmp_path


@pytest.fixture
def two_masks(tmp_path):
    """A folder with masks/artery/ and masks/vein/."""
    for mask, word in enumerate(("artery", "vein")):
        for name in SIZES:
            save(tmp_path / "masks" / word / f"{name}.png", truth_of(name, mask))
    return tmp_path


def scored(home, **options):
    options = {"truth": home / "masks", "study_dir": home / "study", **options}
    return score_folder(home / "maps", **options)


def pooled(mask=0, seed=0, signal=3.0):
    labels = np.concatenate([truth_of(name, mask).ravel() for name in SIZES])
    scores = np.concatenate([logits_of(name, seed, mask, signal).ravel() for name in SIZES])
    return labels, scores


def ap_of(run, mask=0):
    return average_precision(pr_curve(*run.scores["test"].pooled(mask)))


FORMATS = {
    "npy": (".npy", lambda p: p.astype(np.float32), {}),
    "double": (".npy", lambda p: p, {}),
    "half": (".npy", lambda p: p.astype(np.float16), {"tolerance": 2e-3}),
    "one channel": (".npy", lambda p: p[None], {}),
    "channel last": (".npy", lambda p: p[..., None], {"axes": "HWC"}),
    "transposed": (".npy", lambda p: p.T, {"axes": "WH"}),
    "npz": (".npz", lambda p: p, {}),
    "16-bit png": (".png", lambda p: np.round(65535 * p).astype(np.uint16), {}),
    "float tiff": (".tif", lambda p: p.astype(np.float32), {}),
    "16-bit tiff": (".tiff", lambda p: np.round(65535 * p).astype(np.uint16), {}),
    "percent of 255": (".npy", lambda p: 255 * p, {"kind": "0-255"}),
    "logits": (".npy", lambda p: np.log(p / (1 - p)), {"kind": "logits"}),
}


@pytest.mark.parametrize("name", FORMATS)
def test_average_precision_is_scikit_learns(home, name):
    ending, made, options = FORMATS[name]
    for image in SIZES:
        save(home / "maps/mine/3" / f"{image}{ending}", made(sigmoid(logits_of(image))))
    tolerance = options.pop("tolerance", 1e-4)
    (run,) = scored(home, **options)
    assert (run.arm, run.seed, run.hard) == ("mine", 3, False)
    labels, scores = pooled()
    assert ap_of(run) == pytest.approx(average_precision_score(labels, scores), abs=tolerance)
    point = natural_point(run.scores["test"], 0)
    if name != "half":
        assert (point.tp, point.fp) == (int((labels & (scores >= 0)).sum()), int((~labels & (scores >= 0)).sum()))


def test_eight_bits_tie_as_they_do_for_scikit_learn(home):
    eight = {image: np.round(255 * sigmoid(logits_of(image))).astype(np.uint8) for image in SIZES}
    for image, values in eight.items():
        save(home / "maps/mine/0" / f"{image}.png", values)
    (run,) = scored(home)
    labels, _ = pooled()
    values = np.concatenate([eight[image].ravel() for image in SIZES])
    assert ap_of(run) == pytest.approx(average_precision_score(labels, values), abs=1e-12)
    info = json.loads((run.folder / store.RUN_FILE).read_text())
    assert info["distinct_scores"] == {"mask": len(np.unique(values))}
    assert info["kinds"] == ["0-255"]


def test_a_folder_of_logits_gives_the_histograms_of_the_run_that_made_them(tmp_path, ignored_blobs):
    """Byte by byte, with the joint counts at the tuned thresholds, ignored pixels and infinite scores."""
    data, rng = ignored_blobs, np.random.default_rng(0)
    expected, thresholds = {}, None
    for split in (data.val, data.test):
        builder = ScoreHistogramBuilder(data.masks, thresholds=thresholds)
        for index, image in enumerate(split.image_ids):
            sample = split.samples[index]
            logits = (3 * sample.target + rng.normal(-2, 2, sample.target.shape)).astype(np.float32)
            logits[:, 20, :5] = (-np.inf, np.inf, 1e6, -1e-9, 65519.99)
            builder.add(image, split.group_ids[index], logits, sample.target, sample.valid)
            logits[:, 0] = np.nan  # where nothing counts
            save(tmp_path / split.name / "mine/0" / f"{image}.npy", logits)
        expected[split.name] = builder.build()
        thresholds = {"tuned": tuned_thresholds(expected["val"]).tolist()}
    (run,) = score_folder(
        tmp_path / "test", val_predictions=tmp_path / "val", data=data, kind="logits", study_dir=tmp_path / "study"
    )
    store.write_scores(tmp_path / "expected", expected)
    ours, theirs = (np.load(folder / store.SCORES_FILE) for folder in (run.folder, tmp_path / "expected"))
    assert ours.files == theirs.files
    for name in theirs.files:
        assert (ours[name].dtype, ours[name].tobytes()) == (theirs[name].dtype, theirs[name].tobytes()), name
    info = json.loads((run.folder / store.RUN_FILE).read_text())
    assert info["data_fingerprint"] == data.fingerprints()


def test_scores_within_a_distance_are_those_of_the_maps(home):
    for image in SIZES:
        save(home / "maps/mine/0" / f"{image}.npy", logits_of(image))
    (run,) = scored(home, kind="logits", tolerances=[2])
    found = store.load_run(run.folder).tolerant[2]
    maps, targets = [logits_of(image) for image in SIZES], [truth_of(image) for image in SIZES]
    expected = tolerant_from_images(maps, targets, 2, exact=run.scores["test"])
    assert list(found) == ["test"]
    for name, array in expected.to_arrays().items():
        np.testing.assert_array_equal(found["test"].to_arrays()[name], array, err_msg=name)


def channels_first(image, kind):
    probabilities = np.stack([sigmoid(logits_of(image, mask=mask)) for mask in range(2)])
    if kind == "plain":
        return {"scores": probabilities}, {}
    if kind == "last":
        return {"scores": np.moveaxis(probabilities, 0, -1)}, {"axes": "HWC"}
    if kind == "swapped":
        return {"scores": probabilities[::-1]}, {"channels": ["vein", "artery"]}
    if kind == "several arrays":
        return {"other": probabilities[:1], "scores": probabilities}, {"array": "scores"}
    with_background = np.concatenate([1 - probabilities.max(0, keepdims=True), probabilities])
    if kind == "background last":
        return {"scores": np.roll(with_background, -1, 0)}, {"channels": ["artery", "vein", "background"]}
    if kind == "nnU-Net 2":
        return {"probabilities": with_background[:, None]}, {}
    if kind == "nnU-Net 2, three axes":
        return {"probabilities": with_background}, {}
    return {"probabilities": with_background[:, None].transpose(0, 1, 3, 2)}, {"axes": "C1WH"}


@pytest.mark.parametrize(
    "kind",
    ["plain", "last", "swapped", "several arrays", "background last", "nnU-Net 2", "nnU-Net 2, three axes", "turned"],
)
def test_channels_find_their_masks(two_masks, kind):
    for image in SIZES:
        arrays, options = channels_first(image, kind)
        path = two_masks / "maps/mine/0" / f"{image}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **arrays)
        (path.parent / f"{image}.png").write_bytes(b"the segmentation, left alone")
    (run,) = scored(two_masks, pattern="{arm}/{seed}/{image}.npz", **options)
    for mask in range(2):
        assert ap_of(run, mask) == pytest.approx(average_precision_score(*pooled(mask)), abs=1e-4)


def test_a_file_for_each_mask(two_masks):
    for mask, word in enumerate(("vein", "artery")):
        for image in SIZES:
            save(two_masks / "maps" / f"{image}_{word}_s7.npy", sigmoid(logits_of(image, mask=1 - mask)))
    (run,) = scored(two_masks, pattern="{image}_{mask}_s{seed}", arm="mine")
    assert run.folder == two_masks / "study/mine/seed=7"
    assert run.scores["test"].masks == ("artery", "vein")
    for mask in range(2):
        assert ap_of(run, mask) == pytest.approx(average_precision_score(*pooled(mask)), abs=1e-4)


def test_rgb_pictures_hold_three_masks(tmp_path):
    for mask in range(3):
        for image in SIZES:
            save(tmp_path / "masks" / f"m{mask}" / f"{image}.png", truth_of(image, mask))
    for image in SIZES:
        planes = [np.round(255 * sigmoid(logits_of(image, mask=mask))).astype(np.uint8) for mask in range(3)]
        save(tmp_path / "maps" / f"{image}.png", np.stack(planes, -1))
    (run,) = scored(tmp_path, pattern="{image}", arm="mine")
    assert run.seed == 0
    for mask in range(3):
        assert ap_of(run, mask) == pytest.approx(average_precision_score(*pooled(mask)), abs=0.02)


def write_study(home, *, seeds=3, splits=("test",)):
    for split in splits:
        for arm, signal in (("base", 2.0), ("mine", 4.0)):
            for seed in range(seeds):
                for image in SIZES:
                    save(home / "maps" / split / arm / str(seed) / f"{image}.npy", logits_of(image, seed, 0, signal))


def test_runs_are_compared_like_any_and_lack_tuned_points(home):
    write_study(home)
    scored(home, kind="logits", pattern="test/{arm}/{seed}/{image}", baseline="base")
    study = load_study(home / "study")
    (row,) = study.verdicts.to_dict("records")
    assert (row["baseline"], row["arm"], row["verdict"], row["n_seeds"]) == ("base", "mine", "moves out", 3)
    assert row["verdict_f1"] == "undecided"
    assert row["reason_f1"] == "no threshold could be tuned: no validation scores of mine, base"
    assert np.isnan(row["f1_gain"])


def test_validation_scores_tune_thresholds(home):
    write_study(home, splits=("test", "val"))
    scored(home, kind="logits", pattern="{split}/{arm}/{seed}/{image}", val_truth=home / "masks", baseline="base")
    study = load_study(home / "study")
    assert study.verdicts["f1_gain"].iloc[0] > 0.1
    for seeds in study.runs.complete.values():
        for run in seeds.values():
            assert run.scores["test"].points == ("natural", "tuned")
            assert run.scores["test"].point("tuned").sum() > 0


def test_the_same_maps_again_change_nothing_and_others_need_a_word(home):
    write_study(home, seeds=1)
    options = {"kind": "logits", "pattern": "test/{arm}/{seed}/{image}"}
    first = scored(home, **options)
    before = (first[0].folder / store.SCORES_FILE).read_bytes()
    scored(home, **options)
    assert (first[0].folder / store.SCORES_FILE).read_bytes() == before
    save(home / "maps/test/base/0/a.npy", logits_of("a", 9))
    with pytest.raises(ConfigError, match="base/seed=0 holds other predictions"):
        scored(home, **options)
    assert (first[0].folder / store.SCORES_FILE).read_bytes() == before
    scored(home, overwrite=True, **options)
    assert (first[0].folder / store.SCORES_FILE).read_bytes() != before


def test_a_trained_run_is_never_replaced(home):
    write_study(home, seeds=1)
    store.write_json(home / "study/mine/seed=0" / store.RUN_FILE, {"status": "complete"})
    with pytest.raises(ConfigError, match="mine/seed=0 holds a run that was trained here"):
        scored(home, kind="logits", pattern="test/{arm}/{seed}/{image}", overwrite=True)


@pytest.mark.parametrize(
    "values", [np.array([0, 1], np.uint8), np.array([0, 255], np.uint8), np.array([False, True]), np.array([0.0, 1.0])]
)
def test_hard_masks_have_a_point_and_no_frontier(home, values):
    write_study(home, seeds=2)
    for image in SIZES:
        hard = values[(logits_of(image) > -1.5).astype(int)] if image != "b" else np.full(SIZES[image], values[0])
        save(home / "maps/test/hard/0" / f"{image}.npy", hard)
        for arm in ("base", "mine"):
            for seed in range(2):
                save(home / "maps/test" / arm / str(seed) / f"{image}.npy", sigmoid(logits_of(image, seed)))
    runs = scored(home, pattern="test/{arm}/{seed}/{image}", baseline="base")
    assert [run.arm for run in runs if run.hard] == ["hard"]
    study = load_study(home / "study")
    assert list(study.runs.complete) == ["base", "mine"]
    point = natural_point(study.runs.hard["hard"][0].scores["test"], 0)
    fired = np.concatenate([(logits_of(i) > -1.5).ravel() if i != "b" else np.zeros(96 * 192, bool) for i in SIZES])
    labels = pooled()[0]
    assert (point.tp, point.fp) == (int((fired & labels).sum()), int((fired & ~labels).sum()))
    with pytest.raises(ConfigError, match="expected an arm with scores, got hard"):
        load_study(home / "study", baseline="hard")


def refusal(home, **options):
    with pytest.raises((DataError, ConfigError)) as caught:
        scored(home, **options)
    assert not Path(options.get("study_dir", home / "study")).exists()
    return str(caught.value)


def test_everything_wrong_is_named_together(home):
    """One message for all faults, and nothing is written."""
    maps = home / "maps"
    for arm in ("good", "wide", "holes", "nan", "flat", "cut", "loud"):
        for image in SIZES:
            save(maps / arm / "0" / f"{image}.npy", sigmoid(logits_of(image)))
    save(maps / "wide/0/a.npy", np.full((9, 9), 0.5) + 0.1 * np.eye(9))
    save(maps / "wide/0/b.npy", sigmoid(logits_of("b")).T)
    (maps / "holes/0/a.npy").unlink()
    save(maps / "holes/0/z.npy", sigmoid(logits_of("a")))
    save(maps / "holes/0/b.png", np.round(255 * sigmoid(logits_of("b"))).astype(np.uint8))
    save(maps / "nan/0/a.npy", np.where(truth_of("a"), np.nan, 0.5))
    save(maps / "flat/0/a.npy", np.full(SIZES["a"], 0.25))
    save(maps / "cut/0/a.npy", truth_of("a").astype(float))
    save(maps / "loud/0/a.npy", logits_of("a"))
    save(maps / "good/first/a.npy", sigmoid(logits_of("a")))
    (maps / "good/0/d.npy").write_bytes(b"broken")
    told = refusal(home)
    for words in (
        "9 x 9, the image has 120 x 150",
        "as if rows and columns were swapped",
        "holes seed 0: a",
        "no test image of this name",
        "holes/0/z.npy: 'z'",
        "holes seed 0, b: b.npy and b.png",
        f"got NaN (1):\n  nan seed 0, 0/a.npy: {int(truth_of('a').sum()):,} of 18,000 pixels",
        "flat seed 0, 0/a.npy: 0.25",
        "got thresholded maps among scores (1):\n  cut seed 0, 0/a.npy: 0 and 1 alone",
        "expected probabilities in [0, 1]; for logits say kind=logits (1):\n  loud seed 0, 0/a.npy",
        "good/first/a.npy: 'first'",
        "good seed 0, 0/d.npy",
    ):
        assert words in told, words


def test_flat_maps_are_allowed_on_request(home):
    for image in SIZES:
        save(
            home / "maps/mine/0" / f"{image}.npy",
            sigmoid(logits_of(image)) if image != "b" else np.full(SIZES[image], 0.2),
        )
    assert "allow_constant=true" in refusal(home)
    assert scored(home, allow_constant=True)[0].scores["test"].n_images == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pattern": "{model}/{image}"}, "got the field {model}"),
        ({"pattern": "{arm}/{seed}"}, "expected {image} in it"),
        ({"pattern": "{image}"}, "expected {arm} in it, or arm=NAME"),
        ({"arm": "mine"}, "as the pattern {arm}/{seed}/{image} has {arm}"),
        ({"kind": "percent"}, "kind: expected one of logits, probabilities, 0-255, 0-65535, got percent"),
        ({"axes": "XY"}, "axes: expected H and W once each"),
        ({"channels": ["crack"]}, "channels: expected mask and perhaps background, got crack"),
        ({"truth": None}, "truth, data: expected one of them"),
        ({"val_truth": "v"}, "val_predictions: expected maps of the images of val_truth"),
        ({"val_predictions": "v"}, "val_truth: expected the masks of the validation images"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(home, options, words):
    for image in SIZES:
        save(home / "maps/mine/0" / f"{image}.npy", sigmoid(logits_of(image)))
    assert words in refusal(home, **options)


def test_validation_is_wanted_of_every_run_or_of_none(home):
    write_study(home, seeds=1, splits=("test", "val"))
    for image in SIZES:
        (home / "maps/val/mine/0" / f"{image}.npy").unlink()
    told = refusal(home, kind="logits", pattern="{split}/{arm}/{seed}/{image}", val_truth=home / "masks")
    assert "expected val maps of every run, got none (1):\n  mine seed 0" in told


def test_only_paths_below_the_patterns_own_folder_count(home):
    for image in SIZES:
        save(home / "maps/best/0" / f"{image}.npy", sigmoid(logits_of(image)))
        save(home / "maps/old" / f"{image}.npy", np.zeros((2, 2)))
    (run,) = scored(home, pattern="best/{seed}/{image}", arm="mine")
    assert run.arm == "mine"
    save(home / "maps/best/x.npy", np.zeros((2, 2)))
    told = refusal(home, pattern="best/{seed}/{image}", arm="mine", study_dir=home / "other")
    assert "or a folder before the first field, leaves other files alone (1):\n  best/x.npy" in told


def test_maps_of_another_resolution_are_interpolated_on_request(home):
    for image in SIZES:
        small = Image.fromarray(logits_of(image)).resize([side // 2 for side in SIZES[image][::-1]])
        save(home / "maps/mine/0" / f"{image}.npy", np.asarray(small))
        save(home / "maps/hard/0" / f"{image}.npy", (np.asarray(small) > -2).astype(np.uint8))
    assert "resize=true interpolates maps of another size (8):" in refusal(home, kind="logits")
    hard, run = scored(home, kind="logits", resize=True)
    scores = [
        np.asarray(Image.fromarray(np.load(home / "maps/mine/0" / f"{image}.npy")).resize(SIZES[image][::-1], 2))
        for image in SIZES
    ]
    codes = logit_to_code(np.concatenate([each.ravel() for each in scores]))
    assert ap_of(run) == pytest.approx(average_precision_score(pooled()[0], codes), abs=1e-9)
    assert hard.hard
    point = natural_point(hard.scores["test"], 0)
    fired = sum(4 * int((np.load(home / "maps/hard/0" / f"{image}.npy") == 1).sum()) for image in SIZES)
    assert point.tp + point.fp == fired


@pytest.mark.parametrize(
    ("size", "words"), [((150, 120), "rows and columns were swapped"), ((60, 150), "as if it were cut, not scaled")]
)
def test_a_map_is_not_stretched(home, size, words):
    for image in SIZES:
        save(home / "maps/mine/0" / f"{image}.npy", sigmoid(logits_of(image)))
    save(home / "maps/mine/0/a.npy", np.random.default_rng(0).random(size))
    assert words in refusal(home, resize=True)


def test_groups_are_read_from_names(home):
    for image in SIZES:
        name = f"{'w1' if image in 'ab' else 'w2'}_{image}"
        (home / "masks" / f"{image}.png").rename(home / "masks" / f"{name}.png")
        save(home / "maps/mine/0" / f"{name}.npy", sigmoid(logits_of(image)))
    (run,) = scored(home, group_pattern="^(w.)_")
    assert run.scores["test"].group_ids == ("w1", "w1", "w2", "w2")
