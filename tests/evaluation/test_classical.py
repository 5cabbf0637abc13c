import glob
import os

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.conftest import ROOT
from tf_scenes.data.datasets import Dataset
from tf_scenes.data.scenes import Split
from tf_scenes.evaluation.classical import evaluate_classical, otsu_watershed


def _read(path):
    return np.asarray(Image.open(path))


class Nuclei(Dataset):
    """The nuclei in batches of one; inverted ones are dark on a bright ground. Of `unlabelled` there are no masks."""

    splits = {name: Split(name, 0, 0, 0, held_out=True) for name in ("validation", "test", "unlabelled")}  # noqa: RUF012

    def __init__(self, inverted=False):
        self.inverted = inverted

    def examples(self, split, indices):
        raise NotImplementedError

    def evaluation_batches(self, split_name, batch_size, limit=None):
        masked = split_name != "unlabelled"

        def batches():
            for path in sorted(glob.glob(os.path.join(ROOT, "data", "nuclei", split_name, "images", "*.png"))):
                image = _read(path)[None, ..., None] / np.float32(255)
                truth = {"masks": _read(path.replace("images", "masks"))[None]} if masked else {}
                yield {"images": 1 - image if self.inverted else image, **truth}

        signature = {"images": tf.TensorSpec([None, None, None, 1], tf.float32)}
        if masked:
            signature["masks"] = tf.TensorSpec([None, None, None], tf.int32)
        return tf.data.Dataset.from_generator(batches, output_signature=signature)


@pytest.mark.parametrize("inverted", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_nuclei_are_segmented_as_their_readme_says(inverted):
    measured = evaluate_classical(Nuclei(inverted), ["validation", "test", "unlabelled"], batch_size=1)
    rows = {
        split: [measures["images"], *(round(measures[name], 3) for name in ("ap_50", "ap_70", "f1", "count_error"))]
        for split, measures in measured.items()
    }
    assert rows == {"validation": [40, 0.664, 0.395, 0.798, 4.95], "test": [50, 0.727, 0.53, 0.842, 2.68]}


def test_scenes_of_sprites_are_not_segmented_classically(small_scenes):
    assert evaluate_classical(small_scenes, ["test"], batch_size=16) == {}


def _discs(*centers, radius=7):
    rows, columns = np.indices((40, 60))
    return [(rows - y) ** 2 + (columns - x) ** 2 <= radius**2 for y, x in centers]


@pytest.mark.parametrize(("ground", "light"), [(0.1, 0.4), (0.9, 0.7)])
def test_touching_discs_are_parted_and_specks_dropped(ground, light):
    discs = _discs((12, 12), (12, 25), (28, 48))
    image = np.where(np.any(discs, axis=0), light, ground)[..., None].repeat(3, axis=-1)
    image[35:38, 5:8] = light
    found = otsu_watershed(image)
    assert found.dtype == np.int32
    assert set(np.unique(found)) == {0, 1, 2, 3}
    overlaps = [max(np.sum(disc & (found == i)) / np.sum(disc | (found == i)) for i in (1, 2, 3)) for disc in discs]
    assert min(overlaps) > 0.85
    assert not found[33:, :12].any()


def test_channels_of_a_colour_image_are_averaged():
    (disc,) = _discs((20, 30))
    image = np.zeros((40, 60, 3))
    image[disc, 2] = 1.0
    np.testing.assert_array_equal(otsu_watershed(image), otsu_watershed(image.mean(axis=-1, keepdims=True)))
    assert otsu_watershed(image).max() == 1


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_an_image_of_one_brightness_has_no_objects(level):
    assert not otsu_watershed(np.full((20, 24, 1), level)).any()
