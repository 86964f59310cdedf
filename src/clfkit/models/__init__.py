"""One file per architecture: a function (DataSpec, number of outputs) → Plan or torch module that gives logits."""
