"""tf_scenes: unsupervised scene discovery in TensorFlow."""

import os

# TensorFlow reports its CUDA plugins and oneDNN as errors and warnings at start-up, which would bury the user's output.
# Python exceptions are not affected; TF_CPP_MIN_LOG_LEVEL=0 brings the messages back.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__version__ = "0.1.0"
