import logging
import pickle

import numpy as np
import pytest

from experiments.data.data_error import DataError
from experiments.data.well_logs import dataset as well_logs
from experiments.data.well_logs.dataset import make_well_logs

SMALL = {"train_logs": 3, "val_logs": 2, "test_logs": 2, "height": [64, 80], "width": 48, "threads": 2}


def equal(first, second):
    return np.array_equal(first.image, second.image) and np.array_equal(first.target, second.target)


def all_equal(first, second):
    return len(first) == len(second) and all(equal(a, b) for a, b in zip(first, second, strict=True))


def test_shapes_names_and_groups():
    data = make_well_logs(**SMALL)
    assert (data.name, data.masks, data.channels, data.eta) == ("well_logs", ("solid", "dashed", "dotted"), 1, None)
    assert [len(split) for split in data.splits] == [3, 2, 2]
    for split in data.splits:
        assert split.group_ids == split.image_ids
        for sample, size in zip(split.samples, split.sizes, strict=True):
            assert sample.image.shape == (*size, 1)
            assert sample.target.shape == (3, *size)
            assert sample.valid is None
            assert 64 <= size[0] <= 80
            assert size[1] == 48
    assert len({name for split in data.splits for name in split.image_ids}) == 7


def test_same_seed_same_logs_and_zero_is_a_seed():
    first, again, other = (make_well_logs(**SMALL, seed=seed) for seed in (0, 0, 1))
    assert first.fingerprints() == again.fingerprints()
    assert all_equal(first.train.samples, again.train.samples)
    assert not set(first.fingerprints().values()) & set(other.fingerprints().values())


def test_more_logs_leave_the_others_as_they_are():
    few = make_well_logs(**SMALL)
    many = make_well_logs(**{**SMALL, "train_logs": 5, "test_logs": 4, "threads": 1})
    assert all_equal(few.train.samples[:], many.train.samples[:3])
    assert all_equal(few.test.samples[:], many.test.samples[:2])
    assert few.val.fingerprint == many.val.fingerprint


def test_no_log_occurs_twice():
    data = make_well_logs(**{**SMALL, "height": 64, "prevalence": 0.02})
    images = [sample.image.tobytes() for split in data.splits for sample in split.samples]
    assert len(set(images)) == 7


def test_default_style_has_the_intended_prevalence_and_97_percent_background():
    data = make_well_logs(train_logs=40, val_logs=1, test_logs=1)
    np.testing.assert_allclose(data.prevalence("train"), [0.014, 0.010, 0.007], rtol=0.25)
    background = 1 - data.train.foreground.sum() / data.train.pixels[:, 0].sum()
    assert background == pytest.approx(0.97, abs=0.005)
    assert (data.train.positives > 0).mean() > 0.95


def test_prevalence_follows_its_parameter_for_each_pen():
    several = {"train_logs": 30, "val_logs": 4, "test_logs": 4, "width": 96, "curves": 4}
    data = make_well_logs(**{**SMALL, **several, "prevalence": [0.005, 0.02, 0.012]})
    solid, dashed, dotted = data.prevalence("train")
    assert solid == pytest.approx(0.005, rel=0.25)
    assert dashed == pytest.approx(0.02, rel=0.25)
    assert dotted == pytest.approx(0.012, rel=0.3)


def test_ink_is_darker_than_paper():
    data = make_well_logs(**{**SMALL, "fading": 0.0, "noise": 0.0, "clutter": 0.0})
    for sample in data.train.samples:
        inked = sample.target.any(axis=0)
        assert np.median(sample.image[inked]) < np.percentile(sample.image[~inked], 40) - 30


def test_rgb_has_three_channels_and_a_tint():
    data = make_well_logs(**SMALL, channels=3)
    assert data.channels == 3
    means = np.mean([sample.image.mean(axis=(0, 1)) for sample in data.train.samples], axis=0)
    assert means[0] > means[1] > means[2]


