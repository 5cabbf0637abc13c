"""Distributions that TensorFlow Probability does not provide."""
