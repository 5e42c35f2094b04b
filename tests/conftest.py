"""Small data and configurations that several tests share, and the number of examples per property."""

import os
import sys

import hypothesis
import numpy as np
import pytest
from hydra import compose, initialize_config_module

from experiments.data.sample import Sample
from experiments.data.split import SegmentationData, make_split

# HYPOTHESIS_PROFILE chooses: "ci" tries the same few examples every time, "fuzz" (`make fuzz`) many new ones.
hypothesis.settings.register_profile("ci", max_examples=12, derandomize=True, deadline=None, database=None)
hypothesis.settings.register_profile(
    "fuzz",
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "10000")),
    deadline=None,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def blob_samples(seed, count, *, size=(64, 96), masks=2, dots=4, ignored=False):
    """Images with bright and dark dots on noise; the masks are the dots, so that a network can learn them."""
    rng = np.random.default_rng(seed)
    samples = []
    for _ in range(count):
        target = np.zeros((masks, *size), bool)
        image = rng.normal(100, 20, size)
        for mask in range(masks):
            for _ in range(dots):
                row, column = rng.integers(4, size[0] - 4), rng.integers(4, size[1] - 4)
                target[mask, row - 1 : row + 2, column - 1 : column + 2] = True
            image[target[mask]] += (120, -70)[mask % 2]
        valid = None
        if ignored:
            valid = np.ones(size, bool)
            valid[:8] = False
        samples.append(Sample(np.clip(image, 0, 255).astype(np.uint8)[..., None], target, valid))
    return samples


def make_blobs(*, train=6, val=3, test=4, **settings):
    """Make a tiny SegmentationData."""
    counts = {"train": train, "val": val, "test": test}
    splits = [
        make_split(
            name,
            blob_samples(seed, count, **settings),
            [f"{name}{i}" for i in range(count)],
        )
        for seed, (name, count) in enumerate(counts.items())
    ]
    return SegmentationData("blobs", ("bright", "dark"), 1, *splits)


@pytest.fixture(scope="session")
def blobs():
    return make_blobs()


@pytest.fixture(scope="session")
def ignored_blobs():
    """As `blobs`, with ignored pixels in every image."""
    return make_blobs(ignored=True)


@pytest.fixture(scope="session")
def many_blobs():
    """Enough positive pixels that one of them does not change F1 by 1e-4."""
    return make_blobs(test=30, size=(128, 128), dots=60)


@pytest.fixture
def composed():
    """Compose the root configuration from overrides."""

    def make(*overrides, **arguments):
        with initialize_config_module("experiments.conf", version_base="1.3"):
            return compose("config", overrides=list(overrides), **arguments)

    return make


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Run a command in an empty folder; return its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("HYDRA_FULL_ERROR", "PYTHONPATH"):
        monkeypatch.setenv(name, os.environ.get(name, ""))

    def run(main, *arguments):
        monkeypatch.setattr(sys, "argv", [main.__module__, *arguments])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return run
