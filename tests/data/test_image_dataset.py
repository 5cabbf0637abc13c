import os
import zlib

import numpy as np
import pytest
import tensorflow as tf
import tifffile
from PIL import Image
from skimage.measure import label

from tf_scenes.data import image_splits
from tf_scenes.data.datasets import load_dataset
from tf_scenes.data.image_files import find_images
from tf_scenes.data.options import DataOptions
from tf_scenes.errors import UserError
from tf_scenes.layers.levels import measure_levels


def _load(path, **options):
    return load_dataset(DataOptions(dataset="images", images_path=str(path), **options), seed=0)


def _own_images(count=400):
    random = np.random.RandomState(0)
    images = random.randint(0, 256, (count, 10, 12, 3)).astype(np.uint8)
    images[count // 2 :] = images[: count - count // 2]  # Each image twice.
    return images


def _blobs(height=40, width=50, seed=0, objects=6):
    """A grey image of squares on a dark ground, uint8, and its label image."""
    random = np.random.RandomState(seed)
    mask = np.zeros((height, width), bool)
    for _ in range(objects):
        top, left = random.randint(height - 8), random.randint(width - 8)
        mask[top : top + 5, left : left + 5] = True
    image = np.where(mask, 180, 30) + random.randint(0, 20, mask.shape)
    return image.astype(np.uint8), label(mask).astype(np.uint8)


def _write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _write_split(folder, seeds, masks=True, **shape):
    for seed in seeds:
        image, mask = _blobs(seed=seed, **shape)
        _write(folder / "images" / f"{seed}.png", image)
        if masks:
            _write(folder / "masks" / f"{seed}.png", mask)


def _all_images(dataset, split_name):
    split = dataset.splits[split_name]
    return [dataset.examples(split, [index])["images"][0] for index in range(split.size)]


# An .npz.


def test_own_images_are_split_without_overlap(tmp_path):
    path = str(tmp_path / "images.npz")
    images = _own_images()
    np.savez(path, images=images, counts=np.arange(400) % 5)
    dataset = _load(path)
    splits = [{image.tobytes() for image in _all_images(dataset, name)} for name in ("train", "validation", "test")]
    assert sum(map(len, splits)) == len(set.union(*splits))
    assert set.union(*splits) == {image.tobytes() for image in images}
    assert all(0.04 < len(split) / 200 < 0.2 for split in splits[1:])
    assert dataset.report_splits == ["validation"] and dataset.test_splits == ["test"]
    batch = next(iter(dataset.evaluation_batches("test", 6)))
    assert batch["images"].shape == (6, 10, 12, 3)
    where = [np.flatnonzero((images == np.round(image * 255)).all(axis=(1, 2, 3))) for image in batch["images"]]
    assert all(count in np.arange(400)[found] % 5 for count, found in zip(batch["counts"].numpy(), where))


def test_own_grey_float_images_without_counts(tmp_path):
    path = str(tmp_path / "images.npz")
    np.savez(path, images=_own_images()[..., 0] / np.float32(255))
    dataset = _load(path)
    assert dataset.image_shape == (10, 12, 1)
    assert dataset.report_splits == ["validation"]
    assert set(next(iter(dataset.evaluation_batches("test", 6)))) == {"images"}


def test_files_of_the_package_multiobject_are_read_without_their_pickles(tmp_path):
    labels = {"n_obj": np.arange(400) % 3, "shape": [np.arange(number % 3) for number in range(400)]}
    np.savez_compressed(tmp_path / "multi.npz", x=_own_images(), labels=labels)
    dataset = _load(tmp_path / "multi.npz")
    every = {image.tobytes() for name in dataset.splits for image in _all_images(dataset, name)}
    assert every == {image.tobytes() for image in _own_images()} and dataset.ground_truth == ()


def test_masks_in_an_npz_are_those_of_their_images_and_give_counts(tmp_path):
    pairs = [_blobs(seed=seed) for seed in range(120)]
    images, masks = (np.stack(arrays) for arrays in zip(*pairs))
    np.savez(tmp_path / "a.npz", images=images, masks=masks.astype(np.int64) * 3)
    dataset = _load(tmp_path / "a.npz")
    assert dataset.ground_truth == ("counts", "masks")
    by_image = {image.tobytes(): mask for image, mask in pairs}
    for batch in dataset.evaluation_batches("test", 5):
        for image, count, mask in zip(batch["images"].numpy(), batch["counts"].numpy(), batch["masks"].numpy()):
            expected = by_image[np.round(image[..., 0] * 255).astype(np.uint8).tobytes()]
            np.testing.assert_array_equal(mask, expected)
            assert count == expected.max()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pictures": np.zeros((3, 4, 4))}, "no array 'images'; it holds pictures"),
        ({"images": np.array(["a", None], dtype=object)}, "without pickles"),
        ({"images": np.zeros((0, 4, 4), np.uint8)}, "N x H x W"),
        ({"images": np.zeros((4, 4), np.uint8)}, "N x H x W"),
        ({"images": np.full((3, 4, 4), -0.5)}, r"lie in \[-0.5, -0.5\]"),
        ({"images": _own_images(), "counts": np.ones(3, int)}, "400 whole numbers"),
        ({"images": _own_images(), "masks": np.ones((400, 10, 11), int)}, r"masks .* shape \(400, 10, 11\)"),
        ({"images": _own_images(), "masks": np.full((400, 10, 12), -1)}, "mask .* not labels"),
        ({"images": _own_images(), "masks": np.full((400, 10, 12), 255)}, r"binary mask.*skimage\.measure\.label"),
        ({"images": _own_images(4)}, "needs more different images"),
    ],
)
def test_bad_own_images_are_one_clear_line(tmp_path, arrays, message):
    path = str(tmp_path / "images.npz")
    np.savez(path, **arrays)
    with pytest.raises(UserError, match=message) as error:
        _load(path)
    assert "\n" not in str(error.value)


