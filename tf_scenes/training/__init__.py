"""Training of any model with Keras: the training step, optimisers, checkpoints, progress reports, several devices."""
