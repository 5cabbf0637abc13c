"""Distributions that TFP does not have."""
