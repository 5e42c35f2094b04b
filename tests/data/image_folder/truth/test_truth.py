"""What files of truth say: each option against masks known by construction, and what is refused."""

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat, savemat

from experiments.data.data_error import DataError
from experiments.data.image_folder.load import load_image_folder
from experiments.data.image_folder.truth.segments import segment_labels
from experiments.data.split import sample_facts

SIZE = (30, 40)
COUNT = 6


def regions(number):
    """Label numbers 0 to 3 in known places, 4 in a corner."""
    labels = np.zeros(SIZE, np.uint8)
    labels[3 + number, 4:30] = 1
    labels[15 + number, 4:30] = 2
    labels[:28, 33] = 3
    labels[29, 38:] = 4
    return labels


def write(folder, save_truth, count=COUNT):
    folder.mkdir(exist_ok=True)
    for number in range(count):
        noise = np.random.default_rng(number).integers(0, 256, SIZE, dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"r{number}.bmp")
        save_truth(folder, number)
    return folder


def targets(root, truth, **options):
    """Target and valid pixels of each image, by number."""
    data = load_image_folder(root=root, images="*.bmp", truth=truth, splits=[0.4, 0.3, 0.3], **options)
    found = {}
    for split in data.splits:
        for place, name in enumerate(split.image_ids):
            sample = split.samples[place]
            found[int(name[1:])] = (sample.target, sample.valid)
            facts = sample_facts(sample)  # what was counted when scanning is what is decoded later
            assert np.array_equal(facts.positives, split.positives[place])
            assert facts.valid_pixels == split.pixels[place, 0]
    assert sorted(found) == list(range(COUNT))
    return data.masks, [found[number] for number in range(COUNT)]


def refused(root, truth, **options):
    with pytest.raises(DataError) as caught:
        load_image_folder(root=root, images="*.bmp", truth=truth, splits=[0.4, 0.3, 0.3], **options)
    return str(caught.value)


def as_png(labels, to_image=Image.fromarray):
    return lambda folder, number: to_image(labels(number)).save(folder / f"r{number}.png")


def as_palette(labels):
    image = Image.fromarray(labels)
    image.putpalette([0, 0, 0, 255, 255, 255, 9, 9, 9, 255, 0, 0, 1, 2, 3])
    return image


SAVED = {
    "grey": as_png(regions),
    "grey in three channels": as_png(lambda n: np.repeat(regions(n)[:, :, None], 3, axis=2)),
    "16 bits": as_png(lambda n: regions(n).astype(np.uint16)),
    "indices of a palette": as_png(regions, as_palette),
}
NAMED = {"solid": 1, "dashed": [2, 3], "background": 4}


@pytest.mark.parametrize("how", SAVED)
def test_numbers_are_masks(tmp_path, how):
    masks, found = targets(write(tmp_path, SAVED[how]), "{stem}.png", labels=NAMED)
    assert masks == ("solid", "dashed")
    for number, (target, valid) in enumerate(found):
        assert np.array_equal(target, [regions(number) == 1, np.isin(regions(number), (2, 3))])
        assert valid is None


def test_a_number_may_be_of_two_masks_and_one_that_does_not_count(tmp_path):
    root = write(tmp_path, SAVED["grey"])
    masks, found = targets(root, "{stem}.png", labels={"a": [1, 3], "b": [2, 3]}, ignore_value=4, masks=["b", "a"])
    assert masks == ("b", "a")
    for number, (target, valid) in enumerate(found):
        assert np.array_equal(target, [np.isin(regions(number), (2, 3)), np.isin(regions(number), (1, 3))])
        assert np.array_equal(valid, regions(number) != 4)
    message = refused(root, "{stem}.png", labels={"a": [1, 3], "b": [2, 3], "background": 4}, exclusive=True)
    assert "expected at most one mask at a pixel (data.exclusive=true) (6):\n  r0.png: 28 pixels" in message


