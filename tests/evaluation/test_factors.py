"""Probes, DCI and MIG of appearances that are made up, so that what they must say is known."""

import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import mutual_info_score

from tests.models.model_table import COMMON, LARGE, MODELS
from tf_scenes.app import experiments
from tf_scenes.app.build import build_model
from tf_scenes.data.datasets import Dataset, KnownScene, load_dataset
from tf_scenes.errors import UserError
from tf_scenes.evaluation import factors
from tf_scenes.evaluation.factors import Objects, Variable, dci, mutual_information_gap, probe

RANDOM = np.random.RandomState(0)
LABELS = RANDOM.randint(0, 3, 900)
SIZES = RANDOM.uniform(0.5, 1.0, 900)
TURNS = RANDOM.uniform(0.0, 2.0 * np.pi, 900)
DIRECTIONS = np.stack([np.sin(TURNS), np.cos(TURNS)], axis=1)


def _objects(inferred, angles=False):
    numbers = {"size": SIZES, **({"angle": DIRECTIONS} if angles else {})}
    variables = [each if isinstance(each, Variable) else Variable(np.float32(each)) for each in inferred]
    return Objects(variables, LABELS, {"label": LABELS}, numbers)


def _some(objects, chosen):
    variables = [dataclasses.replace(each, values=each.values[chosen]) for each in objects.variables]
    named = ({name: values[chosen] for name, values in each.items()} for each in (objects.classes, objects.numbers))
    return Objects(variables, objects.labels[chosen], *named)


def _halves(objects):
    return [_some(objects, chosen) for chosen in (slice(0, 600), slice(600, 900))]


def test_probes_find_what_is_there_and_nothing_in_noise():
    by_label = np.eye(3)[LABELS].T
    known = _objects([*by_label, SIZES, *DIRECTIONS.T], angles=True)
    for score in probe(*_halves(known), seed=0).values():
        assert score > 0.95
    noise = _objects(RANDOM.normal(size=(6, 900)), angles=True)
    scores = probe(*_halves(noise), seed=0)
    assert scores["label_linear"] == pytest.approx(1 / 3, abs=0.1)
    assert scores["size_linear"] < 0.05 and scores["angle_linear"] < 0.05


def test_a_neural_probe_finds_what_a_linear_one_cannot():
    sign = np.where(LABELS == 1, 1.0, -1.0) * np.where(RANDOM.uniform(size=900) < 0.5, 1.0, -1.0)
    other = sign * np.where(LABELS == 1, 1.0, -1.0)  # The label 1 is where both have the same sign: exclusive or.
    scores = probe(*_halves(_objects([sign, other, SIZES])), seed=0)
    share = np.bincount(LABELS).max() / 900
    assert scores["label_linear"] < share + 0.1
    assert scores["label_neural"] > 0.6 > share + 0.2


def test_angles_are_told_within_each_label():
    # Of label 0 the direction, of label 1 its mirror image: a probe for all labels would find nothing.
    turned = np.where(LABELS[:, None] == 1, [-1.0, -1.0], [1.0, 1.0]) * DIRECTIONS
    fitted = _some(_objects(turned.T, angles=True), LABELS < 2)
    assert probe(fitted, fitted, seed=0)["angle_linear"] > 0.99
    assert probe(fitted, _some(fitted, fitted.labels == 1), seed=0)["angle_linear"] > 0.99
    # The variable is the angle of each shape up to a shift that the shape alone decides.
    shifted = _objects([Variable((TURNS + 2.0 * LABELS) % (2.0 * np.pi), circular=True)], angles=True)
    only_angle = dataclasses.replace(shifted, numbers={"angle": DIRECTIONS})
    assert dci(only_angle, seed=0)["dci_completeness"] > 0.99


def test_a_variable_is_one_however_it_is_written():
    perfect = [Variable(LABELS, num_categories=3), Variable(SIZES), Variable(TURNS, circular=True)]
    twice = [*perfect, Variable(SIZES.copy())]  # As a single scale is both height and width.
    for variables in (perfect, twice):
        objects = _objects(variables, angles=True)
        assert len(objects.distinct()) == 3
        assert mutual_information_gap(objects) > 0.85
        assert min(dci(objects, seed=0).values()) > 0.95
    assert _objects(perfect).inferred.shape == (900, 3 + 1 + 2)


