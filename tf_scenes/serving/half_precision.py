"""Exported models that keep their weights in half precision, which takes half the space."""

from typing import Any, Optional

import tensorflow as tf

from tf_scenes.stack import keras

# Weights of Keras's dense, convolutional and recurrent layers; biases and scales hardly take any space.
_WEIGHTS = ("kernel", "recurrent_kernel")


class HalfWeight(tf.Module):
    """A weight kept in float16, which each operation that reads it casts.

    Attributes:
        dtype: Type that it has when it is read.
        shape: Its shape.
    """

    def __init__(self, weight: tf.Variable, dtype: tf.DType):
        """Keeps a copy of a weight.

        Args:
            weight: The weight, of any floating-point type; absolute values must be below 65,504.
            dtype: Type that it has when it is read.
        """
        super().__init__()
        self.dtype, self.shape = dtype, weight.shape
        self._kept = tf.Variable(tf.cast(weight, tf.float16), trainable=False)

    def read(self, name: Optional[str] = None) -> tf.Tensor:
        """The weight, of type `dtype`."""
        return tf.cast(self._kept, self.dtype, name=name)


def _as_tensor(
    weight: HalfWeight, dtype: Optional[tf.DType] = None, name: Optional[str] = None, as_ref: bool = False
) -> Any:
    del as_ref  # Part of TensorFlow's protocol; only variables of its version 1 have references.
    return weight.read(name) if dtype in (None, weight.dtype) else NotImplemented


tf.register_tensor_conversion_function(HalfWeight, _as_tensor)


def keep_in_half_precision(model: keras.Model) -> None:
    """Makes a model keep the large weights of its layers in float16; it computes as before.

    It can then be called and exported, but not trained, nor saved as a checkpoint.

    Args:
        model: Built model of which no graph exists yet: a graph goes on reading the weights that it was made with.
    """
    for layer in model.submodules:
        for name in _WEIGHTS:
            weight = getattr(layer, name, None)
            if isinstance(weight, tf.Variable):
                # Past Keras, which keeps account of trained weights.
                object.__setattr__(layer, name, HalfWeight(weight, tf.as_dtype(layer.compute_dtype)))
