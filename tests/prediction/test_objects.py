import numpy as np
import pytest
from scipy import ndimage
from skimage.draw import disk

from tf_scenes.prediction.objects import picture_objects


def _description(masks, slots=6):
    """A description in which what is said about slot i is i or follows from it."""
    number = np.arange(slots, dtype=np.float32)
    return {
        "presence": (number > 0)[None].astype(np.float32),
        "locations": np.stack([2 * number, 3 * number], axis=-1)[None],
        "sizes": np.stack([number, 10 * number], axis=-1)[None],
        "appearance": np.stack([number, -number, number**2], axis=-1)[None],
        "angles": number[None] / 10,
        "category": number[None].astype(np.int32) % 2,
        "boxes": np.zeros((1, slots, 4), np.float32),
        "where": np.zeros((1, slots, 2, 3), np.float32),
        "latents": np.zeros((1, 2, 2, 3), np.float32),
        "num_objects": np.int32([slots - 1]),
        "masks": masks[None],
    }


def _discs(size, places):
    masks = np.zeros(size, np.int32)
    for slot, (y, x, radius) in places.items():
        masks[disk((y, x), radius, shape=size)] = slot + 1
    return masks


DISCS = {1: (8, 10, 5.0), 4: (20, 25, 7.5), 2: (8, 16, 4.0), 5: (29, 2, 4.0)}


def test_objects_are_measured_on_their_masks():
    masks = _discs((30, 40), DISCS)
    objects = picture_objects(_description(masks), 30, 40)
    assert len(objects) == 4 and not objects.labels.max() > 4
    for number, slot in enumerate((1, 2, 4, 5), start=1):
        own = masks == slot + 1
        np.testing.assert_array_equal(objects.labels == number, own)
        assert objects.areas[number - 1] == own.sum()
        np.testing.assert_allclose(objects.centroids[number - 1], ndimage.center_of_mass(own))
        rows, columns = np.flatnonzero(own.any(1)), np.flatnonzero(own.any(0))
        assert objects.boxes[number - 1].tolist() == [rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]


def test_what_the_model_says_is_that_of_the_object_s_slot():
    objects = picture_objects(_description(_discs((30, 40), DISCS)), 30, 40)
    slots = np.array([1, 2, 4, 5])
    expected = {
        "locations_y": 2 * slots,
        "locations_x": 3 * slots,
        "angles": slots / 10,
        "category": slots % 2,
        "sizes_y": slots,
        "sizes_x": 10 * slots,
        "appearance_0": slots,
        "appearance_1": -slots,
        "appearance_2": slots**2,
    }
    assert list(objects.fields) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(objects.fields[name], values, rtol=1e-6, err_msg=name)
    assert objects.has_categories
    np.testing.assert_array_equal(objects.categories, slots % 2)


def test_columns_do_not_depend_on_the_order_of_fields():
    description = _description(_discs((30, 40), DISCS))
    turned = dict(reversed(description.items()))
    assert list(picture_objects(description, 30, 40).fields) == list(picture_objects(turned, 30, 40).fields)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_a_resized_picture_s_objects_are_in_its_own_pixels(scale):
    small = {slot: tuple(scale * np.array(place)) for slot, place in DISCS.items()}
    size = (int(30 * scale), int(40 * scale))
    objects = picture_objects(_description(_discs(size, small)), 30, 40)
    expected = picture_objects(_description(_discs((30, 40), DISCS)), 30, 40)
    assert objects.labels.shape == (30, 40) and len(objects) == 4
    for number in range(1, 5):
        mask, other = objects.labels == number, expected.labels == number
        assert (mask & other).sum() / (mask | other).sum() > 0.7
    np.testing.assert_allclose(objects.centroids, expected.centroids, atol=0.8)
    np.testing.assert_allclose(objects.boxes, expected.boxes, atol=2)
    np.testing.assert_allclose(objects.fields["sizes_x"], 10 * np.array([1, 2, 4, 5]) / scale)
    # The middle of the first pixel is at 0, its edge at -1/2.
    np.testing.assert_allclose(objects.fields["locations_y"], (2 * np.array([1, 2, 4, 5]) + 0.5) / scale - 0.5)


def test_an_object_without_pixels_is_left_out_and_an_empty_picture_has_none():
    objects = picture_objects(_description(_discs((30, 40), {1: DISCS[1], 3: DISCS[4]})), 30, 40)
    assert len(objects) == 2 and objects.labels.max() == 2
    np.testing.assert_allclose(objects.fields["angles"], [0.1, 0.3])
    empty = picture_objects(_description(np.zeros((30, 40), np.int32)), 30, 40)
    assert len(empty) == 0 and not empty.labels.any()
    assert empty.boxes.shape == (0, 4) and empty.centroids.shape == (0, 2)
    assert list(empty.fields) == list(objects.fields) and empty.fields["angles"].shape == (0,)


def test_whether_there_was_room_for_another_object():
    description = _description(np.zeros((8, 8), np.int32))
    assert picture_objects(description, 8, 8).slots_left
    description["presence"][:] = 1
    assert not picture_objects(description, 8, 8).slots_left
