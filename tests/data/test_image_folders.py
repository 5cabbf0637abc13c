import os

import pytest

from tf_scenes.data.image_folders import find_splits
from tf_scenes.data.options import DataOptions
from tf_scenes.errors import UserError


def _touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def _find(folder, images_path="", **paths):
    """Names of the images of each split, and of their masks where there are any."""
    paths = {name: os.path.join(str(folder), path) for name, path in paths.items()}
    splits = find_splits(DataOptions(dataset="images", images_path=os.path.join(str(folder), images_path), **paths))

    def name(path):
        return os.path.relpath(path, folder)

    images = {split: [name(path) for path in files.images] for split, files in splits.items()}
    masks = {
        split: [name(files.masks.mask_of(path)) for path in files.images]
        for split, files in splits.items()
        if files.masks
    }
    return images, masks


def test_the_nuclei_need_only_their_folder():
    splits = find_splits(DataOptions(dataset="images", images_path="data/nuclei"))
    assert {name: len(split.images) for name, split in splits.items()} == {"train": 190, "validation": 40, "test": 50}
    for name, split in splits.items():
        for path in split.images:
            assert f"/{name}/images/" in path
            assert split.masks.mask_of(path) == path.replace("images", "masks")


def test_a_folder_of_folders_is_one_split(tmp_path):
    _touch(tmp_path, "day_1/a.png", "day_2/a.tif", "day_10/b.jpg", "c.bmp")
    assert _find(tmp_path) == ({"train": ["c.bmp", "day_1/a.png", "day_2/a.tif", "day_10/b.jpg"]}, {})


def test_images_and_masks_side_by_side(tmp_path):
    _touch(tmp_path, "images/a.png", "images/x/b.jpg", "masks/a.tif", "masks/x/b.png", "overview.png")
    images, masks = _find(tmp_path)
    assert images == {"train": ["images/a.png", "images/x/b.jpg"]}
    assert masks == {"train": ["masks/a.tif", "masks/x/b.png"]}


def test_masks_below_images_are_never_taken_for_images(tmp_path):
    _touch(tmp_path, "a.png", "masks/a.png", "one/images/b.png", "one/masks/b_1.png", "one/masks/b_2.png")
    assert find_splits(DataOptions(dataset="images", images_path=str(tmp_path)))["train"].images == [
        str(tmp_path / "a.png"),
        str(tmp_path / "one/images/b.png"),
    ]
    assert _find(tmp_path, "o*")[0] == {"train": ["one/images/b.png"]}
    _touch(tmp_path, "two/masks/a.png")
    with pytest.raises(UserError, match=r"--images_path=.*two holds masks only"):
        _find(tmp_path, "two")


def test_splits_with_images_directly_in_them(tmp_path):
    _touch(tmp_path, "train/a.png", "train/masks/a.png", "test/b.png", "test/masks/b.png", "other/c.png")
    images, masks = _find(tmp_path)
    assert images == {"train": ["train/a.png"], "test": ["test/b.png"]}
    assert masks == {"train": ["train/masks/a.png"], "test": ["test/masks/b.png"]}


def test_flags_override_folders_and_take_their_images_out_of_training(tmp_path):
    _touch(tmp_path, "a.png", "b.png", "sub/c.png", "sub/d.png", "elsewhere/e.png", "elsewhere/masks/e.tif")
    images, masks = _find(tmp_path, test_path="sub/*.png", validation_path="elsewhere")
    test = ["sub/c.png", "sub/d.png"]
    assert images == {"train": ["a.png", "b.png"], "validation": ["elsewhere/e.png"], "test": test}
    assert masks == {"validation": ["elsewhere/masks/e.tif"]}
    _touch(tmp_path, "set/train/a.png", "set/test/b.png")
    assert _find(tmp_path, "set", test_path="sub")[0] == {"train": ["set/train/a.png"], "test": test}


def test_one_picture_may_be_for_training_and_for_the_test(tmp_path):
    _touch(tmp_path, "a.png")
    assert _find(tmp_path, "a.png", test_path="a.png")[0] == {"train": ["a.png"], "test": ["a.png"]}


@pytest.mark.parametrize(
    ("masks", "images"),
    [
        (["m/a.png"], ["test/images/a.tif"]),
        (["m/test/a.png"], ["test/images/a.tif"]),
        (["m/test/masks/a.png"], ["test/images/a.tif"]),
        (["m/test/images/a.png"], ["test/images/a.tif"]),
        (["m/test/day/a.png"], ["test/day/a.jpg"]),
        (["m/day/a.png"], ["test/day/a.jpg"]),
    ],
)
def test_masks_elsewhere_have_the_same_relative_names(tmp_path, masks, images):
    _touch(tmp_path / "set", "train/images/z.png", *images)
    _touch(tmp_path, *masks)
    splits = find_splits(
        DataOptions(dataset="images", images_path=str(tmp_path / "set"), masks_path=str(tmp_path / "m"))
    )
    assert splits["test"].masks.mask_of(splits["test"].images[0]) == str(tmp_path / masks[0])


def test_masks_of_a_glob_are_named_from_its_fixed_part_on(tmp_path):
    _touch(tmp_path, "set/x/a.png", "set/y/a.png", "m/x/a.png", "m/y/a.png")
    assert _find(tmp_path, "set/*/a.png", masks_path="m")[1] == {"train": ["m/x/a.png", "m/y/a.png"]}


def test_a_split_s_own_masks_come_before_those_of_the_same_name(tmp_path):
    _touch(tmp_path, "set/train/a.png", "set/test/a.png", "m/a.png", "m/test/a.png")
    assert _find(tmp_path, "set", masks_path="m")[1] == {"train": ["m/a.png"], "test": ["m/test/a.png"]}


def test_masks_that_are_missing_or_ambiguous_are_one_line(tmp_path):
    _touch(tmp_path, "set/a.png", "set/b.png", "m/a.png", "m/a.tif")
    folder = find_splits(DataOptions(dataset="images", images_path=f"{tmp_path}/set", masks_path=f"{tmp_path}/m"))
    with pytest.raises(UserError, match=r"set/b\.png has no mask.*same name.*/m$"):
        folder["train"].masks.mask_of(str(tmp_path / "set/b.png"))
    with pytest.raises(UserError, match=r"set/a\.png has several masks: .*m/a\.png, .*m/a\.tif"):
        folder["train"].masks.mask_of(str(tmp_path / "set/a.png"))
    itself = find_splits(DataOptions(dataset="images", images_path=f"{tmp_path}/set", masks_path=f"{tmp_path}/set"))
    with pytest.raises(UserError, match=r"set/a\.png has no mask"):
        itself["train"].masks.mask_of(str(tmp_path / "set/a.png"))


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ({"images_path": "none"}, "--images_path=.*none does not exist"),
        ({"test_path": "none"}, "--test_path=.*none does not exist"),
        ({"validation_path": "empty"}, "--validation_path=.*empty holds no picture"),
        ({"masks_path": "none"}, "--masks_path=.*none is no folder"),
        ({"masks_path": "a.png"}, "--masks_path=.*a.png is no folder"),
        ({"masks_path": "empty"}, "--masks_path=.*empty holds no picture"),
    ],
)
def test_paths_without_pictures_are_one_line_with_their_flag(tmp_path, paths, message):
    _touch(tmp_path, "a.png", "empty/notes.txt")
    with pytest.raises(UserError, match=message) as error:
        _find(tmp_path, **paths)
    assert "\n" not in str(error.value)
