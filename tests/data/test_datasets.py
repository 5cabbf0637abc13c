import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tf_scenes.data.datasets import ImageDataset, load_dataset
from tf_scenes.errors import UserError


def _images(dataset, count):
    return np.concatenate([batch["images"].numpy() for batch in dataset.take(count)])


def test_training_batches_hold_images_and_nothing_else(small_scenes):
    batch = next(iter(small_scenes.training_batches(8, seed=0)))
    assert set(batch) == {"images"}
    assert batch["images"].shape == (8, 24, 24, 1)
    assert batch["images"].dtype == tf.float32
    assert set(np.unique(batch["images"])) == {0.0, 1.0}


def test_every_pass_uses_each_training_scene_once_in_a_new_order(small_scenes):
    split = small_scenes.splits["train"]
    known = {image.tobytes(): i for i, image in enumerate(small_scenes.examples(split, range(split.size))["images"])}
    two_passes = (_images(small_scenes.training_batches(50, seed=0), 40) * 255).astype(np.uint8)
    order = np.array([known[image.tobytes()] for image in two_passes]).reshape(2, -1)
    stored = np.array([known[image.tobytes()] for image in small_scenes.examples(split, range(split.size))["images"]])
    for one_pass in order:  # Equal images (the empty one) have one name, so multisets are compared.
        np.testing.assert_array_equal(np.sort(one_pass), np.sort(stored))
    assert (order[0] != order[1]).mean() > 0.5
    assert abs(stats.spearmanr(order[0], stored).statistic) < 0.15


def test_resuming_at_a_step_gives_the_batches_that_come_after_it(small_scenes):
    whole = _images(small_scenes.training_batches(16, seed=1), 70)
    rest = _images(small_scenes.training_batches(16, seed=1, first_step=60), 10)
    np.testing.assert_array_equal(whole[60 * 16 :], rest)


def test_the_seed_orders_the_scenes(small_scenes):
    one, other = (_images(small_scenes.training_batches(32, seed=seed), 1) for seed in (0, 1))
    assert (one != other).any()


def test_shards_split_the_positions_between_them(small_scenes):
    whole = _images(small_scenes.training_batches(12, seed=0), 4)
    shards = [_images(small_scenes.training_batches(4, seed=0, shard=(i, 3)), 4) for i in range(3)]
    np.testing.assert_array_equal(whole, np.stack(shards, axis=1).reshape(whole.shape))


def test_evaluation_batches_hold_the_ground_truth_in_order(small_scenes):
    batches = list(small_scenes.evaluation_batches("test", 30))
    assert [len(batch["images"]) for batch in batches] == [30, 30, 4]
    split = small_scenes.splits["test"]
    scenes = [small_scenes.generator.scene(split, i) for i in range(64)]
    np.testing.assert_array_equal(np.concatenate([b["counts"] for b in batches]), [scene.count for scene in scenes])
    np.testing.assert_array_equal(np.concatenate([b["centers"] for b in batches]), [s.centers for s in scenes])
    assert sum(len(batch["images"]) for batch in small_scenes.evaluation_batches("test", 30, limit=40)) == 40


@pytest.mark.parametrize(
    ("name", "pool", "shape"),
    [
        ("multi_mnist_1k", 1_000, (64, 64, 1)),
        ("multi_mnist_10k", 10_000, (64, 64, 1)),
        ("multi_dsprites", 5_040, (64, 64, 3)),
        ("multi_digits", 1_797, (64, 64, 1)),
    ],
)
def test_named_data_sets_have_the_papers_splits(name, pool, shape, mnist_path):
    dataset = load_dataset(name, 0, 64, 18, (190_000, 10_000), (0, 3, 7), mnist_path=mnist_path)
    assert len(dataset.generator.bank) == pool
    assert dataset.image_shape == shape
    sizes = {split.name: (split.size, split.min_objects, split.max_objects) for split in dataset.splits.values()}
    assert sizes == {"train": (190_000, 0, 3), "test": (10_000, 0, 3), "test_7": (10_000, 7, 7)}
    batch = next(iter(dataset.evaluation_batches("test_7", 5)))
    assert list(batch["counts"]) == [7] * 5


