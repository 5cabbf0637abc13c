"""What is written for picture files, read again by the libraries that others would read it with."""

import csv
import json
from collections import Counter

import numpy as np
import pytest
import tifffile
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from scipy import ndimage
from skimage.measure import regionprops

from tests.prediction.bright_spots import SLOTS, BrightSpots, picture
from tf_scenes.errors import UserError
from tf_scenes.prediction import predict as prediction
from tf_scenes.prediction.inputs import find_inputs
from tf_scenes.prediction.objects import picture_objects
from tf_scenes.prediction.results import Results
from tf_scenes.prediction.tables import Instances

SQUARES = [(2, 3, 9, 10), (2, 12, 7, 30), (15, 20, 29, 40)]


@pytest.fixture
def pictures(tmp_path):
    """Two folders of pictures, one file of which cannot be read and one of which has three pages."""
    folder = tmp_path / "pictures"
    (folder / "day 1").mkdir(parents=True)
    Image.fromarray(picture(SQUARES)).save(folder / "three.png")
    Image.fromarray(picture([])).save(folder / "none.png")
    Image.fromarray(picture(SQUARES[:1], (50, 20))).save(folder / "day 1" / "three.png")
    pages = np.stack([picture(SQUARES[:count], dtype=np.uint16) for count in (1, 2, 0)])
    tifffile.imwrite(folder / "pages.tif", pages, photometric="minisblack")
    Image.fromarray(np.stack([picture(SQUARES[2:])] * 3, axis=-1)).save(folder / "colors.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


NAMES = {
    "three.png": ("three", 3),
    "none.png": ("none", 0),
    "day 1/three.png": ("day 1/three", 1),
    "pages.tif[0]": ("pages_page_0", 1),
    "pages.tif[1]": ("pages_page_1", 2),
    "pages.tif[2]": ("pages_page_2", 0),
    "colors.png": ("colors", 1),
}


def _predict(folder, out, segmenter=None, scale=1.0):
    results = Results(str(out), {"description": "a test"})
    segmenter = segmenter or BrightSpots()
    return prediction.predict(segmenter, find_inputs(str(folder), str(out)), scale, results)


def _rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _box(row):
    return tuple(int(row[edge]) for edge in ("ymin", "xmin", "ymax", "xmax"))


def _masks(out):
    return {name: np.asarray(Image.open(out / "masks" / f"{result}.png")) for name, (result, _) in NAMES.items()}


def test_every_image_is_counted_and_what_cannot_be_read_is_named(pictures, tmp_path, capfd):
    out = tmp_path / "out"
    assert _predict(pictures, out) == ["broken.png"]
    error = capfd.readouterr().err
    assert sum("Skipped" in line for line in error.splitlines()) == 1
    assert str(pictures / "broken.png") in error and "6/6" in error
    counts = _rows(out / "counts.csv")
    expected = {name: count for name, (_, count) in NAMES.items()}
    assert {row["file"]: int(row["num_objects"]) for row in counts} == expected
    assert list(counts[0]) == ["file", "num_objects"]
    written = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    pngs = {f"{kind}/{result}.png" for kind in ("masks", "overlays") for result, _ in NAMES.values()}
    assert written == pngs | {"counts.csv", "objects.csv", "instances.json"}
    for name, (result, _) in NAMES.items():
        size = (20, 50) if name.startswith("day") else (40, 30)
        assert Image.open(out / "masks" / f"{result}.png").size == Image.open(out / "overlays" / f"{result}.png").size
        assert Image.open(out / "masks" / f"{result}.png").size == size


def test_objects_csv_is_what_the_masks_show(pictures, tmp_path):
    out = tmp_path / "out"
    _predict(pictures, out)
    masks, rows = _masks(out), _rows(out / "objects.csv")
    assert list(rows[0])[:9] == ["file", "object", "y", "x", "ymin", "xmin", "ymax", "xmax", "area"]
    assert list(rows[0])[9:11] == ["locations_y", "locations_x"]
    assert Counter(row["file"] for row in rows) == {name: count for name, (_, count) in NAMES.items() if count}
    for row in rows:
        own = regionprops(masks[row["file"]].astype(int))[int(row["object"]) - 1]
        assert own.label == int(row["object"])
        np.testing.assert_allclose([float(row["y"]), float(row["x"])], own.centroid, rtol=1e-5)
        assert _box(row) == own.bbox
        assert int(row["area"]) == np.bincount(masks[row["file"]].ravel())[int(row["object"])]
    # What is on the picture, by hand.
    found = {_box(row) for row in rows if row["file"] == "three.png"}
    assert found == set(SQUARES)


def test_instances_are_those_of_the_masks_by_pycocotools(pictures, tmp_path):
    out = tmp_path / "out"
    _predict(pictures, out)
    coco, masks, rows = COCO(str(out / "instances.json")), _masks(out), _rows(out / "objects.csv")
    assert set(coco.dataset) == {"info", "images", "categories", "annotations"}
    images = coco.loadImgs(coco.getImgIds())
    assert [image["file_name"] for image in images] == [row["file"] for row in _rows(out / "counts.csv")]
    assert coco.loadCats(coco.getCatIds()) == [{"id": 1, "name": "object"}]
    seen = []
    for image in images:
        mask = masks[image["file_name"]]
        assert (image["height"], image["width"]) == mask.shape
        for annotation in coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]])):
            own = mask == annotation["object"]
            np.testing.assert_array_equal(coco.annToMask(annotation), own)
            (rows_of, columns_of) = ndimage.find_objects(own.astype(int))[0]
            y, x, ymax, xmax = rows_of.start, columns_of.start, rows_of.stop, columns_of.stop
            assert annotation["bbox"] == [x, y, xmax - x, ymax - y]
            assert annotation["area"] == own.sum() and annotation["iscrowd"] == 0
            assert annotation["segmentation"]["size"] == list(mask.shape)
            assert isinstance(annotation["segmentation"]["counts"], str)
            seen.append((image["file_name"], str(annotation["object"])))
    assert seen == [(row["file"], row["object"]) for row in rows]


