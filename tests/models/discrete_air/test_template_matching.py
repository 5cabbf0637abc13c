"""Template matching against brute force in NumPy."""

import numpy as np
import tensorflow as tf
from scipy import ndimage, special

from tests.layers.test_spatial_transformer import bumps
from tf_scenes.models.discrete_air.template_matching import TemplateMatching
from tf_scenes.stack import keras

SIZE, ROTATIONS = 24, 8
TEMPLATES = np.concatenate([bumps(SIZE, [(0.3, 0.0)]), bumps(SIZE, [(0.0, 0.2)]) * 0.5])


def test_bank_holds_the_templates_turned():
    bank = TemplateMatching(2, ROTATIONS, SIZE).bank(tf.constant(TEMPLATES)).numpy()
    bank = bank.reshape(2, ROTATIONS, SIZE, SIZE)
    for category in range(2):
        for number in range(ROTATIONS):
            # SciPy turns the other way, with y downwards.
            turned = ndimage.rotate(TEMPLATES[category, ..., 0], -360 * number / ROTATIONS, reshape=False, order=1)
            np.testing.assert_allclose(bank[category, number], turned, atol=0.03)


def test_posterior_and_likelihood_are_those_of_the_mixture():
    layer = TemplateMatching(2, ROTATIONS, SIZE)
    bank = layer.bank(tf.constant(TEMPLATES))
    glimpses = np.random.RandomState(0).uniform(size=(5, SIZE, SIZE, 1)).astype(np.float32)
    match = layer.match(tf.constant(glimpses), bank, tf.constant(2.0))
    errors = ((glimpses.reshape(5, 1, -1) - bank.numpy()) ** 2).sum(-1).reshape(5, 2, ROTATIONS)
    joint = special.softmax(-errors / 8, axis=(1, 2))
    np.testing.assert_allclose(match.categories, joint.sum(-1), rtol=1e-3)
    np.testing.assert_allclose(match.rotations, joint / joint.sum(-1, keepdims=True), rtol=1e-3)
    expected = -8 * np.log(np.exp(-errors / 8).mean((1, 2)))
    np.testing.assert_allclose(match.loss, expected, rtol=1e-4)


def test_loss_goes_from_the_mean_error_to_the_least():
    layer = TemplateMatching(2, ROTATIONS, SIZE)
    bank = layer.bank(tf.constant(TEMPLATES))
    glimpses = bank.numpy()[3].reshape(1, SIZE, SIZE, 1)
    errors = ((glimpses.reshape(1, -1) - bank.numpy()) ** 2).sum(-1)
    np.testing.assert_allclose(layer.match(glimpses, bank, tf.constant(100.0)).loss, errors.mean(), rtol=0.01)
    exact = layer.match(glimpses, bank, tf.constant(0.1))
    assert exact.loss.numpy() < 0.1
    assert exact.rotations.numpy()[0, 0].argmax() == 3 and exact.categories.numpy()[0, 0] > 0.99


def test_balancing_brings_a_neglected_category_into_use():
    layer = TemplateMatching(2, ROTATIONS, SIZE)
    bank = layer.bank(tf.constant(TEMPLATES))
    glimpses = tf.constant(np.random.RandomState(0).uniform(size=(64, SIZE, SIZE, 1)).astype(np.float32) * 0.3)

    def use():
        return layer.match(glimpses, bank, tf.constant(4.0)).categories

    before = use().numpy().mean(0)
    for _ in range(200):
        layer.balance(tf.reduce_mean(use(), axis=0), rate=0.3)
    after = use().numpy().mean(0)
    assert abs(before[0] - 0.5) > 0.05
    np.testing.assert_allclose(after, [0.5, 0.5], atol=0.01)


