"""The most likely objects, found with stand-ins for networks whose answers are known."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tf_scenes.models.lavae.finding import ObjectFinder
from tf_scenes.models.lavae.likelihood import BernoulliPixels
from tf_scenes.models.lavae.options import LavaeOptions

tfd = tfp.distributions

MIDDLE = (16, 16)  # Of a bar of 5 x 17 pixels.


class _Appearances:
    """What is seen at a pixel is how far the middle of the bar is from it."""

    def __call__(self, images):
        return images

    def posterior_at(self, features, centers, present):
        offsets = tf.constant(MIDDLE, tf.float32) - tf.cast(centers, tf.float32)
        return tfd.Independent(tfd.Normal(offsets, 0.5), reinterpreted_batch_ndims=1)


def _bars(appearance):
    """A bar off the middle of frames of 23 x 23 pixels, which cut off what is outside."""
    places = tf.range(23, dtype=tf.float32) - 11.0
    rows = tf.abs(places - appearance[:, :1]) <= 2.0
    columns = tf.abs(places - appearance[:, 1:]) <= 8.0
    return tf.cast(rows[:, :, None] & columns[:, None, :], tf.float32)[..., None]


def _maxima_on_either_side(images):
    features = np.zeros([1, 32, 32], np.float32)
    features[0, 16, 12], features[0, 16, 20] = 1.0, 0.9
    return tf.constant(features)


@pytest.mark.parametrize(("recenters", "expected"), [(True, 1), (False, 2)])
def test_an_object_with_two_maxima_is_one_object_once_both_are_in_its_middle(recenters, expected):
    options = LavaeOptions(
        latent_dim=2, generated_size=23, count_window=5, prunes=True, recenters=recenters, centering_weight=1.0
    )
    finder = ObjectFinder(options, _maxima_on_either_side, _Appearances(), _bars, BernoulliPixels(), tf.Variable(0.5))
    image = np.zeros([1, 32, 32, 1], np.float32)
    image[0, 14:19, 8:25] = 1.0
    found = finder.find(tf.constant(image), tf.constant(image), 4)
    assert found.present.numpy().sum() == expected
    if recenters:
        np.testing.assert_allclose(found.centers[0, 0], MIDDLE, atol=1)
