"""A log of 1856 x 19404 pixels is read, scored and written in much less memory than its scores take."""

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import resource
from pathlib import Path
import numpy as np
from omegaconf import OmegaConf
from torch import nn
from experiments.application.image_files import ImageFile
from experiments.application.predict_images import _write_images
from experiments.application.row_files import TiffRows
from experiments.application.thresholds import choose_thresholds
from experiments.application.settings import Rule
from experiments.application.trained_run import TrainedRun
from experiments.application.written_image import Layout
from experiments.data.batches import PixelStatistics
from experiments.frontier import from_images
from experiments.training.network import Segmenter

WIDTH, MASKS = 1856, ("a", "b")
rng = np.random.default_rng(0)
few = from_images([rng.normal(size=(2, 9, 9))], [rng.random((2, 9, 9)) < 0.3], masks=MASKS)
trainer = OmegaConf.create({"eval_tile": 512, "eval_overlap": 64, "eval_batch_size": 2, "accelerator": "cpu",
                            "precision": "32", "channels_last": True})
segmenter = Segmenter(nn.Conv2d(1, 2, 3, padding=1), PixelStatistics((100.0,), (50.0,))).eval()
run = TrainedRun(Path("run"), {"shift": 0}, OmegaConf.create({"trainer": trainer, "seed": 0}),
                 {"val": few, "test": few}, segmenter)
thresholds, _ = choose_thresholds(Rule.of("tuned"), run.scores)
peaks = []
for height in (1024, 19404):
    file = TiffRows(Path(f"{height}.tif"), WIDTH, height, np.dtype(np.uint8))
    for top in range(0, height, 64):
        rows = min(64, height - top)
        file.add((np.add.outer(np.arange(top, top + rows) // 7, np.arange(WIDTH) // 3) % 251).astype(np.uint8))
    file.finish()
    image = ImageFile("log", Path(f"{height}.tif"), height, WIDTH)
    _write_images(run, [image], Layout(Path(f"out{height}"), "arm/0", thresholds, "tif", "logits"), trainer)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(peaks[1] - peaks[0])
"""


@pytest.mark.skipif(sys.platform == "darwin", reason="counts bytes where Linux counts kilobytes")
def test_memory_does_not_grow_with_the_height_of_a_log(tmp_path):
    pytest.importorskip("tifffile", reason="the extra 'tiff' is not installed")
    typed = [sys.executable, "-c", CODE]
    env = {"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(typed, cwd=tmp_path, capture_output=True, text=True, check=False, env=env)
    assert run.returncode == 0, run.stderr
    grown_mb = int(run.stdout.split()[-1]) / 1024
    assert grown_mb < 64  # two masks and two maps of single precision would take 360 MB, the decoded image 36
    assert all((tmp_path / "out19404/masks" / mask / "log.tif").exists() for mask in "ab")
