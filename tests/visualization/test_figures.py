import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from tests.models.discrete_air.flat_sprites import build_flat_model
from tf_scenes.data.image_dataset import ImageDataset
from tf_scenes.data.image_splits import ImageSplit, ImageSplits
from tf_scenes.editing.edit_script import Edit
from tf_scenes.visualization import figures


@pytest.fixture
def model(make_config):
    return build_flat_model(make_config)


@pytest.fixture
def titles(monkeypatch):
    """Images and titles of the grids that are drawn."""
    drawn = []
    monkeypatch.setattr(figures.plots, "image_grid", lambda *args, **kwargs: drawn.append((*args, kwargs)))
    return drawn


def test_the_attribute_sheet_has_a_row_for_each_value_and_a_column_for_each_category(model, titles):
    figures.attribute_sheet(model, 16, values=(-2.0, 0.0, 1.0))
    images, names, options = titles[0]
    assert options == {"columns": 3}
    assert names[:4] == ["0: -2", "1: -2", "2: -2", "0: +0"]
    levels = images[:, 8, 8, 0].reshape(3, 3)
    np.testing.assert_allclose(levels, [[0.1, 0.3, 0.5], [0.2, 0.4, 0.6], [0.25, 0.45, 0.65]], atol=1e-5)


def test_the_description_sheet_says_each_object_s_code_in_words(model, small_scenes):
    model.encode = lambda images, max_objects=None: {
        "num_objects": tf.fill([len(images)], 1),
        "presence": tf.ones([len(images), 1]),
        "locations": tf.fill([len(images), 1, 2], 7.5),
        "sizes": tf.fill([len(images), 1, 2], 12.0),
        "category": tf.fill([len(images), 1], 2),
        "angles": tf.fill([len(images), 1], np.pi / 2),
        "attributes": tf.fill([len(images), 1, 1], -0.25),
    }
    sheet = figures.description_sheet(model, small_scenes, "test", num_images=2)
    words = [text.get_text() for text in sheet.axes[0].texts]
    code = "category 2\nx   7.5  y   7.5\nsize 12.0 x 12.0\nangle 90 deg\nattribute -0.25"
    assert words.count(code) == 2 and words.count("n = 1") == 2
    assert len(sheet.axes[0].patches) == 2
    left, right, bottom, top = sheet.axes[0].images[0].get_extent()  # Of the first input.
    corners = (sheet.axes[0].patches[0].get_xy()[:4] - [left, top]) / [right - left, bottom - top]
    side = small_scenes.image_shape[0]
    np.testing.assert_allclose(np.ptp(corners, axis=0), 12.0 / side, atol=1e-3)
    np.testing.assert_allclose(corners.mean(axis=0), (7.5 + 0.5) / side, atol=1e-3)


def test_the_edit_sheet_has_numbered_objects_and_a_row_for_each_edit():
    counts = np.array([2, 3])
    inferred = {"locations": np.full((2, 3, 2), 2.0), "presence": (np.arange(3) < counts[:, None]).astype(np.float32)}
    edits = [
        Edit("move 0 1 2", "move", (0,), (1.0, 2.0)),
        Edit("reset", "reset", (), ()),
        Edit("copy 1 0", "copy", (1, 0), ()),
    ]
    sheet = figures.edit_sheet(np.zeros((2, 6, 8, 1)), inferred, edits, np.zeros((4, 2, 6, 8, 1)))
    texts = [text.get_text() for text in sheet.axes[0].texts]
    assert sorted(texts) == sorted(["0", "1", "0", "1", "2", "input", "reconstruction", "move 0 1 2", "copy 1 0"])
    assert len(sheet.axes[0].images) == 2 * 4


SLOTS = 30


