"""Keras layers and functions of images, shared by the models."""
