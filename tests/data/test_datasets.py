import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

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
    np.testing.assert_array_equal(
        np.concatenate([b["masks"] for b in batches]), [small_scenes.generator.mask(scene) for scene in scenes]
    )
    assert sum(len(batch["images"]) for batch in small_scenes.evaluation_batches("test", 30, limit=40)) == 40


def test_masks_are_drawn_for_held_out_scenes_only(small_scenes):
    for name, split in small_scenes.splits.items():
        assert ("masks" in small_scenes.examples(split, range(2))) == (name != "train")


@pytest.mark.parametrize("name", ["train", "tset"])
def test_a_split_that_is_not_held_out_is_named(small_scenes, name):
    with pytest.raises(UserError, match=f"'{name}' is no held-out split of this data set: test, test_7"):
        small_scenes.evaluation_batches(name, 3)
