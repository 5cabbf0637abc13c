import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from tests.models.own_model import Spot, SpotOptions
from tf_scenes.data.datasets import Dataset, load_dataset
from tf_scenes.data.options import DataOptions
from tf_scenes.data.scenes import Split
from tf_scenes.evaluation import evaluate
from tf_scenes.models.scene_model import SceneSpec


class StandIn:
    """What stands for a trained model: scenes of up to three objects, and what `SceneModel` says by default."""

    max_objects, max_inferred_objects, finds_objects = 3, 6, True
    num_categories = num_attributes = 0

    def prepare(self, batch):
        return batch["images"]

    def masks(self, images, description):
        raise AssertionError("nobody should ask")


class Oracle(StandIn):
    """Knows the scenes of a data set and describes them as it is told to."""

    def __init__(self, dataset, split, miss_every=0, blind_columns=0):
        split = dataset.splits[split]
        self._examples = dataset.examples(split, range(split.size))
        self._miss_every = miss_every
        self._blind_columns = blind_columns
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

    def masks(self, images, description):
        """The true masks of the images that were encoded last, without the first columns of pixels."""
        chosen = slice(self._next - images.shape[0], self._next)
        return tf.constant(self._examples["masks"][chosen]) * (np.arange(images.shape[2]) >= self._blind_columns)

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
    assert (measured["count_error"], measured["relative_count_error"]) == (0.0, 0.0)
    outlines = ("ap_50", "ap_70", "ap", "precision", "recall", "f1", "panoptic_quality", "segmentation_covering")
    for name in (*outlines, "box_ap_50", "box_ap", "ari_of_several"):
        assert measured[name] == pytest.approx(1.0)
    assert measured["ari_foreground"] == 1.0
    assert measured["elbo"] == -7.0
    lit = (small_scenes.examples(small_scenes.splits["test"], range(64))["images"] > 0).mean()
    assert measured["mse"] == pytest.approx(0.01 * lit, rel=1e-3)
    assert measured["squared_error"] == pytest.approx(0.01 * lit * 24 * 24, rel=1e-3)
    assert set(model.elbo_slots) == {None}


def test_wrong_counts_lower_the_accuracy(small_scenes):
    measured = evaluate.evaluate_splits(
        Oracle(small_scenes, "test", miss_every=4), small_scenes, ["test"], batch_size=16
    )["test"]
    assert measured["count_accuracy"] == 0.75
    assert measured["count_error"] == 0.25
    counts = small_scenes.examples(small_scenes.splits["test"], range(64))["counts"]
    missed = np.arange(64) % 4 == 0
    expected = np.sum(1.0 / counts[missed & (counts > 0)]) / np.sum(counts > 0)
    assert measured["relative_count_error"] == pytest.approx(expected)
    assert (measured["count_missed"], measured["count_extra"]) == (0.0, 0.25)
    by_count = {count: group["extra"] for count, group in measured["count_errors"]["by_count"].items()}
    assert by_count == {str(count): missed[counts == count].mean() for count in range(4)}


def test_more_objects_than_trained_with_are_measured_under_a_wider_prior(small_scenes):
    model = Oracle(small_scenes, "test_7")
    evaluate.evaluate_splits(model, small_scenes, ["test_7"], batch_size=16)
    assert set(model.elbo_slots) == {6}


def test_models_with_categories_get_a_correspondence(small_scenes):
    class Sorter(Oracle):
        """Calls squares 2 and bars 0, and what is in slots without an object 1; never uses 3."""

        num_categories = 4

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
    names = small_scenes.label_names
    assert measured["category_names"] == {2: names[0], 0: names[1]}
    assert measured["category_use"] == [(labels == 1).sum(), 0, (labels == 0).sum(), 0]
    without = evaluate.evaluate_splits(Oracle(small_scenes, "test"), small_scenes, ["test"], batch_size=16)["test"]
    assert without["correspondence"] is None