def test_jitter_moves_labels_not_images_and_gives_the_test_split_its_probability(tmp_path):
    plain = make_well_logs(**SMALL)
    for _ in range(2):  # drawn, then read from disk
        jittered = make_well_logs(**SMALL, annotation_jitter=1.0, cache_dir=tmp_path)
        for split, other in zip(plain.splits, jittered.splits, strict=True):
            pairs = list(zip(split.samples, other.samples, strict=True))
            assert all(np.array_equal(a.image, b.image) for a, b in pairs)
            assert any(not np.array_equal(a.target, b.target) for a, b in pairs)
        assert len(jittered.eta) == len(jittered.test)
        for eta, sample in zip(jittered.eta, jittered.test.samples, strict=True):
            assert eta.dtype == np.float32
            assert eta.shape == sample.target.shape
            assert eta.min() == 0
            assert eta.max() <= 1
            assert (eta[sample.target] > 0).all()
            assert eta.sum() == pytest.approx(sample.target.sum(), rel=0.1)


def test_drawn_once_then_read_from_disk(tmp_path, monkeypatch):
    drawn = make_well_logs(**SMALL, cache_dir=tmp_path)
    files = sorted(tmp_path.rglob("*"))
    assert sum(path.is_file() for path in files) == 7
    assert all(path.suffix == ".npz" for path in files if path.is_file())

    def fail(*_):
        raise AssertionError("drawn again")

    monkeypatch.setattr(well_logs, "make_log", fail)
    read = make_well_logs(**SMALL, cache_dir=tmp_path)
    assert read.fingerprints() == drawn.fingerprints()
    assert all_equal(read.test.samples, drawn.test.samples)
    with pytest.raises(AssertionError, match="drawn again"):
        make_well_logs(**SMALL, cache_dir=tmp_path, noise=7.0)
    monkeypatch.setattr(well_logs, "GENERATOR_VERSION", -1)
    with pytest.raises(AssertionError, match="drawn again"):
        make_well_logs(**SMALL, cache_dir=tmp_path)


@pytest.mark.parametrize("damage", ["empty", "truncated", "flipped", "other arrays"])
def test_a_damaged_file_is_drawn_again(tmp_path, damage, caplog):
    drawn = make_well_logs(**SMALL, cache_dir=tmp_path)
    path = sorted(tmp_path.rglob("*.npz"))[0]
    content = path.read_bytes()
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        flipped = bytes(255 - byte for byte in content[300:350])
        path.write_bytes(content[:300] + flipped + content[350:])
    else:
        np.savez(path, something=np.zeros(3))
    with caplog.at_level(logging.WARNING):
        again = make_well_logs(**SMALL, cache_dir=tmp_path)
    assert again.fingerprints() == drawn.fingerprints()
    assert f"{path.name} cannot be read" in caplog.text
    assert path.read_bytes() == content


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with caplog.at_level(logging.WARNING):
        data = make_well_logs(**SMALL, cache_dir=blocked)
    assert data.fingerprints() == make_well_logs(**SMALL).fingerprints()
    assert "could not write" in caplog.text


def test_without_memory_every_log_is_drawn_on_demand():
    kept, lean = make_well_logs(**SMALL), make_well_logs(**SMALL, memory=0)
    assert lean.train.samples.n_kept == 0
    assert kept.train.samples.n_kept == 3
    assert all_equal(kept.train.samples, lean.train.samples)


def test_can_be_sent_to_another_process():
    data = make_well_logs(**SMALL, annotation_jitter=1.0, memory=0)
    copy = pickle.loads(pickle.dumps(data))
    assert all_equal(copy.test.samples, data.test.samples)
    assert np.array_equal(copy.eta[1], data.eta[1])


