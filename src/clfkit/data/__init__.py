"""The data path: from a source to batches of indices into a train split."""
