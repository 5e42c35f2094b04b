"""A sampling that does not fit the data is refused before the first update."""

import pytest

from experiments.config import ConfigError
from experiments.data.image_folder import scan as folder_scan
from experiments.training.setup import check


def test_a_sampling_that_the_data_do_not_allow_is_refused(composed):
    logs = (
        "data.train_logs=2",
        "data.val_logs=1",
        "data.test_logs=1",
        "data.cache_dir=null",
        "trainer.accelerator=cpu",
    )
    with pytest.raises(ConfigError, match=r"sampling .*BackgroundUndersampling.*foreground_share: expected more than"):
        check(composed(*logs, "sampling=undersampling", "sampling.foreground_share=0.1"))
    check(composed(*logs, "sampling=undersampling"))


def test_a_place_for_the_data_that_does_not_work_is_refused(composed):
    logs = (
        "data.train_logs=2",
        "data.val_logs=1",
        "data.test_logs=1",
        "data.cache_dir=null",
        "trainer.accelerator=cpu",
    )
    with pytest.raises(ConfigError, match=r"trainer\.data_on_device: expected auto, true or false, got gpu"):
        check(composed(*logs, "trainer.data_on_device=gpu"))
    # An augmentation that fails on a tile is named with the way out, before training.
    broken = (
        "augmentation=none",
        "augmentation._target_=torchvision.transforms.v2.RandomCrop",
        "+augmentation.size=128",
    )
    with pytest.raises(ConfigError, match=r"trainer\.data_on_device: the augmentation failed .*data_on_device=false"):
        check(composed(*logs, *broken, "trainer.data_on_device=true"))
    check(composed(*logs, "trainer.data_on_device=true"))


def test_a_broken_file_is_read_once_for_all_arms(composed, tmp_path, monkeypatch):
    for split in ("train", "test"):
        for kind in ("images", "masks"):
            (tmp_path / split / kind).mkdir(parents=True)
            (tmp_path / split / kind / "a.png").write_bytes(b"no image")
    opened = []
    read = folder_scan.open_upright
    monkeypatch.setattr(folder_scan, "open_upright", lambda path, *rest: opened.append(path) or read(path, *rest))
    messages = []
    for loss in ("bce", "dice", "focal"):
        with pytest.raises(ConfigError, match=rf"(?s)^data\.root={tmp_path}: .*train/images/a\.png") as caught:
            check(composed("data=image_folder", f"data.root={tmp_path}", f"loss={loss}", "trainer.accelerator=cpu"))
        messages.append(str(caught.value))
    assert len(opened) == 4
    assert len(set(messages)) == 1
