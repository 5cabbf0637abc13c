import numpy as np
import pytest
import tensorflow as tf

from tf_scenes.data.image_dataset import ImageDataset
from tf_scenes.evaluation import evaluate


class Oracle:
    """Stands for a trained model: knows the scenes of a data set and describes them as it is told to."""

    max_objects, max_inferred_objects, finds_objects = 3, 6, True

    def __init__(self, dataset, split, miss_every=0):
        split = dataset.splits[split]
        self._examples = dataset.examples(split, range(split.size))
        self._miss_every = miss_every
        self._next = 0
        self.elbo_slots = []

    def encode(self, images):
        batch = images.shape[0]
        chosen = slice(self._next, self._next + batch)
        self._next += batch
        counts = self._examples["counts"][chosen].copy()
        if self._miss_every:
            counts[:: self._miss_every] += 1
        locations = np.zeros((batch, self.max_inferred_objects, 2), np.float32)
        centers = self._examples["centers"][chosen]
        locations[:, : centers.shape[1]] = centers + np.array([3.0, 1.0])
        return {"num_objects": tf.constant(counts), "locations": tf.constant(locations), "images": images}

    def decode(self, description, height, width):
        return description["images"] * 0.9

    def elbo_terms(self, images, seed, max_objects=None):
        self.elbo_slots.append(max_objects)
        shape = tf.shape(images)[:1]
        return {"reconstruction": tf.fill(shape, -5.0), "kl_count": tf.fill(shape, 2.0)}


@pytest.fixture(autouse=True)
def _eager():
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def test_a_perfect_model_has_a_perfect_report(small_scenes):
    model = Oracle(small_scenes, "test")
    measured = evaluate.evaluate_splits(model, small_scenes, ["test"], batch_size=10)["test"]
    assert measured["images"] == 64
    assert measured["count_accuracy"] == 1.0
    assert measured["count_accuracy_by_count"] == {0: 1.0, 1: 1.0, 2: 1.0, 3: 1.0}
    assert measured["foreground_iou"] == 1.0
    assert measured["location_error"] == pytest.approx(0.0, abs=1e-5)
    assert measured["location_offset"] == [3.0, 1.0]
    assert measured["elbo"] == -7.0
    lit = (small_scenes.examples(small_scenes.splits["test"], range(64))["images"] > 0).mean()
    assert measured["mse"] == pytest.approx(0.01 * lit, rel=1e-3)
    assert set(model.elbo_slots) == {None}


def test_wrong_counts_lower_the_accuracy(small_scenes):
    measured = evaluate.evaluate_splits(
        Oracle(small_scenes, "test", miss_every=4), small_scenes, ["test"], batch_size=16
    )["test"]
    assert measured["count_accuracy"] == 0.75


def test_more_objects_than_trained_with_are_measured_under_a_wider_prior(small_scenes):
    model = Oracle(small_scenes, "test_7")
    evaluate.evaluate_splits(model, small_scenes, ["test_7"], batch_size=16)
    assert set(model.elbo_slots) == {6}


def test_models_with_categories_get_a_correspondence(small_scenes):
    class Sorter(Oracle):
        """Calls squares 2 and bars 0, and what is in slots without an object 1."""

        def encode(self, images):
            chosen = slice(self._next, self._next + images.shape[0])
            labels = np.pad(self._examples["labels"][chosen], ((0, 0), (0, 3)), constant_values=-1)
            description = super().encode(images)
            categories = np.select([labels == 0, labels == 1], [2, 0], 1)
            return {
                **description,
                "category": tf.constant(categories),
                "presence": tf.constant((labels >= 0).astype(np.float32)),
            }

    measured = evaluate.evaluate_splits(Sorter(small_scenes, "test"), small_scenes, ["test"], batch_size=16)["test"]
    labels = small_scenes.examples(small_scenes.splits["test"], range(64))["labels"]
    assert measured["correspondence"] == 1.0
    assert measured["category_labels"] == {2: 0, 0: 1}
    assert measured["category_use"] == [(labels == 1).sum(), 0, (labels == 0).sum()]
    without = evaluate.evaluate_splits(Oracle(small_scenes, "test"), small_scenes, ["test"], batch_size=16)["test"]
    assert without["correspondence"] is None


def test_without_ground_truth_the_rest_is_still_measured(tmp_path, small_scenes):
    images = small_scenes.examples(small_scenes.splits["train"], range(400))["images"]
    np.savez(tmp_path / "own.npz", images=images)
    dataset = ImageDataset(str(tmp_path / "own.npz"))

    class Blind(Oracle):
        def __init__(self):
            self.elbo_slots = []

        def encode(self, images):
            return {
                "num_objects": tf.zeros(images.shape[0], tf.int32),
                "locations": tf.zeros([images.shape[0], 6, 2]),
                "images": images,
            }

    measured = evaluate.evaluate_splits(Blind(), dataset, ["test"], batch_size=16)["test"]
    assert measured["count_accuracy"] is None
    assert measured["location_error"] is None
    assert measured["foreground_iou"] == 1.0
    assert measured["elbo"] == -7.0
    assert "count_accuracy                           -" in evaluate.table({"test": measured})
