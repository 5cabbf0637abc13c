"""What every model must do: one table of models, one test for each property.

Its export: tests/serving. On two devices: tests/training/test_strategies.py.
"""

import functools
import re

import numpy as np
import pytest
import tensorflow as tf

from tests.models.model_table import COMMON, FINDS_MUCH, FOR_PICTURES, LARGE, MODELS, examples_for
from tf_scenes.descriptions import field
from tf_scenes.stack import keras
from tf_scenes.training.optimizers import GroupedOptimizer
from tf_scenes.training.tensorboard import weights_by_part
from tf_scenes.training.trainable_model import elbo

# After all warm-ups.
STEP = tf.constant(100_000, tf.int64)

pytestmark = pytest.mark.parametrize("name", MODELS)


@pytest.fixture
def build(new_model):
    """Builds a new model of the table by its name, and with further flags."""
    return lambda name, *flags: new_model(*COMMON, *MODELS[name], *flags)


@pytest.fixture
def shared(shared_model):
    """The same, but that an earlier test may have had it."""
    return lambda name, *flags: shared_model(*COMMON, *MODELS[name], *flags)


@pytest.fixture
def images(name):
    return tf.constant(examples_for(name))


@pytest.fixture
def model(shared, name):
    """An untrained model."""
    return shared(name)


def _prepared(model, images):
    return model.prepare({"images": images})


def _steps(model, images, count, step=None):
    """The loss's history over some steps on the fixed batch; a few are not worth compiling."""
    step = step or model.train_step
    losses = []
    for _ in range(count):
        model.reset_metrics()
        losses.append(float(step({"images": images})["loss"]))
    return losses


@pytest.fixture(scope="module")
def by_precision():
    """What 40 steps did, by model and precision; trained once for all tests."""
    return {}


class _Trained:
    """A model after 40 steps, with a rate and an estimator for which the last bits hardly matter."""

    def __init__(self, model, images):
        self.model, self._images = model, images
        step = tf.function(model.train_step)
        self.losses, self._weights = [], [model.get_weights()]
        for _ in range(2):
            self.losses += _steps(model, images, 20, step)
            self._weights.append(model.get_weights())

    @functools.cached_property
    def learned(self):
        """The training loss, a mean over ten samples, before the first step, after 20 and after 40.

        The losses of steps depend on the steps' draws; here these are the same each time, and schedules stand at their
        end, so that the loss is the same function.
        """
        prepared = _prepared(self.model, self._images)
        loss = tf.function(lambda seed: tf.reduce_mean(self.model.training_loss(prepared, STEP, seed).per_image))
        means = []
        for weights in self._weights:
            self.model.set_weights(weights)
            means.append(np.mean([loss(tf.constant([7, number])) for number in range(10)]))
        self.model.set_weights(self._weights[-1])  # Batch normalisation and the like have seen the images once more.
        return means


def _trained(by_precision, build, name, precision):
    if (name, precision) not in by_precision:
        calm = ("--learning_rate=3e-3", "--learning_rate_final=3e-3", "--attention.estimator=relaxed")
        by_precision[name, precision] = _Trained(
            build(name, f"--precision={precision}", *calm), tf.constant(examples_for(name))
        )
    return by_precision[name, precision]


@pytest.mark.slow_for(*LARGE)
def test_training_lowers_the_loss_on_a_fixed_batch(by_precision, build, name):
    losses = _trained(by_precision, build, name, "float32").losses
    assert np.isfinite(losses).all()
    assert np.mean(losses[-5:]) < 0.7 * losses[0]


@pytest.mark.slow_for("lavae", "air", *LARGE)
def test_a_model_compiled_again_takes_its_steps_with_the_new_optimisers(build, name, images):
    model, still = build(name), keras.optimizers.SGD
    tf.function(model.train_step)({"images": images})
    model.compile(GroupedOptimizer({group: still(0.0) for group in model.optimizer.by_group}, model.variable_groups))
    before = [variable.numpy() for variable in model.trainable_variables]
    tf.function(model.train_step)({"images": images})
    assert int(model.optimizer.iterations) == 1
    model.compile(still(0.0))  # One for all groups will do.
    model.train_step({"images": images})
    assert int(model.optimizer.iterations) == 1
    for old, variable in zip(before, model.trainable_variables):
        np.testing.assert_array_equal(old, variable)


def test_every_trained_weight_is_in_one_group_and_every_group_has_an_optimiser(model):
    groups = model.variable_groups()
    grouped = [variable.ref() for variables in groups.values() for variable in variables]
    assert len(grouped) == len(model.trainable_variables)
    assert set(grouped) == {variable.ref() for variable in model.trainable_variables}
    assert groups.keys() == model.optimizer.by_group.keys()


