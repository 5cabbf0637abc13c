import numpy as np
import pytest
from scipy import stats

from tf_scenes.data.datasets import load_dataset
from tf_scenes.data.options import DataOptions


def _load(name, image_size, sprite_size, sizes, objects, **paths):
    """A data set by its name with the sizes of its splits, and the fewest, the most and many objects."""
    train_size, test_size = sizes
    fewest, most, many = objects
    options = DataOptions(
        dataset=name,
        image_size=image_size,
        sprite_size=sprite_size,
        train_size=train_size,
        test_size=test_size,
        min_objects=fewest,
        max_objects=most,
        many_objects=many,
        **paths,
    )
    return load_dataset(options, seed=0)


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
    dataset = _load(name, 64, 18, (190_000, 10_000), (0, 3, 7), mnist_path=mnist_path)
    assert len(dataset.generator.bank) == pool
    assert dataset.image_shape == shape
    sizes = {split.name: (split.size, split.min_objects, split.max_objects) for split in dataset.splits.values()}
    assert sizes == {
        "train": (190_000, 0, 3),
        "validation": (2_000, 0, 3),
        "validation_7": (2_000, 7, 7),
        "test": (10_000, 0, 3),
        "test_7": (10_000, 7, 7),
    }
    assert dataset.report_splits == ["validation", "validation_7"]
    assert dataset.test_splits == ["test", "test_7"]
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
    dataset = _load(name, canvas, 20 if canvas == 50 else 24, (60_000, 1_000), objects, mnist_path=mnist_path)
    assert len(dataset.generator.bank) == pool
    assert dataset.image_shape == (canvas, canvas, 1)
    many = objects[-1]
    assert list(dataset.splits) == ["train", "validation", f"validation_{many}", "test", f"test_{many}"]
    examples = dataset.examples(dataset.splits["test"], range(300))
    assert len(np.unique(examples["images"])) >= levels
    assert set(examples["counts"]) == set(range(objects[1] + 1))
    assert stats.chisquare(np.bincount(examples["counts"])).pvalue > 1e-3
    assert set(examples["labels"][examples["labels"] >= 0]) == set(range(len(dataset.label_names)))


@pytest.mark.parametrize("name", ["multi_mnist_air", "multi_digits_air"])
def test_digits_of_held_out_scenes_are_in_no_training_scene(name, mnist_path):
    dataset = _load(name, 50, 20, (60_000, 1_000), (0, 2, 3), mnist_path=mnist_path)
    shown = {
        split: {index for i in range(500) for index in dataset.generator.scene(dataset.splits[split], i).sprites} - {-1}
        for split in ("train", "validation", "test", "test_3")
    }
    bank = dataset.generator.bank
    assert 0.08 < bank.held_out.mean() < 0.12
    digits = {split: {bank.sprites[index].tobytes() for index in indices} for split, indices in shown.items()}
    assert not digits["train"] & (digits["validation"] | digits["test"] | digits["test_3"])
    assert len(digits["test"]) > 100


def test_own_sprites_make_scenes(tmp_path):
    path = str(tmp_path / "sprites.npz")
    np.savez(path, sprites=np.full((2, 5, 5, 3), 200, np.uint8))
    dataset = _load("multi_custom", 32, 18, (100, 20), (1, 2, 3), sprites_path=path)
    batch = next(iter(dataset.evaluation_batches("test", 10)))
    np.testing.assert_array_equal((batch["images"].numpy() > 0)[..., 0].sum(axis=(1, 2)), 25 * batch["counts"].numpy())
