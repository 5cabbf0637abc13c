"""Export of a trained model as two SavedModels that plain TensorFlow and TensorFlow Serving load."""

import os
import shutil

import tensorflow as tf

from tf_scenes.models.scene_model import SceneModel


def export(model: SceneModel, image_shape: tuple[int, int, int], folder: str) -> dict[str, str]:
    """Writes encoder and decoder.

    The encoder's `serving_default` takes `images` (float32 `[batch, height, width, channels]` in [0, 1], any batch,
    height and width) and gives a scene description of `model.max_inferred_objects` slots; all it gives but
    `num_objects` is what the decoder's `serving_default` takes to give `images` of the size trained on. The decoder's
    signature `resized` also takes `image_size`, int32 `[2]`, height and width in pixels.

    Args:
        model: the trained model.
        image_shape: height, width and channels of the images it was trained on.
        folder: where `encoder/<version>/` and `decoder/<version>/` are made; versions count up from 1.

    Returns:
        The folder of each part, by name.
    """
    encode = _encoder(model, image_shape[-1])
    description = {
        name: tf.TensorSpec([None, None, *spec.shape[2:]], spec.dtype, name=name)
        for name, spec in encode.structured_outputs.items()
        if name != "num_objects"
    }
    return {
        "encoder": _save({"serving_default": encode}, os.path.join(folder, "encoder")),
        "decoder": _save(_decoder(model, description, image_shape), os.path.join(folder, "decoder")),
    }


def _encoder(model: SceneModel, channels: int) -> tf.types.experimental.ConcreteFunction:
    @tf.function(input_signature=[tf.TensorSpec([None, None, None, channels], tf.float32, name="images")])
    def encode(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return model.encode(images)

    return encode.get_concrete_function()


def _decoder(
    model: SceneModel, description: dict[str, tf.TensorSpec], image_shape: tuple[int, int, int]
) -> dict[str, tf.types.experimental.ConcreteFunction]:
    @tf.function(autograph=False)
    def decode(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        height, width = tf.unstack(inputs.pop("image_size", tf.constant(image_shape[:2])))
        return {"images": model.decode(inputs, height, width)}

    return {
        "serving_default": decode.get_concrete_function(**description),
        "resized": decode.get_concrete_function(
            **description, image_size=tf.TensorSpec([2], tf.int32, name="image_size")
        ),
    }


def _save(signatures: dict[str, tf.types.experimental.ConcreteFunction], folder: str) -> str:
    """Saves as the next version: written beside, then renamed, so that a version is there whole or not at all."""
    module = tf.Module()
    # Only what the graphs use, not the whole model with its optimisers.
    used = {variable.ref(): variable for function in signatures.values() for variable in function.graph.variables}
    module.parameters = list(used.values())
    os.makedirs(folder, exist_ok=True)
    version = 1 + max((int(name) for name in os.listdir(folder) if name.isdigit()), default=0)
    unfinished = os.path.join(folder, f"unfinished-{version}")
    shutil.rmtree(unfinished, ignore_errors=True)
    tf.saved_model.save(module, unfinished, signatures=signatures)
    finished = os.path.join(folder, str(version))
    os.rename(unfinished, finished)
    return finished