# Files, their splits and their ground truth.


def test_the_nuclei_are_read_whole_with_the_masks_of_held_out_splits():
    dataset = _load("data/nuclei", crop_size=64)
    assert {name: split.size for name, split in dataset.splits.items()} == {"train": 190, "validation": 40, "test": 50}
    assert dataset.held_out == ["validation", "test"]
    assert dataset.report_splits == ["validation"]
    assert dataset.image_shape == (64, 64, 1)
    assert dataset.ground_truth == ("counts", "masks")
    assert dataset.splits["test"].max_objects == 101  # README: 1 to 101 in an image.
    totals = dict.fromkeys(dataset.held_out, 0)
    for name in totals:
        files = [os.path.basename(path) for path in find_images(f"data/nuclei/{name}/images", "images_path")]
        batches = list(dataset.evaluation_batches(name, 30))
        for key, scale in (("images", 255), ("masks", 1)):
            stored = np.stack([np.asarray(Image.open(f"data/nuclei/{name}/{key}/{file}")) for file in files])
            found = np.concatenate([batch[key].numpy() for batch in batches])
            np.testing.assert_array_equal(np.rint(found * scale).reshape(stored.shape), stored)
        assert all(batch["masks"].dtype == tf.int32 for batch in batches)
        totals[name] = sum(batch["counts"].numpy().sum() for batch in batches)
    assert totals == {"validation": 1_509, "test": 1_507}  # README.
    assert dataset.notes == ("Images: 190 train, 40 validation, 50 test; with masks of those held out.",)


def test_a_tenth_is_held_out_by_the_checksum_of_the_pixels(tmp_path):
    images = {f"{seed}.png": _blobs(seed=seed % 60)[0] for seed in range(80)}  # 20 of them twice.
    for name, image in images.items():
        _write(tmp_path / name, image)
    held_out = {image.tobytes() for image in images.values() if zlib.crc32(image.tobytes()) % 10 == 0}
    dataset = _load(tmp_path)
    test = [image.tobytes() for image in _all_images(dataset, "test")]
    train = [image.tobytes() for image in _all_images(dataset, "train")]
    assert set(test) == held_out and not set(train) & held_out
    assert len(test) + len(train) == 80


def test_of_a_hundred_images_two_tenths_are_held_out_unless_there_are_others_for_validation(tmp_path):
    checksums = []
    for seed in range(110):
        image = _blobs(seed=seed)[0]
        checksums.append(zlib.crc32(image.tobytes()) % 10)
        _write(tmp_path / "pictures" / f"{seed}.png", image)
    _write(tmp_path / "other.png", _blobs(seed=500)[0])
    validation, test = checksums.count(1), checksums.count(0)
    for options, expected in (
        ({}, {"train": 110 - validation - test, "validation": validation, "test": test}),
        ({"validation_path": str(tmp_path / "other.png")}, {"train": 110 - test, "validation": 1, "test": test}),
    ):
        dataset = _load(tmp_path / "pictures", **options)
        assert {name: split.size for name, split in dataset.splits.items()} == expected
        assert dataset.held_out == ["validation", "test"]


