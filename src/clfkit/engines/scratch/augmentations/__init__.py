"""Augmentations of the NumPy engine: on batches (n, channels, height, width), before they become columns."""
