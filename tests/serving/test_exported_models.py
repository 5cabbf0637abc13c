"""What TensorFlow Serving gets: one table of models, as in the conformance tests, and one export of each."""

import functools
import json
import subprocess
import sys
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from tests.models.model_table import COMMON, FINDS_MUCH, LARGE, MODELS, examples_for
from tests.serving.c_api import CSession
from tf_scenes.app.build import build_model
from tf_scenes.models.scene_model import SceneModel
from tf_scenes.serving.export import export
from tf_scenes.serving.signatures import Limits, encoder_signatures
from tf_scenes.serving.versions import newest, versions
from tf_scenes.stack import keras

SHAPE = (24, 24, 1)
LIMITS = Limits(max_objects=5, largest_side=64)

pytestmark = pytest.mark.slow_for("air", *LARGE)


class Exported(NamedTuple):
    """A model, images for it, where its SavedModels are, and both loaded by Python."""

    model: SceneModel
    images: np.ndarray
    encoder: str
    decoder: str
    loaded: dict[str, Any]

    def session(self, part: str) -> CSession:
        """The encoder or the decoder, loaded by the C API; once for all tests."""
        return _session(getattr(self, part))

    @property
    def pixels(self) -> np.ndarray:
        return np.round(255 * self.images).astype(np.uint8)


@functools.lru_cache(maxsize=2)
def _session(folder: str) -> CSession:
    return CSession(folder)


@pytest.fixture(scope="module", params=MODELS)
def exported(request, make_config, tmp_path_factory) -> Exported:
    """Finds objects though it is not trained: everything above a low threshold, and whatever it costs."""
    keras.utils.set_random_seed(0)
    flags = (*COMMON, *MODELS[request.param], *FINDS_MUCH)
    model = build_model(make_config(*flags), SHAPE)
    folder = tmp_path_factory.mktemp(request.param)
    images = examples_for(request.param)
    folders = export(model, SHAPE, str(folder), LIMITS, keep_versions=2, warm_up_images=images[:2])
    loaded = {name: tf.saved_model.load(path) for name, path in folders.items()}
    return Exported(model, images, **folders, loaded=loaded)


def _encode(exported: Exported, signature: str, **inputs) -> dict[str, np.ndarray]:
    outputs = exported.loaded["encoder"].signatures[signature](**inputs)
    return {name: value.numpy() for name, value in outputs.items()}


def _described(exported: Exported) -> dict[str, np.ndarray]:
    description = exported.model.encode(tf.constant(exported.images), LIMITS.max_objects)
    description.update(exported.model.geometry(description, 24, 24))
    return {name: value.numpy() for name, value in description.items()}


def _decoded_from(exported: Exported) -> dict[str, np.ndarray]:
    derived = ("num_objects", "boxes", "where")
    return {name: value for name, value in _described(exported).items() if name not in derived}


def _assert_alike(actual, expected):
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        assert actual[name].dtype == value.dtype
        np.testing.assert_allclose(actual[name], value, atol=1e-4, err_msg=name)


PLAIN = """
import json, sys
import numpy as np
import tensorflow as tf
from tensorflow.python.framework import op_def_registry
for line in sys.stdin:
    folders, operations = json.loads(line)
    unknown = [name for name in operations if op_def_registry.get(name) is None]
    assert not unknown, f"not TensorFlow's own: {unknown}"
    encoder, decoder = (tf.saved_model.load(folder).signatures for folder in folders)
    for size in ((24, 24), (40, 33)):
        images = np.random.RandomState(0).uniform(size=(3, *size, 1)).astype(np.float32)
        description = encoder["serving_default"](images=tf.constant(images))
        inputs = {name: value for name, value in description.items() if name not in ("num_objects", "boxes", "where")}
        assert decoder["serving_default"](**inputs)["images"].shape == (3, 24, 24, 1)
        drawn = decoder["resized"](image_size=tf.constant([size] * 3), **inputs)["images"]
        assert drawn.shape == images.shape and drawn.dtype == tf.float32
    assert not [name for name in sys.modules if name.split(".")[0] in
                ("tf_scenes", "tensorflow_probability", "tensorflow_addons")]
    print("as it should be", flush=True)
"""


@pytest.fixture(scope="session")
def plain_tensorflow(tmp_path_factory):
    """A process that has TensorFlow and nothing of this project, and tries exported models."""
    pipes, folder = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}, tmp_path_factory.mktemp("plain")
    process = subprocess.Popen([sys.executable, "-c", PLAIN], text=True, cwd=folder, **pipes)
    yield process
    process.kill()