def test_every_trained_weight_is_in_a_histogram_of_a_named_part(model):
    parts = weights_by_part(model)
    assert len(parts) > 1 and all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in parts)
    values = np.concatenate([np.ravel(variable) for variable in model.trainable_variables])
    np.testing.assert_array_equal(np.sort(np.concatenate([*parts.values()])), np.sort(values))


def test_every_weight_has_a_gradient(shared, name, images):
    model = shared(name)
    with tf.GradientTape() as tape:
        # The first step of all, while every auxiliary loss is on.
        loss = model.training_loss(_prepared(model, images), tf.constant(0, tf.int64), tf.constant([0, 0]))
        total = tf.reduce_sum(loss.per_image)
    gradients = tape.gradient(total, model.trainable_variables)
    missing = [v.name for v, g in zip(model.trainable_variables, gradients) if g is None]
    assert not missing


@pytest.mark.slow_for(*LARGE)
def test_random_draws_are_a_function_of_seed_and_step(shared, name, images):
    first, same, other = shared(name), shared(name), shared(name, "--seed=1")
    other.set_weights(first.get_weights())
    losses = _steps(first, images, 2)
    assert _steps(same, images, 2) == losses
    assert _steps(other, images, 1) != losses[:1]


def test_building_changes_no_weight(model):
    statistics = [v for v in model.non_trainable_variables if "moving" in v.name or "baseline" in v.name]
    # Running means begin at 0 and variances at 1; a batch would leave other values.
    assert all(np.isin(variable, (0.0, 1.0)).all() for variable in statistics)
    assert all(int(each.iterations) == 0 for each in (model.optimizer, *model.optimizer.by_group.values()))


@pytest.mark.slow_for("lavae", "air", *LARGE)
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_and_keeps_probabilities_in_float32(by_precision, build, name, images, precision):
    reference = _trained(by_precision, build, name, "float32")
    trained = _trained(by_precision, build, name, precision)
    model = trained.model
    terms = model.elbo_terms(_prepared(model, images), tf.constant([0, 0]))
    description = model.encode(images)
    decoded = model.decode(description, 24, 24)
    assert np.isfinite(trained.losses).all()
    np.testing.assert_allclose(trained.losses[0], reference.losses[0], rtol=0.05)
    # Within a tenth of what float32 learns, or a fifth: float16 skips some steps until its loss scale fits, momentum
    # then begins anew, and it may be 20 steps late.
    start, halfway, end = reference.learned
    skips = precision == "mixed_float16"
    tolerance, worst = (0.2 * (start - end), halfway) if skips else (0.1 * (start - end), end)
    assert end - tolerance < trained.learned[-1] < worst + tolerance
    assert {value.dtype for value in terms.values()} == {tf.float32}
    assert {value.dtype for value in description.values()} <= {tf.float32, tf.int32}
    assert decoded.dtype == tf.float32


@pytest.mark.slow_for(*LARGE)
def test_an_overflow_in_one_group_skips_the_step_of_all_and_lowers_the_scale(build, name, images, monkeypatch):
    model = build(name, "--precision=mixed_float16")
    grouped = GroupedOptimizer(model.optimizer.inner_optimizer.by_group, model.variable_groups)
    # With a scale so low that nothing else overflows.
    model.compile(keras.mixed_precision.LossScaleOptimizer(grouped, initial_scale=16.0))
    optimizer, trained = model.optimizer, model.trainable_variables
    compute_gradients, last = optimizer.compute_gradients, [*model.variable_groups().values()][-1][-1]

    def with_one_infinite(*args, **kwargs):
        gradients = compute_gradients(*args, **kwargs)
        assert all(np.isfinite(gradient).all() for gradient, _ in gradients)
        return [(gradient + np.inf if variable is last else gradient, variable) for gradient, variable in gradients]

    begin = [variable.numpy() for variable in trained]
    _steps(model, images, 1)
    before = [variable.numpy() for variable in trained]
    for variables in model.variable_groups().values():
        assert any((begin[i] != before[i]).any() for i, each in enumerate(trained) if any(each is v for v in variables))
    assert float(optimizer.loss_scale) == 16.0
    monkeypatch.setattr(optimizer, "compute_gradients", with_one_infinite)
    _steps(model, images, 1)
    for old, variable in zip(before, trained):
        np.testing.assert_array_equal(old, variable)
    assert float(optimizer.loss_scale) == 8.0
    assert int(optimizer.iterations) == 2
    monkeypatch.undo()
    _steps(model, images, 1)  # Schedules go on from there, in all groups.
    assert {int(each.iterations) for each in grouped.by_group.values()} == {3}


