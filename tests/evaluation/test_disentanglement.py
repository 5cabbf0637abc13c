import types

import numpy as np
import pytest
import tensorflow as tf

from tf_scenes.app import experiments
from tf_scenes.evaluation.disentanglement import AppearanceDistance, disentanglement

SIZE, SLOTS, PRIOR_SCALE = 40, 5, 4.0
ERRORS = ("edited_location_error", "edited_appearance_error", "other_location_change", "other_appearance_change")


class Dots:
    """An object is a bright pixel; its appearance is the pixel's value. Encoder and decoder are exact."""

    max_objects, finds_objects = 3, True

    def __init__(self, leak=0.0, loses=False):
        self._leak, self._loses = leak, loses

    def encode(self, images):
        images = images.numpy()[..., 0]
        description = _empty(len(images))
        for scene, image in enumerate(images):
            places = np.argwhere(image > 0.0)
            description["num_objects"][scene] = len(places)
            description["presence"][scene, : len(places)] = 1.0
            description["locations"][scene, : len(places)] = places
            description["appearance"][scene, : len(places), 0] = image[tuple(places.T)]
        return {name: tf.constant(values) for name, values in description.items()}

    def decode(self, description, height, width):
        description = {name: np.array(values) for name, values in description.items()}
        images = np.zeros((len(description["presence"]), height, width, 1), np.float32)
        for scene in range(len(images)):
            slots = np.flatnonzero(description["presence"][scene])
            for slot in slots[self._loses :]:
                y, x = description["locations"][scene, slot].astype(int)
                # Where it leaks, what one object looks like depends on where the lowest of all is.
                lowest = description["locations"][scene, slots, 0].max()
                images[scene, y, x] = description["appearance"][scene, slot] + self._leak * lowest
        return tf.constant(images)

    def sample_description(self, num_scenes, height, width, seed, max_objects=None, from_prior=False):
        description = _empty(num_scenes)
        description["presence"][:, 0] = 1.0
        description["appearance"][:, 0, 0] = np.random.RandomState(0).normal(0.0, PRIOR_SCALE, num_scenes)
        return {name: tf.constant(values) for name, values in description.items()}


def _empty(scenes):
    return {
        "num_objects": np.zeros(scenes, np.int32),
        "presence": np.zeros((scenes, SLOTS), np.float32),
        "locations": np.zeros((scenes, SLOTS, 2), np.float32),
        "appearance": np.zeros((scenes, SLOTS, 1), np.float32),
    }


class DotScenes:
    image_shape = (SIZE, SIZE, 1)

    def evaluation_batches(self, split_name, batch_size, limit):
        random = np.random.RandomState(1)
        for _ in range(0, limit, batch_size):
            images = np.zeros((batch_size, SIZE, SIZE, 1), np.float32)
            for scene, image in enumerate(images):
                for number in range(scene % 4):
                    image[random.randint(2, 38), 3 + 12 * number] = random.uniform(1.0, 9.0)
            yield {"images": tf.constant(images)}


@pytest.fixture(autouse=True)
def _eager():
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def _measure(model):
    return disentanglement(model, DotScenes(), "test", num_images=80, clearance=6.0, batch_size=40)


def test_an_exact_model_changes_what_was_asked_and_nothing_else():
    measured = _measure(Dots())
    assert set(measured) == {"none", "move", "swap", "restyle"}
    for name, measures in measured.items():
        assert measures["count_kept"] == 1.0
        for error in ERRORS:
            assert measures.get(error, 0.0) == pytest.approx(0.0, abs=1e-6), (name, error)
    assert measured["none"]["scenes"] == measured["restyle"]["scenes"] == 40  # Of 80, those with 2 or 3 objects.
    assert "edited_appearance_error" not in measured["none"]
    assert measured["move"]["asked_move"] > 5.0 and measured["move"]["asked_restyle"] == 0.0
    assert measured["swap"]["asked_move"] > 5.0 and measured["swap"]["scenes"] < 40  # Not with itself.
    assert measured["restyle"]["asked_move"] == 0.0
    assert 0.2 < measured["restyle"]["asked_restyle"] < 1.2  # Uniform on 1 to 9, in units of 4.


def test_what_leaks_into_other_objects_is_seen():
    exact, leaking = _measure(Dots()), _measure(Dots(leak=0.01))
    for name in ("none", "move"):
        assert leaking[name]["other_appearance_change"] > exact[name]["other_appearance_change"] + 0.03
        assert leaking[name]["other_appearance_change"] < 0.01 * SIZE / PRIOR_SCALE
    assert leaking["move"]["edited_location_error"] == pytest.approx(0.0, abs=1e-6)


def test_a_lost_object_is_a_count_that_was_not_kept():
    measured = _measure(Dots(loses=True))
    assert all(measures["count_kept"] == 0.0 and len(measures) == 2 for measures in measured.values())


def test_appearances_are_compared_in_units_of_their_prior():
    random = np.random.RandomState(0)
    prior = {
        "presence": np.ones((4_000, 1), np.float32),
        "sizes": random.normal(0.0, (2.0, 5.0), (4_000, 1, 2)),
        "angles": random.uniform(-np.pi, np.pi, (4_000, 1)),
        "category": random.randint(0, 3, (4_000, 1)),
    }
    zero = {"sizes": np.zeros((1, 2)), "angles": np.array([3.0]), "category": np.array([0])}
    other = {"sizes": np.array([[4.0, 5.0]]), "angles": np.array([-3.0]), "category": np.array([2])}
    angle = (2 * np.pi - 6.0) / (np.pi / np.sqrt(3.0))
    expected = np.sqrt((2.0**2 + 1.0**2 + angle**2) / 3.0)
    np.testing.assert_allclose(AppearanceDistance(prior)(zero, other), [expected], rtol=0.05)


def test_each_test_split_has_its_own_rows(make_config, monkeypatch):
    calls = []

    def measured(model, dataset, split_name, **options):
        calls.append((split_name, options))
        return {"none": {"scenes": len(calls)}, "move": {"scenes": 10 * len(calls)}}

    monkeypatch.setattr(experiments, "disentanglement", measured)
    config = make_config("--mode=disentanglement", "--sprite_size=12", "--experiment_size=30")
    dataset = types.SimpleNamespace(test_splits=["test", "test_7"])
    assert experiments.measure("disentanglement", config, Dots(), dataset).results == {
        "none": {"scenes": 1},
        "move": {"scenes": 10},
        "none, test_7": {"scenes": 2},
        "move, test_7": {"scenes": 20},
    }
    batch_size = config.evaluation.evaluation_batch_size
    options = {"num_images": 30, "clearance": 12.0, "batch_size": batch_size}
    assert calls == [("test", options), ("test_7", options)]
