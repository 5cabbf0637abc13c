"""Exports that keep their weights in half precision, against models whose weights NumPy has rounded."""

import os

import numpy as np
import pytest
import tensorflow as tf

from tests.models.model_table import COMMON, FINDS_MUCH, LARGE, MODELS, examples_for
from tf_scenes.app.build import build_model, model_to_export
from tf_scenes.serving.export import export
from tf_scenes.serving.signatures import Limits
from tf_scenes.stack import keras

SHAPE = (24, 24, 1)
LIMITS = Limits(max_objects=3, largest_side=64)


@pytest.mark.slow_for("lavae", "air", *LARGE)
@pytest.mark.parametrize("name", MODELS)
def test_it_answers_as_the_model_with_rounded_weights_and_takes_less_space(name, make_config, tmp_path):
    keras.utils.set_random_seed(0)
    flags = (*COMMON, *MODELS[name], *FINDS_MUCH)
    config = make_config(*flags, "--export_weights=float16")
    model, images = build_model(config, SHAPE), tf.constant(examples_for(name))
    folders = export(model_to_export(config, SHAPE, model), SHAPE, str(tmp_path), LIMITS, keep_versions=1)

    rounded = build_model(config, SHAPE)
    for own, variable in zip(rounded.variables, model.variables):
        large = variable.name.split("/")[-1] in ("kernel:0", "recurrent_kernel:0")
        own.assign(variable.numpy().astype(np.float16).astype(np.float32) if large else variable)
    expected = rounded.encode(images, LIMITS.max_objects)
    answer = tf.saved_model.load(folders["encoder"]).signatures["serving_default"](images=images)
    for field, value in expected.items():
        assert answer[field].dtype == value.dtype
        np.testing.assert_allclose(answer[field], value, atol=1e-4, err_msg=field)
    for folder in folders.values():
        saved = tf.train.load_checkpoint(os.path.join(folder, "variables", "variables"))
        dtypes, shapes = saved.get_variable_to_dtype_map(), saved.get_variable_to_shape_map()
        sizes = {name: int(np.prod(shapes[name])) for name, dtype in dtypes.items() if dtype != tf.string}
        assert sum(size * dtypes[name].size for name, size in sizes.items()) < 0.8 * 4 * sum(sizes.values())


def test_a_model_of_mixed_precision(make_config):
    config = make_config(*COMMON, *MODELS["air"], "--precision=mixed_bfloat16", "--export_weights=float16")
    model, images = build_model(config, SHAPE), tf.constant(examples_for("air"))
    expected = model.encode(images)["presence"]
    np.testing.assert_array_equal(model_to_export(config, SHAPE, model).encode(images)["presence"], expected)


def test_by_default_the_model_itself_is_exported(make_config):
    config = make_config(*COMMON, *MODELS["vae"])
    model = build_model(config, SHAPE)
    assert model_to_export(config, SHAPE, model) is model