def test_a_restored_checkpoint_goes_on_as_if_nothing_had_happened(shared, name, images, tmp_path):
    model = shared(name)
    _steps(model, images, 1)
    path = tf.train.Checkpoint(model=model).write(str(tmp_path / "checkpoint"))
    expected = _steps(model, images, 1)
    restored = shared(name, "--seed=0")
    tf.train.Checkpoint(model=restored).read(path).assert_existing_objects_matched()
    assert _steps(restored, images, 1) == expected
    for one, other in zip(model.weights, restored.weights):
        np.testing.assert_array_equal(one, other)


def test_more_may_be_logged_than_when_a_checkpoint_was_written(build, model, name, tmp_path):
    newer = build(name, "--seed=1")
    path = tf.train.Checkpoint(model=model).write(str(tmp_path / "checkpoint"))
    newer._means.training["new"] = keras.metrics.Mean(name="new")
    tf.train.Checkpoint(model=newer).read(path).assert_existing_objects_matched().assert_consumed()
    for one, other in zip(model.weights, newer.weights):
        np.testing.assert_array_equal(one, other)


def test_elbo_terms_add_up_and_kl_terms_are_not_negative(model, images):
    terms = model.elbo_terms(_prepared(model, images), tf.constant([1, 2]))
    total = terms["reconstruction"] - sum(value for key, value in terms.items() if key.startswith("kl_"))
    np.testing.assert_allclose(elbo(terms), total, rtol=1e-6)
    assert all(value.shape == (8,) for value in terms.values())
    assert all((value.numpy() >= -1e-4).all() for key, value in terms.items() if key.startswith("kl_"))


@pytest.mark.parametrize(
    ("size", "max_objects"), [((24, 24), 1), ((24, 24), 9), ((17, 40), 3), ((17, 40), 9), ((64, 33), 1), ((64, 33), 3)]
)
def test_any_image_size_and_number_of_objects(model, size, max_objects):
    images = tf.constant(np.random.RandomState(0).uniform(size=(3, *size, 1)).astype(np.float32))
    description = model.encode(images, max_objects)
    if model.finds_objects:
        assert description["num_objects"].dtype == tf.int32
        assert description["presence"].shape == (3, max_objects)
        assert description["locations"].shape == (3, max_objects, 2)
        np.testing.assert_array_equal(tf.reduce_sum(description["presence"], axis=1), description["num_objects"])
    decoded = model.decode(description, *size)
    assert decoded.shape == images.shape
    assert 0.0 <= decoded.numpy().min() <= decoded.numpy().max() <= 1.0
    terms = model.elbo_terms(_prepared(model, images), tf.constant([0, 0]), max_objects)
    assert np.isfinite([value.numpy() for value in terms.values()]).all()


def test_descriptions_from_the_posterior_are_a_function_of_the_seed(shared, name, images):
    model = shared(name, *FINDS_MUCH)
    likely, (first, again, other) = model.encode(images), (model.encode(images, seed=[0, n]) for n in (1, 1, 2))
    specs = [{key: (value.dtype, value.shape) for key, value in each.items()} for each in (likely, first)]
    assert specs[0] == specs[1]
    same = [all(np.array_equal(first[key], each[key]) for key in first) for each in (again, other, likely)]
    assert same == [True, False, False]


def test_boxes_are_tight_around_what_objects_show(model, images):
    if not model.finds_objects:
        assert model.geometry(model.encode(images), 24, 24) == {}
        return
    description = _scenes(model, 50)
    boxes = model.geometry(description, 24, 30)["boxes"].numpy()
    present = description["presence"].numpy() > 0
    assert boxes.shape == (50, 3, 4)
    assert boxes.min() >= 0
    assert boxes.max() <= 1
    assert not boxes[~present].any()
    shares, inside = _shares_of_peaks(model, description), _inside(description)
    assert inside.sum() > 10
    for scene, slot in np.argwhere(inside):
        visible = np.argwhere(shares[scene, slot] > 0.5)
        edges = [*visible.min(0), *visible.max(0) + 1]
        np.testing.assert_allclose(boxes[scene, slot] * [24, 30, 24, 30], edges, atol=1e-4)


