"""The Keras that goes with this TensorFlow; to be imported instead of `tf.keras`.

TensorFlow Probability's layers, and what is built on them here, need Keras 2. That is TensorFlow's own Keras up to
TensorFlow 2.15, the last one for which there is TensorFlow Addons (Python 3.9 to 3.11), and the package tf_keras for
the newer ones (Python 3.12 and 3.13), whose own Keras is Keras 3.
"""

import sys

HAS_ADDONS = sys.version_info < (3, 12)

if HAS_ADDONS:
    import tensorflow as tf

    keras = tf.keras
else:
    import tf_keras as keras

__all__ = ["HAS_ADDONS", "keras"]
