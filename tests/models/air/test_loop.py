"""AIR and Discrete-AIR beyond what all models have in common."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from tests.models.model_table import ATTENTION, COMMON, example_images
from tf_scenes.distributions.presence import geometric_presence
from tf_scenes.layers.affine import scale_and_translation
from tf_scenes.models.air.slots import Inference, Latent, SamplingOptions

IMAGES = tf.constant(example_images())
VARIANTS = {
    "air": ("--model=air", "--air.what_dim=4"),
    "air_nvil": ("--model=air", "--air.what_dim=4", "--attention.estimator=nvil"),
    "rotation": ("--model=discrete_air", "--discrete_air.num_rotations=6", "--discrete_air.matching_weight=1"),
    "joint": (
        "--model=discrete_air",
        "--discrete_air.pose=joint",
        "--discrete_air.num_attributes=2",
        "--discrete_air.invariance_heads=2",
        "--attention.separate_scales=true",
    ),
    "skew": (
        "--model=discrete_air",
        "--discrete_air.pose=rotation_and_skew",
        "--discrete_air.combination=convolutional",
        "--discrete_air.num_attributes=1",
    ),
    "attention": (
        "--model=discrete_air",
        "--discrete_air.pose=rotation_and_skew",
        "--discrete_air.pose_from=attention",
    ),
    "unexplained": ("--model=air", "--air.what_dim=4", "--attention.looks_at=unexplained", "--attention.memory=false"),
    "upright": ("--model=discrete_air", "--discrete_air.pose=none", "--attention.surroundings=0"),
}


@pytest.fixture
def build(shared_model):
    """Builds a variant by its name, and with further flags; an earlier test may have had it."""
    return lambda name, *flags: shared_model(*COMMON, *VARIANTS[name], *ATTENTION, *flags)


@pytest.mark.parametrize("name", VARIANTS)
def test_what_is_encoded_is_drawn_where_the_model_drew_it(build, name):
    model = build(name, "--attention.prunes=false")
    inference = model.infer(IMAGES, 3, SamplingOptions())
    canvas = tf.clip_by_value(inference.canvas, 0.0, 1.0)
    np.testing.assert_allclose(model.decode(model.encode(IMAGES, 3), 24, 24), canvas, atol=1e-4)
    assert np.max(canvas) > 0.1


def test_what_gains_nothing_is_no_object(build, monkeypatch):
    """Of three objects that inference calls present, the first draws nothing, and the third what the second drew."""
    model = build("air")
    images = IMAGES[1:2]  # One square.
    inference = model.infer(images, 3, SamplingOptions())
    drawings = [tf.zeros_like(images), images, images]
    slots = [
        slot._replace(
            presence=tf.ones([1]),
            drawing=drawing,
            where=slot.where._replace(value=tf.constant([[0.0, 0.1 * number, -0.2 * number]])),
        )
        for number, (slot, drawing) in enumerate(zip(inference.slots, drawings), start=1)
    ]
    monkeypatch.setattr(model, "infer", lambda *_: Inference(tf.add_n(drawings), slots))
    description = model.encode(images, 3)
    np.testing.assert_array_equal(description["presence"], [[1, 0, 0]])
    np.testing.assert_array_equal(description["num_objects"], [1])
    second = np.tanh([-0.4, 0.2])  # y, x
    np.testing.assert_allclose(description["locations"][0, 0], (second + 1) * 12 - 0.5, rtol=1e-5)
    np.testing.assert_array_equal(description["locations"][0, 1:], 0.0)
    # An object must gain more than it costs: one that costs too much is left out.
    costly = [slot._replace(object=slot.object._replace(draws=_cost(1e6))) for slot in slots]
    monkeypatch.setattr(model, "infer", lambda *_: Inference(tf.add_n(drawings), costly))
    np.testing.assert_array_equal(model.encode(images, 3)["num_objects"], [0])


def _cost(nats):
    return {"kl_what": [Latent(value=tf.zeros([1, 1]), kl=tf.constant([nats]), sampled_kl=tf.constant([nats]))]}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_larger_image_of_the_same_scene_has_the_same_description_in_larger_pixels(build, name):
    model = build(name, "--attention.prunes=false")  # So that there are objects.
    small, large = model.encode(IMAGES), model.encode(tf.image.resize(IMAGES, [48, 72], "nearest"))
    np.testing.assert_array_equal(small["num_objects"], large["num_objects"])
    stretch = np.array([2.0, 3.0])
    present = small["presence"].numpy() > 0
    assert present.any()
    np.testing.assert_allclose(
        large["locations"].numpy()[present], ((small["locations"].numpy() + 0.5) * stretch - 0.5)[present], atol=0.6
    )
    np.testing.assert_allclose(large["sizes"].numpy()[present], (small["sizes"] * stretch)[present], rtol=0.05)


def test_the_transform_is_the_paper_s_from_a_hand_written_description(build, monkeypatch):
    """A bright corner of a template lands where equation 6, by hand, takes it."""
    model = build("rotation")
    corner = np.zeros((1, 8, 8, 1), np.float32)
    corner[0, 1, 6] = 1.0  # Up and right: x = 5/8, y = -5/8.
    monkeypatch.setattr(model, "draw_object", lambda latents: tf.constant(corner))
    description = {
        "presence": tf.constant([[1.0]]),
        "locations": tf.constant([[[19.5, 39.5]]]),
        "sizes": tf.constant([[[32.0, 32.0]]]),
        "angles": tf.constant([[np.pi / 2]]),
        "category": tf.constant([[0]]),
    }
    image = model.decode(description, 64, 64).numpy()[0, ..., 0]
    y, x = (np.sum(image * grid) / image.sum() for grid in np.mgrid[:64, :64])
    # Turned clockwise by 90 degrees: (x, y) -> (-y, x), then 16 pixels to a unit.
    np.testing.assert_allclose([x, y], [39.5 + 16 * 5 / 8, 19.5 + 16 * 5 / 8], atol=0.1)
    geometry = model.geometry(description, 64, 64)
    visible = np.argwhere(image > image.max() / 2)
    np.testing.assert_allclose(geometry["boxes"][0, 0] * 64, [*visible.min(0), *visible.max(0) + 1], rtol=1e-5)
    assert np.ptp(visible, axis=0).min() >= 3  # One pixel of the sprite is four on the canvas.
    # y' = x and x' = -y, 16 pixels to a unit; the corner's middle again.
    np.testing.assert_allclose(geometry["where"], [[[[0, 16, 19.5], [-16, 0, 39.5]]]], atol=1e-4)
    np.testing.assert_allclose(geometry["where"][0, 0] @ [[-5 / 8], [5 / 8], [1.0]], [[y], [x]], atol=0.1)


def test_presence_kl_against_enumeration(build):
    """Summed over all sequences with their probabilities it is the KL of the two distributions of counts."""
    model = build("air")
    logits = np.float32([0.7, -0.3])
    inference = model.infer(IMAGES[:1], 2, SamplingOptions())
    prior = geometric_presence(0.4, 2)
    odds = 1 / (1 + np.exp(-logits))
    posterior = np.array([1 - odds[0], odds[0] * (1 - odds[1]), odds[0] * odds[1]])
    expected = np.sum(posterior * (np.log(posterior) - np.log(prior.count_probabilities().numpy())))
    total = 0.0
    for count in range(3):
        slots = [
            slot._replace(
                presence_logits=tf.constant([logits[number]]),
                presence_before=tf.constant([float(count >= number)]),
                presence=tf.constant([float(count > number)]),
            )
            for number, slot in enumerate(inference.slots)
        ]
        total += posterior[count] * float(sum(model._presence_kl(inference._replace(slots=slots), prior.logits))[0])
    np.testing.assert_allclose(total, expected, rtol=1e-4)


def test_nvil_gradient_of_presence_is_unbiased(build, monkeypatch):
    """Against the derivative of the expected cost, by enumeration over both presences of one slot."""
    model = build("air_nvil", "--max_objects=1", "--attention.continue_probability=0.6")
    copies = 50
    images = np.repeat(IMAGES[2:3], copies, axis=0)
    head = model.localization._presence

    @tf.function
    def gradient(seed):
        with tf.GradientTape() as tape:
            loss = model.training_loss(images, tf.constant(0, tf.int64), seed)
            mean = tf.reduce_mean(loss.per_image)
        return tape.gradient(mean, head.bias)

    model.baseline._network.layers[-1].kernel.assign(tf.zeros([256, 1]))
    model.baseline._mean.assign(100.0)  # About the cost: any constant leaves the mean, and this one little variance.
    monkeypatch.setattr(model.baseline, "loss", lambda cost, baseline: 0.0)
    head.bias.assign([0.3])
    estimates = np.array([gradient(tf.constant([0, number])).numpy()[0] for number in range(60)])

    @tf.function
    def costs(seed):
        """Mean cost with and without the object, everything else alike."""
        results = []
        for present in (0.0, 1.0):
            inference = model.infer(images, 1, SamplingOptions(seed))
            slot = inference.slots[0]
            canvas = inference.canvas * 0.0
            if present:
                sprite = slot.object.sprite
                placed = model.attention.scale_and_translation(slot.where.value)
                canvas = model.transformer.write(sprite, scale_and_translation(*placed), 24, 24, False)
            rec = tf.reduce_sum(0.5 * ((images - canvas) / 0.3) ** 2, axis=(1, 2, 3))
            results.append(tf.reduce_mean(rec + present * tf.add_n(list(slot.kl().values()))))
        return results

    without, with_object = np.mean([[float(v) for v in costs(tf.constant([0, n]))] for n in range(20)], axis=0)
    logit = float(model.infer(images, 1, SamplingOptions()).slots[0].presence_logits[0])
    odds, prior = 1 / (1 + np.exp(-logit)), 0.6
    kl_slope = np.log(odds / (1 - odds)) - np.log(prior / (1 - prior))
    exact = odds * (1 - odds) * (with_object - without + kl_slope)
    error = estimates.std() / np.sqrt(len(estimates))
    np.testing.assert_allclose(estimates.mean(), exact, atol=4 * error + 0.02 * abs(exact))
    assert error < 0.2 * abs(exact)


@pytest.mark.parametrize("memory", [True, False])
def test_without_memory_an_object_depends_on_the_latest_one_and_what_is_left_alone(build, memory):
    model = build("air", f"--attention.memory={memory}")
    first, second, third = model.infer(IMAGES, 3, SamplingOptions()).slots
    canvas = sum(slot.presence[:, None, None, None] * slot.drawing for slot in (first, second))
    latents = tf.concat([second.presence[:, None], second.where.value, second.object.features], axis=-1)
    start = model.localization.initial_state(tf.shape(IMAGES)[0])
    logits = model.localization(IMAGES - canvas, latents, start).presence_logits
    assert np.allclose(logits, third.presence_logits, atol=1e-5) == (not memory)


def test_training_unrolls_more_slots_and_the_prior_of_counts_stays_in_its_range(build, monkeypatch):
    model, unrolled = build("joint", "--attention.extra_slots=2"), []
    infer = model.infer
    monkeypatch.setattr(
        model,
        "infer",
        lambda images, num_slots, sampling: unrolled.append(num_slots) or infer(images, num_slots, sampling),
    )
    loss = model.training_loss(IMAGES, tf.constant(0, tf.int64), tf.constant([0, 0]))
    assert unrolled == [model.max_objects + 2]
    assert np.isfinite(loss.per_image).all()
    counts = model.count_prior.for_range(None).probs_parameter()
    assert counts.shape == [model.max_objects + 1]


def test_what_is_explained_is_hidden_and_the_rest_is_seen_as_it_is(build):
    """A canvas that shows the left square of two: networks then see the right one alone, in glimpses too."""
    model = build("unexplained")
    images, canvas = np.zeros((2, 1, 24, 24, 1), np.float32)
    images[0, 4:10, 3:9], images[0, 12:20, 14:20] = 0.9, 0.7
    canvas[0, 5:9, 4:8] = 0.95  # Too small by a pixel on each side, and a little too bright.
    seen = model._seen(tf.constant(images), tf.constant(canvas))
    images[0, 4:10, 3:9] = 0.0
    np.testing.assert_array_equal(seen.whole, images)
    np.testing.assert_array_equal(seen.glimpses, images)


@pytest.mark.parametrize("pose_from", ["attention", "glimpse"])
@pytest.mark.parametrize("pose", ["rotation", "rotation_and_skew", "joint"])
def test_without_template_matching_the_pose_learns_from_the_elbo(shared_model, pose_from, pose):
    flags = (f"--discrete_air.pose={pose}", f"--discrete_air.pose_from={pose_from}")
    model = shared_model(*COMMON, "--model=discrete_air", *flags, *ATTENTION)
    with tf.GradientTape() as tape:
        loss = model.training_loss(IMAGES, tf.constant(0, tf.int64), tf.constant([0, 0]))
        reconstruction = tf.reduce_mean(loss.elbo_terms["reconstruction"])
    layer = model.localization._pose if pose_from == "attention" else model._pose_head
    assert np.all(tape.gradient(reconstruction, layer.bias) != 0.0)


def test_glimpses_are_read_through_the_whole_transformation(build):
    """Equation 7, beside SciPy: a pixel of the glimpse is the image at the place to which T^d takes it."""
    model = build("attention")
    image = ndimage.gaussian_filter(np.random.RandomState(0).uniform(size=(24, 24)), 2.0).astype(np.float32)
    model.infer(IMAGES, 1, SamplingOptions())
    model.localization._pose.bias.assign([0.0, 1.0, 0.0, 0.4, -0.3, 0.0, 0.0])
    slot = model.infer(tf.constant(image[None, ..., None]), 1, SamplingOptions(tf.constant([3, 4]))).slots[0]
    scale, translation = (value[0].numpy() for value in model.attention.scale_and_translation(slot.where.value))
    angle = slot.object.latents["angles"][0].numpy()
    k_x, k_y = np.tanh(slot.object.latents["deformations"][0])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = np.diag(scale) @ turn @ np.array([[1 + k_x * k_y, k_x], [k_y, 1]])
    assert abs(angle) > 0.5 and np.abs([k_x, k_y]).max() > 0.1
    size = model.attention_options.glimpse_size
    grid = (np.arange(size) + 0.5) * 2.0 / size - 1.0
    points = np.stack(np.meshgrid(grid, grid), axis=-1) @ linear.T + translation  # [size, size, (x, y)]
    pixels = (points[..., ::-1] + 1.0) * 12.0 - 0.5
    expected = ndimage.map_coordinates(image, np.moveaxis(pixels, -1, 0), order=1, mode="constant")
    inside = np.all((pixels >= 0.0) & (pixels <= 23.0), axis=-1)
    glimpse = slot.object.loss_inputs["glimpses"][0, ..., 0].numpy()
    np.testing.assert_allclose(glimpse[inside], expected[inside], atol=1e-4)
    assert inside.mean() > 0.3


@pytest.mark.parametrize("name", ["unexplained", "attention", "joint"])
def test_of_several_guesses_the_one_that_explains_most_is_taken(build, name):
    """Beside each of the nine guesses alone: the middle, and a quarter of a glimpse's side away in each direction."""
    model = build(name)
    slot = model.infer(IMAGES, 1, SamplingOptions(guesses=9)).slots[0]
    empty = tf.zeros_like(IMAGES)
    seen, batch = model._seen(IMAGES, empty), tf.shape(IMAGES)[0]
    latents = tf.zeros([batch, 1 + model.attention.dimensions + model.num_features])
    located = model.localization(seen.whole, latents, model.localization.initial_state(batch))
    scale, translation = model.attention.scale_and_translation(located.where.mean + model.attention.prior_mean())
    gains = []
    for offset in itertools.product([-0.5, 0.0, 0.5], repeat=2):
        moved = np.arctanh(np.clip(translation + scale * np.array(offset, np.float32), -0.97, 0.97))
        mean = tf.concat([located.where.mean[:, :-2], moved], axis=-1)
        alone = model._explain(
            seen.glimpses, located._replace(where=located.where._replace(mean=mean)), SamplingOptions()
        )
        cost = sum(np.sum([latent.kl for latent in draws], axis=0) for draws in alone.object.draws.values())
        gains.append(model._log_likelihood(IMAGES, alone.drawing) - cost - alone.where.kl)
    gain = model._log_likelihood(IMAGES, slot.drawing) - sum(slot.kl().values())
    np.testing.assert_allclose(gain, np.max(gains, axis=0), rtol=1e-5)
    assert np.any(np.max(gains, axis=0) > gains[4] + 1.0)  # Not always the middle.