def test_all_wrong_values_are_named_together():
    with pytest.raises(DataError) as caught:
        make_well_logs(train_logs=0, seed=-1, height=[384, 288], line_width=[0.5, 2], channels=2, noise=float("nan"))
    assert str(caught.value).splitlines() == [
        "data.train_logs: expected a whole number from 1 to 1,000,000, got 0",
        "data.seed: expected a whole number of at least 0, got -1",
        "data.height: expected [least, greatest], got [384, 288]",
        "data.line_width: expected a number from 1 to 8, got 0.5",
        "data.noise: expected a number from 0 to 100, got nan",
        "data.channels: expected 1 (grey) or 3 (RGB), got 2",
    ]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"height": [100, 200, 300]}, "data.height: expected one number or"),
        ({"width": 96.5}, "data.width: expected a whole number"),
        ({"width": None}, "data.width: expected a whole number .* got null"),
        ({"height": [True, 64]}, "data.height: expected a whole number .* got true"),
        ({"line_width": "thin"}, "data.line_width: expected a number from 1 to 8, got the text 'thin'"),
        ({"line_width": []}, "data.line_width: expected one number or"),
        ({"prevalence": [0.01, 0.01]}, "data.prevalence: expected one number or one for each of solid"),
        ({"prevalence": [0.01, 0.01, 0.3]}, "data.prevalence of the dotted pen: expected a number from 0 to 0.2"),
        ({"height": 65_536, "width": 65_536}, "data.height, data.width: expected logs of at most"),
        ({"curves": 2.0}, "data.curves: expected a whole number"),
        ({"clutter": True}, "data.clutter: expected a number"),
        ({"blur": float("inf")}, "data.blur: expected a number"),
        ({"channels": True}, "data.channels: expected 1"),
        ({"channels": 3.0}, "data.channels: expected 1"),
        ({"seed": False}, "data.seed: expected a whole number"),
        ({"test_logs": "64"}, "data.test_logs: expected a whole number .* got the text '64'"),
        ({"train_logs": 10**9}, "data.train_logs: expected a whole number"),
        ({"memory": -1}, "data.memory: expected a whole number"),
        ({"memory": 1e9}, "data.memory: expected a whole number"),
        ({"threads": 0}, "data.threads: expected a whole number .* null takes one per core"),
        ({"threads": 10**6}, "data.threads: expected a whole number"),
        ({"cache_dir": ""}, "data.cache_dir: expected the path of a folder, got the text ''"),
        ({"cache_dir": 7}, "data.cache_dir: expected the path of a folder, got the number 7; .* ./7"),
        ({"prevalence": [0.01, 0.0, 0.01]}, "train: dashed: none in 3 images; val: dashed: none in 2 images"),
    ],
)
def test_what_cannot_be_drawn_is_named(changes, named):
    with pytest.raises(DataError, match=named):
        make_well_logs(**{**SMALL, **changes})


def test_bad_labels_are_those_of_training_logs_alone_and_the_same_again(tmp_path):
    small = {**SMALL, "train_logs": 6, "width": 96}
    plain = make_well_logs(**small)
    bad, again = (make_well_logs(**small, label_jitter=1.5, dropped_strokes=0.3, cache_dir=tmp_path) for _ in range(2))
    assert bad.fingerprints() == again.fingerprints()
    assert (bad.val.fingerprint, bad.test.fingerprint) == (plain.val.fingerprint, plain.test.fingerprint)
    assert bad.eta is None
    pairs = list(zip(plain.train.samples, bad.train.samples, strict=True))
    assert all(np.array_equal(a.image, b.image) for a, b in pairs)
    assert sum(not np.array_equal(a.target, b.target) for a, b in pairs) >= 5
    assert bad.train.positives.sum() < plain.train.positives.sum()
    more = make_well_logs(**{**small, "train_logs": 8}, label_jitter=1.5, dropped_strokes=0.3)
    assert all_equal(bad.train.samples[:], more.train.samples[:6])


def test_label_noise_out_of_range_is_named():
    with pytest.raises(DataError, match=r"data\.label_jitter.*\n?.*data\.dropped_strokes"):
        make_well_logs(**SMALL, label_jitter=-1, dropped_strokes=1.5)
