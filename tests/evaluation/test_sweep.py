"""The sweep of attributes, with a stand-in whose category depends on the attribute."""

import numpy as np
import pytest
import tensorflow as tf

from tf_scenes.evaluation.sweep import attribute_sweep


class Turncoat:
    """Describes scenes of the split `test` as they are; what is drawn with an attribute above 1 becomes category 3.

    Drawn with an attribute below -1, it is not found at all.
    """

    def __init__(self, dataset):
        examples = dataset.examples(dataset.splits["test"], range(64))
        self._counts, self._next = examples["counts"], 0

    def encode(self, images):
        if images.shape[-1] == 2:  # A drawing, whose only value is the attribute.
            attribute = images[:, 0, 0, 0].numpy()
            return self._described((attribute >= -1.0).astype(np.int32), np.where(attribute > 1.0, 3, 1), attribute)
        counts = self._counts[self._next : self._next + images.shape[0]]
        self._next += images.shape[0]
        return self._described(counts, np.ones_like(counts), np.zeros(len(counts)))

    def _described(self, counts, categories, attributes):
        return {
            "num_objects": tf.constant(counts),
            "category": tf.constant(categories[:, None]),
            "attributes": tf.constant(attributes[:, None, None], tf.float32),
        }

    def decode(self, description, height, width):
        attributes = tf.reshape(description["attributes"], [-1, 1, 1, 1])
        return tf.tile(attributes, [1, height, width, 2])


@pytest.fixture(autouse=True)
def _eager():
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def test_the_share_of_drawn_objects_that_stay_what_they_are(small_scenes):
    alone = int(np.sum(small_scenes.examples(small_scenes.splits["test"], range(64))["counts"] == 1))
    sweep = attribute_sweep(Turncoat(small_scenes), small_scenes, "test", num_objects=1_000, batch_size=10)
    assert sweep["objects"] == alone
    assert sweep["category_kept_by_value"] == {"-2.0": 0.0, "-1.0": 1.0, "0.0": 1.0, "1.0": 1.0, "2.0": 0.0}
    assert sweep["category_kept"] == pytest.approx(0.6)
    assert attribute_sweep(Turncoat(small_scenes), small_scenes, "test", 3, 10)["objects"] == 3


def test_without_a_scene_of_one_object_there_is_no_share(small_scenes):
    model = Turncoat(small_scenes)
    model._counts = np.full(64, 2, np.int32)
    sweep = attribute_sweep(model, small_scenes, "test", 100, 10)
    assert (sweep["objects"], sweep["category_kept"]) == (0, None)
