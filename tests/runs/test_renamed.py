"""Runs from before a change of addresses equal today's runs."""

import hashlib
import json
from pathlib import Path

import pytest
from hydra.utils import get_object
from omegaconf import OmegaConf

from experiments.config import ConfigError, to_plain
from experiments.runs import store
from experiments.runs.fingerprint import fingerprint, result_config
from experiments.runs.renamed import RENAMED, with_addresses_of_today, with_first_addresses
from experiments.training.run import execute, is_finished
from experiments.training.setup import LoadedData

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("trainer.max_steps=1", "trainer.tile=32", "trainer.accelerator=cpu", "trainer.threads=1")


def _reference_fingerprint(flat):
    """The formula of fingerprints before any address changed."""
    return hashlib.sha256(json.dumps(flat, sort_keys=True, default=str).encode()).hexdigest()


def as_before(plain):
    """The configuration as it stood in `config.yaml` before the addresses changed."""
    text = json.dumps(plain)
    for first, now in RENAMED.items():
        text = text.replace(f'"{now}"', f'"{first}"')
    return json.loads(text)


@pytest.mark.parametrize("now", RENAMED.values())
def test_an_address_of_today_is_there_and_in_use(now):
    assert callable(get_object(now))
    assert any(f"_target_: {now}\n" in path.read_text() for path in (ROOT / "conf").rglob("*.yaml"))


def test_no_option_has_an_address_of_yesterday():
    text = "\n".join(path.read_text() for path in (ROOT / "conf").rglob("*.yaml"))
    assert not [first for first in RENAMED if f"{first}\n" in text]


@pytest.mark.parametrize("sampling", ["uniform", "rich_images", "foreground_tiles", "undersampling", "two_phase"])
def test_a_fingerprint_is_what_it_was(composed, sampling):
    plain = to_plain(composed(f"sampling={sampling}"))
    before = as_before(plain)
    assert before != plain
    flat = result_config(before)
    assert fingerprint(result_config(plain)) == fingerprint(flat) == _reference_fingerprint(flat)
    assert with_first_addresses(plain) == before
    assert with_addresses_of_today(before) == plain


def test_addresses_within_lists_and_of_others():
    first, now = next(iter(RENAMED.items()))
    config = {"parts": [{"_target_": first}], "loss": {"_target_": "losses.DiceLoss"}, "name": first}
    expected = {"parts": [{"_target_": now}], "loss": {"_target_": "losses.DiceLoss"}, "name": first}
    assert with_addresses_of_today(config) == expected
    assert with_first_addresses(expected) == config


def test_a_run_from_before_is_finished_and_another_one_is_refused(composed, blobs, tmp_path):
    from experiments.data.batches import pixel_statistics

    cfg = composed("loss=bce", "sampling=two_phase", *SMALL)
    loaded = LoadedData(blobs, tuple(blobs.prevalence("train").tolist()), pixel_statistics(blobs.train), False)
    assert execute(cfg, tmp_path, "loss=bce", loaded, lambda update: None) == "complete"
    before = as_before(to_plain(cfg))
    store.write_config(tmp_path, before)
    info = store.read_info(tmp_path)
    info["artifacts"] = store.note_artifacts(tmp_path)
    data = {"data fingerprint": loaded.data.fingerprints(), "own code": {}}
    assert info["fingerprint"] == _reference_fingerprint({**result_config(before), **data})
    store.write_json(tmp_path / store.RUN_FILE, info)
    assert "experiments.data.two_phase.TwoPhase" in (tmp_path / store.CONFIG_FILE).read_text()

    assert is_finished(tmp_path, to_plain(cfg), loaded)
    assert store.read_config(tmp_path) == to_plain(cfg)
    other = OmegaConf.merge(cfg, {"sampling": {"switch_at": 0.25}})
    with pytest.raises(ConfigError, match=r"sampling\.switch_at: 0\.5 there, 0\.25 now\)"):
        is_finished(tmp_path, to_plain(other), loaded)