def test_masks_of_any_shape_are_encoded_as_pycocotools_would(tmp_path):
    """In pieces, with holes, at all edges, of one pixel."""
    random = np.random.RandomState(0)
    for size in ((9, 7), (1, 12), (12, 1)):
        labels = random.randint(0, 4, size).astype(np.int32)
        description = {"presence": np.ones((1, 3)), "locations": np.zeros((1, 3, 2)), "masks": labels[None]}
        instances = Instances({})
        instances.add("a.png", picture_objects(description, *size))
        instances.write(str(tmp_path / "instances.json"))
        annotations = json.loads((tmp_path / "instances.json").read_text())["annotations"]
        assert len(annotations) == 3
        for number, annotation in enumerate(annotations, start=1):
            expected = coco_mask.encode(np.asfortranarray(labels == number, np.uint8))
            assert annotation["segmentation"] == {"size": list(size), "counts": expected["counts"].decode()}


def test_categories_are_those_of_the_model(pictures, tmp_path):
    _predict(pictures, tmp_path / "out", BrightSpots(category=True))
    coco, rows = COCO(str(tmp_path / "out" / "instances.json")), _rows(tmp_path / "out" / "objects.csv")
    names = {1: "category 0", 2: "category 1", 3: "category 2"}
    assert {each["id"]: each["name"] for each in coco.dataset["categories"]} == names
    assert [each["category_id"] - 1 for each in coco.dataset["annotations"]] == [int(row["category"]) for row in rows]


def test_results_of_resized_pictures_are_in_the_files_own_pixels(pictures, tmp_path):
    plain, halved, segmenter = tmp_path / "plain", tmp_path / "halved", BrightSpots()
    _predict(pictures, plain)
    _predict(pictures, halved, segmenter, scale=0.5)
    assert {image.shape[1:3] for image in segmenter.images} == {(15, 20), (25, 10)}
    assert _rows(plain / "counts.csv") == _rows(halved / "counts.csv")
    pixels = ("y", "x", "ymin", "xmin", "ymax", "xmax", "locations_y", "locations_x")
    for one, other in zip(_rows(plain / "objects.csv"), _rows(halved / "objects.csv")):
        for name in pixels:
            np.testing.assert_allclose(float(one[name]), float(other[name]), atol=1.1)
        assert (float(other["sizes_y"]), float(other["sizes_x"])) == (12.0, 6.0)
    for mask, other in zip(_masks(plain).values(), _masks(halved).values()):
        assert mask.shape == other.shape and ((mask > 0) == (other > 0)).mean() > 0.9


def test_more_than_255_objects_are_told_apart(tmp_path):
    (tmp_path / "pictures").mkdir()
    squares = [(y, x, y + 4, x + 4) for y in range(0, 100, 6) for x in range(0, 100, 6)]
    Image.fromarray(picture(squares, (102, 102))).save(tmp_path / "pictures" / "many.png")
    _predict(tmp_path / "pictures", tmp_path / "out")
    mask = np.asarray(Image.open(tmp_path / "out" / "masks" / "many.png"))
    assert mask.dtype == np.uint16 and len(squares) == 289
    np.testing.assert_array_equal(np.bincount(mask.ravel())[1:], [16] * 289)
    assert _rows(tmp_path / "out" / "counts.csv") == [{"file": "many.png", "num_objects": "289"}]


def test_pages_that_the_model_refuses_are_skipped_and_the_others_are_done(tmp_path, capfd):
    (tmp_path / "pictures").mkdir()
    with tifffile.TiffWriter(tmp_path / "pictures" / "stack.tif") as file:
        for size in ((30, 40), (30, 401), (20, 20)):
            file.write(picture(SQUARES[:1], size), photometric="minisblack")
    assert _predict(tmp_path / "pictures", tmp_path / "out") == ["stack.tif[1]"]
    assert "stack.tif, 30 x 401 pixels, cannot be used: at most 400 pixels a side" in capfd.readouterr().err
    assert [row["file"] for row in _rows(tmp_path / "out" / "counts.csv")] == ["stack.tif[0]", "stack.tif[2]"]
    assert _predict(tmp_path / "pictures", tmp_path / "small", scale=0.5) == []