def test_a_number_without_a_name_is_refused_in_every_file(tmp_path):
    message = refused(write(tmp_path, SAVED["grey"]), "{stem}.png", labels={"solid": 1, "dashed": 2})
    assert "label value without a name: data.labels must name it, background if it is of no mask" in message
    assert "(6):" in message
    assert "r3.png: 3 (2.33%), 4 (0.17%)" in message


COLOURS = np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255], [10, 200, 30], [255, 255, 255]], np.uint8)


def test_colours_are_masks(tmp_path):
    root = write(tmp_path, as_png(lambda n: COLOURS[regions(n)]))
    named = {"artery": [255, 0, 0], "vein": [[0, 0, 255], [10, 200, 30]]}
    masks, found = targets(root, "{stem}.png", colours={**named, "background": [255, 255, 255]})
    assert masks == ("artery", "vein")
    for number, (target, _) in enumerate(found):
        assert np.array_equal(target, [regions(number) == 1, np.isin(regions(number), (2, 3))])
    _, found = targets(root, "{stem}.png", colours=named, ignore_value=[255, 255, 255])
    assert np.array_equal(found[2][1], regions(2) != 4)
    message = refused(root, "{stem}.png", colours={"artery": [255, 0, 0]})
    assert "colour without a name: data.colours must name it" in message
    assert "(0, 0, 255) (2.2%)" in message
    assert "data.colours={name: [r, g, b], ...}" in refused(root, "{stem}.png")
    assert "data.colours={name: [r, g, b]} reads colours" in refused(root, "{stem}.png", labels={"a": 1})


def drawn(number):
    mask = np.zeros(SIZE, np.uint8)
    mask[8 + number : 12 + number, 4:30] = 255
    return mask


def test_a_threshold_reads_what_jpeg_has_changed(tmp_path):
    def lossy(folder, number):
        Image.fromarray(drawn(number)).convert("RGB").save(folder / f"r{number}_lab.jpg", quality=85)

    root = write(tmp_path, lossy)
    with Image.open(root / "r0_lab.jpg") as image:
        assert len(np.unique(np.asarray(image))) > 2
    _, found = targets(root, "{stem}_lab.jpg", threshold=127)
    assert all(np.array_equal(target[0], drawn(number) > 0) for number, (target, _) in enumerate(found))
    assert "data.threshold=127" in refused(root, "{stem}_lab.jpg")


def test_inverted_masks(tmp_path):
    root = write(tmp_path, as_png(lambda n: 255 - drawn(n)))
    message = refused(root, "{stem}.png")
    assert "data.inverted=true reads them so" in message
    for options in ({}, {"threshold": 127}):
        _, found = targets(root, "{stem}.png", inverted=True, **options)
        assert all(np.array_equal(target[0], drawn(number) > 0) for number, (target, _) in enumerate(found))


def test_a_value_that_does_not_count_beside_two_that_do(tmp_path):
    def labelled(number):
        mask = drawn(number)
        mask[:3] = 128
        return mask

    root = write(tmp_path, as_png(labelled))
    assert "expected a mask of two values" in refused(root, "{stem}.png")
    _, found = targets(root, "{stem}.png", ignore_value=128)
    for number, (target, valid) in enumerate(found):
        assert np.array_equal(target[0], drawn(number) > 0)
        assert np.array_equal(valid, labelled(number) != 128)


