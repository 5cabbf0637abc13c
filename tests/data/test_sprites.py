import numpy as np
import pytest
from scipy import ndimage

from tf_scenes.data import sprites
from tf_scenes.data.mnist import load_mnist
from tf_scenes.errors import UserError


def test_shapes_are_all_combinations_of_the_paper():
    bank = sprites.shapes(18)
    assert len(bank) == 3 * 6 * 40 * 7
    described = np.column_stack(
        [bank.labels, bank.attributes["scale"], bank.attributes["angle"], bank.attributes["color"]]
    )
    assert len(np.unique(described, axis=0)) == len(bank)
    np.testing.assert_allclose(np.unique(bank.attributes["scale"]), [0.5, 0.6, 0.7, 0.8, 0.9, 1.0], rtol=1e-6)
    assert bank.sprites.shape == (5040, 18, 18, 3)
    assert set(np.unique(bank.sprites)) == {0, 255}


def test_shapes_have_the_area_of_their_outline_at_every_angle():
    bank = sprites.shapes(96)  # Large, so that pixels do not matter much.
    areas = bank.sprites.any(axis=-1).sum(axis=(1, 2))
    radius = 96 * bank.attributes["scale"] / 2
    inscribed = np.choose(
        bank.labels, [2 * radius**2, np.pi * radius**2 / 2, 3 * np.sqrt(3) / 4 * radius**2]
    )  # square, ellipse with half the height, triangle
    np.testing.assert_allclose(areas, inscribed, rtol=0.07)


def test_shapes_turn_clockwise_by_their_angle():
    bank = sprites.shapes(64)
    triangle = sprites.SHAPE_NAMES.index("triangle")
    chosen = (bank.labels == triangle) & (bank.attributes["scale"] == 1.0)
    chosen &= (bank.attributes["color"] == 1).all(axis=-1)
    masks, angles = bank.sprites[chosen][..., 0] > 0, bank.attributes["angle"][chosen]
    upright = masks[angles == 0][0].astype(float)
    for mask, angle in zip(masks, angles):
        turned = ndimage.rotate(upright, -np.degrees(angle), reshape=False, order=1) > 0.5
        assert (turned & mask).sum() / (turned | mask).sum() > 0.93


def test_colors_are_saturated_and_fill_the_shape():
    bank = sprites.shapes(18)
    colors = bank.sprites.max(axis=(1, 2)) // 255
    np.testing.assert_array_equal(colors, bank.attributes["color"])
    assert len(np.unique(colors, axis=0)) == 7
    assert colors.any(axis=-1).all()


@pytest.mark.parametrize("size", [12, 18, 28])
def test_no_digit_becomes_empty_or_full(size, mnist_path):
    for bank in (sprites.mnist(mnist_path, size), sprites.handwritten_digits(size)):
        lit = (bank.sprites > 0).mean(axis=(1, 2, 3))
        assert lit.min() > 0.0
        assert lit.max() < 0.9


def test_digits_are_rescaled_bilinearly_and_rounded():
    digit = np.random.RandomState(0).randint(0, 256, (14, 14)).astype(np.uint8)
    # To twice the size, bilinear interpolation weighs the four nearest by 9, 3, 3 and 1 sixteenths.
    padded = np.pad(digit.astype(float), 1, mode="edge")
    expected = ndimage.map_coordinates(padded, np.mgrid[0:28, 0:28] / 2 + 0.75, order=1)
    sure = np.abs(expected - 127.5) > 1.0
    np.testing.assert_array_equal((sprites.binarize_digit(digit, 28) > 0)[sure], (expected > 127.5)[sure])


def test_a_faint_digit_keeps_its_stroke():
    digit = np.zeros((28, 28), np.uint8)
    digit[4:24, 14] = 90
    binary = sprites.binarize_digit(digit, 18)
    assert 0 < (binary > 0).sum() < 60


def test_mnist_pool_is_fixed_and_labelled(mnist_path):
    once, again = (sprites.mnist(mnist_path, pool=1_000) for _ in range(2))
    assert len(once) == 1_000
    np.testing.assert_array_equal(once.sprites, again.sprites)
    assert set(once.labels) == set(range(10))


def test_mnist_pool_larger_than_the_file_is_refused(mnist_path):
    with pytest.raises(UserError, match=r"pool of 10001 .* only 10000"):
        sprites.mnist(mnist_path, pool=10_001)


