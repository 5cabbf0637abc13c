"""Discrete-AIR beyond what it shares with AIR."""

import numpy as np
import pytest
import tensorflow as tf

from tests.models.model_table import ATTENTION, COMMON, example_images
from tf_scenes.app.build import build_model
from tf_scenes.models.air.slots import SamplingOptions
from tf_scenes.stack import keras

HEADS = (
    "--model=discrete_air",
    "--discrete_air.pose=joint",
    "--discrete_air.invariance_weight=1",
    "--discrete_air.invariance_heads=2",
)


@pytest.fixture
def model(shared_model):
    return shared_model(*COMMON, *HEADS, *ATTENTION)


def test_the_network_of_categories_learns_those_of_the_chosen_clustering(model):
    """From the auxiliary loss alone, on the objects that are present."""
    inference = model.infer(tf.constant(example_images()), 2, SamplingOptions(tf.constant([0, 0])))
    is_object = tf.concat([slot.presence for slot in inference.slots], axis=0) > 0.5
    glimpses = tf.concat([slot.object.loss_inputs["glimpses"] for slot in inference.slots], axis=0)
    objects = tf.boolean_mask(glimpses, is_object)
    categories = model.clustering(objects)
    variables = [*model.encoder.trainable_variables, *model._category_head.trainable_variables]
    optimizer = keras.optimizers.Adam(1e-2)
    optimizer.build(variables)
    for _ in range(100):
        with tf.GradientTape() as tape:
            logits = model._category_head(model.encoder(glimpses))
            loss = model._clustered_cross_entropy(glimpses, logits, is_object)
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
    learned = tf.nn.softmax(model._category_head(model.encoder(objects)))
    np.testing.assert_allclose(learned, categories, atol=0.03)
    assert np.ptp(categories, axis=0).max() > 0.05  # They differ, so that there is something to learn.
    absent = tf.logical_not(is_object)
    np.testing.assert_array_equal(tf.boolean_mask(loss, absent), np.zeros(np.sum(absent)))


def test_candidates_are_the_categories_of_each_clustering_where_there_are_objects(model):
    images = tf.constant(example_images())
    candidates = model.candidate_categories(images).numpy()  # [images, slots, heads]
    slots = model.infer(images, model.max_inferred_objects, SamplingOptions()).slots
    present = np.stack([slot.presence for slot in slots], axis=1) > 0.5
    np.testing.assert_array_equal(candidates >= 0, np.repeat(present[..., None], 2, axis=2))
    glimpses = np.stack([slot.object.loss_inputs["glimpses"] for slot in slots], axis=1)
    expected = model.clustering.candidates(tf.constant(glimpses.swapaxes(0, 1)[present.T])).numpy()
    np.testing.assert_array_equal(candidates.swapaxes(0, 1)[present.T], expected)


def test_candidates_of_images_without_objects(make_config):
    model = build_model(make_config(*COMMON, *HEADS, *ATTENTION), (24, 24, 1))
    model.localization._presence.bias.assign([-100.0])
    candidates = model.candidate_categories(tf.constant(example_images()))
    np.testing.assert_array_equal(candidates, np.full([len(example_images()), model.max_inferred_objects, 2], -1))


def test_without_clustering_there_are_no_candidates(make_config):
    model = build_model(make_config(*COMMON, "--model=discrete_air", *ATTENTION), (24, 24, 1))
    assert model.candidate_categories(tf.constant(example_images())) is None


def test_clusterings_learn_until_they_are_merged(make_config):
    steps = ("--discrete_air.invariance_first_step=2", "--discrete_air.merging_step=5")
    model = build_model(make_config(*COMMON, *HEADS, *steps, *ATTENTION), (24, 24, 1))
    seed, information, mergings = tf.constant([0, 0]), [], []
    model.clustering._merging.assign(tf.zeros_like(model.clustering._merging))  # No merging is like this.
    for step in range(8):
        scalars = model.training_loss(tf.constant(example_images()), tf.constant(step, tf.int64), seed).scalars
        information.append(float(scalars["category_information_1"]))
        mergings.append(model.clustering._merging.numpy())
    np.testing.assert_allclose(information[:2], 0.0, atol=1e-6)
    assert [after != before for before, after in zip(information[1:], information[2:])] == [True] * 4 + [False] * 2
    assert [bool(merging.any()) for merging in mergings] == [False] * 5 + [True] * 3


def test_attributes_are_normalized_by_what_training_has_seen(make_config):
    flags = ("--model=discrete_air", "--discrete_air.num_attributes=1", "--discrete_air.normalize_attributes")
    model = build_model(make_config(*COMMON, *flags, *ATTENTION), (24, 24, 1))
    images, sums = tf.constant(example_images()), model.attribute_normalization._sums

    def attributes():
        return model.infer(images, 1, SamplingOptions()).slots[0].object.latents["attributes"].numpy()

    raw = attributes()
    sums.assign(tf.repeat([[1.0, 2.0, 13.0]], sums.shape[0], axis=0))  # A mean of 2, a variance of 9.
    np.testing.assert_allclose(attributes(), (raw - 2) / 3, rtol=0.01, atol=0.01)
    model.training_loss(images, tf.constant(0, tf.int64), tf.constant([0, 0]))
    assert not np.allclose(sums, [[1.0, 2.0, 13.0]], rtol=1e-3)
