"""Training of any model by Keras: the step, optimisers, checkpoints, progress, several devices."""