def test_a_field_of_view_and_a_value_that_does_not_count_add_up(tmp_path):
    def both(folder, number):
        Image.fromarray(regions(number)).save(folder / f"r{number}.png")
        view = np.full(SIZE, 255, np.uint8)
        view[:, :5] = 0
        Image.fromarray(view).save(folder / f"r{number}_fov.gif")

    root = write(tmp_path, both)
    asked = {"labels": {"a": [1, 2, 3]}, "ignore_value": 4}
    _, found = targets(root, "{stem}.png", valid="{stem}_fov.gif", **asked)
    expected = regions(0) != 4
    expected[:, :5] = False
    assert np.array_equal(found[0][1], expected)
    for number in range(COUNT):
        with Image.open(root / f"r{number}_fov.gif") as view:
            Image.fromarray(255 - np.asarray(view.convert("L"))).save(root / f"r{number}_ign.png")
    options = {**asked, "ignore": "{stem}_ign.png"}
    labelled = root / "labelled"
    labelled.mkdir()
    for number in range(COUNT):
        (root / f"r{number}.png").rename(labelled / f"r{number}.png")
    _, again = targets(root, "labelled/{stem}.png", **options)
    assert all(np.array_equal(one[1], other[1]) for one, other in zip(found, again, strict=True))
    assert "data.valid, data.ignore" in refused(root, "labelled/{stem}.png", valid="{stem}_fov.gif", **options)
    for number in range(COUNT):
        (labelled / f"r{number}.png").rename(root / f"r{number}.png")
        (root / f"r{number}_ign.png").unlink()
    (root / "r4_fov.gif").unlink()
    assert "image without its file of data.valid (1):\n  r4.bmp" in refused(
        root, "{stem}.png", valid="{stem}_fov.gif", **asked
    )


def struct(number):
    return {"Segmentation": regions(number), "Boundaries": (regions(number) == 1).astype(np.uint8)}


def test_fields_of_matlab_structs(tmp_path):
    root = write(tmp_path, lambda folder, n: savemat(folder / f"r{n}.mat", {"groundTruth": struct(n)}))
    for field in ("Segmentation", "groundTruth.Segmentation"):
        masks, found = targets(root, "{stem}.mat", field=field, labels=NAMED)
        assert masks == ("solid", "dashed")
        assert np.array_equal(found[3][0][0], regions(3) == 1)
    _, found = targets(root, "{stem}.mat", field="Boundaries")
    assert np.array_equal(found[5][0][0], regions(5) == 1)
    message = refused(root, "{stem}.mat")
    assert "data.field=NAME" in message
    assert "r0.mat: groundTruth.Segmentation (40 x 30, values 0, 1, 2, 3, 4), groundTruth.Boundaries" in message
    assert "; no Edges" in refused(root, "{stem}.mat", field="Edges")
    assert "they look like labels of several classes" in refused(root, "{stem}.mat", field="Segmentation")


def test_a_plain_variable_needs_no_name_and_other_files_are_named(tmp_path):
    root = write(tmp_path, lambda folder, n: savemat(folder / f"r{n}.mat", {"mask": drawn(n) > 0, "n": n, "who": "me"}))
    _, found = targets(root, "{stem}.mat")
    assert np.array_equal(found[1][0][0], drawn(1) > 0)
    (root / "r1.mat").write_bytes(b"no such thing" * 30)
    savemat(root / "r2.mat", {"n": 3})
    savemat(root / "r3.mat", {"mask": (drawn(3) > 0)[:-1]})
    message = refused(root, "{stem}.mat")
    assert "cannot be read as a MATLAB file (1):\n  r1.mat" in message
    assert "r2.mat: no plane of numbers" in message
    assert "r3.mat: 40 x 29, r3.bmp: 40 x 30" in message


def as_segments(folder, number):
    """Write runs of equal labels in a row, the last rows first."""
    labels = regions(number)
    runs = []
    for row in range(SIZE[0] - 1, -1, -1):
        ends = [*np.flatnonzero(np.diff(labels[row])).tolist(), SIZE[1] - 1]
        starts = [0, *[end + 1 for end in ends[:-1]]]
        runs += [f"{labels[row, start]} {row} {start} {end}" for start, end in zip(starts, ends, strict=True)]
    head = f"image r{number}.bmp\nwidth {SIZE[1]}\nheight {SIZE[0]}\nsegments 5\nformat ascii cr\ndata\n"
    (folder / f"r{number}.seg").write_text(head + "\n".join(runs) + "\n")