def test_plain_tensorflow_runs_it_with_its_own_operations_only(exported, plain_tensorflow):
    operations = set()
    for folder in (exported.encoder, exported.decoder):
        with open(f"{folder}/saved_model.pb", "rb") as file:
            graph = saved_model_pb2.SavedModel.FromString(file.read()).meta_graphs[0].graph_def
        functions = {function.signature.name for function in graph.library.function}
        bodies = [graph.node, *(function.node_def for function in graph.library.function)]
        operations |= {node.op for body in bodies for node in body} - functions
    assert "PartitionedCall" in operations or "StatefulPartitionedCall" in operations
    print(
        json.dumps([(exported.encoder, exported.decoder), sorted(operations)]), file=plain_tensorflow.stdin, flush=True
    )
    assert plain_tensorflow.stdout.readline() == "as it should be\n"


def test_the_server_s_loader_gives_what_python_gives(exported):
    """By the C API, for which a request's images may have any number and size."""
    expected = _described(exported)
    session = exported.session("encoder")
    _assert_alike(session.run({"images": exported.images}), expected)
    _assert_alike(session.run({"images": exported.images[3:4]}), {name: value[3:4] for name, value in expected.items()})
    assert all(len(value) == 2 for value in session.run({"images": np.zeros((2, 40, 31, 1), np.float32)}).values())
    drawn = exported.session("decoder").run(_decoded_from(exported))["images"]
    np.testing.assert_allclose(drawn, exported.model.decode(_decoded_from(exported), 24, 24), atol=1e-4)


def test_bytes_and_whole_numbers_give_what_floats_give(exported):
    expected = _described(exported)
    _assert_alike(_encode(exported, "uint8", images=tf.constant(exported.pixels)), expected)
    files = tf.stack([tf.io.encode_png(image) for image in exported.pixels])
    _assert_alike(_encode(exported, "encoded", image_bytes=files), expected)
    jpeg = tf.stack([tf.io.encode_jpeg(np.full((24, 24, 1), 200, np.uint8), quality=100)] * 2)
    same = _encode(exported, "uint8", images=tf.fill([2, 24, 24, 1], tf.constant(200, tf.uint8)))
    _assert_alike(_encode(exported, "encoded", image_bytes=jpeg), same)


def test_masks_are_the_model_s_and_come_with_all_else_that_is_said(exported):
    signatures = exported.loaded["encoder"].signatures
    if not exported.model.finds_objects:
        assert not {"segmented", "encoded_segmented"} & set(signatures)
        return
    expected = _described(exported)
    description = exported.model.encode(tf.constant(exported.images), LIMITS.max_objects)
    expected["masks"] = exported.model.masks(tf.constant(exported.images), description).numpy()
    assert expected["masks"].any() and expected["masks"].dtype == np.int32
    session = exported.session("encoder")
    _assert_alike(session.run({"images": exported.images}, "segmented"), expected)
    assert session.run({"images": np.zeros((2, 40, 31, 1), np.float32)}, "segmented")["masks"].shape == (2, 40, 31)
    files = tf.stack([tf.io.encode_png(image) for image in exported.pixels])
    _assert_alike(_encode(exported, "encoded_segmented", image_bytes=files), expected)


def test_a_sample_depends_on_its_seed_and_not_on_its_neighbours(exported):
    def sample(images, seeds):
        return _encode(exported, "sampled", images=tf.constant(images), seed=tf.constant(seeds))

    together = sample(exported.images[[5, 5, 5, 2]], [7, 8, 7, 8])
    _assert_alike(sample(exported.images[5:6], [8]), {name: value[1:2] for name, value in together.items()})
    _assert_alike({n: v[0] for n, v in together.items()}, {n: v[2] for n, v in together.items()})
    assert not all(np.array_equal(value[0], value[1]) for value in together.values())
    expected = exported.model.encode(tf.constant(exported.images[5:6]), LIMITS.max_objects, seed=tf.constant([7, 0]))
    for name, value in expected.items():
        np.testing.assert_allclose(together[name][:1], value, atol=1e-4)


def test_warm_up_requests_can_be_replayed(exported):
    for part, loaded in exported.loaded.items():
        replayed = set()
        for record in tf.data.TFRecordDataset(f"{getattr(exported, part)}/assets.extra/tf_serving_warmup_requests"):
            request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
            signature = request.model_spec.signature_name
            inputs = {name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()}
            outputs = loaded.signatures[signature](**inputs)
            assert all(value.shape[0] == 2 for value in outputs.values())
            replayed.add(signature)
        assert replayed == set(loaded.signatures)


