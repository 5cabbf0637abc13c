"""Measures in the course of training, of a stand-in that sorts the first object of each scene wrongly."""

import numpy as np
import pytest
import tensorflow as tf

from tf_scenes.evaluation.progress import Progress


class Sorter:
    """Describes the scenes of the split `test`, in order, but for one object too many in every fourth."""

    finds_objects = True

    def __init__(self, dataset):
        examples = dataset.examples(dataset.splits["test"], range(64))
        self._labels, self._counts, self._next = examples["labels"], examples["counts"], 0

    def encode(self, images):
        chosen = self._take(images)
        extra = (np.arange(64)[chosen] % 4 == 0).astype(np.int32)
        return {
            "num_objects": tf.constant(self._counts[chosen] + extra),
            "presence": tf.constant((self._labels[chosen] >= 0).astype(np.float32)),
            "category": tf.constant(self._labels[chosen]),
        }

    def candidate_categories(self, images):
        """Of two candidates the first is right and the second the same for all objects."""
        labels = self._labels[self._latest]
        return tf.constant(np.stack([labels, np.minimum(labels, 0)], axis=-1))

    def _take(self, images):
        self._latest = slice(self._next, self._next + images.shape[0])
        self._next += images.shape[0]
        return self._latest


@pytest.fixture(autouse=True)
def _eager():
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def test_counts_and_categories_are_measured_on_the_first_scenes(small_scenes, monkeypatch):
    monkeypatch.setattr(type(small_scenes), "report_splits", ["test"])
    measures = Progress(Sorter(small_scenes), small_scenes, batch_size=10, limit=40)()
    assert (measures["count_missed"], measures["count_extra"]) == (0.0, 0.25)
    assert measures["correspondence"] == measures["correspondence_candidate_0"] == 1.0
    labels = small_scenes.examples(small_scenes.splits["test"], range(40))["labels"]
    most = max(np.sum(labels == 0), np.sum(labels == 1))
    assert measures["correspondence_candidate_1"] == pytest.approx(most / np.sum(labels >= 0))
    assert "count_accuracy" not in measures  # The model itself reports that of the first split.


def test_a_model_without_objects_has_no_such_measures(small_scenes):
    model = Sorter(small_scenes)
    model.finds_objects = False
    assert Progress(model, small_scenes, batch_size=10, limit=40)() == {}
