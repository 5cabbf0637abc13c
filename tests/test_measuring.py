"""What benchmarks/speed.py counts, against numbers by hand."""

import pytest
import tensorflow as tf

from benchmarks.measuring import float_operations
from tf_scenes.stack import keras

# Multiplications and additions of each layer, forward: 2 x outputs x inputs of each.
CONVOLUTION = 2 * (2 * 8 * 8 * 5) * (3 * 3 * 3)
STRIDED = 2 * (2 * 4 * 4 * 6) * (3 * 3 * 5)
DENSE = 2 * (2 * 7) * (4 * 4 * 6)
FORWARD = CONVOLUTION + STRIDED + DENSE
# Gradients by weights take as many, and those by inputs, too; nobody asks for the gradient by the images.
STEP = 3 * FORWARD - CONVOLUTION


@pytest.fixture
def network():
    network = keras.Sequential(
        [
            keras.layers.Conv2D(5, 3, padding="same"),
            keras.layers.Conv2D(6, 3, strides=2, padding="same"),
            keras.layers.Flatten(),
            keras.layers.Dense(7),
        ]
    )
    network.build((2, 8, 8, 3))
    return network


def _count(function):
    return float_operations(function.get_concrete_function(tf.TensorSpec([2, 8, 8, 3])).graph)


def _step(network, forward):
    """A function that returns the gradients of a loss on what `forward` makes of images."""

    @tf.function
    def step(images):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(forward(images) ** 2)
        return tape.gradient(loss, network.trainable_variables)

    return step


def test_a_forward_pass_is_counted_layer_by_layer(network):
    assert _count(tf.function(lambda images: network(images))) == FORWARD


def test_a_step_within_a_function_that_calls_functions_is_counted_once(network):
    step = _step(network, network)
    assert _count(step) == STEP
    assert _count(tf.function(lambda images: step(images))) == STEP
    assert _count(tf.function(lambda images: (step(images), step(images)))) == 2 * STEP


def test_gradients_through_a_function_are_counted(network):
    assert _count(_step(network, tf.function(lambda images: network(images)))) == STEP


def test_objects_whose_number_depends_on_the_images_are_counted_as_given(network):
    step = _step(network, lambda images: network(tf.gather_nd(images, tf.where(images[:, 0, 0, 0] > 0.5))))
    graph = step.get_concrete_function(tf.TensorSpec([2, 8, 8, 3])).graph
    assert float_operations(graph, 2) == STEP
    assert float_operations(graph, 6) == 3 * STEP


def test_products_of_transposed_matrices_are_counted(network):
    wide, tall = tf.ones([2, 3, 4]), tf.ones([2, 5, 3])
    products = tf.function(
        lambda images: (
            tf.matmul(wide, tall, transpose_a=True, transpose_b=True),
            tf.matmul(wide[0], tall[0], transpose_a=True, transpose_b=True),
        )
    )
    assert _count(products) == 2 * (2 * 4 * 5) * 3 + 2 * (4 * 5) * 3
