"""A damaged file of a run is found, kept under another name and made again; the comparison works without it."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from experiments.config import ConfigError, to_plain
from experiments.data.batches import pixel_statistics
from experiments.runs import store
from experiments.runs.damage import info_problem, set_aside
from experiments.training.run import execute, is_finished
from experiments.training.setup import LoadedData

SMALL = (
    "trainer.max_steps=4",
    "trainer.tile=32",
    "trainer.batch_size=2",
    "trainer.log_every=2",
    "trainer.checkpoint_every=2",
    "trainer.accelerator=cpu",
    "model.decoder_channels=[16,8,8]",
    "trainer.tolerances=[1]",
    "trainer.curve=rows",
)
FILES = (store.RUN_FILE, *store.ARTIFACTS)
SAME_BYTES = (store.CONFIG_FILE, store.METRICS_FILE, store.SCORES_FILE, store.TOLERANT_FILE, store.EXAMPLES_FILE)


@pytest.fixture(scope="module")
def loaded(request):
    blobs = request.getfixturevalue("blobs")
    blobs = replace(blobs, test=replace(blobs.test, columns={"scanner": blobs.test.image_ids}))
    prevalence = tuple(blobs.prevalence("train").tolist())
    return LoadedData(blobs, prevalence, pixel_statistics(blobs.train), ignores_pixels=False)


@pytest.fixture(scope="module")
def finished(loaded, tmp_path_factory):
    """A finished run and its configuration."""
    from hydra import compose, initialize_config_module

    with initialize_config_module("experiments.conf", version_base="1.3"):
        cfg = compose("config", overrides=list(SMALL))
    folder = tmp_path_factory.mktemp("finished") / "loss=bce" / "seed=0"
    assert execute(cfg, folder, "loss=bce", loaded, lambda update: None) == "complete"
    return folder, cfg


@pytest.fixture
def copied(finished, tmp_path):
    folder = tmp_path / "loss=bce" / "seed=0"
    shutil.copytree(finished[0], folder)
    return folder, finished[1]


def truncated(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def emptied(path):
    path.write_bytes(b"")


def garbage(path):
    path.write_bytes(np.random.default_rng(0).bytes(path.stat().st_size))


def replaced_by_a_folder(path):
    path.unlink()
    path.mkdir()


def removed(path):
    path.unlink()


def one_bit_flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = (truncated, emptied, garbage, replaced_by_a_folder, removed, one_bit_flipped)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_noticed(copied, loaded, name, damage):
    folder, cfg = copied
    assert is_finished(folder, to_plain(cfg), loaded)
    if name == store.RUN_FILE and damage is one_bit_flipped:
        return  # most of its bits are words and times that no result depends on
    damage(folder / name)
    before = sorted(folder.iterdir())
    assert not is_finished(folder, to_plain(cfg), loaded)
    run = store.load_run(folder)
    if name == store.CHECKPOINT_FILE:  # the comparison does not read it
        assert run.status == "complete"
    elif (name, damage) == (store.RUN_FILE, removed):
        assert run.status == "missing"
    else:
        assert run.status == "damaged"
        assert run.info["reason"].startswith(f"{name}: ")
        assert not run.scores
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "updates"), [(name, [3, 4] if name == store.CHECKPOINT_FILE else []) for name in FILES]
)
def test_a_damaged_file_is_kept_and_made_again(copied, finished, loaded, capsys, name, updates):
    folder, cfg = copied
    garbage(folder / name)
    bad = (folder / name).read_bytes()
    seen = []
    assert execute(cfg, folder, "loss=bce", loaded, seen.append) == "complete"
    assert seen == ([1, 2, 3, 4] if updates else [])  # trained again only where the weights were lost
    assert (folder / f"{name}.damaged").read_bytes() == bad
    warning = capsys.readouterr().err
    assert f"{folder / name} is damaged: " in warning
    assert f"kept as {name}.damaged, made again" in warning
    for other in SAME_BYTES:
        assert (folder / other).read_bytes() == (finished[0] / other).read_bytes()
    states = [torch.load(part / store.CHECKPOINT_FILE, weights_only=True)["model"] for part in (folder, finished[0])]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[1])
    assert is_finished(folder, to_plain(cfg), loaded)


def test_a_second_damage_does_not_replace_what_was_kept(tmp_path, capsys):
    for content in ("first", "second", "third"):
        (tmp_path / "scores.npz").write_text(content)
        set_aside(tmp_path, {"scores.npz": "expected an archive"})
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert kept == {"scores.npz.damaged": "first", "scores.npz.damaged.2": "second", "scores.npz.damaged.3": "third"}
    set_aside(tmp_path, {"scores.npz": "it is not there"})
    assert len(list(tmp_path.iterdir())) == 3
    assert "scores.npz is damaged: it is not there; made again" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    [
        "[1, 2]",
        "null",
        '{"status": 5}',
        '{"status": "unheard of"}',
        '{"status": "complete", "axes": "loss"}',
        '{"status": "complete", "data_fingerprint": [1]}',
        "[" * 100_000,
    ],
)
def test_a_run_json_of_another_form_is_damaged(copied, loaded, content):
    folder, cfg = copied
    (folder / store.RUN_FILE).write_text(content)
    assert store.load_run(folder).status == "damaged"
    assert not is_finished(folder, to_plain(cfg), loaded)


def test_a_run_of_another_configuration_is_not_taken_for_a_damaged_one(copied, loaded, composed):
    folder, _ = copied
    emptied(folder / store.RUN_FILE)
    with pytest.raises(ConfigError, match=r"trainer.max_steps: 4 there, 5 now"):
        is_finished(folder, to_plain(composed(*SMALL, "trainer.max_steps=5")), loaded)


def test_a_run_of_before_the_checksums_is_read(copied, loaded):
    folder, cfg = copied
    info = json.loads((folder / store.RUN_FILE).read_text())
    del info["artifacts"]
    store.write_json(folder / store.RUN_FILE, info)
    assert is_finished(folder, to_plain(cfg), loaded)
    assert store.load_run(folder).status == "complete"
    garbage(folder / store.EXAMPLES_FILE)
    assert not is_finished(folder, to_plain(cfg), loaded)
    assert store.load_run(folder).info["reason"].startswith("examples.npz: ")


def test_a_damaged_checkpoint_of_a_stopped_run_is_set_aside(loaded, finished, tmp_path, capsys):
    cfg = finished[1]
    folder = tmp_path / "seed=0"

    def stop(update):
        if update == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(cfg, folder, "loss=bce", loaded, stop)
    run = store.load_run_at(folder, "loss=bce", 0)
    assert run.status == "stopped"
    assert "the same command goes on from the last checkpoint" in run.info["reason"]
    truncated(folder / store.CHECKPOINT_FILE)
    seen = []
    assert execute(cfg, folder, "loss=bce", loaded, seen.append) == "complete"
    assert seen == [1, 2, 3, 4]
    assert (folder / "checkpoint.pt.damaged").exists()
    assert (folder / store.SCORES_FILE).read_bytes() == (finished[0] / store.SCORES_FILE).read_bytes()


@pytest.mark.parametrize("looks", ["3", [], [3, 7], [[]], [[0, 1], [0]], [[0, 1], [1, 2, 3]], [[0, True]], [["0"]]])
def test_looks_are_growing_lists_of_seeds(looks):
    problem = info_problem({"status": "complete", "looks": looks})
    assert problem.startswith("looks: expected the seeds of each look") == (looks != [])
    assert not info_problem({"status": "complete", "looks": [[4, 0, 1], [4, 0, 1, 2]]})