def test_gradient_training_finds_categories_whatever_their_angle():
    """Three shapes at random angles, templates from noise: the categories that come out are the shapes."""
    random = np.random.RandomState(1)
    y, x = np.mgrid[-1:1:14j, -1:1:14j]
    shapes = [abs(x) + abs(y) < 0.8, (x**2 + (3 * y) ** 2) < 0.8, (y < 0.5) & (y > abs(x) * 1.8 - 0.9)]
    labels = random.randint(0, 3, 600)
    glimpses = np.stack(
        [
            ndimage.rotate(shapes[label].astype(float), random.uniform(0, 360), reshape=False, order=1)
            for label in labels
        ]
    )[..., None].astype(np.float32)
    layer = TemplateMatching(3, 24, 14)
    logits = tf.Variable(random.normal(scale=0.3, size=(3, 14, 14, 1)).astype(np.float32) - 1.0)
    optimizer = keras.optimizers.Adam(0.02)

    @tf.function
    def step(batch, noise):
        with tf.GradientTape() as tape:
            match = layer.match(batch, layer.bank(tf.sigmoid(logits)), noise)
            loss = tf.reduce_mean(match.loss)
        optimizer.apply_gradients([(tape.gradient(loss, logits), logits)])
        layer.balance(tf.reduce_mean(match.categories, axis=0), 0.3)

    for number in range(400):
        noise = 3.0 * (0.7 / 3.0) ** min(1.0, number / 250)
        step(tf.constant(glimpses[random.randint(0, 600, 64)]), tf.constant(noise, tf.float32))
    found = layer.match(glimpses, layer.bank(tf.sigmoid(logits)), tf.constant(0.7)).categories.numpy().argmax(1)
    confusion = np.array([[np.sum((found == k) & (labels == c)) for c in range(3)] for k in range(3)])
    assert confusion.max(axis=1).sum() / 600 > 0.95
    assert set(confusion.argmax(axis=1)) == {0, 1, 2}


def test_the_loss_of_a_drawn_category_has_the_right_gradient_on_average():
    layer = TemplateMatching(2, ROTATIONS, SIZE)
    glimpse = np.random.RandomState(1).uniform(size=(1, SIZE, SIZE, 1)).astype(np.float32) * 0.3
    glimpses = tf.constant(np.repeat(glimpse, 4_000, axis=0))
    templates = tf.constant(TEMPLATES)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(templates)
        match = layer.match(glimpses, layer.bank(templates), tf.constant(5.0))
        losses = {
            "exact": tf.reduce_mean(match.loss),
            "drawn": tf.reduce_mean(match.sampled_loss(tf.constant([0, 0]))),
            "one draw": match.sampled_loss(tf.constant([0, 0]))[0],
        }
    gradients = {name: tape.gradient(loss, templates).numpy() for name, loss in losses.items()}
    shares = match.categories.numpy()[0]
    assert 0.2 < shares[0] < 0.8  # Neither category is certain.
    scale = np.abs(gradients["exact"]).max()
    np.testing.assert_allclose(gradients["drawn"], gradients["exact"], atol=0.06 * scale)  # 3 / sqrt(4,000) of 1.
    # A single draw moves one template only.
    assert sorted(np.abs(gradients["one draw"]).max(axis=(1, 2, 3)) > 0.0) == [False, True]


def test_blank_glimpses_belong_to_no_template():
    layer = TemplateMatching(2, ROTATIONS, SIZE)
    bank = layer.bank(tf.constant(TEMPLATES))
    random = np.random.RandomState(0)
    shown = bank.numpy()[[1, 12]].reshape(2, SIZE, SIZE, 1)
    blank = random.uniform(size=(2, SIZE, SIZE, 1)).astype(np.float32) * 0.02
    glimpses = np.concatenate([shown, blank]).astype(np.float32)
    match = layer.match(glimpses, bank, tf.constant(0.8))
    assert (match.object_probability.numpy()[:2] > 0.9).all()
    assert (match.object_probability.numpy()[2:] < 0.1).all()
    # By hand: one component more, as likely beforehand as each category.
    errors = ((glimpses.reshape(4, 1, -1) - bank.numpy()) ** 2).sum(-1).reshape(4, 2, ROTATIONS)
    likelihood = np.exp(-errors / (2 * 0.8**2)).mean(axis=2).sum(axis=1)
    blank_likelihood = np.exp(-(glimpses**2).sum(axis=(1, 2, 3)) / (2 * 0.8**2))
    np.testing.assert_allclose(match.object_probability, likelihood / (likelihood + blank_likelihood), rtol=1e-3)
