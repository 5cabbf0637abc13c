"""Probes, DCI and MIG of appearances that are made up, so that what they must say is known."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import mutual_info_score

from tests.models.model_table import COMMON, LARGE, MODELS
from tf_scenes.app import experiments
from tf_scenes.app.build import build_model
from tf_scenes.data.datasets import load_dataset
from tf_scenes.errors import UserError
from tf_scenes.evaluation import factors
from tf_scenes.evaluation.factors import Objects, dci, mutual_information_gap, probe

RANDOM = np.random.RandomState(0)
LABELS = RANDOM.randint(0, 3, 900)
SIZES = RANDOM.uniform(0.5, 1.0, 900)
TURNS = RANDOM.uniform(0.0, 2.0 * np.pi, 900)
DIRECTIONS = np.stack([np.sin(TURNS), np.cos(TURNS)], axis=1)


def _objects(inferred, angles=False):
    numbers = {"size": SIZES, **({"angle": DIRECTIONS} if angles else {})}
    return Objects(np.stack(inferred, axis=1).astype(np.float32), {"label": LABELS}, numbers)


def _halves(objects):
    parts = []
    for chosen in (slice(0, 600), slice(600, 900)):
        named = ({name: values[chosen] for name, values in each.items()} for each in (objects.classes, objects.numbers))
        parts.append(Objects(objects.inferred[chosen], *named))
    return parts


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
    of_two = LABELS < 2
    objects = _objects(turned.T, angles=True)
    named = ({name: values[of_two] for name, values in each.items()} for each in (objects.classes, objects.numbers))
    fitted = Objects(objects.inferred[of_two], *named)
    assert probe(fitted, fitted, seed=0)["angle_linear"] > 0.99


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


def test_other_data_has_no_factors(make_config, tmp_path):
    np.savez(tmp_path / "a.npz", images=RANDOM.randint(0, 255, (150, 24, 24)).astype(np.uint8))
    config = make_config(
        "--mode=factors", *COMMON, *MODELS["vae"], "--dataset=images", f"--images_path={tmp_path / 'a.npz'}"
    )
    with pytest.raises(UserError, match="--mode=factors needs a data set whose scenes are drawn"):
        experiments.measure("factors", config, None, load_dataset(config.data, seed=0))
