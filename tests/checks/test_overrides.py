"""KEY=VALUE arguments that are refused by themselves, and arguments that are not."""

import pytest

from experiments.checks.overrides import check_arguments, key_of

REFUSED = {
    "seed=": "seed: expected a value, got none",
    "study_dir=": "study_dir: expected a value, got none",
    "study_dir=' '": "study_dir: expected a value, got none",
    "loss=": "loss: expected a value, got none",
    "data.root=''": "data.root: expected a value, got none",
    "study.conditions=['']": "study.conditions: expected a value, got none",
    "loss=bce,": "loss: expected a value between the commas",
    "seed=0,,1": "seed: expected a value between the commas",
    "": "empty argument",
    "foo": "'foo': expected an argument KEY=VALUE",
    "seed:3": "expected an argument KEY=VALUE",
    "seed = 3": "without spaces around the '='",
    "=dice": "expected a key before '='",
    "study_dir=/data/größe": "needs quotes that the shell leaves in place",
    "loss=[bce": "loss: cannot read the value",
    "loss=null": "loss: expected one of average_precision, bce, boundary, combined",
    "loss=[bce,dice]": "loss: expected one of average_precision, bce, boundary, combined",
    "model=3": "model: expected one of unet_mobilenet, unet_resnet34, got 3",
    "loss=bce,null": "loss: expected some of average_precision, bce, boundary, combined",
    "~loss": "loss: expected one of average_precision, bce, boundary, combined",
    "~data": "data: expected one of image_folder",
    "hydra.run.dir=x": "hydra.run.dir: cannot be set",
    "hydra.sweep.subdir=same": "hydra.sweep.subdir: cannot be set",
    "hydra.job.chdir=true": "hydra.job.chdir: cannot be set",
    "~hydra.callbacks": "hydra.callbacks: cannot be set",
    "hydra.callbacks.study=null": "hydra.callbacks.study: cannot be set",
    "hydra/sweeper=optuna": "hydra/sweeper: expected Hydra's basic sweeper",
    "hydra.sweeper._target_=mine.Sweeper": "hydra.sweeper._target_: expected Hydra's basic sweeper",
    "study_dir=a,b": "study_dir: expected one value, got the sweep",
    "report.margin=0.01,0.02": "report.margin: expected one value, got the sweep",
    "size=full,full": "size: expected one value, got the sweep",
    "trainer.compile=9": "trainer.compile: expected true or false, got 9",
    "overwrite=2": "overwrite: expected true or false, got 2",
}
ACCEPTED = [
    "seed=0",
    "seed=range(0,3)",
    "loss=choice(bce,dice)",
    "loss=glob(*)",
    "loss.pos_weight=[1,2,3]",
    "study_dir=a b",
    "data.cache_dir=null",
    "~loss.pos_weight",
    "~size",
    "size=null",
    "hydra/launcher=joblib",
    "hydra.launcher.n_jobs=2",
    "hydra.sweeper.max_batch_size=4",
    "hydra/sweeper=basic",
    "trainer.compile=true",
    "trainer.data_on_device=false",
    "study.axes=[loss]",
    "sampling@sampling.first=undersampling",
    "loss.pos_weight=${trainer.tile}",
]


@pytest.mark.parametrize("override", REFUSED)
def test_an_argument_that_cannot_be_meant_is_refused(override):
    found = check_arguments([override])
    assert len(found.problems) == 1
    assert REFUSED[override] in found.problems[0]
    assert found.kept == ()


@pytest.mark.parametrize("override", ACCEPTED)
def test_an_argument_that_can_be_meant_is_kept(override):
    found = check_arguments([override])
    assert found.problems == ()
    assert found.kept == (override,)


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (["seed=0", "seed=1"], "seed"),
        (["loss=dice", "loss=focal"], "loss"),
        (["++trainer.tile=32", "trainer.tile=64"], "trainer.tile"),
        (["~loss.pos_weight", "loss.pos_weight=2"], "loss.pos_weight"),
        (["hydra/launcher=joblib", "hydra/launcher=basic"], "hydra/launcher"),
    ],
)
def test_a_key_that_is_given_twice_is_refused_with_both_values(overrides, key):
    found = check_arguments(overrides)
    assert found.problems == (f"{key}: expected one value, got it 2 times: {', '.join(overrides)}",)
    assert found.kept == (overrides[1],)


def test_the_same_group_in_two_packages_is_no_repetition():
    assert not check_arguments(["sampling=two_phase", "sampling@sampling.first=undersampling"]).problems


def test_commands_that_train_nothing_sweep_nothing():
    assert not check_arguments(["hydra.mode=MULTIRUN", "seed=0,1"]).problems
    found = check_arguments(["hydra.mode=MULTIRUN", "study_dir=a,b"], trains=False)
    assert [problem.split(":")[0] for problem in found.problems] == ["hydra.mode", "study_dir"]


def test_the_key_of_an_override():
    assert [key_of(o) for o in ("+loss.mode=a", "++x=1", "~loss", "sampling@sampling.first=uniform")] == [
        "loss.mode",
        "x",
        "loss",
        "sampling",
    ]