def test_of_few_images_one_is_held_out(tmp_path):
    images = [image for image in (_blobs(seed=seed)[0] for seed in range(40)) if zlib.crc32(image.tobytes()) % 10][:4]
    for number, image in enumerate(images):
        _write(tmp_path / f"{number}.png", image)
    dataset = _load(tmp_path)
    assert (dataset.splits["train"].size, dataset.splits["test"].size) == (3, 1)
    lowest = min(range(4), key=lambda number: zlib.crc32(images[number].tobytes()))
    assert f"Held out as test, by checksums of their pixels: {tmp_path / f'{lowest}.png'}." in dataset.notes
    assert dataset.report_splits == ["test"]
    assert _all_images(dataset, "test")[0].tobytes() == min((i.tobytes() for i in images), key=zlib.crc32)


def test_masks_of_the_held_out_tenth_only_are_read(tmp_path):
    _write_split(tmp_path, range(30))
    dataset = _load(tmp_path)
    by_image = {image.tobytes(): mask for image, mask in (_blobs(seed=seed) for seed in range(30))}
    batch = next(iter(dataset.evaluation_batches("test", 30)))
    for image, mask in zip(batch["images"].numpy(), batch["masks"].numpy()):
        np.testing.assert_array_equal(mask, by_image[np.rint(image[..., 0] * 255).astype(np.uint8).tobytes()])
    for image in _all_images(dataset, "train"):
        seed = next(seed for seed in range(30) if _blobs(seed=seed)[0].tobytes() == image.tobytes())
        (tmp_path / "masks" / f"{seed}.png").write_bytes(b"damaged")
    again = next(iter(_load(tmp_path).evaluation_batches("test", 30)))
    np.testing.assert_array_equal(again["masks"], batch["masks"])


def test_pages_of_a_stack_have_pages_of_masks(tmp_path):
    pairs = [_blobs(seed=seed) for seed in range(3)]
    images, masks = (np.stack(arrays) for arrays in zip(*pairs))
    for folder in ("train", "test", "m"):
        (tmp_path / folder).mkdir()
    tifffile.imwrite(tmp_path / "train" / "a.tif", images[:, ::-1], photometric="minisblack")
    tifffile.imwrite(tmp_path / "test" / "a.tif", images, photometric="minisblack")
    tifffile.imwrite(tmp_path / "m" / "a.tif", masks, photometric="minisblack")
    dataset = _load(tmp_path, masks_path=str(tmp_path / "m"))
    (batch,) = dataset.evaluation_batches("test", 10)
    np.testing.assert_array_equal(batch["masks"], masks)
    np.testing.assert_array_equal(np.rint(batch["images"] * 255)[..., 0], images)
    tifffile.imwrite(tmp_path / "m" / "a.tif", masks[:2], photometric="minisblack")
    with pytest.raises(UserError, match=r"m/a\.tif has 2 pages, but its image .*test/a\.tif has 3"):
        _load(tmp_path, masks_path=str(tmp_path / "m"))


