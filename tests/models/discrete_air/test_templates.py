"""The three ways of combining template and attributes, by hand from their weights."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import signal, special

from tf_scenes.models.discrete_air.options import COMBINATIONS
from tf_scenes.models.discrete_air.templates import TemplateDecoder
from tf_scenes.stack import keras

CATEGORIES = np.float32([[1, 0, 0], [0, 0, 1], [0.2, 0.5, 0.3]])
ATTRIBUTES = np.float32([[0.5, -1], [0, 0], [2, 1]])


def _dense(layer, inputs):
    return inputs @ layer.get_weights()[0] + (layer.get_weights()[1] if len(layer.get_weights()) > 1 else 0)


def _leaky(values):
    return np.where(values > 0, values, 0.2 * values)


@pytest.mark.parametrize("combination", COMBINATIONS)
def test_combinations_are_their_formulas(combination):
    keras.utils.set_random_seed(1)
    decoder = TemplateDecoder(3, 2, 6, 2, combination, units=16)
    images = decoder(CATEGORIES, ATTRIBUTES).numpy()
    template = CATEGORIES @ decoder.get_weights()[0]
    first, second = decoder._attributes.layers
    modification = _dense(second, np.tanh(_dense(first, ATTRIBUTES)))
    if combination == "additive":
        template = template + modification
    elif combination == "multiplicative":
        template = template * (1 + modification)
    hidden = _leaky(_dense(decoder._hidden, _leaky(template)))
    logits = _dense(decoder._pixels, hidden).reshape(3, 6, 6, 2)
    if combination == "convolutional":
        kernels = modification.reshape(3, 5, 5)
        kernels[:, 2, 2] += 1
        for number, channel in np.ndindex(3, 2):
            filtered = signal.correlate2d(logits[number, ..., channel], kernels[number], mode="same")
            np.testing.assert_allclose(images[number, ..., channel], special.expit(filtered), atol=1e-4)
    else:
        np.testing.assert_allclose(images, special.expit(logits), atol=1e-5)


@pytest.mark.parametrize("combination", COMBINATIONS)
def test_attributes_matter_and_gradients_reach_everything(combination):
    decoder = TemplateDecoder(3, 2, 6, 1, combination, units=16)
    inputs = [tf.constant(CATEGORIES), tf.constant(ATTRIBUTES)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        total = tf.reduce_sum(decoder(*inputs) ** 2)
    gradients = tape.gradient(total, [*inputs, *decoder.trainable_variables])
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)


@pytest.mark.parametrize("by_category", [False, True])
def test_attributes_may_change_each_category_in_a_way_of_its_own(by_category):
    decoder = TemplateDecoder(2, 1, 6, 1, by_category=by_category, units=8)
    decoder(tf.eye(2), tf.zeros([2, 1]))

    def changes():
        features = [
            decoder._attributes(decoder._of_category(tf.fill([2, 1], value), tf.eye(2))) for value in (0.0, 1.0)
        ]
        return np.subtract(features[1], features[0])  # [categories, units]

    assert np.allclose(*changes()) != by_category
    if by_category:  # A weight that is the first category's own changes nothing in the other.
        before, kernel = changes(), decoder._attributes.layers[0].kernel
        kernel.assign(kernel + tf.one_hot(2, 4)[:, None])
        assert not np.allclose(changes()[0], before[0])
        np.testing.assert_allclose(changes()[1], before[1])


def test_without_attributes_an_object_is_its_template():
    decoder = TemplateDecoder(3, 0, 6, 1)
    np.testing.assert_allclose(decoder(np.eye(3, dtype=np.float32), np.zeros((3, 0), np.float32)), decoder.templates())
    assert decoder.templates().shape == (3, 6, 6, 1)


def test_objects_begin_as_blobs():
    image = TemplateDecoder(2, 1, 9, 1)(tf.zeros([1, 2]), tf.zeros([1, 1]))[0, ..., 0].numpy()
    assert image[4, 4] > 0.6 and image[0, 0] < 0.05


def test_templates_can_part_even_where_every_hidden_unit_is_off():
    decoder = TemplateDecoder(3, 0, 8, 1)
    decoder.templates()
    decoder._hidden.bias.assign(tf.fill([256], -100.0))
    with tf.GradientTape() as tape:
        first = tf.reduce_sum(decoder.templates()[0, 3:5, 3:5])
    gradient = tape.gradient(first, decoder._templates.kernel).numpy()
    assert np.abs(gradient[0]).max() > 0.0
    assert np.abs(gradient[1:]).max() == 0.0
