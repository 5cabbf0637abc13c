"""Records as DeepMind's multi_object_datasets describe them: every byte of an image and of a mask is a string."""

import numpy as np
import pytest
import tensorflow as tf
from skimage.measure import regionprops

from tests.models.model_table import COMMON, MODELS
from tf_scenes.app.build import build_model
from tf_scenes.data import tfrecords
from tf_scenes.data.options import DataOptions
from tf_scenes.errors import UserError
from tf_scenes.evaluation.evaluate import evaluate_splits
from tf_scenes.evaluation.results import OUTLINE_MEASURES
from tf_scenes.stack import keras


def _feature(values):
    if values.dtype == np.uint8:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[bytes([value]) for value in values.ravel()]))
    return tf.train.Feature(float_list=tf.train.FloatList(value=values.ravel()))


def record(**features):
    """A serialised example."""
    features = {name: _feature(np.asarray(values)) for name, values in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def write(path, records, compression="GZIP"):
    with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions(compression_type=compression)) as writer:
        for each in records:
            writer.write(each)
    return str(path)


def scene(number):
    """A scene of binarized Multi-dSprites: its image, its masks by entity, and the numbers of its shapes.

    Of up to three rectangles, a later one hides what is below it; the first of scene 3 is hidden by the second.
    """
    random = np.random.RandomState(number)
    owners = np.zeros((64, 64), int)
    shapes = random.randint(1, 4, 4)
    for entity in range(1, 2 + number % 3):
        top, left = random.randint(0, 40, 2)
        owners[top : top + random.randint(8, 20), left : left + random.randint(8, 20)] = entity
    if number == 3:
        owners[owners == 1] = 2
    image = np.where(owners > 0, 255, 0).astype(np.uint8)[..., None]
    image[0, 0] = number % 256  # So that scenes can be told apart.
    masks = np.stack([np.where(owners == entity, 255, 0) for entity in range(4)]).astype(np.uint8)
    return image, masks, shapes


def factors(number):
    """The scale and the orientation of each entity."""
    return np.random.RandomState(1_000 + number).uniform(0.0, 1.0, (2, 4)).astype(np.float32)