def test_images_of_all_types_in_one_data_set_are_scaled_by_their_types(tmp_path):
    eight, _ = _blobs(seed=1)
    for folder in ("train", "test"):
        _write(tmp_path / folder / "a.png", eight if folder == "train" else eight[::-1].copy())
        _write(tmp_path / folder / "b.png", eight.astype(np.uint16) * 200 + (folder == "test"))
        tifffile.imwrite(tmp_path / folder / "c.tif", eight.astype(np.float32) - 100)
    dataset = _load(tmp_path)
    (batch,) = dataset.evaluation_batches("test", 10)
    floats = (eight.astype(np.float64) - eight.min()) / (int(eight.max()) - eight.min())
    expected = [eight[::-1] / 255, (eight.astype(np.float64) * 200 + 1) / 65_535, floats]
    np.testing.assert_allclose(batch["images"].numpy()[..., 0], expected, rtol=1e-5, atol=1e-7)
    batch = next(iter(dataset.training_batches(3, seed=0)))
    assert batch["images"].dtype == tf.float32
    brightest = sorted([eight.max() / 255, int(eight.max()) * 200 / 65_535, 1.0])
    np.testing.assert_allclose(sorted(batch["images"].numpy().max(axis=(1, 2, 3))), brightest, rtol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_and_colour_mixed_need_a_decision(tmp_path, channels):
    grey, _ = _blobs(seed=0)
    _write(tmp_path / "train" / "a.png", grey)
    _write(tmp_path / "test" / "b.png", np.dstack([_blobs(seed=seed)[0] for seed in (1, 2, 3)]))
    with pytest.raises(UserError, match=r"a\.png is grey, but .*b\.png is in colour: --image_channels=1 or"):
        _load(tmp_path)
    dataset = _load(tmp_path, image_channels=channels)
    assert dataset.image_shape == (40, 50, channels)
    assert next(iter(dataset.evaluation_batches("test", 1)))["images"].shape == (1, 40, 50, channels)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda folder: (folder / "test/masks/3.png").unlink(), r"images/3\.png has no mask"),
        (lambda folder: _write(folder / "test/masks/3.png", np.zeros((9, 50), np.uint8)), r"masks/3\.png is 9 x 50 "),
        (lambda folder: _write(folder / "test/masks/3.png", np.zeros((40, 50, 3), np.uint8)), "shows colours"),
        (lambda folder: (folder / "test/images/3.png").write_bytes(b"\x89PNG"), r"cannot read .*images/3\.png"),
        (lambda folder: _write_split(folder / "validation", [7], masks=False), "images of test have masks, but those"),
        (
            lambda folder: [_write(folder / f"test/masks/{i}.png", _blobs(seed=i)[1].clip(0, 1)) for i in (3, 4)],
            "masks of the split test have one label",
        ),
    ],
    ids=["missing", "size", "colour", "image", "other_split", "binary"],
)
def test_what_does_not_go_together_is_one_clear_line(tmp_path, broken, message):
    _write_split(tmp_path / "train", [1, 2], masks=False)
    _write_split(tmp_path / "test", [3, 4])
    _load(tmp_path)
    broken(tmp_path)
    with pytest.raises(UserError, match=message) as error:
        _load(tmp_path)
    assert "\n" not in str(error.value)


def test_one_picture_needs_another_for_the_test(tmp_path):
    _write(tmp_path / "a.png", _blobs()[0])
    with pytest.raises(UserError, match=r"a\.png holds one picture only.*--test_path"):
        _load(tmp_path / "a.png")
    dataset = _load(tmp_path / "a.png", test_path=str(tmp_path / "a.png"))
    assert dataset.splits["train"].size == dataset.splits["test"].size == 1
    (warning,) = dataset.warnings()
    assert warning.startswith("1 of 1 images of the split test are training images too")


def test_transparency_is_noted_once(tmp_path):
    for seed in range(4):
        image, _ = _blobs(seed=seed)
        _write(tmp_path / f"{seed}.png", np.dstack([image, np.full_like(image, 100 if seed > 1 else 255)]))
    notes = _load(tmp_path).notes
    assert len(notes) == 3 and notes[2].endswith("2.png, are drawn over black.")


def test_too_little_memory_is_one_line(tmp_path, monkeypatch):
    _write_split(tmp_path, range(3))

    def read(path):
        if path.endswith("1.png"):
            raise MemoryError
        return original(path)

    original = image_splits.read_picture
    monkeypatch.setattr(image_splits, "read_picture", read)
    with pytest.raises(UserError, match=r"not enough memory.*from 1 images when .*1\.png did not fit; there are 3"):
        _load(tmp_path)


# Sizes and batches.


@pytest.fixture
def mixed(tmp_path):
    """Training images of two sizes, and test images of three, in turns."""
    _write_split(tmp_path / "train", range(10, 14), masks=False)
    _write_split(tmp_path / "train", range(14, 17), masks=False, height=33, width=70)
    for seed in range(7):
        shape = ({}, {"height": 33, "width": 70}, {"height": 20, "width": 20})[seed % 3]
        _write_split(tmp_path / "test", [seed], **shape)
    return tmp_path


def test_images_of_different_sizes_are_trained_on_in_crops_only(mixed):
    with pytest.raises(UserError, match=r"different sizes, such as 33 x 70 and 40 x 50 pixels: set --crop_size"):
        _load(mixed)
    assert _load(mixed, crop_size=16).image_shape == (16, 16, 1)


