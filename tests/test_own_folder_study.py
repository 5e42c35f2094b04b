"""A folder of a layout of its own, drawn by two people, is trained on and compared from the command line."""

import json

import numpy as np
import pandas as pd
from PIL import Image
from small_study import with_small

from experiments.score import main as score_main
from experiments.train import main as train_main


def write(root):
    root.mkdir()
    for number in range(8):
        image = np.random.default_rng(number).integers(0, 256, (64, 64), dtype=np.uint8)
        Image.fromarray(image).save(root / f"w{number // 2} ({number}).png")
        for place, name in enumerate(("ann", "bob")):
            mask = np.zeros((64, 64), np.uint8)
            mask[20 + number : 24 + number + 4 * place, 4:60] = 1  # bob draws 8 rows, the upper 4 of which ann drew
            Image.fromarray(mask).save(root / f"w{number // 2} ({number})_{name}.png")


def test_a_flat_folder_with_two_annotators(command, tmp_path):
    write(tmp_path / "mine")
    (tmp_path / "split.csv").write_text(
        "image,split,group,scanner\n"
        + "".join(
            f"w{n // 2} ({n}).png,{['train', 'train', 'val', 'test'][n // 2]},w{n // 2},{'AB'[n % 2]}\n"
            for n in range(8)
        )
    )
    typed = with_small(
        "data=image_folder",
        "data.root=mine",
        "data.images=*.png",
        "data.truth={stem}_{annotator}.png",
        "data.annotation=ann",
        "data.splits=split.csv",
    )
    code, out, err = command(train_main, "study=losses", "loss=bce,dice", "seed=0", *typed)
    assert code == 0, err
    assert "mine: grey, masks mask" in out
    study = tmp_path / "outputs" / "losses"
    info = json.loads((study / "loss=dice" / "seed=0" / "run.json").read_text())
    size = 4 * 56 * 2  # rows, columns, test images
    assert info["annotators"] == [{"annotator": "bob", "mask": "mask", "hits": size, "false_alarms": size, "misses": 0}]
    table = pd.read_csv(study / "report" / "figures" / "frontier.csv")
    person = table[table["kind"] == "annotator"]
    assert person[["arm", "recall", "precision"]].to_numpy().tolist() == [["bob", 1.0, 0.5]]
    columns = json.loads((study / "loss=dice" / "seed=0" / "columns.json").read_text())
    assert columns["test"] == {"scanner": {"w3 (6)": "A", "w3 (7)": "B"}}
    assert columns["train"]["scanner"]["w1 (3)"] == "B"
    scores = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    for number in (6, 7):  # predictions that were made elsewhere, for the test images
        path = tmp_path / "maps" / "other" / "0" / f"w3 ({number}).npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, scores)
    data = [text for text in typed if text.startswith("data")]
    code, _, err = command(score_main, "predictions=maps", *data, "study_dir=outputs/scored")
    assert code == 0, err
    scored = json.loads((tmp_path / "outputs" / "scored" / "other" / "seed=0" / "run.json").read_text())
    assert scored["annotators"] == info["annotators"]
    assert scored["data_fingerprint"] == info["data_fingerprint"]
    assert json.loads((tmp_path / "outputs" / "scored" / "other" / "seed=0" / "columns.json").read_text()) == columns
    again, _, err = command(train_main, "study=losses", "loss=bce,dice", "seed=0", *typed)
    assert again == 0, err


def test_all_that_is_wrong_with_a_folder_is_told_before_training(command, tmp_path):
    write(tmp_path / "mine")
    typed = with_small("data=image_folder", "data.root=mine", "data.images=*.png", "data.truth={stem}_{annotator}.png")
    code, _, err = command(
        train_main, *typed, "data.ignore_value=[1,2,3]", "data.annotation=carl", "data.splits=[1,2,3]"
    )
    assert code == 2
    for words in ("data.ignore_value: expected", "data.splits: expected a CSV file or three shares", "'carl'"):
        assert words in err
    (tmp_path / "mine" / "w0 (1)_bob.png").unlink()
    code, _, err = command(train_main, *typed, "data.annotation=union", "data.splits=[0.5,0.25,0.25]")
    assert code == 2
    assert "w0 (1).png: no bob" in err
    assert not (tmp_path / "outputs").exists()
