import numpy as np
import pytest
import tensorflow as tf

from tf_scenes import descriptions
from tf_scenes.descriptions import Field, Role

OF_OBJECTS = {
    "presence": np.float32([[1, 0, 1], [0, 0, 0]]),
    "locations": np.ones((2, 3, 2), np.float32),
    "sizes": np.ones((2, 3, 2), np.float32),
    "appearance": np.ones((2, 3, 4), np.float32),
    "category": np.ones((2, 3), np.int32),
    "angles": np.ones((2, 3), np.float32),
    "deformations": np.ones((2, 3, 4), np.float32),
    "attributes": np.ones((2, 3, 1), np.float32),
    "boxes": np.ones((2, 3, 4), np.float32),
    "where": np.ones((2, 3, 2, 3), np.float32),
}
DESCRIPTION = {"num_objects": np.int32([2, 0]), **OF_OBJECTS, "masks": np.zeros((2, 8, 9), np.int32)}


@pytest.fixture
def fields(monkeypatch):
    """What a test declares is known to no other test."""
    monkeypatch.setattr(descriptions, "_FIELDS", dict(descriptions._FIELDS))


def test_every_field_has_a_role():
    by_role = {role: set(descriptions.of_role(DESCRIPTION, role)) for role in Role}
    assert by_role == {
        Role.PRESENCE: {"presence"},
        Role.PLACE: {"locations"},
        Role.APPEARANCE: {"sizes", "appearance", "category", "angles", "deformations", "attributes"},
        Role.DERIVED: {"num_objects", "boxes", "where", "masks"},
        Role.SCENE: set(),
    }
    assert set(descriptions.of_role({"latents": np.zeros((1, 2, 2, 3))}, Role.SCENE)) == {"latents"}


def test_decoders_take_all_that_follows_from_nothing_else():
    assert set(descriptions.decoded(DESCRIPTION)) == set(DESCRIPTION) - {"num_objects", "boxes", "where", "masks"}
    assert set(descriptions.decoded({"latents": np.zeros((1, 2, 2, 3))})) == {"latents"}


def test_what_has_a_value_for_each_object():
    assert descriptions.by_object(DESCRIPTION).keys() == OF_OBJECTS.keys()
    assert descriptions.by_object({"latents": np.zeros((1, 2, 2, 3))}) == {}
    assert descriptions.has_objects(DESCRIPTION) and not descriptions.has_objects({"latents": np.zeros((1, 2, 2, 3))})
    np.testing.assert_array_equal(descriptions.is_present(DESCRIPTION), [[True, False, True], [False] * 3])


def test_only_angles_are_circular_and_only_categories_without_an_order():
    assert [name for name in DESCRIPTION if descriptions.field(name).circular] == ["angles"]
    assert [name for name in DESCRIPTION if descriptions.field(name).categorical] == ["category"]


def test_what_changes_with_the_scale_of_an_image():
    assert [name for name in DESCRIPTION if descriptions.field(name).in_pixels] == ["locations", "sizes"]


def test_a_new_field_is_known_by_its_name(fields):
    assert descriptions.declare(Field("colors", Role.APPEARANCE)) == "colors"
    scene = {"colors": np.zeros((1, 2, 3)), "locations": np.zeros((1, 2, 2))}
    assert set(descriptions.of_role(scene, Role.APPEARANCE)) == {"colors"}


def test_a_field_may_be_declared_again_but_not_as_another(fields):
    again = Field("angles", Role.APPEARANCE, circular=True)
    assert descriptions.declare(again) == "angles"
    for other in (Field("angles", Role.PLACE, circular=True), Field("angles", Role.APPEARANCE)):
        with pytest.raises(ValueError, match="'angles'"):
            descriptions.declare(other)
    assert descriptions.field("angles") == again


def test_an_unknown_field_is_named():
    for function in (descriptions.by_object, descriptions.decoded):
        with pytest.raises(KeyError, match="'colour'"):
            function({"colour": np.zeros((1, 2))})


def test_describing_puts_0_where_nothing_is_present():
    random = np.random.RandomState(0)
    presence = random.randint(0, 2, (50, 4)).astype(np.float32)
    values = {
        "locations": random.normal(size=(50, 4, 2)).astype(np.float32),
        "category": random.randint(1, 9, (50, 4)).astype(np.int32),
        "angles": random.normal(size=(50, 4)).astype(np.float32),
        "where": random.normal(size=(50, 4, 2, 3)).astype(np.float32),
    }
    described = descriptions.describe(tf.constant(presence), {name: tf.constant(each) for name, each in values.items()})
    arrays = descriptions.as_arrays(described)
    assert set(arrays) == {"num_objects", "presence", *values}
    np.testing.assert_array_equal(arrays["presence"], presence)
    np.testing.assert_array_equal(arrays["num_objects"], (presence == 1).sum(axis=1))
    assert arrays["num_objects"].dtype == np.int32
    for name, each in values.items():
        expected = each.copy()
        for scene, slot in np.argwhere(presence == 0):
            expected[scene, slot] = 0
        np.testing.assert_array_equal(arrays[name], expected)
        assert arrays[name].dtype == each.dtype
