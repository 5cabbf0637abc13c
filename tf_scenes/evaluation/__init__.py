"""Measures of trained models, samples from them, and the page of results."""
