import numpy as np
import pytest

from tf_scenes.descriptions import Field, Role, declare
from tf_scenes.editing import edits


@pytest.fixture
def scenes():
    """Two scenes of 2 and 3 objects in 4 slots."""
    random = np.random.RandomState(0)
    counts = np.array([2, 3], np.int32)
    presence = (np.arange(4) < counts[:, None]).astype(np.float32)
    description = {
        "num_objects": counts,
        "presence": presence,
        "locations": random.uniform(0, 60, (2, 4, 2)).astype(np.float32) * presence[..., None],
        "sizes": random.uniform(5, 20, (2, 4, 2)).astype(np.float32) * presence[..., None],
        "angles": random.uniform(-3, 3, (2, 4)).astype(np.float32) * presence,
        "category": random.randint(0, 3, (2, 4)).astype(np.int32) * presence.astype(np.int32),
    }
    yield description
    # No function touches what it is given.
    again = np.random.RandomState(0).uniform(0, 60, (2, 4, 2)).astype(np.float32) * presence[..., None]
    np.testing.assert_array_equal(description["locations"], again)
    np.testing.assert_array_equal(description["presence"], presence)


def _differing(before, after):
    """Names and (scene, slot) of all that differs; slots that were added differ."""
    changed = {}
    for name in before:
        old, new = before[name], after[name]
        if name == "num_objects":
            continue
        slots = max(old.shape[1], new.shape[1])
        cells = [
            (scene, slot)
            for scene in range(2)
            for slot in range(slots)
            if slot >= old.shape[1] or not np.array_equal(old[scene, slot], new[scene, slot])
        ]
        if cells:
            changed[name] = cells
    return changed


def test_swapping_exchanges_two_places_and_nothing_else(scenes):
    edited = edits.swap(scenes, 0, np.array([1, 2]))
    assert _differing(scenes, edited) == {"locations": [(0, 0), (0, 1), (1, 0), (1, 2)]}
    np.testing.assert_array_equal(edited["locations"][0, :2], scenes["locations"][0, 1::-1])
    np.testing.assert_array_equal(edited["locations"][1, [0, 2]], scenes["locations"][1, [2, 0]])


def test_every_field_of_the_place_is_exchanged_and_0_where_an_added_object_has_none(scenes):
    declare(Field("test_depth", Role.PLACE))
    deep = {**scenes, "test_depth": np.float32([[1, 2, 0, 0], [3, 4, 5, 0]])}
    np.testing.assert_array_equal(edits.swap(deep, 0, 1)["test_depth"], [[2, 1, 0, 0], [4, 3, 5, 0]])
    added = edits.add(deep, np.zeros(2), edits.appearance_of(deep, 0))
    np.testing.assert_array_equal(added["test_depth"], [[1, 2, 0, 0, 0], [3, 4, 5, 0, 0]])


def test_moving_adds_to_one_location(scenes):
    edited = edits.move(scenes, 1, np.array([-3.0, 7.0]))
    assert _differing(scenes, edited) == {"locations": [(0, 1), (1, 1)]}
    np.testing.assert_allclose(edited["locations"][:, 1] - scenes["locations"][:, 1], [[-3, 7]] * 2, atol=1e-5)


def test_restyling_takes_over_all_of_an_appearance_and_leaves_the_place(scenes):
    edited = edits.restyle(scenes, 0, edits.appearance_of(scenes, np.array([1, 2])))
    assert set(_differing(scenes, edited)) <= {"sizes", "angles", "category"}
    for name in ("sizes", "angles", "category"):
        np.testing.assert_array_equal(edited[name][:, 0], scenes[name][[0, 1], [1, 2]])
        np.testing.assert_array_equal(edited[name][:, 1:], scenes[name][:, 1:])


def test_blending_goes_from_one_appearance_to_the_other():
    first = {"appearance": np.array([[0.0, 4.0]]), "angles": np.array([3.0]), "category": np.array([0])}
    second = {"appearance": np.array([[2.0, 0.0]]), "angles": np.array([-3.0]), "category": np.array([2])}
    for weight, expected in ((0.0, first), (1.0, second)):
        blended = edits.blend(first, second, weight)
        np.testing.assert_allclose(blended["appearance"], expected["appearance"])
        np.testing.assert_array_equal(blended["category"], expected["category"])
        np.testing.assert_allclose(np.exp(1j * blended["angles"]), np.exp(1j * expected["angles"]))
    middle = edits.blend(first, second, 0.5)
    np.testing.assert_allclose(middle["appearance"], [[1.0, 2.0]])
    np.testing.assert_allclose(np.exp(1j * middle["angles"]), [-1.0], atol=1e-6)  # Over pi, not over 0.


def test_removing_empties_a_slot(scenes):
    edited = edits.remove(scenes, np.array([1, 3]))  # The second scene has nothing in slot 3.
    np.testing.assert_array_equal(edited["num_objects"], [1, 3])
    assert all(cells == [(0, 1)] for cells in _differing(scenes, edited).values())
    assert all((edited[name][0, 1] == 0).all() for name in edited.keys() - {"num_objects"})


def test_adding_takes_a_new_slot(scenes):
    edited = edits.add(scenes, np.array([10.0, 20.0]), edits.appearance_of(scenes, 0))
    np.testing.assert_array_equal(edited["num_objects"], [3, 4])
    assert all(cells == [(0, 4), (1, 4)] for cells in _differing(scenes, edited).values())
    np.testing.assert_array_equal(edited["presence"][:, 4], 1.0)
    np.testing.assert_array_equal(edited["locations"][:, 4], [[10.0, 20.0]] * 2)
    np.testing.assert_array_equal(edited["sizes"][:, 4], scenes["sizes"][:, 0])
    assert {name: values.dtype for name, values in edited.items()} == {n: v.dtype for n, v in scenes.items()}