def test_files_of_segments(tmp_path):
    root = write(tmp_path, as_segments)
    masks, found = targets(root, "{stem}.seg", labels=NAMED)
    assert masks == ("solid", "dashed")
    for number, (target, _) in enumerate(found):
        assert np.array_equal(target, [regions(number) == 1, np.isin(regions(number), (2, 3))])
    text = (root / "r0.seg").read_text()
    first_run = text.split("data\n")[1].split("\n")[0]
    for changed, words in (
        (text.replace("width 40", "width wide"), "r0.seg: ValueError"),
        (text.replace("format ascii cr", "format binary"), "r0.seg: format binary"),
        (text.replace("width 40\n", ""), "r0.seg: KeyError"),
        (text.replace("height 30", "height 31"), "r0.seg: runs of 1,200 pixels for 40 x 31"),
        (text.replace(first_run, first_run.rsplit(" ", 1)[0] + " 99"), "r0.seg: a run outside of 40 x 30"),
        (text + "0 0 0 0\n", "r0.seg: runs of 1,201 pixels"),
        (text.replace(first_run, "0 0 " + " ".join(first_run.split()[2:])), "r0.seg: a pixel in two runs"),
        (text.replace("width 40", "width 400000000"), "r0.seg: 400000000 x 30"),
        ("", "r0.seg: KeyError"),
    ):
        (root / "r0.seg").write_text(changed)
        assert words in refused(root, "{stem}.seg", labels=NAMED), words


def test_a_file_of_segments_says_what_its_matlab_file_says(shared_data):
    raw = shared_data / "raw_samples" / "crackforest"
    read = segment_labels(raw / "001.seg", 10**6)
    struct = loadmat(raw / "001.mat")["groundTruth"][0, 0]["Segmentation"]
    assert np.array_equal(read + 1, struct)


def people(number):
    """What three people drew: each a line of 26 pixels more than the one before."""
    return [np.isin(regions(number), range(1, last + 1)) for last in (1, 2, 3)]


def as_people(folder, number):
    for name, mask in zip(("ann", "bob", "eve"), people(number), strict=True):
        Image.fromarray(mask.astype(np.uint8)).save(folder / f"r{number}_{name}.png")


def cells(folder, number):
    entries = np.empty((1, 3), dtype=object)
    for place, mask in enumerate(people(number)):
        entries[0, place] = {"Boundaries": mask.astype(np.uint8)}
    savemat(folder / f"r{number}.mat", {"groundTruth": entries})


WHOM = {"union": 2, "majority": 1, "ann": 0, "bob": 1, "eve": 2}


@pytest.mark.parametrize(("save_truth", "truth"), [(as_people, "{stem}_{annotator}.png"), (cells, "{stem}.mat")])
@pytest.mark.parametrize("whom", WHOM)
def test_several_annotators(tmp_path, save_truth, truth, whom):
    names = {} if save_truth is as_people else {"annotators": ["ann", "bob", "eve"]}
    _, found = targets(write(tmp_path, save_truth), truth, annotation=whom, **names)
    for number, (target, _) in enumerate(found):
        assert np.array_equal(target[0], people(number)[WHOM[whom]])


def test_annotators_with_a_file_for_each_mask(tmp_path):
    def both(folder, number):
        for name, mask in zip(("ann", "bob", "eve"), people(number), strict=True):
            Image.fromarray(mask.astype(np.uint8)).save(folder / f"r{number}_{name}_vein.png")
            Image.fromarray((regions(number) == 3).astype(np.uint8)).save(folder / f"r{number}_{name}_artery.png")

    root = write(tmp_path, both)
    for whom, which in WHOM.items():
        masks, found = targets(root, "{stem}_{annotator}_{mask}.png", annotation=whom)
        assert masks == ("artery", "vein")
        for number, (target, _) in enumerate(found):
            assert np.array_equal(target, [regions(number) == 3, people(number)[which]])
    (root / "r1_bob_vein.png").unlink()
    assert "r1.bmp: no vein of bob" in refused(root, "{stem}_{annotator}_{mask}.png", annotation="union")