def _scenes(model, count):
    """Scenes of 24 x 30 with up to three objects; with levels, half of them dark on bright, and no light is cut off."""
    description = model.sample_description(count, 24, 30, tf.constant([0, 1]), 3)
    levels = {"levels": tf.tile([[0.5, 0.4], [0.5, -0.4]], [count // 2, 1])} if "levels" in description else {}
    return {**description, **levels}


def _inside(description):
    """Which objects are where no sprite of LAVAE is cut: `[scenes, slots]`."""
    locations = description["locations"].numpy()
    return (description["presence"].numpy() > 0) & (locations >= 4).all(-1) & (locations <= [19, 25]).all(-1)


def _shares_of_peaks(model, description):
    """By how much each object alone lights up the empty scene, of the most that it does: `[scenes, slots, 24, 30]`.

    In the brightest channel, and measured as the model sees it, with its normalisation.
    """
    scenes, slots = description["presence"].shape
    repeated = {name: tf.repeat(value, slots, axis=0) for name, value in description.items()}

    def drawn(chosen):
        scene = {**repeated, "presence": repeated["presence"] * np.tile(chosen, (scenes, 1)).astype(np.float32)}
        return model.prepare({**scene, "images": model.decode(scene, 24, 30)}).numpy()

    shown = np.abs(drawn(np.eye(slots)) - drawn(np.zeros((slots, slots)))).max(-1).reshape(scenes, slots, 24, 30)
    return shown / np.maximum(shown.max(axis=(2, 3), keepdims=True), 1e-4)


def test_masks_say_whose_each_pixel_is(model, images):
    if not model.finds_objects:
        with pytest.raises(NotImplementedError, match="does not find objects"):
            model.masks(images, model.encode(images))
        return
    description = _scenes(model, 50)
    masks = model.masks(model.decode(description, 24, 30), description).numpy()
    present = description["presence"].numpy() > 0
    assert masks.dtype == np.int32 and masks.shape == (50, 24, 30)
    found = np.stack([[(mask == slot + 1).any() for slot in range(3)] for mask in masks])
    assert masks.min() == 0 and masks.max() == 3
    assert not found[~present].any() and found[present].mean() > 0.5
    assert not masks[~present.any(1)].any() and not present.any(1).all()
    # A pixel is an object's only where it shows almost a fifth of its peak or more, and where it shows most of all.
    shares, inside = _shares_of_peaks(model, description), _inside(description)
    own = np.take_along_axis(shares, np.maximum(masks[:, None] - 1, 0), axis=1)[:, 0]
    assert own[masks > 0].min() > 0.18
    whole = (present == inside).all(1)
    assert (own[whole] >= shares[whole].max(axis=1) - 1e-3)[masks[whole] > 0].all()
    # Where there is only one object, all is its own that shows half of its peak.
    alone = whole & (present.sum(1) == 1)
    assert (masks[alone] > 0)[shares[alone].max(axis=1) > 0.51].all()
    assert whole.sum() > 5 and alone.any()


def test_without_objects_there_is_nothing_to_outline(model, images, name):
    description = model.encode(images)
    if not model.finds_objects:
        return
    bare = {
        key: tf.zeros_like(value) if field(key).by_object or key == "num_objects" else value
        for key, value in description.items()
    }
    masks = model.masks(images, bare)
    assert masks.dtype == tf.int32 and masks.shape == (8, 24, 24)
    assert not masks.numpy().any()
    assert not any(value.numpy().any() for value in model.geometry(bare, 24, 24).values())
    assert model.decode(bare, 24, 24).numpy().any() == (name in FOR_PICTURES)  # Others are black without objects.


def test_masks_of_any_size_are_the_same_from_a_graph(shared, name, images):
    model = shared(name, *FINDS_MUCH)
    if not model.finds_objects:
        return

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 1])], autograph=False)
    def masks(images):
        return model.masks(images, model.encode(images))

    for size in ((24, 24), (40, 33)):
        resized = tf.image.resize(images[:3], size)
        expected = model.masks(resized, model.encode(resized)).numpy()
        np.testing.assert_array_equal(masks(resized), expected)
        assert expected.shape == (3, *size) and expected.any()
    assert masks.experimental_get_tracing_count() == 1


def test_losses_and_elbos_are_of_prepared_images(shared, name, images, monkeypatch):
    model, seed = shared(name), tf.constant([1, 2])
    # Levels of the larger picture that a crop is from, and not the crop's own.
    levels = {"levels": tf.tile([[0.1, 0.8]], [8, 1])} if name in FOR_PICTURES else {}
    prepared = model.prepare({"images": images, **levels})
    assert prepared.shape == images.shape and prepared.dtype == tf.float32
    np.testing.assert_array_equal(np.array_equal(prepared, images), name not in FOR_PICTURES)
    terms = model.elbo_terms(prepared, seed)
    measures = model.held_out_measures({"images": images, **levels}, seed)
    for key, value in {**terms, "elbo": elbo(terms)}.items():
        np.testing.assert_allclose(measures[key], value, rtol=1e-5)
    seen, loss = [], model.training_loss
    monkeypatch.setattr(model, "training_loss", lambda images, *rest: seen.append(images) or loss(images, *rest))
    model.train_step({"images": images, **levels})
    np.testing.assert_array_equal(seen, [prepared])