def _bad_encoder_requests():
    png = [tf.io.encode_png(np.zeros((side, 16, 1), np.uint8)) for side in (16, 20, 65)]
    floats = np.zeros((1, 24, 24, 1), np.float32)
    return (
        ("serving_default", {"images": floats[:0]}, "images must hold at least one image"),
        ("serving_default", {"images": floats + np.nan}, "images must have values from 0 to 1, none NaN"),
        ("serving_default", {"images": floats + 1.5}, "images must have values from 0 to 1, none NaN"),
        ("serving_default", {"images": np.zeros((1, 65, 24, 1), np.float32)}, "images must have a height and width"),
        ("uint8", {"images": np.zeros((1, 24, 7, 1), np.uint8)}, "images must have a height and width of 8 to 64"),
        ("encoded", {"image_bytes": tf.constant([b"no image"])}, "image_bytes must be PNG, JPEG, GIF or BMP files"),
        ("encoded", {"image_bytes": tf.constant([], tf.string)}, "image_bytes must hold at least one image"),
        ("encoded", {"image_bytes": tf.stack(png[:2])}, "image_bytes must hold images of one size"),
        ("encoded", {"image_bytes": tf.stack(png[2:])}, "image_bytes must have a height and width of 8 to 64"),
        ("sampled", {"images": floats, "seed": [1, 2]}, "seed must have one value for each image"),
    )


def test_scenes_from_the_prior_depend_on_their_seeds_alone_and_are_drawn(exported):
    decoder, size = exported.loaded["decoder"].signatures, [40, 33]

    def sample(*seeds):
        outputs = decoder["sampled"](seed=tf.constant(seeds), image_size=tf.constant([size] * len(seeds)))
        return {name: value.numpy() for name, value in outputs.items()}

    together = sample(7, 8, 7, 9)
    _assert_alike(sample(8), {name: value[1:2] for name, value in together.items()})
    assert together["images"].shape == (4, *size, 1)
    expected = exported.model.sample_description(1, *size, tf.constant([9, 0]))
    _assert_alike(
        {name: value[3:] for name, value in together.items() if name != "images"},
        {name: value.numpy() for name, value in expected.items()},
    )
    taken = decoder["resized"].structured_input_signature[1]
    again = {name: tf.constant(together[name]) for name in taken if name != "image_size"}
    images = decoder["resized"](**again, image_size=tf.constant([size] * 4))["images"]
    np.testing.assert_allclose(together["images"], images, atol=1e-5)
    varied = [name for name, value in together.items() if not np.array_equal(value[0], value[1])]
    assert varied and all(np.array_equal(value[0], value[2]) for value in together.values())
    if exported.model.finds_objects:
        assert set(sample(*range(100))["num_objects"]) == set(range(exported.model.max_objects + 1))


def test_bad_requests_are_answered_with_the_input_and_what_it_must_be(exported):
    encoder, requests = exported.loaded["encoder"], _bad_encoder_requests()
    alike = {"serving_default": "segmented", "encoded": "encoded_segmented"}
    requests += tuple((alike[signature], *rest) for signature, *rest in requests if signature in alike)
    for signature, inputs, message in requests:
        if signature not in encoder.signatures:
            continue  # The VAE has no masks.
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            encoder.signatures[signature](**{name: tf.constant(value) for name, value in inputs.items()})
    session = exported.session("encoder")
    for shape in ((8, 24, 24), (8, 24, 24, 3), ()):
        with pytest.raises(RuntimeError, match=r"images.* is not compatible with expected shape \[\?,\?,\?,1\]"):
            session.run({"images": np.zeros(shape, np.float32)})


