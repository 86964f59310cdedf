"""One file per architecture: a function (DataSpec, number of outputs) → torch module returning logits (N, outputs)."""