def test_masks_are_compared_with_those_of_the_model(small_scenes):
    model = Oracle(small_scenes, "test", blind_columns=3)
    measured = evaluate.evaluate_splits(model, small_scenes, ["test"], batch_size=10)["test"]
    examples = small_scenes.examples(small_scenes.splits["test"], range(64))
    overlaps = np.array(
        [
            np.mean(np.nonzero(mask == label)[1] >= 3)
            for mask, count in zip(examples["masks"], examples["counts"])
            for label in range(1, count + 1)
        ]
    )
    found = overlaps >= 0.5
    assert 0 < overlaps.min() < 0.5  # What is left of an object is always something, but at times not enough.
    assert measured["precision"] == measured["recall"] == pytest.approx(np.mean(found))
    assert measured["ap_70"] == pytest.approx(np.sum(overlaps >= 0.7) / (len(overlaps) + np.sum(overlaps < 0.7)))
    assert measured["panoptic_quality"] == pytest.approx(overlaps[found].sum() / len(overlaps))
    assert measured["count_error"] == 0.0


def test_a_model_that_finds_no_objects_is_not_asked_for_masks(small_scenes):
    class Blurry(Oracle):
        finds_objects, masks = False, StandIn.masks

        def encode(self, images):
            return {"images": images}

    measured = evaluate.evaluate_splits(Blurry(small_scenes, "test"), small_scenes, ["test"], batch_size=16)["test"]
    assert measured["foreground_iou"] == 1.0
    for name in ("ap_50", "precision", "panoptic_quality", "count_error", "count_accuracy", "ari_foreground"):
        assert measured[name] is None
    assert "ap_50" not in evaluate.table({"test": measured})


class Photographs(Dataset):
    """A wide and a tall grey image, each in a batch of its own; the wide one shows two objects, the tall one three."""

    image_shape = (8, 12, 1)
    splits = {"test": Split("test", 2, 0, 3, held_out=True)}  # noqa: RUF012
    ground_truth = ("counts", "masks")

    def __init__(self):
        wide, tall = np.zeros((8, 12), np.int32), np.zeros((20, 6), np.int32)
        wide[1:4, 1:4], wide[4:7, 6:11] = 1, 2
        tall[1:4, 1:4], tall[6:9, 2:6], tall[12:19, 1:4] = 3, 1, 2
        self.masks = [wide, tall]
        self.images = [np.where(mask > 0, 0.75, 0.25).astype(np.float32) for mask in self.masks]

    def examples(self, split, indices):
        raise NotImplementedError

    def evaluation_batches(self, split_name, batch_size, limit=None):
        def batches():
            for image, mask in zip(self.images, self.masks):
                yield {"images": image[None, ..., None], "masks": mask[None], "counts": [mask.max()]}

        signature = {
            "images": tf.TensorSpec([None, None, None, 1], tf.float32),
            "masks": tf.TensorSpec([None, None, None], tf.int32),
            "counts": tf.TensorSpec([None], tf.int32),
        }
        return tf.data.Dataset.from_generator(batches, output_signature=signature)


class Halver(StandIn):
    """Finds the objects of `Photographs`, draws them half as bright, and takes the first two of three as one."""

    def encode(self, images):
        return {"num_objects": tf.constant([2]), "locations": tf.zeros([1, 6, 2]), "images": images}

    def decode(self, description, height, width):
        return description["images"] / 2.0

    def masks(self, images, description):
        objects, _ = ndimage.label(images.numpy()[0, ..., 0] > 0.5)
        if objects.max() == 3:
            objects = np.maximum(objects - 1, objects > 0)
        return tf.constant(objects[None])

    def elbo_terms(self, images, seed, max_objects=None):
        return {"reconstruction": tf.fill([1], -float(tf.size(images))), "kl_count": tf.ones([1])}


def test_images_of_different_sizes_are_measured_each_in_its_own():
    measured = evaluate.evaluate_splits(Halver(), Photographs(), ["test"], batch_size=4)["test"]
    squares = [np.sum(np.square(image / 2.0)) for image in Photographs().images]
    assert measured["images"] == 2
    assert measured["elbo"] == -(8 * 12 + 20 * 6) / 2 - 1.0
    assert measured["squared_error"] == pytest.approx(np.mean(squares))
    assert measured["mse"] == pytest.approx(sum(squares) / (8 * 12 + 20 * 6))
    assert measured["foreground_iou"] is None  # Where the background is not black, no pixel is unlit.
    # Of five objects three are matched as they are, and one of the two that are taken as one: 9 and 12 pixels.
    assert measured["count_error"] == 0.5
    assert measured["relative_count_error"] == pytest.approx((0 / 2 + 1 / 3) / 2)
    assert measured["count_accuracy"] == 0.5
    assert (measured["precision"], measured["recall"]) == (1.0, 0.8)
    assert (measured["ap_50"], measured["ap_70"]) == (0.8, 0.5)
    assert measured["panoptic_quality"] == pytest.approx((3 + 12 / 21) / (4 + 1 / 2))
    assert measured["segmentation_covering"] == pytest.approx((1 + (1 + 12 / 21 + 9 / 21) / 3) / 2)