class BrightParts:
    """Takes for an object what hangs together and is brighter than halfway between darkest and brightest."""

    finds_objects = True
    largest_batch = 0

    def encode(self, images, max_objects=None):
        self.largest_batch = max(self.largest_batch, int(np.prod(images.shape)))
        counts = [masks.max() for masks in self._labels(images)]
        presence = (np.arange(SLOTS) < np.array(counts)[:, None]).astype(np.float32)
        return {"num_objects": tf.constant(counts), "presence": tf.constant(presence)}

    def decode(self, description, height, width):
        return tf.fill([len(description["num_objects"]), height, width, 1], 0.2)

    def masks(self, images, description):
        return tf.constant(self._labels(images))

    def geometry(self, description, height, width):
        return {"boxes": tf.zeros([len(description["num_objects"]), SLOTS, 4])}

    def views(self, images, description):
        assert description["presence"].shape[1] <= 12  # No more than can be drawn.
        return {"sprites": tf.zeros([*description["presence"].shape, 5, 5, 1]), "features": images[..., 0]}

    def _labels(self, images):
        images = images.numpy()[..., 0]
        middles = (images.min(axis=(1, 2)) + images.max(axis=(1, 2))) / 2.0
        return np.stack([ndimage.label(image > middle)[0] for image, middle in zip(images, middles)])


def _photograph(height, width, *squares):
    """A grey image with squares of 6 x 6 pixels, given as their top and left, uint8, and its label image."""
    image, mask = np.full((height, width, 1), 40, np.uint8), np.zeros((height, width), np.uint8)
    for number, (top, left) in enumerate(squares, start=1):
        image[top : top + 6, left : left + 6], mask[top : top + 6, left : left + 6] = 90, number
    return image, mask


def _photographs(*pairs):
    images, masks = zip(*pairs)
    counts = np.array([mask.max() for mask in masks], np.int32)
    splits = {"train": ImageSplit(images), "test": ImageSplit(images, counts, masks)}
    return ImageDataset(ImageSplits(splits), crop_size=20)


def _lines(sheet, column):
    """Bounding boxes of the lines over the picture in a column of the first row: ymin, xmin, ymax, xmax in pixels."""
    axes = sheet.axes[0]
    pictures = [picture for picture in axes.images if picture.get_extent()[3] == 0.0]
    left, right, bottom, top = pictures[column].get_extent()
    height, width = pictures[column].get_array().shape[:2]
    (collection,) = [each for each in axes.collections if left <= each.get_paths()[0].vertices[0, 0] <= right]
    boxes = []
    for path in collection.get_paths():
        points = (path.vertices - [left, top]) / [right - left, bottom - top] * [width, height]
        boxes.append([*points.min(axis=0)[::-1], *points.max(axis=0)[::-1]])
    return sorted(boxes)


def _titles(sheet):
    return [text.get_text() for text in sheet.axes[0].texts if text.get_text().startswith("n = ")]


def test_objects_in_photographs_of_any_size_are_outlined_and_their_contrast_is_stretched():
    dataset = _photographs(
        _photograph(60, 40, (5, 10), (30, 0)), _photograph(30, 90, (24, 84)), _photograph(60, 40, (50, 20))
    )
    sheet = figures.reconstruction_sheet(BrightParts(), dataset, "test")
    assert _titles(sheet) == ["n = 2, true 2", "n = 1, true 1", "n = 1, true 1"]  # Those of one size together.
    np.testing.assert_allclose(_lines(sheet, 0), [[5, 10, 11, 16], [30, 0, 36, 6]], atol=1e-6)
    np.testing.assert_allclose(_lines(sheet, 1), [[50, 20, 56, 26]], atol=1e-6)
    np.testing.assert_allclose(_lines(sheet, 2), [[24, 84, 30, 90]], atol=1e-6)
    assert len(sheet.axes[0].patches) == 4  # The frames of the sprites below; no boxes.
    shown = sheet.axes[0].images[0].get_array()
    assert (shown.min(), shown.max()) == (0, 255)
    reconstruction = sheet.axes[0].images[1].get_array()
    np.testing.assert_array_equal(reconstruction, round(255 * (0.2 * 255 - 40) / (90 - 40)))


