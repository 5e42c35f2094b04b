"""A pattern finds the fields of a path, and says what is wrong with itself."""

import pytest

from experiments.predictions.path_pattern import DEFAULT, PathPattern

FOUND = [
    (DEFAULT, "mine/3/a.npy", {"arm": "mine", "seed": "3", "image": "a"}),
    (DEFAULT, "mine/seed=3/a.b.png", {"arm": "mine", "seed": "3", "image": "a.b"}),
    (DEFAULT, "loss=dice/0/a b.TIF", {"arm": "loss=dice", "seed": "0", "image": "a b"}),
    (DEFAULT, "mine/first/a.npy", {"arm": "mine", "seed": "first", "image": "a"}),
    (DEFAULT, "mine/3/deep/a.npy", None),
    (DEFAULT, "mine/3/a.jpg", None),
    ("{arm}/{image}.npz", "mine/a.npz", {"arm": "mine", "image": "a"}),
    ("{arm}/{image}.npz", "mine/a.npy", None),
    ("{image}_{mask}", "a_1_left_vein.npy", {"image": "a_1", "mask": "left_vein"}),
    ("{image}_{mask}", "a_1_bone.npy", {"image": "a", "mask": "1_bone"}),
    ("{arm}_{seed}_{image}", "my_net_5_a_7.npy", {"arm": "my_net", "seed": "5", "image": "a_7"}),
    ("{arm}/{split}/{arm}_{image}", "m/val/m_a.npy", {"arm": "m", "split": "val", "image": "a"}),
    ("{arm}/{split}/{arm}_{image}", "m/val/n_a.npy", None),
    ("x+({seed})/{image}", "x+(4)/a.npy", {"seed": "4", "image": "a"}),
]


@pytest.mark.parametrize(("pattern", "path", "fields"), FOUND)
def test_fields_are_found(pattern, path, fields):
    assert PathPattern.of(pattern, ["left_vein", "artery"]).match(path) == fields


@pytest.mark.parametrize(
    ("pattern", "folder"),
    [(DEFAULT, ""), ("best/{arm}/{image}", "best/"), ("a/b/net{seed}/{image}", "a/b/"), ("net_{seed}/{image}", "")],
)
def test_folders_before_the_first_field(pattern, folder):
    assert PathPattern.of(pattern).folder == folder


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("{model}/{image}", "got the field {model}"),
        ("{arm}/{seed}", "expected {image} in it"),
        ("{arm/{image}", "a brace without its partner"),
        ("{image}}", "a brace without its partner"),
        ("{}/{image}", "got the field {}"),
    ],
)
def test_a_pattern_says_what_is_wrong_with_it(pattern, words):
    with pytest.raises(ValueError) as caught:
        PathPattern.of(pattern)
    assert words in str(caught.value)
