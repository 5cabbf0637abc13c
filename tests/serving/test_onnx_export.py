"""ONNX files beside TensorFlow: every operation that tf2onnx is told of, every kind of model, and the shipped ones."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy import stats

from tests.conftest import ROOT, WITH_PACKAGE, load_tool
from tests.models.model_table import COMMON, FINDS_MUCH, LARGE, MODELS, examples_for
from tf_scenes.app.build import build_model
from tf_scenes.app.modes import run_mode
from tf_scenes.data.datasets import load_dataset
from tf_scenes.errors import UserError
from tf_scenes.serving import onnx_export
from tf_scenes.serving.export import export
from tf_scenes.serving.exported import ExportedModel
from tf_scenes.serving.signatures import Limits
from tf_scenes.stack import keras

ort = pytest.importorskip("onnxruntime", reason="there is none for Python 3.9")
pytest.importorskip("tf2onnx", reason="there is none for Python 3.9")

command = load_tool("export_onnx")

SHAPE, LIMITS = (24, 24, 1), Limits(max_objects=5, largest_side=64)
# Outputs that say how many objects there are and which pixel belongs to which.
WHOLE_NUMBERS = ("num_objects", "presence", "category", "masks")


class Runtime:
    """A model in ONNX Runtime, on one thread as all tests."""

    def __init__(self, model):
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.inputs = [each.name for each in self._session.get_inputs()]
        self.outputs = [each.name for each in self._session.get_outputs()]

    def __call__(self, **inputs):
        return dict(zip(self.outputs, self._session.run(None, inputs)))


# Operations.


class Both:
    """A function of named arrays in TensorFlow and in ONNX Runtime, traced for axes of any length."""

    def __init__(self, function, **inputs):
        specs = {name: tf.TensorSpec([None] * np.ndim(value), value.dtype) for name, value in inputs.items()}
        self._traced = tf.function(lambda **given: {"result": function(**given)}).get_concrete_function(**specs)
        self._runtime = Runtime(onnx_export.converted(self._traced, "it").SerializeToString())

    def onnx(self, **inputs):
        return self._runtime(**inputs)["result"]

    def assert_alike(self, atol=0.0, rtol=0.0, **inputs):
        expected = self._traced(**{name: tf.constant(value) for name, value in inputs.items()})["result"].numpy()
        actual = self.onnx(**inputs)
        assert actual.dtype == expected.dtype
        np.testing.assert_allclose(actual, expected, atol=atol, rtol=rtol)


def _floats(*shape, seed=0):
    return np.random.RandomState(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("reduction", ["sum", "max", "min"])
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_unsorted_segments(reduction, dtype):
    operation = getattr(tf.math, f"unsorted_segment_{reduction}")
    for of_one, segments in (
        ((), [2, 0, 2, 2]),
        ((3,), [[0, 1], [1, 4]]),
        ((2, 3), [0, -1, 3, -1, 0]),  # What is negative is left out.
        ((2,), np.zeros(0)),
    ):
        segments = np.array(segments, np.int32)
        data = np.round(10 * _floats(*segments.shape, *of_one)).astype(dtype)
        inputs = {"data": data, "segments": segments}
        both = Both(lambda data, segments, number: operation(data, segments, number), **inputs, number=np.int32(6))
        for number in (5, 8):  # Those without any data too.
            both.assert_alike(**inputs, number=np.array(number, np.int32))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_one_hot(axis):
    for dtype, rank in ((np.int32, 1), (np.int64, 2), (np.int32, 3)):
        indices = np.random.RandomState(rank).randint(-1, 5, [2, 3, 4][:rank]).astype(dtype)
        both = Both(
            lambda indices, depth: tf.one_hot(indices, depth, 2.0, -1.0, axis), indices=indices, depth=np.int32(4)
        )
        for depth in (3, 4):
            both.assert_alike(indices=indices, depth=np.array(depth, np.int32))
    truth = Both(lambda indices: tf.one_hot(indices, 3, True, False, axis), indices=np.int32([0, 2]))
    truth.assert_alike(indices=np.array([1, 5, 0, -1], np.int32))


def test_the_first_of_several_maxima():
    for dtype in (np.float32, np.int32, bool):
        for axis in (0, -1):
            values = (np.random.RandomState(0).randint(0, 3, [4, 5, 6]) > 0).astype(dtype)
            for output in (tf.int32, tf.int64):
                Both(lambda x: tf.argmax(x, axis, output), x=values).assert_alike(x=values[:, :3])  # noqa: B023


@pytest.mark.parametrize("function", [tf.math.floordiv, tf.math.floormod])
def test_divisions_round_down(function):
    dividends = np.arange(-9, 10)
    for dtype in (np.int32, np.int64, np.float32):
        both = Both(lambda x, y: function(x, y), x=dividends.astype(dtype), y=np.array(4, dtype))
        for divisor in (4, -4, 1):
            both.assert_alike(x=dividends.astype(dtype), y=np.array(divisor, dtype))


def test_products_that_are_0_whatever_the_other_factor_is():
    x = np.array([np.nan, np.inf, -np.inf, 2.0, np.nan, np.inf], np.float32)
    y = np.array([0.0, 0.0, -0.0, 3.0, 1.0, 2.0], np.float32)
    both = Both(lambda x, y: tf.math.multiply_no_nan(x, y), x=x, y=y)
    both.assert_alike(x=x, y=y)
    np.testing.assert_array_equal(both.onnx(x=x, y=y)[:4], [0.0, 0.0, 0.0, 6.0])


@pytest.mark.parametrize("function", [tf.math.log1p, tf.math.expm1])
def test_functions_that_are_exact_near_0_have_its_absolute_precision(function):
    values = np.concatenate([np.linspace(-0.99, 20.0, 500), np.logspace(-9, 0, 50)]).astype(np.float32)
    Both(lambda x: function(x), x=values).assert_alike(x=values, atol=2e-7, rtol=2e-6)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_matrices_with_a_diagonal(rank):
    for dtype in (np.float32, np.int32, bool):
        diagonal = (3 * _floats(2, 3, 4)).astype(dtype)[(0,) * (3 - rank)]
        both = Both(tf.linalg.diag, diagonal=diagonal)
        both.assert_alike(diagonal=diagonal)
        both.assert_alike(diagonal=diagonal[..., :1])


def test_other_diagonals_are_refused():
    with pytest.raises(UserError, match="it cannot be converted to ONNX: of matrices with diagonals only square ones"):
        Both(lambda diagonal: tf.linalg.diag(diagonal, k=1), diagonal=_floats(3))


@pytest.mark.parametrize("antialias", [True, False])
def test_resizing(antialias):
    images = np.random.RandomState(0).uniform(size=(2, 13, 20, 3)).astype(np.float32)
    both = Both(
        lambda images, size: (
            tf.image.resize(images, size, antialias=antialias)
            if antialias
            else tf.raw_ops.ScaleAndTranslate(
                images=images,
                size=size,
                scale=tf.cast(size, tf.float32) / tf.cast(tf.shape(images)[1:3], tf.float32),
                translation=[0.0, 0.0],
                antialias=False,
                kernel_type="triangle",
            )
        ),
        images=images,
        size=np.array([3, 3], np.int32),
    )
    for size in ((13, 20), (26, 41), (5, 7), (1, 1), (30, 4)):
        for some in (images, images[:1, :1], images[:, :, 3:4]):
            both.assert_alike(images=some, size=np.array(size, np.int32), atol=2e-6)


def test_scales_and_translations_that_show_what_is_outside():
    images = np.random.RandomState(0).uniform(size=(2, 11, 9, 1)).astype(np.float32)

    def moved(images, scale, translation):
        return tf.raw_ops.ScaleAndTranslate(
            images=images, size=[10, 12], scale=scale, translation=translation, kernel_type="triangle"
        )

    inputs = {"scale": np.float32([1, 1]), "translation": np.float32([0, 0])}
    both = Both(moved, images=images, **inputs)
    for scale, translation in (((1.3, 0.4), (-2.2, 3.7)), ((0.2, 2.0), (5.1, -6.0)), ((1, 1), (0, 0))):
        inputs = {"scale": np.float32(scale), "translation": np.float32(translation)}
        both.assert_alike(images=images, **inputs, atol=2e-6)


def test_other_kernels_are_refused():
    with pytest.raises(UserError, match="it cannot be converted to ONNX: of resizing only the bilinear kind can be"):
        Both(lambda images: tf.image.resize(images, [5, 5], "lanczos3", antialias=True), images=_floats(1, 3, 3, 1))


def _transformed(images, transforms, size, **attributes):
    attributes = {"interpolation": "BILINEAR", "fill_mode": "CONSTANT", "fill_value": 0.0, **attributes}
    return tf.raw_ops.ImageProjectiveTransformV3(images=images, transforms=transforms, output_shape=size, **attributes)


def test_affine_and_projective_transforms():
    images = np.random.RandomState(0).uniform(size=(3, 9, 14, 2)).astype(np.float32)
    transforms = np.array(
        [
            [1, 0, 0, 0, 1, 0, 0, 0],
            [0.7, -0.4, 3.1, 0.5, 1.2, -2.3, 0, 0],
            [1.5, 0.2, -4.0, -0.3, 0.6, 1.7, 0.01, -0.004],
        ],
        np.float32,
    )
    both = Both(_transformed, images=images, transforms=transforms, size=np.array([9, 14], np.int32))
    for size in ((9, 14), (20, 5), (1, 30)):
        for some, rows in ((images, transforms), (images, transforms[1:2]), (images[:1, :1], transforms[1:2])):
            both.assert_alike(images=some, transforms=rows, size=np.array(size, np.int32), atol=1e-5)


@pytest.mark.parametrize("other", [{"interpolation": "NEAREST"}, {"fill_mode": "REFLECT"}, {"fill_value": 1.0}])
def test_other_transforms_are_refused(other):
    with pytest.raises(UserError, match="it cannot be converted to ONNX: of projective transforms only bilinear ones"):
        Both(
            lambda images, transforms: _transformed(images, transforms, [4, 4], **other),
            images=_floats(1, 3, 3, 1),
            transforms=_floats(1, 8),
        )


def test_normal_numbers_come_from_the_runtime():
    def normal(shape):
        return tf.ensure_shape(tf.random.stateless_normal(shape, [1, 2]), [None, None])

    draw = Both(normal, shape=np.array([2, 3], np.int32))
    drawn, others = (draw.onnx(shape=np.array([40, 50], np.int32)) for _ in range(2))
    assert drawn.shape == (40, 50) and drawn.dtype == np.float32 and not np.array_equal(drawn, others)
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 1e-4


def test_uniform_numbers_and_integers_come_from_the_runtime():
    uniform = Both(lambda x: tf.random.stateless_uniform(tf.shape(x), [1, 2]), x=_floats(2, 3))
    drawn = uniform.onnx(x=_floats(40, 50))
    assert drawn.shape == (40, 50) and stats.kstest(drawn.ravel(), "uniform").pvalue > 1e-4

    def integers(x, lower, upper):
        return tf.random.stateless_uniform(tf.shape(x), [1, 2], lower, upper, tf.int32)

    bounds = {"lower": np.array(-2, np.int32), "upper": np.array(2, np.int32)}
    drawn = Both(integers, x=_floats(2, 3), **bounds).onnx(x=_floats(100, 200), **bounds)
    assert drawn.dtype == np.int32 and set(np.unique(drawn)) == {-2, -1, 0, 1}
    # Four standard deviations of a share of 20,000 draws are at most 0.0142.
    np.testing.assert_allclose(np.bincount(drawn.ravel() + 2) / 20_000, 0.25, atol=0.0142)


def test_draws_of_categories_come_from_the_runtime():
    shares = np.array([[0.1, 0.2, 0.7], [0.5, 0.0, 0.5]], np.float32)
    with np.errstate(divide="ignore"):
        logits = 3.0 + np.log(shares)  # Not normalised, and one that is never drawn.
    draw = Both(
        lambda logits, count: tf.random.stateless_categorical(logits, count, [1, 2]), logits=logits, count=np.int32(2)
    )
    drawn = draw.onnx(logits=logits, count=np.array(20_000, np.int32))
    assert drawn.shape == (2, 20_000) and drawn.dtype == np.int64
    # Four standard deviations of a share of 20,000 draws are at most 0.0142.
    np.testing.assert_allclose([np.bincount(row, minlength=3) / 20_000 for row in drawn], shares, atol=0.0142)
    assert (drawn[1] != 1).all()


def test_a_loop_over_scenes_draws_each_anew():
    draw = Both(
        lambda seeds: tf.map_fn(
            lambda seed: tf.random.stateless_normal([4], tf.stack([seed, 0])), seeds, fn_output_signature=tf.float32
        ),
        seeds=np.zeros(2, np.int32),
    )
    drawn = draw.onnx(seeds=np.zeros(5, np.int32))
    assert drawn.shape == (5, 4) and len(np.unique(drawn)) == 20


def test_assertions_are_left_out():
    def checked(x):
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(x > 0), ["x must be above 0"])]):
            return 2.0 * x

    both = Both(checked, x=_floats(3))
    np.testing.assert_array_equal(both.onnx(x=np.float32([-1, 2])), [-2, 4])


def test_an_operation_that_onnx_lacks_is_named_in_one_line():
    with pytest.raises(UserError) as error:
        Both(lambda x: tf.math.igamma(x, x) + tf.math.lgamma(x), x=_floats(3))
    assert str(error.value) == "it cannot be converted to ONNX, which lacks operations of it: Igamma, Lgamma"
    with pytest.raises(UserError, match="which lacks operations of it: Lgamma"):  # Inside of a loop too.
        Both(lambda x: tf.map_fn(tf.math.lgamma, x), x=_floats(3))


def test_a_function_that_computes_in_bfloat16_is_refused():
    with pytest.raises(UserError, match="it cannot be converted to ONNX: it computes in bfloat16, which runtimes lack"):
        Both(lambda x: tf.cast(tf.cast(x, tf.bfloat16) * 2, tf.float32), x=_floats(3))


# Models.


def _assert_alike(actual, expected):
    """Whole numbers are equal, locations among them if they are pixels; all else is within 1e-4, or 1e-5 of a value."""
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        assert actual[name].dtype == value.dtype and actual[name].shape == value.shape
        exact = name in WHOLE_NUMBERS or (name == "locations" and (value % 1 == 0).all())
        np.testing.assert_allclose(
            actual[name], value, atol=0 if exact else 1e-4, rtol=0 if exact or name == "images" else 1e-5, err_msg=name
        )


def _assert_onnx_does_as_tensorflow(files, model, batches):
    """The encoder's and the decoder's files, for images of each of some sizes."""
    part = {name: Runtime(path) for name, path in files.items()}
    signatures = {f"{half}/{name}" for half, of_half in model.signatures.items() for name in of_half}
    wanted = {f"{half}/{name}" for half, names in onnx_export.CONVERTED.items() for name in names}
    assert part.keys() == wanted & signatures
    for images in batches:
        size = np.tile(np.array([images.shape[1:3]], np.int32), (len(images), 1))
        expected = model.encode(images)
        _assert_alike(part["encoder/serving_default"](images=images), expected)
        if "encoder/segmented" in part:
            _assert_alike(part["encoder/segmented"](images=images), model.segment(images))
        decode = part["decoder/resized"]
        drawn = decode(image_size=size, **{name: expected[name] for name in decode.inputs if name != "image_size"})
        _assert_alike(drawn, {"images": model.decode(expected, *images.shape[1:3])})

        if "decoder/sampled" in part:
            seed, signature = np.arange(len(images), dtype=np.int32), model.signatures["decoder"]["sampled"]
            scenes, others = (part["decoder/sampled"](seed=seed, image_size=size) for _ in range(2))
            shapes = {name: value.shape for name, value in signature(seed=seed, image_size=size).items()}
            assert {name: value.shape for name, value in scenes.items()} == shapes
            assert (scenes["images"] >= 0).all() and (scenes["images"] <= 1).all()
            assert not np.array_equal(scenes["images"], others["images"])  # The seeds are the same.


def _files(folder):
    """Paths of the ONNX files in encoder/ and decoder/, by part and signature."""
    found = [(part, name) for part in ("encoder", "decoder") for name in os.listdir(os.path.join(folder, part))]
    return {f"{part}/{name[: -len('.onnx')]}": os.path.join(folder, part, name) for part, name in found}


def _padded(images, rows, columns):
    return np.pad(images, ((0, 0), (rows, 2 * rows), (columns, 0), (0, 0)), mode="edge")


def _assert_that_a_small_one_goes_through(name, make_config, folder):
    keras.utils.set_random_seed(0)
    model = build_model(make_config(*COMMON, *MODELS[name], *FINDS_MUCH), SHAPE)
    files = {}
    for part, version in export(model, SHAPE, folder, LIMITS, keep_versions=1, with_onnx=True).items():
        beside = os.path.join(version, "onnx")
        files.update({f"{part}/{file[: -len('.onnx')]}": os.path.join(beside, file) for file in os.listdir(beside)})
    images = examples_for(name)
    batches = images[:3], _padded(images[3:], 2, 9), np.zeros_like(images[:2])
    _assert_onnx_does_as_tensorflow(files, ExportedModel(folder), batches)


@pytest.mark.slow_for("lavae", "air", *LARGE)
@pytest.mark.parametrize("name", MODELS)
def test_every_model_answers_in_onnx_as_in_tensorflow(name, make_config, tmp_path):
    _assert_that_a_small_one_goes_through(name, make_config, str(tmp_path))


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """A function that converts a shipped model by the command, and gives the model and its ONNX files."""

    def convert(name):
        folder, output = os.path.join(ROOT, "saved_models", name), str(tmp_path_factory.mktemp(name))
        done = _command(folder, output)
        assert done.returncode == 0, done.stderr
        files = _files(output)
        assert sorted(line.split(": ")[0] for line in done.stdout.splitlines()) == sorted(files.values())
        return ExportedModel(folder), files

    return convert


def _command(*arguments):
    line = [sys.executable, command.__file__, *arguments]
    return subprocess.run(line, capture_output=True, text=True, env=WITH_PACKAGE, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lavae", "vae"])
def test_a_shipped_model_on_test_scenes(name, shipped, make_config):
    config = make_config(f"--flagfile={ROOT}/configs/{name}.cfg", "--test_size=64")
    scenes = next(iter(load_dataset(config.data, 7).evaluation_batches("test", 64)))["images"].numpy()
    model, files = shipped(name)
    # Without any object, sums over none must not fail either.
    batches = scenes, np.pad(scenes[:3], ((0, 0), (16, 32), (8, 48), (0, 0))), np.zeros_like(scenes[:2])
    _assert_onnx_does_as_tensorflow(files, model, batches)


@pytest.mark.slow
def test_the_shipped_model_of_nuclei_on_pictures(shipped):
    folder = os.path.join(ROOT, "data", "nuclei", "test", "images")
    paths = [os.path.join(folder, name) for name in sorted(os.listdir(folder))[:2]]
    pictures = [np.asarray(Image.open(path).convert("L"), np.float32)[None, ..., None] / 255 for path in paths]
    model, files = shipped("nuclei")
    assert all(model.encode(each)["num_objects"][0] > 3 for each in pictures)
    _assert_onnx_does_as_tensorflow(files, model, pictures)


# What does not go well.


@pytest.mark.parametrize("mode", ["train", "export"])
def test_without_the_packages_it_is_said_before_any_work(mode, make_config, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else found(name))
    with pytest.raises(UserError, match=r"^--export_onnx needs the packages tf2onnx .* 'tf_scenes\[onnx\]'"):
        run_mode(make_config("--export_onnx", f"--mode={mode}", "--run_dir=none"))


def test_a_folder_without_a_model_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UserError, match="holds no exported model: a folder with encoder/1/ and decoder/1/ is needed"):
        command.main(str(tmp_path / "nowhere"), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Usage: python tools/export_onnx.py MODEL_FOLDER OUTPUT_FOLDER\n"),
        (
            ("nowhere", "out"),
            "Error: nowhere holds no exported model: a folder with encoder/1/ and decoder/1/ is needed\n",
        ),
    ],
)
def test_the_command_ends_in_one_line(arguments, message):
    done = _command(*arguments)
    # TensorFlow 2.21 speaks on import. That it is one line is tested in tests/campaign.
    assert (done.returncode, done.stdout, done.stderr.splitlines(keepends=True)[-1]) == (1, "", message)


def test_nothing_is_left_of_an_export_that_onnx_lacks_an_operation_for(make_config, tmp_path, monkeypatch):
    def lacking(signature, name):
        raise UserError(f"{name} cannot be converted to ONNX, which lacks operations of it: Igamma")

    monkeypatch.setattr(onnx_export, "converted", lacking)
    model = build_model(make_config(*COMMON, *MODELS["vae"]), SHAPE)
    with pytest.raises(UserError, match="encoder/serving_default cannot be converted to ONNX"):
        export(model, SHAPE, str(tmp_path), LIMITS, keep_versions=1, with_onnx=True)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
