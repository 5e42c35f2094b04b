"""Pretrained weights come from the cache without a network, and are refused at once if there is neither."""

import http.server
import json
import threading
import time

import pytest
import torch
from huggingface_hub import constants
from omegaconf import OmegaConf
from safetensors.torch import save_file
from segmentation_models_pytorch.encoders import encoders, get_encoder

from experiments.config import ConfigError
from experiments.training.network import instantiate_network, is_reachable
from experiments.training.parts import part_problems

ENCODER = "mobilenet_v2"
MODEL = {
    "model": {
        "_target_": "segmentation_models_pytorch.create_model",
        "arch": "unet",
        "encoder_name": ENCODER,
        "encoder_weights": "imagenet",
    }
}


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty cache, and no server behind the address."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    return tmp_path


def test_weights_out_of_reach_are_refused_at_once_with_the_other_problems(cache, composed):
    cfg = composed(
        "trainer.accelerator=cpu", f"model.encoder_name={ENCODER}", "model.encoder_weights=imagenet",
        "model.encoder_depth=5", "model.decoder_channels=[16,16,16,16,16]", "augmentation.transforms.0.p=2",
    )  # fmt: skip
    start = time.perf_counter()
    problems = part_problems(cfg)
    assert time.perf_counter() - start < 5  # the client's own retries took 23 s
    assert [problem.split(" ")[0] for problem in problems] == ["augmentation", "model.encoder_weights=imagenet:"]
    for words in (f"not in {cache}", "http://127.0.0.1:9 cannot be reached", "model.encoder_weights=null"):
        assert words in problems[1]
    assert not constants.HF_HUB_OFFLINE


def test_cached_weights_need_no_network(cache):
    settings = encoders[ENCODER]["pretrained_settings"]["imagenet"]
    torch.manual_seed(7)
    weights = get_encoder(ENCODER, in_channels=3).state_dict()
    folder = cache / f"models--{settings['repo_id'].replace('/', '--')}" / "snapshots" / settings["revision"]
    folder.mkdir(parents=True)
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({}))
    networks = [instantiate_network(OmegaConf.create(MODEL), seed=s, in_channels=3, classes=2) for s in (0, 0, 1)]
    loaded = networks[0].encoder.state_dict()
    assert all(torch.equal(loaded[name], weight) for name, weight in weights.items())
    head = [network.segmentation_head[0].weight for network in networks]
    assert torch.equal(head[0], head[1])
    assert not torch.equal(head[0], head[2])


def test_other_problems_of_a_model_stay_what_they_are(cache):
    model = OmegaConf.create({"model": {**MODEL["model"], "encoder_weights": "nothing"}})
    with pytest.raises(ConfigError, match="Wrong pretrained weights `nothing`"):
        instantiate_network(model, seed=0, in_channels=3, classes=2)


def test_a_server_that_answers_is_reachable_whatever_it_says():
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)  # answers 501
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    try:
        assert is_reachable(f"http://127.0.0.1:{server.server_port}")
    finally:
        thread.join()
        server.server_close()
    assert not is_reachable(f"http://127.0.0.1:{server.server_port}")
