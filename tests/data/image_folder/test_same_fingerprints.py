"""The usual layout gives the data and the run the fingerprints that they had before other layouts could be read."""

import numpy as np
import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from PIL import Image

import experiments.config  # noqa: F401  (schemas)
from experiments.data.image_folder.load import load_image_folder
from experiments.runs.fingerprint import result_config

# Computed by the code before it, which read no other layout.
BEFORE = {"train": "ddbb141c3f3f5943", "val": "bc38513eefae2201", "test": "c803eec45c16008a"}
ADDED = (
    *("images", "truth", "valid", "ignore", "labels", "colours", "threshold", "inverted", "ignore_value", "field"),
    *("annotation", "annotators", "exclusive", "skip_without_truth", "splits"),
)


def write(root):
    rows, columns = np.arange(40), np.arange(50)
    for place, (split, count) in enumerate({"train": 4, "test": 2}.items()):
        for number in range(count):
            planes = {
                "images": np.add.outer(rows * 3, columns * 2) + 17 * number + 50 * place,
                "masks/line": np.where(rows[:, None] // 2 == 5 + number, 255, 0).repeat(50, 1),
                "masks/dot": np.add.outer(rows, columns) % (7 + number) == 0,
                "valid": np.full((40, 1), 255) * (columns > 3),
            }
            for kind, plane in planes.items():
                path = root / split / kind / f"w{number // 2}_{split}_{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(plane.astype(np.uint8)).save(path)


def test_data_have_the_fingerprints_of_before(tmp_path):
    write(tmp_path)
    data = load_image_folder(root=tmp_path, group_pattern="^(.*)_")
    assert {name: digest[:16] for name, digest in data.fingerprints().items()} == BEFORE


@pytest.fixture
def config():
    with initialize_config_module("experiments.conf", version_base="1.3"):
        return OmegaConf.to_container(compose("config", ["data=image_folder", "data.root=mine"]).data)


def test_a_run_without_the_new_options_is_the_run_of_before(config):
    before = {name: value for name, value in config.items() if name not in ADDED}
    assert set(config) - set(before) == set(ADDED)
    assert result_config({"data": config}) == result_config({"data": before})


@pytest.mark.parametrize("name", ADDED)
def test_a_new_option_makes_another_run(config, name):
    asked = {**config, name: True if config[name] is False else "asked"}
    assert result_config({"data": asked}) != result_config({"data": config})
