"""Samples examined before anything is trained on them."""