def test_evaluation_groups_images_by_size_in_their_order(mixed):
    dataset = _load(mixed, crop_size=16)
    pipeline = dataset.evaluation_batches("test", 2)
    assert pipeline.element_spec["images"].shape.as_list() == [None, None, None, 1]
    seeds = []
    for batch in pipeline:
        for image, mask, count in zip(*(batch[name].numpy() for name in ("images", "masks", "counts"))):
            height, width = mask.shape
            (seed,) = (
                seed for seed in range(7) if (_blobs(height, width, seed)[0] == np.rint(image[..., 0] * 255)).all()
            )
            np.testing.assert_array_equal(mask, _blobs(height, width, seed)[1])
            assert count == mask.max()
            seeds.append(seed)
    assert seeds == [0, 3, 6, 1, 4, 2, 5]
    assert [len(batch["images"]) for batch in pipeline] == [2, 1, 2, 2]
    assert pipeline.cardinality() == 4  # Keras needs to know.
    first = [batch["images"].shape[:3].as_list() for batch in dataset.evaluation_batches("test", 2, limit=4)]
    assert first == [[2, 40, 50], [1, 33, 70], [1, 20, 20]]


def test_images_of_one_size_have_it_in_the_pipeline():
    spec = _load("data/nuclei", crop_size=32).evaluation_batches("test", 2).element_spec
    assert spec["images"].shape.as_list() == [None, 256, 256, 1]
    assert spec["masks"].shape.as_list() == [None, 256, 256]


def test_images_smaller_than_crops_are_left_out_of_training_with_a_warning(mixed):
    dataset = _load(mixed, crop_size=36)
    assert dataset.splits["train"].size == 4
    assert dataset.splits["test"].size == 7
    (warning,) = dataset.warnings()
    assert warning == "3 of 7 training images are smaller than --crop_size=36 and are left out"
    with pytest.raises(UserError, match="--crop_size=41 is larger than every training image: the largest is 40 x 50"):
        _load(mixed, crop_size=41)


# Training batches.


def _batches(dataset, count):
    batches = list(dataset.take(count))
    return {name: np.stack([batch[name].numpy() for batch in batches]) for name in batches[0]}


def test_levels_are_those_of_the_whole_image_that_a_crop_comes_from(mixed):
    dataset = _load(mixed, crop_size=16)
    images = [_blobs(seed=seed)[0] for seed in range(10, 14)]
    images += [_blobs(33, 70, seed)[0] for seed in range(14, 17)]
    whole = [measure_levels(image[None, ..., None] / np.float32(255)).numpy()[0] for image in images]
    batch = _batches(dataset.training_batches(60, seed=0), 1)
    assert set(batch) == {"images", "levels"}
    assert batch["images"].shape == (1, 60, 16, 16, 1) and batch["images"].dtype == np.float32
    seen = set()
    for crop, levels in zip(np.rint(batch["images"][0] * 255).astype(np.uint8)[..., 0], batch["levels"][0]):
        (index,) = (index for index, image in enumerate(images) if _is_part_of(crop, image))
        np.testing.assert_allclose(levels, whole[index], rtol=1e-6)
        seen.add(index)
    assert seen == set(range(7))


def _is_part_of(crop, image):
    windows = np.lib.stride_tricks.sliding_window_view(image, crop.shape)
    turned = [np.rot90(each, k) for each in (crop, crop.T) for k in range(4)]
    return any((windows == each).all(axis=(2, 3)).any() for each in turned)


def test_whole_images_have_levels_too(tmp_path):
    _write_split(tmp_path / "train", range(5), masks=False)
    _write_split(tmp_path / "test", [9], masks=False)
    dataset = _load(tmp_path)
    batch = _batches(dataset.training_batches(5, seed=0), 1)
    assert batch["images"].shape == (1, 5, 40, 50, 1)
    np.testing.assert_allclose(batch["levels"][0], measure_levels(batch["images"][0]), rtol=1e-6)
    assert {image.tobytes() for image in np.rint(batch["images"][0] * 255).astype(np.uint8)} == {
        _blobs(seed=seed)[0].tobytes() for seed in range(5)
    }


@pytest.fixture
def alike(tmp_path):
    """Ten training images of one size, and a test image."""
    _write_split(tmp_path / "train", range(10), masks=False)
    _write_split(tmp_path / "test", [10], masks=False)
    return tmp_path