def test_pictures_whose_results_cannot_be_are_skipped_and_the_others_are_done(tmp_path, capfd):
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(picture(SQUARES)).save(folder / "a.png")
    for extension in ("jpg", "png"):  # Results of files of one name get longer ones.
        Image.fromarray(picture(SQUARES)).save(folder / f"{250 * 'b'}.{extension}")
    Image.fromarray(picture(SQUARES)).save(folder / "c.png")
    skipped = _predict(folder, tmp_path / "out")
    counted = {row["file"] for row in _rows(tmp_path / "out" / "counts.csv")}
    assert counted == {"a.png", "c.png"} and len(skipped) == 2
    assert "its name is too long for files of results" in capfd.readouterr().err


def test_pictures_that_would_be_resized_to_more_than_any_model_takes_are_skipped(tmp_path, capfd):
    (tmp_path / "pictures").mkdir()
    Image.fromarray(picture(SQUARES)).save(tmp_path / "pictures" / "a.png")
    assert _predict(tmp_path / "pictures", tmp_path / "out", scale=10_000.0) == ["a.png"]
    assert "times 10000, cannot be used: height and width must be at most 65,536 pixels" in capfd.readouterr().err


def test_a_picture_that_takes_too_much_memory_is_skipped(pictures, tmp_path, capfd):
    class Greedy(BrightSpots):
        def segment(self, images):
            raise MemoryError

    assert len(_predict(pictures, tmp_path / "out", Greedy())) == len(NAMES) + 1
    assert "is too large for this machine's memory" in capfd.readouterr().err


@pytest.mark.parametrize(("channels", "words"), [(1, "grey pictures"), (3, "coloured pictures")])
def test_other_colours_than_the_model_s_are_said_once(pictures, tmp_path, capfd, channels, words):
    segmenter = BrightSpots(channels)
    _predict(pictures, tmp_path / "out", segmenter)
    assert [line.count("Note:") for line in capfd.readouterr().err.split("\n") if words in line] == [1]
    assert {image.shape[-1] for image in segmenter.images} == {channels}


def test_transparency_is_said_once(pictures, tmp_path, capfd):
    for name in ("see.png", "through.png"):
        shown = picture(SQUARES[:1])
        Image.fromarray(np.dstack([shown, np.full_like(shown, 100)])).save(pictures / name)
    _predict(pictures, tmp_path / "out")
    notes = [line for line in capfd.readouterr().err.split("\n") if "drawn over black" in line]
    assert len(notes) == 1 and "see.png" in notes[0]


def test_images_with_as_many_objects_as_the_model_looks_for_are_warned_of(tmp_path, capfd):
    (tmp_path / "pictures").mkdir()
    squares = [(y, x, y + 2, x + 2) for y in range(0, 60, 3) for x in range(0, 45, 3)]
    assert len(squares) == SLOTS
    for name, count in (("full.png", SLOTS), ("almost.png", SLOTS - 1)):
        Image.fromarray(picture(squares[:count], (60, 45))).save(tmp_path / "pictures" / name)
    _predict(tmp_path / "pictures", tmp_path / "out")
    error = capfd.readouterr().err
    assert "in 1 image the model found 300 objects, the most that it looks for; there may be more." in error
    assert "--max_inferred_objects" in error


def test_what_is_finished_is_kept_when_a_prediction_breaks_off(pictures, tmp_path):
    class BreaksDown(BrightSpots):
        def segment(self, images):
            if len(self.images) == 2:
                raise RuntimeError("not a mistake of the user's")
            return super().segment(images)

    with pytest.raises(RuntimeError):
        _predict(pictures, tmp_path / "out", BreaksDown())
    counts = _rows(tmp_path / "out" / "counts.csv")
    assert len(counts) == 2
    assert len(COCO(str(tmp_path / "out" / "instances.json")).getImgIds()) == 2
    assert not list((tmp_path / "out").rglob("*.tmp"))


def test_older_results_are_replaced_and_pictures_are_left_alone(pictures, tmp_path):
    inside = pictures / "results"
    before = {path: path.read_bytes() for path in pictures.rglob("*") if path.is_file()}
    _predict(pictures, inside)
    first = {path: path.read_bytes() for path in inside.rglob("*") if path.is_file()}
    (inside / "masks" / "kept.png").write_bytes(b"of a picture that is gone")
    _predict(pictures, inside)
    assert {path: path.read_bytes() for path in before} == before
    assert {path: path.read_bytes() for path in first} == first
    assert (inside / "masks" / "kept.png").exists()


def test_without_any_picture_that_can_be_read_tables_are_empty(tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "broken.png").write_bytes(b"")
    assert _predict(tmp_path / "pictures", tmp_path / "out") == ["broken.png"]
    assert (tmp_path / "out" / "counts.csv").read_text() == "file,num_objects\n"
    assert (tmp_path / "out" / "objects.csv").read_text() == "file,object,y,x,ymin,xmin,ymax,xmax,area\n"
    assert json.loads((tmp_path / "out" / "instances.json").read_text())["annotations"] == []


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"--predict_dir=.*cannot be made"):
        Results(str(tmp_path / "file" / "out"), {})
