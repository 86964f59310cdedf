"""One file per backbone or family: a function DataSpec → torch module from images to feature maps (N, F, h, w)."""
