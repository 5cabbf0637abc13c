import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tests.models.model_table import COMMON, MODELS
from tf_scenes.app.build import build_model
from tf_scenes.editing import interventions
from tf_scenes.editing.edit_script import Edit
from tf_scenes.errors import UserError


class Corners:
    """Takes each lit pixel for an object, and draws it again at its location, as bright as its appearance."""

    def encode(self, images):
        slots = max(1, int((images > 0).sum(axis=(1, 2, 3)).max()))
        description = {
            "num_objects": np.zeros(len(images), np.int32),
            "presence": np.zeros((len(images), slots), np.float32),
            "locations": np.zeros((len(images), slots, 2), np.float32),
            "appearance": np.zeros((len(images), slots, 1), np.float32),
        }
        for scene, image in enumerate(images[..., 0]):
            places = np.argwhere(image > 0)
            description["num_objects"][scene] = len(places)
            description["presence"][scene, : len(places)] = 1
            description["locations"][scene, : len(places)] = places
            description["appearance"][scene, : len(places), 0] = image[tuple(places.T)]
        return description

    def decode(self, description, height, width):
        images = np.zeros((len(description["presence"]), height, width, 1), np.float32)
        for scene, slot in np.argwhere(description["presence"] > 0):
            y, x = description["locations"][scene, slot].astype(int)
            images[scene, y, x] = description["appearance"][scene, slot]
        return images

    def sample_appearances(self, count):
        raise AssertionError("nothing here samples")


def _dots(*scenes):
    images = np.zeros((len(scenes), 6, 8, 1), np.float32)
    for image, dots in zip(images, scenes):
        for y, x, value in dots:
            image[y, x] = value
    return images


def test_pictures_show_the_reconstruction_and_then_each_edit():
    images = _dots([(1, 1, 0.5), (4, 6, 1.0)], [(0, 2, 0.2), (3, 3, 0.7), (5, 5, 0.9)])
    edits = [Edit("move 0 1 2", "move", (0,), (1.0, 2.0)), Edit("copy 1 0", "copy", (1, 0), ())]
    inferred, after, pictures = interventions.edit_images(Corners(), images, edits)
    np.testing.assert_array_equal(pictures[0], images)
    moved = _dots([(2, 3, 0.5), (4, 6, 1.0)], [(1, 4, 0.2), (3, 3, 0.7), (5, 5, 0.9)])
    np.testing.assert_array_equal(pictures[1], moved)
    twins = _dots([(2, 3, 0.5), (4, 6, 0.5)], [(1, 4, 0.2), (3, 3, 0.2), (5, 5, 0.9)])
    np.testing.assert_array_equal(pictures[2], twins)
    np.testing.assert_array_equal(after[-1]["locations"][:, 0], [[2, 3], [1, 4]])
    np.testing.assert_array_equal(inferred["num_objects"], [2, 3])


def test_images_with_enough_objects_are_chosen():
    class Scenes:
        held_out = ("test", "test_7")

        def evaluation_batches(self, split_name, batch_size, limit):
            if split_name == "test_7":
                yield {"images": tf.constant(_dots([(0, 1, 1.0), (2, 2, 1.0), (3, 4, 1.0), (5, 1, 1.0)]))}
                return
            yield {"images": tf.constant(_dots([(1, 1, 1.0)], [(1, 1, 1.0), (2, 2, 1.0)], []))}
            yield {"images": tf.constant(_dots([(0, 0, 1.0), (5, 5, 1.0), (1, 5, 1.0)], [(3, 3, 1.0), (4, 4, 1.0)]))}

    edits = [Edit("swap 0 1", "swap", (0, 1), ())]
    images = interventions.images_to_edit(Scenes(), Corners(), edits, 2)
    np.testing.assert_array_equal((images > 0).sum(axis=(1, 2, 3)), [2, 3])
    with pytest.raises(UserError, match="names 8 objects, and no image of test has as many"):
        interventions.images_to_edit(Scenes(), Corners(), [Edit("remove 7", "remove", (7,), ())], 2)
    (image,) = interventions.images_to_edit(Scenes(), Corners(), edits, 2, "test_7")
    assert (image > 0).sum() == 4
    with pytest.raises(UserError, match=r"--edit_split=test_9 is no held-out split .*: they are test, test_7"):
        interventions.images_to_edit(Scenes(), Corners(), edits, 2, "test_9")


class Sizes:
    """Batches of images of different sizes, with a number of dots in each."""

    held_out = ("test",)

    def __init__(self, *batches):
        self._batches = batches

    def evaluation_batches(self, split_name, batch_size, limit):
        for height, width, dots in self._batches:
            images = np.zeros((len(dots), height, width, 1), np.float32)
            for image, number in zip(images, dots):
                image.reshape(-1)[:number] = 1.0
            yield {"images": tf.constant(images)}


@pytest.mark.parametrize(
    ("batches", "size", "dots"),
    [
        # The first size with as many as are wanted; later ones of that size come after earlier ones.
        ([(4, 5, [2]), (6, 5, [2, 1, 3]), (9, 9, [4, 5])], (6, 5), [2, 3]),
        ([(4, 5, [2, 1]), (6, 5, [2]), (4, 5, [5])], (4, 5), [2, 5]),
        # Or else the size with most.
        ([(4, 5, [1, 1, 1]), (6, 5, [0, 3])], (6, 5), [3]),
    ],
)
def test_images_to_edit_have_one_size(batches, size, dots):
    edits = [Edit("swap 0 1", "swap", (0, 1), ())]
    images = interventions.images_to_edit(Sizes(*batches), Corners(), edits, 2)
    assert images.shape[1:3] == size
    np.testing.assert_array_equal((images > 0).sum(axis=(1, 2, 3)), dots)


def test_large_images_are_inferred_one_at_a_time():
    shapes = []

    class Watched(Corners):
        def encode(self, images):
            shapes.append(images.shape[:3])
            return super().encode(images)

    images = interventions.images_to_edit(
        Sizes((1_000, 800, [1, 2, 3])), Watched(), [Edit("reset", "reset", (), ())], 3
    )
    assert shapes == [(1, 1_000, 800)] * 3
    np.testing.assert_array_equal((images > 0).sum(axis=(1, 2, 3)), [1, 2, 3])


def test_a_model_that_finds_no_objects_cannot_edit():
    class Blind:
        def encode(self, images):
            return {"latents": np.zeros((len(images), 2, 2, 4))}

    edits = [Edit("reset", "reset", (), ())]
    with pytest.raises(UserError, match="needs a model that finds objects"):
        interventions.images_to_edit(Sizes((4, 5, [2])), Blind(), edits, 2)
    with pytest.raises(UserError, match="needs a model that finds objects"):
        interventions.edit_images(Blind(), np.zeros((1, 4, 5, 1), np.float32), edits)


@pytest.mark.parametrize("name", ["lavae", "air"])
def test_appearances_are_drawn_from_the_prior_each_time_anew(name, make_config):
    model = build_model(make_config(*COMMON, *MODELS[name]), (24, 24, 1))
    codec = interventions.TrainedCodec(model, (24, 24, 1))
    drawn, others = codec.sample_appearances(500), codec.sample_appearances(500)
    appearance = drawn["appearance"]
    assert appearance.shape == (500, 4) and not set(drawn) & {"num_objects", "presence", "locations"}
    assert stats.kstest(appearance.ravel(), "norm").pvalue > 1e-3
    assert not np.array_equal(appearance, others["appearance"])