@pytest.mark.parametrize("crop_size", [0, 16])
def test_resuming_at_a_step_gives_the_batches_that_come_after_it(alike, crop_size):
    dataset = _load(alike, crop_size=crop_size)
    whole = _batches(dataset.training_batches(6, seed=1), 50)
    rest = _batches(dataset.training_batches(6, seed=1, first_step=43), 7)
    for name in whole:
        np.testing.assert_array_equal(whole[name][43:], rest[name])
    same, other = (_batches(_load(alike, crop_size=crop_size).training_batches(6, seed), 1) for seed in (1, 2))
    np.testing.assert_array_equal(same["images"][0], whole["images"][0])
    assert (other["images"][0] != whole["images"][0]).any()


@pytest.mark.parametrize("flip", [False, True])
def test_workers_share_the_crops_of_a_step(alike, flip):
    dataset = _load(alike, crop_size=24, flip_crops=flip)
    whole = _batches(dataset.training_batches(12, seed=0), 4)
    shards = [_batches(dataset.training_batches(4, seed=0, shard=(i, 3)), 4) for i in range(3)]
    for name, values in whole.items():
        np.testing.assert_array_equal(values, np.stack([s[name] for s in shards], axis=2).reshape(values.shape))
    assert len({crop.tobytes() for crop in whole["images"].reshape(48, -1)}) > 44  # Hardly any twice.


def test_crops_keep_the_precision_of_16_bits(tmp_path):
    image = np.random.RandomState(0).randint(0, 65_536, (30, 30)).astype(np.uint16)
    _write(tmp_path / "train/a.png", image)
    _write(tmp_path / "test/a.png", image[::-1].copy())
    crops = _batches(_load(tmp_path, crop_size=8).training_batches(20, seed=0), 1)["images"][0]
    for crop in np.rint(crops * 65_535).astype(np.uint16)[..., 0]:
        assert _is_part_of(crop, image)


# Warnings.


def test_dark_objects_are_warned_of_if_most_images_have_them(tmp_path):
    for number in range(5):
        image, _ = _blobs(seed=number)
        _write(tmp_path / "train" / f"{number}.png", image if number < 2 else 255 - image)
    _write(tmp_path / "test/a.png", _blobs(seed=9)[0])
    (warning,) = _load(tmp_path).warnings()
    assert "objects are darker than the background" in warning and "inverts" in warning
    (tmp_path / "train/4.png").unlink()
    assert not _load(tmp_path).warnings()


def test_large_objects_are_measured_though_their_texture_falls_into_parts(tmp_path):
    """Two discs of 40 pixels, and 30 specks of 5."""
    y, x = np.mgrid[:200, :200]
    image = np.full((200, 200), 10, np.uint8)
    for middle in (50, 150):
        image[(y - 150) ** 2 + (x - middle) ** 2 <= 20**2] = 200
    for number in range(30):
        top, left = 5 + 30 * (number // 10), 5 + 19 * (number % 10)
        image[top : top + 5, left : left + 5] = 200
    _write(tmp_path / "train/a.png", image)
    _write(tmp_path / "test/b.png", image)
    assert _load(tmp_path).typical_object_side() == 41


def test_the_checksum_of_training_images_is_that_of_their_pixels(tmp_path):
    for name, seed in (("train/a.png", 0), ("train/b.png", 1), ("test/c.png", 2)):
        _write(tmp_path / name, _blobs(seed=seed)[0])
    checksum = _load(tmp_path).training_checksum
    (tmp_path / "train/b.png").rename(tmp_path / "train/d.png")
    _write(tmp_path / "test/c.png", _blobs(seed=3)[0])
    assert _load(tmp_path).training_checksum == checksum
    _write(tmp_path / "train/d.png", _blobs(seed=4)[0])
    assert _load(tmp_path).training_checksum != checksum


def test_grey_pictures_stored_in_colour_are_warned_of(tmp_path):
    for name, seed in (("train/a.png", 0), ("test/b.png", 1)):
        _write(tmp_path / name, np.dstack([_blobs(seed=seed)[0]] * 3))
    assert _load(tmp_path).image_shape[-1] == 3
    assert "--image_channels=1" in _load(tmp_path).warnings()[0]
    assert not _load(tmp_path, image_channels=1).warnings()