def test_annotators_are_judged_by_the_others(tmp_path):
    root = write(tmp_path, as_people)
    sizes = [int(mask.sum()) for mask in people(0)]
    for whom, expected in (
        ("union", {"ann": (0, 2), "bob": (1, 2), "eve": (2, 1)}),
        ("majority", {"ann": (0, 1), "bob": (1, 0), "eve": (2, 0)}),
        ("ann", {"bob": (1, 0), "eve": (2, 0)}),
    ):
        options = {"truth": "{stem}_{annotator}.png", "annotation": whom, "splits": [0.4, 0.3, 0.3]}
        counted = load_image_folder(root=root, images="*.bmp", **options).annotators
        assert counted.names == tuple(expected)
        for place, (mine, others) in enumerate(expected.values()):
            hits = min(sizes[mine], sizes[others])
            row = counted.counts[place, 0, 0]
            assert row.tolist() == [hits, sizes[mine] - hits, sizes[others] - hits]


def test_annotators_are_judged_on_pixels_that_count_alone(tmp_path):
    def seen(folder, number):
        as_people(folder, number)
        Image.fromarray(view).save(folder / f"r{number}_fov.gif")

    view = np.zeros(SIZE, np.uint8)
    view[:, :20] = 255  # half of every line, and no pixel of the third region
    root = write(tmp_path, seen)
    data = load_image_folder(
        root=root,
        images="*.bmp",
        truth="{stem}_{annotator}.png",
        annotators=["ann", "bob", "eve"],
        annotation="majority",
        valid="{stem}_fov.gif",
        splits=[0.4, 0.3, 0.3],
    )
    assert data.annotators.names == ("ann", "bob", "eve")
    assert data.annotators.counts[:, 0, 0].tolist() == [[16, 0, 16], [16, 16, 0], [16, 16, 0]]


def test_two_masks_at_one_pixel_may_be_refused(tmp_path):
    def crossing(folder, number):
        for name, mask in zip(("vein", "artery"), people(number)[:2], strict=True):
            Image.fromarray(mask.astype(np.uint8)).save(folder / f"r{number}_{name}.png")

    root = write(tmp_path, crossing)
    masks, found = targets(root, "{stem}_{mask}.png")
    assert masks == ("artery", "vein")
    assert (found[0][0].sum(axis=0) == 2).sum() == people(0)[0].sum()
    message = refused(root, "{stem}_{mask}.png", exclusive=True)
    assert "expected at most one mask at a pixel (data.exclusive=true) (6):\n  r0_artery.png: 26 pixels" in message


def test_whom_to_believe_and_who_is_missing_are_asked_for(tmp_path):
    root = write(tmp_path, as_people)
    message = refused(root, "{stem}_{annotator}.png")
    assert "several annotators: data.annotation=union, majority or the name of one" in message
    assert "ann, bob, eve" in message
    assert "'carl'" in refused(root, "{stem}_{annotator}.png", annotation="carl")
    assert "'carl', not one of ann, bob, eve" in refused(
        root, "{stem}_{annotator}.png", annotation="union", annotators=["ann", "carl"]
    )
    (root / "r1_bob.png").unlink()
    (root / "r4_eve.png").unlink()
    message = refused(root, "{stem}_{annotator}.png", annotation="union")
    assert "expected every annotator and mask for every image (2):\n  r1.bmp: no bob\n  r4.bmp: no eve" in message
    _, found = targets(root, "{stem}_{annotator}.png", annotation="ann", annotators=["ann"])
    assert np.array_equal(found[1][0][0], people(1)[0])
    for path in root.glob("r2_*.png"):
        path.unlink()
    write(root, cells)
    assert "annotator missing (6)" in refused(root, "{stem}.mat", annotation="union", annotators=["ann", "bob"])


def test_a_mask_that_no_number_has_is_named(tmp_path):
    message = refused(write(tmp_path, SAVED["grey"]), "{stem}.png", labels=NAMED, masks=["dotted"])
    assert "'dotted', not one of solid, dashed" in message