def binarized(number):
    image, masks, shapes = scene(number)
    scale, orientation = factors(number)
    return record(
        image=image,
        mask=masks.transpose(1, 2, 0)[..., None],
        shape=shapes.astype(np.float32),
        scale=scale,
        orientation=orientation,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """40 scenes in two files."""
    path = tmp_path_factory.mktemp("records")
    write(path / "part.tfrecords-00000-of-00002", map(binarized, range(25)))
    write(path / "part.tfrecords-00001-of-00002", map(binarized, range(25, 40)))
    return path


@pytest.fixture
def seeded():
    """TensorFlow's own seed is set, as a run sets it."""
    keras.utils.set_random_seed(0)
    yield
    tf.random.set_seed(None)


def _loaded(path, test=6, validation=4, train=1_000):
    sizes = {"test_size": test, "validation_size": validation, "train_size": train}
    return tfrecords.tfrecords(DataOptions(dataset="tfrecords", tfrecords_path=str(path), **sizes), seed=0)


@pytest.fixture(scope="module")
def dataset(folder):
    """All 40 scenes: 6 in `test`, 4 in `validation`."""
    return _loaded(folder)


def _numbers(batches, count):
    return np.concatenate([batch["images"].numpy()[:, 0, 0, 0] * 255 for batch in batches.take(count)]).round()


def test_images_and_their_ground_truth(dataset):
    assert dataset.image_shape == (64, 64, 1) and dataset.black_background
    assert {name: split.size for name, split in dataset.splits.items()} == {"train": 30, "validation": 4, "test": 6}
    assert dataset.report_splits == ["validation"]
    read = [{name: value.numpy() for name, value in batch.items()} for batch in dataset.evaluation_batches("test", 4)]
    read = {name: np.concatenate([batch[name] for batch in read]) for name in read[0]}
    for number in range(6):
        image, masks, shapes = scene(number)
        np.testing.assert_allclose(read["images"][number], image / 255.0, atol=1e-6)
        seen = [entity for entity in range(1, 4) if masks[entity].any()]
        assert read["counts"][number] == len(seen) == read["masks"][number].max()
        assert list(read["labels"][number]) == [*shapes[seen], *[-1] * (3 - len(seen))]
        for place, entity in enumerate(seen):
            np.testing.assert_array_equal(read["masks"][number] == place + 1, masks[entity] > 0)
            top, left, bottom, right = regionprops((masks[entity] > 0).astype(int))[0].bbox
            np.testing.assert_allclose(read["centers"][number, place], [(top + bottom - 1) / 2, (left + right - 1) / 2])
    assert list(read["labels"][3]) == [scene(3)[2][2], -1, -1]  # Nothing is known of the one that is hidden.


@pytest.mark.usefixtures("seeded")
def test_every_pass_has_each_training_scene_once_in_a_new_order(dataset, folder):
    order = _numbers(dataset.training_batches(5, seed=0), 12).reshape(2, 30)
    for one_pass in order:
        assert sorted(one_pass) == list(range(10, 40))
    assert (order[0] != order[1]).any()
    assert (_numbers(dataset.training_batches(5, seed=1), 6) != order[0]).any()
    assert sorted(_numbers(_loaded(folder, train=12).training_batches(6, seed=0), 2)) == list(range(10, 22))


def test_resuming_at_a_step_gives_the_batches_that_come_after_it(dataset):
    whole = _numbers(dataset.training_batches(4, seed=1), 20)
    for first_step in (1, 7, 13):
        rest = _numbers(dataset.training_batches(4, seed=1, first_step=first_step), 20 - first_step)
        np.testing.assert_array_equal(whole[4 * first_step :], rest)


def test_shards_split_the_positions_between_them(dataset):
    whole = _numbers(dataset.training_batches(6, seed=0, first_step=3), 8)
    shards = [_numbers(dataset.training_batches(3, seed=0, first_step=3, shard=(i, 2)), 8) for i in range(2)]
    np.testing.assert_array_equal(whole, np.stack(shards, axis=1).ravel())


@pytest.mark.slow_for(str(tfrecords.LAYOUTS[-1]))
@pytest.mark.parametrize("layout", tfrecords.LAYOUTS, ids=lambda layout: layout.name)
def test_every_layout_is_known_by_its_first_record(layout, tmp_path):
    height, width, channels = layout.image
    random = np.random.RandomState(0)
    owners = random.randint(0, layout.entities, (height, width))
    masks = np.stack([np.where(owners == entity, 255, 0) for entity in range(layout.entities)]).astype(np.uint8)
    image = random.randint(0, 256, layout.image).astype(np.uint8)
    stored = masks.transpose(1, 2, 0) if layout.masks_last else masks
    others = {"shape": np.arange(layout.entities, dtype=np.float32)} if layout.shapes else {}
    for name, numbers in layout.factors.values():
        others[name] = random.uniform(size=(layout.entities, numbers)).astype(np.float32)
    path = write(tmp_path / "a.tfrecords", 3 * [record(image=image, mask=stored[..., None], **others)], compression="")
    dataset = _loaded(path, test=1, validation=1)
    assert dataset.layout == layout and dataset.image_shape == (height, width, channels)
    batch = next(iter(dataset.evaluation_batches("test", 1)))
    np.testing.assert_allclose(batch["images"][0], image / 255.0, atol=1e-6)
    expected = np.maximum(owners - layout.background + 1, 0)
    np.testing.assert_array_equal(batch["masks"][0], expected)
    assert batch["counts"][0] == layout.objects
    if layout.shapes:
        (known,) = dataset.known_scenes("test")
        for factor, (name, _) in layout.factors.items():
            np.testing.assert_array_equal(known.attributes[factor].reshape(layout.objects, -1), others[name][1:])
    assert ("labels" in batch) == layout.shapes


def test_what_is_known_of_objects_is_what_the_record_says_of_those_that_are_seen(dataset):
    assert dataset.factor_splits == ("validation", "test")
    assert dataset.label_names[:5] == ("shape 0", "square", "ellipse", "heart", "shape 4")
    for first, split in ((0, "test"), (6, "validation")):
        for number, known in enumerate(dataset.known_scenes(split), start=first):
            image, masks, shapes = scene(number)
            seen = [entity for entity in range(1, 4) if masks[entity].any()]
            np.testing.assert_array_equal(known.image, image)
            np.testing.assert_array_equal(known.labels, shapes[seen])
            for name, values in zip(("scale", "angle"), factors(number)):
                np.testing.assert_array_equal(known.attributes[name], values[seen])
            for center, entity in zip(known.centers, seen):
                assert masks[entity].any(axis=1).nonzero()[0].mean() == center[0]


def test_what_cannot_be_read_is_one_line(folder, tmp_path):
    first = folder / "part.tfrecords-00000-of-00002"
    (tmp_path / "text.tfrecords").write_text("no records")
    (tmp_path / "cut.tfrecords").write_bytes(first.read_bytes()[:-200])
    (tmp_path / "empty.tfrecords").write_bytes(b"")
    other = write(tmp_path / "other.tfrecords", [record(image=np.zeros((8, 8, 3), np.uint8))])
    write(tmp_path / "junk.tfrecords", [b"\xff\xff\xff"])
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    (mixed / "a.tfrecords").write_bytes(first.read_bytes())
    (mixed / "b.tfrecords").write_bytes((folder / "part.tfrecords-00001-of-00002").read_bytes())
    write(mixed / "c.tfrecords", map(binarized, range(3)), compression="")
    changed = write(tmp_path / "changed.tfrecords", [binarized(0), record(image=np.zeros(5, np.uint8)), binarized(1)])
    messages = {
        tmp_path / "none": "is no file, and there are no files named",
        tmp_path / "text.tfrecords": r"text\.tfrecords cannot be read as TFRecords",
        tmp_path / "empty.tfrecords": r"empty\.tfrecords cannot be read as TFRecords",
        tmp_path / "junk.tfrecords": r"junk\.tfrecords cannot be read as TFRecords",
        tmp_path / "cut.tfrecords": r"cut\.tfrecords: a record is damaged",
        other: r"an image of 192 and masks of 0 bytes, .* none of Multi-dSprites, binarized; ",
        mixed: r"c\.tfrecords has other records than .*a\.tfrecords",
        changed: r"changed\.tfrecords: a record is damaged, or of another kind",
    }
    for path, message in messages.items():
        with pytest.raises(UserError, match=message) as error:
            _loaded(path)
        assert "\n" not in str(error.value)
    for sizes in ({"test": 20, "validation": 5}, {"test": 30}):
        with pytest.raises(UserError, match=r"the 25 scenes leave none to train on beside --test_size="):
            _loaded(first, **sizes)


@pytest.mark.slow
def test_a_model_that_finds_objects_is_measured_on_records(dataset, make_config):
    config = make_config(*COMMON, *MODELS["lavae"], "--image_size=64")
    model = build_model(config, dataset.image_shape)
    measures = evaluate_splits(model, dataset, ["validation", "test"], batch_size=3)
    for name, scenes in (("validation", 4), ("test", 6)):
        counts = np.concatenate([batch["counts"] for batch in dataset.evaluation_batches(name, 3)])
        assert len(counts) == measures[name]["images"] == scenes
        assert set(measures[name]["count_accuracy_by_count"]) == set(counts.tolist())
        assert all(0.0 <= measures[name][measure] <= 1.0 for measure in OUTLINE_MEASURES if measure != "ari_foreground")


def test_other_images_have_another_checksum(dataset, folder):
    same, fewer = (_loaded(folder, test=test) for test in (6, 5))
    assert dataset.training_checksum == same.training_checksum != fewer.training_checksum
    assert dataset.held_out_checksum == same.held_out_checksum != fewer.held_out_checksum