def test_as_many_photographs_are_shown_as_fit_in_a_row():
    small, large = ([_photograph(side, side, (5, 5))] * 12 for side in (64, 256))
    for pairs, columns in ((small, 10), (large, 5)):
        sheet = figures.reconstruction_sheet(BrightParts(), _photographs(*pairs), "test")
        assert len(_titles(sheet)) == columns
        assert sheet.get_size_inches()[0] == pytest.approx(14, abs=1.5)


def test_of_large_photographs_the_middle_is_shown_and_its_objects_are_counted():
    model = BrightParts()
    pair = _photograph(900, 1_000, (0, 0), (400, 500), (193, 243), (300, 993), (896, 500))
    sheet = figures.reconstruction_sheet(model, _photographs(pair, pair, pair), "test")
    assert sheet.axes[0].images[0].get_array().shape[:2] == (512, 512)
    # The third square lies across the corner of what is shown.
    np.testing.assert_allclose(_lines(sheet, 2), [[0, 0, 5, 5], [206, 256, 212, 262]], atol=1e-6)
    assert _titles(sheet) == ["n = 2, true 2"] * 3
    assert model.largest_batch <= 2 * 512**2


@pytest.mark.parametrize(("most", "outlined"), [(5, False), (16, True)])
def test_scenes_on_black_have_boxes_unless_there_are_many_objects(small_scenes, monkeypatch, most, outlined):
    images = np.zeros((2, 24, 24, 1), np.float32)
    for number in range(most):
        images[0, 6 * (number // 4), 6 * (number % 4)] = 1.0
    images[1, 3, 3] = 1.0
    batch = {"images": tf.constant(images), "counts": tf.constant([most, 2])}
    monkeypatch.setattr(small_scenes, "evaluation_batches", lambda split, batch_size, limit: [batch])
    sheet = figures.reconstruction_sheet(BrightParts(), small_scenes, "test", num_images=2)
    assert _titles(sheet) == [f"n = {most}, true {most}", "n = 1, true 2"]
    assert bool(sheet.axes[0].collections) == outlined
    # A box around each object, and a frame around its sprite.
    assert len(sheet.axes[0].patches) == (0 if outlined else 2 * (most + 1))


def test_the_description_sheet_shows_images_in_which_an_object_is_found(model, monkeypatch):
    dataset = _photographs(*(_photograph(24, 24, (value, 0)) for value in range(8)))
    counts = np.array([0, 1, 0, 0, 5, 2, 0, 1], np.int32)

    def encode(images, max_objects=None):
        slots = [len(images), 6]
        return {
            "num_objects": tf.constant(counts[: len(images)]),
            "presence": tf.cast(tf.range(6) < tf.constant(counts)[: len(images), None], tf.float32),
            "locations": tf.fill([*slots, 2], 7.5),
            "sizes": tf.fill([*slots, 2], 12.0),
            "category": tf.fill(slots, 2),
            "angles": tf.zeros(slots),
            "attributes": tf.zeros([*slots, 1]),
        }

    model.encode = encode
    sheet = figures.description_sheet(model, dataset, "test", num_images=3)
    assert _titles(sheet) == ["n = 1", "n = 5", "n = 2"]
    words = [text.get_text() for text in sheet.axes[0].texts]
    assert sum(text.startswith("category 2\n") for text in words) == 1 + 3 + 2 and words.count("and 2 more") == 1
    # The square of the image with five objects stands 4 pixels below the top.
    np.testing.assert_array_equal(np.flatnonzero(sheet.axes[0].images[2].get_array()[:, 0, 0]), np.arange(4, 10))
    counts[:] = 0
    assert _titles(figures.description_sheet(model, dataset, "test", num_images=3)) == ["n = 0"] * 3


def test_the_outline_sheet_shows_what_was_found_above_what_is_there():
    image, true = _photograph(40, 60, (5, 10), (20, 30))
    found = np.where(true == 2, 7, 0).astype(np.int32)  # Numbers may be left out.
    sheet = figures.outline_sheet([image / 255.0] * 2, [found, np.zeros_like(found)], [true.astype(np.int32)] * 2)
    assert _titles(sheet) == ["n = 1", "n = 2", "n = 0", "n = 2"]
    assert len(sheet.axes[0].images) == 2 * 3 and len(sheet.axes[0].collections) == 3
    assert sheet.axes[0].images[0].get_array().max() == 255
    labels = [text.get_text() for text in sheet.axes[0].texts]
    assert {"input", "found", "true"} <= set(labels)
    assert len(figures.outline_sheet([image / 255.0], [found]).axes[0].images) == 2


class TwoTones(BrightParts):
    """A square as large as the object, whose brightness is the sum of its two latents; the second differs most."""

    def encode(self, images, max_objects=None):
        scene = super().encode(images)
        shape = [*scene["presence"].shape, 3]
        self.appearance = np.random.default_rng(0).normal(0.0, [0.02, 0.2, 0.0], shape).astype(np.float32)
        return {**scene, "locations": tf.zeros([*shape[:2], 2]), "appearance": tf.constant(self.appearance)}

    def geometry(self, description, height, width):
        return {"boxes": tf.tile([[[0.0, 0.0, 0.5, 0.25]]], [*description["presence"].shape, 1])}

    def sample_description(self, num_scenes, height, width, seed, max_objects, from_prior=False):
        return {
            "num_objects": tf.ones([num_scenes], tf.int32),
            "presence": tf.zeros([num_scenes, 1]),
            "locations": tf.zeros([num_scenes, 1, 2]),
            "appearance": tf.fill([num_scenes, 1, 3], 9.0),
        }

    def decode(self, description, height, width):
        np.testing.assert_array_equal(description["locations"][:, 0], [[(height - 1) / 2, (width - 1) / 2]] * 12)
        np.testing.assert_array_equal(description["presence"], 1.0)
        tones = tf.reduce_sum(description["appearance"][:, 0], axis=-1)
        return tones[:, None, None, None] * tf.ones([1, height, width, 1])


def test_the_traversal_sheet_varies_one_latent_of_two_objects_at_a_time(titles):
    model = TwoTones()
    empty = np.full((24, 24, 1), 40, np.uint8), np.zeros((24, 24), np.uint8)
    dataset = _photographs(_photograph(24, 24, (2, 2)), _photograph(24, 24, (2, 2), (12, 12)), empty)
    figures.traversal_sheet(model, dataset, "test", num_latents=2, values=(-2.0, 0.0, 1.0))
    images, names, options = titles[0]
    assert options == {"columns": 6}
    assert names[:6] == ["z1 = -2", "z1 = +0", "z1 = +1"] * 2 and names[6:] == ["z0 = -2", "z0 = +0", "z0 = +1"] * 2
    assert images.shape[1:] == (20, 20, 1)  # Objects are 12 pixels high.
    first, second = model.appearance[0, 0], model.appearance[1, 0]
    expected = [
        [each[0] + each[2] + value if latent == 1 else each[1] + each[2] + value for value in (-2.0, 0.0, 1.0)]
        for latent in (1, 0)
        for each in (first, second)
    ]
    np.testing.assert_allclose(images[:, 0, 0, 0], np.ravel(expected), atol=1e-6)


def test_there_is_no_traversal_sheet_without_appearances_or_objects(small_scenes):
    assert figures.traversal_sheet(BrightParts(), small_scenes, "test") is None
    empty = np.full((24, 24, 1), 40, np.uint8), np.zeros((24, 24), np.uint8)
    assert figures.traversal_sheet(TwoTones(), _photographs(empty), "test") is None
