"""Prediction for more pictures than one machine should look at, as an Apache Beam pipeline.

What a worker runs needs TensorFlow, Beam and the packages that read pictures, but no code of models or of training.
"""
