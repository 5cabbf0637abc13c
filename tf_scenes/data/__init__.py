"""Sprites, scenes and data sets."""
