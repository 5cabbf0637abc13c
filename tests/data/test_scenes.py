import hashlib
import itertools
import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage, stats

from tf_scenes.data import sprites
from tf_scenes.data.scenes import SceneGenerator, Split
from tf_scenes.errors import UserError

TRAIN = Split("train", 10_000, 0, 3, held_out=False)
TEST = Split("test", 10_000, 0, 3, held_out=True)
TEST_7 = Split("test_7", 10_000, 7, 7, held_out=True)


@pytest.fixture(scope="module")
def shapes():
    return SceneGenerator(sprites.shapes(18), 64, 64, seed=3)


def test_a_scene_depends_on_its_index_alone(shapes):
    forward = [shapes.scene(TRAIN, i) for i in range(20)]
    backward = [shapes.scene(TRAIN, i) for i in reversed(range(20))][::-1]
    for one, other in zip(forward, backward):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.centers, other.centers)


def test_another_process_draws_the_same_scenes(shapes):
    program = (
        "import hashlib\n"
        "from tf_scenes.data import sprites, scenes\n"
        "generator = scenes.SceneGenerator(sprites.shapes(18), 64, 64, seed=3)\n"
        "split = scenes.Split('train', 10_000, 0, 3, held_out=False)\n"
        "print(hashlib.sha256(b''.join(generator.scene(split, i).image.tobytes() for i in range(30))).hexdigest())"
    )
    there = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    here = hashlib.sha256(b"".join(shapes.scene(TRAIN, i).image.tobytes() for i in range(30))).hexdigest()
    assert there == here


def test_seed_split_and_index_all_matter(shapes):
    other_seed = SceneGenerator(shapes.bank, 64, 64, seed=4)
    images = [
        shapes.scene(TEST_7, 0).image,
        shapes.scene(TEST_7, 1).image,
        other_seed.scene(TEST_7, 0).image,
        shapes.scene(Split("other", 10, 7, 7, held_out=True), 0).image,
    ]
    for one, other in itertools.combinations(images, 2):
        assert (one != other).any()


@pytest.mark.parametrize("split", [TRAIN, TEST, TEST_7], ids=lambda split: split.name)
def test_objects_are_whole_apart_and_described_truly(shapes, split):
    for index in range(60):
        scene = shapes.scene(split, index)
        assert split.min_objects <= scene.count <= split.max_objects
        drawn = np.zeros_like(scene.image)
        covered = np.zeros((64, 64), int)
        for i in range(scene.count):
            ymin, xmin, ymax, xmax = scene.boxes[i]
            sprite = shapes.bank.sprites[scene.sprites[i]]
            lit = np.argwhere(sprite.any(axis=-1))
            (top, left), (bottom, right) = lit.min(axis=0), lit.max(axis=0) + 1
            assert (ymax - ymin, xmax - xmin) == (bottom - top, right - left)
            drawn[ymin:ymax, xmin:xmax] += sprite[top:bottom, left:right]
            covered[ymin:ymax, xmin:xmax] += 1
            np.testing.assert_array_equal(scene.centers[i], [(ymin + ymax - 1) / 2, (xmin + xmax - 1) / 2])
            assert scene.labels[i] == shapes.bank.labels[scene.sprites[i]]
            np.testing.assert_array_equal(sprite.max(axis=(0, 1)) // 255, scene.attributes["color"][i])
        assert all(len(values) == scene.count for values in scene.attributes.values())
        np.testing.assert_array_equal(scene.image, drawn)
        assert covered.max(initial=0) <= 1
        assert (scene.labels[scene.count :] == -1).all()


@pytest.mark.parametrize("split", [TEST, TEST_7], ids=lambda split: split.name)
def test_masks_say_which_object_lights_each_pixel(shapes, split):
    for index in range(40):
        scene = shapes.scene(split, index)
        mask = shapes.mask(scene)
        assert mask.dtype == np.int32
        np.testing.assert_array_equal(mask > 0, scene.image.any(axis=-1))
        boxes = ndimage.find_objects(mask, max_label=split.max_objects)
        assert [box is not None for box in boxes] == [i < scene.count for i in range(split.max_objects)]
        for i, (rows, columns) in enumerate(boxes[: scene.count]):
            np.testing.assert_array_equal(scene.boxes[i], [rows.start, columns.start, rows.stop, columns.stop])


def _drawn_alone(generator, scene):
    """Each object of a scene on a canvas of its own, int `[objects, height, width]`."""
    canvases = np.zeros((scene.count, generator.height, generator.width), int)
    for canvas, sprite, (ymin, xmin, ymax, xmax) in zip(canvases, scene.sprites, scene.boxes):
        lit = np.argwhere(generator.bank.sprites[sprite].any(axis=-1))
        (top, left), (bottom, right) = lit.min(axis=0), lit.max(axis=0) + 1
        canvas[ymin:ymax, xmin:xmax] = generator.bank.sprites[sprite, top:bottom, left:right, 0]
    return canvases


def _closeness(generator):
    """Of 60 scenes of five objects: brightest sum, smallest gap, largest share that two have in common, boxes overlap.

    The gap is in dark pixels, -1 if objects have pixels in common; the share is of the smaller one's lit pixels.
    """
    brightest, gap, shared, boxes_overlap = 0, 99, 0.0, False
    for index in range(60):
        scene = generator.scene(Split("test", 100, 5, 5, held_out=True), index)
        alone = _drawn_alone(generator, scene)
        np.testing.assert_array_equal(scene.image[..., 0], np.minimum(alone.sum(axis=0), 255))
        brightest = max(brightest, alone.sum(axis=0).max())
        for one, other in itertools.combinations(alone > 0, 2):
            distance = ndimage.distance_transform_cdt(~one, metric="chessboard")[other].min()
            gap, shared = min(gap, distance - 1), max(shared, (one & other).sum() / min(one.sum(), other.sum()))
        covered = np.zeros((generator.height, generator.width), int)
        for ymin, xmin, ymax, xmax in scene.boxes:
            covered[ymin:ymax, xmin:xmax] += 1
        boxes_overlap |= covered.max() > 1
    return brightest, gap, shared, boxes_overlap


def test_spacing_says_how_close_objects_may_be():
    bank = sprites.grey_shapes(24)
    measured = {
        spacing: _closeness(SceneGenerator(bank, 64, 64, seed=1, spacing=spacing))
        for spacing in ("frames", "pixels", "sums", "overlap")
    }
    brightest, gap, shared, boxes_overlap = measured["frames"]
    assert (brightest, shared, boxes_overlap) == (255, 0.0, False)
    brightest, gap, shared, boxes_overlap = measured["pixels"]
    assert (brightest, gap, shared, boxes_overlap) == (255, 1, 0.0, True)
    brightest, gap, shared, boxes_overlap = measured["sums"]
    assert (brightest, gap) == (255, -1) and 0.0 < shared < 0.1  # Soft edges meet.
    brightest, gap, shared, boxes_overlap = measured["overlap"]
    assert brightest > 255 and 0.1 < shared <= 0.25


def test_the_mask_of_a_grey_sprite_is_what_is_above_half_its_peak():
    """Its light begins in the second row, is in one channel or another, and at one edge less than half as bright."""
    sprite = np.zeros((1, 4, 4, 3), np.uint8)
    sprite[0, 1, 1:3, 0] = 100
    sprite[0, 2, 3, 2] = 51
    sprite[0, 3, 3, 2] = 50
    bank = sprites.SpriteBank(sprite, np.array([4], np.int32), np.zeros(1, np.int32), ("hook",))
    generator = SceneGenerator(bank, 4, 4, seed=0)
    scene = generator._with_ground_truth(sprite[0], np.array([0]), np.array([[0, 0]]), max_objects=2)
    np.testing.assert_array_equal(generator.mask(scene), [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]])


