"""Likeness of drawn objects, against brute force, and of models whose drawings are known."""

import numpy as np
import pytest
import tensorflow as tf

from tests.models.model_table import MODELS
from tf_scenes.app import experiments
from tf_scenes.app.build import build_model
from tf_scenes.data.datasets import load_dataset
from tf_scenes.errors import UserError
from tf_scenes.evaluation.likeness import best_ious, likeness


def _brute(object_mask, sprites):
    """Over all places in which the two overlap, wherever their centres are."""
    best = 0.0
    for sprite in sprites:
        for y in range(-8, 9):
            for x in range(-8, 9):
                moved = np.roll(np.pad(sprite, ((12, 12), (12, 12), (0, 0))), (y, x), axis=(0, 1))
                fixed = np.pad(object_mask, ((12, 12), (12, 12), (0, 0)))
                best = max(best, (moved & fixed).sum() / max((moved | fixed).sum(), 1))
    return best


def test_the_best_iou_is_that_of_brute_force():
    random = np.random.RandomState(0)
    sprites = np.zeros((4, 8, 8, 3), bool)
    for sprite, (height, width) in zip(sprites, ((5, 3), (6, 6), (4, 7), (3, 3))):
        sprite[:height, :width, random.randint(0, 3)] = True
    objects = np.zeros((3, 20, 22, 3), bool)
    for each, sprite in zip(objects, sprites[:3]):
        each[7:15, 4:12] = sprite ^ (random.uniform(size=sprite.shape) < 0.04)
    expected = [_brute(each[7:15, 4:12], sprites) for each in objects]
    assert min(expected) > 0.5 and max(expected) < 1.0
    np.testing.assert_allclose(best_ious(objects, sprites), expected)


def test_nothing_looks_like_nothing():
    sprites = np.zeros((2, 5, 5, 1), bool)
    sprites[:, 1:3, 2:4] = True
    assert best_ious(np.zeros((1, 9, 9, 1), bool), sprites) == 0.0
    assert best_ious(np.zeros((0, 9, 9, 1), bool), sprites).shape == (0,)
    moved = np.zeros((1, 9, 9, 1), bool)
    moved[0, 6:8, 0:2] = True
    assert best_ious(moved, sprites) == 1.0


class Stamps:
    """Finds true objects and draws them right; three of four from its prior are right, all from what it has fitted."""

    def __init__(self, bank, fits_appearances):
        self.fits_appearances = fits_appearances
        self._bank = tf.constant(bank.sprites / 255.0, tf.float32)

    def encode(self, images):
        return self._scenes(tf.shape(images)[0], tf.constant([3.0, 11.0, 5.0]))

    def sample_description(self, num_scenes, height, width, seed, max_objects, from_prior):
        return self._scenes(num_scenes, tf.constant([3.0, 5.0, -1.0, 11.0] if from_prior else [5.0]))

    def _scenes(self, count, numbers):
        """A scene's only object is its number's, in the second slot."""
        chosen = tf.gather(numbers, tf.range(count) % numbers.shape[0])
        appearance = tf.stack([tf.zeros_like(chosen), chosen], axis=1)[..., None]
        presence = tf.tile([[0.0, 1.0]], [count, 1])
        return {"presence": presence, "locations": tf.zeros([count, 2, 2]), "appearance": appearance}

    def decode(self, scenes, height, width):
        number = tf.cast(scenes["appearance"][:, 0, 0], tf.int32)
        sprites = tf.gather(self._bank, tf.maximum(number, 0))
        images = tf.image.pad_to_bounding_box(sprites, 9, 5, height, width)
        stripes = tf.ones([16, 16, images.shape[-1]]) * tf.cast(tf.range(16) % 2, tf.float32)[:, None]
        stripes = tf.image.pad_to_bounding_box(stripes, 20, 20, height, width)
        return tf.where((number >= 0)[:, None, None, None], images, stripes)


@pytest.mark.parametrize("fits_appearances", [False, True])
def test_inferred_and_sampled_objects_are_measured(make_config, fits_appearances):
    dataset = load_dataset(make_config("--dataset=multi_dsprites", "--test_size=30").data, 0)
    results = likeness(Stamps(dataset.generator.bank, fits_appearances), dataset, num_objects=8, batch_size=8)
    assert results["inferred"] == {"best_iou": 1.0, "alike": 1.0, "objects": 8}
    assert results["prior"]["alike"] == 0.75 and results["prior"]["objects"] == 8
    assert 0.75 < results["prior"]["best_iou"] < 0.95
    assert results.get("fitted") == (results["inferred"] if fits_appearances else None)


def test_it_needs_a_model_of_objects_and_drawn_scenes(make_config, tmp_path):
    np.savez(tmp_path / "pictures.npz", images=np.random.RandomState(0).randint(0, 255, (300, 64, 64, 3), np.uint8))
    pictures = ("--dataset=images", f"--images_path={tmp_path / 'pictures.npz'}", "--test_size=2")
    drawn = ("--dataset=multi_dsprites", "--test_size=2")
    for name, data, words in (
        ("vae", drawn, "--mode=likeness needs a model that finds objects: --model=vae does not"),
        ("lavae", pictures, "whose scenes are drawn, to compare objects with its sprites: --dataset=images is not"),
    ):
        config = make_config("--mode=likeness", *MODELS[name], *data)
        dataset = load_dataset(config.data, 0)
        with pytest.raises(UserError, match=words):
            experiments.measure("likeness", config, build_model(config, dataset.image_shape), dataset)