def test_a_single_factor_cannot_be_entangled_with_others_and_noise_tells_nothing_of_it():
    only_label = dataclasses.replace(_objects([LABELS, RANDOM.normal(size=900)]), numbers={})
    measures = dci(only_label, seed=0)
    assert measures["dci_disentanglement"] is None and measures["dci_completeness"] > 0.9
    constant = dataclasses.replace(_objects([np.zeros(900), np.ones(900)]), numbers={})
    assert dci(constant, seed=0)["dci_completeness"] == pytest.approx(0.0, abs=1e-6)


def test_one_variable_for_each_factor_is_disentangled_and_a_rotation_of_them_is_not():
    scaled = np.stack([LABELS - 1.0, (SIZES - 0.75) / 0.15])
    rotated = np.array([[1.0, -1.0], [1.0, 1.0]]) / np.sqrt(2.0) @ scaled
    apart, mixed = dci(_objects(scaled), seed=0), dci(_objects(rotated), seed=0)
    assert min(apart.values()) > 0.95
    assert max(mixed.values()) < 0.5
    assert mutual_information_gap(_objects(scaled)) > 0.8 > 0.3 > mutual_information_gap(_objects(rotated))


def test_unused_variables_do_not_change_disentanglement():
    scaled = [LABELS - 1.0, SIZES]
    with_constants = [*scaled, np.zeros(900), np.ones(900)]
    pair = [dci(_objects(each), seed=0)["dci_disentanglement"] for each in (scaled, with_constants)]
    assert pair[0] == pytest.approx(pair[1], abs=0.02)