def test_objects_of_well_filled_frames_are_the_connected_components(squares):
    generator = SceneGenerator(squares, 40, 40, seed=0)
    for index in range(40):
        scene = generator.scene(TEST, index)
        _, found = ndimage.label(scene.image[..., 0], structure=np.ones((3, 3)))
        assert found <= scene.count  # Frames may touch, never overlap.


def test_counts_are_uniform(shapes):
    counts = np.bincount([shapes.scene(TRAIN, i).count for i in range(2_000)], minlength=4)
    assert stats.chisquare(counts).pvalue > 0.001


def test_positions_are_uniform():
    sprite = np.full((1, 2, 2, 1), 255, np.uint8)
    bank = sprites.SpriteBank(sprite, np.array([2], np.int32), np.zeros(1, np.int32), ("dot",))
    generator = SceneGenerator(bank, 6, 6, seed=0)
    one = Split("train", 10_000, 1, 1, held_out=False), Split("test", 10_000, 1, 1, held_out=True)
    # A single object has 25 places, some for training and the others held out, all equally likely within theirs.
    for split in one:
        places, counts = np.unique(
            [generator.scene(split, i).centers[0] for i in range(2_000)], axis=0, return_counts=True
        )
        assert 3 <= len(places) <= 22
        assert stats.chisquare(counts).pvalue > 0.001


def test_training_and_test_images_never_coincide(squares):
    # On so small a canvas independent draws would coincide all the time.
    generator = SceneGenerator(squares, 9, 9, seed=0)
    small = [Split(name, 10_000, 0, 1, held_out) for name, held_out in (("train", False), ("test", True))]
    train, test = ({generator.scene(split, i).image.tobytes() for i in range(1_500)} for split in small)
    empty = np.zeros((9, 9, 1), np.uint8).tobytes()
    assert len(train) > 5
    assert len(test) > 5
    assert train & test == {empty}


def test_too_many_objects_for_the_canvas_are_refused(squares):
    generator = SceneGenerator(squares, 12, 12, seed=0)
    with pytest.raises(UserError, match=r"30 objects .* do not fit .* 12 x 12"):
        generator.scene(Split("train", 10, 30, 30, held_out=False), 0)


def test_a_sprite_larger_than_the_canvas_is_refused(squares):
    with pytest.raises(UserError, match=r"6 pixels do not fit .* 5 x 20"):
        SceneGenerator(squares, 5, 20, seed=0)