def test_only_the_elbo_is_of_prepared_images():
    class Brightener(Halver):
        """Normalises, to twice the brightness; what it infers and draws is for pictures as they are."""

        def prepare(self, batch):
            assert {"images", "masks", "counts"} <= set(batch)
            return 2.0 * batch["images"]

        def elbo_terms(self, images, seed, max_objects=None):
            return {"reconstruction": -tf.reduce_sum(images, axis=[1, 2, 3]), "kl_count": tf.ones([1])}

    plain, prepared = (
        evaluate.evaluate_splits(model, Photographs(), ["test"], batch_size=4)["test"]
        for model in (Halver(), Brightener())
    )
    light = [np.sum(image) for image in Photographs().images]
    assert prepared["reconstruction"] == pytest.approx(-2.0 * np.mean(light))
    assert prepared["elbo"] == pytest.approx(-2.0 * np.mean(light) - 1.0)
    others = plain.keys() - {"reconstruction", "elbo"}
    assert {name: prepared[name] for name in others} == {name: plain[name] for name in others}


def test_compiled_for_one_size_a_model_is_measured_on_others_too():
    model = Spot(SpotOptions(), SceneSpec((8, 12, 1), max_objects=1, max_inferred_objects=2))
    eager = evaluate.evaluate_splits(model, Photographs(), ["test"], batch_size=4)["test"]
    tf.config.run_functions_eagerly(False)
    compiled = evaluate.evaluate_splits(model, Photographs(), ["test"], batch_size=4)["test"]
    assert compiled["count_error"] == 1.5
    assert compiled["segmentation_covering"] > 0.0
    for name in ("mse", "elbo", "ap", "segmentation_covering", "ari_foreground"):
        assert compiled[name] == pytest.approx(eager[name], rel=1e-4)


def test_the_table_has_the_measures_of_masks_and_otsu_beside_them():
    measured = evaluate.evaluate_splits(Halver(), Photographs(), ["test"], batch_size=4)
    classical = {"test": {"images": 2, "ap_50": 0.5, "count_error": 12.0}}
    lines = [
        line.split() for line in evaluate.table({**measured, "validation": measured["test"]}, classical).split("\n")
    ]
    assert lines[0] == ["test", "test", "(Otsu)", "validation"]
    rows = {line[0]: line[1:] for line in lines[1:]}
    assert rows["ap_50"] == ["0.8000", "0.5000", "0.8000"]
    assert rows["count_error"] == ["0.5000", "12.0000", "0.5000"]
    assert rows["ap"][1] == rows["elbo"][1] == "-"
    assert rows["images"] == ["2", "2", "2"]
    widths = {len(line) for line in evaluate.table(measured, {"test": classical["test"]}).split("\n")}
    assert len(widths) == 1


def test_the_table_leaves_out_accuracies_of_many_numbers_of_objects():
    measured = evaluate.evaluate_splits(Halver(), Photographs(), ["test"], batch_size=4)["test"]
    assert "  3 objects" in evaluate.table({"test": measured})
    many = {**measured, "count_accuracy_by_count": dict.fromkeys(range(60), 0.5)}
    assert "objects" not in evaluate.table({"test": many})


def test_without_ground_truth_the_rest_is_still_measured(tmp_path, small_scenes):
    images = small_scenes.examples(small_scenes.splits["train"], range(400))["images"]
    np.savez(tmp_path / "own.npz", images=images)
    dataset = load_dataset(DataOptions(dataset="images", images_path=str(tmp_path / "own.npz")), seed=0)

    class Blind(Oracle):
        masks = StandIn.masks

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
    assert measured["count_error"] is None
    assert measured["ap_50"] is None
    assert measured["location_error"] is None
    assert measured["foreground_iou"] is None
    assert measured["elbo"] == -7.0
    assert "count_accuracy" not in evaluate.table({"test": measured})