def test_bad_descriptions_are_answered_too(exported):
    decoder, good = exported.loaded["decoder"], _decoded_from(exported)
    name = next(name for name, value in good.items() if value.dtype == np.float32)
    size = np.full((8, 2), 24, np.int32)
    unequal = size + np.arange(8, dtype=np.int32)[:, None]
    bad = [
        ("serving_default", {**good, name: good[name] + np.nan}, f"{name} must have values from"),
        ("resized", {**good, name: good[name] + np.float32(1e38), "image_size": size}, f"{name} must have values from"),
        ("serving_default", {key: value[:0] for key, value in good.items()}, "must hold at least one scene"),
        ("resized", {**good, "image_size": size[:3]}, "image_size must have as many rows as there are scenes"),
        ("resized", {**good, "image_size": size * 3}, "image_size must be from 8 to 64 pixels"),
        (
            "resized",
            {**good, "image_size": unequal},
            "image_size must be the same",
        ),
    ]
    for seed, sizes, message in (
        (np.zeros(0, np.int32), size[:0], "seed must hold at least one value"),
        (np.zeros(2, np.int32), size[:3], "image_size must have as many rows as there are scenes"),
        (np.zeros(2, np.int32), size[:2] * 3, "image_size must be from 8 to 64 pixels"),
        (np.zeros(8, np.int32), unequal, "image_size must be the same"),
    ):
        bad.append(("sampled", {"seed": seed, "image_size": sizes}, message))
    if len(good) > 1:
        bad.append(("serving_default", {**good, name: good[name][:3]}, "must have as many scenes and slots as"))
    for of_scene in ("levels", "background"):
        if of_scene in good:
            bad.append(("serving_default", {**good, of_scene: good[of_scene][:3]}, f"{of_scene} must have as many"))
    if "presence" in good:
        for presence in (-1.0, 0.5, 2.0, 100.0):
            odd = {**good, "presence": np.where(good["presence"] > 0, presence, 0.0).astype(np.float32)}
            bad.append(("serving_default", odd, "presence must be 0 or 1"))
    for name, words in (("sizes", "be above 0 where there is an object"), ("scale", "be above 0")):
        if name in good:
            bad += [
                ("serving_default", {**good, name: factor * good[name]}, f"{name} must {words}") for factor in (0, -1)
            ]
    if "category" in good:
        bad.append(("serving_default", {**good, "category": good["category"] + 99}, "category must have values from"))
    for signature, inputs, message in bad:
        inputs = {key: tf.constant(value, value.dtype) for key, value in inputs.items()}
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            decoder.signatures[signature](**inputs)


def test_the_exported_encoder_holds_what_its_outputs_need_and_no_more(exported):
    """No optimiser, no auxiliary VAE, no baseline, no prior of counts."""
    size = sum(int(np.prod(variable.shape)) for variable in exported.loaded["encoder"].parameters)
    model, unneeded = exported.model, 0
    for part in ("auxiliary_vae", "baseline", "count_prior"):
        layer = getattr(model, part, None)
        unneeded += sum(int(np.prod(variable.shape)) for variable in layer.weights) if layer is not None else 0
    if not model.finds_objects:
        unneeded += sum(int(np.prod(variable.shape)) for variable in model.decoder.weights)
    whole = sum(int(np.prod(variable.shape)) for variable in model.weights)
    optimizers = sum(int(np.prod(v.shape)) for each in model.optimizer.by_group.values() for v in each.variables)
    assert size <= whole - unneeded
    assert size > 0.3 * (whole - unneeded)
    assert optimizers > size


def test_only_folders_with_a_number_as_it_is_written_are_versions(tmp_path):
    for name in ("1", "12", "007", "²", "٣", "-1", "unfinished", "1x"):
        (tmp_path / name).mkdir()
    (tmp_path / "20").write_text("a file")
    assert versions(str(tmp_path)) == [1, 12] and versions(str(tmp_path / "none")) == []
    assert newest(str(tmp_path)) == str(tmp_path / "12")


def test_versions_appear_whole_and_only_the_newest_stay(make_config, tmp_path):
    model = build_model(make_config(*COMMON, *MODELS["vae"]), SHAPE)
    (tmp_path / "decoder" / "unfinished").mkdir(parents=True)  # Of an export that was killed.
    (tmp_path / "encoder" / "4").mkdir(parents=True)
    for version in ("5", "6"):
        folders = export(model, SHAPE, str(tmp_path), LIMITS, keep_versions=2)
        assert folders == {part: str(tmp_path / part / version) for part in ("encoder", "decoder")}
    for part, folder in folders.items():
        assert sorted(each.name for each in (tmp_path / part).iterdir()) == ["5", "6"]
        tf.saved_model.load(folder)


@pytest.mark.parametrize("name", ["lavae", "air"])
def test_a_model_of_mixed_precision_takes_and_gives_float32(name, make_config):
    model = build_model(make_config(*COMMON, *MODELS[name], "--precision=mixed_bfloat16"), SHAPE)
    signature = encoder_signatures(model, 1, LIMITS)["serving_default"]
    assert {spec.dtype for spec in signature.structured_outputs.values()} == {tf.float32, tf.int32}
    assert signature.structured_outputs["num_objects"].dtype == tf.int32
