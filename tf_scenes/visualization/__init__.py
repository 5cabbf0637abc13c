"""Figures of scenes as models infer and draw them, and of the course of training."""