def test_own_sprites(tmp_path):
    path = str(tmp_path / "own.npz")
    array = np.zeros((3, 5, 7), np.float32)
    array[:, 1:4, 2] = 1.0
    np.savez(path, sprites=array, labels=np.array([2, 0, 2]))
    bank = sprites.from_file(path)
    assert bank.sprites.shape == (3, 7, 7, 1)
    assert list(bank.labels) == [2, 0, 2]
    assert (bank.sprites[:, :5, :7, 0] == array * 255).all()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"other": np.zeros(3)}, "no array 'sprites'"),
        ({"sprites": np.array([{"a": 1}], dtype=object)}, "without pickles"),
        ({"sprites": np.full((2, 4, 4), np.nan)}, "without NaN"),
        ({"sprites": np.full((2, 4, 4), 3.0)}, r"lie in \[3, 3\]"),
        ({"sprites": np.zeros((2, 4, 4, 2), np.uint8)}, "C 1 or 3"),
        ({"sprites": np.zeros((2, 4, 4), np.int64)}, "int64"),
        ({"sprites": np.zeros((2, 4, 4), np.uint8)}, "sprite 0 .* is empty"),
        ({"sprites": np.ones((2, 4, 4), np.uint8), "labels": np.array([0, -1])}, "whole numbers"),
        ({"sprites": np.ones((2, 4, 4), np.uint8), "labels": np.array([0])}, "2 whole numbers"),
        ({"sprites": np.ones((2, 4, 4), np.uint8), "labels": np.array([0, 2**31 - 1])}, "from 0 to 9,999"),
        ({"sprites": np.ones((2, 4, 4), np.uint8), "labels": np.array([0, 2**40])}, r"lie in \[0, 1099511627776\]"),
        ({"sprites": np.ones((2, 4, 4), np.uint8), "labels": np.array(["a", "b"])}, "have type <U1"),
    ],
)
def test_bad_own_sprites_are_one_clear_line(tmp_path, arrays, message):
    path = str(tmp_path / "own.npz")
    np.savez(path, **arrays)
    with pytest.raises(UserError, match=message):
        sprites.from_file(path)


def test_a_file_that_is_no_archive(tmp_path):
    path = tmp_path / "own.npz"
    path.write_bytes(b"garbage")
    with pytest.raises(UserError, match=r"is not an \.npz archive"):
        sprites.from_file(str(path))
    with pytest.raises(UserError, match="does not exist"):
        sprites.from_file(str(tmp_path / "none.npz"))


def test_grey_shapes_have_all_sizes_and_the_area_of_their_outline():
    bank = sprites.grey_shapes(24)
    assert len(bank) == 3 * 13 * 72
    assert set(bank.frame_sizes) == set(range(12, 25))
    radius = bank.frame_sizes / 2
    expected = np.choose(bank.labels, [2 * radius**2, np.pi * radius**2 / 2, 3 * np.sqrt(3) / 4 * radius**2])
    np.testing.assert_allclose(bank.sprites.sum((1, 2, 3)) / 255, expected, rtol=0.08)
    assert len(np.unique(bank.sprites)) > 20  # Smooth edges.
    pixels = bank.sprites[..., 0].astype(float)
    for number in np.random.RandomState(0).permutation(len(bank))[:20]:
        frame = bank.frame_sizes[number]
        middle = ndimage.center_of_mass(pixels[number])
        np.testing.assert_allclose(middle, [(frame - 1) / 2] * 2, atol=0.4)


def test_grey_mnist_digits_keep_their_pixels(mnist_path):
    bank = sprites.grey_mnist(mnist_path)
    digits, labels, origin = load_mnist(mnist_path)
    assert bank.origin == origin == "10,000 MNIST digits of t10k-images-idx3-ubyte.gz"
    assert bank.sprites.shape == (10_000, 20, 20, 1)
    np.testing.assert_array_equal(bank.labels, labels)
    np.testing.assert_array_equal(bank.sprites.sum((1, 2, 3), dtype=np.int64), digits.sum((1, 2), dtype=np.int64))


def test_scaled_digits_have_the_sizes_of_observations(mnist_path):
    bank = sprites.scaled_mnist(mnist_path)
    each = len(bank) // 10_000
    np.testing.assert_array_equal(bank.labels[::each], load_mnist(mnist_path).labels)
    held_out = bank.held_out.reshape(10_000, each)
    assert (held_out == held_out[:, :1]).all()  # A digit is held out in all of its sizes.
    assert held_out.mean() == pytest.approx(0.1, abs=0.01)
    scales = 28 / bank.frame_sizes  # Frames are rounded down.
    assert (scales.mean(), scales.std()) == (pytest.approx(1.3 * 1.02, abs=0.02), pytest.approx(0.1, abs=0.02))
    digits = load_mnist(mnist_path).images
    for number in range(0, len(bank), len(bank) // 50):
        frame, digit = bank.frame_sizes[number], digits[number // each].astype(float)
        light = bank.sprites[number, ..., 0].astype(float)
        assert not light[frame:].any() and not light[:, frame:].any()
        expected = np.array(ndimage.center_of_mass(digit)) * frame / 28  # The digit is where it was in its margins.
        np.testing.assert_allclose(ndimage.center_of_mass(light), expected, atol=0.5)
        assert light.sum() == pytest.approx(digit.sum() * (frame / 28) ** 2, rel=0.05)


def test_grey_handwritten_digits_are_grey_and_of_the_asked_size():
    bank = sprites.grey_handwritten_digits(20)
    assert bank.sprites.shape == (1797, 20, 20, 1)
    assert len(np.unique(bank.sprites)) > 100
    with pytest.raises(UserError, match="empty"):
        sprites.grey_digit(np.zeros((8, 8), np.uint8), 20)