@pytest.mark.slow_for(*LARGE)
def test_held_out_batches_of_any_number_of_images_are_measured_in_one_graph(shared, name, images):
    model, seed = shared(name), tf.constant([1, 2])
    measure = tf.function(lambda images: model.held_out_measures({"images": images}, seed), autograph=False)
    measure = measure.get_concrete_function(tf.TensorSpec([None, *images.shape[1:]]))
    for number in (3, 8):
        expected = model.held_out_measures({"images": images[:number]}, seed)
        for key, value in measure(images[:number]).items():
            np.testing.assert_allclose(value, expected[key], rtol=1e-3, atol=1e-3, err_msg=key)


@pytest.mark.parametrize(("scale", "shift"), [(0.5, 0.0), (1.0, 0.1), (-1.0, 1.0)])
def test_brightness_and_contrast_of_pictures_do_not_matter(shared, name, images, scale, shift):
    """Nor does it whether objects are brighter or darker than what is around them."""
    if name not in FOR_PICTURES:
        return
    model = shared(name, "--lavae.count_threshold=-9")  # So that much is found.
    changed = scale * images + shift
    description, same = model.encode(images), model.encode(changed)
    assert description["num_objects"].numpy().min() > 1
    for key in ("num_objects", "presence", "locations"):
        np.testing.assert_array_equal(same[key], description[key])
    drawn, redrawn = (model.decode(each, 24, 24).numpy() for each in (description, same))
    assert np.median(np.ptp(drawn, axis=(1, 2, 3))) > 0.01  # Objects show.
    np.testing.assert_allclose(redrawn, scale * drawn + shift, atol=1e-4)
    np.testing.assert_allclose(np.median(drawn, axis=(1, 2, 3)), np.median(images, axis=(1, 2, 3)), atol=0.1)
    np.testing.assert_allclose(model.prepare({"images": changed}), _prepared(model, images), atol=1e-4)
    np.testing.assert_array_equal(model.masks(changed, same), model.masks(images, description))
    elbos = [elbo(model.elbo_terms(_prepared(model, each), tf.constant([0, 0]))) for each in (images, changed)]
    np.testing.assert_allclose(*elbos, rtol=1e-3)


@pytest.mark.slow_for(*LARGE)
@pytest.mark.usefixtures("optimised_graphs")
def test_an_optimised_graph_for_one_size_gives_what_python_gives(shared, name, images):
    model = shared(name, *FINDS_MUCH)

    def all_that_is_inferred(images):
        description, prepared = model.encode(images), _prepared(model, images)
        outputs = {**description, "images": model.decode(description, 24, 24), "prepared": prepared}
        masks = {"masks": model.masks(images, description)} if model.finds_objects else {}
        return {**outputs, **model.elbo_terms(prepared, tf.constant([0, 0])), **masks}

    expected, given = all_that_is_inferred(images), tf.function(all_that_is_inferred, autograph=False)(images)
    assert given.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(given[key], value, rtol=1e-3, atol=1e-4, err_msg=key)


def test_prior_samples_are_descriptions(model, images):
    for max_objects, most, from_prior in ((None, 2, False), (6, 6, False), (None, 2, True)):
        description = model.sample_description(200, 24, 30, tf.constant([0, 1]), max_objects, from_prior)
        encoded = model.encode(images, most)
        assert {key: value.dtype for key, value in description.items()} == {k: v.dtype for k, v in encoded.items()}
        if model.finds_objects:
            assert set(description["num_objects"].numpy()) == set(range(most + 1))
        assert model.decode(description, 24, 30).shape == (200, 24, 30, 1)


def test_samples_of_up_to_a_given_number_of_objects_have_all_numbers_alike(model):
    if not model.finds_objects:
        return
    model.count_prior.trainable_variables[0].assign([9.0, 0.0, 0.0])  # It has learned that there is none.
    for max_objects, expected in ((None, [1000, 0, 0]), (2, [333] * 3), (1, [500, 500])):
        description = model.sample_description(1_000, 24, 24, tf.constant([0, 2]), max_objects)
        numbers = np.bincount(description["num_objects"], minlength=len(expected))
        np.testing.assert_allclose(numbers, expected, atol=70)  # Four standard deviations and more.