VALUES = [
    ({"labels": {}}, ["data.labels: expected a mapping"]),
    ({"labels": {"background": 0}}, ["data.labels: expected a mapping"]),
    ({"labels": [1, 2]}, ["data.labels: expected a mapping"]),
    ({"labels": {"a": "1"}}, ["data.labels.a: expected whole numbers, got '1'"]),
    ({"labels": {"a": []}}, ["data.labels.a"]),
    ({"labels": {"a": True}}, ["data.labels.a"]),
    ({"labels": {"a": [1, 2.5]}}, ["data.labels.a"]),
    ({"colours": {"a": [255, 0]}}, ["data.colours.a: expected colours [r, g, b]"]),
    ({"colours": {"a": [256, 0, 0]}}, ["data.colours.a"]),
    ({"labels": {"a": 1}, "colours": {"a": [1, 1, 1]}}, ["data.labels, data.colours: expected one of them"]),
    ({"labels": {"a": 1}, "threshold": 3}, ["data.threshold, data.inverted: expected neither"]),
    ({"labels": {"a": 1}, "inverted": True}, ["data.threshold, data.inverted: expected neither"]),
    ({"threshold": "high"}, ["data.threshold: expected a number"]),
    ({"threshold": float("nan")}, ["data.threshold"]),
    ({"inverted": "yes"}, ["data.inverted: expected true or false"]),
    ({"exclusive": 1}, ["data.exclusive: expected true or false"]),
    ({"skip_without_truth": "yes"}, ["data.skip_without_truth: expected true or false"]),
    ({"ignore_value": "no"}, ["data.ignore_value: expected a whole number"]),
    ({"ignore_value": [1, 2, 3]}, ["data.ignore_value: expected a number; colours need data.colours"]),
    ({"colours": {"a": [1, 1, 1]}, "ignore_value": 3}, ["data.ignore_value: expected a colour"]),
    ({"field": 3}, ["data.field: expected a name"]),
    ({"annotation": " "}, ["data.annotation: expected a name"]),
    ({"annotators": [1]}, ["data.annotators"]),
    ({"annotators": ["a", "b"], "annotation": "c"}, ["data.annotation: expected union, majority or one of"]),
    ({"splits": [0.5, 0.5, 0.5]}, ["data.splits: expected a CSV file or three shares", "[0.5, 0.5, 0.5]"]),
    ({"splits": [1, 0, 0]}, ["data.splits"]),
    ({"splits": 3}, ["data.splits"]),
    ({"splits": ""}, ["data.splits"]),
    (
        {"labels": {"a": "x"}, "threshold": "y", "splits": 3, "inverted": 2, "field": 1},
        ["labels.a", "threshold", "splits", "inverted", "field"],
    ),
]


@pytest.mark.parametrize(("options", "words"), VALUES, ids=[str(number) for number in range(len(VALUES))])
def test_a_wrong_option_is_named_by_its_key(tmp_path, options, words):
    with pytest.raises(DataError) as caught:
        load_image_folder(root=write(tmp_path, as_png(drawn)), images="*.bmp", truth="{stem}.png", **options)
    assert all(word in str(caught.value) for word in words), caught.value


def test_labels_in_the_usual_layout(tmp_path):
    for split in ("train", "val", "test"):
        (tmp_path / split / "images").mkdir(parents=True)
        (tmp_path / split / "masks").mkdir()
        for number in range(2):
            noise = np.random.default_rng([len(split), number]).integers(0, 256, SIZE, dtype=np.uint8)
            if split == "val":
                noise = noise.T.reshape(SIZE) + 1
            Image.fromarray(noise).save(tmp_path / split / "images" / f"{split}{number}.png")
            Image.fromarray(regions(number)).save(tmp_path / split / "masks" / f"{split}{number}.png")
    data = load_image_folder(root=tmp_path, labels=NAMED)
    assert data.masks == ("solid", "dashed")
    assert np.array_equal(data.test.samples[1].target[0], regions(1) == 1)
    assert load_image_folder(root=tmp_path, labels=NAMED, masks=["dashed"]).masks == ("dashed",)
    with pytest.raises(DataError, match="'dotted', not one of solid, dashed"):
        load_image_folder(root=tmp_path, labels=NAMED, masks=["dotted"])
