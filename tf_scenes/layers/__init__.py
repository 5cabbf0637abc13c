"""Keras layers and image operations that several models share."""
