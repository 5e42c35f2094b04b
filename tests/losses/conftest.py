"""Every test of a loss runs on both ways through the pixels: by the places of rare positives, and label by label."""

import pytest

import losses._pixels


@pytest.fixture(autouse=True, params=[0.0, 1.0], ids=["label by label", "by places"])
def way_through_the_pixels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses._pixels, "_RARE", request.param)
