"""Flags and the user's folder of options, read before Hydra reads them."""

import time

import pytest

from experiments.checks.flags import flag_problems, read_flags

ALIASES = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
OPTIONS = {
    "broken": ("_target_: [losses\n  x: : y\n", "cannot read this YAML"),
    "bomb": (ALIASES, "with its aliases (&, *) written out"),
    "endless": ("a: &a {b: *a}\n", "with its aliases (&, *) written out"),
    "tagged": ("_target_: !!python/object/apply:os.system ['true']\n", "got the tag tag:yaml.org,2002:python/object"),
    "list": ("- a\n- b\n", "expected KEY: VALUE lines"),
    "binary": ("\x00\x01", "cannot read this YAML"),
    "large": ("a: b\n" * 300_000, "at most 1,000,000 bytes"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_file_that_cannot_be_read_is_named(tmp_path, name):
    text, words = OPTIONS[name]
    (tmp_path / "loss").mkdir()
    (tmp_path / "loss" / "mine.yaml").write_text(text)
    started = time.perf_counter()
    found = flag_problems(read_flags(["--config-dir", str(tmp_path)]))
    assert time.perf_counter() - started < 5
    assert len(found) == 1
    assert found[0].startswith(f"{tmp_path}/loss/mine.yaml: ")
    assert words in found[0]


def test_a_folder_of_options_has_to_be_one(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    for folder, words in {"file": "a file", "empty": "found none", "nowhere": "which is not there"}.items():
        assert words in flag_problems(read_flags(["--config-dir", str(tmp_path / folder)]))[0]
    assert "got none" in flag_problems(read_flags(["--config-dir="]))[0]


def test_a_good_option_with_a_few_aliases_is_accepted(tmp_path):
    (tmp_path / "loss").mkdir()
    (tmp_path / "loss" / "mine.yaml").write_text("_target_: losses.DiceLoss\nsmooth: &s 1.0\nx: *s\n")
    assert flag_problems(read_flags(["--config-dir", str(tmp_path), "loss=mine"])) == []
    (tmp_path / "loss" / "dice.yaml").write_text("_target_: losses.DiceLoss\n")
    assert "loss/dice.yaml would be ignored" in flag_problems(read_flags(["--config-dir", str(tmp_path)]))[0]


@pytest.mark.parametrize(
    ("arguments", "flag"),
    [
        (["--config-name", "foo"], "--config-name"),
        (["--config-path=x"], "--config-path"),
        (["--experimental-rerun", "x.pickle"], "--experimental-rerun"),
        (["--run", "--multirun"], "--run with --multirun"),
        (["--resolve"], "--resolve without --cfg"),
    ],
)
def test_flags_that_leave_our_configuration_aside_are_refused(arguments, flag):
    assert [problem.split(":")[0] for problem in flag_problems(read_flags(arguments))] == [flag]


def test_unknown_flags_end_with_code_2(capsys):
    with pytest.raises(SystemExit) as stop:
        read_flags(["--seed", "3"])
    assert stop.value.code == 2
    assert "--seed" in capsys.readouterr().err


def test_a_command_that_only_prints_is_not_run():
    assert not read_flags(["--cfg", "job"]).runs
    assert read_flags(["loss=dice"]).runs