def test_the_gap_is_that_of_the_definition():
    inferred = [LABELS + RANDOM.normal(0.0, 0.3, 900), SIZES + RANDOM.normal(0.0, 0.1, 900), RANDOM.normal(size=900)]

    def binned(values):
        width = (values.max() - values.min()) / 20
        return np.minimum((values - values.min()) // width, 19)

    gaps = []
    for true in (LABELS, binned(SIZES)):
        shared = sorted(mutual_info_score(true, binned(np.float32(each))) for each in inferred)
        shares = np.unique(true, return_counts=True)[1] / 900
        gaps.append((shared[-1] - shared[-2]) / -(shares * np.log(shares)).sum())
    assert mutual_information_gap(_objects(inferred)) == pytest.approx(np.mean(gaps), abs=0.01)


@pytest.mark.slow_for("air", *LARGE)
@pytest.mark.parametrize("name", ["vae", "air", "discrete_air"])
def test_of_models_with_and_without_objects(make_config, name):
    config = make_config(
        *COMMON, *MODELS[name], "--dataset=multi_sprites", "--attention.prunes=false", "--experiment_size=20"
    )
    tf.random.set_seed(0)
    outcome = experiments.measure(
        "factors", config, build_model(config, (24, 24, 1)), load_dataset(config.data, seed=0)
    )
    measures = outcome.results["test"]
    assert measures["objects"] > 10 and 0.0 <= measures["label_linear"] <= 1.0
    assert {f"{factor}_{kind}" for factor in ("label", "size", "angle") for kind in ("linear", "neural")} < {*measures}


def test_factors_of_scenes_are_those_of_their_sprites(make_config):
    config = make_config("--dataset=multi_dsprites")
    dataset = load_dataset(config.data, seed=0)

    def encode(images):
        """Tells the colour, at the middle of what is lit."""
        locations = [np.argwhere(image.any(-1)).mean(0) for image in images]
        scenes = {
            "presence": np.ones((len(images), 1)),
            "locations": np.float32(locations)[:, None],
            "appearance": np.float32([image.max((0, 1)) for image in images])[:, None],
        }
        return {key: tf.constant(value) for key, value in scenes.items()}

    objects = factors._objects(encode, 0, dataset, "test", 60, 25)
    assert objects.inferred.shape == (60, 3) and set(objects.numbers["size"]) <= set(np.float32(np.linspace(0.5, 1, 6)))
    np.testing.assert_array_equal(objects.inferred @ [4, 2, 1], objects.classes["color"])
    np.testing.assert_allclose(np.linalg.norm(objects.numbers["angle"], axis=1), 1.0, rtol=1e-5)


class Records(Dataset):
    """Scenes of up to three objects of two shapes, whose colour is any and whose places are apart."""

    factor_splits = ("validation", "test")
    label_names = ("square", "ellipse")

    def examples(self, split, indices):
        raise NotImplementedError

    def known_scenes(self, split_name):
        for number in range(400):
            random = np.random.RandomState([number, split_name == "test"])
            count = number % 4
            image = np.zeros((32, 32, 3), np.uint8)
            attributes = {"color": random.uniform(0.1, 1.0, (count, 3)), "scale": np.ones(count)}
            centers = np.float32([[5, 5], [5, 25], [25, 5]])[random.permutation(3)[:count]]
            for (y, x), color in zip(centers.astype(int), attributes["color"]):
                image[y, x] = 255 * color
            yield KnownScene(image, centers, random.randint(0, 2, count), attributes)


def test_objects_of_scenes_with_several_are_matched_with_what_is_found_and_constant_factors_left_out():
    def encode(images):
        """Finds each lit pixel but those in the corner at the top left, half a pixel off, and tells its colour."""
        scenes = {"presence": np.zeros((len(images), 4), np.float32), "locations": np.zeros((len(images), 4, 2))}
        scenes["appearance"] = np.zeros((len(images), 4, 3))
        for place, image in enumerate(images):
            lit = np.argwhere(image.any(-1))[::-1]
            lit = lit[lit.sum(axis=1) > 10]
            scenes["presence"][place, 1 : 1 + len(lit)] = 1.0
            scenes["locations"][place, 1 : 1 + len(lit)] = lit + 0.5
            scenes["appearance"][place, 1 : 1 + len(lit)] = image[tuple(lit.T)]
        return scenes

    measures = factors.factors(encode, 0, Records(), num_objects=300, batch_size=32, seed=0)
    # A third of the objects is missed, and none of them is mistaken for another one.
    assert 300 * 0.5 < measures["objects"] <= 300
    assert min(measures[f"{color}_linear"] for color in ("red", "green", "blue")) > 0.99
    assert measures["label_linear"] < 0.65
    assert "size_linear" not in measures and "color_linear" not in measures


def test_objects_that_are_all_the_same_have_no_factors(make_config):
    class Same(Records):
        def known_scenes(self, split_name):
            for scene in itertools.islice(super().known_scenes(split_name), 40):
                yield dataclasses.replace(scene, labels=np.zeros_like(scene.labels), attributes={})

    def encode(images):
        centers = [np.argwhere(image.any(-1)).max(axis=0) for image in images]
        return {
            "presence": np.ones((len(images), 1)),
            "locations": np.float32(centers)[:, None],
            "appearance": np.zeros((len(images), 1, 1)),
        }

    with pytest.raises(UserError, match="all are the same"):
        factors.factors(encode, 0, Same(), num_objects=10, batch_size=8, seed=0)
    with pytest.raises(UserError, match="it finds none in validation"):
        none = lambda images: {**encode(images), "presence": np.zeros((len(images), 1))}  # noqa: E731
        factors.factors(none, 0, Same(), num_objects=10, batch_size=8, seed=0)


def test_other_data_has_no_factors(make_config, tmp_path):
    np.savez(tmp_path / "a.npz", images=RANDOM.randint(0, 255, (150, 24, 24)).astype(np.uint8))
    config = make_config(
        "--mode=factors", *COMMON, *MODELS["vae"], "--dataset=images", f"--images_path={tmp_path / 'a.npz'}"
    )
    with pytest.raises(UserError, match="--mode=factors needs a data set of which the objects' factors are known"):
        experiments.measure("factors", config, None, load_dataset(config.data, seed=0))