@pytest.mark.parametrize(
    ("name", "pool", "canvas", "objects", "levels"),
    [
        ("multi_sprites", 3 * 13 * 72, 64, (0, 3, 4), 20),
        ("multi_mnist_air", 10_000, 50, (0, 2, 3), 100),
        ("multi_digits_air", 1_797, 50, (0, 2, 3), 20),
    ],
)
def test_data_sets_of_discrete_air_are_grey_and_have_its_counts(name, pool, canvas, objects, levels, mnist_path):
    dataset = load_dataset(name, 0, canvas, 20 if canvas == 50 else 24, (60_000, 1_000), objects, mnist_path=mnist_path)
    assert len(dataset.generator.bank) == pool
    assert dataset.image_shape == (canvas, canvas, 1)
    assert list(dataset.splits) == ["train", "test", f"test_{objects[-1]}"]
    examples = dataset.examples(dataset.splits["test"], range(300))
    assert len(np.unique(examples["images"])) >= levels
    assert set(examples["counts"]) == set(range(objects[1] + 1))
    assert stats.chisquare(np.bincount(examples["counts"])).pvalue > 1e-3
    assert set(examples["labels"][examples["labels"] >= 0]) == set(range(len(dataset.label_names)))


@pytest.mark.parametrize("name", ["multi_mnist_air", "multi_digits_air"])
def test_digits_of_held_out_scenes_are_in_no_training_scene(name, mnist_path):
    dataset = load_dataset(name, 0, 50, 20, (60_000, 1_000), (0, 2, 3), mnist_path=mnist_path)
    shown = {
        split: {index for i in range(500) for index in dataset.generator.scene(dataset.splits[split], i).sprites} - {-1}
        for split in ("train", "test", "test_3")
    }
    bank = dataset.generator.bank
    assert 0.08 < bank.held_out.mean() < 0.12
    digits = {split: {bank.sprites[index].tobytes() for index in indices} for split, indices in shown.items()}
    assert not digits["train"] & (digits["test"] | digits["test_3"])
    assert len(digits["test"]) > 100


def test_own_sprites_make_scenes(tmp_path):
    path = str(tmp_path / "sprites.npz")
    np.savez(path, sprites=np.full((2, 5, 5, 3), 200, np.uint8))
    dataset = load_dataset("multi_custom", 0, 32, 18, (100, 20), (1, 2, 3), sprites_path=path)
    batch = next(iter(dataset.evaluation_batches("test", 10)))
    np.testing.assert_array_equal((batch["images"].numpy() > 0)[..., 0].sum(axis=(1, 2)), 25 * batch["counts"].numpy())


def _own_images(count=400):
    random = np.random.RandomState(0)
    images = random.randint(0, 256, (count, 10, 12, 3)).astype(np.uint8)
    images[count // 2 :] = images[: count - count // 2]  # Each image twice.
    return images


def test_own_images_are_split_without_overlap(tmp_path):
    path = str(tmp_path / "images.npz")
    images = _own_images()
    np.savez(path, images=images, counts=np.arange(400) % 5)
    dataset = ImageDataset(path)
    train, test = (
        {image.tobytes() for image in dataset.examples(split, range(split.size))["images"]}
        for split in (dataset.splits["train"], dataset.splits["test"])
    )
    assert not train & test
    assert train | test == {image.tobytes() for image in images}
    assert 0.04 < len(test) / 200 < 0.2
    batch = next(iter(dataset.evaluation_batches("test", 6)))
    assert batch["images"].shape == (6, 10, 12, 3)
    where = [np.flatnonzero((images == np.round(image * 255)).all(axis=(1, 2, 3))) for image in batch["images"]]
    assert all(count in np.arange(400)[found] % 5 for count, found in zip(batch["counts"].numpy(), where))


def test_own_grey_float_images_without_counts(tmp_path):
    path = str(tmp_path / "images.npz")
    np.savez(path, images=_own_images()[..., 0] / np.float32(255))
    dataset = ImageDataset(path)
    assert dataset.image_shape == (10, 12, 1)
    assert set(next(iter(dataset.evaluation_batches("test", 6)))) == {"images"}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pictures": np.zeros((3, 4, 4))}, "no array 'images'; it holds pictures"),
        ({"images": np.array(["a", None], dtype=object)}, "without pickles"),
        ({"images": np.zeros((0, 4, 4), np.uint8)}, "N x H x W"),
        ({"images": np.zeros((4, 4), np.uint8)}, "N x H x W"),
        ({"images": np.full((3, 4, 4), -0.5)}, r"lie in \[-0.5, -0.5\]"),
        ({"images": _own_images(), "counts": np.ones(3, int)}, "400 whole numbers"),
        ({"images": _own_images(4)}, "needs more different images"),
    ],
)
def test_bad_own_images_are_one_clear_line(tmp_path, arrays, message):
    path = str(tmp_path / "images.npz")
    np.savez(path, **arrays)
    with pytest.raises(UserError, match=message) as error:
        ImageDataset(path)
    assert "\n" not in str(error.value)
