"""Values of data=image_folder of the wrong type or range are named together, by key."""

import os

import pytest

from experiments.data.data_error import DataError
from experiments.data.image_folder.load import load_image_folder

# options, words of the message
REFUSED = [
    ({"root": ""}, ["data.root: expected the path", "''"]),
    ({"root": "  "}, ["data.root: expected the path"]),
    ({"root": None}, ["data.root: expected the path", "null"]),
    ({"root": 2023}, ["data.root", "./2023"]),
    ({"root": True}, ["data.root", "true"]),
    ({"root": ["a"]}, ["data.root", "['a']"]),
    ({"root": "a\nb"}, ["data.root", "control character"]),
    ({"root": "a\0b"}, ["data.root", "control character"]),
    ({"root": os.fsdecode(b"caf\xe9")}, ["data.root", "caf\\\\xe9", "UTF-8"]),
    ({"root": "a" * 5000}, ["is missing"]),
    ({"root": "~nobody-of-that-name/photos"}, ["~nobody-of-that-name/photos is missing"]),
    ({"root": "no/such/folder"}, ["no/such/folder is missing", "holds"]),
    ({"masks": 7}, ["data.masks", "7"]),
    ({"masks": [1]}, ["data.masks", "1; quote it"]),
    ({"masks": []}, ["data.masks", "[]"]),
    ({"masks": ""}, ["data.masks", "''"]),
    ({"masks": ["a\nb"]}, ["data.masks"]),
    ({"masks": {"a": 1}}, ["data.masks"]),
    ({"val_fraction": "0.2"}, ["data.val_fraction", "'0.2'"]),
    ({"val_fraction": 0}, ["data.val_fraction", "between 0 and 1"]),
    ({"val_fraction": -0.5}, ["data.val_fraction", "-0.5"]),
    ({"val_fraction": 20}, ["data.val_fraction", "20"]),
    ({"val_fraction": float("nan")}, ["data.val_fraction", "nan"]),
    ({"val_fraction": None}, ["data.val_fraction", "null"]),
    ({"val_fraction": True}, ["data.val_fraction", "true"]),
    ({"val_fraction": [0.1, 0.2]}, ["data.val_fraction", "[0.1, 0.2]"]),
    ({"split_seed": -1}, ["data.split_seed", "-1"]),
    ({"split_seed": "0"}, ["data.split_seed", "'0'"]),
    ({"split_seed": 1.5}, ["data.split_seed", "1.5"]),
    ({"split_seed": None}, ["data.split_seed", "null"]),
    ({"split_seed": True}, ["data.split_seed", "true"]),
    ({"memory": -1}, ["data.memory", "-1"]),
    ({"memory": "2GB"}, ["data.memory", "'2GB'"]),
    ({"memory": 2e9}, ["data.memory", "2000000000.0"]),
    ({"memory": float("inf")}, ["data.memory", "inf"]),
    ({"memory": None}, ["data.memory", "null"]),
    ({"threads": 0}, ["data.threads", "0"]),
    ({"threads": -2}, ["data.threads", "-2"]),
    ({"threads": "two"}, ["data.threads", "'two'"]),
    ({"threads": 1.5}, ["data.threads", "1.5"]),
    ({"threads": 10**6}, ["data.threads", "256"]),
    ({"max_pixels": 0}, ["data.max_pixels"]),
    ({"max_pixels": "many"}, ["data.max_pixels", "'many'"]),
    ({"allow_majority": "yes"}, ["data.allow_majority", "'yes'"]),
    ({"allow_majority": 1}, ["data.allow_majority", "1"]),
    ({"masks": ["vein", None]}, ["data.masks", "null"]),
    ({"masks": ["vein", "vein"]}, ["data.masks", "'vein' more than once"]),
    (
        {"val_fraction": 2, "split_seed": -1, "memory": None, "threads": 0, "group_pattern": "("},
        ["data.val_fraction", "data.split_seed", "data.memory", "data.threads", "data.group_pattern"],
    ),
]


@pytest.mark.parametrize(("options", "words"), REFUSED, ids=[str(number) for number in range(len(REFUSED))])
def test_a_wrong_value_is_named_by_its_key(tmp_path, options, words):
    with pytest.raises(DataError) as caught:
        load_image_folder(**{"root": tmp_path, **options})
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert not any(ord(letter) < 32 and letter != "\n" for letter in message)
