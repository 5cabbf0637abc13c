"""The signatures of the exported models; `docs/serving.md` has a table of them."""

import dataclasses
from collections.abc import Mapping
from typing import Callable, Optional

import tensorflow as tf

from tf_scenes.descriptions import MASKS, decoded, field
from tf_scenes.models.scene_model import SceneModel
from tf_scenes.serving import checks
from tf_scenes.serving.picture_files import decoded_pictures

Signatures = dict[str, tf.types.experimental.ConcreteFunction]
# From checked images to the outputs of a signature.
Answer = Callable[[tf.Tensor], dict[str, tf.Tensor]]


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits of the requests to an exported model.

    Attributes:
        max_objects: Number of slots of each scene description that the encoder returns.
        largest_side: Largest height and width of an image in pixels.
    """

    max_objects: int
    largest_side: int


def encoder_signatures(model: SceneModel, channels: int, limits: Limits) -> Signatures:
    """The signatures of the encoder, from images to scene descriptions.

    `serving_default` takes `images`, float32 `[batch, height, width, channels]` in [0, 1], of any size; `uint8` takes
    `images` as uint8 in [0, 255]; `encoded` takes `image_bytes`, string `[batch]`, the contents of PNG, JPEG, GIF or
    BMP files of images of the same size; `sampled` takes `images`, float32, and `seed`, int32 `[batch]`, and draws each
    description from the posterior. All return the fields that `SceneModel.encode` and `SceneModel.geometry` return,
    with `limits.max_objects` slots.

    Models that find objects also have `segmented` and `encoded_segmented`, which take the same as `serving_default` and
    `encoded` and return `masks` besides, see `SceneModel.masks`.

    Args:
        model: Trained model.
        channels: Number of channels of the images it was trained on.
        limits: Limits of requests.
    """
    images = tf.TensorSpec([None, None, None, channels], tf.float32, name="images")

    def with_geometry(images: tf.Tensor, seed: Optional[tf.Tensor] = None) -> dict[str, tf.Tensor]:
        description = model.encode(images, limits.max_objects, seed)
        height, width = tf.unstack(tf.shape(images)[1:3])
        return {**description, **model.geometry(description, height, width)}

    # Traced only once, although most signatures call it.
    describe = _traced(with_geometry, images)
    specs = {name: tf.TensorSpec(value.shape[1:], value.dtype) for name, value in describe.structured_outputs.items()}

    def segment(images: tf.Tensor) -> dict[str, tf.Tensor]:
        description = describe(images)
        return {**description, MASKS: model.masks(images, description)}

    def from_images(answer: Answer) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
        return lambda images: answer(checks.checked_images("images", images, channels, limits.largest_side))

    def from_bytes(answer: Answer) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
        def decode_and_answer(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
            images = decoded_pictures(image_bytes, channels, limits.largest_side)
            return answer(checks.checked_images("image_bytes", images, channels, limits.largest_side))

        return decode_and_answer

    def sampled(images: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        images = checks.checked_images("images", images, channels, limits.largest_side)
        conditions = {"have one value for each image": tf.shape(seed)[0] == tf.shape(images)[0]}
        seed = checks.checked("seed", seed, [None], conditions)

        def one(element: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
            description = with_geometry(element[0][None], seed=tf.stack([element[1], 0]))
            return {name: value[0] for name, value in description.items()}

        # One image at a time, so that a draw depends only on its own seed and not on the rest of the batch.
        return tf.map_fn(one, (images, seed), fn_output_signature=specs)

    image_bytes = tf.TensorSpec([None], tf.string, name="image_bytes")
    signatures = {
        "serving_default": _traced(from_images(describe), images),
        "uint8": _traced(from_images(describe), tf.TensorSpec(images.shape, tf.uint8, name="images")),
        "encoded": _traced(from_bytes(describe), image_bytes),
        "sampled": _traced(sampled, images, tf.TensorSpec([None], tf.int32, name="seed")),
    }
    if model.finds_objects:
        segment = _traced(segment, images)
        signatures["segmented"] = _traced(from_images(segment), images)
        signatures["encoded_segmented"] = _traced(from_bytes(segment), image_bytes)
    return signatures


def decoder_signatures(
    model: SceneModel,
    encoder: Signatures,
    image_shape: tuple[int, int, int],
    limits: Limits,
) -> Signatures:
    """The signatures of the decoder, from scene descriptions to images.

    `serving_default` takes all that the encoder returns except `num_objects`, `boxes` and `where`, and returns
    `images`, float32 `[batch, height, width, channels]` in [0, 1], of the size of the training images. `resized` also
    takes `image_size`, int32 `[batch, 2]`, the height and width of the images in pixels, the same in each row.

    `sampled` takes `seed`, int32 `[batch]`, and `image_size`, and draws scenes from the prior: it returns `images` and
    the fields that `SceneModel.sample_description` returns, with a slot for each object there was in training at most.

    Args:
        model: Trained model.
        encoder: Signatures of the model's encoder.
        image_shape: Height, width and channels of the images it was trained on.
        limits: Limits of requests.
    """
    specs = specs_of_scenes(encoder["serving_default"].structured_outputs)
    side, seed = tf.TensorSpec([], tf.int32), tf.TensorSpec([None], tf.int32, name="seed")
    size = tf.TensorSpec([None, 2], tf.int32, name="image_size")

    # Traced only once, although all signatures call them.
    @tf.function(autograph=False)
    def draw(height: tf.Tensor, width: tf.Tensor, **description: tf.Tensor) -> tf.Tensor:
        return model.decode(description, height, width)

    def sample(height: tf.Tensor, width: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        scenes = model.sample_description(1, height, width, tf.stack([seed, 0]))
        return {name: value[0] for name, value in scenes.items()}

    draw = draw.get_concrete_function(side, side, **specs)
    sample = _traced(sample, side, side, tf.TensorSpec([], tf.int32))

    @tf.function(autograph=False)
    def trained_size(**description: tf.Tensor) -> dict[str, tf.Tensor]:
        description = checks.checked_description(description, model.num_categories)
        images = draw(*(tf.constant(side) for side in image_shape[:2]), **description)
        return {"images": tf.ensure_shape(images, [None, *image_shape])}

    @tf.function(autograph=False)
    def resized(image_size: tf.Tensor, **description: tf.Tensor) -> dict[str, tf.Tensor]:
        description = checks.checked_description(description, model.num_categories)
        scenes = tf.shape(next(iter(description.values())))[0]
        return {"images": draw(*checks.checked_image_size(image_size, scenes, limits.largest_side), **description)}

    def sampled(seed: tf.Tensor, image_size: tf.Tensor) -> dict[str, tf.Tensor]:
        seed = checks.checked("seed", seed, [None], {"hold at least one value": tf.shape(seed)[0] > 0})
        height, width = checks.checked_image_size(image_size, tf.shape(seed)[0], limits.largest_side)
        of_one = {name: tf.TensorSpec(value.shape, value.dtype) for name, value in sample.structured_outputs.items()}
        # One scene at a time, so that it depends only on its own seed and not on the rest of the batch.
        scenes = tf.map_fn(lambda value: sample(height, width, value), seed, fn_output_signature=of_one)
        return {**scenes, "images": draw(height, width, **{name: scenes[name] for name in specs})}

    return {
        "serving_default": trained_size.get_concrete_function(**specs),
        "resized": resized.get_concrete_function(size, **specs),
        "sampled": _traced(sampled, seed, size),
    }


def specs_of_scenes(inferred: Mapping[str, tf.Tensor]) -> dict[str, tf.TensorSpec]:
    """What is drawn of a scene description, by the names of fields: of any number of scenes and slots.

    Args:
        inferred: Symbolic outputs of an encoder, by name.
    """
    return {
        name: tf.TensorSpec([None] * free + spec.shape[free:], spec.dtype, name=name)
        for name, spec in decoded(inferred).items()
        for free in [2 if field(name).by_object else 1]
    }


def _traced(function: Callable, *inputs: tf.TensorSpec) -> tf.types.experimental.ConcreteFunction:
    return tf.function(function, input_signature=inputs, autograph=False).get_concrete_function()
